"""Noise of simulated responses, calibrated so that a voxel's single-trial reliability is known.

Of an estimate's noise variance N = (1 - r) / r, in units of the signal's variance, a share arises in
the response itself (trial noise) and the rest in BOLD (temporal noise), which reaches the estimate as
mean_i w_i' R w_i: R the temporal noise's correlation over volumes, w_i the weights with which least
squares of all trials estimates trial i.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import toeplitz
from scipy.signal import lfilter

from .haemodynamics import trial_regressors

Array = NDArray[np.float64]

_SHARED_PATTERNS = 4


@dataclass(frozen=True)
class TemporalNoise:
    """Noise of unit variance over volumes: white, and autoregressive of order one.

    Attributes
    ----------
    autocorrelation : lag-one correlation of the autoregressive part
    white_share : share of the variance that is white
    """

    autocorrelation: float = 0.4
    white_share: float = 0.5

    def covariance(self, n_volumes: int) -> Array:
        """(n_volumes, n_volumes) correlation over volumes."""
        column = (1 - self.white_share) * self.autocorrelation ** np.arange(n_volumes)
        column[0] = 1.0
        return np.asarray(toeplitz(column), dtype=np.float64)

    def draw(self, n_volumes: int, n_voxels: int, rng: np.random.Generator) -> Array:
        """(n_volumes, n_voxels), stationary from the first volume on."""
        steps = rng.standard_normal((n_volumes, n_voxels))
        steps[1:] *= np.sqrt(1 - self.autocorrelation**2)
        correlated = lfilter([1.0], [1.0, -self.autocorrelation], steps, axis=0)
        white = rng.standard_normal((n_volumes, n_voxels))
        return np.asarray(np.sqrt(1 - self.white_share) * correlated + np.sqrt(self.white_share) * white)


@dataclass(frozen=True)
class NoiseLevels:
    """SDs in units of the signal's SD, one a voxel.

    Attributes
    ----------
    reliability : (v,) single-trial reliability r that the two SDs give
    trial_sd : (v,) noise of the response itself
    temporal_sd : (v,) noise of BOLD, volume by volume
    estimate_sd : (v,) noise of one trial's estimate, both together
    """

    reliability: Array
    trial_sd: Array
    temporal_sd: Array
    estimate_sd: Array


def calibrate(reliability: Array, variance_gain: float, trial_share: float) -> NoiseLevels:
    """Noise that gives each voxel its reliability.

    Parameters
    ----------
    reliability : (v,) between 0 and 1
    variance_gain : ``variance_gain`` of the design
    trial_share : share of the estimate's noise variance that arises trial by trial
    """
    noise = (1 - reliability) / reliability
    return NoiseLevels(
        reliability=reliability,
        trial_sd=np.sqrt(trial_share * noise),
        temporal_sd=np.sqrt((1 - trial_share) * noise / variance_gain),
        estimate_sd=np.sqrt(noise),
    )


def variance_gain(weights: Sequence[Array], noise: TemporalNoise) -> float:
    """mean_i w_i' R w_i over all trials of runs whose (n_trials, n_volumes) weights are given."""
    per_trial = [np.einsum("it,ts,is->i", w, noise.covariance(w.shape[1]), w, optimize=True) for w in weights]
    return float(np.concatenate(per_trial).mean())


def spread_reliabilities(mean: float, n_voxels: int, factor: float, rng: np.random.Generator) -> Array:
    """(n_voxels,) reliabilities evenly from 0.7 to 1.3 of ``mean``, before noise SD times ``factor``."""
    even = np.linspace(-1, 1, n_voxels) if n_voxels > 1 else np.zeros(1)
    reliability = np.minimum(mean * (1 + 0.3 * rng.permutation(even)), 0.98)
    noise = factor**2 * (1 - reliability) / reliability
    return np.asarray(1 / (1 + noise))


def trial_noise(trial_sd: Array, n_trials: int, shared: float, rng: np.random.Generator) -> Array:
    """(n_trials, v) noise of the responses; a share of its variance follows four patterns over voxels."""
    n_voxels = len(trial_sd)
    patterns = rng.standard_normal((_SHARED_PATTERNS, n_voxels))
    patterns /= np.linalg.norm(patterns, axis=0)
    common = rng.standard_normal((n_trials, _SHARED_PATTERNS)) @ patterns
    own = rng.standard_normal((n_trials, n_voxels))
    return np.asarray(trial_sd * (np.sqrt(shared) * common + np.sqrt(1 - shared) * own))


def simulate_bold(
    responses: Array,
    onsets: Array,
    durations: Array,
    sample_times: Array,
    temporal_sd: Array,
    noise: TemporalNoise,
    rng: np.random.Generator,
    nuisance: Array | None = None,
) -> Array:
    """One run's BOLD in percent signal change.

    Parameters
    ----------
    responses : (n_trials, v) peak response of each trial, percent
    onsets, durations : (n_trials,) seconds from the first volume
    sample_times : (n_volumes,) seconds at which volumes are sampled
    temporal_sd : (v,) SD of the temporal noise, percent
    noise : its correlation over volumes
    rng : decides noise, and each voxel's share in the nuisance
    nuisance : (n_volumes, k) drift, motion, physiology, in percent; each is added to every voxel with a
        normally distributed weight

    Returns
    -------
    (n_volumes, v)
    """
    n_volumes, n_voxels = len(sample_times), len(temporal_sd)
    series = trial_regressors(onsets, durations, sample_times) @ responses
    series += temporal_sd * noise.draw(n_volumes, n_voxels, rng)
    if nuisance is not None:
        series += nuisance @ rng.standard_normal((nuisance.shape[1], n_voxels))
    return np.asarray(series)
