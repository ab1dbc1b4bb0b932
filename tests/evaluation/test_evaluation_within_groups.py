"""Scores within groups, on simulated truth and against the accounting."""

import numpy as np
import pytest

from bidsapp_synthfmri.evaluation.accounting import account
from bidsapp_synthfmri.evaluation.comparison import Comparison
from bidsapp_synthfmri.evaluation.within_groups import COLUMNS, ROWS, within_groups
from bidsapp_synthfmri.structures import RoiSet

N_VOXELS = 120
COUNTS = np.repeat([4, 1, 2], 30)
GROUP = np.tile([0, 1, 2], 30)


def simulate(rho, between, seed=0, r=0.4):
    """Unit signal variance within groups; group means of SD ``between``, known to the model; rho within."""
    rng = np.random.default_rng(seed)
    index = rng.permutation(np.repeat(np.arange(len(GROUP)), COUNTS))
    means = between * rng.standard_normal((3, N_VOXELS))[GROUP]
    signal = rng.standard_normal((len(GROUP), N_VOXELS))
    prediction = means + rho * signal + np.sqrt(1 - rho**2) * rng.standard_normal(signal.shape)
    noise = np.sqrt((1 - r) / r) * rng.standard_normal((len(index), N_VOXELS))
    real = (means + signal)[index] + noise
    return Comparison(real.astype(np.float32), index, prediction.astype(np.float32), None, None)


def run(comparison, group, draws=100, **options):
    rois = (RoiSet("half", np.arange(N_VOXELS) % 2 == 0), RoiSet("all", np.ones(N_VOXELS, dtype=bool)))
    return within_groups(comparison, group, rois, np.random.default_rng(1), draws, **options)


def cell(table, row, column="value", roi="all"):
    return table.set_index(["roi", "row"]).loc[(roi, row), column]


@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_group_means_that_the_model_knows_count_overall_and_not_within(rho):
    comparison = simulate(rho, between=2.0)
    overall = run(comparison, np.zeros(len(GROUP), dtype=int))
    within = run(comparison, GROUP)
    # Within: rho sqrt(r). 90 stimuli x 120 independent voxels: standard error .1 / sqrt(120) = .01.
    assert cell(within, "synthetic_real") == pytest.approx(rho * np.sqrt(0.4), abs=0.035)
    assert cell(overall, "synthetic_real") > cell(within, "synthetic_real") + 0.25
    # Of two presentations r within; three group means of variance 4 on average add much overall.
    assert cell(within, "real_real") == pytest.approx(0.4, abs=0.04)
    assert cell(overall, "real_real") > 0.55
    low, high = cell(within, "synthetic_real", "ci_low"), cell(within, "synthetic_real", "ci_high")
    assert low <= rho * np.sqrt(0.4) <= high


def test_pooling_is_that_of_an_analysis_of_covariance():
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((2, len(GROUP), N_VOXELS)) + 3 * GROUP[:, None]
    once = Comparison(y.astype(np.float32), np.arange(len(GROUP)), x.astype(np.float32), None, None)
    centred = [side.astype(np.float32).astype(float) for side in (x, y)]
    for side in centred:
        for number in range(3):
            side[number == GROUP] -= side[number == GROUP].mean(axis=0)
    left, right = centred
    expected = (left * right).sum(axis=0) / np.sqrt((left**2).sum(axis=0) * (right**2).sum(axis=0))
    found = run(once, GROUP)
    # float32 in, float64 from there: seven digits of values of about 10.
    assert cell(found, "synthetic_real") == pytest.approx(expected.mean(), abs=1e-6)
    assert np.isnan(cell(found, "real_real"))


def test_one_group_is_the_accounting_of_its_stimuli():
    comparison = simulate(0.6, between=1.0)
    chosen = GROUP == 0
    table = run(comparison, np.where(chosen, 0, -1))
    trials = np.flatnonzero(chosen[comparison.stimulus_index])
    position = np.cumsum(chosen) - 1
    part = Comparison(
        comparison.real[trials],
        position[comparison.stimulus_index[trials]],
        comparison.prediction[chosen],
        None,
        None,
    )
    rois = (RoiSet("all", np.ones(N_VOXELS, dtype=bool)),)
    scores = account(part, rois, np.random.default_rng(1), 100).scores
    accounted = scores[scores["level"] == "voxel"].set_index("row")
    for row in ROWS:
        assert cell(table, row) == pytest.approx(accounted.loc[row, "value"], abs=1e-12)
        assert cell(table, row, "n_stimuli") == accounted.loc[row, "n_stimuli"]
    assert tuple(table.columns) == COLUMNS


def test_intervals_within_small_groups_hold_the_truth():
    """Twelve groups of four stimuli, as of a dataset of many sources."""
    held = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        group = np.repeat(np.arange(12), 4)
        signal, error = rng.standard_normal((2, 48, N_VOXELS))
        means = rng.standard_normal((12, N_VOXELS))[group]
        prediction = (means + 0.6 * signal + 0.8 * error).astype(np.float32)
        real = (means + signal + rng.standard_normal(signal.shape)).astype(np.float32)
        table = run(Comparison(real, np.arange(48), prediction, None, None), group)
        low, high = cell(table, "synthetic_real", "ci_low"), cell(table, "synthetic_real", "ci_high")
        held += low <= 0.6 * np.sqrt(0.5) <= high
    # At a true coverage of 90%, 21 or fewer of 30 hold the truth once in 500 runs.
    assert held > 21


def test_voxel_blocks_change_nothing():
    comparison = simulate(0.6, between=1.0)
    whole = run(comparison, GROUP)
    few = run(comparison, GROUP, memory_bytes=20 * 8 * 101 * 7)  # seven voxels a block
    np.testing.assert_allclose(few["value"], whole["value"], rtol=1e-12)
    np.testing.assert_allclose(few["ci_low"], whole["ci_low"], rtol=1e-9)


def test_groups_too_small_say_how_many_stimuli_remain():
    comparison = simulate(0.6, between=1.0)
    nobody = np.full(len(GROUP), -1)
    alone, pair = nobody.copy(), nobody.copy()
    alone[:3] = [0, 1, 2]
    pair[[0, 3]] = 0
    for group, n in ((nobody, 0), (alone, 0), (pair, 2)):
        table = run(comparison, group)
        assert table["value"].isna().all()
        assert cell(table, "synthetic_real", "n_stimuli") == n


def test_a_voxel_that_does_not_vary_in_one_group_is_scored_by_the_others():
    comparison = simulate(0.6, between=1.0)
    prediction = comparison.prediction.copy()
    prediction[GROUP == 1, 0] = 5.0
    prediction[:, 2] = 5.0
    changed = Comparison(comparison.real, comparison.stimulus_index, prediction, None, None)
    table = run(changed, GROUP)
    assert cell(table, "synthetic_real", "n_voxels") == N_VOXELS - 1
    assert cell(table, "real_real", "n_voxels") == N_VOXELS
