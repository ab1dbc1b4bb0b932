"""Slow drifts of a run: the amplitudes of its cosines, and their variance over runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from nilearn.glm.first_level import make_first_level_design_matrix
from numpy.typing import NDArray

from ..structures import BoolArray
from .autoregression import N_MEMORY, lagged_products, weighted_variance
from .design import HIGH_PASS_HZ, frame_times, trial_regressors
from .runs import EstimableRun, RunData

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RunDrifts:
    """A run's drifts.

    Attributes
    ----------
    weights : (n_cosines, n_used); their product with a series is each cosine's amplitude, trials out
    noise : (n_cosines, n_lags) the weights' lagged products
    squares : (n_cosines, n_voxels) squared amplitudes
    duration : seconds
    """

    weights: Array
    noise: Array
    squares: NDArray[np.float32]
    duration: float

    @classmethod
    def of(cls, run: RunData, here: EstimableRun, n_voxels: int) -> RunDrifts:
        """A run's, its squares to be filled; confounds are left in the series: they hold drifts too."""
        design, n_volumes = here.design, here.n_volumes
        times = frame_times(n_volumes, run.repetition_time, run.start_time)
        cosines = drift_cosines(times)
        rows = slice(None) if design.used is None else design.used
        trials = trial_regressors(run.onsets, run.durations, design.times)
        columns = [cosines[rows], np.ones((len(design.times), 1)), trials]
        weights = np.linalg.pinv(np.column_stack(columns))[: cosines.shape[1]]
        noise = lagged_products(on_volumes(weights.T, design.used, n_volumes).T, N_MEMORY)
        squares = np.zeros((len(weights), n_voxels), dtype=np.float32)
        return cls(weights, noise, squares, n_volumes * run.repetition_time)


def drift_cosines(times: Array) -> Array:
    """(n_volumes, n_cosines) cosines below the high-pass frequency, each of mean 0 and SD 1."""
    table = make_first_level_design_matrix(times, drift_model="cosine", high_pass=HIGH_PASS_HZ)
    cosines = table.drop(columns="constant").to_numpy(dtype=np.float64)
    return np.asarray(cosines / cosines.std(axis=0))


def drift_variances(
    runs: Sequence[RunDrifts], duration: float, variance: Array, coefficients: Array
) -> Array:
    """(n_cosines, n_voxels) variances of the amplitudes in runs of a duration, less what noise adds to them.

    In a run of another length cosines have other frequencies: each counts towards the nearest one, its
    variance times the ratio of lengths, so that the power spectrum is the same.
    """
    n_cosines = max(len(run.weights) for run in runs)
    sums, counts = np.zeros((n_cosines, len(variance))), np.zeros((n_cosines, 1))
    for run in runs:
        drift = run.squares - variance * weighted_variance(run.noise, coefficients)
        for number, row in enumerate(drift, start=1):
            nearest = min(max(round(number * duration / run.duration), 1), n_cosines) - 1
            sums[nearest] += row * (run.duration / duration)
            counts[nearest] += 1
    return np.maximum(sums / np.maximum(counts, 1), 0)


def on_volumes(values: Array, used: BoolArray | None, n_volumes: int) -> Array:
    """(n_volumes, k) with the (n_used, k) values at the volumes used, and 0 at the others."""
    if used is None:
        return values
    whole = np.zeros((n_volumes, values.shape[1]))
    whole[used] = values
    return whole
