"""Autoregressive noise of order two: from covariances over lags, and to correlations over lags."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

ORDER = 2
# Lags over which weights meet the noise; it is forgotten long before.
N_MEMORY = 32
# From what the noise of a short series may seem to be, back to what is stationary.
_MOST_CORRELATED = 0.95
_MARGIN = 1e-3


def yule_walker(covariances: Array) -> Array:
    """Coefficients of the stationary process that has given covariances at lags 0, 1 and 2.

    Parameters
    ----------
    covariances : (3, n) or more lags; a variance that is not above 0 counts as white noise

    Returns
    -------
    (2, n) coefficients on the last and the last but one value. Correlations of lag 1 are held within .95,
    those of lag 2 within what a stationary process of that lag 1 can have
    """
    known = covariances[0] > 0
    variance = np.where(known, covariances[0], 1.0)
    first = np.clip(np.where(known, covariances[1] / variance, 0), -_MOST_CORRELATED, _MOST_CORRELATED)
    second = np.where(known, covariances[2] / variance, 0)
    second = np.clip(second, 2 * first**2 - 1 + _MARGIN, 1 - _MARGIN)
    left = 1 - first**2
    return np.stack([first * (1 - second) / left, (second - first**2) / left])


def correlations(coefficients: Array, n_lags: int) -> Array:
    """(n_lags, n) correlation of the process with itself at lags 0, 1, ...; ``coefficients`` are (2, n)."""
    one, two = coefficients
    found = np.ones((n_lags, len(one)))
    if n_lags > 1:
        found[1] = one / (1 - two)
    for lag in range(2, n_lags):
        found[lag] = one * found[lag - 1] + two * found[lag - 2]
    return found


def innovation_share(coefficients: Array) -> Array:
    """(n,) variance of a step, given the last two values, over that of the process."""
    one, two, *_ = correlations(coefficients, ORDER + 1)[1:]
    return np.asarray(1 - coefficients[0] * one - coefficients[1] * two)


def weighted_variance(products: Array, coefficients: Array) -> Array:
    """Variance of weighted sums of a process of variance 1.

    Parameters
    ----------
    products : (..., n_lags) sum over volumes of a weight times the weight some volumes later
    coefficients : (2, n)

    Returns
    -------
    (..., n)
    """
    of_lag = correlations(coefficients, products.shape[-1])
    of_lag[1:] *= 2  # before and after
    return np.asarray(products @ of_lag)


def lagged_products(weights: Array, n_lags: int) -> Array:
    """(n, n_lags) sums over volumes of (n, n_volumes) weights times themselves some volumes later."""
    n_volumes = weights.shape[1]
    found = np.zeros((len(weights), n_lags))
    for lag in range(min(n_lags, n_volumes)):
        found[:, lag] = (weights[:, : n_volumes - lag] * weights[:, lag:]).sum(axis=1)
    return found
