"""Memory: what is free, what a fit will take, and a refusal with numbers before it is taken."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from pathlib import Path

from ..config import RunConfig
from ..encoding.fit import N_VOXELS_BATCH
from ..encoding.selection import BANDED, ROI, STACKING, VOXEL
from ..encoding.weights import MIN_VOXELS_FOR_BASIS
from ..errors import MemoryExceededError
from .cgroups import ControlGroups
from .streaming import stays_in_memory

_MEMINFO = Path("/proc/meminfo")
_GROUPS = ControlGroups()
_ARRAYS_A_BATCH = 8
# Arrays of a kernel's size, float64: to solve, and to find a basis that stores many voxels' weights.
_KERNELS = 4
_BASIS_KERNELS = 7
_GB = 1e9


def available_bytes(meminfo: Path = _MEMINFO, groups: ControlGroups = _GROUPS) -> int | None:
    """What machine, cgroup and the limit of the address space leave to this process; None where none says."""
    left = []
    if meminfo.is_file():
        left.append(_stated_bytes(meminfo, "MemAvailable"))
    if (of_groups := groups.memory_left()) is not None:
        left.append(of_groups)
    address_space, _ = resource.getrlimit(resource.RLIMIT_AS)
    if address_space != resource.RLIM_INFINITY:
        left.append(max(0, address_space - held_bytes(field="VmSize")))
    return min(left) if left else None


def memory_budget(config: RunConfig) -> int | None:
    """What this run may still take: what the machine leaves, and ``--mem`` less what it holds already."""
    available = available_bytes()
    if config.memory is None:
        return available
    left = max(0, config.memory - held_bytes())
    return left if available is None else min(left, available)


def array_budget(config: RunConfig) -> int | None:
    """Memory by which it is decided whether a large array stays in it; none with ``--low-mem``."""
    return 0 if config.low_mem else memory_budget(config)


def held_bytes(status: Path = Path("/proc/self/status"), field: str = "VmRSS") -> int:
    """Resident memory of this process, or another of the kernel's fields; 0 where the system does not say."""
    return _stated_bytes(status, field) if status.is_file() else 0


def _stated_bytes(path: Path, field: str) -> int:
    """A field of a file of the kernel's that has lines like ``MemAvailable:  8000 kB``."""
    fields = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
    return int(fields[field].split()[0]) * 1024


def fit_bytes(
    n_trials: int,
    n_voxels: int,
    units: Sequence[int],
    selection: str = VOXEL,
    available: int | None = None,
    uncertainty: bool = False,
    n_without: int = 0,
) -> int:
    """Memory that fitting an encoder takes beside the responses, roughly.

    Every layer's kernel in float32, arrays like the responses, one kernel's decomposition in float64 or, from
    a thousand voxels on, its eigenvectors, a batch's arrays in float64, and weights in half precision: with
    one layer a voxel those of voxels spread evenly over the layers, jointly those of every layer for every
    voxel. With ``uncertainty`` the training images' directions in every layer come on top, at most one a
    trial, and once more as the file. Encoders without some trials keep dual weights, an array like the
    responses each and, jointly, each layer, and one at a time has weights.

    Parameters
    ----------
    n_trials, n_voxels : of the training responses
    units : of each layer
    selection : ``voxel``, ``roi``, ``stacking`` or ``banded``
    available : bytes of memory; arrays that would take over a quarter of it go to a file and are not counted
    uncertainty : whether the posterior is stored
    n_without : how many encoders without some trials predict new images
    """
    n_layers, responses = len(units), 4 * n_trials * n_voxels
    arrays = [4 * n_layers * n_trials**2, responses]
    arrays += {ROI: [n_layers * responses], STACKING: 2 * [n_layers * responses]}.get(selection, [responses])
    arrays += (n_layers if selection == STACKING else 1) * [n_without * responses]
    kept = sum(n_bytes for n_bytes in arrays if stays_in_memory(n_bytes, available))
    basis = n_voxels >= MIN_VOXELS_FOR_BASIS
    decomposition = (_BASIS_KERNELS if basis else _KERNELS) * 8 * n_trials**2
    batch = _ARRAYS_A_BATCH * 8 * n_trials * min(n_voxels, N_VOXELS_BATCH)
    weights = 2 * n_voxels * sum(units)
    if selection not in (STACKING, BANDED):
        weights //= max(n_layers, 1)
    posterior = 2 * 2 * n_trials * sum(units) if uncertainty else 0
    return kept + decomposition + batch + (2 if n_without else 1) * weights + posterior


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
