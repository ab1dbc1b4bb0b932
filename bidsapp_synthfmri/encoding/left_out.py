"""Exact predictions of left-out groups of rows, for many penalties and voxels, from one decomposition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
        self._resolvents: dict[int, Resolvent] = {}
        self._factors: dict[int, tuple[Tensor, ...]] = {}  # Cholesky factors of each fold's G_ff

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

    def resolvents(self, numbers: Sequence[int]) -> list[Resolvent]:
        """Of some penalties, by their position in the grid; those not known yet are computed together."""
        missing = [number for number in numbers if number not in self._resolvents]
        alphas = tuple(self.alphas[number] for number in missing)
        self._resolvents.update(zip(missing, self.decomposition.resolvents(alphas), strict=True))
        return [self._resolvents[number] for number in numbers]

    def leave_out(
        self, pairs: Sequence[tuple[int, Tensor]], projected: Tensor
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Dual weights of the fit to all rows, and residuals of each fold by a fit without it.

        Parameters
        ----------
        pairs : penalties, by their position in the grid, and the columns of ``projected`` to solve with each
        projected : of ``targets``

        Yields
        ------
        (n, n_columns) and (n, n_columns), for each pair
        """
        numbers = [number for number, _ in pairs]
        sizes = [len(columns) for _, columns in pairs]
        solved = projected.new_empty((len(projected), sum(sizes)))
        parts = torch.split(solved, sizes, dim=1)
        for resolvent, (_, columns), part in zip(self.resolvents(numbers), pairs, parts, strict=True):
            part.copy_(resolvent.solve(projected[:, columns]))
        lifted = self.decomposition.lift(solved)  # in one product, as most penalties have few columns
        del solved, parts
        for number, dual in zip(numbers, torch.split(lifted, sizes, dim=1), strict=True):
            residuals = torch.empty_like(dual)
            for rows, factor in zip(self._folds, self._fold_factors(number), strict=True):
                residuals[rows] = torch.cholesky_solve(dual[rows], factor)
            yield dual, residuals

    def _fold_factors(self, number: int) -> tuple[Tensor, ...]:
        if number not in self._factors:
            (resolvent,) = self.resolvents([number])
            self._factors[number] = tuple(map(torch.linalg.cholesky, resolvent.blocks(self._folds)))
        return self._factors[number]
