"""Reliability recovers simulated truth with unequal repeats."""

import numpy as np
import pytest

from bidsapp_synthfmri.errors import InputMalformedError
from bidsapp_synthfmri.evaluation.reliability import has_repeats, reliability, split_half

# CSI4's 90 repeated images, and a third of its 2862 images shown once.
CSI4 = np.repeat([2, 3, 4, 5, 1], [39, 37, 13, 1, 954])


def simulate(counts, signal_sd, noise_sd, n_voxels, seed):
    rng = np.random.default_rng(seed)
    index = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    signal = signal_sd * rng.standard_normal((len(counts), n_voxels))
    values = signal[index] + noise_sd * rng.standard_normal((len(index), n_voxels))
    return values.astype(np.float32), index, signal


@pytest.mark.parametrize("r", [0.1, 0.3, 0.6])
def test_both_estimators_recover_r(r):
    values, index, _ = simulate(CSI4, np.sqrt(r), np.sqrt(1 - r), 400, seed=int(100 * r))
    found = reliability(values, index)
    # Noise variance from 156 degrees of freedom: one voxel's r is known to (1 - r) sqrt(2/156) = .11 (1 - r),
    # the mean over 400 voxels to .006; holding r at zero lifts the mean at r = .1 by about .01.
    assert found.r.mean() == pytest.approx(r, abs=0.02)
    # One correlation over 90 stimuli has standard error .1, times at most 1.3 for Spearman-Brown: .007.
    assert split_half(values, index, np.random.default_rng(0)).mean() == pytest.approx(r, abs=0.025)
    assert (found.n_stimuli, found.n_repeated, found.n_trials) == (1044, 90, len(index))


def test_both_estimators_agree_with_each_other_and_the_truth_at_every_r():
    # Two to eight presentations: halves of 1 + 1 up to 4 + 4, and 1 + 2 and 2 + 3 between.
    counts = np.repeat([2, 3, 5, 8, 1], [30, 25, 15, 10, 400])
    truth = np.repeat([0.02, 0.1, 0.25, 0.5, 0.8], 600)
    values, index, _ = simulate(counts, np.sqrt(truth), np.sqrt(1 - truth), len(truth), seed=21)
    found = reliability(values, index)
    halves = split_half(values, index, np.random.default_rng(22))
    for r in np.unique(truth):
        voxels = truth == r
        # 210 degrees of freedom for the noise, a correlation over 80 stimuli: one voxel's r is known to .1
        # and .13 at worst, means over 600 voxels to .004 and .005; held at zero, the first is .02 too high
        # at r = .02 and .003 at r = .1.
        lifted = {0.02: 0.025, 0.1: 0.008}.get(r, 0.0)
        assert halves[voxels].mean() == pytest.approx(r, abs=0.02)
        assert found.r[voxels].mean() == pytest.approx(r, abs=0.016 + lifted)
        assert found.r[voxels].mean() == pytest.approx(halves[voxels].mean(), abs=0.02 + lifted)
    ceiling = truth / (truth + (1 - truth) * np.mean(1 / counts[counts > 1]))
    for r in (0.25, 0.5, 0.8):
        voxels = truth == r
        assert found.noise_ceiling[voxels].mean() == pytest.approx(ceiling[voxels].mean(), abs=0.02)


def test_the_reliability_of_some_voxels_is_theirs():
    values, index, _ = simulate(CSI4, 1.0, 2.0, 9, seed=15)
    some = np.arange(9) % 2 == 0
    few, alone = reliability(values, index).take(some), reliability(values[:, some], index)
    for name in ("ncsnr", "r", "signal_sd", "noise_sd", "noise_ceiling"):
        np.testing.assert_allclose(getattr(few, name), getattr(alone, name), rtol=1e-6)
    assert few.n_repeated == alone.n_repeated


def test_scale_and_ncsnr():
    values, index, _ = simulate(CSI4, 1.5, 3.0, 400, seed=1)
    found = reliability(values, index)
    # Relative standard errors of the means over 400 voxels are below 1% for both.
    assert found.noise_sd.mean() == pytest.approx(3.0, rel=0.02)
    assert found.signal_sd.mean() == pytest.approx(1.5, rel=0.04)
    np.testing.assert_allclose(found.ncsnr, found.signal_sd / found.noise_sd, rtol=1e-5)
    assert found.total_sd.mean() == pytest.approx(np.hypot(1.5, 3.0), rel=0.02)


