"""The encoder: images in, responses out; primal weights, a file of its own, and a model card."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..features.backbones import Backbone
from ..features.extraction import ImageSource, extract
from ..structures import Features, FloatArray, IntArray, Json, LayerFeatures, Space

HalfArray = NDArray[np.float16]
_UNITS_A_BLOCK = 8192


@dataclass(frozen=True)
class LayerWeights:
    """Weights from one layer to the voxels that use it.

    Attributes
    ----------
    name : the layer's node name
    voxels : (n_used,) which of the encoder's voxels
    values : (n_units, n_used) float16, each column divided by its largest magnitude
    scale : (n_used,) float32, that magnitude
    """

    name: str
    voxels: IntArray
    values: HalfArray
    scale: FloatArray

    def predict(self, units: FloatArray) -> FloatArray:
        """(n_images, n_units) activations to (n_images, n_used), without the intercept."""
        total = np.zeros((len(units), len(self.voxels)), dtype=np.float32)
        for start in range(0, units.shape[1], _UNITS_A_BLOCK):
            block = slice(start, start + _UNITS_A_BLOCK)
            total += units[:, block] @ self.values[block].astype(np.float32)
        return total * self.scale


def layer_weights(
    layer: LayerFeatures, rows: IntArray, dual: FloatArray, shown: NDArray[np.float64], voxels: IntArray
) -> tuple[LayerWeights, NDArray[np.float64]]:
    """Primal weights X'c of a layer, in half precision.

    Parameters
    ----------
    layer : features
    rows : (n_training,) the training stimuli's rows
    dual : (n_training, n_used) dual weights, columns summing to 0
    shown : (n_training,) share of the trials in which each stimulus was shown
    voxels : (n_used,) which voxels these are

    Returns
    -------
    the weights, and (n_used,) their prediction for the mean training trial, to be taken off the intercept
    """
    scale = np.zeros(len(voxels), dtype=np.float32)
    for _, _, product in _blocks(layer, rows, dual, shown):
        scale = np.maximum(scale, np.abs(product).max(axis=0))
    scale[scale == 0] = 1
    stored = np.empty((layer.values.shape[1], len(voxels)), dtype=np.float16)
    offset = np.zeros(len(voxels))
    for block, mean, product in _blocks(layer, rows, dual, shown):
        stored[block] = product / scale
        offset += mean @ stored[block].astype(np.float64)
    offset *= scale
    return LayerWeights(layer.name, voxels, stored, scale), offset


def _blocks(
    layer: LayerFeatures, rows: IntArray, dual: FloatArray, shown: NDArray[np.float64]
) -> Iterator[tuple[slice, NDArray[np.float64], FloatArray]]:
    """Blocks of units: which, their mean over trials (units,), and X'c (units, n_used).

    Gone through twice, once for the scale: whole in float32, a wide layer of a whole brain does not fit.
    """
    for start in range(0, layer.values.shape[1], _UNITS_A_BLOCK):
        block = slice(start, start + _UNITS_A_BLOCK)
        units = layer.values[rows, block]  # (n_training, units)
        mean = shown @ units
        yield block, mean, (units - mean.astype(np.float32)).T @ dual


@dataclass(frozen=True)
class Encoder:
    """Predicts responses to any image.

    Attributes
    ----------
    weights : one entry a layer in use
    intercept : (n_voxels,) float32
    voxels : where the predictions lie
    card : the model card: data, folds, backbone, preprocessing, software, seed
    backbone : the network, or None until it is first needed
    """

    weights: tuple[LayerWeights, ...]
    intercept: FloatArray
    voxels: Space
    card: Json
    backbone: Backbone | None = field(default=None, compare=False, repr=False)

    @classmethod
    def load(cls, path: Path | str, weights_file: Path | str | None = None, device: str = "cpu") -> Encoder:
        """Read an encoder and rebuild its network.

        Parameters
        ----------
        path : the ``.safetensors`` file; its model card lies beside it
        weights_file : the network's weights, for an encoder fitted on weights from a file
        device : ``cpu`` or ``cuda``, whichever it was fitted on

        Raises
        ------
        InputMissingError, InputMalformedError : no such file, no card, a hash that differs, another version
        WeightsError : the network's weights cannot be had, or are others
        """
        from .storage import read_encoder

        encoder = read_encoder(Path(path))
        source = Path(weights_file) if weights_file is not None else None
        backbone = Backbone.from_identity(encoder.card["backbone"], source, torch.device(device))
        return encoder.on(backbone)

    def on(self, backbone: Backbone) -> Encoder:
        """The same encoder with its network at hand."""
        return Encoder(self.weights, self.intercept, self.voxels, self.card, backbone)

    def predict(self, images: Sequence[ImageSource], batch_size: int = 64) -> FloatArray:
        """Noiseless responses.

        Parameters
        ----------
        images : paths, Pillow images or (height, width, 3) uint8 arrays
        batch_size : images a forward pass

        Returns
        -------
        (n_images, n_voxels) float32, in the unit of the responses it was fitted on (``card["unit"]``)
        """
        batches = list(self.predict_batches(images, batch_size))
        return np.concatenate(batches) if batches else np.empty((0, len(self.voxels)), dtype=np.float32)

    def predict_batches(self, images: Sequence[ImageSource], batch_size: int = 64) -> Iterator[FloatArray]:
        """``predict``, a batch at a time: (<= batch_size, n_voxels)."""
        if self.backbone is None:
            raise ValueError("this encoder has no network: use Encoder.load or Encoder.on")
        for units in extract(self.backbone, images, batch_size):
            named = zip(self.backbone.layers, units, strict=True)
            yield self._combine(dict(named))

    def predict_features(self, features: Features) -> FloatArray:
        """(n_images, n_voxels) from features at hand; extra layers are ignored."""
        return self._combine({layer.name: layer.values for layer in features.layers})

    def _combine(self, units: dict[str, FloatArray]) -> FloatArray:
        n_images = len(next(iter(units.values())))
        predictions = np.tile(self.intercept, (n_images, 1))
        for layer in self.weights:
            predictions[:, layer.voxels] += layer.predict(units[layer.name])
        return predictions
