"""NIfTI volumes: opened, compared by grid, read as masks.

What a header promises is believed only as far as the file bears it out: sizes are compared with the file's
own before anything is allocated, and affines must place voxels.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError  # nosec B405 - an error's name
from xml.parsers.expat import ExpatError

import nibabel as nib
import numpy as np
from nibabel.cifti2.cifti2 import Cifti2HeaderError
from nibabel.filebasedimages import ImageFileError
from nibabel.gifti.parse_gifti_fast import GiftiParseError
from nibabel.spatialimages import HeaderDataError
from nibabel.volumeutils import apply_read_scaling
from numpy.typing import NDArray

from ..errors import OF_THE_MACHINE, InputMalformedError, InputMissingError
from ..structures import BoolArray
from .gzipped import errors, most_unpacked, open_stream, read_to_checksum, read_whole

# A header's rotation may be three float32 parts of a quaternion whose fourth is recovered as a root:
# close to half a turn that costs 3e-4, .05 mm at the edge of a field of view. A twentieth of a voxel
# allows for it, and is far too little to give a voxel to its neighbour.
_SAME_GRID_VOXELS = 0.05
# A head at a third of a millimetre; a volume is held in memory.
_MOST_VOXELS = 2**28
# Ten metres from the scanner's centre there is no head.
_FARTHEST_MM = 1e4
_AGAIN = "Fetch or make the file again"
_DAMAGE: tuple[type[Exception], ...] = (
    *(*errors(), ValueError),
    *(ImageFileError, HeaderDataError, Cifti2HeaderError, GiftiParseError, ExpatError, ParseError),
    *(OverflowError, LookupError),
)


@dataclass(frozen=True)
class Grid:
    """Where a volume's voxels lie.

    Attributes
    ----------
    shape : three dimensions
    affine : (4, 4) voxel indices to millimetres
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    def distance(self, other: Grid) -> float:
        """Largest distance, in voxels, between the two grids' ideas of where a corner lies."""
        corners = np.array([(*corner, 1) for corner in product(*((0, n - 1) for n in self.shape))])
        apart = corners @ (self.affine - other.affine).T  # (8, 4), mm
        edge = float(np.sqrt((self.affine[:3, :3] ** 2).sum(axis=0)).min())
        return float(np.linalg.norm(apart, axis=1).max()) / edge

    def matches(self, other: Grid) -> bool:
        """Whether voxels of the same index lie at the same place."""
        return self.shape == other.shape and self.distance(other) <= _SAME_GRID_VOXELS


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what readers of NIfTI, GIFTI and gzip raise into an error that names the file."""
    if path.exists() and not path.is_file():
        raise InputMissingError(f"{path} is no file", "Put the file there that belongs there")
    if path.exists() and not os.access(path, os.R_OK):  # nibabel would call it damaged
        raise InputMissingError(f"{path} may not be read", "Grant permission to read it")
    try:
        yield
    except FileNotFoundError as error:
        raise InputMissingError(f"{path} is not there", "Fetch or make the file") from error
    except PermissionError as error:
        raise InputMissingError(f"{path} may not be read", "Grant permission to read it") from error
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno in OF_THE_MACHINE:
            raise
        detail = " ".join(str(error).split())  # nibabel breaks lines
        raise InputMalformedError(
            f"{path} cannot be read, it is truncated or damaged ({detail})", _AGAIN
        ) from error


def open_volume(path: Path) -> Any:
    """The NIfTI image of a file; its data are not read yet.

    Raises
    ------
    InputMissingError : not there
    InputMalformedError : not a NIfTI file, its header is damaged, promises more than the file can hold, or
        places no voxels
    """
    with reading(path):
        image = nib.load(path)
        if not isinstance(image, nib.Nifti1Image):
            raise ImageFileError("not NIfTI")
        shape = tuple(int(size) for size in image.shape)
        if min(shape, default=0) < 1 or math.prod(shape[:3]) > _MOST_VOXELS:
            raise ImageFileError(f"its header says a shape of {shape}")
        require_room(path, image)
    require_affine(path, np.asarray(image.affine, dtype=np.float64))
    return image


def require_room(path: Path, image: Any) -> None:
    """Check that a file can hold what its header promises, before anything is allocated for it.

    Raises
    ------
    ImageFileError : which ``reading`` explains
    """
    stored = image.dataobj
    promised = int(stored.offset) + math.prod(map(int, image.shape)) * stored.dtype.itemsize
    most = most_unpacked(path)
    if promised > most:
        raise ImageFileError(f"its header promises {promised:,} bytes and it has {most:,} at most")


def require_affine(path: Path, affine: NDArray[np.float64]) -> None:
    """Check that an affine places voxels.

    Raises
    ------
    InputMalformedError : not finite, leading metres away, or of voxels without extent
    """
    finite = bool(np.isfinite(affine).all()) and float(np.abs(affine).max()) <= _FARTHEST_MM
    if not finite or np.linalg.matrix_rank(affine[:3, :3]) < 3:
        rows = "; ".join(" ".join(f"{value:g}" for value in row) for row in affine[:3])
        raise InputMalformedError(f"{path}: the affine in its header places no voxels ({rows})", _AGAIN)


def grid_of(path: Path, image: Any) -> Grid:
    """The grid of an image of three dimensions or more."""
    if len(image.shape) < 3:
        raise InputMalformedError(f"{path} has only {len(image.shape)} dimensions", "Give a volume")
    x, y, z = (int(n) for n in image.shape[:3])
    return Grid((x, y, z), np.asarray(image.affine, dtype=np.float64))


def require_grid(path: Path, grid: Grid, reference: Grid, what: str) -> None:
    """Check that a file lies on the grid it is used with.

    Raises
    ------
    InputMalformedError : another shape, or voxels elsewhere
    """
    if grid.shape != reference.shape:
        problem = f"its shape is {grid.shape}, not {reference.shape}"
    elif not grid.matches(reference):
        problem = f"its voxels lie up to {grid.distance(reference):.2g} voxels away"
    else:
        return
    raise InputMalformedError(
        f"{path} is not on the grid of {what}: {problem}",
        "Resample it to that grid (nearest neighbour for a mask), or choose another space with --space",
    )


def read_mask(path: Path, reference: Grid, what: str) -> BoolArray:
    """Where a mask is greater than 0.

    Masks that interpolation left as floats between 0 and 1 are treated alike: any part counts.

    Parameters
    ----------
    path : its file
    reference : the grid it must lie on
    what : whose grid that is, for messages

    Raises
    ------
    InputMissingError, InputMalformedError : see ``open_volume``, ``require_grid`` and ``read_volume``
    """
    image = open_volume(path)
    require_grid(path, grid_of(path, image), reference, what)
    return np.asarray(read_volume(path, image) > 0, dtype=np.bool_)


def read_volume(path: Path, image: Any) -> NDArray[Any]:
    """(x, y, z) values of one volume, scaled as its header says; read to a gzip file's checksum.

    Raises
    ------
    InputMalformedError : several volumes, no real numbers, truncated or damaged
    """
    shape = image.shape[:3]
    if math.prod(image.shape) != math.prod(shape) or image.get_data_dtype().kind not in "iuf":
        raise InputMalformedError(
            f"{path} is no single volume of numbers: its shape is {image.shape}, its values are"
            f" {image.get_data_dtype()}",
            "Give one volume",
        )
    stored = image.dataobj
    with reading(path), open_stream(path) as file:
        read_whole(file, stored.offset)
        content = read_whole(file, math.prod(shape) * stored.dtype.itemsize)
        read_to_checksum(file)
    values = np.frombuffer(content, stored.dtype).reshape(shape, order="F")
    return np.asarray(apply_read_scaling(values, np.asanyarray(stored.slope), np.asanyarray(stored.inter)))
