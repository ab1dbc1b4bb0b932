"""What is said: progress on the terminal, everything in run.log."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.logging import RichHandler

LOGGER = logging.getLogger("bidsapp_synthfmri")
_LEVELS = (logging.INFO, logging.INFO, logging.DEBUG)


@contextmanager
def logging_to(path: Path | None, verbosity: int) -> Iterator[None]:
    """Messages to the terminal, and all of them to ``path`` if given."""
    terminal = RichHandler(
        console=Console(stderr=True),
        show_path=False,
        show_level=verbosity > 0,
        log_time_format="%H:%M:%S",
        markup=False,
        highlighter=None,
    )
    terminal.setLevel(_LEVELS[min(verbosity, len(_LEVELS) - 1)])
    handlers: list[logging.Handler] = [terminal]
    if path is not None:
        record = logging.FileHandler(path, encoding="utf-8")
        record.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        handlers.append(record)
    LOGGER.setLevel(logging.DEBUG)
    LOGGER.propagate = False
    for handler in handlers:
        LOGGER.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            LOGGER.removeHandler(handler)
            handler.close()


@contextmanager
def heard_warnings() -> Iterator[list[str]]:
    """The warnings and errors that are logged meanwhile, each once."""
    heard: list[str] = []

    class Hearing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if (message := record.getMessage()) not in heard:
                heard.append(message)

    handler = Hearing(logging.WARNING)
    LOGGER.addHandler(handler)
    try:
        yield heard
    finally:
        LOGGER.removeHandler(handler)


_STEPS: list[str] = []


def current_step() -> str:
    """The innermost step of a ``Stopwatch`` that is going on, with its prefix; empty between steps."""
    return _STEPS[-1] if _STEPS else ""


class Stopwatch:
    """Seconds a step took, in order of the steps.

    Attributes
    ----------
    elapsed : step -> seconds
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.elapsed: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step; say it when it begins, and its time when it ends."""
        LOGGER.info("%s: %s", self._prefix, name)
        started = time.perf_counter()
        _STEPS.append(f"{self._prefix}: {name}")
        try:
            yield
        finally:
            _STEPS.pop()
        self.elapsed[name] = round(time.perf_counter() - started, 2)
        LOGGER.debug("%s: %s took %.2f s", self._prefix, name, self.elapsed[name])
