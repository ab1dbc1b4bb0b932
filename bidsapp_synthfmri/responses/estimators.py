"""Single-trial estimators, each as one matrix: ``weights @ bold`` gives a response a trial and voxel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import DesignError
from .design import residualise, trial_regressors

Matrix = NDArray[np.float64]

# A regressor that keeps less than this share of its length outside the nuisance space, or of its
# variance beside the other trials, has no estimate worth the name.
_MIN_SHARE = 1e-3
_TR34_WINDOW_S = (4.0, 8.0)


@dataclass(frozen=True)
class RunDesign:
    """What an estimator needs to know of a run.

    Attributes
    ----------
    onsets, durations : (n_trials,) seconds
    times : (n_volumes,) seconds of the volumes
    nuisance : (n_volumes, rank) orthonormal
    label : the run's name, for messages
    """

    onsets: Matrix
    durations: Matrix
    times: Matrix
    nuisance: Matrix
    label: str

    def trials(self) -> Matrix:
        """(n_volumes, n_trials) regressors, nuisance projected out.

        Raises
        ------
        DesignError : a trial has no regressor left (it begins outside the scan, or a confound equals it)
        """
        full = trial_regressors(self.onsets, self.durations, self.times)
        left = residualise(full, self.nuisance)
        lost = np.linalg.norm(left, axis=0) <= _MIN_SHARE * max(
            1.0, float(np.linalg.norm(full, axis=0).max())
        )
        if lost.any():
            trial = int(np.flatnonzero(lost)[0])
            raise DesignError(
                f"{self.label}: trial {trial + 1} at {self.onsets[trial]:.2f} s leaves no trace in a scan of "
                f"{self.times[-1] - self.times[0]:.0f} s once drifts and confounds are out",
                "Check the onsets against the run's length, or remove the trial from the events file",
            )
        return left


def lsa_weights(design: RunDesign) -> Matrix:
    """Least-squares-all estimator: every trial its own regressor, fitted jointly.

    Returns
    -------
    (n_trials, n_volumes); BOLD's unit

    Raises
    ------
    DesignError : the trials cannot be told apart (too close, or more of them than volumes)
    """
    trials = design.trials()
    length = np.linalg.norm(trials, axis=0)
    singular = np.linalg.svd(trials / length, compute_uv=False)
    if len(singular) < trials.shape[1] or singular[-1] < _MIN_SHARE * singular[0]:
        raise DesignError(
            f"{design.label}: {trials.shape[1]} trials in {len(trials)} volumes cannot be estimated jointly",
            "Use --responses lss, which needs no joint fit, or check the onsets for duplicates",
        )
    return np.asarray(np.linalg.pinv(trials))


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
    if (determinant <= _MIN_SHARE**2 * aa * bb).any():
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
    The TR34 of BOLD5000's first release (Chang et al. 2019). A volume counts when the middle of its
    window of one TR, starting half a TR before it, lies within 4-8 s, so jittered onsets find the same TRs.
    """
    half = (design.times[1] - design.times[0]) / 2
    since = design.times[:, None] - design.onsets[None, :] + half  # (n_volumes, n_trials)
    window = (since >= _TR34_WINDOW_S[0]) & (since < _TR34_WINDOW_S[1])
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
