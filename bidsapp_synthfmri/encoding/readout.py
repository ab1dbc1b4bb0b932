"""An encoder's weights on a device: activations in, responses out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..structures import FloatArray
from .weights import LayerWeights, ScaledMatrix

_WEIGHTS_A_BLOCK = 2**25
# Up to so many weights are kept in single precision too: widening them anew for every batch would take
# half as long as the products.
_MOST_WIDENED = 2**28


@dataclass(frozen=True)
class Readout:
    """Weights moved to a device once.

    Attributes
    ----------
    intercept : (n_voxels,) float32
    layers : one entry a layer in use
    """

    intercept: Tensor
    layers: tuple[_Layer, ...]

    @classmethod
    def on(cls, device: torch.device, weights: Sequence[LayerWeights], intercept: FloatArray) -> Readout:
        """The weights on ``device``: in single precision, or as stored where that takes over 1 GB."""
        n_weights = sum(layer.readout.values.size for layer in weights)
        layers = tuple(_Layer.on(device, layer, n_weights <= _MOST_WIDENED) for layer in weights)
        return cls(_tensor(intercept).to(device), layers)

    def predict(self, units: Mapping[str, FloatArray], n_images: int) -> FloatArray:
        """(n_images, n_voxels) float32 from each layer's (n_images, n_units); layers add up."""
        predictions = self.intercept.repeat(n_images, 1)
        with _single_precision():
            for layer in self.layers:
                predictions[:, layer.voxels] += layer.predict(units[layer.name])
        values: FloatArray = predictions.cpu().numpy()
        return values


@dataclass(frozen=True)
class _Layer:
    """One layer's weights as tensors: ``LayerWeights`` on a device."""

    name: str
    voxels: Tensor
    readout: _Scaled
    mixing: _Scaled | None

    @classmethod
    def on(cls, device: torch.device, weights: LayerWeights, widened: bool) -> _Layer:
        return cls(
            name=weights.name,
            voxels=_tensor(weights.voxels).to(device),
            readout=_Scaled.on(device, weights.readout, widened),
            mixing=None if weights.mixing is None else _Scaled.on(device, weights.mixing),
        )

    def predict(self, units: FloatArray) -> Tensor:
        """(n_images, n_used) of (n_images, n_units), without the intercept."""
        return self._mixed(self.readout.of_units(units))

    def _mixed(self, read: Tensor) -> Tensor:
        return read if self.mixing is None else read @ self.mixing.whole()


@dataclass(frozen=True)
class _Scaled:
    """A ``ScaledMatrix`` on a device."""

    values: Tensor
    scale: Tensor

    @classmethod
    def on(cls, device: torch.device, matrix: ScaledMatrix, widened: bool = False) -> _Scaled:
        values = _tensor(matrix.values).to(device)
        return cls(values.float() if widened else values, _tensor(matrix.scale).to(device))

    def whole(self) -> Tensor:
        """(n_rows, n_columns) float32."""
        return self.values.float() * self.scale

    def of_units(self, units: FloatArray) -> Tensor:
        """``units @ matrix``, both moved and widened to float32 block by block of units."""
        n_units, n_columns = self.values.shape
        total = torch.zeros((len(units), n_columns), device=self.values.device)
        step = max(1, _WEIGHTS_A_BLOCK // max(n_columns, 1))
        for start in range(0, n_units, step):
            block = slice(start, start + step)
            left = _tensor(np.asarray(units[:, block], dtype=np.float32)).to(self.values.device)
            total += left @ self.values[block].float()
        return total * self.scale


def _tensor(values: NDArray[Any]) -> Tensor:
    """A tensor that shares the array's memory, or a copy of one that may not be written."""
    return torch.from_numpy(np.require(values, requirements=["C", "W"]))


@contextmanager
def _single_precision() -> Iterator[None]:
    """Products in float32 proper: TF32 would move predictions by a thousandth."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
