"""How sure ridge is of a prediction: the posterior variance of the signal, from the encoder's own file.

Ridge with the penalty a is the posterior mean of y = b + f(x) + e with a Gaussian process f of covariance
s^2 k, noise of variance s^2 a and a flat prior on the intercept b (Rasmussen & Williams 2006, 2.7). With
x about the mean training trial, k(x, x') = x'x and X'X = V diag(l) V' over the n training trials,

    var(x) = s^2 (|x|^2 - sum_i l_i / (l_i + a) (v_i'x)^2 + a / n).

So a new image costs its scores on the V of each layer in use. Directions left out only enlarge the variance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..structures import FloatArray, IntArray
from .readout import Readout
from .weights import LayerWeights, ScaledMatrix

Float64 = NDArray[np.float64]
_LAYER = "layer"


@dataclass(frozen=True, eq=False)
class LayerPosterior:
    """One layer's.

    Attributes
    ----------
    name : the layer's node name
    voxels : (n_used,) which of the encoder's voxels use it
    basis : (n_units, rank) V, the training images' leading right singular vectors
    mean : (n_units,) activations to the mean training trial
    eigenvalues : (rank,) float64 l
    penalty : (n_used,) float64 a, for the kernel as it is
    prior : (n_used,) float64 s^2
    typical : (n_used,) float64 mean of the variance over training stimuli, each given the others
    """

    name: str
    voxels: IntArray
    basis: ScaledMatrix
    mean: FloatArray
    eigenvalues: Float64
    penalty: Float64
    prior: Float64
    typical: Float64

    def variance(self, units: FloatArray, n_trials: int, device: torch.device) -> FloatArray:
        """(n_images, n_used) of activations (n_images, n_units)."""
        about = units - self.mean
        length = np.einsum("nu,nu->n", about, about, dtype=np.float64)[:, None]
        squares = self._readout(device).predict({self.name: about}, len(units)).astype(np.float64) ** 2
        penalties, which = np.unique(self.penalty, return_inverse=True)
        known = self.eigenvalues[:, None] / (self.eigenvalues[:, None] + penalties)  # (rank, n_penalties)
        # Rounding must not take more than all of the variance in the basis' span.
        left = (length - squares @ known).clip(min=0) + penalties / n_trials  # (n_images, n_penalties)
        variance: FloatArray = (left[:, which] * self.prior).astype(np.float32)
        return variance

    def _readout(self, device: torch.device) -> Readout:
        if device not in self._readouts:
            rank = len(self.eigenvalues)
            weights = LayerWeights(self.name, np.arange(rank), self.basis)
            self._readouts[device] = Readout.on(device, [weights], np.zeros(rank, dtype=np.float32))
        return self._readouts[device]

    @cached_property
    def _readouts(self) -> dict[torch.device, Readout]:
        return {}


@dataclass(frozen=True, eq=False)
class Posterior:
    """Posterior variance of every voxel's signal, for any image.

    Attributes
    ----------
    layers : one entry a layer in use; each voxel in one
    n_voxels : of the encoder
    n_trials : training trials
    bound : on ``overestimate``
    overestimate : by what share the directions left out are expected to enlarge the mean variance of new
        images; the largest of all layers and penalties in use
    """

    layers: tuple[LayerPosterior, ...]
    n_voxels: int
    n_trials: int
    bound: float
    overestimate: float

    def variance(self, units: Mapping[str, FloatArray], device: torch.device) -> FloatArray:
        """Posterior variance of the noiseless response, intercept included.

        Parameters
        ----------
        units : per layer (n_images, n_units) activations
        device : where to compute

        Returns
        -------
        (n_images, n_voxels) float32, in the responses' unit squared
        """
        n_images = len(next(iter(units.values())))
        variance = np.zeros((n_images, self.n_voxels), dtype=np.float32)
        for layer in self.layers:
            variance[:, layer.voxels] = layer.variance(units[layer.name], self.n_trials, device)
        return variance

    @property
    def typical_variance(self) -> FloatArray:
        """(n_voxels,) mean over images like the training ones, of each training stimulus given the others."""
        typical = np.zeros(self.n_voxels, dtype=np.float32)
        for layer in self.layers:
            typical[layer.voxels] = layer.typical
        return typical

    @property
    def summary(self) -> str:
        """What it is, for the model card."""
        ranks = ", ".join(f"{len(layer.eigenvalues)} of {layer.name}" for layer in self.layers)
        return (
            "Posterior variance of ridge's predictions as of a Gaussian process, penalties as"
            " cross-validation chose them and signal variance by marginal likelihood; independent over"
            f" voxels. From the leading directions of the training images: {ranks}; those left out enlarge"
            f" the mean variance of new images by at most about {self.overestimate:.1%}."
        )

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All of it as arrays, numbers as arrays without axes; layers under prefixes of their own."""
        numbers = {name: np.asarray(getattr(self, name)) for name in _NUMBERS}
        return {**numbers, **dict(self._layer_arrays())}

    def _layer_arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        for number, layer in enumerate(self.layers):
            prefix = f"{_LAYER}{number}."
            yield f"{prefix}name", np.frombuffer(layer.name.encode(), dtype=np.uint8)
            yield f"{prefix}voxels", layer.voxels.astype(np.int32)
            yield f"{prefix}basis.values", layer.basis.values
            yield f"{prefix}basis.scale", layer.basis.scale
            for name in _OF_LAYER:
                yield f"{prefix}{name}", getattr(layer, name)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Posterior:
        """What ``to_arrays`` gave; KeyError for an array that is not there."""
        n_layers = sum(key.endswith(".name") for key in arrays)
        layers = tuple(_layer(arrays, f"{_LAYER}{number}.") for number in range(n_layers))
        numbers: dict[str, Any] = {name: arrays[name].item() for name in _NUMBERS}
        return cls(layers, **numbers)


_NUMBERS = ("n_voxels", "n_trials", "bound", "overestimate")
_OF_LAYER = ("mean", "eigenvalues", "penalty", "prior", "typical")


def _layer(arrays: Mapping[str, NDArray[Any]], prefix: str) -> LayerPosterior:
    own: dict[str, Any] = {name: arrays[f"{prefix}{name}"] for name in _OF_LAYER}
    return LayerPosterior(
        name=arrays[f"{prefix}name"].tobytes().decode(),
        voxels=arrays[f"{prefix}voxels"].astype(np.int64),
        basis=ScaledMatrix(arrays[f"{prefix}basis.values"], arrays[f"{prefix}basis.scale"]),
        **own,
    )
