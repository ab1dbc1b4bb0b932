"""Reliability of single-trial responses, with unequal numbers of presentations."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputMalformedError
from ..structures import BoolArray, FloatArray, IntArray
from .presentations import Float64Array, Presentations, group_presentations, require_finite, require_shape

_VOXELS_PER_BLOCK = 512


@dataclass(frozen=True)
class Reliability:
    """How much of the single-trial variance is the stimulus.

    Attributes
    ----------
    ncsnr : (n_voxels,) signal over noise standard deviation
    r : (n_voxels,) expected correlation of one presentation with another
    signal_sd, noise_sd : (n_voxels,) in the unit of the responses
    noise_ceiling : (n_voxels,) share of the variance of the mean over presentations that is signal,
        over the stimuli shown more than once; never clipped
    n_stimuli, n_repeated, n_trials : distinct stimuli, those shown more than once, and trials
    """

    ncsnr: FloatArray
    r: FloatArray
    signal_sd: FloatArray
    noise_sd: FloatArray
    noise_ceiling: FloatArray
    n_stimuli: int
    n_repeated: int
    n_trials: int

    @property
    def total_sd(self) -> FloatArray:
        """(n_voxels,) standard deviation of a single trial."""
        return np.hypot(self.signal_sd, self.noise_sd)

    def take(self, voxels: BoolArray) -> Reliability:
        """The reliability of some voxels."""
        return replace(
            self,
            ncsnr=self.ncsnr[voxels],
            r=self.r[voxels],
            signal_sd=self.signal_sd[voxels],
            noise_sd=self.noise_sd[voxels],
            noise_ceiling=self.noise_ceiling[voxels],
        )


def has_repeats(stimulus_index: IntArray) -> bool:
    """Whether any stimulus was shown more than once."""
    return len(np.unique(stimulus_index)) < len(stimulus_index)


def reliability(values: FloatArray, stimulus_index: IntArray) -> Reliability:
    """Signal and noise variance of every voxel from unequal repeats.

    Parameters
    ----------
    values : (n_trials, n_voxels) responses
    stimulus_index : (n_trials,)

    Raises
    ------
    InputMalformedError : no stimulus is repeated, all trials show one stimulus, or a value is not finite

    Notes
    -----
    METHODS, "Reliability". The noise variance is pooled within stimuli. Trials of a stimulus share
    its signal, so the sample variance S^2 over N trials falls short of the total variance:
    E[S^2] = sigma_n^2 + sigma_s^2 (N - sum m_s^2 / N) / (N - 1); the signal variance is solved from
    that, exactly unbiased before it is held at zero from below. A voxel without any variance has
    ncsnr, r and ceiling 0.
    """
    presentations = _repeated_or_refused(values, stimulus_index)
    counts = presentations.counts
    blocks = [
        _variances(values[:, start : start + _VOXELS_PER_BLOCK], presentations)
        for start in range(0, values.shape[1], _VOXELS_PER_BLOCK)
    ]
    signal, noise = np.concatenate(blocks, axis=1)
    with np.errstate(divide="ignore"):
        ncsnr = np.where(signal > 0, np.sqrt(_ratio(signal, noise)), 0.0)
    repeated = counts[counts > 1]
    return Reliability(
        ncsnr=ncsnr.astype(np.float32),
        r=_ratio(signal, signal + noise).astype(np.float32),
        signal_sd=np.sqrt(signal).astype(np.float32),
        noise_sd=np.sqrt(noise).astype(np.float32),
        noise_ceiling=_ratio(signal, signal + noise * np.mean(1 / repeated)).astype(np.float32),
        n_stimuli=len(counts),
        n_repeated=len(repeated),
        n_trials=int(counts.sum()),
    )


def split_half(
    values: FloatArray, stimulus_index: IntArray, rng: np.random.Generator, n_splits: int = 50
) -> FloatArray:
    """Single-trial reliability from random halves of each stimulus's presentations.

    Parameters
    ----------
    values : (n_trials, n_voxels) responses
    stimulus_index : (n_trials,); stimuli shown once do not enter
    rng : draws the halves
    n_splits : correlations averaged over

    Returns
    -------
    (n_voxels,) comparable with ``Reliability.r``; negative where the halves disagree; 0 where a
    voxel does not vary; NaN with fewer than three repeated stimuli

    Raises
    ------
    InputMalformedError : no stimulus is repeated, or a value is not finite

    Notes
    -----
    With halves of a_s and b_s presentations, the halves' means correlate at
    c = 1 / sqrt((1 + q mean(1/a_s)) (1 + q mean(1/b_s))), q the noise to signal variance ratio;
    solving for q and returning 1 / (1 + q) is Spearman-Brown (1910) for unequal halves.
    """
    _repeated_or_refused(values, stimulus_index)
    shown = np.bincount(stimulus_index)[stimulus_index]
    repeats, index = values[shown > 1].astype(np.float64), stimulus_index[shown > 1]
    presentations = group_presentations(index)
    if len(presentations.counts) < 3:
        return np.full(values.shape[1], np.nan, dtype=np.float32)
    smaller = presentations.counts // 2
    larger = presentations.counts - smaller
    total = presentations.sums(repeats)
    correlation = np.zeros(values.shape[1])
    for _ in range(n_splits):
        first = _random_trials(presentations, smaller, rng) @ repeats  # (n_repeated, n_voxels)
        correlation += _columnwise_r(first / smaller[:, None], (total - first) / larger[:, None])
    return _to_single_trial(correlation / n_splits, float(np.mean(1 / smaller)), float(np.mean(1 / larger)))


def _repeated_or_refused(values: FloatArray, stimulus_index: IntArray) -> Presentations:
    require_shape(stimulus_index.shape, values.shape[:1], "stimulus indices")
    require_finite(values, "responses")
    presentations = group_presentations(stimulus_index)
    if not (presentations.counts > 1).any():
        raise InputMalformedError(
            "No stimulus was presented more than once, so reliability cannot be estimated",
            "Use a task with repeated stimuli, or do without the scores that need repeats",
        )
    if len(presentations.counts) == 1:
        raise InputMalformedError(
            "All trials show the same stimulus, so signal cannot be told from the mean",
            "Use a task with several stimuli",
        )
    return presentations


def _variances(values: FloatArray, presentations: Presentations) -> Float64Array:
    counts = presentations.counts
    n_trials = counts.sum()
    centred = values - values.mean(axis=0, dtype=np.float64)  # (n_trials, n_voxels) float64
    squares = (centred**2).sum(axis=0)
    between = (presentations.sums(centred) ** 2 / counts[:, None]).sum(axis=0)
    noise = np.maximum(squares - between, 0.0) / (n_trials - len(counts))
    sample_variance = squares / (n_trials - 1)
    shortfall = (n_trials - (counts**2).sum() / n_trials) / (n_trials - 1)
    signal = np.maximum(sample_variance - noise, 0.0) / shortfall
    return np.stack([signal, noise])


def _ratio(part: Float64Array, whole: Float64Array) -> Float64Array:
    with np.errstate(invalid="ignore"):
        ratio: Float64Array = np.where(part > 0, part / whole, 0.0)
    return ratio


def _random_trials(presentations: Presentations, size: IntArray, rng: np.random.Generator) -> Float64Array:
    """(n_stimuli, n_trials) indicator of ``size`` random presentations of every stimulus."""
    stimulus = np.repeat(np.arange(len(size)), presentations.counts)
    shuffled = presentations.order[np.lexsort((rng.random(len(stimulus)), stimulus))]
    chosen = np.arange(len(stimulus)) - presentations.starts[stimulus] < size[stimulus]
    indicator = np.zeros((len(size), len(stimulus)))
    indicator[stimulus[chosen], shuffled[chosen]] = 1.0
    return indicator


def _columnwise_r(left: Float64Array, right: Float64Array) -> Float64Array:
    left, right = left - left.mean(axis=0), right - right.mean(axis=0)
    scale = np.sqrt((left**2).sum(axis=0) * (right**2).sum(axis=0))
    joint = (left * right).sum(axis=0)
    r: Float64Array = np.divide(joint, scale, out=np.zeros_like(scale), where=scale > 0)
    return r


def _to_single_trial(correlation: Float64Array, left: float, right: float) -> FloatArray:
    """Positive root q of left right q^2 + (left + right) q + 1 - 1/c^2 = 0, as sign(c) / (1 + q)."""
    size = np.clip(np.abs(correlation), 1e-12, 1.0)
    spread = (left + right) ** 2 + 4 * left * right * (1 / size**2 - 1)
    noise_ratio = (np.sqrt(spread) - left - right) / (2 * left * right)
    return (np.sign(correlation) / (1 + noise_ratio)).astype(np.float32)
