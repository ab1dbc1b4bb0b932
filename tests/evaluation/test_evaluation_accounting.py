"""The five rows on simulated truth, against loops, and on inputs that lack something."""

from dataclasses import fields, replace
from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from bidsapp_synthfmri.errors import InputMalformedError
from bidsapp_synthfmri.evaluation.accounting import COLUMNS, LEVELS, account
from bidsapp_synthfmri.evaluation.comparison import Comparison
from bidsapp_synthfmri.evaluation.rows import ROWS, expected_rows
from bidsapp_synthfmri.evaluation.statistics import fdr
from bidsapp_synthfmri.structures import RoiSet

CSI4_REPEATED = np.repeat([2, 3, 4, 5], [39, 37, 13, 1])
R, RHO = 0.3, 0.6


def simulate(counts, r, rho, n_voxels, seed, n_samples=4):
    """Unit-variance voxels with exactly METHODS' model; samples with the true r."""
    rng = np.random.default_rng(seed)
    n = len(counts)
    index = rng.permutation(np.repeat(np.arange(n), counts))
    signal = rng.standard_normal((n, n_voxels))
    prediction = rho * signal + np.sqrt(1 - rho**2) * rng.standard_normal((n, n_voxels))
    real = np.sqrt(r) * signal[index] + np.sqrt(1 - r) * rng.standard_normal((len(index), n_voxels))
    noise = rng.standard_normal((n_samples, n, n_voxels))
    return Comparison(
        real=real.astype(np.float32),
        stimulus_index=index,
        prediction=prediction.astype(np.float32),
        samples=(np.sqrt(r) * prediction + np.sqrt(1 - r) * noise).astype(np.float32),
        r=np.full(n_voxels, r, dtype=np.float32),
    )


def whole(comparison, name="all"):
    return RoiSet(name, np.ones(comparison.prediction.shape[1], dtype=bool))


def run(comparison, rois=None, draws=50, **options):
    rois = (whole(comparison),) if rois is None else rois
    return account(comparison, rois, np.random.default_rng(0), draws=draws, **options)


def cell(accounting, row, column="value", level="voxel", roi="all"):
    table = accounting.scores.set_index(["roi", "level", "row"])
    return table.loc[(roi, level, row), column]


@pytest.fixture(scope="module")
def csi4():
    return simulate(CSI4_REPEATED, R, RHO, 400, seed=1)


@pytest.fixture(scope="module")
def csi4_accounting(csi4):
    return run(csi4, draws=400)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("row", ROWS)
def test_rows_are_those_of_methods(csi4_accounting, level, row):
    harmonic = 1 / np.mean(1 / (CSI4_REPEATED - 1))
    truth = getattr(expected_rows([R], [RHO], harmonic), row)[0]
    # 90 stimuli x 400 independent voxels: standard error of a mean correlation .1/sqrt(400) = .005
    # (the same for 400 voxels x 90 stimuli); the mean of the others is biased by -.004 at 90 stimuli.
    assert cell(csi4_accounting, row, level=level) == pytest.approx(truth, abs=0.02)


def test_expected_column_follows_methods(csi4_accounting):
    for row in ("real_real", "mean_real_real", "ceiling", "noise_matched_real"):
        assert cell(csi4_accounting, row, "expected") == pytest.approx(cell(csi4_accounting, row), abs=0.02)
    assert cell(csi4_accounting, "noise_matched_real", "expected") == pytest.approx(
        cell(csi4_accounting, "synthetic_real") * np.sqrt(R), rel=1e-6
    )
    for row in ("synthetic_real", "synthetic_minus_real"):
        assert np.isnan(cell(csi4_accounting, row, "expected"))


def test_expected_rows_are_the_formulas():
    rows = expected_rows([0.25, -0.1], [0.8, 0.8], 3)
    np.testing.assert_allclose(rows.real_real, [0.25, 0])
    np.testing.assert_allclose(rows.synthetic_real, [0.4, 0])
    np.testing.assert_allclose(rows.mean_real_real, [0.5 * np.sqrt(0.75 / 1.5), 0])
    np.testing.assert_allclose(rows.ceiling, [0.5, 0])
    np.testing.assert_allclose(rows.noise_matched_real, [0.2, 0])


def test_noiseless_prediction_beats_a_repetition_only_above_the_root_of_r(csi4_accounting):
    assert cell(csi4_accounting, "synthetic_minus_real", "ci_low") > 0  # .6 > sqrt(.3) = .548
    assert cell(csi4_accounting, "synthetic_minus_real", "p") == pytest.approx(2 / 401)
    worse = run(simulate(CSI4_REPEATED, R, 0.45, 400, seed=2), draws=400)
    assert cell(worse, "synthetic_minus_real", "ci_high") < 0


