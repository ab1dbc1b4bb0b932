"""Trial regressors at true onsets, and the nuisance space projected out of design and data."""

from __future__ import annotations

import numpy as np
from nilearn.glm.first_level import make_first_level_design_matrix
from numpy.typing import NDArray

from ..structures import BoolArray
from .hrf import CANONICAL, Hrf, boxcar_response

HIGH_PASS_HZ = 1 / 128
_RANK_TOLERANCE = 1e-7  # relative to the largest singular value of columns scaled to unit length


def frame_times(n_volumes: int, repetition_time: float, start_time: float) -> NDArray[np.float64]:
    """(n_volumes,) seconds at which the preprocessed volumes sample the signal."""
    return np.arange(n_volumes, dtype=np.float64) * repetition_time + start_time


def trial_regressors(
    onsets: NDArray[np.float64],
    durations: NDArray[np.float64],
    times: NDArray[np.float64],
    hrf: Hrf = CANONICAL,
) -> NDArray[np.float64]:
    """One regressor a trial.

    Parameters
    ----------
    onsets, durations : (n_trials,) seconds, off the TR grid as they are
    times : (n_volumes,) seconds
    hrf : the haemodynamic response

    Returns
    -------
    (n_volumes, n_trials), each trial's isolated response scaled to a peak of 1
    """
    return boxcar_response(times[:, None] - onsets[None, :], durations[None, :], hrf)


def nuisance_basis(
    times: NDArray[np.float64], confounds: NDArray[np.float64], used: BoolArray | None = None
) -> NDArray[np.float64]:
    """Orthonormal basis of intercept, cosine drifts (high-pass 1/128 Hz) and confounds.

    Parameters
    ----------
    times : (n_volumes,) seconds, evenly spaced
    confounds : (n_volumes, n_confounds), finite; may be collinear with the drifts or constant
    used : (n_volumes,) volumes that are not censored; None for all

    Returns
    -------
    (n_used, rank), the volumes not used left out
    """
    drifts = make_first_level_design_matrix(times, drift_model="cosine", high_pass=HIGH_PASS_HZ)
    rows = slice(None) if used is None else used
    confounds = confounds[rows]
    columns = [drifts.to_numpy(dtype=np.float64)[rows], confounds - confounds.mean(axis=0)]
    return orthonormal(np.column_stack(columns))


def orthonormal(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n_volumes, rank) orthonormal basis of the span of some columns (n_volumes, k), which may be zero."""
    length = np.linalg.norm(columns, axis=0)
    columns = columns[:, length > 0] / length[length > 0]
    vectors, singular, _ = np.linalg.svd(columns, full_matrices=False)
    return np.asarray(vectors[:, singular > _RANK_TOLERANCE * singular[0]])


def residualise(values: NDArray[np.float64], basis: NDArray[np.float64]) -> NDArray[np.float64]:
    """``values`` (n_volumes, k) without their part in an orthonormal ``basis`` (n_volumes, rank)."""
    return values - basis @ (basis.T @ values)
