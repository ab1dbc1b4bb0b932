"""The search for each voxel's penalty: which are tried exactly, and which is the best of them.

Generalised cross-validation costs next to nothing and is wrong in a way that voxels share: how the exact
error departs from it changes slowly along the grid, and much alike in all of them. What some voxels show of
it, with every neighbour tried, tells the others which neighbours can be better at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor

from .left_out import FoldSolver, Targets
from .resolvents import Resolvent

# GCV varies slowly with the penalty: it is computed at every so many, and interpolated.
_GCV_STRIDE = 3
# Voxels whose neighbours are all tried, so that the others learn from them.
_N_LEARNING = 128
# Fewer voxels than this tell nothing of the spread.
_FEW = 32
# Standard deviations over voxels by which a neighbour must look worse to be left out.
_MARGIN = 4.0


def best_penalties(
    solver: FoldSolver, targets: Targets, search: str, learned: Departure | None = None
) -> tuple[Best, Departure | None]:
    """The penalty of each voxel, its dual weights and its residuals.

    Parameters
    ----------
    solver : of the rows, their folds, and the grid
    targets : responses, as ``solver`` gives them
    search : as of ``ridge.choose_alpha``
    learned : by an earlier call for other voxels, for ``window``

    Returns
    -------
    the best penalties, and what the voxels showed of GCV, for a later call
    """
    n_alphas, n_voxels = len(solver.alphas), targets.centred.shape[1]
    best = Best(targets, n_alphas)
    every = torch.arange(n_voxels, device=targets.centred.device)
    if search == "exact" or n_alphas == 1:
        for number in range(n_alphas):  # one after the other, for the memory
            best.try_out(solver, _only(torch.full_like(every, number), n_alphas), every)
        return best, None
    curve = _gcv_curve(solver, targets, 1 if search == "gcv" else _GCV_STRIDE)  # (n_alphas, v)
    if search == "gcv":
        best.try_out(solver, _only(curve.argmin(dim=0), n_alphas), every)
        return best, None
    if learned is None:
        sample = every % max(1, n_voxels // _N_LEARNING) == 0
        _settle(best, solver, curve, Departure.unknown(n_alphas, every.device), every[sample])
        learned = Departure.measured(curve[:, sample], best.log_errors(every[sample]))
        every = every[~sample]
    _settle(best, solver, curve, learned, every)
    return best, learned


def _settle(best: Best, solver: FoldSolver, curve: Tensor, departure: Departure, columns: Tensor) -> None:
    """Try, for some voxels, what is worth trying, until nothing is."""
    gcv = curve[:, columns]
    wanted = _only(departure.start(gcv), len(curve))
    while wanted.any():
        best.try_out(solver, wanted, columns)
        wanted = departure.worth_trying(gcv, best.log_errors(columns))


class Best:
    """Each voxel's best penalty so far.

    Attributes
    ----------
    choice : (v,) position in the grid
    errors : (v,) sum of squared residuals
    tried : (n_alphas, v) the same of each penalty tried, infinite for the others
    dual, residuals : (n, v)
    """

    def __init__(self, targets: Targets, n_alphas: int) -> None:
        n_voxels = targets.centred.shape[1]
        self.choice = torch.zeros(n_voxels, dtype=torch.long, device=targets.centred.device)
        self.errors = torch.full_like(targets.centred[0], torch.inf)
        self.tried = self.errors.repeat(n_alphas, 1)
        self.dual = torch.empty_like(targets.centred)
        self.residuals = torch.empty_like(targets.centred)
        self._projected = targets.projected

    def try_out(self, solver: FoldSolver, wanted: Tensor, columns: Tensor) -> None:
        """Predict some voxels' folds with the penalties wanted, (n_alphas, n_columns)."""
        numbers = torch.nonzero(wanted.any(dim=1)).flatten().tolist()
        pairs = [(number, columns[wanted[number]]) for number in numbers]
        found = solver.leave_out(pairs, self._projected)
        for (number, used), (dual, residuals) in zip(pairs, found, strict=True):
            self._offer(number, used, dual, residuals)

    def log_errors(self, columns: Tensor) -> Tensor:
        """(n_alphas, n_columns) float64; infinite for what was not tried."""
        return _log(self.tried[:, columns])

    def _offer(self, number: int, columns: Tensor, dual: Tensor, residuals: Tensor) -> None:
        """Keep what a penalty gave for some voxels where it is better, or as good and smaller."""
        errors = residuals.square().sum(dim=0)
        self.tried[number, columns] = errors
        before = self.errors[columns]
        better = torch.nonzero(
            (errors < before) | ((errors == before) & (number < self.choice[columns]))
        ).flatten()
        kept = columns[better]
        self.choice[kept], self.errors[kept] = number, errors[better]
        self.dual[:, kept], self.residuals[:, kept] = dual[:, better], residuals[:, better]


