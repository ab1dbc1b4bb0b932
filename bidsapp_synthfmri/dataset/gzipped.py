"""Files read front to back, gzipped or plain, with the fastest gzip library that is installed."""

from __future__ import annotations

import gzip
import zlib
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import BinaryIO, cast

_STANDARD = "zlib"
# Fastest first: on a run of BOLD, zlib-ng takes a half and isal 0.54 of the standard library's time.
_MODULES = {"zlib-ng": ("zlib_ng.gzip_ng", "zlib_ng.zlib_ng"), "isal": ("isal.igzip", "isal.isal_zlib")}
_PIECE_BYTES = 2**20
# A byte of deflate unpacks to at most so many: 258 bytes take two bits.
_DEFLATE_MOST = 1032


@cache
def installed() -> tuple[str, ...]:
    """Names of the libraries that can be used, fastest first: ``zlib-ng``, ``isal``, ``zlib``."""
    return (*(name for name in _MODULES if _module(name) is not None), _STANDARD)


def library() -> str:
    """Name of the library that ``open_stream`` uses by default."""
    return installed()[0]


def open_stream(path: Path, using: str | None = None) -> BinaryIO:
    """A file's content from its first byte on, unpacked where its name ends in ``.gz``.

    Parameters
    ----------
    path : a gzip file of one or more members, or a plain file
    using : one of ``installed()``; None means the fastest

    Raises
    ------
    OSError : the file is not there, may not be read, or is no gzip file
    one of ``errors()`` : later, from ``read``: truncated, damaged, or unlike its checksum
    """
    if path.suffix.lower() != ".gz":
        return path.open("rb")
    module = _module(using or library())
    return cast(BinaryIO, (module or gzip).open(path, "rb"))


def errors() -> tuple[type[Exception], ...]:
    """What reading a truncated or damaged file raises, whatever the library."""
    own = [import_module(_MODULES[name][1]).error for name in installed() if name != _STANDARD]
    return (EOFError, OSError, zlib.error, *own)


def read_whole(file: BinaryIO, n_bytes: int) -> bytes:
    """The next bytes of a file.

    Raises
    ------
    EOFError : there are fewer
    """
    content = file.read(n_bytes)
    if len(content) < n_bytes:
        raise EOFError(f"{n_bytes - len(content)} of the next {n_bytes} bytes are not there")
    return content


def read_to_checksum(file: BinaryIO) -> None:
    """Read what is left, which may be a little padding: a gzip file's checksum is compared at its end.

    Raises
    ------
    EOFError : over a mebibyte is left, which is none of the image
    """
    n_left = 0
    while n_bytes := len(file.read(_PIECE_BYTES)):
        n_left += n_bytes
        if n_left > _PIECE_BYTES:
            raise EOFError(f"it goes on for over {_PIECE_BYTES:,} bytes behind its last volume")


def most_unpacked(path: Path) -> int:
    """The most bytes that ``open_stream`` can give of a file, by its size on disk."""
    size = path.stat().st_size
    return size * _DEFLATE_MOST if path.suffix.lower() == ".gz" else size


@cache
def _module(name: str) -> ModuleType | None:
    try:
        return import_module(_MODULES[name][0]) if name in _MODULES else None
    except ImportError:
        return None
