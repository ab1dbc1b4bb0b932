"""Resampling statistics: bootstrap weights, intervals, p-values, false discovery rate."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import false_discovery_control

Float64Array = NDArray[np.float64]


def bootstrap_weights(n: int, draws: int, rng: np.random.Generator) -> Float64Array:
    """How often each of n units occurs in each bootstrap sample.

    Returns
    -------
    (draws, n) counts as floats; each row sums to n
    """
    return rng.multinomial(n, np.full(n, 1.0 / n), size=draws).astype(np.float64)


def percentile_interval(draws: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Bootstrap percentile interval (Efron 1979).

    Parameters
    ----------
    draws : (n_draws,) bootstrap values; those that are NaN (a resample without variance) are left out
    level : coverage aimed at

    Returns
    -------
    lower and upper end; NaN where no draw is defined
    """
    values = np.asarray(draws, dtype=np.float64)
    values = values[np.isfinite(values)]
    if not values.size:
        return np.nan, np.nan
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def holding_interval(value: float, draws: ArrayLike) -> tuple[float, float]:
    """``percentile_interval``, widened where need be to hold the value."""
    low, high = percentile_interval(draws)
    return float(np.minimum(low, value)), float(np.maximum(high, value))


def bias_shifted(value: float, draws: ArrayLike) -> Float64Array:
    """Bootstrap draws moved by twice the bias that they show.

    Parameters
    ----------
    value : the estimate
    draws : (n_draws,) its bootstrap values, NaN where undefined

    Notes
    -----
    An estimator that is off by its bias once gives draws that are off twice (Efron & Tibshirani 1993,
    ch. 10); a plain percentile interval keeps both.
    """
    values = np.asarray(draws, dtype=np.float64)
    known = values[np.isfinite(values)]
    return values - 2 * (known.mean() - value) if known.size else values


def bootstrap_p(draws: ArrayLike, null: float = 0.0) -> float:
    """Two-sided p-value that a bootstrapped difference is ``null``.

    Twice the smaller tail, each tail as (1 + draws at or beyond null) / (1 + draws), so that no
    number of draws gives zero; NaN where no draw is defined.
    """
    values = np.asarray(draws, dtype=np.float64)
    values = values[np.isfinite(values)]
    if not values.size:
        return np.nan
    tail = min(int((values <= null).sum()), int((values >= null).sum()))
    return min(1.0, 2 * (1 + tail) / (1 + values.size))


def permutation_p(observed: float, null: ArrayLike) -> float:
    """One-sided p-value that a permuted statistic reaches the observed one (Phipson & Smyth 2010).

    Parameters
    ----------
    observed : the statistic; larger means more of the effect
    null : (n_permutations,) the statistic under permuted labels
    """
    values = np.asarray(null, dtype=np.float64)
    return float((1 + np.sum(values >= observed)) / (1 + values.size))


def fdr(p: ArrayLike) -> Float64Array:
    """Benjamini-Hochberg adjusted p-values of one family; NaN stays NaN and does not count."""
    values = np.asarray(p, dtype=np.float64)
    adjusted = np.full(values.shape, np.nan)
    known = np.isfinite(values)
    if known.any():
        adjusted[known] = false_discovery_control(values[known], method="bh")
    return adjusted


def max_statistic_p(observed: ArrayLike, null: ArrayLike) -> Float64Array:
    """p-values that hold for all tests together (Westfall & Young 1993).

    Parameters
    ----------
    observed : (n_tests,) statistics on one scale; larger means more of the effect
    null : (n_permutations, n_tests) under the same permutation for all tests

    Returns
    -------
    (n_tests,) how often the largest permuted statistic reaches each; NaN where the statistic is
    """
    values, permuted = np.asarray(observed, dtype=np.float64), np.asarray(null, dtype=np.float64)
    known = np.isfinite(values) & np.isfinite(permuted).all(axis=0)
    p = np.full(values.shape, np.nan)
    if known.any():
        largest = permuted[:, known].max(axis=1)
        p[known] = (1 + (largest[:, None] >= values[known]).sum(axis=0)) / (1 + len(largest))
    return p


def bootstrap_over_participants(draws: ArrayLike, rng: np.random.Generator) -> Float64Array:
    """Bootstrap draws of the mean over participants, who are drawn anew in each.

    Parameters
    ----------
    draws : (n_participants, n_draws, ...) each participant's statistic in draws of stimuli that are the
        same for all of them
    rng : draws participants

    Returns
    -------
    (n_draws, ...) with stimuli and participants both drawn, so that intervals speak of new ones of both

    Notes
    -----
    Owen 2007 (the pigeonhole bootstrap). With n participants the variance between them is (n - 1) / n of
    what it should be: with four, intervals are too narrow by about an eighth, and each participant must be
    shown. Give paired differences to get their interval.
    """
    values = np.asarray(draws, dtype=np.float64)
    weights = bootstrap_weights(len(values), values.shape[1], rng) / len(values)  # (n_draws, n_participants)
    return np.asarray(np.einsum("dp,pd...->d...", weights, values))


def standardised_effect(values: ArrayLike, null: float = 0.0) -> float:
    """Cohen's d over participants with Hedges' correction for few of them; NaN for fewer than three.

    Parameters
    ----------
    values : (n_participants,) such as accuracies, with chance as ``null``, or paired differences

    Notes
    -----
    Hedges 1981: d is too large by a factor of about 1 + 3 / (4 df - 1).
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    if len(known) < 3 or not known.std() > 0:
        return np.nan
    df = len(known) - 1
    return float((known.mean() - null) / known.std(ddof=1) * (1 - 3 / (4 * df - 1)))


def above_chance(accuracy: ArrayLike, chance: ArrayLike) -> Float64Array:
    """Accuracy's way from chance (0) to perfect (1); Cohen's kappa where chance is that of the labels."""
    base = np.asarray(chance, dtype=np.float64)
    return np.asarray((np.asarray(accuracy, dtype=np.float64) - base) / (1 - base))
