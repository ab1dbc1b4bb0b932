"""CIFTI-2 dscalar files of maps x voxels, whoever wrote them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel import cifti2
from nibabel.filebasedimages import ImageFileError

from ..errors import InputMalformedError
from ..structures import FloatArray, IntArray, VoxelSpace
from .volumes import Grid, reading, require_affine, require_room

_cifti2: Any = cifti2


@dataclass(frozen=True)
class DscalarVoxels:
    """What a file says of its maps and voxels.

    Attributes
    ----------
    rows : names of the maps
    ijk : (n_voxels, 3) indices, in the file's order
    grid : the volume that they count in
    """

    rows: tuple[str, ...]
    ijk: IntArray
    grid: Grid


def read_dscalar(path: Path) -> DscalarVoxels:
    """Maps and voxels of a file, from its header.

    Raises
    ------
    InputMissingError : not there
    InputMalformedError : truncated, no CIFTI-2, not maps by voxels, or with vertices of a surface
    """
    image = _open(path)
    with reading(path):
        try:
            rows, columns = (image.header.get_axis(position) for position in (0, 1))
        except (AttributeError, IndexError, KeyError) as error:
            raise ImageFileError(f"not two axes: {error}") from error
    if not isinstance(rows, _cifti2.ScalarAxis) or not isinstance(columns, _cifti2.BrainModelAxis):
        raise InputMalformedError(
            f"{path} is no series of maps by voxels", "Give a dscalar of one map a trial"
        )
    if columns.surface_mask.any():
        raise InputMalformedError(
            f"{path} has {int(columns.surface_mask.sum())} vertices of a surface among its"
            f" {len(columns)} columns, and only voxels can be read",
            "Give the responses of the voxels",
        )
    shape = tuple(int(size) for size in columns.volume_shape)
    affine = np.asarray(columns.affine, dtype=np.float64)
    require_affine(path, affine)
    _require_inside(path, columns.voxel, shape)
    grid = Grid((shape[0], shape[1], shape[2]), affine)
    return DscalarVoxels(
        tuple(str(name) for name in rows.name), np.asarray(columns.voxel, dtype=np.int64), grid
    )


def _require_inside(path: Path, ijk: IntArray, shape: tuple[int, ...]) -> None:
    outside = int(((ijk < 0) | (ijk >= np.array(shape))).any(axis=1).sum())
    if outside:
        raise InputMalformedError(
            f"{path} has {outside} voxels outside its volume of {shape}", "Fetch or make the file again"
        )


def read_dscalar_values(path: Path, rows: IntArray, voxels: VoxelSpace) -> FloatArray:
    """(n_rows, n_voxels) float32: some maps at some voxels.

    Raises
    ------
    InputMalformedError : truncated, or voxels that the file has not
    """
    there = read_dscalar(path)
    column = {tuple(ijk): number for number, ijk in enumerate(there.ijk.tolist())}
    if not there.grid.matches(Grid(voxels.shape, voxels.affine)):
        raise InputMalformedError(f"{path} is not on the grid of the first file", "Give files of one grid")
    columns = [column.get(tuple(ijk), -1) for ijk in voxels.ijk.tolist()]
    if absent := columns.count(-1):
        raise InputMalformedError(
            f"{path} lacks {absent} voxels that the first file has", "Give files of the same voxels"
        )
    with reading(path):
        values = np.asanyarray(_open(path).dataobj)  # mapped, not read
        return np.asarray(values[rows][:, columns], dtype=np.float32)


def _open(path: Path) -> Any:
    with reading(path):
        image = nib.load(path)
        if not isinstance(image, _cifti2.Cifti2Image):
            raise ImageFileError("not CIFTI-2")
        require_room(path, image)
        return image
