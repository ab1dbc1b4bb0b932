"""Features and training responses in; an encoder's weights, cross-validated scores and choices out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..structures import BoolArray, Features, FloatArray, IntArray
from .encoder import LayerWeights, layer_weights
from .folds import Folds
from .kernels import decompose, linear_kernel
from .resolvents import Decomposition
from .ridge import DEFAULT_ALPHAS, RidgeScores, choose_alpha

N_VOXELS_BATCH = 4096


@dataclass(frozen=True)
class EncoderFit:
    """What fitting yields.

    Attributes
    ----------
    weights : one entry a layer that some voxel uses
    intercept : (n_voxels,)
    layers : names of all candidate layers
    best_layer : (n_voxels,) position in ``layers`` of the layer with the highest cross-validated R2
    alpha : (n_voxels,) of the best layer
    cv_r, cv_r2 : (n_layers, n_voxels) cross-validated inside the training set
    training_rows : (n_training,) rows of the features that were shown in training, ascending
    out_of_fold : (n_training, n_voxels) prediction of those stimuli by an encoder fitted without their
        fold (alpha and layer were chosen with it)
    n_alphas_at_edge : how many voxels' alpha, in their best layer, is the grid's first or last
    alphas : the grid
    """

    weights: tuple[LayerWeights, ...]
    intercept: FloatArray
    layers: tuple[str, ...]
    best_layer: IntArray
    alpha: NDArray[np.float64]
    cv_r: FloatArray
    cv_r2: FloatArray
    training_rows: IntArray
    out_of_fold: FloatArray
    n_alphas_at_edge: int
    alphas: tuple[float, ...]


@dataclass(frozen=True)
class _Best:
    """What is kept of each voxel's best layer so far; columns are replaced when a better one comes.

    Attributes
    ----------
    layer, alpha, r2, at_edge : (n_voxels,)
    dual, out_of_fold : (n_trials, n_voxels)
    """

    layer: IntArray
    alpha: NDArray[np.float64]
    r2: NDArray[np.float64]
    at_edge: BoolArray
    dual: FloatArray
    out_of_fold: FloatArray

    @classmethod
    def none_yet(cls, shape: tuple[int, int]) -> _Best:
        return cls(
            layer=np.zeros(shape[1], dtype=np.int64),
            alpha=np.zeros(shape[1]),
            r2=np.full(shape[1], -np.inf),
            at_edge=np.zeros(shape[1], dtype=bool),
            dual=np.empty(shape, dtype=np.float32),
            out_of_fold=np.empty(shape, dtype=np.float32),
        )


def fit_encoder(
    features: Features,
    values: FloatArray,
    stimulus_index: IntArray,
    folds: Folds,
    device: torch.device,
    alphas: tuple[float, ...] = DEFAULT_ALPHAS,
    progress: Callable[[str], None] | None = None,
    n_voxels_batch: int = N_VOXELS_BATCH,
) -> EncoderFit:
    """Ridge from every layer; penalty and layer per voxel by cross-validated R2 inside the training set.

    Parameters
    ----------
    features : of the training stimuli, and maybe others, whose rows are not read
    values : (n_trials, n_voxels) training responses
    stimulus_index : (n_trials,) row of ``features`` shown in each trial
    folds : partition of the trials
    device : where to compute, in float64
    alphas : grid of penalties
    progress : called with each layer's name once it is done, if given
    n_voxels_batch : voxels computed together

    Raises
    ------
    InputMalformedError : a layer does not vary over the stimuli

    Notes
    -----
    METHODS, "Ridge" and "What an encoder stores". Beside the responses, two arrays of their size in
    float32 are held whatever the number of layers, and a few of a batch's size in float64.
    """
    rows, index = np.unique(stimulus_index, return_inverse=True)
    best = _Best.none_yet(values.shape)
    cv_r, cv_r2 = np.empty((2, len(features.layers), values.shape[1]), dtype=np.float32)
    for number, layer in enumerate(features.layers):
        decomposition = decompose(linear_kernel(layer.values, rows, device), index)
        for start in range(0, values.shape[1], n_voxels_batch):
            batch = slice(start, min(start + n_voxels_batch, values.shape[1]))
            Y = torch.from_numpy(values[:, batch])  # (n, n_batch)
            scores = choose_alpha(decomposition, Y, folds, alphas)
            cv_r[number, batch], cv_r2[number, batch] = scores.r.cpu().numpy(), scores.r2.cpu().numpy()
            _keep_better(best, number, batch.start, decomposition, Y, scores)
        if progress is not None:
            progress(layer.name)
    weights, intercept = _primal(features, rows, best, values.mean(axis=0, dtype=np.float64), index)
    first = np.unique(index, return_index=True)[1]
    return EncoderFit(
        weights=weights,
        intercept=intercept,
        layers=tuple(layer.name for layer in features.layers),
        best_layer=best.layer,
        alpha=best.alpha,
        cv_r=cv_r,
        cv_r2=cv_r2,
        training_rows=rows,
        out_of_fold=best.out_of_fold[first],
        n_alphas_at_edge=int(best.at_edge.sum()),
        alphas=alphas,
    )


def _keep_better(
    best: _Best,
    layer: int,
    start: int,
    decomposition: Decomposition,
    Y: Tensor,
    scores: RidgeScores,
) -> None:
    """Replace the columns of the batch's voxels that this layer predicts better than those before."""
    r2 = scores.r2.cpu().numpy()
    better = np.flatnonzero(r2 > best.r2[start : start + len(r2)])
    if len(better) == 0:
        return
    columns = torch.from_numpy(better).to(Y.device)
    alpha, voxels = scores.alpha[columns], better + start
    dual = scores.dual[:, columns] / decomposition.scale
    best.layer[voxels], best.r2[voxels] = layer, r2[better]
    best.alpha[voxels] = alpha.cpu().numpy()
    best.at_edge[voxels] = (scores.edge[columns] != 0).cpu().numpy()
    best.dual[:, voxels] = dual.cpu().numpy()
    best.out_of_fold[:, voxels] = scores.out_of_fold[:, columns].cpu().numpy()


def _primal(
    features: Features, rows: IntArray, best: _Best, mean: NDArray[np.float64], index: IntArray
) -> tuple[tuple[LayerWeights, ...], FloatArray]:
    """Weights of every layer for the voxels that chose it, and the intercepts (v,)."""
    weights: list[LayerWeights] = []
    intercept = mean.copy()
    shown = np.bincount(index) / len(index)
    for number, layer in enumerate(features.layers):
        voxels = np.flatnonzero(best.layer == number)
        if len(voxels) == 0:
            continue
        dual = np.zeros((len(rows), len(voxels)), dtype=np.float32)
        np.add.at(dual, index, best.dual[:, voxels])  # (n_training, v_l)
        entry, offset = layer_weights(layer, rows, dual, shown, voxels)
        weights.append(entry)
        intercept[voxels] -= offset
    return tuple(weights), intercept.astype(np.float32)
