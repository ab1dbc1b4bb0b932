"""Runs in, one at a time; single-trial responses out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputMalformedError
from ..structures import BoolArray, Estimation, FloatArray, Responses, Trials, VoxelSpace
from .design import frame_times, nuisance_basis
from .estimators import ESTIMATORS, RunDesign

PRECOMPUTED = "precomputed"


@dataclass(frozen=True)
class RunData:
    """One run, read.

    Attributes
    ----------
    label : the run's name, for messages
    bold : (n_volumes, n_voxels) float32, the scanner's units
    onsets, durations : (n_trials,) seconds from the run's first volume
    confounds : (n_volumes, n_confounds)
    repetition_time : seconds
    start_time : seconds after a volume's onset to which slice timing refers it
    censored : (n_volumes,) volumes that take no part in any fit; None for none
    pool : (n_volumes, n_pool) series of brain voxels outside the masks, from which noise components may be
        taken; None where ``bold`` is the whole brain
    """

    label: str
    bold: FloatArray
    onsets: NDArray[np.float64]
    durations: NDArray[np.float64]
    confounds: NDArray[np.float64]
    repetition_time: float
    start_time: float
    censored: BoolArray | None = None
    pool: FloatArray | None = None


def estimate_run(run: RunData, estimator: str) -> tuple[FloatArray, BoolArray]:
    """One run's responses in percent signal change.

    Returns
    -------
    (n_trials, n_voxels) percent of the voxel's mean, 0 where the voxel is unusable; and
    (n_voxels,) which voxels are usable: finite, not constant, with a mean above 0

    Raises
    ------
    DesignError : see the estimators
    """
    times = frame_times(len(run.bold), run.repetition_time, run.start_time)
    nuisance = nuisance_basis(times, run.confounds)
    design = RunDesign(run.onsets, run.durations, times, nuisance, run.label, run.start_time)
    weights = ESTIMATORS[estimator](design).astype(np.float32)  # (n_trials, n_volumes)
    finite = np.isfinite(run.bold).all(axis=0)
    bold = np.where(finite, run.bold, np.float32(0))
    mean = bold.mean(axis=0, dtype=np.float64)  # (n_voxels,)
    usable = finite & (mean > 0) & (np.ptp(bold, axis=0) > 0)
    centred = bold - mean.astype(np.float32)  # (n_volumes, n_voxels)
    scale = np.where(usable, 100 / np.where(usable, mean, 1), 0).astype(np.float32)
    return (weights @ centred) * scale, usable


def estimate_responses(
    runs: Iterable[RunData], trials: Trials, voxels: VoxelSpace, estimator: str
) -> Responses:
    """Single-trial responses of all runs, z-scored within session.

    Parameters
    ----------
    runs : in the order of ``trials``; taken one at a time, so that one run's voxels are held
    trials, voxels : rows and columns
    estimator : ``lsa``, ``lss`` or ``tr34``

    Returns
    -------
    Responses in unit ``z``; voxels that are unusable in any run are left out and counted

    Raises
    ------
    InputMalformedError : no voxel is usable in a run; a session has fewer than two trials
    DesignError : see the estimators
    """
    blocks: list[FloatArray] = []
    usable = np.ones(len(voxels), dtype=bool)
    for run in runs:
        values, good = estimate_run(run, estimator)
        if not good.any():
            raise InputMalformedError(
                f"{run.label}: all {len(good)} voxels of the masks are constant, zero or not finite",
                "Check that the masks lie on this BOLD series' brain, and that the series is complete",
            )
        blocks.append(values)
        usable &= good
    return _standardised(np.concatenate(blocks), usable, trials, voxels, estimator)


def standardise_precomputed(
    values: FloatArray, trials: Trials, voxels: VoxelSpace, estimation: Estimation
) -> Responses:
    """Responses that others computed, z-scored within session.

    Parameters
    ----------
    values : (n_trials, n_voxels), in any unit
    trials, voxels : rows and columns
    estimation : what is known of how they came about

    Returns
    -------
    Responses in unit ``z``; voxels that are not finite, or constant in a session, are left out and counted

    Raises
    ------
    InputMalformedError : no voxel is usable; a session has fewer than two trials
    """
    usable: BoolArray = np.asarray(np.isfinite(values).all(axis=0), dtype=np.bool_)
    return _standardised(values, usable, trials, voxels, PRECOMPUTED, estimation)


def _standardised(
    values: FloatArray,
    usable: BoolArray,
    trials: Trials,
    voxels: VoxelSpace,
    estimator: str,
    estimation: Estimation | None = None,
) -> Responses:
    """Usable voxels (n_voxels,) that vary in every session, z-scored; the others counted."""
    _require_pairs(trials)
    scored, varying = zscore_within(values[:, usable], trials.session_index)
    usable = usable.copy()
    usable[np.flatnonzero(usable)[~varying]] = False
    if not usable.any():
        raise InputMalformedError(
            f"None of the {len(usable)} voxels of the masks is usable in every run",
            "Check the runs' signal; leave out bad sessions with --session-label",
        )
    return Responses(
        values=scored[:, varying],
        trials=trials,
        voxels=voxels.take(usable),
        estimator=estimator,
        unit="z",
        dropped_voxels=int((~usable).sum()),
        estimation=estimation,
    )


def zscore_within(values: FloatArray, groups: NDArray[np.int64]) -> tuple[FloatArray, BoolArray]:
    """Values z-scored per voxel within each group of rows.

    Parameters
    ----------
    values : (n_trials, n_voxels)
    groups : (n_trials,) group numbers, such as the session's

    Returns
    -------
    (n_trials, n_voxels) float32, 0 where a voxel does not vary in a group; and (n_voxels,) whether
    it varies in every group
    """
    scored = np.empty_like(values)
    varying = np.ones(values.shape[1], dtype=bool)
    for group in np.unique(groups):
        rows = groups == group
        block = values[rows].astype(np.float64)
        spread = block.std(axis=0, ddof=1)
        good = spread > 0
        scored[rows] = (block - block.mean(axis=0)) / np.where(good, spread, 1)
        varying &= good
    return scored, varying


def _require_pairs(trials: Trials) -> None:
    counts = trials.table["session"].value_counts()
    if counts.min() < 2:
        session = str(counts.idxmin())
        raise InputMalformedError(
            f"Session {session or '(the only one)'} has a single trial, which cannot be z-scored",
            "Leave the session out with --session-label",
        )
