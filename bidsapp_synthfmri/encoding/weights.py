"""Primal weights of a layer in half precision, whole or as basis times coefficients; what that changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray

from ..structures import FloatArray, IntArray, LayerFeatures
from .basis import FloatMatrix, Truncation, truncate, voxel_blocks
from .kernels import linear_kernel

PREDICTION_BOUND = 1e-3
MIN_VOXELS_FOR_BASIS = 1000

# What rounding the basis and its coefficients to half precision adds is within the rest.
_SHARE_OF_TRUNCATION = 0.8
_WORTHWHILE = 0.8
# Float16 keeps 11 bits from 2^-14 to 2^16: columns scaled to this have 2^29 between largest and least.
_LARGEST_HALF = np.float32(2.0**15)
_WEIGHTS_A_BLOCK = 2**25
_MAX_UNITS_A_BLOCK = 8192
_N_PROBES = 256


@dataclass(frozen=True)
class ScaledMatrix:
    """A matrix whose columns have a scale each, so that half precision holds columns of any size.

    Attributes
    ----------
    values : (n_rows, n_columns) float16, or float32 where half precision would not do
    scale : (n_columns,) float32; the matrix is ``values * scale``
    """

    values: NDArray[np.floating]
    scale: FloatArray

    @classmethod
    def of(cls, matrix: FloatArray, dtype: DTypeLike = np.float16) -> ScaledMatrix:
        """A float32 matrix, rounded."""
        scale = _scale(np.abs(matrix).max(axis=0, initial=0))
        return cls((matrix / scale).astype(dtype), scale)


@dataclass(frozen=True)
class LayerWeights:
    """Weights from one layer to the voxels that use it: ``readout``, or ``readout @ mixing``.

    Attributes
    ----------
    name : the layer's node name
    voxels : (n_used,) which of the encoder's voxels
    readout : (n_units, n_used), or (n_units, rank) where it is a basis
    mixing : (rank, n_used) coefficients of the basis; None where the weights are stored whole
    change : what storing them so changes: over training images, the root mean square change of a voxel's
        predictions over their standard deviation, largest of all voxels
    """

    name: str
    voxels: IntArray
    readout: ScaledMatrix
    mixing: ScaledMatrix | None = None
    change: float = 0.0

    @property
    def n_units(self) -> int:
        """The layer's units."""
        return int(self.readout.values.shape[0])

    @property
    def rank(self) -> int | None:
        """Columns of the basis; None where the weights are stored whole."""
        return None if self.mixing is None else len(self.mixing.values)


