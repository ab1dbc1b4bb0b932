"""From the signal of a participant's voxels to the series of each run, in percent signal change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..structures import BoolArray, IntArray
from .config import SimulationConfig
from .haemodynamics import lsa_weights, trial_regressors
from .noise import NoiseLevels, TemporalNoise, calibrate, simulate_bold, trial_noise, variance_gain

Array = NDArray[np.float64]

_BACKGROUND_NOISE_PERCENT = 0.8
_NUISANCE_PERCENT = 0.3
_OUTLIER_PERCENT = 2.0


@dataclass(frozen=True)
class RunDesign:
    """What happens in one run.

    Attributes
    ----------
    shown : (n_trials,) row of the signal that each trial evokes
    onsets, durations : (n_trials,) seconds
    sample_times : (n_volumes,) seconds
    time_courses : (n_volumes, k) drift, motion and physiology, of mean 0 and SD 1
    outliers : (n_volumes, m) 1 in a volume in which the signal is in excess, one column each
    """

    shown: IntArray
    onsets: Array
    durations: Array
    sample_times: Array
    time_courses: Array
    outliers: Array

    @property
    def weights(self) -> Array:
        """(n_trials, n_volumes) least squares of all trials, all nuisance known."""
        regressors = trial_regressors(self.onsets, self.durations, self.sample_times)
        return lsa_weights(regressors, np.concatenate([self.time_courses, self.outliers], axis=1))


def temporal_noise(config: SimulationConfig) -> TemporalNoise:
    """The correlation of BOLD's noise over volumes."""
    return TemporalNoise(config.autocorrelation, config.white_share)


def noise_levels(designs: Sequence[RunDesign], reliability: Array, config: SimulationConfig) -> NoiseLevels:
    """Noise that gives (v,) voxels their reliability in the runs given."""
    gain = variance_gain([design.weights for design in designs], temporal_noise(config))
    return calibrate(reliability, gain, config.trial_noise_share)


def single_trials(
    designs: Sequence[RunDesign],
    signal: Array,
    levels: NoiseLevels,
    config: SimulationConfig,
    rng: np.random.Generator,
) -> Array:
    """(n_trials, v) responses of all runs' trials, in SDs of the signal, about the mean response."""
    shown = np.concatenate([design.shown for design in designs])
    return np.asarray(signal[shown] + trial_noise(levels.trial_sd, len(shown), config.shared_noise, rng))


def run_series(
    design: RunDesign,
    responses: Array,
    levels: NoiseLevels,
    columns: IntArray,
    n_columns: int,
    config: SimulationConfig,
    rng: np.random.Generator,
) -> Array:
    """One run of a brain of which some voxels respond.

    Parameters
    ----------
    design : the run
    responses : (n_trials, v) from ``single_trials``
    levels : noise of the v voxels
    columns : (v,) their columns in the result (``columns_in_mask``)
    n_columns : voxels of the brain
    config : units, noise
    rng : decides noise

    Returns
    -------
    (n_volumes, n_columns) percent signal change
    """
    percent = np.zeros((len(responses), n_columns))
    percent[:, columns] = config.percent_per_sd * (config.mean_response + responses)
    temporal_sd = np.full(n_columns, _BACKGROUND_NOISE_PERCENT)
    temporal_sd[columns] = config.percent_per_sd * levels.temporal_sd
    series = simulate_bold(
        percent,
        design.onsets,
        design.durations,
        design.sample_times,
        temporal_sd,
        temporal_noise(config),
        rng,
        _NUISANCE_PERCENT * design.time_courses,
    )
    return np.asarray(series + _OUTLIER_PERCENT * design.outliers.sum(axis=1, keepdims=True))


def columns_in_mask(ijk: IntArray, mask: BoolArray) -> IntArray:
    """(v,) position of each voxel of ``ijk`` among the mask's voxels in C order."""
    order = np.cumsum(mask.ravel()).reshape(mask.shape) - 1
    return np.asarray(order[tuple(ijk.T)], dtype=np.int64)
