"""Means over the voxels of regions, from values that come a block of voxels at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..structures import RoiSet
from .presentations import Float64Array


class RegionMeans:
    """Mean over every region's voxels of one score, under every draw.

    Parameters
    ----------
    rois : the regions
    n_voxels : of all regions
    n_draws : the sample itself and its bootstrap draws
    """

    def __init__(self, rois: Sequence[RoiSet], n_voxels: int, n_draws: int) -> None:
        members = np.array([roi.voxels for roi in rois], dtype=np.float64)
        self._membership = members.reshape(len(rois), n_voxels)
        self._sums = np.zeros((n_draws, len(rois)))
        self._defined = np.zeros((n_draws, len(rois)))

    def add(self, voxels: slice, values: Float64Array) -> None:
        """Take in a block of voxels.

        Parameters
        ----------
        voxels : the block
        values : (n_draws, n_block), the sample first; a voxel whose own value is not finite is left out of
            every draw
        """
        finite = np.isfinite(values) & np.isfinite(values[0])
        members = self._membership[:, voxels].T
        self._sums += np.where(finite, values, 0.0) @ members
        self._defined += finite @ members

    def means(self) -> Float64Array:
        """(n_rois, n_draws), NaN where no voxel is defined."""
        unknown = np.full_like(self._sums, np.nan)
        means: Float64Array = np.divide(self._sums, self._defined, out=unknown, where=self._defined > 0)
        return means.T

    def n_voxels(self, roi: int) -> int:
        """How many voxels the sample's own mean of one region is of."""
        return int(self._defined[0, roi])
