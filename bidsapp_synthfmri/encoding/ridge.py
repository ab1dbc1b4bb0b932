"""Kernel ridge with an unpenalised intercept: exact leave-group-out scores from one decomposition.

With the centred kernel K and G = N (N'KN + alpha)^-1 N' (``resolvents``), the dual weights are c = G Y.
Leaving the rows f out, refitting and predicting them leaves the residuals e_f = G_ff^-1 c_f, whatever
the group (METHODS, "Ridge").
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from .folds import Folds
from .left_out import FoldSolver, Targets
from .resolvents import Decomposition
from .window import Best, best_penalties, generalised_errors

# Kernels are scaled to a mean eigenvalue of 1: from next to no penalty to next to no fit.
DEFAULT_ALPHAS: tuple[float, ...] = tuple(float(alpha) for alpha in np.logspace(-2, 6, 25))
BATCH_BYTES = 1 << 27
_ARRAYS_A_BATCH = 9


@dataclass(frozen=True)
class RidgeScores:
    """Cross-validated choice of alpha, per voxel.

    Attributes
    ----------
    alpha : (n_voxels,) float64, the grid's value with the highest ``r2``
    r2 : (n_voxels,) 1 - squared error / variance, of out-of-fold predictions at that alpha; 0 for a
        constant voxel
    r : (n_voxels,) correlation of out-of-fold predictions with the data; 0 where predictions are constant
    edge : (n_voxels,) int8: -1 where the alpha is the grid's first, 1 where it is its last, 0 inside
    out_of_fold : (n, n_voxels) predictions of every row by a fit without the row's fold, at that alpha
    dual : (n, n_voxels) dual weights of the fit to all rows, for the kernel divided by its scale
    """

    alpha: Tensor
    r2: Tensor
    r: Tensor
    edge: Tensor
    out_of_fold: Tensor
    dual: Tensor

    @classmethod
    def empty(cls, Y: Tensor, dtype: torch.dtype) -> RidgeScores:
        """Room for the scores of ``Y`` (n, n_voxels), on its device."""
        types = (torch.float64, dtype, dtype, torch.int8)
        alpha, r2, r, edge = (Y.new_empty(Y.shape[1], dtype=kind) for kind in types)
        out_of_fold, dual = (torch.empty_like(Y, dtype=dtype) for _ in range(2))
        return cls(alpha, r2, r, edge, out_of_fold, dual)

    def put(self, voxels: slice, scores: RidgeScores) -> None:
        """Take over the scores of some voxels."""
        for field in fields(self):
            getattr(self, field.name)[..., voxels] = getattr(scores, field.name)


def choose_alpha(
    decomposition: Decomposition,
    Y: Tensor,
    folds: Folds,
    alphas: tuple[float, ...] = DEFAULT_ALPHAS,
    search: str = "window",
    batch_bytes: int = BATCH_BYTES,
) -> RidgeScores:
    """The penalty of each voxel by exact leave-group-out prediction.

    Parameters
    ----------
    decomposition : of n rows
    Y : (n, n_voxels)
    folds : partition of the n rows, at least two folds
    alphas : grid, ascending
    search : ``exact`` predicts with every alpha; ``window`` starts from generalised cross-validation's
        choice and tries its neighbours, then the neighbours of what is best, but for those that are all but
        certain to be worse (``window.Departure``); ``gcv`` takes generalised cross-validation's choice
    batch_bytes : memory for the arrays of voxels that are computed together

    Returns
    -------
    RidgeScores on ``Y``'s device, in the decomposition's type
    """
    return choose_alphas(FoldSolver(decomposition, folds, alphas), Y, search, batch_bytes)


def choose_alphas(
    solver: FoldSolver, Y: Tensor, search: str = "window", batch_bytes: int = BATCH_BYTES
) -> RidgeScores:
    """``choose_alpha`` for more and more voxels, what the kernel's penalties need being computed once.

    Parameters
    ----------
    solver : of n rows, their folds, and the grid
    Y, search, batch_bytes : as of ``choose_alpha``
    """
    dtype = solver.decomposition.dtype
    most = max(1, batch_bytes // (_ARRAYS_A_BATCH * len(Y) * dtype.itemsize))
    n_batches = max(1, -(-Y.shape[1] // most))
    scores = RidgeScores.empty(Y, dtype)
    learned = None
    for voxels in np.array_split(np.arange(Y.shape[1]), n_batches):
        batch = slice(int(voxels[0]), int(voxels[-1]) + 1) if len(voxels) else slice(0)
        targets = solver.targets(Y[:, batch])
        best, learned = best_penalties(solver, targets, search, learned)
        scores.put(batch, _scores(solver, targets, best))
    return scores


def dual_weights(decomposition: Decomposition, Y: Tensor, alpha: Tensor) -> Tensor:
    """Dual weights c of the fit to all rows, for the kernel divided by its scale.

    Parameters
    ----------
    Y : (n, n_voxels)
    alpha : (n_voxels,) penalty of each voxel

    Returns
    -------
    (n, n_voxels); columns sum to 0. The fitted values are ``kernel / scale @ c`` + the mean of Y.
    """
    values = Y.to(decomposition.device, decomposition.dtype)
    solved = decomposition.project(values - values.mean(dim=0))
    alphas, which = torch.unique(alpha.to(decomposition.device), return_inverse=True)
    for number, resolvent in enumerate(decomposition.resolvents(tuple(alphas.tolist()))):
        columns = torch.nonzero(which == number).flatten()
        solved[:, columns] = resolvent.solve(solved[:, columns])
    return decomposition.lift(solved).to(Y.device)


def gcv_errors(decomposition: Decomposition, Y: Tensor, alphas: tuple[float, ...]) -> Tensor:
    """Generalised cross-validation's estimate of the mean squared error of prediction.

    Parameters
    ----------
    Y : (n, n_voxels)
    alphas : penalties

    Returns
    -------
    (n_alphas, n_voxels): n |(I - H) Y|^2 / tr(I - H)^2, the intercept among H's degrees of freedom

    Notes
    -----
    Golub, Heath & Wahba 1979. With I - H = alpha G, alpha drops out.
    """
    values = Y.to(decomposition.device, decomposition.dtype)
    projected = decomposition.project(values - values.mean(dim=0))
    resolvents = decomposition.resolvents(alphas)
    return generalised_errors(resolvents, projected, len(values)).to(Y.device)


def correlate_columns(a: Tensor, b: Tensor) -> Tensor:
    """Pearson correlation column by column, 0 where a column does not vary; (n, v), (n, v) -> (v,)."""
    a, b = a - a.mean(dim=0), b - b.mean(dim=0)
    norm = a.norm(dim=0) * b.norm(dim=0)
    return torch.where(norm > 0, (a * b).sum(dim=0) / norm.clamp(min=torch.finfo(a.dtype).tiny), 0)


def _scores(solver: FoldSolver, targets: Targets, best: Best) -> RidgeScores:
    predicted = best.residuals.neg_().add_(targets.centred)
    total = targets.centred.square().sum(dim=0)  # (v,)
    varies, last = total > 0, len(solver.alphas) - 1
    at_end = (best.choice == last).to(torch.int8) - (best.choice == 0).to(torch.int8)
    grid = torch.tensor(solver.alphas, dtype=torch.float64, device=total.device)
    return RidgeScores(
        alpha=grid[best.choice],
        r2=torch.where(varies, 1 - best.errors / torch.where(varies, total, 1), 0),
        r=correlate_columns(predicted, targets.centred),
        edge=at_end * varies,
        out_of_fold=solver.restored(predicted + targets.mean),
        dual=solver.restored(best.dual),
    )
