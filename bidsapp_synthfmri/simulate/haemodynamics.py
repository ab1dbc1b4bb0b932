"""From trials to volumes, and back: haemodynamic response, drifts, least squares of all trials.

Written apart from ``responses`` on purpose: a dataset that judges an estimator must not be made by it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc

Array = NDArray[np.float64]

_PEAK, _UNDERSHOOT, _RATIO = 6.0, 16.0, 1 / 6
_FINE_STEP = 0.02
_SEARCH = 12.0
HIGH_PASS_PERIOD = 128.0


def trial_regressors(onsets: Array, durations: Array, sample_times: Array) -> Array:
    """Responses to boxcars, each with a peak of 1.

    Parameters
    ----------
    onsets, durations : (n_trials,) seconds
    sample_times : (n_volumes,) seconds

    Returns
    -------
    (n_volumes, n_trials): the boxcar convolved with a double-gamma response (shape 6, less a sixth of
    shape 16), exact, since the integral of a gamma density is known

    Notes
    -----
    Response shape after Glover 1999 and SPM.
    """
    fine = np.arange(0, _SEARCH, _FINE_STEP)
    peaks = np.array([_boxcar_response(fine, duration).max() for duration in durations])
    responses = _boxcar_response(sample_times[:, None] - onsets, durations)
    return np.asarray(responses / peaks, dtype=np.float64)


def _boxcar_response(since_onset: Array, duration: Array | float) -> Array:
    return _step_response(since_onset) - _step_response(since_onset - duration)


def _step_response(time: Array) -> Array:
    since = np.maximum(time, 0.0)
    return np.asarray(gammainc(_PEAK, since) - _RATIO * gammainc(_UNDERSHOOT, since), dtype=np.float64)


def cosine_drifts(n_volumes: int, tr: float) -> Array:
    """(n_volumes, k) cosines slower than 1/128 Hz, of unit norm."""
    count = int(2 * n_volumes * tr / HIGH_PASS_PERIOD)
    times = np.arange(n_volumes) + 0.5
    order = np.arange(1, count + 1)
    return np.asarray(np.sqrt(2 / n_volumes) * np.cos(np.pi * times[:, None] * order / n_volumes))


def lsa_weights(regressors: Array, nuisance: Array) -> Array:
    """Least squares of all trials together, as one matrix.

    Parameters
    ----------
    regressors : (n_volumes, n_trials)
    nuisance : (n_volumes, k), without an intercept, which is added

    Returns
    -------
    (n_trials, n_volumes); its product with BOLD estimates the trials' responses
    """
    intercept = np.ones((len(regressors), 1))
    design = np.concatenate([regressors, intercept, nuisance], axis=1)
    return np.asarray(np.linalg.pinv(design)[: regressors.shape[1]], dtype=np.float64)
