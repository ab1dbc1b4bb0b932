"""What each layer adds to the variance that a joint prediction explains: the product measure.

With y and p the response and its prediction about the mean response, and p = sum_l p_l, layer l's share is
sum(p_l (2 y - p)) / sum(y^2); the shares add up to R2 = 1 - sum((y - p)^2) / sum(y^2) (Pratt 1987). A share
is below 0 where the layer makes the prediction worse.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..structures import FloatArray, IntArray
from .selection import batches

_N_VOXELS_BATCH = 256


def product_measure(
    part: NDArray[np.floating], y: NDArray[np.floating], p: NDArray[np.floating]
) -> NDArray[np.float64]:
    """(n_voxels,) sum over rows of part (2 y - p); all (n, n_voxels)."""
    products: NDArray[np.float64] = np.einsum("nv,nv->v", part, 2 * y - p, dtype=np.float64)
    return products


def stacked_variance(
    values: FloatArray,
    predictions: FloatArray,
    joint: FloatArray,
    means: FloatArray,
    labels: IntArray,
    nested: FloatArray,
    turn: IntArray,
) -> FloatArray:
    """Shares of stacked layers in the R2 of their joint out-of-fold prediction.

    Parameters
    ----------
    values, joint : (n, n_voxels) responses, and their prediction
    predictions : (n_layers, n, n_voxels) of each layer
    means : (n_folds, n_voxels) what a fit without layers predicts in each fold
    labels, turn : (n,) fold of each row, and the turn whose weights predict it
    nested : (n_turns, n_layers, n_voxels) weights

    Returns
    -------
    (n_layers, n_voxels), adding up to R2 of ``joint``. The distance of a fold's mean from the mean
    response, which no layer predicts, is shared in proportion to the weights.
    """
    split = np.zeros((len(predictions), values.shape[1]), dtype=np.float32)
    for voxels in batches(values.shape[1], _N_VOXELS_BATCH):
        mean = values[:, voxels].mean(axis=0, dtype=np.float64)
        y, p = values[:, voxels] - mean, joint[:, voxels] - mean
        offset = means[labels, voxels] - mean  # (n, b)
        total = (y**2).sum(axis=0)
        portion = portions(nested[:, :, voxels])
        for layer, prediction in enumerate(predictions):
            own = nested[turn, layer, voxels] * (prediction[:, voxels] - mean - offset)
            share = product_measure(own + portion[turn, layer] * offset, y, p)
            split[layer, voxels] = share / np.where(total > 0, total, np.inf)
    return split


def portions(weights: FloatArray) -> FloatArray:
    """Weights (..., n_layers, n_voxels) divided by their sum over layers; equal ones where that is 0."""
    total = weights.sum(axis=-2, keepdims=True)
    equal = np.float32(1 / weights.shape[-2])
    return np.where(total > 0, weights / np.where(total > 0, total, 1), equal)
