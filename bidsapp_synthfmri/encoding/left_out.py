"""Exact predictions of left-out groups of rows, for many penalties and voxels, from one decomposition."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from .folds import Folds
from .resolvents import Decomposition, Resolvent


@dataclass(frozen=True)
class Targets:
    """Responses as a ``FoldSolver`` takes them, its folds' rows together.

    Attributes
    ----------
    centred : (n, v), each column's mean removed
    mean : (v,)
    projected : what the decomposition makes of them
    """

    centred: Tensor
    mean: Tensor
    projected: Tensor


@dataclass(frozen=True)
class _Factors:
    """One penalty's resolvent, and the Cholesky factor of G_ff of each fold."""

    resolvent: Resolvent
    folds: tuple[Tensor, ...]


class FoldSolver:
    """Leave-group-out residuals; what a penalty needs of the kernel is computed once and kept.

    Parameters
    ----------
    decomposition : of n rows
    folds : partition of the rows
    alphas : grid of penalties, positive and ascending
    """

    def __init__(self, decomposition: Decomposition, folds: Folds, alphas: tuple[float, ...]) -> None:
        labels = torch.from_numpy(folds.labels)
        order = torch.argsort(labels, stable=True)
        bounds = [0, *torch.bincount(labels).cumsum(0).tolist()]
        self.alphas = alphas
        self._order = None if bool((order.diff() == 1).all()) else order.to(decomposition.device)
        self._folds = [slice(start, stop) for start, stop in pairwise(bounds)]
        self.decomposition = decomposition if self._order is None else decomposition.reordered(self._order)
        self._factors: dict[int, _Factors] = {}

    def targets(self, Y: Tensor) -> Targets:
        """Responses (n, v) brought to the decomposition's type, device and order of rows."""
        values = Y.to(self.decomposition.device, self.decomposition.dtype)
        values = values.clone() if self._order is None else values[self._order]
        mean = values.mean(dim=0, dtype=torch.float64).to(values.dtype)
        values -= mean
        return Targets(values, mean, self.decomposition.project(values))

    def restored(self, rows: Tensor) -> Tensor:
        """(n, v) in the order of rows that came in."""
        if self._order is None:
            return rows
        original = torch.empty_like(rows)
        original[self._order] = rows
        return original

    def prepare(self, numbers: Iterable[int]) -> None:
        """Compute together what some penalties, by their position in the grid, need."""
        missing = tuple(number for number in numbers if number not in self._factors)
        resolvents = self.decomposition.resolvents(tuple(self.alphas[number] for number in missing))
        for number, resolvent in zip(missing, resolvents, strict=True):
            blocks = resolvent.blocks(self._folds)
            self._factors[number] = _Factors(resolvent, tuple(map(torch.linalg.cholesky, blocks)))

    def leave_out(self, number: int, projected: Tensor) -> tuple[Tensor, Tensor]:
        """Dual weights of the fit to all rows, and residuals of each fold by a fit without it.

        Parameters
        ----------
        number : position of the penalty in the grid
        projected : of ``targets``, or some of its columns

        Returns
        -------
        (n, v) and (n, v)
        """
        self.prepare([number])
        factors = self._factors[number]
        dual = factors.resolvent.dual(projected)
        residuals = torch.empty_like(dual)
        for rows, factor in zip(self._folds, factors.folds, strict=True):
            residuals[rows] = torch.cholesky_solve(dual[rows], factor)
        return dual, residuals
