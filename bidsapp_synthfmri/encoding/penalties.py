"""What fitting asks of the kernels' decomposition and of ridge, in one place."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..structures import IntArray
from . import kernels, ridge
from .folds import Folds
from .kernels import Decomposition
from .ridge import dual_weights


@dataclass(frozen=True)
class PenaltyScores:
    """``RidgeScores`` with dual weights and the side of the grid.

    Attributes
    ----------
    alpha, r2, r : (n_voxels,)
    out_of_fold, dual : (n, n_voxels); ``dual`` is of the fit to all rows, for ``kernel / scale``
    edge : (n_voxels,) int8, -1 where alpha is the grid's first, 1 where it is the last, 0 elsewhere
    """

    alpha: Tensor
    r2: Tensor
    r: Tensor
    out_of_fold: Tensor
    dual: Tensor
    edge: Tensor


def decompose(kernel: Tensor, stimulus_index: IntArray, dtype: torch.dtype) -> Decomposition:
    """``kernels.decompose``, which computes in float64 whatever ``dtype`` asks for."""
    assert dtype in (torch.float32, torch.float64)
    return kernels.decompose(kernel, stimulus_index)


def choose_alpha(
    decomposition: Decomposition, Y: Tensor, folds: Folds, alphas: tuple[float, ...], search: str
) -> PenaltyScores:
    """``ridge.choose_alpha``, which tries the whole grid whatever ``search`` asks for."""
    assert search in ("gcv", "exact")
    Y = Y.double()
    scores = ridge.choose_alpha(decomposition, Y, folds, alphas)
    first, last = scores.alpha == alphas[0], scores.alpha == alphas[-1]
    return PenaltyScores(
        alpha=scores.alpha,
        r2=scores.r2,
        r=scores.r,
        out_of_fold=scores.out_of_fold,
        dual=dual_weights(decomposition, Y, scores.alpha),
        edge=last.to(torch.int8) - first.to(torch.int8),
    )
