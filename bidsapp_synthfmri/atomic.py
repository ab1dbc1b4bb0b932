"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A binary stream whose content becomes ``path`` when the block ends without an exception.

    The content goes to a hidden file of the same folder, is flushed to the disk and then takes the
    name in one step: whoever reads ``path``, or is left with it after a kill, finds the old file or
    the new one, whole.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.parent / f".{path.name}.{uuid4().hex}.partial"
    try:
        # open(), not tempfile: the file takes the mode that the user's umask asks for.
        with partial.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path``, whole or not at all."""
    with replacing(path) as stream:
        stream.write(content)
