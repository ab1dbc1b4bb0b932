"""A small brain: its grid, its mask, and ROI masks on the same grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..structures import BoolArray, IntArray
from .config import SimulationConfig

Array = NDArray[np.float64]

SHAPE = (20, 22, 18)
VOXEL_MM = 3.0
SPACE = "T1w"
HEMISPHERES = ("LH", "RH")
_HALF_WIDTHS = np.array([8.5, 10.0, 8.0])


@dataclass(frozen=True)
class Anatomy:
    """Where the simulated voxels lie.

    Attributes
    ----------
    affine : (4, 4) voxel indices to millimetres
    brain : (x, y, z) mask
    roi_names : one a mask, hemisphere first
    roi_voxels : per mask, (n, 3) voxel indices; a voxel of ``LHPPA`` lies in ``LHRSC`` too
    """

    affine: Array
    brain: BoolArray
    roi_names: tuple[str, ...]
    roi_voxels: tuple[IntArray, ...]

    @property
    def ijk(self) -> IntArray:
        """(v, 3) distinct voxels of all masks, in C order of the volume."""
        flat = [np.ravel_multi_index(tuple(voxels.T), SHAPE) for voxels in self.roi_voxels]
        distinct = np.unique(np.concatenate(flat))
        return np.stack(np.unravel_index(distinct, SHAPE), axis=1).astype(np.int64)

    @property
    def membership(self) -> BoolArray:
        """(n_masks, v) which of ``ijk`` each mask holds."""
        keys = [tuple(voxel) for voxel in self.ijk.tolist()]
        held = [{tuple(voxel) for voxel in voxels.tolist()} for voxels in self.roi_voxels]
        return np.array([[key in mask for key in keys] for mask in held], dtype=bool)


def build_anatomy(config: SimulationConfig) -> Anatomy:
    """The brain that every participant has; masks grow as balls about their centres.

    Raises
    ------
    UsageError : a mask finds no room
    """
    middle = (np.array(SHAPE) - 1) / 2
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in SHAPE], indexing="ij"), axis=-1)
    brain = (((grid - middle) / _HALF_WIDTHS) ** 2).sum(axis=-1) <= 1
    affine = np.diag([VOXEL_MM, VOXEL_MM, VOXEL_MM, 1.0])
    affine[:3, 3] = -VOXEL_MM * middle
    names, masks = [], []
    free = brain.copy()
    for roi in config.rois:
        for hemisphere in HEMISPHERES:
            side = grid[..., 0] < middle[0] if hemisphere == "LH" else grid[..., 0] > middle[0]
            mirror = np.array([1 if hemisphere == "LH" else -1, 1, 1])
            centre = middle + np.array(roi.centre) * mirror * _HALF_WIDTHS
            voxels = _nearest(grid[free & side], centre, config.roi_voxels + roi.extra_voxels)
            free[tuple(voxels.T)] = False
            names.append(f"{hemisphere}{roi.name}")
            masks.append(voxels)
    return Anatomy(affine, brain, tuple(names), _with_overlap(names, masks))


def _nearest(candidates: IntArray, centre: Array, count: int) -> IntArray:
    if len(candidates) < count:
        raise UsageError(
            f"An ROI of {count} voxels finds no room in the simulated brain", "Give a smaller roi_voxels"
        )
    distance = ((candidates - centre) ** 2).sum(axis=1)
    return np.asarray(candidates[np.argsort(distance, kind="stable")[:count]], dtype=np.int64)


def _with_overlap(names: list[str], masks: list[IntArray]) -> tuple[IntArray, ...]:
    if "LHPPA" in names and "LHRSC" in names:
        donor, receiver = names.index("LHPPA"), names.index("LHRSC")
        masks[receiver] = np.concatenate([masks[receiver], masks[donor][-1:]])
    return tuple(masks)
