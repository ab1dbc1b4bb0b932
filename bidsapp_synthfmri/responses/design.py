"""Trial regressors at true onsets, and the nuisance space projected out of design and data."""

from __future__ import annotations

import numpy as np
from nilearn.glm.first_level import make_first_level_design_matrix
from numpy.typing import NDArray

from ..structures import BoolArray
from .hrf import boxcar_response

HIGH_PASS_HZ = 1 / 128
_RANK_TOLERANCE = 1e-7  # relative to the largest singular value of columns scaled to unit length


def frame_times(n_volumes: int, repetition_time: float, start_time: float) -> NDArray[np.float64]:
    """(n_volumes,) seconds at which the preprocessed volumes sample the signal."""
    return np.arange(n_volumes, dtype=np.float64) * repetition_time + start_time


def trial_regressors(
    onsets: NDArray[np.float64], durations: NDArray[np.float64], times: NDArray[np.float64]
) -> NDArray[np.float64]:
    """One regressor a trial.

    Parameters
    ----------
    onsets, durations : (n_trials,) seconds, off the TR grid as they are
    times : (n_volumes,) seconds

    Returns
    -------
    (n_volumes, n_trials), each trial's isolated response scaled to a peak of 1
    """
    return boxcar_response(times[:, None] - onsets[None, :], durations[None, :])


def nuisance_basis(
    times: NDArray[np.float64], confounds: NDArray[np.float64], censored: BoolArray | None = None
) -> NDArray[np.float64]:
    """Orthonormal basis of intercept, cosine drifts (high-pass 1/128 Hz), confounds and censored volumes.

    Parameters
    ----------
    times : (n_volumes,) seconds, evenly spaced
    confounds : (n_volumes, n_confounds), finite; may be collinear with the drifts or constant
    censored : (n_volumes,) volumes that get a column of their own; None for none

    Returns
    -------
    (n_volumes, rank). What is residualised against it is 0 at censored volumes, exactly, and elsewhere
    what it would be if the scan had not had them
    """
    kept = np.ones(len(times), dtype=bool) if censored is None else ~censored
    drifts = make_first_level_design_matrix(times, drift_model="cosine", high_pass=HIGH_PASS_HZ)
    centred = confounds[kept] - confounds[kept].mean(axis=0)
    columns = np.column_stack([drifts.to_numpy(dtype=np.float64)[kept], centred])
    length = np.linalg.norm(columns, axis=0)
    columns = columns[:, length > 0] / length[length > 0]
    vectors, singular, _ = np.linalg.svd(columns, full_matrices=False)
    vectors = vectors[:, singular > _RANK_TOLERANCE * singular[0]]
    basis = np.zeros((len(times), vectors.shape[1]))
    basis[kept] = vectors
    return np.column_stack([basis, np.eye(len(times))[:, ~kept]])


def residualise(values: NDArray[np.float64], basis: NDArray[np.float64]) -> NDArray[np.float64]:
    """``values`` (n_volumes, k) without their part in an orthonormal ``basis`` (n_volumes, rank)."""
    return values - basis @ (basis.T @ values)
