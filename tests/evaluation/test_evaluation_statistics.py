"""Resampling statistics against their definitions."""

import numpy as np
import pytest

from bidsapp_synthfmri.evaluation.statistics import (
    above_chance,
    bias_shifted,
    bootstrap_over_participants,
    bootstrap_p,
    bootstrap_weights,
    fdr,
    max_statistic_p,
    percentile_interval,
    permutation_p,
    standardised_effect,
)


def test_bootstrap_weights_count_draws_with_replacement():
    weights = bootstrap_weights(20, 4000, np.random.default_rng(0))
    assert weights.shape == (4000, 20)
    np.testing.assert_array_equal(weights.sum(axis=1), 20)
    # Multinomial: mean 1, variance 1 - 1/20; standard errors .016 and about .02 of a mean over 4000 draws.
    np.testing.assert_allclose(weights.mean(axis=0), 1, atol=0.07)
    np.testing.assert_allclose(weights.var(axis=0), 0.95, atol=0.12)


def test_interval_of_a_mean_is_the_textbook_one():
    rng = np.random.default_rng(1)
    values = rng.standard_normal(200)
    draws = bootstrap_weights(200, 4000, rng) @ values / 200
    error = values.std() / np.sqrt(200)
    # The 2.5% quantile of 4000 normal draws has standard error .04 of their standard deviation.
    assert percentile_interval(draws) == pytest.approx(
        (values.mean() - 1.96 * error, values.mean() + 1.96 * error), abs=0.16 * error
    )


def test_interval_leaves_out_undefined_draws():
    assert percentile_interval([np.nan, 1.0, 1.0, np.nan]) == (1.0, 1.0)
    assert np.isnan(percentile_interval([np.nan, np.nan])).all()


def test_shifted_draws_undo_a_constant_bias():
    draws = np.random.default_rng(2).standard_normal(2001)
    draws -= draws.mean()
    low, high = percentile_interval(draws)
    # The estimator loses .3 of the truth 0, and its bootstrap loses .3 of the estimate.
    assert percentile_interval(bias_shifted(-0.3, draws - 0.6)) == pytest.approx((low, high))
    assert np.isnan(bias_shifted(0.0, [np.nan])).all()


def test_bootstrap_p_is_two_sided_and_never_zero():
    assert bootstrap_p(np.ones(999)) == pytest.approx(2 / 1000)
    assert bootstrap_p(-np.ones(999)) == pytest.approx(2 / 1000)
    assert bootstrap_p(np.r_[-np.ones(500), np.ones(499)]) == 1.0
    assert np.isnan(bootstrap_p([np.nan]))


def test_permutation_p_counts_the_observed_one():
    assert permutation_p(3.0, [1.0, 2.0, 3.0, 4.0]) == pytest.approx(3 / 5)
    assert permutation_p(9.0, np.zeros(99)) == pytest.approx(1 / 100)


def test_fdr_is_benjamini_hochberg_and_passes_over_nan():
    # By hand: .01 x 4/1 = .04, .02 x 4/2 = .04, .03 x 4/3 = .04, .5 x 4/4 = .5
    np.testing.assert_allclose(fdr([0.03, np.nan, 0.01, 0.5, 0.02]), [0.04, np.nan, 0.04, 0.5, 0.04])
    assert np.isnan(fdr([np.nan])).all()


def test_max_statistic_holds_for_all_tests_together():
    """With 20 tests without effect some p is below .05 in about .05 of the data sets, not in .64."""
    rng = np.random.default_rng(0)
    n_found = 0
    for _ in range(400):
        null = rng.standard_normal((100, 20))
        n_found += max_statistic_p(rng.standard_normal(20), null[:99]).min() <= 0.05
    assert 0.02 < n_found / 400 < 0.09  # three standard errors about .05
    p = max_statistic_p([5.0, np.nan, -5.0], rng.standard_normal((99, 3)))
    assert p[0] == 0.01
    assert np.isnan(p[1])
    assert p[2] == 1.0


def test_drawing_participants_adds_the_variance_between_them():
    rng = np.random.default_rng(0)
    own = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    stimuli = 0.5 * rng.standard_normal((1, 20000))  # the same draws of stimuli for all
    draws = bootstrap_over_participants(own[:, None] + stimuli, rng)
    assert draws.mean() == pytest.approx(2.0, abs=0.03)
    assert draws.var() == pytest.approx(own.var() / 5 + 0.25, rel=0.05)
    cells = bootstrap_over_participants(np.stack([own, -own], axis=1)[:, None] * np.ones((1, 50, 1)), rng)
    np.testing.assert_allclose(cells[:, 0], -cells[:, 1])  # paired: the same participants in both


def test_effect_sizes():
    rng = np.random.default_rng(0)
    d = [standardised_effect(rng.standard_normal(4) + 1.5, 0.5) for _ in range(20000)]
    assert np.mean(d) == pytest.approx(1.0, abs=0.05)  # without the correction 1.38
    assert np.isnan(standardised_effect([0.3]))
    assert above_chance(0.6, 0.2) == pytest.approx(0.5)
