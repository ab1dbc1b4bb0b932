"""Pictures that lie inside another file: a member of a tar archive, one of many in an array."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import h5py
import numpy as np
from numpy.typing import NDArray

# Consecutive pictures share a compressed block: it is kept unpacked between them.
_HDF_CACHE_BYTES = 64 * 2**20
_HDF_FILES_OPEN = 4
_MOST_BYTES = 2**30


@runtime_checkable
class StoredPicture(Protocol):
    """A picture inside another file."""

    @property
    def name(self) -> str:
        """The file, and where in it."""

    def content(self) -> bytes | NDArray[np.uint8]:
        """A picture file's bytes, or (height, width, 3) pixels.

        Raises
        ------
        OSError : the file cannot be read, or ends before the picture does
        """


@dataclass(frozen=True)
class FileSpan:
    """A picture's own file within another one, nothing unpacked.

    Attributes
    ----------
    path : the file around it
    offset, n_bytes : where it lies
    name : see ``StoredPicture``
    """

    path: Path
    offset: int
    n_bytes: int
    name: str

    def content(self) -> bytes:
        return _read(self.path, self.offset, self.n_bytes)


@dataclass(frozen=True)
class PixelSpan:
    """Pixels that stand in a file as they are, one byte each.

    Attributes
    ----------
    path : the file
    offset : of the first pixel
    height, width : of the picture
    name : see ``StoredPicture``
    """

    path: Path
    offset: int
    height: int
    width: int
    name: str

    def content(self) -> NDArray[np.uint8]:
        shape = (self.height, self.width, 3)
        data = _read(self.path, self.offset, int(np.prod(shape)))
        return np.frombuffer(data, dtype=np.uint8).reshape(shape)


@dataclass(frozen=True)
class HdfPicture:
    """One picture of an HDF5 dataset.

    Attributes
    ----------
    path : the file
    dataset : the dataset's name, (n, height, width, 3) uint8
    row : which one
    name : see ``StoredPicture``
    """

    path: Path
    dataset: str
    row: int
    name: str

    def content(self) -> NDArray[np.uint8]:
        try:
            pixels: NDArray[np.uint8] = _hdf(self.path)[self.dataset][self.row]
        except (KeyError, ValueError, RuntimeError) as error:  # what h5py raises on damaged files
            raise OSError(str(error)) from error
        return pixels


def _read(path: Path, offset: int, n_bytes: int) -> bytes:
    """Bytes of a file; what headers say of sizes is not believed before it is checked."""
    with path.open("rb") as file:
        missing = offset + n_bytes - os.fstat(file.fileno()).st_size
        if missing > 0:
            raise OSError(f"the file ends {missing} bytes too early")
        if n_bytes > _MOST_BYTES:
            raise OSError(f"it is larger than {_MOST_BYTES:,} bytes")
        file.seek(offset)
        return file.read(n_bytes)


@lru_cache(_HDF_FILES_OPEN)
def _hdf(path: Path) -> Any:
    """The file, open for reading until others have taken its place."""
    return h5py.File(path, "r", rdcc_nbytes=_HDF_CACHE_BYTES)
