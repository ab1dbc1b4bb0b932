"""One-versus-rest ridge for many labellings, its penalty chosen by exact leave-group-out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .cells import Cell, Spectrum, all_equal
from .linear import LinearDecoders, in_responses_unit, join_labellings

ALPHAS: tuple[float, ...] = tuple(float(alpha) for alpha in np.geomspace(1e-4, 1e4, 17))
# Numbers in the array of left-out residuals; more labellings than fit are computed in turn.
_RESIDUALS_AT_ONCE = 1 << 25


@dataclass(frozen=True)
class Ridge:
    """Ridge regression on +1 for the class and -1 for the rest.

    Attributes
    ----------
    alphas : grid of penalties, relative: 1 weighs a standardised voxel's weight like one trial's error
    balanced : whether every class has the same total weight

    Notes
    -----
    ``1/n sum_i w_i |y_i - b0 - x_i b|^2 + alpha |b|^2``; see ``classifiers.fit``. Labellings under which
    every row has weight 1 (equal classes, or not ``balanced``) share one decomposition; under others
    each needs its own, since a row's weight moves with its label.
    """

    alphas: tuple[float, ...] = ALPHAS
    balanced: bool = True
    name: str = "ridge"

    def fit(self, cell: Cell) -> LinearDecoders:
        """See ``classifiers.Classifier``."""
        weights = cell.class_weights(self.balanced)
        shared = all_equal(weights)
        size = len(cell) * len(self.alphas) * cell.n_classes
        at_once = max(1, _RESIDUALS_AT_ONCE // size) if shared else 1
        parts = [
            _fit(cell, weights[some], cell.one_hot[some], self.alphas)
            for some in (slice(start, start + at_once) for start in range(0, cell.n_labellings, at_once))
        ]
        return join_labellings(parts)


def _fit(cell: Cell, weight: Tensor, one_hot: Tensor, alphas: tuple[float, ...]) -> LinearDecoders:
    """Decoders of labellings that share their rows' weights."""
    n_labellings, n, n_classes = one_hot.shape
    target = 2 * one_hot - 1
    spectrum, root = cell.weighted(weight[0]), weight[0].sqrt()
    # In float64: under a large penalty classes differ by less than this sum's rounding.
    target_mean = (weight[:, None].double() @ target.double())[:, 0].div_(n).to(target)  # (L, C)
    y = root[:, None] * (target - target_mean[:, None])
    y = y.permute(1, 0, 2).reshape(n, -1)  # (n, L * C)
    uy = spectrum.u.T @ y  # (rank, L * C)
    penalties = [alpha * n for alpha in alphas]
    errors = _left_out_errors(spectrum, y, uy, penalties, cell.stacked_groups)  # (n_alphas, L * C)
    if cell.noise_sd is not None:
        errors += torch.stack(
            [_shrunk(spectrum, uy, penalty).double().square().sum(dim=0) for penalty in penalties]
        )
    errors = errors.reshape(len(alphas), n_labellings, n_classes).sum(dim=2).T  # (L, n_alphas)
    best = errors.argmin(dim=1)
    chosen = torch.tensor(alphas, dtype=torch.float64, device=best.device)[best]
    penalty = (n * chosen).to(y.dtype).repeat_interleave(n_classes)
    weights = _shrunk(spectrum, uy, penalty).reshape(-1, n_labellings, n_classes).permute(1, 0, 2)
    coef = in_responses_unit(cell, spectrum, weights)
    return LinearDecoders(coef, target_mean - spectrum.mean @ coef, chosen, alphas, errors)


def _shrunk(spectrum: Spectrum, uy: Tensor, penalty: Tensor | float) -> Tensor:
    """(rank, k) primal weights in the basis v; one penalty, or one a column."""
    return spectrum.lam.sqrt()[:, None] / (spectrum.lam[:, None] + penalty) * uy


def _left_out_errors(
    spectrum: Spectrum, y: Tensor, uy: Tensor, penalties: Sequence[float], groups: Sequence[Tensor]
) -> Tensor:
    """(n_penalties, k) squared error a trial, each group predicted without itself, in float64.

    penalty * G = (1 - ones ones' - U U') + U diag(penalty / (lam + penalty)) U'; the first term is zero
    where U spans it, and then leaving it out keeps small penalties exact.
    """
    grid = torch.tensor(penalties, dtype=y.dtype, device=y.device)[:, None]
    keep = grid / (spectrum.lam + grid) - float(not spectrum.full_rank)  # (n_penalties, rank)
    kept = (keep[:, :, None] * uy).permute(1, 0, 2).reshape(len(uy), -1)  # (rank, n_penalties * k)
    residual = (spectrum.u @ kept).reshape(len(y), len(grid), y.shape[1])
    if not spectrum.full_rank:
        residual += y[:, None]
    errors = torch.zeros(residual.shape[1:], dtype=torch.float64, device=y.device)
    for rows in groups:
        if rows.shape[1] == 1:
            left_out = residual[rows[:, 0]] / _single_trials(spectrum, keep, rows[:, 0])[:, :, None]
            errors += left_out.square_().sum(dim=0, dtype=torch.float64)
        else:
            errors += _several_trials(spectrum, residual, keep, rows)
    return errors / len(y)


def _single_trials(spectrum: Spectrum, keep: Tensor, rows: Tensor) -> Tensor:
    """(n_rows, n_penalties) penalty * G_ff of groups of one trial."""
    g = spectrum.u[rows].square_() @ keep.T
    if not spectrum.full_rank:
        g += 1 - spectrum.ones[rows, None].square()
    return g


def _several_trials(spectrum: Spectrum, residual: Tensor, keep: Tensor, rows: Tensor) -> Tensor:
    """(n_penalties, k) squared left-out errors of groups of equal size (n_groups, size)."""
    u, ones = spectrum.u[rows], spectrum.ones[rows]  # (n_groups, size, rank)
    outside = torch.zeros((), dtype=u.dtype, device=u.device)
    if not spectrum.full_rank:
        eye = torch.eye(rows.shape[1], dtype=u.dtype, device=u.device)
        outside = eye - ones[:, :, None] * ones[:, None, :]
    return torch.stack(
        [
            torch.linalg.solve((u * of_penalty) @ u.mT + outside, residual[rows, number])
            .square()
            .sum(dim=(0, 1), dtype=torch.float64)
            for number, of_penalty in enumerate(keep)
        ]
    )
