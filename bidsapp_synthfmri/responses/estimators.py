"""Single-trial estimators, each as one matrix: ``weights @ bold`` gives a response a trial and voxel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import DesignError
from ..structures import BoolArray
from .design import residualise, trial_regressors

Matrix = NDArray[np.float64]

# Noise of an estimate grows as its regressor shrinks. One that is cut off by the scan's end to less than
# this share of the usual length would dominate the session's spread, by which all trials are z-scored.
_MIN_LENGTH = 0.25
# Limit on the variance inflation factor: beyond it a trial's estimate is its neighbours' noise.
_MAX_INFLATION = 100.0
_TR34_WINDOW_S = (4.0, 8.0)
_NOTHING = 1e-6


@dataclass(frozen=True)
class RunDesign:
    """What an estimator needs to know of a run.

    Attributes
    ----------
    onsets, durations : (n_trials,) seconds
    times : (n_volumes,) seconds at which the volumes sample the signal
    nuisance : (n_volumes, rank) orthonormal
    label : the run's name, for messages
    start_time : seconds from a volume's own onset to its time
    censored : (n_volumes,) volumes that ``nuisance`` takes out whole; None for none
    """

    onsets: Matrix
    durations: Matrix
    times: Matrix
    nuisance: Matrix
    label: str
    start_time: float = 0.0
    censored: BoolArray | None = None

    def trials(self) -> Matrix:
        """(n_volumes, n_trials) regressors, nuisance projected out.

        Raises
        ------
        DesignError : a trial has next to no regressor left (it begins at the scan's end or after it, or
            a confound equals it)
        """
        full = trial_regressors(self.onsets, self.durations, self.times)
        left = residualise(full, self.nuisance)
        length = np.linalg.norm(left, axis=0)
        lost = length < max(_MIN_LENGTH * float(np.median(length)), _NOTHING)
        if lost.any():
            trial = int(np.argmin(length))
            raise DesignError(
                f"{self.label}: trial {trial + 1} at {self.onsets[trial]:.2f} s leaves next to no trace in "
                f"a scan of {self.times[-1] - self.times[0]:.0f} s once drifts and confounds are out",
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
    weights = np.asarray(np.linalg.pinv(trials))
    inflation = (np.linalg.norm(weights, axis=1) * np.linalg.norm(trials, axis=0)) ** 2  # (n_trials,)
    too_many = trials.shape[1] + design.nuisance.shape[1] >= len(trials)
    if too_many or np.linalg.matrix_rank(trials) < trials.shape[1] or inflation.max() > _MAX_INFLATION:
        raise DesignError(
            f"{design.label}: {trials.shape[1]} trials in {len(trials)} volumes cannot be estimated jointly",
            "Check the onsets for duplicates; where trials do lie this close, use --responses lss",
        )
    return weights


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
    (n_trials, n_volumes); BOLD's unit, relative to the run's mean; the mean is of the volumes that are
    not censored

    Raises
    ------
    DesignError : a trial has no volume in its window, or only censored ones

    Notes
    -----
    The TR34 of BOLD5000's first release (Chang et al. 2019). Volumes are counted by their own onsets,
    rounded to the nearest TR from the trial's, so that jittered onsets find the same TRs.
    """
    half = (design.times[1] - design.times[0]) / 2
    volumes = design.times - design.start_time
    since = volumes[:, None] - design.onsets[None, :] + half  # (n_volumes, n_trials)
    window = (since >= _TR34_WINDOW_S[0]) & (since < _TR34_WINDOW_S[1])
    if design.censored is not None:
        window[design.censored] = False
    counts = window.sum(axis=0)
    if (counts == 0).any():
        trial = int(np.argmin(counts))
        among = "" if design.censored is None else " that is not censored"
        raise DesignError(
            f"{design.label}: no volume{among} lies 4-8 s after trial {trial + 1}"
            f" at {design.onsets[trial]:.2f} s",
            "Check the onsets against the run's length, or use --responses lss",
        )
    return np.asarray(residualise(window / counts, design.nuisance).T)


ESTIMATORS: dict[str, Callable[[RunDesign], Matrix]] = {
    "lsa": lsa_weights,
    "lss": lss_weights,
    "tr34": tr34_weights,
}
