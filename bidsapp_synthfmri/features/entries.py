"""Matrices on disk that several processes may read and write: whole, checked, or not there."""

from __future__ import annotations

import errno
import json
import logging
import shutil
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import numpy as np

from ..structures import FloatArray, Json

_LOGGER = logging.getLogger(__name__)

_VALUES = "values.npy"
_RECORD = "entry.json"
_PARTIAL = ".partial-"
_ABANDONED_AFTER = 6 * 3600.0
_BYTES_A_READ = 1 << 22
_FLOAT32 = np.dtype("<f4")


def read_entry(folder: Path) -> FloatArray | None:
    """The matrix of an entry, memory-mapped read-only; None where there is none, or a damaged one."""
    if _is_whole(folder):
        return map_values(folder)
    if folder.exists():
        _LOGGER.warning("%s is damaged; it is computed again", folder)
    return None


def _is_whole(folder: Path) -> bool:
    try:
        record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        return bool(record["crc32"] == _crc32(folder / _VALUES))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def map_values(folder: Path) -> FloatArray:
    """The matrix of a complete entry, unchecked."""
    values: FloatArray = np.load(folder / _VALUES, mmap_mode="r")
    return values


def _crc32(path: Path) -> int:
    checksum = 0
    with path.open("rb") as stream:
        while block := stream.read(_BYTES_A_READ):
            checksum = zlib.crc32(block, checksum)
    return checksum


class EntryWriter:
    """Writes an entry row by row, in any order of rows.

    Parameters
    ----------
    folder : made here
    n_rows, n_columns : shape of the float32 matrix
    """

    def __init__(self, folder: Path, n_rows: int, n_columns: int) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._stream = (folder / _VALUES).open("wb")
        np.lib.format.write_array_header_1_0(
            self._stream,
            {"descr": _FLOAT32.str, "fortran_order": False, "shape": (n_rows, n_columns)},
        )
        self._offset = self._stream.tell()

    def put(self, values: FloatArray, rows: Sequence[Sequence[int]]) -> None:
        """Write each of the ``values``' rows at all of its positions."""
        for row_values, positions in zip(np.ascontiguousarray(values, _FLOAT32), rows, strict=True):
            for position in positions:
                self._stream.seek(self._offset + position * row_values.nbytes)
                self._stream.write(row_values.data)

    def finish(self, record: Json) -> None:
        """Close the matrix and write its record with the checksum."""
        self.close()
        checked = {"crc32": _crc32(self._folder / _VALUES)} | record
        (self._folder / _RECORD).write_text(json.dumps(checked, indent=2), encoding="utf-8")

    def close(self) -> None:
        """Close the matrix as it is."""
        self._stream.close()


@contextmanager
def unpublished(cache_dir: Path) -> Iterator[Path]:
    """A folder for entries in the making; what is not published from it goes when the block ends."""
    cache_dir.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(cache_dir)
    partial = cache_dir / f"{_PARTIAL}{uuid4().hex}"
    partial.mkdir()
    try:
        yield partial
    finally:
        shutil.rmtree(partial)


def publish(made: Path, folder: Path) -> None:
    """Give a finished entry its name in one step, in a damaged one's stead; a good one there stays."""
    while True:
        try:
            made.rename(folder)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        else:
            return
        if _is_whole(folder):
            return
        # Another process may have removed the damaged one first.
        with suppress(FileNotFoundError):
            folder.rename(made.with_name(f"damaged-{uuid4().hex}"))


def _remove_abandoned(cache_dir: Path) -> None:
    """Remove what killed processes left; a live one writes with every batch."""
    for partial in cache_dir.glob(f"{_PARTIAL}*"):
        if time.time() - _last_written(partial) > _ABANDONED_AFTER:
            shutil.rmtree(partial, ignore_errors=True)


def _last_written(partial: Path) -> float:
    """When anything in the folder was last written; now, where it vanishes meanwhile."""
    try:
        return max(item.stat().st_mtime for item in [partial, *partial.rglob("*")])
    except FileNotFoundError:
        return time.time()
