"""Memory: what is free, what a fit will take, and a refusal with numbers before it is taken."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..encoding.fit import N_VOXELS_BATCH
from ..errors import MemoryExceededError

_MEMINFO = Path("/proc/meminfo")
_LIMIT = Path("/sys/fs/cgroup/memory.max")
_USED = Path("/sys/fs/cgroup/memory.current")
_ARRAYS_A_BATCH = 8
_KERNELS = 4
_GB = 1e9


def available_bytes(meminfo: Path = _MEMINFO, limit: Path = _LIMIT, used: Path = _USED) -> int | None:
    """What the machine and the cgroup leave to this process; None where neither says."""
    left = []
    if meminfo.is_file():
        fields = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
        left.append(int(fields["MemAvailable"].split()[0]) * 1024)
    if limit.is_file() and used.is_file() and (text := limit.read_text().strip()) != "max":
        left.append(int(text) - int(used.read_text()))
    return min(left) if left else None


def fit_bytes(n_trials: int, n_voxels: int, units: Sequence[int]) -> int:
    """Memory that fitting an encoder takes beside the responses, roughly.

    Two arrays like the responses, kernels in float64, a batch's arrays in float64, and weights in
    half precision with the voxels spread evenly over the layers.
    """
    arrays = 2 * 4 * n_trials * n_voxels
    kernels = _KERNELS * 8 * n_trials**2
    batch = _ARRAYS_A_BATCH * 8 * n_trials * min(n_voxels, N_VOXELS_BATCH)
    weights = 2 * n_voxels * sum(units) // max(len(units), 1)
    return arrays + kernels + batch + weights


def require_memory(needed: int, available: int | None, what: str) -> None:
    """Refuse what does not fit.

    Raises
    ------
    MemoryExceededError : ``needed`` exceeds ``available``
    """
    if available is not None and needed > available:
        raise MemoryExceededError(
            f"{what} needs about {needed / _GB:.1f} GB and {available / _GB:.1f} GB are free",
            "Give the run more memory, name ROIs with --roi, or use fewer --layers or sessions",
        )
