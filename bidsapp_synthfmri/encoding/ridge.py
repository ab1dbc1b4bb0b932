"""Kernel ridge with an unpenalised intercept: exact leave-group-out scores from one eigendecomposition.

With the centred kernel K = Q diag(lam) Q' and d = 1 / (lam + alpha): dual weights c = Q (d * Q'Y), and
G = Q diag(d) Q'. Leaving the rows f out, refitting and predicting them leaves the residuals
e_f = G_ff^-1 c_f, whatever the group (METHODS, "Ridge").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .folds import Folds
from .kernels import Decomposition

# Kernels are scaled to a mean eigenvalue of 1: from next to no penalty to next to no fit.
DEFAULT_ALPHAS: tuple[float, ...] = tuple(float(alpha) for alpha in np.logspace(-2, 6, 25))


@dataclass(frozen=True)
class RidgeScores:
    """Cross-validated choice of alpha, per voxel.

    Attributes
    ----------
    alpha : (n_voxels,) float64, the grid's value with the highest ``r2``
    r2 : (n_voxels,) 1 - squared error / variance, of out-of-fold predictions at that alpha
    r : (n_voxels,) correlation of out-of-fold predictions with the data; 0 where predictions are constant
    at_edge : (n_voxels,) whether the alpha is the grid's first or last
    out_of_fold : (n, n_voxels) predictions of every row by a fit without the row's fold, at that alpha
    """

    alpha: Tensor
    r2: Tensor
    r: Tensor
    at_edge: Tensor
    out_of_fold: Tensor


def choose_alpha(
    decomposition: Decomposition, Y: Tensor, folds: Folds, alphas: tuple[float, ...] = DEFAULT_ALPHAS
) -> RidgeScores:
    """The penalty of each voxel by exact leave-group-out prediction.

    Parameters
    ----------
    decomposition : of n rows
    Y : (n, n_voxels) float64
    folds : partition of the n rows, at least two folds
    alphas : grid, ascending
    """
    total = ((Y - Y.mean(dim=0)) ** 2).sum(dim=0)  # (n_voxels,)
    best_r2 = torch.full_like(total, -torch.inf)
    choice = torch.zeros_like(total, dtype=torch.long)
    best_residuals = torch.empty_like(Y)
    for number, residuals in enumerate(_residuals_by_alpha(decomposition, Y, folds, alphas)):
        r2 = 1 - (residuals**2).sum(dim=0) / total
        better = torch.nonzero(r2 > best_r2).flatten()
        best_r2[better], choice[better] = r2[better], number
        best_residuals[:, better] = residuals[:, better]
    return RidgeScores(
        alpha=torch.tensor(alphas, dtype=Y.dtype, device=Y.device)[choice],
        r2=best_r2,
        r=correlate_columns(Y - best_residuals, Y),
        at_edge=(choice == 0) | (choice == len(alphas) - 1),
        out_of_fold=Y - best_residuals,
    )


def dual_weights(decomposition: Decomposition, Y: Tensor, alpha: Tensor) -> Tensor:
    """Dual weights c of the fit to all rows, for the kernel divided by its scale.

    Parameters
    ----------
    alpha : (n_voxels,) penalty of each voxel

    Returns
    -------
    (n, n_voxels); columns sum to 0. The fitted values are ``kernel / scale @ c`` + the mean of Y.
    """
    projected = decomposition.vectors.T @ Y  # (n - 1, n_voxels)
    shrunk = projected / (decomposition.eigenvalues[:, None] + alpha[None, :])
    return decomposition.vectors @ shrunk


def _residuals_by_alpha(
    decomposition: Decomposition, Y: Tensor, folds: Folds, alphas: tuple[float, ...]
) -> Iterator[Tensor]:
    """Leave-group-out residuals (n, n_voxels), one alpha after another."""
    vectors = decomposition.vectors  # (n, n - 1)
    projected = vectors.T @ Y  # (n - 1, n_voxels)
    rows = [torch.from_numpy(fold).to(Y.device) for fold in folds.rows()]
    for alpha in alphas:
        d = 1 / (decomposition.eigenvalues + alpha)  # (n - 1,)
        c = vectors @ (d[:, None] * projected)  # (n, n_voxels)
        residuals = torch.empty_like(Y)
        for fold in rows:
            fold_vectors = vectors[fold]  # (n_f, n - 1)
            G_ff = (fold_vectors * d) @ fold_vectors.T  # (n_f, n_f)
            residuals[fold] = torch.cholesky_solve(c[fold], torch.linalg.cholesky(G_ff))
        yield residuals


def correlate_columns(a: Tensor, b: Tensor) -> Tensor:
    """Pearson correlation column by column, 0 where a column does not vary; (n, v), (n, v) -> (v,)."""
    a, b = a - a.mean(dim=0), b - b.mean(dim=0)
    norm = a.norm(dim=0) * b.norm(dim=0)
    return torch.where(norm > 0, (a * b).sum(dim=0) / norm.clamp(min=torch.finfo(a.dtype).tiny), 0)
