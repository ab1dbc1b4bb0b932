"""The moment route against explicit loops over presentations and resamples, in float64."""

from itertools import permutations, product

import numpy as np
import pytest

from bidsapp_synthfmri.evaluation.moments import Side, StimulusWeights
from bidsapp_synthfmri.evaluation.statistics import bootstrap_weights

N_VOXELS = 3


def pair_moments(pairs):
    """Sides and product from one list of (x, y) pairs a stimulus."""
    left = Side(*(np.stack([np.mean([x**k for x, _ in p], axis=0) for p in pairs]) for k in (1, 2)))
    right = Side(*(np.stack([np.mean([y**k for _, y in p], axis=0) for p in pairs]) for k in (1, 2)))
    return left, right, np.stack([np.mean([x * y for x, y in p], axis=0) for p in pairs])


def columnwise(statistic, left, right):
    return np.array([statistic(a, b)[0, 1] for a, b in zip(left.T, right.T, strict=True)])


def averaged_correlation(pairs):
    """Covariance and variances of one pair a stimulus, averaged over every choice of pairs."""
    covariance, left, right = [], [], []
    for choice in product(*pairs):
        x, y = (np.stack(side) for side in zip(*choice, strict=True))
        covariance.append(columnwise(np.cov, x, y))
        left.append(x.var(axis=0, ddof=1))
        right.append(y.var(axis=0, ddof=1))
    return np.mean(covariance, axis=0) / np.sqrt(np.mean(left, axis=0) * np.mean(right, axis=0))


def presentations(counts, seed):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((m, N_VOXELS)) for m in counts]


def single_pairs(trials):
    return [list(permutations(t, 2)) for t in trials]


def pairs_with_mean_of_others(trials):
    return [[(t[i], np.delete(t, i, axis=0).mean(axis=0)) for i in range(len(t))] for t in trials]


def correlations(pairs, counts):
    left, right, within = pair_moments(pairs)
    weights = StimulusWeights.of(counts)
    return weights.correlation(weights.weigh(left), weights.weigh(right), within)


def test_one_pair_is_the_ordinary_correlation():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 12, N_VOXELS))
    counts = bootstrap_weights(12, 20, rng)
    found = correlations([[pair] for pair in zip(x, y, strict=True)], counts)
    np.testing.assert_allclose(found[0], columnwise(np.corrcoef, x, y), rtol=1e-12)
    for draw, count in zip(found[1:], counts.astype(int), strict=True):
        rows = np.repeat(np.arange(12), count)
        np.testing.assert_allclose(draw, columnwise(np.corrcoef, x[rows], y[rows]), rtol=1e-10)


@pytest.mark.parametrize("pairing", [single_pairs, pairs_with_mean_of_others])
@pytest.mark.parametrize("counts", [(2, 2, 2, 2), (2, 3, 2, 4)])
def test_many_pairs_are_the_average_over_every_choice(pairing, counts):
    pairs = pairing(presentations(counts, seed=1))
    found = correlations(pairs, np.zeros((0, 4)))
    np.testing.assert_allclose(found[0], averaged_correlation(pairs), rtol=1e-12)


def test_bootstrap_is_the_sum_over_pairs_of_different_stimuli_in_the_resample():
    rng = np.random.default_rng(2)
    pairs = single_pairs(presentations((2, 3, 4, 2, 3, 2), seed=3))
    left, right, within = pair_moments(pairs)
    counts = bootstrap_weights(6, 25, rng)
    found = correlations(pairs, counts)[1:]
    for draw, count in zip(found, counts.astype(int), strict=True):
        rows = np.repeat(np.arange(6), count)
        joint, spread_left, spread_right = np.zeros((3, N_VOXELS))
        for s, t in ((s, t) for s in rows for t in rows if s != t):
            joint += within[s] - left.mean[s] * right.mean[t]
            spread_left += left.square[s] - left.mean[s] * left.mean[t]
            spread_right += right.square[s] - right.mean[s] * right.mean[t]
        np.testing.assert_allclose(draw, joint / np.sqrt(spread_left * spread_right), rtol=1e-9)


def test_resample_of_one_stimulus_is_undefined():
    pairs = single_pairs(presentations((2, 2, 3), seed=4))
    found = correlations(pairs, np.array([[3.0, 0, 0], [1, 1, 1]]))
    assert np.isnan(found[1]).all()
    np.testing.assert_allclose(found[2], found[0], rtol=1e-12)


def test_shifting_a_voxel_changes_nothing():
    trials = presentations((2, 3, 4, 2, 3), seed=5)
    counts = bootstrap_weights(5, 10, np.random.default_rng(6))
    plain = correlations(single_pairs(trials), counts)
    shifted = correlations(single_pairs([t + 10 for t in trials]), counts)
    # Moments of shifted data lose about two digits for a mean ten standard deviations away.
    np.testing.assert_allclose(shifted, plain, rtol=1e-8)
