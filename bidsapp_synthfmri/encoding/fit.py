"""Features and training responses in; an encoder's weights, cross-validated scores and choices out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..structures import Features, FloatArray, IntArray, RoiSet
from .banded import N_DRAWS, candidate_shares, fit_banded
from .components import PictureComponents, picture_components
from .encoder import LayerWeights, layer_weights
from .folds import Folds
from .layerwise import fit_layerwise
from .left_out_spread import unseen_sd
from .posterior import Posterior
from .posterior_fit import fit_posterior
from .ridge import DEFAULT_ALPHAS
from .selection import BANDED, ROI, SENTENCES, VOXEL, GridEdge, Selected, explained, regions
from .training import (
    Allocate,
    PenaltySearch,
    Progress,
    TrainingSet,
    in_memory,
    layer_kernels,
    untold,
)
from .without import LeftOut, Without, fit_without

N_VOXELS_BATCH = 4096


@dataclass(frozen=True)
class EncoderFit:
    """What fitting yields.

    Attributes
    ----------
    weights : one entry a layer that some voxel uses
    intercept : (n_voxels,)
    layers : names of all candidate layers
    selection : a sentence on how layers were chosen
    layer_weights : (n_layers, n_voxels) share of each layer's prediction, 1 or 0 where a voxel has one
        layer; with banded ridge, of its scaled kernel
    best_layer : (n_voxels,) position in ``layers`` of the layer in use; of joint layers, of the one with
        the largest part of the explained variance
    alpha : (n_layers, n_voxels) penalty of each layer in use, for its kernel scaled to a mean eigenvalue
        of 1; not-a-number elsewhere
    cv_r, cv_r2 : (n_layers, n_voxels) of each layer alone, cross-validated inside the training set
    selected_r, selected_r2 : (n_voxels,) of the layers as selected, cross-validated inside the training
        set, the layers chosen without the trials predicted
    variance_split : (n_layers, n_voxels) parts that add up to ``selected_r2``; None for one layer a voxel
    training_rows : (n_training,) rows of the features that were shown in training, ascending
    out_of_fold : (n_training, n_voxels) the predictions of those stimuli that ``selected_r2`` scores;
        penalties, unlike layers, were chosen by all folds
    unseen_sd : (n_voxels,) standard deviation of predictions of stimuli that the fit did not see, each of
        the training stimuli having been left out in turn
    grid_edges : by layer, how many penalties in use lie at the grid's ends
    alphas : the grid
    posterior : how sure the fit is; None unless it was asked for
    without : fits that never saw some trials; None unless they were asked for
    pictures : all pictures' features in short; None unless they were asked for
    """

    weights: tuple[LayerWeights, ...]
    intercept: FloatArray
    layers: tuple[str, ...]
    selection: str
    layer_weights: FloatArray
    best_layer: IntArray
    alpha: NDArray[np.float64]
    cv_r: FloatArray
    cv_r2: FloatArray
    selected_r: FloatArray
    selected_r2: FloatArray
    variance_split: FloatArray | None
    training_rows: IntArray
    out_of_fold: FloatArray
    unseen_sd: FloatArray
    grid_edges: tuple[GridEdge, ...]
    alphas: tuple[float, ...]
    posterior: Posterior | None = None
    without: Without | None = None
    pictures: PictureComponents | None = None

    @property
    def n_alphas_at_edge(self) -> int:
        """How many penalties in use lie at the grid's ends."""
        return sum(edge.n_first + edge.n_last for edge in self.grid_edges)


