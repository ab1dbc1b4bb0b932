"""Ridge without some of its rows, exactly and from one decomposition: the fit that never saw a category."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from ..errors import InputMalformedError
from .resolvents import Decomposition


@dataclass(frozen=True)
class FitWithout:
    """A fit to all rows but a group of them.

    Attributes
    ----------
    predicted : (n_f, n_voxels) what it predicts for the rows left out
    rest : (n_voxels,) mean response in the other rows
    mean : (n_voxels,) what it predicts for the mean of all rows, those left out too
    dual : (n, n_voxels) dual weights for the kernel centred over all rows and divided by its scale; 0 in the
        rows left out, columns summing to 0
    """

    predicted: Tensor
    rest: Tensor
    mean: Tensor
    dual: Tensor


def fits_without(
    decomposition: Decomposition, Y: Tensor, alpha: Tensor, groups: Sequence[Tensor]
) -> Iterator[FitWithout]:
    """The fit without each group of rows, one after another.

    Parameters
    ----------
    decomposition : of the n rows of one kernel
    Y : (n, n_voxels) responses; what a group's are does not enter its fit, not by a bit
    alpha : (n_voxels,) penalty of each voxel, for the kernel divided by its scale
    groups : (n_f,) rows of each, such as all trials of a fold of categories; no row is in two

    Yields
    ------
    on ``Y``'s device, in the decomposition's type

    Raises
    ------
    InputMalformedError : a row is in two groups, or one leaves fewer than two rows

    Notes
    -----
    METHODS, "Ridge": with c = G Y and e_f = G_ff^-1 c_f, the residuals of rows f by a fit without them, that
    fit's dual weights are c - G_:f e_f: it is the fit to data whose rows f are replaced by their predictions
    without them. That holds whatever the responses in rows f are: the mean of the others is put there.
    """
    n = len(Y)
    _require_disjoint(groups, n)
    device = decomposition.device
    left_out = torch.cat(list(groups)).to(device)
    kept = torch.ones(n, dtype=torch.bool, device=device)
    kept[left_out] = False
    order = torch.cat([left_out, torch.nonzero(kept).flatten()])
    ordered = decomposition.reordered(order)  # each group's rows together
    values = Y.to(device, decomposition.dtype)[order]
    alphas, which = torch.unique(alpha.to(device), return_inverse=True)
    columns = [torch.nonzero(which == number).flatten() for number in range(len(alphas))]
    resolvents = list(zip(ordered.resolvents(tuple(alphas.tolist())), columns, strict=True))
    for rows in (slice(*ends) for ends in pairwise(accumulate(map(len, groups), initial=0))):
        others = torch.cat([values[: rows.start], values[rows.stop :]])
        rest = others.mean(dim=0, dtype=torch.float64).to(values.dtype)
        centred = values - rest
        centred[rows] = 0
        solved, e = ordered.project(centred), torch.empty_like(centred[rows])
        for resolvent, own in resolvents:
            (block,) = resolvent.blocks([rows])
            projected = solved[:, own]
            c_f = ordered.lift_rows(rows, resolvent.solve(projected))  # (n_f, v_a)
            e[:, own] = torch.cholesky_solve(c_f, torch.linalg.cholesky(block))
            solved[:, own] = resolvent.solve(projected - ordered.project_rows(rows, e[:, own]))
        dual = torch.empty_like(values)
        dual[order] = ordered.lift(solved)
        dual[order[rows]] = 0  # but for rounding they are
        found = rest - e, rest, rest - e.sum(dim=0) / n, dual
        yield FitWithout(*(part.to(Y.device) for part in found))


def _require_disjoint(groups: Sequence[Tensor], n: int) -> None:
    counts = torch.bincount(torch.cat(list(groups)).cpu(), minlength=n)
    if bool((counts > 1).any()):
        raise InputMalformedError(
            f"{int((counts > 1).sum())} training trials belong to two folds of categories",
            "Give every category to one fold, and every image one category",
        )
    if any(n - len(group) < 2 for group in groups):
        raise InputMalformedError(
            "A fold of categories holds all training trials", "Use more folds, or more categories"
        )
