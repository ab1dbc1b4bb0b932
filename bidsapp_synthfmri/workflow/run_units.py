"""Runs as units: each one's voxels read and masked by whoever is free, into files that are then mapped."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from uuid import uuid4

import numpy as np

from ..atomic import replacing
from ..config import UPPER_RUNGS, RunConfig
from ..dataset.bold import read_bold_and_pool
from ..dataset.rois import read_pool, read_voxel_space
from ..dataset.structures import ParticipantFiles, RunFiles
from ..structures import FloatArray, IntArray, Space
from .executors import executor_here
from .inputs import ParticipantInputs
from .streaming import RunStream, has_room

_SCRATCH = "responses"


@dataclass(frozen=True)
class RunUnit:
    """One run of a participant.

    Attributes
    ----------
    files : the participant's
    rois : that give the voxels
    number : of the run among the participant's
    with_pool : whether to read the voxels, too, from which noise components may be taken
    folder : where its files go
    """

    files: ParticipantFiles
    rois: tuple[str, ...]
    number: int
    with_pool: bool
    folder: Path


def read_run(unit: RunUnit) -> None:
    """Make the files of the run's masked series; see ``read_bold_and_pool`` for errors."""
    voxels, pool = _voxels(unit.files, unit.rois, unit.with_pool, unit.folder)
    run = unit.files.runs[unit.number]
    bold, pool_bold = read_bold_and_pool(run, voxels, pool)
    for name, values in (("bold", bold), ("pool", pool_bold)):
        if values is not None:
            with replacing(_path(unit.folder, run, name)) as stream:
                np.save(stream, values, allow_pickle=False)


@contextmanager
def runs_of(config: RunConfig, inputs: ParticipantInputs) -> Iterator[RunStream]:
    """The runs, to be gone through as often as the estimator must.

    Where others share the work, and the disk has room for all series, each run is read by one of them; else
    they are read here, by the upper rungs once, and kept in files.
    """
    several, scratch = config.responses in UPPER_RUNGS, config.work_folder / _SCRATCH
    executor, files = executor_here(), inputs.files
    n_bytes = inputs.series_bytes(with_pool=several)
    shared = executor.scratch if isinstance(files, ParticipantFiles) and executor.spare else None
    if shared is None or not isinstance(files, ParticipantFiles) or not has_room(shared, n_bytes):
        with inputs.runs(with_pool=several, scratch=scratch if several else None) as runs:
            yield runs
        return
    folder = shared / f"runs-{uuid4().hex}"
    folder.mkdir(parents=True)
    try:
        numbers = [number for number, run in enumerate(files.runs) if run in inputs.shown_runs]
        list(executor.map(read_run, [RunUnit(files, config.rois, n, several, folder) for n in numbers]))
        yield inputs.runs(reader=partial(_mapped, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _mapped(folder: Path, run: RunFiles) -> tuple[FloatArray, FloatArray | None]:
    pool = _path(folder, run, "pool")
    return (
        np.load(_path(folder, run, "bold"), mmap_mode="r", allow_pickle=False),
        np.load(pool, mmap_mode="r", allow_pickle=False) if pool.exists() else None,
    )


def _path(folder: Path, run: RunFiles, name: str) -> Path:
    return folder / f"ses-{run.session}_run-{run.run}_{name}.npy"


@lru_cache(maxsize=1)
def _voxels(
    files: ParticipantFiles,
    rois: tuple[str, ...],
    with_pool: bool,
    folder: Path,  # noqa: ARG001
) -> tuple[Space, IntArray | None]:
    """What a worker needs for all runs of a participant; ``folder`` tells runs of the program apart."""
    voxels = read_voxel_space(files, rois)
    return voxels, read_pool(files, voxels) if with_pool else None
