"""What the benchmarks share: works timed in turn, and the one JSON line that each prints."""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from threadpoolctl import threadpool_info

FIELDS = (
    "name",
    "config",
    "ours_s",
    "peer",
    "peer_s",
    "limit_s",
    "ratio_peer",
    "ratio_limit",
    "peak_mb",
    "agreement",
    "threads",
    "device",
)
# First rounds shorter than this many seconds are followed until there are that many.
_ROUNDS = ((0.1, 15), (20.0, 3))

Ours = TypeVar("Ours")
Peer = TypeVar("Peer")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Measurement(Generic[Ours, Peer]):
    """Medians of wall-clock seconds, and what the first round gave.

    Attributes
    ----------
    ours_s, limit_s, peer_s : seconds; None where there was nothing to run
    ours, peer : results
    peak_mb : the largest memory of the process until ours had run once; of the device on a GPU
    """

    ours_s: float
    ours: Ours
    limit_s: float | None
    peer_s: float | None
    peer: Peer | None
    peak_mb: float


def measure(
    ours: Callable[[], Ours],
    limit: Callable[[], object] | None = None,
    peer: Callable[[], Peer] | None = None,
    device: str = "cpu",
) -> Measurement[Ours, Peer]:
    """Time ours, the physical limit and the peer in turn, round by round.

    Parameters
    ----------
    ours, limit, peer : take nothing and return once all is computed; on a GPU, once copied back
    device : whose memory ``peak_mb`` is
    """
    seconds: dict[str, list[float]] = {}
    result_ours = _timed(ours, seconds.setdefault("ours", []))
    peak_mb = _peak_mb(device)
    if limit is not None:
        _timed(limit, seconds.setdefault("limit", []))
    result_peer = None if peer is None else _timed(peer, seconds.setdefault("peer", []))
    rounds = {name: _rounds(first) for name, (first,) in seconds.items()}
    works = {"ours": ours, "limit": limit, "peer": peer}
    for number in range(1, max(rounds.values())):
        for name, work in works.items():
            if work is not None and number < rounds[name]:
                _timed(work, seconds[name])
    median = {name: statistics.median(values) for name, values in seconds.items()}
    return Measurement(
        median["ours"], result_ours, median.get("limit"), median.get("peer"), result_peer, peak_mb
    )


def argument_parser(description: str | None) -> argparse.ArgumentParser:
    """The options of every benchmark."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a small case, in seconds")
    parser.add_argument("--device", default="cpu", help="cpu or cuda; no effect where there is no GPU code")
    return parser


def threads() -> int:
    """How many threads the process's numerical libraries may use (``OMP_NUM_THREADS``)."""
    return max(int(library["num_threads"]) for library in threadpool_info())


def print_line(
    name: str,
    config: dict[str, Any],
    measurement: Measurement[Any, Any],
    peer: str | None,
    agreement: dict[str, Any] | None,
    n_threads: int,
    device: str = "cpu",
) -> None:
    """Print one JSON line of the fields ``FIELDS``.

    Parameters
    ----------
    peer : its name and version
    agreement : what was compared, and how close it is
    """
    ours_s, peer_s, limit_s = measurement.ours_s, measurement.peer_s, measurement.limit_s
    values = (
        name,
        config,
        rounded(ours_s),
        peer,
        rounded(peer_s),
        rounded(limit_s),
        None if peer_s is None else rounded(peer_s / ours_s, 3),
        None if limit_s is None else rounded(ours_s / limit_s, 3),
        round(measurement.peak_mb),
        agreement,
        n_threads,
        device,
    )
    print(json.dumps(dict(zip(FIELDS, values, strict=True)), allow_nan=False))


def rounded(value: float | None, digits: int = 4) -> float | None:
    """``value`` to some significant digits."""
    return None if value is None else float(f"{value:.{digits}g}")


def own_peak_mb() -> int:
    """Largest memory of this process; ``ru_maxrss`` would count its parent's, where the kernel keeps both."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return round(int(fields["VmHWM"].split()[0]) / 1024)


def _timed(work: Callable[[], Result], seconds: list[float]) -> Result:
    start = time.perf_counter()
    result = work()
    seconds.append(time.perf_counter() - start)
    return result


def _rounds(first_s: float) -> int:
    return next((rounds for limit_s, rounds in _ROUNDS if first_s < limit_s), 1)


def _peak_mb(device: str) -> float:
    if device.startswith("cuda"):
        import torch

        return torch.cuda.max_memory_allocated(device) / 2**20
    kilobytes = 2**10 if sys.platform == "darwin" else 1  # macOS counts bytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / kilobytes / 2**10
