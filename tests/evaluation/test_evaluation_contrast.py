"""Two models on the same trials: simulated truth, symmetry, pairing, and the accounting's own value."""

from dataclasses import replace

import numpy as np
import pytest

from bidsapp_synthfmri.errors import InputMalformedError
from bidsapp_synthfmri.evaluation.accounting import account
from bidsapp_synthfmri.evaluation.comparison import Comparison
from bidsapp_synthfmri.evaluation.contrast import contrast
from bidsapp_synthfmri.evaluation.statistics import fdr
from bidsapp_synthfmri.structures import RoiSet

R = 0.3


def simulate(rhos, seed, counts=(3,) * 60, n_voxels=20, shared=0.0):
    """A comparison with the first model, and the second model's predictions.

    ``rhos`` are both models' correlations with the true signal; ``shared`` the part of their errors that they
    have in common.
    """
    rng = np.random.default_rng(seed)
    n = len(counts)
    index = rng.permutation(np.repeat(np.arange(n), counts))
    signal, common = rng.standard_normal((2, n, n_voxels))
    models = []
    for rho in rhos:
        error = np.sqrt(shared) * common + np.sqrt(1 - shared) * rng.standard_normal((n, n_voxels))
        models.append((rho * signal + np.sqrt(1 - rho**2) * error).astype(np.float32))
    real = np.sqrt(R) * signal[index] + np.sqrt(1 - R) * rng.standard_normal((len(index), n_voxels))
    return Comparison(real.astype(np.float32), index, models[0], None, None), models[1]


def whole(comparison, name="all"):
    return RoiSet(name, np.ones(comparison.prediction.shape[1], dtype=bool))


def run(comparison, other, rois=None, draws=300, seed=0, **options):
    rois = (whole(comparison),) if rois is None else rois
    return contrast(comparison, other, rois, np.random.default_rng(seed), draws=draws, **options)


def test_of_equal_models_the_interval_holds_zero_as_often_as_it_says():
    n = 300
    held = 0
    for seed in range(n):
        (found,) = run(*simulate((0.6, 0.6), seed, shared=0.5), seed=seed)
        held += found.difference.low <= 0 <= found.difference.high
    # Of 300 intervals 285 at 95%, with a standard deviation of 3.8; bootstraps over 60 stimuli are
    # narrow by a per cent or two.
    assert 268 <= held <= 297


def test_a_better_model_is_found_and_by_how_much():
    (found,) = run(*simulate((0.7, 0.4), 1, counts=(3,) * 120, n_voxels=100))
    assert found.difference.low > 0
    assert found.p == pytest.approx(2 / 301)
    # Standard error of a mean of 100 voxels' correlations over 120 stimuli, both models: about .01.
    assert found.difference.value == pytest.approx((0.7 - 0.4) * np.sqrt(R), abs=0.03)
    assert found.difference.low < (0.7 - 0.4) * np.sqrt(R) < found.difference.high


def test_exchanging_the_models_turns_the_sign():
    comparison, other = simulate((0.6, 0.5), 2)
    (one,) = run(comparison, other)
    (two,) = run(replace(comparison, prediction=other), comparison.prediction)
    assert two.first == one.second
    assert two.second == one.first
    mirrored = (-two.difference.value, -two.difference.high, -two.difference.low)
    # The two are the same sums in another order of subtraction: rounding of float64.
    assert mirrored == pytest.approx(
        (one.difference.value, one.difference.low, one.difference.high), abs=1e-12
    )
    assert two.p == one.p


def test_a_model_does_not_differ_from_itself():
    comparison, _ = simulate((0.6, 0.5), 3)
    (found,) = run(comparison, comparison.prediction)
    assert (found.difference.value, found.difference.low, found.difference.high, found.p) == (0, 0, 0, 1)


