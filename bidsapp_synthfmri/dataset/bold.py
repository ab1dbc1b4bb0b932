"""Preprocessed BOLD of one run, at the voxels asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from nibabel.volumeutils import apply_read_scaling

from ..errors import InputMalformedError
from ..structures import FloatArray, IntArray, Space, SurfaceSpace
from .gzipped import open_stream, read_to_checksum, read_whole
from .structures import RunFiles
from .surfaces import read_hemispheres, surface_shape
from .volumes import Grid, grid_of, open_volume, reading, require_grid


def read_bold(run: RunFiles, voxels: Space) -> FloatArray:
    """A run's series at some voxels: (n_volumes, n_voxels) float32; see ``read_bold_and_pool``."""
    return read_bold_and_pool(run, voxels, None)[0]


def read_bold_and_pool(
    run: RunFiles, voxels: Space, pool: IntArray | None
) -> tuple[FloatArray, FloatArray | None]:
    """A run's series at some voxels, scaled as its header says, and at a second set in the same pass.

    Parameters
    ----------
    run : the run's files
    voxels : on the grid of the run's BOLD
    pool : (n_pool, 3) voxel indices on that grid, such as ``rois.read_pool`` gives; None for no second
        set, and on surfaces

    Returns
    -------
    (n_volumes, n_voxels) float32, in the file's unit, NaN and constant voxels as they are; and
    (n_volumes, n_pool) likewise, or None

    Raises
    ------
    InputMissingError : not there
    InputMalformedError : truncated, damaged, not a series, or off the voxels' grid or surfaces

    Notes
    -----
    A volume series is unpacked once, front to back, a volume at a time: memory is the result and one volume,
    never the run.
    """
    if isinstance(voxels, SurfaceSpace):
        return read_hemispheres(run, voxels), None
    image = open_volume(run.bold)
    require_series(run, image)
    require_grid(
        run.bold, grid_of(run.bold, image), Grid(voxels.shape, voxels.affine), "the participant's first run"
    )
    series, *second = read_series(run.bold, image, [voxels.ijk] if pool is None else [voxels.ijk, pool])
    return series, second[0] if second else None


def read_series(path: Path, image: Any, wanted: Sequence[IntArray]) -> list[FloatArray]:
    """A four-dimensional image at each of several sets of voxels, unpacked once, a volume at a time.

    Parameters
    ----------
    path : the image's file
    image : opened, not read
    wanted : (n_voxels, 3) indices each

    Returns
    -------
    (n_volumes, n_voxels) float32 for each set

    Raises
    ------
    InputMalformedError : truncated or damaged
    """
    # NIfTI stores the first dimension fastest.
    offsets = [np.ravel_multi_index(tuple(ijk.T), image.shape[:3], order="F") for ijk in wanted]
    found = [np.empty((image.shape[3], len(places)), dtype=np.float32) for places in offsets]
    with reading(path), open_stream(path) as file:
        for volume, values in enumerate(volumes(image, file)):
            for series, places in zip(found, offsets, strict=True):
                _take(values, places, image.dataobj, series[volume])
        read_to_checksum(file)
    return found


def n_volumes(run: RunFiles) -> int:
    """Number of volumes of a run's BOLD, from its header."""
    if run.bold_right is not None:
        return surface_shape(run.bold)[0]
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


def volumes(image: Any, file: BinaryIO) -> Iterator[Any]:
    """Every volume's values as stored, first dimension fastest, from front to back."""
    stored = image.dataobj
    n_bytes = int(np.prod(image.shape[:3])) * stored.dtype.itemsize
    read_whole(file, stored.offset)
    for _ in range(int(image.shape[3])):
        yield np.frombuffer(read_whole(file, n_bytes), stored.dtype)


def _take(values: Any, places: IntArray, stored: Any, row: FloatArray) -> None:
    """Put the values at some places into ``row``, scaled in float64 as nibabel does."""
    if values.dtype == np.float32 and (stored.slope, stored.inter) == (1, 0):
        np.take(values, places, out=row, mode="clip")  # "raise" would go through a copy
    else:
        scales = np.asanyarray(stored.slope), np.asanyarray(stored.inter)
        row[:] = apply_read_scaling(values[places], *scales)
