"""How far a long pass over images is: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .console import LOGGER

_SECONDS_BETWEEN_LINES = 30.0


@contextmanager
def progress(what: str, total: int, done: int = 0) -> Iterator[Callable[[int], None]]:
    """Tell of images as they are finished, with their rate and the time left.

    Parameters
    ----------
    what : the step, in words
    total : images of the step
    done : those that an earlier run finished; they do not count for the rate

    Yields
    ------
    to be called with the number of images just finished
    """
    console = Console(stderr=True)
    if console.is_terminal:
        with _bar(what, total, done, console) as advance:
            yield advance
    else:
        yield _lines(what, total, done)


@contextmanager
def _bar(what: str, total: int, done: int, console: Console) -> Iterator[Callable[[int], None]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    started, count = time.perf_counter(), 0
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(what, total=total, completed=done, rate="")

        def advance(n: int) -> None:
            nonlocal count
            count += n
            bar.update(task, advance=n, rate=_rate(count, time.perf_counter() - started))

        yield advance


def _lines(what: str, total: int, done: int) -> Callable[[int], None]:
    """A line now and then."""
    started = said = time.perf_counter()
    count = 0

    def advance(n: int) -> None:
        nonlocal count, said
        count += n
        now = time.perf_counter()
        if now - said >= _SECONDS_BETWEEN_LINES or done + count == total:
            said = now
            seconds = now - started
            left = (total - done - count) * seconds / count
            LOGGER.info(
                "%s: %d of %d images, %s, %s left",
                what,
                done + count,
                total,
                _rate(count, seconds),
                duration(left),
            )

    return advance


def duration(seconds: float) -> str:
    """Seconds in the largest unit that suits them."""
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _rate(count: int, seconds: float) -> str:
    rate = count / max(seconds, 1e-9)
    return f"{rate:.0f} images/s" if rate >= 10 else f"{rate:.1f} images/s"
