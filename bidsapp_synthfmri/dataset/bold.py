"""Preprocessed BOLD of one run, at the voxels asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.openers import ImageOpener

from ..errors import InputMalformedError
from ..structures import FloatArray, IntArray, VoxelSpace
from .structures import RunFiles
from .volumes import Grid, grid_of, open_volume, reading, require_grid

_BLOCK_BYTES = 64 * 2**20
_REST_BYTES = 2**20


def read_bold(run: RunFiles, voxels: VoxelSpace) -> FloatArray:
    """A run's series at some voxels, scaled as its header says.

    Parameters
    ----------
    run : the run's files
    voxels : on the grid of the run's BOLD

    Returns
    -------
    (n_volumes, n_voxels) float32, in the file's unit; NaN and constant voxels are returned as they are

    Raises
    ------
    InputMissingError : not there
    InputMalformedError : truncated, damaged, not a series, or off the voxels' grid

    Notes
    -----
    The file is decompressed once, front to back, a block of volumes at a time: memory is the result
    and one block, never the run.
    """
    image = open_volume(run.bold)
    require_series(run, image)
    require_grid(
        run.bold, grid_of(run.bold, image), Grid(voxels.shape, voxels.affine), "the participant's first run"
    )
    return read_series(run.bold, image, voxels.ijk)


def read_series(path: Path, image: Any, ijk: IntArray) -> FloatArray:
    """(n_volumes, n_voxels) float32: a four-dimensional image at some voxels, a block of volumes at a time.

    Parameters
    ----------
    path : the image's file
    image : opened, not read
    ijk : (n_voxels, 3) indices

    Raises
    ------
    InputMalformedError : truncated or damaged
    """
    series = np.empty((image.shape[3], len(ijk)), dtype=np.float32)
    i, j, k = ijk.T
    with reading(path), ImageOpener(str(path)) as file:
        for volumes, block in blocks(image, file):
            series[volumes] = block[i, j, k].T  # (n_block, n_voxels)
        _read_to_checksum(file)
    return series


def n_volumes(run: RunFiles) -> int:
    """Number of volumes of a run's BOLD, from its header."""
    image = open_volume(run.bold)
    require_series(run, image)
    return int(image.shape[3])


def require_series(run: RunFiles, image: Any) -> None:
    """Check that an image is a series of volumes of real numbers.

    Raises
    ------
    InputMalformedError : one volume alone, more than four dimensions, colours or complex numbers
    """
    if len(image.shape) != 4 or image.shape[3] < 2 or image.get_data_dtype().kind not in "iuf":
        raise InputMalformedError(
            f"{run.bold} is no series of volumes: its shape is {image.shape},"
            f" its values are {image.get_data_dtype()}",
            f"Fetch or make the preprocessed BOLD of {run.label} again",
        )


def blocks(image: Any, file: ImageOpener) -> Iterator[tuple[slice, Any]]:
    """Which volumes, and their values (x, y, z, n_block), from front to back."""
    stored = image.dataobj
    data = type(stored)(file, (stored.shape, stored.dtype, stored.offset, stored.slope, stored.inter))
    volume_bytes = 8 * int(np.prod(image.shape[:3]))  # scaling is done in float64
    step = max(1, _BLOCK_BYTES // volume_bytes)
    for start in range(0, image.shape[3], step):
        volumes = slice(start, min(start + step, image.shape[3]))
        yield volumes, data[..., volumes]


def _read_to_checksum(file: ImageOpener) -> None:
    while file.read(_REST_BYTES):
        pass