@dataclass(frozen=True)
class TrainingLayer:
    """A layer's activations to the training images, about their mean over trials.

    Attributes
    ----------
    layer : features
    rows : (n_training,) the training stimuli's rows
    shown : (n_training,) share of the trials in which each was shown
    """

    layer: LayerFeatures
    rows: IntArray
    shown: FloatMatrix

    @property
    def n_units(self) -> int:
        """The layer's units."""
        return int(self.layer.values.shape[1])

    @property
    def probes(self) -> IntArray:
        """Some training images, evenly spread: on them the change of predictions is measured."""
        n = len(self.rows)
        return np.arange(n) if n <= _N_PROBES else np.linspace(0, n - 1, _N_PROBES).astype(np.int64)

    def blocks(self, n_columns: int) -> Iterator[tuple[slice, FloatMatrix, FloatArray]]:
        """Which units, their mean (units,), and their activations (n_training, units) about it.

        Blocks are such that their weights to ``n_columns`` stay small; one pass reads all features once.
        """
        step = max(1, min(_MAX_UNITS_A_BLOCK, _WEIGHTS_A_BLOCK // max(n_columns, 1)))
        for start in range(0, self.n_units, step):
            block = slice(start, start + step)
            units = self.layer.values[self.rows, block]
            mean = self.shown @ units
            yield block, mean, units - mean.astype(np.float32)

    def kernel(self) -> FloatMatrix:
        """(n_training, n_training) inner products about the mean over trials, float64."""
        kernel: FloatMatrix = linear_kernel(self.layer.values, self.rows, torch.device("cpu")).numpy()
        about = kernel @ self.shown
        return kernel - about - about[:, None] + self.shown @ about


def layer_weights(
    layer: LayerFeatures,
    rows: IntArray,
    dual: FloatArray,
    shown: NDArray[np.float64],
    voxels: IntArray,
    bound: float = PREDICTION_BOUND,
    min_voxels: int = MIN_VOXELS_FOR_BASIS,
) -> tuple[LayerWeights, NDArray[np.float64]]:
    """Primal weights X'c of a layer, in the smallest form that keeps the predictions.

    Tried in turn: half-precision basis times coefficients, where at least ``min_voxels`` use the layer and
    it takes at most 0.8 of the space; half precision; single precision. The first that changes no
    voxel's predictions of training images by more than ``bound`` is taken.

    Parameters
    ----------
    layer : features
    rows : (n_training,) the training stimuli's rows
    dual : (n_training, n_used) dual weights, columns summing to 0
    shown : (n_training,) share of the trials in which each stimulus was shown
    voxels : (n_used,) which voxels these are
    bound : root mean square change of a voxel's predictions over their standard deviation
    min_voxels : below so many the basis is not looked for: it takes the layer's kernel

    Returns
    -------
    the weights, and (n_used,) their prediction for the mean training trial, to be taken off the intercept

    Notes
    -----
    METHODS, "What an encoder stores"; the basis, its rank and why a bound on training images holds for
    new ones: ``basis``.
    """
    training = TrainingLayer(layer, rows, shown)
    if len(voxels) >= min_voxels:
        weights, offset = _as_basis(training, dual, voxels, bound)
        if weights is not None and weights.change <= bound:
            return weights, offset
    weights, offset = _whole(training, dual, voxels, np.float16)
    if weights.change <= bound:
        return weights, offset
    return _whole(training, dual, voxels, np.float32)


def _whole(
    training: TrainingLayer, dual: FloatArray, voxels: IntArray, dtype: DTypeLike
) -> tuple[LayerWeights, FloatMatrix]:
    readout, mean, exact, stored = _rounded(training, dual, dtype)
    change = _change(exact, stored)
    return LayerWeights(training.layer.name, voxels, readout, None, change), mean


def _as_basis(
    training: TrainingLayer, dual: FloatArray, voxels: IntArray, bound: float
) -> tuple[LayerWeights | None, FloatMatrix]:
    """The weights as basis times coefficients; None where that takes nearly the space of the whole."""
    kernel = training.kernel()
    parts = truncate(kernel, dual, training.shown, training.n_units, _SHARE_OF_TRUNCATION * bound)
    if not _saves_space(parts, training.n_units):
        return None, np.zeros(0)
    basis, basis_mean, _, stored = _rounded(training, parts.dual, np.float16)
    mixing = ScaledMatrix.of(parts.mixing)
    coefficients = mixing.values.astype(np.float32) * mixing.scale  # (rank, n_used)
    # In float32 the kernel's large entries would cancel into an error above the one that is measured.
    exact = np.concatenate([kernel[training.probes] @ C for C in voxel_blocks(dual)], axis=1)
    change = _change(exact, stored @ coefficients)
    return (
        LayerWeights(training.layer.name, voxels, basis, mixing, change),
        basis_mean @ coefficients,
    )


def _saves_space(parts: Truncation, n_units: int) -> bool:
    rank, n_voxels = parts.mixing.shape
    return bool(rank * (n_units + n_voxels) <= _WORTHWHILE * n_units * n_voxels)


def _rounded(
    training: TrainingLayer, dual: FloatArray, dtype: DTypeLike
) -> tuple[ScaledMatrix, FloatMatrix, FloatArray, FloatArray]:
    """X'c rounded, block by block of units.

    Returns
    -------
    the weights, their prediction of the mean trial (n_columns,), and predictions of the probes about it
    before and after rounding, (n_probes, n_columns) each
    """
    n_columns, probes = dual.shape[1], training.probes
    largest = np.zeros(n_columns, dtype=np.float32)
    exact, stored = np.zeros((2, len(probes), n_columns), dtype=np.float32)
    # Gone through twice, once for the scale: whole in float32, a wide layer of a whole brain does not fit.
    for _, _, units in training.blocks(n_columns):
        product = units.T @ dual  # (units, n_columns)
        largest = np.maximum(largest, np.abs(product).max(axis=0))
        exact += units[probes] @ product
    scale = _scale(largest)
    values = np.empty((training.n_units, n_columns), dtype=dtype)
    mean_trial = np.zeros(n_columns)
    for block, mean, units in training.blocks(n_columns):
        values[block] = units.T @ dual / scale
        held = values[block].astype(np.float32)
        stored += units[probes] @ held
        mean_trial += mean @ held
    return ScaledMatrix(values, scale), mean_trial * scale, exact, stored * scale


def _scale(largest: FloatArray) -> FloatArray:
    """(n_columns,) what to divide columns by; 1 for columns of zeros."""
    scale = (largest / _LARGEST_HALF).astype(np.float32)
    scale[scale < np.finfo(np.float32).tiny] = 1
    return scale


def _change(exact: NDArray[np.floating], stored: FloatArray) -> float:
    """Largest over voxels of the root mean square change over the standard deviation of predictions."""
    sd = exact.std(axis=0, dtype=np.float64)
    change = np.sqrt(np.mean((stored - exact).astype(np.float64) ** 2, axis=0))
    varies = sd > 0
    return float((change[varies] / sd[varies]).max(initial=0))
