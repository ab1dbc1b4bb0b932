"""Voxels that a network drives: each region reads one layer, so that the layer it prefers is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..encoding.kernels import linear_kernel
from ..errors import UsageError
from ..structures import Features, FloatArray, IntArray, LayerFeatures, RoiSet

Array = NDArray[np.float64]

_CPU = torch.device("cpu")
# Below this share of the largest, a dimension is rounding.
_NEGLIGIBLE = 1e-6


@dataclass(frozen=True)
class LayerRoi:
    """A region that reads one layer of a network.

    Attributes
    ----------
    name : the region's
    layer : the layer's name
    n_voxels : in the region
    reliability : share of the variance of a single trial that is signal, in every voxel
    """

    name: str
    layer: str
    n_voxels: int
    reliability: float


@dataclass(frozen=True)
class NetworkDriven:
    """Voxels of all regions, in the regions' order.

    Attributes
    ----------
    signal : (n_images, n_voxels), mean 0 and variance 1 over the images
    responses : (n_trials, n_voxels) signal and noise, of variance 1
    rois : the regions' voxels
    """

    signal: Array
    responses: FloatArray
    rois: tuple[RoiSet, ...]


def network_driven(
    features: Features,
    rois: Sequence[LayerRoi],
    stimulus_index: IntArray,
    rng: np.random.Generator,
    n_dimensions: int = 40,
) -> NetworkDriven:
    """Single-trial responses of voxels that read a network's layers.

    Parameters
    ----------
    features : of the images, every region's layer among them
    rois : the regions
    stimulus_index : (n_trials,) image shown in each trial
    rng : draws tuning and noise
    n_dimensions : of a layer, the leading ones, that every voxel weighs at random

    Raises
    ------
    UsageError : no such layer, one that is the same for every image, or a reliability that is none

    Notes
    -----
    A voxel's signal is a random combination of the leading principal components of its layer's activations
    over the images, all of the same variance. Weights drawn over the units themselves would give most of the
    signal to the first few components, such as overall brightness and colour, which any network conveys,
    trained or not. Noise is white and independent.
    """
    layers = {layer.name: layer for layer in features.layers}
    for roi in rois:
        _require_possible(roi, layers)
    signal = np.hstack([_signal(layers[roi.layer], roi.n_voxels, n_dimensions, rng) for roi in rois])
    region = np.repeat(np.arange(len(rois)), [roi.n_voxels for roi in rois])
    r = np.array([roi.reliability for roi in rois])[region]
    noise = rng.standard_normal((len(stimulus_index), len(region)))
    responses = np.sqrt(r) * signal[stimulus_index] + np.sqrt(1 - r) * noise
    sets = tuple(RoiSet(roi.name, region == number) for number, roi in enumerate(rois))
    return NetworkDriven(signal, responses.astype(np.float32), sets)


def _require_possible(roi: LayerRoi, layers: dict[str, LayerFeatures]) -> None:
    if roi.layer not in layers:
        raise UsageError(
            f"{roi.name} reads layer {roi.layer!r}, which the features lack",
            f"Use one of {', '.join(layers)}",
        )
    if not 0 <= roi.reliability <= 1:
        raise UsageError(f"{roi.name} has reliability {roi.reliability}", "Give a number from 0 to 1")


def _signal(layer: LayerFeatures, n_voxels: int, n_dimensions: int, rng: np.random.Generator) -> Array:
    """(n_images, n_voxels) random combinations of the layer's leading components, standardised."""
    kernel = linear_kernel(layer.values, np.arange(len(layer.values)), _CPU).numpy()
    variances, components = np.linalg.eigh(kernel)  # ascending
    n_known = int((variances > _NEGLIGIBLE * variances[-1]).sum())
    if n_known == 0:
        raise UsageError(f"Layer {layer.name!r} is the same for every image", "Use another, or other images")
    leading = components[:, -min(n_dimensions, n_known) :]
    signal = leading @ rng.standard_normal((leading.shape[1], n_voxels))
    signal -= signal.mean(axis=0)
    return np.asarray(signal / signal.std(axis=0))
