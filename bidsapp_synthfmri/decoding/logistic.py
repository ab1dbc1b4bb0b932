"""Multinomial logistic regression for many labellings, its penalty chosen by folds of groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..errors import InputMalformedError
from .cells import Cell
from .linear import (
    LinearDecoders,
    in_responses_unit,
    join_labellings,
    log_losses,
)
from .softmax import Problems, minimise

LOGISTIC_ALPHAS: tuple[float, ...] = tuple(float(alpha) for alpha in np.geomspace(1e-3, 1e2, 11))
# A path of penalties ends when the left-out loss has risen this often in a row.
_RISES = 2
# Logits (n, problems, C) of the problems solved together; about eight arrays of that size live at once.
_LOGITS_AT_ONCE = 1 << 22
# Loss above its minimum, in nats, at which folds and final fits stop.
_FOLD_TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-10}
_FINAL_TOLERANCE = {torch.float32: 1e-10, torch.float64: 1e-20}


@dataclass(frozen=True)
class Logistic:
    """Softmax regression with a squared penalty, on standardised voxels.

    Attributes
    ----------
    alphas : grid of penalties, of which the one with the least left-out log loss is taken; the grid is
        tried from its largest downwards, until the loss has risen twice in a row
    n_folds : folds of groups by which it is chosen, fewer where there are fewer groups
    balanced : whether every class has the same total weight

    Notes
    -----
    ``1/n sum_i w_i loss_i + alpha/2 |b|^2``, intercepts unpenalised: scikit-learn's with C = 1 / (n alpha),
    and for two classes, where it has one weight vector and this has two, C = 2 / (n alpha). Standardisation
    and class weights are those of the whole training set in every fold.

    For noiseless responses (``Cell.noise_sd``) a voxel's unit is its noise sd, so that the penalty is
    weighed by each voxel's noise variance, and the loss that chooses alpha is the one expected of trials with
    that noise: noise on the input acts as such a penalty (Bishop 1995), here to second order.
    """

    alphas: tuple[float, ...] = LOGISTIC_ALPHAS
    n_folds: int = 5
    balanced: bool = True
    name: str = "logistic"

    def __post_init__(self) -> None:
        if not self.alphas or not all(alpha > 0 for alpha in self.alphas):
            raise InputMalformedError(
                f"Penalties {self.alphas} are not all positive", "Give penalties above zero"
            )

    def fit(self, cell: Cell) -> LinearDecoders:
        """See ``classifiers.Classifier``."""
        n_folds = 1 if len(self.alphas) == 1 else self.n_folds
        at_once = max(1, _LOGITS_AT_ONCE // (len(cell) * cell.n_classes * n_folds))
        starts = range(0, cell.n_labellings, at_once)
        return join_labellings([self._fit(cell, slice(start, start + at_once)) for start in starts])

    def _fit(self, cell: Cell, some: slice) -> LinearDecoders:
        rows = _with_intercept(cell)
        weight = cell.class_weights(self.balanced)[some] / len(cell)
        grid = tuple(sorted(self.alphas))
        if len(grid) > 1:
            losses, start = self._choose(cell, some, rows, weight, grid)
            chosen = losses.new_tensor(grid)[losses.nan_to_num(torch.inf).argmin(dim=1)]
        else:
            losses = torch.full((len(weight), 1), torch.nan, dtype=torch.float64, device=weight.device)
            chosen = losses.new_full((len(weight),), grid[0])
            start = rows.new_zeros((rows.shape[1], len(weight), cell.n_classes))
        problems = Problems(rows, cell.one_hot[some].permute(1, 0, 2), weight.T, chosen.to(rows))
        solved, _ = minimise(problems, start, _FINAL_TOLERANCE[rows.dtype])
        weights = solved[:-1].permute(1, 0, 2)  # (L, rank, C)
        coef = in_responses_unit(cell, cell.spectrum, weights)
        return LinearDecoders(coef, solved[-1] - cell.spectrum.mean @ coef, chosen, grid, losses)

    def _choose(
        self, cell: Cell, some: slice, rows: Tensor, weight: Tensor, grid: tuple[float, ...]
    ) -> tuple[Tensor, Tensor]:
        """(L, n_alphas) left-out losses, and the folds' mean weights at the least, (rank + 1, L, C)."""
        folds = cell.folds(self.n_folds)
        n_folds, n_labellings = int(folds.max()) + 1, len(weight)
        kept = (folds[:, None] != torch.arange(n_folds, device=folds.device)).to(rows)  # (n, F)
        one_hot = cell.one_hot[some].permute(1, 0, 2).repeat_interleave(n_folds, dim=1)  # (n, L * F, C)
        fold_weight = (weight.T[:, :, None] * kept[:, None]).flatten(1)
        parameters = rows.new_zeros((rows.shape[1], n_labellings * n_folds, cell.n_classes))
        shape = (n_labellings, len(grid))
        losses = torch.full(shape, torch.nan, dtype=torch.float64, device=rows.device)
        best, rises, before = parameters[:, ::n_folds], 0, None
        for number in reversed(range(len(grid))):
            alpha = rows.new_full((parameters.shape[1],), grid[number])
            problems = Problems(rows, one_hot, fold_weight, alpha)
            start = parameters if before is None else 2 * parameters - before  # on along the path
            before = parameters if number < len(grid) - 1 else None
            parameters, logits = minimise(problems, start, _FOLD_TOLERANCE[rows.dtype])
            folded = parameters.reshape(-1, n_labellings, n_folds, cell.n_classes)
            losses[:, number] = _left_out_loss(cell, some, logits, folded, folds, weight)
            improved = losses[:, number] <= losses.nan_to_num(torch.inf).min(dim=1).values
            best = torch.where(improved[:, None], folded.mean(dim=2), best)
            rises = 0 if bool(improved.any()) else rises + 1
            if rises == _RISES:
                break
        return losses, best


def _with_intercept(cell: Cell) -> Tensor:
    """(n, rank + 1) scaled responses in their own basis, and a column of ones."""
    spectrum = cell.spectrum
    return torch.cat([spectrum.u * spectrum.lam.sqrt(), torch.ones_like(spectrum.ones)[:, None]], dim=1)


def _left_out_loss(
    cell: Cell, some: slice, logits: Tensor, folded: Tensor, folds: Tensor, weight: Tensor
) -> Tensor:
    """(L,) float64 weighed log loss of each fold's rows by the fit without them.

    Parameters
    ----------
    logits : (n, L * F, C) of all rows by every fold's fit
    folded : (rank + 1, L, F, C) their parameters
    folds : (n,)
    weight : (L, n)
    """
    n_folds = folded.shape[2]
    by_fold = logits.reshape(len(logits), len(weight), n_folds, -1)
    total = torch.zeros(len(weight), dtype=torch.float64, device=weight.device)
    for fold in range(n_folds):
        rows = torch.nonzero(folds == fold).flatten()
        own = by_fold[rows, :, fold].permute(1, 0, 2)  # (L, n_f, C)
        labels = cell.labels[some][:, rows]
        noisy = None if cell.noise_sd is None else folded[:-1, :, fold].permute(1, 0, 2)
        loss = log_losses(own, labels, noisy)
        total += (weight[:, rows] * loss).sum(dim=1, dtype=torch.float64)
    return total
