"""NIfTI volumes: opened, compared by grid, read as masks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError
from xml.parsers.expat import ExpatError

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.gifti.parse_gifti_fast import GiftiParseError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from ..errors import InputMalformedError, InputMissingError
from ..structures import BoolArray
from .gzipped import errors

# A header's rotation may be three float32 parts of a quaternion whose fourth is recovered as a root:
# close to half a turn that costs 3e-4, .05 mm at the edge of a field of view. A twentieth of a voxel
# allows for it, and is far too little to give a voxel to its neighbour.
_SAME_GRID_VOXELS = 0.05
_DAMAGE: tuple[type[Exception], ...] = (
    *(*errors(), ValueError),
    *(ImageFileError, HeaderDataError, GiftiParseError, ExpatError, ParseError),
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
    try:
        yield
    except FileNotFoundError as error:
        raise InputMissingError(f"{path} is not there", "Fetch or make the file") from error
    except PermissionError as error:
        raise InputMissingError(f"{path} may not be read", "Grant permission to read it") from error
    except _DAMAGE as error:
        detail = " ".join(str(error).split())  # nibabel breaks lines
        raise InputMalformedError(
            f"{path} cannot be read, it is truncated or damaged ({detail})", "Fetch or make the file again"
        ) from error


def open_volume(path: Path) -> Any:
    """The NIfTI image of a file; its data are not read yet.

    Raises
    ------
    InputMissingError : not there
    InputMalformedError : not a NIfTI file, or its header is damaged
    """
    with reading(path):
        image = nib.load(path)
        if not isinstance(image, nib.Nifti1Image):
            raise ImageFileError("not NIfTI")
        return image


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


def read_mask(path: Path) -> tuple[Grid, BoolArray]:
    """A mask's grid, and where it is greater than 0.

    Masks that interpolation left as floats between 0 and 1 are treated alike: any part counts.
    """
    image = open_volume(path)
    grid = grid_of(path, image)
    with reading(path):
        values = np.asanyarray(image.dataobj)
    if values.size != np.prod(grid.shape):
        raise InputMalformedError(f"{path} is no mask: its shape is {image.shape}", "Give one volume")
    return grid, values.reshape(grid.shape) > 0
