"""Matrices of numbers in MATLAB 5 to 7 files (``.mat``), and nothing else of them.

scipy's reader can be made to crash, and the whole program with it, by a few changed bytes. This one knows
numeric matrices alone: text, cells, structures and sparse matrices are told by name and never unpacked.

Format: MathWorks, "MAT-File Format", level 5.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

_HEADER_BYTES = 128
_MATRIX, _COMPRESSED = 14, 15
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
# Classes of arrays that hold numbers: double, single, and integers of 8 to 64 bits.
_NUMERIC = frozenset(range(6, 16))
_COMPLEX, _LOGICAL = 0x0800, 0x0200
_MOST_DIMENSIONS = 32
# A variable's head (flags, dimensions, name) is shorter than that.
_HEAD_BYTES = 4096
_PIECE_BYTES = 2**16


@dataclass(frozen=True)
class _Variable:
    """A variable's place in the file, and what its head says.

    Attributes
    ----------
    name : as MATLAB has it
    shape : None for what is no matrix of numbers
    offset, n_bytes, is_packed : of its element
    complex : has an imaginary part
    """

    name: str
    shape: tuple[int, ...] | None
    offset: int
    n_bytes: int
    is_packed: bool
    complex: bool


class MatlabFile:
    """The numeric matrices of a file.

    Parameters
    ----------
    path : the file

    Raises
    ------
    ValueError : no MATLAB 5 file, or damaged
    EOFError : truncated
    OSError : it cannot be read
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            self._order = _byte_order(file)
            self._variables = {variable.name: variable for variable in self._heads(file)}

    def shapes(self) -> dict[str, tuple[int, ...] | None]:
        """Shape of each variable's numbers; None for text, cells, structures, sparse and logical matrices."""
        return {name: variable.shape for name, variable in self._variables.items()}

    def read(self, name: str) -> NDArray[Any]:
        """A variable's numbers, in the type that they are stored in.

        Raises
        ------
        ValueError, EOFError : complex, of another number of values than the shape says, or truncated
        """
        variable = self._variables[name]
        if variable.shape is None or variable.complex:
            raise ValueError(f"{name} is no matrix of real numbers")
        count = math.prod(variable.shape)
        # Tags, padding and the head beside the values, eight bytes each at most.
        most = 8 * count + _HEAD_BYTES
        with self._path.open("rb") as file:
            file.seek(variable.offset)
            elements = _Elements(_content(file, variable.n_bytes, variable.is_packed, most), self._order)
        for _ in range(3):
            elements.take()
        kind, data = elements.take()
        if kind not in _STORED or len(data) != count * np.dtype(_STORED[kind]).itemsize:
            raise ValueError(f"{name} does not hold the {count:,} numbers that it promises")
        values = np.frombuffer(data, np.dtype(f"{self._order}{_STORED[kind]}"))
        return values.reshape(variable.shape, order="F")

    def _heads(self, file: BinaryIO) -> Iterator[_Variable]:
        offset, size = _HEADER_BYTES, self._path.stat().st_size
        while offset < size:
            file.seek(offset)
            tag = np.frombuffer(_whole(file, 8), np.dtype(f"{self._order}u4"))
            kind, n_bytes = int(tag[0]), int(tag[1])
            offset += 8
            if offset + n_bytes > size:
                raise EOFError(f"{offset + n_bytes - size} of a variable's bytes are not there")
            if kind in (_MATRIX, _COMPRESSED):
                variable = self._head(file, offset, n_bytes, kind == _COMPRESSED)
                if variable is not None:
                    yield variable
            offset += n_bytes

    def _head(self, file: BinaryIO, offset: int, n_bytes: int, is_packed: bool) -> _Variable | None:
        content = _content(file, n_bytes, is_packed, _HEAD_BYTES)
        elements = _Elements(content, self._order)
        _, flags = elements.take()
        if len(flags) < 4:
            raise ValueError("a variable has no flags")
        word = int(np.frombuffer(flags[:4], np.dtype(f"{self._order}u4"))[0])
        if word & 0xFF not in range(1, 19):
            raise ValueError(f"a variable is of the unknown class {word & 0xFF}")
        kind, data = elements.take()
        shape = tuple(int(n) for n in np.frombuffer(data, np.dtype(f"{self._order}i4")))
        _, name = elements.take()
        if not name:
            return None  # of MATLAB's own workspace
        is_numeric = word & 0xFF in _NUMERIC and not word & _LOGICAL
        if is_numeric and (kind != 5 or not 2 <= len(shape) <= _MOST_DIMENSIONS or min(shape) < 0):
            raise ValueError(f"a variable's shape is {shape}")
        return _Variable(
            name=name.decode("latin-1"),
            shape=shape if is_numeric else None,
            offset=offset,
            n_bytes=n_bytes,
            is_packed=is_packed,
            complex=bool(word & _COMPLEX),
        )


class _Elements:
    """Data elements one after the other: what kind, and its bytes."""

    def __init__(self, content: bytes, order: str) -> None:
        self._content = content
        self._word = np.dtype(f"{order}u4")
        self._at = 0

    def take(self) -> tuple[int, bytes]:
        """The next element; EOFError where it is not whole."""
        head = self._content[self._at : self._at + 8]
        if len(head) < 8:
            raise EOFError("a variable ends too early")
        first, second = (int(word) for word in np.frombuffer(head, self._word))
        if first >> 16:  # up to four bytes within the tag
            kind, n_bytes, start, step = first & 0xFFFF, first >> 16, self._at + 4, 8
        else:
            kind, n_bytes, start, step = first, second, self._at + 8, 8 + second + -second % 8
        data = self._content[start : start + n_bytes]
        if len(data) < n_bytes or (first >> 16 and n_bytes > 4):
            raise EOFError("a variable ends too early")
        self._at += step
        return kind, data


def _byte_order(file: BinaryIO) -> str:
    header = _whole(file, _HEADER_BYTES)
    order = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}.get(header[124:])
    if order is None:
        raise ValueError("not a MATLAB 5 file")
    return order


def _content(file: BinaryIO, n_bytes: int, is_packed: bool, most: int) -> bytes:
    """Of a matrix's elements the first ``most`` bytes at least, unpacked, less its own tag where packed."""
    if not is_packed:
        return file.read(min(n_bytes, most))
    unpacker, pieces = zlib.decompressobj(), []
    left, missing = n_bytes, most + 8
    while left and missing > 0 and not unpacker.eof:
        packed = _whole(file, min(left, _PIECE_BYTES))
        left -= len(packed)
        pieces.append(unpacker.decompress(packed, missing))
        missing -= len(pieces[-1])
    return b"".join(pieces)[8:]


def _whole(file: BinaryIO, n_bytes: int) -> bytes:
    content = file.read(n_bytes)
    if len(content) < n_bytes:
        raise EOFError("it ends too early")
    return content
