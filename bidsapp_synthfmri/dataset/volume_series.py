"""Responses as NIfTI volumes, one a trial, in one file or several: which voxels, and their values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputMalformedError
from ..structures import BoolArray, FloatArray, IntArray, VoxelSpace
from .annex import repository, require_content
from .bold import read_series, volumes
from .gzipped import open_stream
from .rois import masked_space, space_of_masks
from .structures import Asked, ParticipantEvents, VoxelChoice
from .volumes import Grid, grid_of, open_volume, reading, require_grid

_AGAIN = "Fetch or make the file again"


@dataclass(frozen=True)
class VolumeFile:
    """One file and which of its volumes are read.

    Attributes
    ----------
    path : four-dimensional NIfTI
    volumes : (n,) numbers from 0, in the order of the trials
    """

    path: Path
    volumes: IntArray


def n_volumes_of(path: Path) -> int:
    """Number of volumes, from the header; one where the image has three dimensions.

    Raises
    ------
    InputMalformedError : no image of volumes of real numbers
    """
    return int(_open(path).shape[3])


def require_fetched(paths: Sequence[Path]) -> None:
    """Check that no file is a git-annex link without content; see ``require_content``."""
    require_content(paths, (repository(paths[0]) or paths[0].parent) if paths else Path())


def unused_masks(files: ParticipantEvents) -> tuple[str, ...]:
    """A sentence on the ROI masks of other spaces, where no mask could be used."""
    spaces = sorted({roi.space for roi in files.rois})
    if not spaces:
        return ()
    return (
        f"{len(files.rois)} ROI masks were not used: they are of space {', '.join(spaces)}, and responses of"
        f" {files.space}; --space can name another.",
    )


def voxels_of_series(path: Path, asked: Asked) -> VoxelChoice:
    """The voxels to read: those of the ROI masks; without masks those finite and varying in the file.

    Parameters
    ----------
    path : the first of the files; the others must be on its grid

    Raises
    ------
    NothingMatchedError, UsageError, InputMalformedError : see ``rois.masked_space``
    InputMalformedError : without masks, no voxel is finite and varies
    """
    image = _open(path)
    grid = grid_of(path, image)
    files = asked.files
    masks = tuple(roi.path for roi in files.masks)
    require_fetched(masks)
    masked = masked_space(files, asked.rois, grid, path.name)
    if masked is not None:
        return VoxelChoice(masked, masks)
    usable = _usable(path, image)
    if not usable.any():
        raise InputMalformedError(f"No voxel of {path} is finite and varies over its volumes", _AGAIN)
    note = f"There are no ROI masks: voxels are those that are finite and vary in {path.name}."
    space = space_of_masks(files.space, grid, (), usable[np.newaxis])
    return VoxelChoice(space, (), (note, *unused_masks(files)))


def read_volume_files(files: Sequence[VolumeFile], voxels: VoxelSpace) -> FloatArray:
    """(n_trials, n_voxels) float32: all files' volumes at some voxels, one file at a time.

    Raises
    ------
    InputMalformedError : a file off the voxels' grid, truncated or damaged
    """
    values = np.empty((sum(len(file.volumes) for file in files), len(voxels)), dtype=np.float32)
    first = 0
    for file in files:
        image = _open(file.path)
        reference = Grid(voxels.shape, voxels.affine)
        require_grid(file.path, grid_of(file.path, image), reference, "the first file or the ROI masks")
        rows = slice(first, first + len(file.volumes))
        values[rows] = read_series(file.path, image, [voxels.ijk])[0][file.volumes]
        first = rows.stop
    return values


def _open(path: Path) -> Any:
    image = open_volume(path)
    if len(image.shape) != 4 or image.get_data_dtype().kind not in "iuf":
        raise InputMalformedError(
            f"{path} is no series of volumes, one a trial: its shape is {image.shape},"
            f" its values are {image.get_data_dtype()}",
            _AGAIN,
        )
    return image


def _usable(path: Path, image: Any) -> BoolArray:
    """(x, y, z) voxels that are finite in every volume and do not have one value in all."""
    n_values = int(np.prod(image.shape[:3]))
    low, high = np.full(n_values, np.inf), np.full(n_values, -np.inf)
    finite = np.ones(n_values, dtype=np.bool_)
    with reading(path), open_stream(path) as file:
        for values in volumes(image, file):
            finite &= np.isfinite(values)
            low, high = np.fmin(low, values), np.fmax(high, values)
    return np.asarray(finite & (high > low), dtype=np.bool_).reshape(image.shape[:3], order="F")