@dataclass(frozen=True)
class Departure:
    """How the exact error departs from GCV: change of log(exact / GCV) from one penalty to the next.

    Attributes
    ----------
    mean, sd : (n_alphas - 1,) over voxels; 0 and infinite where too few were tried with both
    """

    mean: Tensor
    sd: Tensor

    @classmethod
    def unknown(cls, n_alphas: int, device: torch.device) -> Departure:
        """Nothing was tried."""
        mean = torch.zeros(n_alphas - 1, dtype=torch.float64, device=device)
        return cls(mean, torch.full_like(mean, torch.inf))

    @classmethod
    def measured(cls, gcv: Tensor, exact: Tensor) -> Departure:
        """From log errors (n_alphas, v) of GCV and of what was tried; voxels without error tell nothing."""
        change = (exact - gcv).diff(dim=0)
        told = change.isfinite() & (gcv.min(dim=0).values > _log(torch.zeros_like(gcv[0])))
        counts = told.sum(dim=1)
        change = torch.where(told, change, 0)
        mean = change.sum(dim=1) / counts.clamp(min=1)
        squares = torch.where(told, (change - mean[:, None]).square(), 0).sum(dim=1)
        known = counts >= _FEW
        return cls(
            torch.where(known, mean, 0), torch.where(known, (squares / counts.clamp(min=1)).sqrt(), torch.inf)
        )

    def start(self, gcv: Tensor) -> Tensor:
        """(v,) position of the lowest error to be expected."""
        expected = torch.cat([gcv[:1], gcv[1:] + self.mean.cumsum(dim=0)[:, None]])
        return expected.argmin(dim=0)

    def worth_trying(self, gcv: Tensor, exact: Tensor) -> Tensor:
        """(n_alphas, v) the untried neighbours of the best that may be better still."""
        best = exact.argmin(dim=0)
        wanted = torch.zeros_like(exact, dtype=torch.bool)
        voxels = torch.arange(exact.shape[1], device=exact.device)
        for step in (-1, 1):
            other = (best + step).clamp(0, len(exact) - 1)
            pair = torch.minimum(best, other).clamp(max=len(self.mean) - 1)
            worse = gcv[other, voxels] - gcv[best, voxels] + step * self.mean[pair]
            wanted[other, voxels] |= exact[other, voxels].isinf() & (worse < _MARGIN * self.sd[pair])
        return wanted


def generalised_errors(resolvents: Iterable[Resolvent], projected: Tensor, n: int) -> Tensor:
    """(n_alphas, v) n |(I - H) Y|^2 / tr(I - H)^2, see ``ridge.gcv_errors``."""
    return torch.stack(
        [found.solve(projected).square().sum(dim=0) * (n / found.trace() ** 2) for found in resolvents]
    )


def _gcv_curve(solver: FoldSolver, targets: Targets, stride: int) -> Tensor:
    """(n_alphas, v) log of GCV's error, float64, computed at every so many penalties."""
    n_alphas = len(solver.alphas)
    known = sorted({*range(0, n_alphas, stride), n_alphas - 1})
    if len(known) < 4:
        known = list(range(n_alphas))
    errors = _log(generalised_errors(solver.resolvents(known), targets.projected, len(targets.centred)))
    if len(known) == n_alphas:
        return errors
    at = np.log(solver.alphas)
    curve = CubicSpline(at[known], errors.cpu().numpy())(at)
    return torch.from_numpy(curve).to(errors.device)


def _log(errors: Tensor) -> Tensor:
    """Log in float64, of an error of 0 a very low one."""
    return errors.double().clamp(min=torch.finfo(torch.float32).tiny).log()


def _only(choice: Tensor, n_alphas: int) -> Tensor:
    """(n_alphas, v) true at each voxel's choice."""
    return torch.nn.functional.one_hot(choice, n_alphas).T.bool()
