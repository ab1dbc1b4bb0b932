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
