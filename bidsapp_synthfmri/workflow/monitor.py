"""Memory and processor time while a run goes on, sampled into a table of its log folder."""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .console import current_step
from .memory import held_bytes

_EVERY_S = 1.0
_HEADER = "time\tstep\trss_mb\tpeak_mb\tcpu_s\n"


@contextmanager
def monitored(path: Path | None, every_s: float = _EVERY_S) -> Iterator[None]:
    """Append a row a second to ``path`` while the block runs; do nothing where it is None.

    The columns: seconds since the start, the step, resident and peak memory in MB, and the processor time
    of all threads in seconds.
    """
    if path is None:
        yield
        return
    stop = threading.Event()
    thread = threading.Thread(target=_sample, args=(path, every_s, stop), name="monitor", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _sample(path: Path, every_s: float, stop: threading.Event) -> None:
    started = time.perf_counter()
    with path.open("w", encoding="utf-8") as table:
        table.write(_HEADER)
        while True:
            last = stop.wait(every_s)
            used = resource.getrusage(resource.RUSAGE_SELF)
            table.write(
                f"{time.perf_counter() - started:.1f}\t{current_step()}\t{held_bytes() / 1e6:.0f}"
                f"\t{used.ru_maxrss / 1e3:.0f}\t{used.ru_utime + used.ru_stime:.1f}\n"
            )
            table.flush()
            if last:
                return
