"""BOLD series of one run from the responses to its trials."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputMalformedError
from ..responses.autoregression import correlations, innovation_share
from ..responses.design import frame_times, trial_regressors
from ..responses.drifts import drift_cosines
from ..structures import FloatArray
from .noise_model import CALIBRATED, NONE, NoiseModel, require_kind
from .series_model import SeriesModel

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RunTiming:
    """When a run shows what, and when it is sampled.

    Attributes
    ----------
    onsets, durations : (n_trials,) seconds from the run's first volume
    n_volumes : of the run
    repetition_time : seconds
    """

    onsets: Array
    durations: Array
    n_volumes: int
    repetition_time: float

    @property
    def times(self) -> Array:
        """(n_volumes,) seconds at which volumes are sampled."""
        return frame_times(self.n_volumes, self.repetition_time, 0.0)


def run_series(
    responses: FloatArray,
    timing: RunTiming,
    model: SeriesModel,
    rng: np.random.Generator,
    *,
    kind: str = CALIBRATED,
    noise: NoiseModel | None = None,
) -> FloatArray:
    """One run's series.

    Parameters
    ----------
    responses : (n_trials, n_voxels) in the encoder's unit
    timing : the run's trials and volumes
    model : of the participant's series
    rng : decides drifts and noise
    kind : of drifts and noise over time: ``none``; ``independent`` over voxels; ``calibrated``, correlated
        over voxels as the noise of the participant's single trials is
    noise : model of that correlation; without one ``calibrated`` noise is independent over voxels

    Returns
    -------
    (n_volumes, n_voxels) float32, the scanner's units

    Raises
    ------
    InputMalformedError : responses do not fit the trials or the voxels
    UsageError : another kind

    Notes
    -----
    intensity x (1 + (X (mean + sd x response) + drift + noise) / 100), X the trials' regressors with the
    voxel's haemodynamic response at true onsets; see docs/synthesis-bold.md.
    """
    require_kind(kind)
    n_voxels = len(model.intensity)
    if responses.shape != (len(timing.onsets), n_voxels):
        raise InputMalformedError(
            f"Responses of shape {responses.shape} do not fit {len(timing.onsets)} trials and {n_voxels}"
            " voxels",
            "Give a response a trial and voxel, from the encoder that the series model is stored with",
        )
    percent = evoked_percent(responses, timing, model)
    if kind != NONE:
        shared = noise if kind == CALIBRATED else None
        percent += drift_percent(timing, model, rng, shared)
        percent += noise_percent(timing, model, rng, shared)
    percent /= 100
    percent += 1
    percent *= model.intensity
    return percent


def evoked_peaks(responses: FloatArray, model: SeriesModel) -> FloatArray:
    """(n_trials, n_voxels) percent signal change at the peak, of responses in the encoder's unit."""
    peaks: FloatArray = model.response_mean + model.response_sd * responses
    return peaks


def evoked_percent(responses: FloatArray, timing: RunTiming, model: SeriesModel) -> FloatArray:
    """(n_volumes, n_voxels) percent signal change that (n_trials, n_voxels) responses evoke."""
    peaks = evoked_peaks(responses, model)
    series: FloatArray = np.empty((timing.n_volumes, peaks.shape[1]), dtype=np.float32)
    for number, hrf in enumerate(model.hrfs):
        voxels = np.flatnonzero(model.hrf_index == number)
        design = trial_regressors(timing.onsets, timing.durations, timing.times, hrf)
        series[:, voxels] = design.astype(np.float32) @ peaks[:, voxels]
    return series


def drift_percent(
    timing: RunTiming, model: SeriesModel, rng: np.random.Generator, shared: NoiseModel | None = None
) -> FloatArray:
    """(n_volumes, n_voxels) drifts: cosines slower than 1/128 Hz, their amplitudes drawn for the run.

    In a run of another length the cosines have other frequencies: their variances follow the same power
    spectrum, interpolated, and constant below its slowest cosine.
    """
    cosines = drift_cosines(timing.times)
    n_known = len(model.drift_sd)
    if n_known == 0 or cosines.shape[1] == 0:
        return np.zeros((timing.n_volumes, len(model.intensity)), dtype=np.float32)
    longer = timing.n_volumes * timing.repetition_time / model.run_duration
    places = np.clip(np.arange(1, cosines.shape[1] + 1) / longer, 1, n_known) - 1
    below = np.floor(places).astype(int)
    above, share = np.minimum(below + 1, n_known - 1), (places - below)[:, np.newaxis]
    power = model.drift_sd.astype(np.float64) ** 2
    sd = np.sqrt(((1 - share) * power[below] + share * power[above]) / longer)
    amplitudes = sd * _standard(len(sd), len(model.intensity), rng, shared)
    return np.asarray(cosines @ amplitudes, dtype=np.float32)


def noise_percent(
    timing: RunTiming, model: SeriesModel, rng: np.random.Generator, shared: NoiseModel | None = None
) -> FloatArray:
    """(n_volumes, n_voxels) autoregressive noise, stationary from the first volume on.

    Its steps, not its values, have the correlation over voxels that ``shared`` says: between voxels whose
    noise is forgotten at different rates, that of the values is a little smaller.
    """
    model = model.at(timing.repetition_time)
    coefficients = model.autoregression.astype(np.float64)
    first = correlations(coefficients, 2)[1].astype(np.float32)
    step = np.sqrt(innovation_share(coefficients)).astype(np.float32)
    one, two = model.autoregression
    series = _standard(timing.n_volumes, len(model.intensity), rng, shared)
    if timing.n_volumes > 1:
        series[1] = first * series[0] + np.sqrt(1 - first**2) * series[1]
    for volume in range(2, timing.n_volumes):
        series[volume] = one * series[volume - 1] + two * series[volume - 2] + step * series[volume]
    return np.asarray(series * model.noise_sd)


def trial_noise_share(series: SeriesModel, noise: NoiseModel) -> FloatArray:
    """(n_voxels,) SD of the noise that arises trial by trial over that of all noise of a trial's estimate.

    The rest came from the series, and comes again where it is synthesised with noise and estimated: with
    sigma^2 the variance of estimates within stimulus and tau^2 what the series gave of it,
    sqrt(max(0, 1 - tau^2 / sigma^2)).
    """
    ratio = np.divide(
        series.estimate_noise, noise.noise_sd, out=np.zeros_like(noise.noise_sd), where=noise.noise_sd > 0
    )
    share: FloatArray = np.sqrt(np.maximum(1 - ratio**2, 0))
    return share


def _standard(n: int, n_voxels: int, rng: np.random.Generator, shared: NoiseModel | None) -> FloatArray:
    """(n, n_voxels) float32 normal draws of variance 1, independent over rows."""
    if shared is None:
        return rng.standard_normal((n, n_voxels), dtype=np.float32)
    drawn: FloatArray = rng.standard_normal((n, n_voxels), dtype=np.float32) * shared.unique_sd
    drawn += rng.standard_normal((n, len(shared.factors)), dtype=np.float32) @ shared.factors
    return drawn
