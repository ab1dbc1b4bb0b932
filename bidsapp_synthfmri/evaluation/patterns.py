"""Image-wise correlation of response patterns across the voxels of a region."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..structures import FloatArray, IntArray
from .presentations import Float64Array, Presentations

# 12 rounds hold every ordered pair of 2, 3 or 4 presentations equally often; of 5, 12 of the 20.
_ROUNDS = 12
_LEAST_VOXELS = 3
# A flat pattern keeps about 1e-16 of its length once its mean is out.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class PatternScores:
    """Correlation of each stimulus's patterns, averaged over its pairs of presentations.

    Attributes
    ----------
    real_real, mean_real_real : (n_stimuli,); NaN for stimuli shown once
    synthetic_real, noise_matched_real : (n_stimuli,)
    synthetic_minus_real : (n_stimuli,); NaN for stimuli shown once
    """

    real_real: Float64Array
    synthetic_real: Float64Array
    mean_real_real: Float64Array
    noise_matched_real: Float64Array
    synthetic_minus_real: Float64Array


@dataclass(frozen=True)
class Pairing:
    """Which presentations stand on either side, round by round.

    Attributes
    ----------
    first, second : (n_rounds, n_stimuli) trials; the same one where a stimulus was shown once
    """

    first: IntArray
    second: IntArray


def pair_presentations(presentations: Presentations, rng: np.random.Generator) -> Pairing:
    """Ordered pairs of every stimulus's presentations, each stimulus's pairs in random order."""
    n_pairs = np.maximum(presentations.counts * (presentations.counts - 1), 1)
    ranks = np.stack([np.resize(rng.permutation(n), _ROUNDS) for n in n_pairs], axis=1)
    sides = [presentations.ordered_pair(rank) for rank in ranks]
    return Pairing(np.stack([first for first, _ in sides]), np.stack([second for _, second in sides]))


def pattern_scores(
    real: FloatArray,
    presentations: Presentations,
    prediction: FloatArray,
    samples: FloatArray | None,
    pairing: Pairing,
    centred: bool,
) -> PatternScores:
    """Pattern correlations of every stimulus.

    Parameters
    ----------
    real : (n_trials, n_voxels) of one region
    presentations : the trials' grouping
    prediction : (n_stimuli, n_voxels) in the order of ``presentations.stimuli``
    samples : (n_samples, n_stimuli, n_voxels) noise-matched, or None
    pairing : from ``pair_presentations``
    centred : whether the mean pattern over stimuli is removed

    Notes
    -----
    Removing the mean of all trials would let the noise of both compared trials into the pattern taken
    from each of them, a bias of order -(1 - r) / n_stimuli; the mean of the other stimuli's trials,
    taken from both, biases as much the other way. So each side is centred by the mean of the one
    pattern a stimulus that stands on that side in this round: the two means share no presentation,
    and what a trial loses to its own mean scales covariance and variances by the same 1 - 1/n. All
    rows are centred in the same way.
    """
    n_stimuli, n_voxels = prediction.shape
    repeated = presentations.counts > 1
    scores = {name: np.full(n_stimuli, np.nan) for name in PatternScores.__dataclass_fields__}
    if n_voxels < _LEAST_VOXELS:
        return PatternScores(**scores)
    synthetic = _standardised(prediction, centred)
    firsts = (_standardised(real[first], centred) for first in pairing.first)
    if samples is None:
        scores["synthetic_real"] = _mean(_dot(synthetic, first) for first in firsts)
    else:
        drawn = _mean(_standardised(sample, centred) for sample in samples)
        both = _mean(np.stack([_dot(synthetic, first), _dot(drawn, first)]) for first in firsts)
        scores["synthetic_real"], scores["noise_matched_real"] = both
    if repeated.any():
        found = _repeated_scores(real, presentations, prediction[repeated], pairing, centred)
        for name, values in zip(("real_real", "mean_real_real", "synthetic_minus_real"), found, strict=True):
            scores[name][repeated] = values
    return PatternScores(**scores)


def _repeated_scores(
    real: FloatArray, presentations: Presentations, prediction: FloatArray, pairing: Pairing, centred: bool
) -> Float64Array:
    """(3, n_repeated) real_real, mean_real_real and synthetic_minus_real."""
    repeated = presentations.counts > 1
    totals = presentations.sums(real)[repeated]
    others = presentations.counts[repeated, None] - 1
    synthetic = _standardised(prediction, centred)

    def scores(first: IntArray, second: IntArray) -> Float64Array:
        one = _standardised(real[first], centred)
        real_real = _dot(one, _standardised(real[second], centred))
        mean_real_real = _dot(one, _standardised((totals - real[first]) / others, centred))
        return np.stack([real_real, mean_real_real, _dot(synthetic, one) - real_real])

    sides = zip(pairing.first[:, repeated], pairing.second[:, repeated], strict=True)
    return _mean(scores(first, second) for first, second in sides)


def _standardised(patterns: Float64Array | FloatArray, centred: bool) -> Float64Array:
    """(n_stimuli, n_voxels) patterns of mean 0 and length 1 over voxels; NaN where flat."""
    values = patterns.astype(np.float64)
    if centred:
        values = values - values.mean(axis=0)
    values = values - values.mean(axis=1, keepdims=True)
    length = np.linalg.norm(values, axis=1, keepdims=True)
    varies = length > _ROUNDING * np.linalg.norm(patterns.astype(np.float64), axis=1, keepdims=True)
    unit: Float64Array = np.divide(values, length, out=np.full_like(values, np.nan), where=varies)
    return unit


def _dot(left: Float64Array, right: Float64Array) -> Float64Array:
    product: Float64Array = np.einsum("sv,sv->s", left, right)
    return product


def _mean(rounds: Iterable[Float64Array]) -> Float64Array:
    total, count = np.zeros(()), 0
    for values in rounds:
        total, count = total + values, count + 1
    mean: Float64Array = total / count
    return mean