def fit_encoder(
    features: Features,
    values: FloatArray,
    stimulus_index: IntArray,
    folds: Folds,
    device: torch.device,
    alphas: tuple[float, ...] = DEFAULT_ALPHAS,
    progress: Progress = untold,
    n_voxels_batch: int = N_VOXELS_BATCH,
    *,
    selection: str = VOXEL,
    rois: Sequence[RoiSet] = (),
    search: str = "window",
    dtype: torch.dtype = torch.float32,
    allocate: Allocate = in_memory,
    rng: np.random.Generator | None = None,
    n_draws: int = N_DRAWS,
    uncertainty: bool = False,
    left_out: LeftOut | None = None,
    n_components: int = 0,
) -> EncoderFit:
    """Ridge from every layer; penalties and layers by cross-validated R2 inside the training set.

    Parameters
    ----------
    features : of the training stimuli, and maybe others, whose rows are not read
    values : (n_trials, n_voxels) training responses
    stimulus_index : (n_trials,) row of ``features`` shown in each trial
    folds : partition of the trials; a stimulus is in one fold
    device : where to compute
    alphas : grid of penalties
    progress : told of every part of the fit that is done
    n_voxels_batch : voxels computed together
    selection : ``voxel``, ``roi``, ``stacking`` or ``banded``
    rois : regions that share a layer, for ``roi``
    search : ``window``, ``exact`` or ``gcv``, see ``ridge.choose_alpha``
    dtype : float32 or float64, what to compute in
    allocate : makes the arrays that grow with layers or voxels, by their shape
    rng : draws the candidates of ``banded``, which needs it
    n_draws : how many, beside each layer alone and all equally
    uncertainty : also yield the posterior variance, for one layer a voxel
    left_out : also fit without each of some groups of stimuli, with the penalties and layers that all chose;
        not for ``banded``
    n_components : also yield so many principal components of all pictures' features, at most

    Raises
    ------
    InputMalformedError : a layer does not vary over the stimuli

    Notes
    -----
    METHODS, "Ridge" and "What an encoder stores". Test stimuli take no part in anything here.
    """
    rows, index = np.unique(stimulus_index, return_inverse=True)
    training = TrainingSet(
        layers=tuple(layer.name for layer in features.layers),
        kernels=layer_kernels(features.layers, rows, device, allocate, progress),
        index=index,
        values=values,
        folds=folds,
        penalties=PenaltySearch(alphas, search, device, dtype, n_voxels_batch),
    )
    if uncertainty and selection not in (VOXEL, ROI):
        raise ValueError("the posterior variance is that of one layer a voxel")
    if selection == BANDED:
        if rng is None:
            raise ValueError("banded ridge draws candidates: give a generator")
        found = fit_banded(training, candidate_shares(len(training.layers), n_draws, rng), allocate, progress)
    else:
        members = regions(rois, values.shape[1])
        found = fit_layerwise(training, selection, members, allocate, progress)
    weights, intercept = _primal(features, rows, training, found)
    selected_r2, selected_r = explained(values, found.out_of_fold)
    first = np.unique(index, return_index=True)[1]
    without = None
    if left_out is not None:
        without = fit_without(training, found, rows, left_out, allocate, progress)
    return EncoderFit(
        weights=weights,
        intercept=intercept,
        layers=training.layers,
        selection=SENTENCES[selection],
        layer_weights=found.layer_weights,
        best_layer=_best_layer(found),
        alpha=found.alpha,
        cv_r=found.cv_r,
        cv_r2=found.cv_r2,
        selected_r=selected_r,
        selected_r2=selected_r2,
        variance_split=found.variance_split,
        training_rows=rows,
        out_of_fold=found.out_of_fold[first],
        unseen_sd=unseen_sd(found.kernels, values, index),
        grid_edges=found.edges,
        alphas=alphas,
        posterior=fit_posterior(features, rows, training, found, progress=progress) if uncertainty else None,
        without=without,
        pictures=_components(features, training, rows, n_components) if n_components else None,
    )


def _components(
    features: Features, training: TrainingSet, rows: IntArray, n_components: int
) -> PictureComponents:
    return picture_components(features, rows, training.kernels, training.penalties.device, n_components)


def _best_layer(found: Selected) -> IntArray:
    """The layer in use; of several, the one with the largest part; where none is used, the best alone."""
    parts = found.layer_weights if found.variance_split is None else found.variance_split
    parts = np.where(found.layer_weights > 0, parts, -np.inf)
    unused = (found.layer_weights == 0).all(axis=0)
    best: IntArray = np.where(unused, found.cv_r2.argmax(axis=0), parts.argmax(axis=0))
    return best


def _primal(
    features: Features, rows: IntArray, training: TrainingSet, found: Selected
) -> tuple[tuple[LayerWeights, ...], FloatArray]:
    """Weights of every layer for the voxels that use it, and the intercepts (v,)."""
    weights: list[LayerWeights] = []
    index = training.index
    intercept = training.values.mean(axis=0, dtype=np.float64)
    shown = np.bincount(index) / len(index)
    for number, layer in enumerate(features.layers):
        voxels = np.flatnonzero(found.layer_weights[number] > 0)
        if len(voxels) == 0:
            continue
        of_trials = found.dual[number if len(found.dual) > 1 else 0][:, voxels]
        dual = np.zeros((len(rows), len(voxels)), dtype=np.float32)
        np.add.at(dual, index, of_trials * found.factor[number, voxels])  # (n_training, v_l)
        entry, offset = layer_weights(layer, rows, dual, shown, voxels)
        weights.append(entry)
        intercept[voxels] -= offset
    return tuple(weights), intercept.astype(np.float32)
