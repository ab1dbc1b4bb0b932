"""Kernel ridge with an unpenalised intercept: exact leave-group-out scores from one decomposition.

With the centred kernel K and G = N (N'KN + alpha)^-1 N' (``resolvents``), the dual weights are c = G Y.
Leaving the rows f out, refitting and predicting them leaves the residuals e_f = G_ff^-1 c_f, whatever
the group (METHODS, "Ridge").
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor

from .folds import Folds
from .left_out import FoldSolver, Targets
from .resolvents import Decomposition

# Kernels are scaled to a mean eigenvalue of 1: from next to no penalty to next to no fit.
DEFAULT_ALPHAS: tuple[float, ...] = tuple(float(alpha) for alpha in np.logspace(-2, 6, 25))
BATCH_BYTES = 1 << 29
_ARRAYS_A_BATCH = 9
# GCV varies slowly with the penalty: it is computed at every so many, and interpolated.
_GCV_STRIDE = 3


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
    search : ``exact`` predicts with every alpha; ``window`` starts from the neighbours of generalised
        cross-validation's choice, and goes on for a voxel as long as its best lies at the end of what was
        tried; ``gcv`` takes generalised cross-validation's choice
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
    for voxels in np.array_split(np.arange(Y.shape[1]), n_batches):
        batch = slice(int(voxels[0]), int(voxels[-1]) + 1) if len(voxels) else slice(0)
        scores.put(batch, _batch_scores(solver, Y[:, batch], search))
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
    projected = decomposition.project(values - values.mean(dim=0))
    dual = torch.empty_like(values)
    alphas, which = torch.unique(alpha.to(decomposition.device), return_inverse=True)
    for number, resolvent in enumerate(decomposition.resolvents(tuple(alphas.tolist()))):
        columns = torch.nonzero(which == number).flatten()
        dual[:, columns] = resolvent.dual(projected[:, columns])
    return dual.to(Y.device)


def dual_weights_without(
    decomposition: Decomposition, Y: Tensor, alpha: Tensor, rows: Tensor
) -> tuple[Tensor, Tensor]:
    """Dual weights of a fit that never saw some rows, and what it predicts for them.

    Parameters
    ----------
    Y : (n, n_voxels)
    alpha : (n_voxels,) penalty of each voxel
    rows : (n_f,) the rows f left out, such as all trials of a category

    Returns
    -------
    dual weights (n, n_voxels), 0 in the rows left out, for the kernel centred over all rows and divided by
    its scale, and predictions (n_f, n_voxels)

    Notes
    -----
    METHODS, "Ridge": c_-f = c - G_:f G_ff^-1 c_f, which is the fit to data whose rows f are replaced by
    their predictions without them: those rows then have residual, and dual weight, 0.
    """
    values = Y.to(decomposition.device, decomposition.dtype)
    rows = rows.to(decomposition.device)
    others = torch.ones(len(values), dtype=torch.bool, device=rows.device)
    others[rows] = False
    order = torch.cat([rows, torch.nonzero(others).flatten()])
    first = decomposition.reordered(order)
    projected = first.project(values[order] - values.mean(dim=0))
    residuals = torch.empty_like(values[rows])
    alphas, which = torch.unique(alpha.to(rows.device), return_inverse=True)
    for number, resolvent in enumerate(first.resolvents(tuple(alphas.tolist()))):
        columns = torch.nonzero(which == number).flatten()
        (block,) = resolvent.blocks([slice(0, len(rows))])
        c = resolvent.dual(projected[:, columns])[: len(rows)]
        residuals[:, columns] = torch.cholesky_solve(c, torch.linalg.cholesky(block))
    replaced = values.clone()
    replaced[rows] -= residuals
    return dual_weights(decomposition, replaced, alpha).to(Y.device), replaced[rows].to(Y.device)


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
    return _gcv(decomposition, projected, alphas).to(Y.device)


def _gcv(decomposition: Decomposition, projected: Tensor, alphas: tuple[float, ...]) -> Tensor:
    n = len(decomposition)
    errors = [
        resolvent.squares(projected) * (n / resolvent.trace() ** 2)
        for resolvent in decomposition.resolvents(alphas)
    ]
    return torch.stack(errors)


def correlate_columns(a: Tensor, b: Tensor) -> Tensor:
    """Pearson correlation column by column, 0 where a column does not vary; (n, v), (n, v) -> (v,)."""
    a, b = a - a.mean(dim=0), b - b.mean(dim=0)
    norm = a.norm(dim=0) * b.norm(dim=0)
    return torch.where(norm > 0, (a * b).sum(dim=0) / norm.clamp(min=torch.finfo(a.dtype).tiny), 0)


class _Best:
    """Each voxel's best penalty so far.

    Attributes
    ----------
    choice : (v,) position in the grid
    errors : (v,) sum of squared residuals
    dual, residuals : (n, v)
    """

    def __init__(self, targets: Targets) -> None:
        n_voxels = targets.centred.shape[1]
        self.choice = torch.zeros(n_voxels, dtype=torch.long, device=targets.centred.device)
        self.errors = torch.full_like(targets.centred[0], torch.inf)
        self.dual = torch.empty_like(targets.centred)
        self.residuals = torch.empty_like(targets.centred)

    def offer(self, number: int, columns: Tensor, dual: Tensor, residuals: Tensor) -> None:
        """Keep what a penalty gave for some voxels where it is better, or as good and smaller."""
        errors = residuals.square().sum(dim=0)
        before = self.errors[columns]
        better = torch.nonzero(
            (errors < before) | ((errors == before) & (number < self.choice[columns]))
        ).flatten()
        kept = columns[better]
        self.choice[kept], self.errors[kept] = number, errors[better]
        self.dual[:, kept], self.residuals[:, kept] = dual[:, better], residuals[:, better]


def _batch_scores(solver: FoldSolver, Y: Tensor, search: str) -> RidgeScores:
    targets = solver.targets(Y)
    best = _best_penalties(solver, targets, search)
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


def _best_penalties(solver: FoldSolver, targets: Targets, search: str) -> _Best:
    n_alphas, n_voxels = len(solver.alphas), targets.centred.shape[1]
    best = _Best(targets)
    tried = torch.zeros((n_alphas, n_voxels), dtype=torch.bool, device=targets.centred.device)
    wanted = ~tried if search == "exact" or n_alphas == 1 else _start(solver, targets, search)
    while wanted.any():
        numbers = torch.nonzero(wanted.any(dim=1)).flatten().tolist()
        if search == "window":
            solver.prepare(numbers)
        for number in numbers:
            columns = torch.nonzero(wanted[number]).flatten()
            every = len(columns) == n_voxels
            dual, residuals = solver.leave_out(
                number, targets.projected if every else targets.projected[:, columns]
            )
            best.offer(number, columns, dual, residuals)
        tried |= wanted
        wanted = (
            _neighbours(best.choice, n_alphas) & ~tried if search == "window" else torch.zeros_like(tried)
        )
    return best


def _start(solver: FoldSolver, targets: Targets, search: str) -> Tensor:
    """(n_alphas, v) the penalties to try first."""
    n_alphas = len(solver.alphas)
    some = sorted({*range(0, n_alphas, _GCV_STRIDE), n_alphas - 1}) if search == "window" else range(n_alphas)
    errors = _gcv(solver.decomposition, targets.projected, tuple(solver.alphas[number] for number in some))
    choice = _interpolated_minimum(solver.alphas, list(some), errors)
    if search == "gcv":
        return torch.nn.functional.one_hot(choice, n_alphas).T.bool()
    return _neighbours(choice, n_alphas)


def _interpolated_minimum(alphas: tuple[float, ...], known: list[int], errors: Tensor) -> Tensor:
    """(v,) position in the grid of the smallest error, of which some positions' (n_known, v) are known."""
    if len(known) == len(alphas) or len(known) < 4:
        return torch.tensor(known, device=errors.device)[errors.argmin(dim=0)]
    tiny = torch.finfo(errors.dtype).tiny
    at = np.log(alphas)
    curve = CubicSpline(at[known], errors.clamp(min=tiny).log().double().cpu().numpy())(at)
    return torch.from_numpy(curve.argmin(axis=0)).to(errors.device)


def _neighbours(choice: Tensor, n_alphas: int) -> Tensor:
    """(n_alphas, v) whether a position is a voxel's choice or next to it."""
    positions = torch.arange(n_alphas, device=choice.device)[:, None]
    return (positions - choice).abs() <= 1
