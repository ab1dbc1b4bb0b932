"""Designs of all runs in their eigenbases: what least squares and ridge of every fraction are read from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from .design import residualise

# Singular values below this share of the largest carry rounding, not trials.
_RANK_TOLERANCE = 1e-5


@dataclass(frozen=True)
class Spectra:
    """Designs X = U diag(s) V' of all runs with one haemodynamic response, nuisance projected out.

    Runs with fewer trials than the longest are padded: there s is infinite and everything else 0.

    Attributes
    ----------
    projections : a run each, (n_most, n_used) U'
    singular : (n_runs, n_most) s, infinite for directions without trials, whose responses are then 0
    rotation : (n_runs, n_most, n_most) V
    common : (n_runs, n_most) U'X1, the coefficients of one unit response to every trial
    """

    projections: tuple[torch.Tensor, ...]
    singular: torch.Tensor
    rotation: torch.Tensor
    common: torch.Tensor

    def least_squares(self, coefficients: torch.Tensor) -> torch.Tensor:
        """(n_runs, n_most, n_voxels) responses from ``projection @ series`` of the same shape."""
        return self.rotation @ (coefficients / self.singular[:, :, None])


def spectra(
    trials: Sequence[NDArray[np.float32]], components: Sequence[NDArray[np.float64]], device: torch.device
) -> Spectra:
    """Decompose runs' designs by the eigenvectors of X'X.

    Parameters
    ----------
    trials : a run each, (n_used, n_trials) regressors, nuisance projected out
    components : a run each, (n_used, n_components) orthonormal noise components, projected out besides
    device : where the result goes, as float32
    """
    most = max(regressors.shape[1] for regressors in trials)
    n_runs = len(trials)
    singular, common = np.full((n_runs, most), np.inf), np.zeros((n_runs, most))
    rotation = np.zeros((n_runs, most, most))
    projections = []
    for run, (regressors, noise) in enumerate(zip(trials, components, strict=True)):
        left = residualise(regressors.astype(np.float64), noise)
        n_trials = left.shape[1]
        square, vectors = np.linalg.eigh(left.T @ left)
        full = square > _RANK_TOLERANCE**2 * square.max(initial=0.0)
        root = np.sqrt(np.where(full, square, 1.0))
        projection = np.zeros((most, len(left)))
        projection[:n_trials] = np.where(full, left @ vectors / root, 0.0).T
        singular[run, :n_trials] = np.where(full, root, np.inf)
        rotation[run, :n_trials, :n_trials] = vectors
        common[run, :n_trials] = np.where(full, root * vectors.sum(axis=0), 0.0)
        projections.append(_tensor(projection, device))
    return Spectra(
        tuple(projections), _tensor(singular, device), _tensor(rotation, device), _tensor(common, device)
    )


def _tensor(values: NDArray[np.float64], device: torch.device) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)).to(device)
