"""The canonical haemodynamic response and its response to a stimulus of any length."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import gamma

_PEAK_SHAPE = 6.0  # s, at a scale of 1 s: the response peaks at 5 s
_UNDERSHOOT_SHAPE = 16.0
_UNDERSHOOT_RATIO = 1 / 6
_MODE = 4.9985  # s, of the double gamma with these shapes; its derivative changes sign within 1e-4
_BISECTIONS = 40


def boxcar_response(times: NDArray[np.float64], durations: NDArray[np.float64]) -> NDArray[np.float64]:
    """Response to a stimulus that starts at 0 and lasts a while, its peak scaled to 1.

    Parameters
    ----------
    times : seconds since the stimulus' onset, any sign; broadcast against ``durations``
    durations : seconds, >= 0; 0 is an impulse

    Returns
    -------
    the broadcast shape, unitless: a coefficient is a peak amplitude in the data's unit

    Notes
    -----
    Double-gamma function with the parameters of Friston et al. 1998 (peak shape 6 s, undershoot
    shape 16 s, ratio 1/6). Its integral is a difference of gamma distribution functions, so
    the boxcar's response is exact at any time, with no oversampled grid and no rounding of onsets.
    """
    distinct, inverse = np.unique(durations, return_inverse=True)
    peaks = _unscaled(_peak_times(distinct), distinct)[inverse].reshape(np.shape(durations))
    return np.asarray(_unscaled(times, durations) / peaks)


def _peak_times(durations: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) seconds after onset at which the response to a boxcar of some lengths peaks.

    Where its derivative h(t) - h(t - length) changes sign: between the impulse's mode and the mode of
    the boxcar's last moment.
    """
    low, high = np.full(len(durations), _MODE), _MODE + durations
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        rising = _density(middle) > _density(middle - durations)
        low, high = np.where(rising, middle, low), np.where(rising, high, middle)
    return low


def _unscaled(times: NDArray[np.float64], durations: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean response over the boxcar, and for an impulse the density itself."""
    if (durations > 0).all():
        return (_integral(times) - _integral(times - durations)) / durations
    length = np.where(durations > 0, durations, 1.0)
    mean = (_integral(times) - _integral(times - durations)) / length
    return np.where(durations > 0, mean, _density(times))


def _density(times: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(gamma.pdf(times, _PEAK_SHAPE) - _UNDERSHOOT_RATIO * gamma.pdf(times, _UNDERSHOOT_SHAPE))


def _integral(times: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(gamma.cdf(times, _PEAK_SHAPE) - _UNDERSHOOT_RATIO * gamma.cdf(times, _UNDERSHOOT_SHAPE))
