"""How far a long step is: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .console import LOGGER

_SECONDS_BETWEEN_LINES = 30.0
_IMAGES = "images"
_PARTS = "parts"


@contextmanager
def told_images(what: str, total: int, done: int = 0) -> Iterator[Callable[[int], None]]:
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
    with _told(what, total, done, _IMAGES) as advance:
        yield advance


@contextmanager
def told_phases(what: str) -> Iterator[Callable[[str, int, int], None]]:
    """Tell of the parts of a step that has several phases, one after the other.

    Parameters
    ----------
    what : the step, in words

    Yields
    ------
    to be called with a phase, how many of its parts are done, and how many there are
    """
    phase, done = "", 0
    with ExitStack() as shown:
        advance: Callable[[int], None] = _ignored

        def tell(name: str, n_done: int, total: int) -> None:
            nonlocal phase, done, advance
            if name != phase:
                shown.close()
                phase, done = name, 0
                advance = shown.enter_context(_told(f"{what}: {name}", total, 0, _PARTS))
            if n_done > done:
                LOGGER.debug("%s: %s, %d of %d", what, name, n_done, total)
                advance(n_done - done)
                done = n_done

        yield tell


def _ignored(n: int) -> None:
    """Before the first phase nothing can be done."""


@contextmanager
def _told(what: str, total: int, done: int, unit: str) -> Iterator[Callable[[int], None]]:
    console = Console(stderr=True)
    if console.is_terminal:
        with _bar(what, total, done, unit, console) as advance:
            yield advance
    else:
        yield _lines(what, total, done, unit)


@contextmanager
def _bar(what: str, total: int, done: int, unit: str, console: Console) -> Iterator[Callable[[int], None]]:
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
            bar.update(task, advance=n, rate=_rate(count, time.perf_counter() - started, unit))

        yield advance


def _lines(what: str, total: int, done: int, unit: str) -> Callable[[int], None]:
    """A line now and then; a step that is over before the first of them needs none."""
    started = said = time.perf_counter()
    count = 0

    def advance(n: int) -> None:
        nonlocal count, said
        count += n
        now = time.perf_counter()
        is_over = done + count == total and said > started
        if now - said < _SECONDS_BETWEEN_LINES and not is_over:
            return
        said, seconds = now, now - started
        left = "" if done + count == total else f", {duration((total - done - count) * seconds / count)} left"
        LOGGER.info(
            "%s: %d of %d %s, %s%s", what, done + count, total, unit, _rate(count, seconds, unit), left
        )

    return advance


def duration(seconds: float) -> str:
    """Seconds in the largest unit that suits them."""
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _rate(count: int, seconds: float, unit: str) -> str:
    rate = count / max(seconds, 1e-9)
    if rate < 1:
        return f"{1 / rate:.0f} s each"
    return f"{rate:.0f} {unit}/s" if rate >= 10 else f"{rate:.1f} {unit}/s"