def test_the_table_is_tidy(csi4):
    rois = (RoiSet("PPA", np.arange(400) < 150), RoiSet("LOC", np.arange(400) % 2 == 0), whole(csi4))
    table = run(csi4, rois).scores
    assert tuple(table.columns) == COLUMNS
    assert len(table) == len(rois) * len(LEVELS) * len(ROWS)
    difference = table[table["row"] == "synthetic_minus_real"]
    assert table.drop(difference.index)[["p", "p_fdr"]].isna().all(axis=None)
    for _, family in difference.groupby("level"):
        np.testing.assert_allclose(family["p_fdr"], fdr(family["p"]))
    assert (table["ci_low"] <= table["value"]).all()
    assert (table["value"] <= table["ci_high"]).all()
    assert set(table.loc[table["roi"] == "PPA", "n_voxels"]) == {150}


def test_regions_are_means_over_their_voxels(csi4):
    mask = np.arange(400) % 3 == 1
    found = run(csi4, (RoiSet("V1", mask),))
    for row in ROWS:
        # Maps are float32.
        assert cell(found, row, roi="V1") == pytest.approx(getattr(found.voxels, row)[mask].mean(), rel=1e-5)


def test_blocks_of_voxels_change_nothing(csi4):
    pd.testing.assert_frame_equal(run(csi4).scores, run(csi4, memory_bytes=10**6).scores, rtol=1e-9)


def test_same_seed_same_table(csi4):
    pd.testing.assert_frame_equal(run(csi4).scores, run(csi4).scores, check_exact=True)


def test_order_of_stimuli_does_not_matter(csi4):
    order = np.random.default_rng(3).permutation(len(CSI4_REPEATED))
    shuffled = replace(
        csi4,
        stimulus_index=np.argsort(order)[csi4.stimulus_index],
        prediction=csi4.prediction[order],
        samples=csi4.samples[:, order],
    )
    for field in fields(run(csi4).voxels):
        left, right = (getattr(run(c).voxels, field.name) for c in (csi4, shuffled))
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-6)


def test_single_presentations_give_the_ordinary_correlation():
    comparison = replace(simulate([1] * 40, R, RHO, 6, seed=4), samples=None, r=None)
    found = run(comparison)
    prediction = comparison.prediction[comparison.stimulus_index]
    oracle = [np.corrcoef(a, b)[0, 1] for a, b in zip(prediction.T, comparison.real.T, strict=True)]
    np.testing.assert_allclose(found.voxels.synthetic_real, oracle, rtol=1e-6)  # float32 maps
    assert cell(found, "synthetic_real", "n_stimuli") == 40
    for level in LEVELS:
        for row in set(ROWS) - {"synthetic_real"}:
            assert np.isnan(cell(found, row, level=level))
            assert np.isnan(cell(found, row, "ci_low", level=level))
    assert cell(found, "real_real", "n_stimuli") == 0


def test_raw_patterns_are_averages_over_ordered_pairs():
    comparison = simulate([2, 3, 4, 2, 3], R, RHO, 30, seed=5)
    real_real, synthetic, others = [], [], []
    for s in range(5):
        trials = comparison.real[comparison.stimulus_index == s].astype(float)
        real_real.append(np.mean([np.corrcoef(a, b)[0, 1] for a, b in permutations(trials, 2)]))
        synthetic.append(np.mean([np.corrcoef(comparison.prediction[s], t)[0, 1] for t in trials]))
        others.append(
            np.mean(
                [
                    np.corrcoef(t, np.delete(trials, i, axis=0).mean(axis=0))[0, 1]
                    for i, t in enumerate(trials)
                ]
            )
        )
    found = run(comparison)
    assert cell(found, "real_real", level="pattern") == pytest.approx(np.mean(real_real))
    assert cell(found, "synthetic_real", level="pattern") == pytest.approx(np.mean(synthetic))
    assert cell(found, "mean_real_real", level="pattern") == pytest.approx(np.mean(others))
    assert cell(found, "synthetic_minus_real", level="pattern") == pytest.approx(
        np.mean(synthetic) - np.mean(real_real)
    )


@pytest.mark.parametrize("r", [0.0, 0.4])
def test_few_stimuli_do_not_bias_real_real(r):
    found = run(simulate([2] * 8, r, RHO, 6000, seed=6))
    # Letting the compared trials into the mean would cost (1 - r)/16 = .06 at r = 0. What remains over 8
    # stimuli is the bias of a ratio, r (1 - r^2)/(n - 1) for an intraclass correlation of pairs, to first
    # order (the next is a seventh of it). One such correlation has spread .38: .005 for the mean of 6000.
    ratio_bias = r * (1 - r**2) / 7
    assert cell(found, "real_real") == pytest.approx(r - ratio_bias, abs=0.02)
    # Over 6000 voxels the ratio has no bias to speak of.
    assert cell(found, "real_real", level="pattern_centred") == pytest.approx(r, abs=0.02)


