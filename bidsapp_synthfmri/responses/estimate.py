"""Runs in; single-trial responses out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch

from ..structures import BoolArray, FloatArray, Responses, Space, Trials
from .climb import climb
from .estimators import ESTIMATORS
from .hrf_choice import N_VOXELS_BATCH
from .library import hrf_library
from .outcome import Allocate, Estimate, finish, in_memory, kept_trials, nothing_chosen
from .runs import EstimableRun, RunData, estimable, percent_series, require_any_usable
from .series_noise import SeriesNoise, observed_runs

_CPU = torch.device("cpu")


def estimate_run(
    run: RunData, estimator: str, device: torch.device = _CPU
) -> tuple[FloatArray, BoolArray, EstimableRun]:
    """One run's responses in percent signal change, by an estimator that needs no other run.

    Parameters
    ----------
    run : its series and events
    estimator : ``lsa``, ``lss`` or ``tr34``
    device : where to compute

    Returns
    -------
    (n_kept, n_voxels) percent of the voxel's mean, 0 where the voxel is unusable; (n_voxels,) which
    voxels are usable: finite, not constant, with a mean above 0; and which trials were kept

    Raises
    ------
    DesignError : see the estimators
    InputMalformedError : more than half of the volumes are censored
    """
    here = estimable(run, estimator)
    n_voxels = run.bold.shape[1]
    values = np.empty((len(here.design.onsets), n_voxels), dtype=np.float32)
    usable = np.empty(n_voxels, dtype=bool)
    weights = ESTIMATORS[estimator](here.design) if len(values) else np.empty((0, len(here.design.times)))
    projection = torch.from_numpy(weights.astype(np.float32)).to(device)  # (n_kept, n_used)
    for start in range(0, n_voxels, N_VOXELS_BATCH):
        columns = slice(start, min(start + N_VOXELS_BATCH, n_voxels))
        series, good = percent_series(run.bold, here.design.used, columns, device)
        values[:, columns] = (projection @ series).cpu().numpy()
        usable[columns] = good.cpu().numpy()
    return values, usable, here


def estimate_responses(
    runs: Iterable[RunData],
    trials: Trials,
    voxels: Space,
    estimator: str,
    *,
    tuning: BoolArray | None = None,
    device: torch.device = _CPU,
    allocate: Allocate = in_memory,
) -> Responses:
    """Single-trial responses of all runs, z-scored within session.

    Parameters
    ----------
    runs : in the order of ``trials``. The rungs up to ``lss`` read them once, one at a time, so that one
        run's voxels are held; the upper rungs read them several times
    trials, voxels : rows and columns
    estimator : a rung of the ladder, ``tr34`` to ``hrf-denoise-ridge``
    tuning : (n_trials,) trials whose repeats may choose the number of noise components and the ridge
        fractions; None for all
    device : where to compute
    allocate : makes the array of the result

    Returns
    -------
    Responses in unit ``z``. Trials that cannot be estimated and voxels that are unusable in any run are
    left out and counted. Where repeats are too few for a rung, a lower one is used and
    ``estimation.notes`` says so

    Raises
    ------
    InputMalformedError : no voxel is usable in a run; a session has fewer than two trials
    DesignError : see the estimators; or no trial at all can be estimated
    """
    if estimator in ESTIMATORS:
        estimate = _run_by_run(runs, trials, len(voxels), estimator, device, allocate)
    else:
        readable = list(runs) if iter(runs) is runs else runs  # a generator cannot be read again
        estimate = climb(readable, trials, estimator, tuning, device, allocate)
        estimate = _with_series(estimate, readable, trials, device)
    return finish(estimate, trials, voxels)


def _run_by_run(
    runs: Iterable[RunData],
    trials: Trials,
    n_voxels: int,
    estimator: str,
    device: torch.device,
    allocate: Allocate,
) -> Estimate:
    values = allocate((len(trials), n_voxels))
    usable = np.ones(n_voxels, dtype=bool)
    designs: list[EstimableRun] = []
    filled = 0
    noise = SeriesNoise(n_voxels, estimator, device=device)
    observed = observed_runs(_n_runs(trials), n_voxels)
    for number, run in enumerate(runs):
        block, good, here = estimate_run(run, estimator, device)
        require_any_usable(run.label, good)
        values[filled : filled + len(block)] = block
        filled += len(block)
        usable &= good
        designs.append(here)
        if number in observed:
            noise.add(run, here)
    kept_trials(tuple(designs), trials)
    choices = replace(nothing_chosen(estimator), series=noise.statistics())
    return Estimate(values[:filled], usable, tuple(designs), estimator, choices)


def _with_series(
    estimate: Estimate, runs: Iterable[RunData], trials: Trials, device: torch.device
) -> Estimate:
    """The estimate and what some of the runs, read once more, are beside it."""
    index = estimate.choices.hrf_index
    n_voxels = estimate.values.shape[1]
    noise = SeriesNoise(n_voxels, estimate.estimator, hrf_library(), index, device)
    observed = observed_runs(_n_runs(trials), n_voxels)
    for number, (run, here) in enumerate(zip(runs, estimate.runs, strict=True)):
        if number in observed:
            noise.add(run, here)
    return replace(estimate, choices=replace(estimate.choices, series=noise.statistics()))


def _n_runs(trials: Trials) -> int:
    return int(trials.run_index.max(initial=0)) + 1