def test_pairing_narrows_the_interval_of_models_that_err_alike():
    def widths(shared):
        (found,) = run(*simulate((0.6, 0.5), 4, shared=shared))
        return [score.high - score.low for score in (found.first, found.second, found.difference)]

    first, second, paired = widths(0.95)
    unpaired = np.hypot(first, second)
    # Errors shared to 95% and the same trials: most of both models' spread is common.
    assert paired < 0.5 * unpaired
    assert paired < widths(0.0)[2]


def test_each_model_s_own_score_is_the_accounting_s():
    comparison, other = simulate((0.6, 0.5), 5, counts=(1,) * 20 + (2, 3, 4) * 10)
    (found,) = run(comparison, other)
    for score, prediction in ((found.first, comparison.prediction), (found.second, other)):
        same = replace(comparison, prediction=prediction)
        table = account(same, (whole(comparison),), np.random.default_rng(0), draws=300).scores
        row = table[(table["level"] == "voxel") & (table["row"] == "synthetic_real")].iloc[0]
        assert score.value == pytest.approx(row["value"], rel=1e-12)
        assert (score.n_voxels, score.n_stimuli) == (row["n_voxels"], row["n_stimuli"])
    # The same generator draws the same stimuli.
    assert (found.first.low, found.first.high) == pytest.approx(
        tuple(
            account(comparison, (whole(comparison),), np.random.default_rng(0), draws=300)
            .scores.query("level == 'voxel' and row == 'synthetic_real'")[["ci_low", "ci_high"]]
            .iloc[0]
        ),
        rel=1e-12,
    )


def test_single_presentations_give_the_difference_of_ordinary_correlations():
    comparison, other = simulate((0.6, 0.5), 6, counts=(1,) * 40)
    (found,) = run(comparison, other)
    rows = comparison.stimulus_index
    oracle = [
        np.corrcoef(a, y)[0, 1] - np.corrcoef(b, y)[0, 1]
        for a, b, y in zip(comparison.prediction[rows].T, other[rows].T, comparison.real.T, strict=True)
    ]
    assert found.difference.value == pytest.approx(np.mean(oracle), rel=1e-6)  # float32 input


def test_regions_are_one_family_and_blocks_change_nothing():
    comparison, other = simulate((0.6, 0.5), 7)
    rois = (RoiSet("PPA", np.arange(20) < 8), RoiSet("LOC", np.arange(20) >= 8), whole(comparison))
    found = run(comparison, other, rois)
    np.testing.assert_allclose([one.p_fdr for one in found], fdr([one.p for one in found]))
    assert [one.roi for one in found] == ["PPA", "LOC", "all"]
    assert [one.difference.n_voxels for one in found] == [8, 12, 20]
    blocks = run(comparison, other, rois, memory_bytes=10**5)
    for one, same in zip(found, blocks, strict=True):
        assert one.difference.value == pytest.approx(same.difference.value, rel=1e-9)
        assert one.difference.low == pytest.approx(same.difference.low, rel=1e-9)


def test_a_prediction_that_does_not_vary_leaves_its_voxel_out():
    comparison, other = simulate((0.6, 0.5), 8)
    other[:, 3] = 0.25
    (found,) = run(comparison, other)
    assert (found.first.n_voxels, found.second.n_voxels, found.difference.n_voxels) == (20, 19, 19)


def test_with_two_stimuli_nothing_is_said():
    comparison, other = simulate((0.6, 0.5), 9, counts=(3, 3))
    (found,) = run(comparison, other)
    assert np.isnan([found.difference.value, found.difference.low, found.p, found.p_fdr]).all()


def test_predictions_of_other_stimuli_are_refused():
    comparison, other = simulate((0.6, 0.5), 10)
    for wrong in (other[:, :-1], other[:-1], np.vstack([other, other])):
        with pytest.raises(InputMalformedError, match="other model's predictions have shape"):
            run(comparison, wrong)
    with pytest.raises(InputMalformedError, match="predictions are not finite"):
        run(comparison, np.full_like(other, np.nan))
