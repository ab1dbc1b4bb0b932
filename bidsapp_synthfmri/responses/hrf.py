"""Double-gamma haemodynamic responses, and their responses to a stimulus of any length."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc, gammaln

Array = NDArray[np.float64]

# Seconds after a stimulus' end from which no double gamma of the family is above 1e-6 of its peak.
_TAIL_S = 64.0
# A peak found to 1e-5 of the boxcar's length has the right height to 1e-10.
_BISECTIONS = 17


@dataclass(frozen=True)
class Hrf:
    """A double-gamma haemodynamic response to an impulse.

    Attributes
    ----------
    peak, dispersion : seconds; mode and scale of the first gamma density
    undershoot_peak, undershoot_dispersion : of the second, which is subtracted
    ratio : weight of the second density, the first having 1
    """

    peak: float
    dispersion: float
    undershoot_peak: float = 15.0
    undershoot_dispersion: float = 1.0
    ratio: float = 1 / 6

    def density(self, times: Array) -> Array:
        """The response at some seconds after an impulse, 0 before it."""
        first = _gamma_density(times, self.peak, self.dispersion)
        second = _gamma_density(times, self.undershoot_peak, self.undershoot_dispersion)
        return np.asarray(first - self.ratio * second)

    def integral(self, times: Array) -> Array:
        """The integral of ``density`` up to some seconds."""
        since = np.maximum(times, 0.0)
        first = gammainc(self.peak / self.dispersion + 1, since / self.dispersion)
        second = gammainc(
            self.undershoot_peak / self.undershoot_dispersion + 1, since / self.undershoot_dispersion
        )
        return np.asarray(first - self.ratio * second)

    @property
    def time_to_peak(self) -> float:
        """Seconds from an impulse to the response's maximum, a little before the first density's mode."""
        return _time_to_peak(self)


CANONICAL = Hrf(peak=5.0, dispersion=1.0)


def boxcar_response(times: Array, durations: Array, hrf: Hrf = CANONICAL) -> Array:
    """Response to a stimulus that starts at 0 and lasts a while, its peak scaled to 1.

    Parameters
    ----------
    times : seconds since the stimulus' onset, any sign; broadcast against ``durations``
    durations : seconds, >= 0; 0 is an impulse
    hrf : the response to an impulse

    Returns
    -------
    the broadcast shape, unitless: a coefficient is a peak amplitude in the data's unit

    Notes
    -----
    The default has the parameters of Friston et al. 1998 (shapes 6 and 16 s, ratio 1/6). The integral
    of a double gamma is a difference of gamma distribution functions, so the boxcar's response is exact
    at any time, with no oversampled grid and no rounding of onsets.
    """
    distinct, inverse = np.unique(durations, return_inverse=True)
    peaks = _peak_heights(hrf, distinct.astype(np.float64).tobytes())[inverse].reshape(np.shape(durations))
    times, durations, peaks = np.broadcast_arrays(times, durations, peaks)
    response = np.zeros(times.shape)
    near = (times > 0) & (times < durations + _TAIL_S)
    response[near] = _unscaled(times[near], durations[near], hrf) / peaks[near]
    return response


@lru_cache(maxsize=256)
def _time_to_peak(hrf: Hrf) -> float:
    low, high = 0.0, hrf.peak
    step = 1e-4 * hrf.peak
    for _ in range(2 * _BISECTIONS):
        middle = (low + high) / 2
        before, after = hrf.density(np.array([middle - step, middle + step]))
        low, high = (middle, high) if after > before else (low, middle)
    return (low + high) / 2


@lru_cache(maxsize=4096)
def _peak_heights(hrf: Hrf, durations: bytes) -> Array:
    """(n,) unscaled heights of responses to boxcars; a run's durations come again at each of its designs."""
    lengths = np.frombuffer(durations)
    return _unscaled(_peak_times(lengths, hrf), lengths, hrf)


def _peak_times(durations: Array, hrf: Hrf) -> Array:
    """(n,) seconds after onset at which the response to a boxcar of some lengths peaks.

    Where its derivative h(t) - h(t - length) changes sign: between the impulse's mode and the mode of
    the boxcar's last moment.
    """
    low, high = np.full(len(durations), hrf.time_to_peak), hrf.time_to_peak + durations
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        rising = hrf.density(middle) > hrf.density(middle - durations)
        low, high = np.where(rising, middle, low), np.where(rising, high, middle)
    return low


def _unscaled(times: Array, durations: Array, hrf: Hrf) -> Array:
    """Mean response over the boxcar, and for an impulse the density itself."""
    length = np.where(durations > 0, durations, 1.0)
    mean = (hrf.integral(times) - hrf.integral(times - durations)) / length
    if (durations > 0).all():
        return np.asarray(mean)
    return np.where(durations > 0, mean, hrf.density(times))


def _gamma_density(times: Array, mode: float, scale: float) -> Array:
    shape = mode / scale + 1
    since = np.maximum(times, np.finfo(np.float64).tiny) / scale
    density = np.exp((shape - 1) * np.log(since) - since - gammaln(shape)) / scale
    return np.where(times > 0, density, 0.0)
