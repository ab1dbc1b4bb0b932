"""Extra pictures that are test pictures: a decoder must not be trained on what it is tested on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from ..structures import StimulusSet


def without_pictures(images: StimulusSet, pictures: Iterable[str]) -> StimulusSet:
    """The set without images that equal one of ``pictures`` byte by byte, whatever their names."""
    tested = {_digest(picture) for picture in pictures}
    kept = [_digest(path) not in tested for path in images.table["path"]]
    return StimulusSet(images.name, images.table[kept].reset_index(drop=True))


def _digest(path: str) -> str:
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
