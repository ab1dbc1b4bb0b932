"""Stacking (Breiman 1996): non-negative weights of the layers' out-of-fold predictions, voxel by voxel."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..structures import FloatArray
from .folds import Folds
from .nesting import fold_means
from .selection import batches

_N_VOXELS_BATCH = 256
_STEPS_A_WEIGHT = 10
_SLOPE = 1e-10
_RIDGE = 1e-12


def stacking_weights(predictions: FloatArray, values: FloatArray, folds: Folds) -> FloatArray:
    """Weights that add the layers' predictions up to the one with the least squared error.

    Parameters
    ----------
    predictions : (n_layers, n, n_voxels) out of fold
    values : (n, n_voxels) responses
    folds : partition of the n rows

    Returns
    -------
    (n_layers, n_voxels) >= 0, with sums <= 1: what is missing to 1 is the weight of the mean response of the
    other folds, a prediction without any layer
    """
    weights = np.empty((len(predictions), values.shape[1]), dtype=np.float32)
    means = fold_means(values, folds)
    for voxels in batches(values.shape[1], _N_VOXELS_BATCH):
        known = np.concatenate([means[None, folds.labels, voxels], predictions[:, :, voxels]])
        residuals = torch.from_numpy(values[:, voxels] - known).permute(2, 0, 1).double()  # (b, 1 + L, n)
        gram = residuals @ residuals.transpose(1, 2)  # (b, 1 + L, 1 + L)
        weights[:, voxels] = simplex_weights(gram)[:, 1:].T.numpy()
    return weights


def simplex_weights(gram: Tensor) -> Tensor:
    """Minimise w'Gw over w >= 0 with sum 1, for many G at once.

    Parameters
    ----------
    gram : (n, k, k) float64, positive semidefinite

    Returns
    -------
    (n, k); of equally good entries the first has all the weight

    Notes
    -----
    With u the minimiser of u'Gu + (1'u - 1)^2 over u >= 0, w = u / 1'u: along any direction the
    optimal length only falls with w'Gw. The problem without the sum is solved by active sets
    (Lawson and Hanson 1974, NNLS), one entry a step for every matrix together.
    """
    k = gram.shape[-1]
    size = gram.diagonal(dim1=1, dim2=2).mean(dim=1).clamp(min=torch.finfo(gram.dtype).tiny)
    H = gram / size[:, None, None] + 1 + _RIDGE * torch.eye(k, dtype=gram.dtype, device=gram.device)
    u = torch.zeros(gram.shape[:2], dtype=gram.dtype, device=gram.device)
    free = torch.zeros_like(u, dtype=torch.bool)
    for _ in range(_STEPS_A_WEIGHT * k):
        slope = (1 - (H @ u[:, :, None])[:, :, 0]).masked_fill(free, -torch.inf)  # (n, k)
        steepest, entry = slope.max(dim=1)
        improves = torch.nonzero(steepest > _SLOPE).flatten()
        if len(improves) == 0:
            break
        free[improves, entry[improves]] = True
        u[improves], free[improves] = _least_squares(H[improves], u[improves], free[improves])
    return u / u.sum(dim=1, keepdim=True)


def _least_squares(H: Tensor, u: Tensor, free: Tensor) -> tuple[Tensor, Tensor]:
    """Minimise over the free entries, giving up those that would turn negative on the way from ``u``."""
    identity = torch.eye(H.shape[-1], dtype=H.dtype, device=H.device)
    while True:
        both = free[:, :, None] & free[:, None, :]
        target = torch.linalg.solve(torch.where(both, H, identity), free.to(H.dtype))
        blocked = free & (target <= 0)
        if not blocked.any():
            return target, free
        length = torch.where(blocked, u / (u - target).clamp(min=torch.finfo(H.dtype).tiny), 1)
        step, first = length.min(dim=1, keepdim=True)
        u = u + step * (target - u)
        leaves = torch.zeros_like(free).scatter_(1, first, True) & blocked
        free = free & ~leaves
        u = torch.where(free, u.clamp(min=0), 0)
