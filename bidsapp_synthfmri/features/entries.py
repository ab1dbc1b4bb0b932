"""Matrices on disk that several processes may read and write: whole, checked, or not there."""

from __future__ import annotations

import errno
import json
import logging
import mmap
import shutil
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import numpy as np

from ..locks import is_abandoned, locked
from ..structures import FloatArray, IntArray, Json

_LOGGER = logging.getLogger(__name__)

VALUES = "values.npy"
RECORD = "entry.json"
PARTIAL = ".partial-"
LOCK = ".lock"
_ABANDONED_AFTER = 6 * 3600.0
_BYTES_A_READ = 1 << 22
_FLOAT32 = np.dtype("<f4")


def read_entry(folder: Path) -> FloatArray | None:
    """The matrix of an entry, memory-mapped read-only; None where there is none, or a damaged one.

    The file is opened once, to be checked and mapped: another process may remove the entry meanwhile.
    """
    try:
        return _checked(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        if folder.exists():
            _LOGGER.warning("%s is damaged (%s); it is computed again", folder, error)
        return None


def _checked(folder: Path) -> FloatArray:
    """The matrix of an entry; ValueError and others where it is not what was written."""
    record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    with (folder / VALUES).open("rb") as stream:
        values = _mapped(stream)
        if record["crc32"] != _checksum(values.shape, _row_checksums(stream, values)):
            raise ValueError("its checksum is another")
    return values


def map_values(folder: Path) -> FloatArray:
    """The matrix of a complete entry, unchecked."""
    with (folder / VALUES).open("rb") as stream:
        return _mapped(stream)


def _mapped(stream: BinaryIO) -> FloatArray:
    """The matrix of an open file, which is left at its first value."""
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("its format is another")
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
    if fortran_order or dtype != _FLOAT32 or len(shape) != 2:
        raise ValueError("its matrix is of another kind")
    start = stream.tell()
    values = np.memmap(stream, _FLOAT32, "r", start, shape)
    stream.seek(start)  # mapping went to the file's end
    return values


def _row_checksums(stream: BinaryIO, values: FloatArray) -> IntArray:
    """(n_rows,) CRC-32 of each row, read from the file: pages of a mapping would count as memory."""
    n_rows, n_columns = values.shape
    row_bytes = n_columns * _FLOAT32.itemsize
    block = memoryview(bytearray(row_bytes * max(1, _BYTES_A_READ // row_bytes)))
    checksums: list[int] = []
    while len(checksums) < n_rows:
        n_read = stream.readinto(block) // row_bytes  # type: ignore[attr-defined]
        if n_read == 0:
            raise ValueError("it ends too early")
        checksums += [zlib.crc32(block[row * row_bytes : (row + 1) * row_bytes]) for row in range(n_read)]
    return np.array(checksums, dtype=np.int64)


def _checksum(shape: tuple[int, ...], row_checksums: IntArray) -> int:
    """CRC-32 of a matrix's shape and its rows' CRC-32: rows may have been written in any order."""
    return zlib.crc32(row_checksums.astype("<u4").tobytes(), zlib.crc32(str(shape).encode()))


class EntryWriter:
    """Writes an entry row by row, in any order of rows, and sums it up as it goes.

    Parameters
    ----------
    folder : made here
    n_rows, n_columns : shape of the float32 matrix
    """

    def __init__(self, folder: Path, n_rows: int, n_columns: int) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._shape = (n_rows, n_columns)
        self._row_checksums: IntArray = np.zeros(n_rows, dtype=np.int64)
        self._stream = (folder / VALUES).open("wb")
        np.lib.format.write_array_header_1_0(
            self._stream,
            {"descr": _FLOAT32.str, "fortran_order": False, "shape": self._shape},
        )
        self._offset = self._stream.tell()

    def put(self, values: FloatArray, rows: Sequence[Sequence[int]]) -> None:
        """Write each of the ``values``' rows at all of its positions."""
        block = np.ascontiguousarray(values, _FLOAT32)
        for row_values, positions in zip(block, rows, strict=True):
            self._row_checksums[list(positions)] = zlib.crc32(row_values.data)
        firsts = np.array([first for first, *_ in rows], dtype=np.int64)
        # Rows that follow each other in the file, which is nearly all of them, go in one write.
        breaks = np.flatnonzero(np.diff(firsts) != 1) + 1
        for run, position in zip(np.split(block, breaks), firsts[np.r_[0, breaks]], strict=True):
            self._write(run, int(position))
        for row_values, (_, *others) in zip(block, rows, strict=True):
            for position in others:
                self._write(row_values, position)

    def _write(self, values: FloatArray, position: int) -> None:
        self._stream.seek(self._offset + position * self._shape[1] * _FLOAT32.itemsize)
        self._stream.write(values.data)

    def finish(self, record: Json) -> None:
        """Close the matrix and write its record with the checksum."""
        self.close()
        checked = {"crc32": _checksum(self._shape, self._row_checksums)} | record
        (self._folder / RECORD).write_text(json.dumps(checked, indent=2), encoding="utf-8")

    def close(self) -> None:
        """Close the matrix as it is."""
        self._stream.close()


@contextmanager
def unpublished(cache_dir: Path) -> Iterator[Path]:
    """A folder for entries in the making; what is not published from it goes when the block ends."""
    cache_dir.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(cache_dir)
    partial = cache_dir / f"{PARTIAL}{uuid4().hex}"
    partial.mkdir()
    try:
        with locked(partial / LOCK):
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
        with suppress(OSError, ValueError, KeyError, TypeError):
            _checked(folder)
            return
        # Another process may have removed the damaged one first.
        with suppress(FileNotFoundError):
            folder.rename(made.with_name(f"damaged-{uuid4().hex}"))


def _remove_abandoned(cache_dir: Path) -> None:
    """Remove what killed processes left; where locks are not known, a live one writes with every batch."""
    for partial in cache_dir.glob(f"{PARTIAL}*"):
        if is_abandoned(partial / LOCK) or time.time() - _last_written(partial) > _ABANDONED_AFTER:
            shutil.rmtree(partial, ignore_errors=True)


def _last_written(partial: Path) -> float:
    """When anything in the folder was last written; now, where it vanishes meanwhile."""
    try:
        return max(item.stat().st_mtime for item in [partial, *partial.rglob("*")])
    except FileNotFoundError:
        return time.time()


def release_pages(values: FloatArray) -> None:
    """Give back the memory of a mapped matrix's pages read so far; nothing where it is not mapped.

    Pages read through a mapping count as the process's memory for as long as it stays, and a kernel
    reads every one. Those of a read-only mapping can go at any time: the next read maps them again.
    """
    mapping = getattr(values, "_mmap", None)
    if isinstance(mapping, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        mapping.madvise(mmap.MADV_DONTNEED)
