"""The canonical haemodynamic response and its response to a stimulus of any length."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import gamma

_PEAK_SHAPE = 6.0  # s, at a scale of 1 s: the response peaks at 5 s
_UNDERSHOOT_SHAPE = 16.0
_UNDERSHOOT_RATIO = 1 / 6
_PEAK_SEARCH_S = np.arange(0.0, 20.0, 0.01)


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
    peaks = np.array([_unscaled(_PEAK_SEARCH_S, duration).max() for duration in distinct])
    peak = peaks[inverse].reshape(np.shape(durations))
    return np.asarray(_unscaled(times, durations) / peak)


def _unscaled(times: NDArray[np.float64], durations: NDArray[np.float64] | float) -> NDArray[np.float64]:
    length = np.asarray(durations, dtype=np.float64)
    average = (_integral(times) - _integral(times - length)) / np.where(length > 0, length, 1.0)
    return np.asarray(np.where(length > 0, average, _density(times)))


def _density(times: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(gamma.pdf(times, _PEAK_SHAPE) - _UNDERSHOOT_RATIO * gamma.pdf(times, _UNDERSHOOT_SHAPE))


def _integral(times: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(gamma.cdf(times, _PEAK_SHAPE) - _UNDERSHOOT_RATIO * gamma.cdf(times, _UNDERSHOOT_SHAPE))