def test_difference_is_over_the_repeated_stimuli_on_both_sides():
    mixed = simulate([3] * 20 + [1] * 30, R, RHO, 50, seed=7)
    repeated = mixed.stimulus_index < 20
    alone = Comparison(
        mixed.real[repeated], mixed.stimulus_index[repeated], mixed.prediction[:20], None, mixed.r
    )
    both, only = run(mixed), run(alone)
    np.testing.assert_allclose(
        both.voxels.synthetic_minus_real, only.voxels.synthetic_real - only.voxels.real_real, atol=1e-6
    )
    np.testing.assert_allclose(both.voxels.real_real, only.voxels.real_real, atol=1e-6)
    assert cell(both, "synthetic_real", "n_stimuli") == 50
    assert cell(both, "synthetic_minus_real", "n_stimuli") == 20
    assert cell(both, "synthetic_minus_real", "n_stimuli", level="pattern") == 20


def test_stimuli_without_a_trial_do_not_enter(csi4):
    extra = replace(
        csi4,
        prediction=np.vstack([csi4.prediction, csi4.prediction[:3]]),
        samples=np.concatenate([csi4.samples, csi4.samples[:, :3]], axis=1),
    )
    pd.testing.assert_frame_equal(run(extra).scores, run(csi4).scores)


def test_constant_predictions_are_left_out_and_counted():
    comparison = simulate([2] * 20, R, RHO, 10, seed=8)
    comparison.prediction[:, :4] = 0.1
    found = run(comparison)
    assert np.isnan(found.voxels.synthetic_real[:4]).all()
    assert np.isfinite(found.voxels.real_real).all()
    assert cell(found, "synthetic_real", "n_voxels") == 6
    assert cell(found, "synthetic_minus_real", "n_voxels") == 6
    assert cell(found, "real_real", "n_voxels") == 10
    assert np.isfinite(cell(found, "synthetic_real"))


def test_flat_patterns_are_left_out_and_counted():
    comparison = simulate([2] * 20, R, RHO, 10, seed=13)
    comparison.prediction[3] = 0.1
    found = run(comparison)
    assert cell(found, "synthetic_real", "n_stimuli", level="pattern") == 19
    assert cell(found, "real_real", "n_stimuli", level="pattern") == 20
    assert np.isfinite(cell(found, "synthetic_minus_real", level="pattern"))


def test_two_stimuli_are_too_few():
    found = run(simulate([3, 2], R, RHO, 10, seed=9)).scores
    values = found[found["row"] != "ceiling"]
    assert values[["value", "ci_low", "ci_high", "p"]].isna().all(axis=None)
    assert set(values["n_stimuli"]) == {2}


def test_patterns_need_three_voxels():
    comparison = simulate([2] * 20, R, RHO, 10, seed=10)
    found = run(comparison, (RoiSet("dot", np.arange(10) < 2), RoiSet("none", np.zeros(10, dtype=bool))))
    assert np.isnan(cell(found, "real_real", level="pattern", roi="dot"))
    assert np.isfinite(cell(found, "real_real", roi="dot"))
    assert np.isnan(cell(found, "real_real", roi="none"))
    assert cell(found, "real_real", "n_voxels", roi="none") == 0


def test_reliability_of_zero_or_below_has_no_ceiling():
    comparison = replace(simulate([2] * 20, R, RHO, 4, seed=11), r=np.full(4, -0.1, np.float32))
    assert cell(run(comparison), "ceiling") == 0


def test_intervals_cover_the_truth():
    n_simulations, hits = 120, dict.fromkeys(("real_real", "synthetic_real", "synthetic_minus_real"), 0)
    truth = expected_rows([R], [RHO], 2)
    for seed in range(n_simulations):
        found = run(simulate([3] * 40, R, RHO, 40, seed=100 + seed, n_samples=1), draws=200)
        for row in hits:
            low, high = cell(found, row, "ci_low"), cell(found, row, "ci_high")
            hits[row] += low <= getattr(truth, row)[0] <= high
    # 95% aimed at, 90% allowed for 40 stimuli; binomial standard error 2.7% at 120 simulations.
    assert min(hits.values()) >= 0.84 * n_simulations


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"r": np.full(5, np.nan, np.float32)}, "5 of 5 reliabilities are not finite"),
        ({"r": np.zeros(4, np.float32)}, "reliabilities have shape"),
        ({"prediction": np.full((6, 5), np.nan, np.float32)}, "30 of 30 predictions"),
        ({"prediction": np.zeros((6, 4), np.float32)}, "real trials have shape"),
        ({"samples": np.zeros((2, 5, 5), np.float32)}, "noise-matched samples have shape"),
        ({"stimulus_index": np.arange(12)}, "do not point into the 6 predictions"),
    ],
)
def test_what_does_not_fit_is_refused(change, problem):
    comparison = replace(simulate([2] * 6, R, RHO, 5, seed=12), **change)
    with pytest.raises(InputMalformedError, match=problem):
        run(comparison)
