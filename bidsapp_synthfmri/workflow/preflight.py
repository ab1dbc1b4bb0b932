"""What is checked before hours of work: the dataset's form, the disk, folders that can be written."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..config import RunConfig
from ..dataset.bold import n_volumes
from ..dataset.validation import bids_problems
from ..errors import InputMalformedError, OutputUnwritableError
from ..features.backbones import Backbone
from ..features.cache import missing_bytes
from .console import LOGGER
from .inputs import ParticipantInputs

FEATURE_CACHE = "features"
_GB = 1e9
_FLOAT32 = 4
_HALF = 2
# Seconds on one core, from docs/benchmarks.md: a picture decoded, through AlexNet and into the cache; a
# gigabyte of BOLD values unpacked and fitted; and float operations a second in kernels and their reduction.
_PICTURE_S = 0.02
_BOLD_GB_S = 8.0
_FLOPS = 7e10
# Fits to two thirds of the trials that choose layers, beside the one to all: (2/3)^3 each.
_FITS = 1 + 3 * (2 / 3) ** 3


@dataclass(frozen=True)
class Needs:
    """What one participant will take, roughly.

    Attributes
    ----------
    disk : folder -> bytes
    seconds : on one core
    """

    disk: Mapping[Path, int]
    seconds: float


def check_bids(config: RunConfig, participant: str, inputs: ParticipantInputs) -> None:
    """Warn of what departs from BIDS in the files used; refuse it with ``--strict``.

    Raises
    ------
    InputMalformedError : with ``--strict``, naming the first departure and counting the others
    """
    if config.skip_bids_validation:
        return
    problems = bids_problems(config.bids_dir, inputs.files)
    if problems and config.strict:
        more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
        raise InputMalformedError(
            f"sub-{participant} departs from BIDS: {problems[0]}{more}", "Mend it, or leave out --strict"
        )
    for problem in problems:
        LOGGER.warning("sub-%s departs from BIDS: %s", participant, problem)


def needs_of(config: RunConfig, inputs: ParticipantInputs, backbone: Backbone, units: Sequence[int]) -> Needs:
    """Disk and time that a participant will take.

    Parameters
    ----------
    backbone : the network, whose features are or will be cached
    units : of each of its layers
    """
    cache = _cache_bytes(config, inputs, backbone, units)
    n_trials, n_stimuli, n_voxels = len(inputs.trials), len(inputs.stimuli), len(inputs.voxels)
    n_extra = sum(map(len, inputs.extra))
    matrices = _FLOAT32 * n_voxels * (n_trials + n_stimuli + n_extra)
    encoder = _HALF * n_voxels * sum(units) // max(len(units), 1)
    n_pictures = n_extra + cache // (_FLOAT32 * max(sum(units), 1))
    seconds = _PICTURE_S * n_pictures + _BOLD_GB_S * _bold_gb(inputs)
    seconds += n_stimuli**2 * sum(units) / _FLOPS + len(units) * _FITS * _reduction_flops(inputs) / _FLOPS
    kept = _FLOAT32 * n_voxels * (n_extra + (0 if inputs.precomputed else n_trials))  # steps' results
    return Needs({config.work_folder: cache + kept, config.output_dir: matrices + encoder}, seconds)


def _cache_bytes(
    config: RunConfig, inputs: ParticipantInputs, backbone: Backbone, units: Sequence[int]
) -> int:
    """Bytes of features that are not in the cache yet; the bound where ``--cache-size`` sets a lower one."""
    folder = config.work_folder / FEATURE_CACHE
    missing = missing_bytes(backbone, inputs.stimuli.sorted(), folder, units)
    return missing if config.cache_bytes is None else min(missing, config.cache_bytes)


def require_disk(needs: Mapping[Path, int]) -> None:
    """Refuse what the disks have no room for; folders on one disk share its room.

    Raises
    ------
    OutputUnwritableError : naming the folder, what it needs and what is free
    """
    by_disk: dict[int, list[tuple[Path, int]]] = {}
    for folder, n_bytes in needs.items():
        by_disk.setdefault(_existing(folder).stat().st_dev, []).append((folder, n_bytes))
    for folders in by_disk.values():
        needed = sum(n_bytes for _, n_bytes in folders)
        free = shutil.disk_usage(_existing(folders[0][0])).free
        if needed > free:
            largest = max(folders, key=lambda pair: pair[1])[0]
            raise OutputUnwritableError(
                f"The run needs about {needed / _GB:.1f} GB on the disk of {largest}, and {free / _GB:.1f} GB"
                " are free",
                "Free some, or name other folders with OUTPUT_DIR and --work-dir",
            )


def _reduction_flops(inputs: ParticipantInputs) -> float:
    """Of one layer's reduction and search, in float64: n^3 terms, and voxels' products with it."""
    n, v = len(inputs.trials), len(inputs.voxels)
    return 4 * n**3 + 8 * n**2 * v


def _bold_gb(inputs: ParticipantInputs) -> float:
    """GB of the voxels' series, in float32."""
    n_values = sum(n_volumes(run) for run in inputs.recorded_runs) * len(inputs.voxels)
    return _FLOAT32 * n_values / _GB


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    path = folder.absolute()
    while not path.exists():
        path = path.parent
    return path
