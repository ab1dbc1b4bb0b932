"""Resampling statistics against their definitions."""

import numpy as np
import pytest

from bidsapp_synthfmri.evaluation.statistics import (
    bias_shifted,
    bootstrap_p,
    bootstrap_weights,
    fdr,
    percentile_interval,
    permutation_p,
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
