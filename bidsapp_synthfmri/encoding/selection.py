"""Which layers a voxel is predicted from: rules on scores, and what the rules yield."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..structures import ALL_VOXELS, BoolArray, FloatArray, IntArray, RoiSet

if TYPE_CHECKING:
    from .left_out_spread import Kernel

VOXEL, ROI, STACKING, BANDED = "voxel", "roi", "stacking", "banded"
_DIGITS = 5
SENTENCES = {
    VOXEL: "one layer a voxel, the one with the highest cross-validated R2 inside the training set",
    ROI: "one layer a region, the one with the highest cross-validated R2 inside the training set, averaged"
    " over the region's voxels",
    STACKING: "all layers jointly by stacking: per voxel, non-negative weights of the layers' out-of-fold"
    " predictions that sum to at most 1",
    BANDED: "all layers jointly by banded ridge: per voxel, a penalty for each layer, by random search over"
    " the layers' shares and cross-validated R2 inside the training set",
}


@dataclass(frozen=True)
class GridEdge:
    """How often the penalty chosen lay at an end of the grid.

    Attributes
    ----------
    name : the layer, or ``joint`` for banded ridge
    n_first, n_last : voxels at the grid's first and last penalty
    n_used : voxels that use the layer
    """

    name: str
    n_first: int
    n_last: int
    n_used: int


@dataclass(frozen=True)
class Selected:
    """The layers of each voxel, and predictions of rows that had no part in that choice.

    Attributes
    ----------
    layer_weights : (n_layers, n_voxels) >= 0: share of each layer's prediction (``voxel``, ``roi``,
        ``stacking``), or of its scaled kernel (``banded``)
    alpha : (n_layers, n_voxels) penalty of each layer in use, for its kernel scaled to a mean eigenvalue
        of 1; not-a-number where the weight is 0
    factor : (n_layers, n_voxels) by which ``dual`` is multiplied for each layer's kernel
    dual : (n_layers or 1, n_trials, n_voxels) dual weights; a single entry serves every layer
    edges : how many penalties in use lie at the grid's ends
    cv_r, cv_r2 : (n_layers, n_voxels) of each layer alone
    out_of_fold : (n_trials, n_voxels) by fits without the trial's fold and, in choosing layers, without its
        turn of the outer loop
    kernels : what predictions are a weighted sum of: one a layer, or a candidate of ``banded``
    variance_split : (n_layers, n_voxels) what each layer adds to R2 of ``out_of_fold``; None for one layer a
        voxel
    """

    layer_weights: FloatArray
    alpha: NDArray[np.float64]
    factor: FloatArray
    dual: FloatArray
    edges: tuple[GridEdge, ...]
    cv_r: FloatArray
    cv_r2: FloatArray
    out_of_fold: FloatArray
    kernels: tuple[Kernel, ...]
    variance_split: FloatArray | None = None


def regions(rois: Sequence[RoiSet], n_voxels: int) -> BoolArray:
    """Sets of voxels that share a layer.

    Returns
    -------
    (n_regions, n_voxels): the ROIs, without the set of all voxels unless it is the only one; voxels in
    no ROI are one region more
    """
    named = [roi.voxels for roi in rois if roi.name != ALL_VOXELS] or [roi.voxels for roi in rois]
    members = np.array(named, dtype=bool).reshape(len(named), n_voxels)
    outside = ~members.any(axis=0)
    return np.vstack([members, outside]) if outside.any() else members


def best_layer_by_voxel(r2: FloatArray) -> FloatArray:
    """(n_layers, n_voxels) 1 at the layer with the highest R2, the first of equals, 0 elsewhere."""
    return _one_hot(comparable(r2).argmax(axis=0), len(r2))


def comparable(r2: FloatArray) -> FloatArray:
    """R2 as layers are compared by it, to five digits.

    Where nothing predicts a voxel, every layer's largest penalty gives all but the mean response, and
    float32 rounding would choose between them.
    """
    return np.round(r2, _DIGITS)


def best_layer_by_region(r2: FloatArray, members: BoolArray) -> FloatArray:
    """One layer for all voxels of a region.

    Parameters
    ----------
    r2 : (n_layers, n_voxels)
    members : (n_regions, n_voxels); every voxel in at least one

    Returns
    -------
    (n_layers, n_voxels) 1 at the layer with the highest mean R2 over the region's voxels, 0 elsewhere.
    For a voxel of several regions that is the mean of their means.
    """
    of_region = r2.astype(np.float64) @ members.T / members.sum(axis=1)  # (n_layers, n_regions)
    of_voxel = of_region @ members / members.sum(axis=0)  # (n_layers, n_voxels)
    return _one_hot(of_voxel.argmax(axis=0), len(r2))


def explained(values: FloatArray, predictions: FloatArray) -> tuple[FloatArray, FloatArray]:
    """R2 and Pearson r of predictions, column by column; 0 where they are not defined.

    Parameters
    ----------
    values, predictions : (n, n_voxels)
    """
    r2, r = np.zeros((2, values.shape[1]), dtype=np.float32)
    for voxels in batches(values.shape[1]):
        y = values[:, voxels] - values[:, voxels].mean(axis=0, dtype=np.float64)
        errors = values[:, voxels].astype(np.float64) - predictions[:, voxels]
        p = predictions[:, voxels] - predictions[:, voxels].mean(axis=0, dtype=np.float64)
        total, spread = (y**2).sum(axis=0), np.sqrt((y**2).sum(axis=0) * (p**2).sum(axis=0))
        r2[voxels] = np.where(total > 0, 1 - (errors**2).sum(axis=0) / np.where(total > 0, total, 1), 0)
        r[voxels] = (p * y).sum(axis=0) / np.where(spread > 0, spread, 1)
    return r2, r


def grid_edge(name: str, edge: NDArray[np.int8], used: BoolArray) -> GridEdge:
    """Count the penalties (n_voxels,) in use that are the grid's first (-1) and last (1)."""
    return GridEdge(
        name, int((edge[used] == -1).sum()), int((edge[used] == 1).sum()), int(np.count_nonzero(used))
    )


def batches(n_voxels: int, size: int = 512) -> list[slice]:
    """Slices of voxels whose arrays in float64 are small."""
    return [slice(start, min(start + size, n_voxels)) for start in range(0, n_voxels, size)]


def _one_hot(layer: IntArray, n_layers: int) -> FloatArray:
    chosen: BoolArray = layer[None, :] == np.arange(n_layers)[:, None]
    return chosen.astype(np.float32)
