"""Means over the voxels of regions, collected a block of voxels at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..structures import RoiSet
from .presentations import Float64Array

_ARRAYS_PER_BLOCK = 20


def voxel_blocks(n_voxels: int, n_draws: int, memory_bytes: int) -> Iterator[slice]:
    """Blocks of voxels for which the largest arrays, (n_draws, n_block) each, fit into memory together."""
    block = max(1, memory_bytes // (8 * n_draws * _ARRAYS_PER_BLOCK))
    for start in range(0, n_voxels, block):
        yield slice(start, min(start + block, n_voxels))


class RegionMeans:
    """Mean over each region's voxels of one value a draw and voxel.

    Parameters
    ----------
    rois : the regions
    n_voxels, n_draws : of all blocks together; the first draw is the sample itself

    Notes
    -----
    A voxel whose value is undefined in the sample takes no part; one undefined in a draw, none in that draw.
    """

    def __init__(self, rois: Sequence[RoiSet], n_voxels: int, n_draws: int) -> None:
        member = np.array([roi.voxels for roi in rois], dtype=np.float64).reshape(len(rois), n_voxels)
        self._member = member
        self._sums = np.zeros((n_draws, len(rois)))
        self._defined = np.zeros((n_draws, len(rois)))

    def add(self, voxels: slice, values: Float64Array) -> None:
        """Take in (n_draws, n_block) values of a block."""
        finite = np.isfinite(values) & np.isfinite(values[0])
        self._sums += np.where(finite, values, 0.0) @ self._member[:, voxels].T
        self._defined += finite @ self._member[:, voxels].T

    def of(self, region: int) -> tuple[Float64Array, int]:
        """(n_draws,) means of a region, NaN where nothing is defined; and voxels defined in the sample."""
        count = self._defined[:, region]
        nothing = np.full(len(count), np.nan)
        mean: Float64Array = np.divide(self._sums[:, region], count, out=nothing, where=count > 0)
        return mean, int(count[0])
