"""Single-trial estimators, each as one matrix: ``weights @ bold`` gives a response a trial and voxel."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..errors import DesignError
from .design import residualise
from .runs import RunDesign

Matrix = NDArray[np.float64]

# Limit on the variance inflation factor: beyond it a trial's estimate is its neighbours' noise.
_MAX_INFLATION = 100.0
_COLLINEAR = 1e-5


def lsa_weights(design: RunDesign) -> Matrix:
    """Least-squares-all estimator: every trial its own regressor, fitted jointly.

    Returns
    -------
    (n_trials, n_volumes); BOLD's unit

    Raises
    ------
    DesignError : the trials cannot be told apart (too close, or more of them than volumes)
    """
    require_separable(design)
    return np.asarray(np.linalg.pinv(design.trials()))


def require_separable(design: RunDesign, ridge: bool = False) -> Matrix:
    """Check that a joint fit of all trials is possible, and not all noise.

    Parameters
    ----------
    design : the run's
    ridge : whether a penalty will hold the noise of trials that lie close

    Returns
    -------
    (n_trials,) variance of each trial's estimate over that of a lone one

    Raises
    ------
    DesignError : trials are collinear or more than the volumes allow; without ridge also where the
        variance of a trial's estimate is over 100 times that of a lone one
    """
    trials = design.trials()
    inflation = (np.linalg.norm(np.linalg.pinv(trials), axis=1) * np.linalg.norm(trials, axis=0)) ** 2
    too_many = trials.shape[1] + design.nuisance.shape[1] >= len(trials)
    dependent = np.linalg.matrix_rank(trials, tol=_COLLINEAR * np.linalg.norm(trials, 2)) < trials.shape[1]
    if too_many or dependent or (not ridge and inflation.max() > _MAX_INFLATION):
        raise DesignError(
            f"{design.label}: {trials.shape[1]} trials in {len(trials)} volumes cannot be estimated jointly",
            "Check the onsets for duplicates; where trials do lie this close, use --responses lss",
        )
    return np.asarray(inflation)


def lss_weights(design: RunDesign) -> Matrix:
    """Least-squares-separate estimator: each trial against the sum of the others.

    Returns
    -------
    (n_trials, n_volumes); BOLD's unit

    Raises
    ------
    DesignError : a trial cannot be told from the sum of the others

    Notes
    -----
    Mumford et al. 2012; closed form in METHODS, "Single-trial responses".
    """
    a = design.trials()  # (n_volumes, n_trials)
    if a.shape[1] == 1:
        return a.T / (a.T @ a)
    b = a.sum(axis=1, keepdims=True) - a  # (n_volumes, n_trials)
    aa, bb, ab = (a * a).sum(axis=0), (b * b).sum(axis=0), (a * b).sum(axis=0)
    determinant = aa * bb - ab**2
    if (determinant * _MAX_INFLATION < aa * bb).any():
        trial = int(np.argmin(determinant / (aa * bb)))
        raise DesignError(
            f"{design.label}: trial {trial + 1} at {design.onsets[trial]:.2f} s equals the sum of the others",
            "Check the events file for duplicated onsets",
        )
    return np.asarray(((bb * a - ab * b) / determinant).T)


def tr34_weights(design: RunDesign) -> Matrix:
    """Mean of the volumes 4-8 s after onset (TRs 3 and 4 at TR 2 s), drifts and confounds removed.

    Returns
    -------
    (n_trials, n_volumes); BOLD's unit, relative to the run's mean

    Raises
    ------
    DesignError : a trial has no volume in its window

    Notes
    -----
    The TR34 of BOLD5000's first release (Chang et al. 2019).
    """
    window = design.window()
    counts = window.sum(axis=0)
    if (counts == 0).any():
        trial = int(np.argmin(counts))
        raise DesignError(
            f"{design.label}: no volume lies 4-8 s after trial {trial + 1} at {design.onsets[trial]:.2f} s",
            "Check the onsets against the run's length, or use --responses lss",
        )
    return np.asarray(residualise(window / counts, design.nuisance).T)


ESTIMATORS: dict[str, Callable[[RunDesign], Matrix]] = {
    "lsa": lsa_weights,
    "lss": lss_weights,
    "tr34": tr34_weights,
}