def test_clustered_trials_do_not_bias_the_signal():
    values, index, _ = simulate([6, 6, 6, 6, 2, 2], 2.0, 1.0, 20_000, seed=2)
    found = reliability(values, index)
    # Six stimuli: the plain sample variance would lose 14% of the signal variance. Its relative
    # standard error over 20,000 voxels is below sqrt(2/3/20000) = .6%.
    assert (found.signal_sd.astype(float) ** 2).mean() == pytest.approx(4.0, rel=0.024)


def test_noise_ceiling_is_the_variance_explained_by_the_true_signal():
    values, index, signal = simulate(CSI4, 1.0, 1.5, 600, seed=3)
    found = reliability(values, index)
    repeated = np.bincount(index) > 1
    mean = np.stack([values[index == s].mean(axis=0) for s in np.flatnonzero(repeated)])
    explained = [np.corrcoef(a, b)[0, 1] ** 2 for a, b in zip(mean.T, signal[repeated].T, strict=True)]
    # Standard error of the mean over 600 voxels .003 on either side; r^2 is biased by 1/90 at most.
    assert found.noise_ceiling.mean() == pytest.approx(np.mean(explained), abs=0.02)


def test_equal_halves_are_spearman_brown():
    values, index, _ = simulate([2] * 50, 1.0, 1.0, 5, seed=4)
    first, second = (np.stack([values[np.flatnonzero(index == s)[k]] for s in range(50)]) for k in (0, 1))
    # One presentation a half: every split is one with exchanged sides, and no step-up is due.
    exchanged = np.random.default_rng(5).random((3000, 50, 1)) < 0.5
    oracle = np.mean(
        [
            [
                np.corrcoef(a, b)[0, 1]
                for a, b in zip(np.where(e, first, second).T, np.where(e, second, first).T, strict=True)
            ]
            for e in exchanged[:300]
        ],
        axis=0,
    )
    found = split_half(values, index, np.random.default_rng(6), n_splits=300)
    # Both average 300 splits whose spread is about .02: standard error .0016 of the difference.
    np.testing.assert_allclose(found, oracle, atol=0.008)


def test_unreliable_voxels_may_be_negative_in_halves_and_are_zero_in_variance():
    values, index, _ = simulate(CSI4, 0.0, 1.0, 300, seed=7)
    halves = split_half(values, index, np.random.default_rng(8))
    assert (halves < 0).mean() == pytest.approx(0.5, abs=0.12)  # binomial, four standard errors
    assert reliability(values, index).r.min() == 0


def test_voxel_without_variance_has_no_reliability():
    values, index, _ = simulate([3, 2, 2, 1], 1.0, 1.0, 3, seed=9)
    values[:, 1] = 0.1
    values[:, 2] = index
    found = reliability(values, index)
    assert (found.r[1], found.ncsnr[1], found.noise_ceiling[1]) == (0, 0, 0)
    assert (found.r[2], found.ncsnr[2], found.noise_ceiling[2]) == (1, np.inf, 1)
    halves = split_half(values, index, np.random.default_rng(10))
    assert halves[1] == 0
    assert halves[2] == pytest.approx(1)


def test_two_repeated_stimuli_give_no_split_half():
    values, index, _ = simulate([2, 2, 1], 1.0, 1.0, 2, seed=11)
    assert np.isnan(split_half(values, index, np.random.default_rng(12))).all()


def test_no_repeats_are_refused_with_a_remedy():
    values, index, _ = simulate([1] * 9, 1.0, 1.0, 2, seed=13)
    assert not has_repeats(index)
    for estimate in (reliability, lambda v, i: split_half(v, i, np.random.default_rng(0))):
        with pytest.raises(InputMalformedError, match="more than once"):
            estimate(values, index)


def test_values_that_are_not_finite_are_counted():
    values, index, _ = simulate([2, 2, 2], 1.0, 1.0, 2, seed=14)
    assert has_repeats(index)
    values[2, 1] = np.nan
    with pytest.raises(InputMalformedError, match="1 of 12 responses are not finite"):
        reliability(values, index)


def test_one_stimulus_alone_is_refused():
    with pytest.raises(InputMalformedError, match="same stimulus"):
        reliability(np.ones((4, 2), np.float32), np.zeros(4, dtype=np.int64))
