"""Encoders that never saw some trials, with the penalties and layers that all trials chose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..structures import Features, FloatArray, IntArray
from .group_deleted import FitWithout, fits_without
from .selection import Selected
from .training import Allocate, Progress, TrainingSet, in_memory, untold
from .weights import LayerWeights, layer_weights

Float64 = NDArray[np.float64]
# An encoder that predicts a few images and goes is not worth its layers' eigenvectors.
_NO_BASIS = 1 << 62


@dataclass(frozen=True)
class LeftOut:
    """Which training stimuli are left out together.

    Attributes
    ----------
    group : (n_images,) number of the group of each row of the features, from 0; -1 for those in none
    new_images : whether the encoders must also predict images that are none of the training stimuli
    """

    group: IntArray
    new_images: bool


@dataclass(frozen=True)
class LayerDuals:
    """A layer's dual weights in each encoder.

    Attributes
    ----------
    layer : position among the features' layers
    voxels : (n_used,) which voxels use it
    dual : (n_groups, n_training, n_used) of each training stimulus, for the layer's kernel as it is
    """

    layer: int
    voxels: IntArray
    dual: FloatArray


@dataclass(frozen=True)
class Without:
    """What the encoders without each group predict.

    Attributes
    ----------
    predicted : (n_training, n_voxels) each training stimulus by the encoder without its group; NaN for those
        in none
    mean : (n_groups, n_voxels) predictions for the mean training trial, those left out among them
    layers : dual weights of each layer in use; empty where new images need not be predicted
    rows : (n_training,) the training stimuli's rows of the features
    shown : (n_training,) share of the trials in which each was shown
    """

    predicted: FloatArray
    mean: Float64
    layers: tuple[LayerDuals, ...]
    rows: IntArray
    shown: Float64

    def weights(self, features: Features, group: int) -> tuple[tuple[LayerWeights, ...], FloatArray]:
        """Weights of every layer in use and intercepts (n_voxels,) of the encoder without a group.

        Parameters
        ----------
        features : those that were fitted on
        """
        intercept = self.mean[group].copy()
        weights = []
        for own in self.layers:
            layer = features.layers[own.layer]
            dual = np.asarray(own.dual[group])
            entry, offset = layer_weights(
                layer, self.rows, dual, self.shown, own.voxels, min_voxels=_NO_BASIS
            )
            weights.append(entry)
            intercept[own.voxels] -= offset
        return tuple(weights), intercept.astype(np.float32)


def fit_without(
    training: TrainingSet,
    found: Selected,
    rows: IntArray,
    left_out: LeftOut,
    allocate: Allocate = in_memory,
    progress: Progress = untold,
) -> Without:
    """The encoders without each group; every layer in use is decomposed once for all of them.

    Parameters
    ----------
    training : what all was fitted on
    found : its penalties and layers, of any selection but ``banded``
    rows : (n_training,) the training stimuli's rows of the features
    left_out : the groups
    allocate : makes arrays like the responses: one, and one more a group and layer where new images are
        predicted
    progress : told of every layer that is done

    Raises
    ------
    ValueError : layers were joined by banded ridge
    InputMalformedError : a group holds all but one of the training trials

    Notes
    -----
    A prediction is the mean response to the trials that are left, and what each layer adds to it times the
    layer's weight: for one layer a voxel that is the ridge itself, refitted.
    """
    if len(found.dual) == 1 and (found.layer_weights > 0).sum(axis=0).max() > 1:
        raise ValueError("one kernel joins the layers: ridge without a group is not known for it")
    group = left_out.group[rows]  # (n_training,)
    trials = [np.flatnonzero(group[training.index] == number) for number in range(int(group.max()) + 1)]
    means = np.array([_mean_of_others(training.values, own) for own in trials])  # (n_groups, n_voxels)
    predicted = allocate((len(rows), training.values.shape[1]))
    predicted[:] = np.nan
    for number, mean in enumerate(means):
        predicted[group == number] = mean
    run = _Run(training, found, tuple(trials), predicted, means)
    layers = []
    for number in range(len(training.layers)):
        progress("ridge without each group", number, len(training.layers))
        voxels = np.flatnonzero(found.layer_weights[number] > 0)
        if not len(voxels):
            continue
        shape = (len(trials), len(rows), len(voxels))
        dual = allocate(shape) if left_out.new_images else None
        run.add(number, voxels, dual)
        if dual is not None:
            layers.append(LayerDuals(number, voxels, dual))
    progress("ridge without each group", len(training.layers), len(training.layers))
    shown = np.bincount(training.index) / len(training.index)
    return Without(predicted, run.mean, tuple(layers), rows, shown)


@dataclass(frozen=True)
class _Run:
    """Arrays that are filled layer by layer; ``trials`` are those of each group."""

    training: TrainingSet
    found: Selected
    trials: tuple[IntArray, ...]
    predicted: FloatArray
    mean: Float64

    def add(self, layer: int, voxels: IntArray, dual: FloatArray | None) -> None:
        """Add what a layer says of the voxels that use it; its dual weights go to ``dual``."""
        training = self.training
        decomposition = training.decomposed(training.kernel(layer), np.arange(len(training.values)))
        groups = [torch.from_numpy(rows) for rows in self.trials]
        step = training.penalties.n_voxels_batch
        for start in range(0, len(voxels), step):
            own = voxels[start : start + step]
            Y, alpha = (torch.from_numpy(a[..., own]) for a in (training.values, self.found.alpha[layer]))
            weight = self.found.factor[layer, own]
            for number, fit in enumerate(fits_without(decomposition, Y, alpha, groups)):
                self._add_predictions(number, own, weight, fit)
                if dual is not None:
                    of_trials = (fit.dual / decomposition.scale).float().cpu().numpy() * weight
                    dual[number, :, start : start + step] = self._by_stimulus(of_trials)

    def _add_predictions(self, number: int, voxels: IntArray, weight: FloatArray, fit: FitWithout) -> None:
        predicted, rest, mean = (part.double().cpu().numpy() for part in (fit.predicted, fit.rest, fit.mean))
        self.mean[number, voxels] += weight * (mean - rest)
        stimuli, first = np.unique(self.training.index[self.trials[number]], return_index=True)
        self.predicted[np.ix_(stimuli, voxels)] += weight * (predicted[first] - rest)

    def _by_stimulus(self, of_trials: FloatArray) -> FloatArray:
        """(n_training, n_used) sums over each stimulus' trials."""
        summed = np.zeros((len(self.predicted), of_trials.shape[1]), dtype=np.float32)
        np.add.at(summed, self.training.index, of_trials)
        return summed


def _mean_of_others(values: FloatArray, rows: IntArray) -> Float64:
    """(n_voxels,) mean of all but some rows."""
    kept = np.ones(len(values), dtype=bool)
    kept[rows] = False
    mean: Float64 = values.mean(axis=0, dtype=np.float64, where=kept[:, None])
    return mean
