"""Features and training responses in; an encoder's weights, cross-validated scores and choices out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..structures import Features, FloatArray, IntArray
from .encoder import LayerWeights, layer_weights
from .folds import Folds
from .kernels import Decomposition, decompose, linear_kernel
from .ridge import DEFAULT_ALPHAS, RidgeScores, choose_alpha, dual_weights, out_of_fold


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
class _LayerFit:
    """One candidate layer: scores for all voxels, dual weights and out-of-fold predictions (n, v)."""

    scores: RidgeScores
    dual: FloatArray
    out_of_fold: FloatArray


def fit_encoder(
    features: Features,
    values: FloatArray,
    stimulus_index: IntArray,
    folds: Folds,
    device: torch.device,
    alphas: tuple[float, ...] = DEFAULT_ALPHAS,
    progress: Callable[[str], None] | None = None,
) -> EncoderFit:
    """Ridge from every layer; penalty and layer per voxel by cross-validated R2 inside the training set.

    Parameters
    ----------
    features : of the training stimuli, and maybe others, whose rows are not read
    values : (n_trials, n_voxels) training responses
    stimulus_index : (n_trials,) row of ``features`` shown in each trial
    folds : partition of the trials
    device : where to compute, in float64
    progress : called with each layer's name once it is done, if given

    Raises
    ------
    InputMalformedError : a layer does not vary over the stimuli

    Notes
    -----
    METHODS, "Ridge" and "What an encoder stores".
    """
    Y = torch.from_numpy(values).to(device, torch.float64)  # (n, v)
    rows, index = np.unique(stimulus_index, return_inverse=True)
    fits: list[_LayerFit] = []
    for layer in features.layers:
        decomposition = decompose(linear_kernel(layer.values, rows, device), index)
        fits.append(_fit_layer(decomposition, Y, folds, alphas))
        if progress is not None:
            progress(layer.name)
    r2 = torch.stack([fit.scores.r2 for fit in fits]).cpu().numpy()  # (n_layers, v)
    best = r2.argmax(axis=0)  # (v,)
    weights, intercept = _primal(features, rows, fits, best, values.mean(axis=0, dtype=np.float64), index)
    predictions = np.empty_like(values)  # (n, v)
    for number, fit in enumerate(fits):
        predictions[:, best == number] = fit.out_of_fold[:, best == number]
    first = np.unique(index, return_index=True)[1]
    return EncoderFit(
        weights=weights,
        intercept=intercept,
        layers=tuple(layer.name for layer in features.layers),
        best_layer=best.astype(np.int64),
        alpha=_of_best([fit.scores.alpha for fit in fits], best),
        cv_r=torch.stack([fit.scores.r for fit in fits]).cpu().numpy().astype(np.float32),
        cv_r2=r2.astype(np.float32),
        training_rows=rows,
        out_of_fold=predictions[first],
        n_alphas_at_edge=int(_of_best([fit.scores.at_edge for fit in fits], best).sum()),
        alphas=alphas,
    )


def _fit_layer(decomposition: Decomposition, Y: Tensor, folds: Folds, alphas: tuple[float, ...]) -> _LayerFit:
    scores = choose_alpha(decomposition, Y, folds, alphas)
    dual = dual_weights(decomposition, Y, scores.alpha) / decomposition.scale
    held_out = out_of_fold(decomposition, Y, folds, scores.alpha)
    return _LayerFit(scores, dual.float().cpu().numpy(), held_out.float().cpu().numpy())


def _primal(
    features: Features,
    rows: IntArray,
    fits: list[_LayerFit],
    best: IntArray,
    mean: NDArray[np.float64],
    index: IntArray,
) -> tuple[tuple[LayerWeights, ...], FloatArray]:
    """Weights of every layer for the voxels that chose it, and the intercepts (v,)."""
    weights: list[LayerWeights] = []
    intercept = mean.copy()
    for number, (layer, fit) in enumerate(zip(features.layers, fits, strict=True)):
        voxels = np.flatnonzero(best == number)
        if len(voxels) == 0:
            continue
        dual = np.zeros((len(rows), len(voxels)), dtype=np.float32)
        np.add.at(dual, index, fit.dual[:, voxels])  # (n_training, v_l)
        shown = np.bincount(index) / len(index)
        entry, offset = layer_weights(layer, rows, dual, shown, voxels)
        weights.append(entry)
        intercept[voxels] -= offset
    return tuple(weights), intercept.astype(np.float32)


def _of_best(per_layer: list[Tensor], best: IntArray) -> NDArray[np.float64]:
    stacked = torch.stack(per_layer).cpu().numpy()  # (n_layers, v)
    return np.asarray(stacked[best, np.arange(stacked.shape[1])])
