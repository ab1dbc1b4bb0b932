"""Pictures as arrays: a ``.npy`` file, or a dataset of an HDF5 file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError

import h5py
import numpy as np

from ..errors import InputMalformedError
from ..features.images import MOST_PIXELS
from ..features.stored import HdfPicture, PixelSpan
from .hdf5 import require_own
from .image_listing import ListedImage, file_stamp, require_file

NPY_SUFFIXES = (".npy",)
HDF_SUFFIXES = (".h5", ".hdf5")
_N_DIMENSIONS = 4
# What numpy raises on headers that are none; the last two on nested ones, as it parses them.
_NO_ARRAY = (
    ValueError,
    OSError,
    EOFError,
    SyntaxError,
    TokenError,
    OverflowError,
    RecursionError,
    MemoryError,
)


@dataclass(frozen=True)
class NpyImages:
    """Pictures of a ``.npy`` file, (n, height, width, 3) uint8; each is read when it is asked for.

    Attributes
    ----------
    path : the file
    n, height, width : how many, and their size
    offset : of the first pixel
    """

    path: Path
    n: int
    height: int
    width: int
    offset: int

    @classmethod
    def of(cls, path: Path) -> NpyImages:
        """The pictures of a file.

        Raises
        ------
        InputMissingError : not there
        InputMalformedError : no such array, or one in Fortran's order
        """
        require_file(path)
        try:
            pixels = np.lib.format.open_memmap(path, mode="r")
        except _NO_ARRAY as error:
            raise InputMalformedError(
                f"{path} is not a whole .npy array ({error})", "Write it again with numpy.save"
            ) from error
        _require_pictures(str(path), pixels.shape, pixels.dtype)
        if not pixels.flags.c_contiguous:
            raise InputMalformedError(
                f"{path} is in Fortran's order", "Save numpy.ascontiguousarray of the pictures"
            )
        n, height, width, _ = pixels.shape
        return cls(path, n, height, width, pixels.offset)

    def __iter__(self) -> Iterator[ListedImage]:
        stamp = file_stamp(self.path)
        n_bytes = self.height * self.width * 3
        for row in range(self.n):
            span = PixelSpan(
                self.path, self.offset + row * n_bytes, self.height, self.width, f"{self.path}[{row}]"
            )
            yield ListedImage(f"{self.path.name}[{row}]", span, None, stamp)


@dataclass(frozen=True)
class HdfImages:
    """Pictures of an HDF5 dataset, (n, height, width, 3) uint8; each is read when it is asked for.

    Attributes
    ----------
    path : the file
    dataset : the dataset's name
    n : how many
    """

    path: Path
    dataset: str
    n: int

    @classmethod
    def of(cls, path: Path, dataset: str | None) -> HdfImages:
        """The pictures of a file.

        Parameters
        ----------
        path : the file
        dataset : its name; None means the only one of four dimensions

        Raises
        ------
        InputMissingError : no such file
        InputMalformedError : no HDF5 file, no such dataset, several to choose from, or one of another kind
        """
        require_file(path)
        found = _four_dimensional(path)
        known = ", ".join(found) or "none"
        chosen = next(iter(found), "") if dataset is None else dataset.strip("/")
        if chosen not in found or (dataset is None and len(found) > 1):
            asked = "one dataset" if dataset is None else f"a dataset {dataset}"
            raise InputMalformedError(
                f"{path} does not have {asked} of four dimensions (it has {known})",
                "Name one of them with --dataset",
            )
        shape, dtype = found[chosen]
        _require_pictures(f"{path}, dataset {chosen},", shape, dtype)
        return cls(path, chosen, int(shape[0]))

    def __iter__(self) -> Iterator[ListedImage]:
        stamp = file_stamp(self.path)
        for row in range(self.n):
            name = f"{self.path.name}/{self.dataset}[{row}]"
            picture = HdfPicture(self.path, self.dataset, row, f"{self.path}/{self.dataset}[{row}]")
            yield ListedImage(name, picture, None, stamp)


def _four_dimensional(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype[np.generic]]]:
    """Shape and type of every dataset of four dimensions, by name."""
    found: dict[str, tuple[tuple[int, ...], np.dtype[np.generic]]] = {}

    def keep(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and item.ndim == _N_DIMENSIONS:
            require_own(item)
            found[name] = (item.shape, item.dtype)

    try:
        with h5py.File(path, "r") as file:
            file.visititems(keep)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:  # h5py's, on damaged files
        raise InputMalformedError(
            f"{path} is not a whole HDF5 file ({error})", "Make or fetch it again"
        ) from error
    return found


def _require_pictures(name: str, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> None:
    is_array = len(shape) == _N_DIMENSIONS and shape[3] == 3 and 0 not in shape
    if not is_array or dtype != np.uint8:
        raise InputMalformedError(
            f"{name} holds an array of shape {shape} and type {dtype}, which is no set of pictures",
            "Give (n, height, width, 3) uint8",
        )
    if shape[1] * shape[2] > MOST_PIXELS:
        raise InputMalformedError(
            f"{name} holds pictures of {shape[1]} x {shape[2]} pixels, over {MOST_PIXELS:,}",
            "Scale them down",
        )
