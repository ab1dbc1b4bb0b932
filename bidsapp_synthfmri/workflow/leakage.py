"""Extra pictures that are test pictures: a decoder must not be trained on what it is tested on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..features.cache import file_sha256
from ..structures import StimulusSet


def without_pictures(images: StimulusSet, pictures: Iterable[str]) -> StimulusSet:
    """The set without images that equal one of ``pictures`` byte by byte, whatever their names."""
    tested = {file_sha256(Path(picture)) for picture in pictures}
    kept = [file_sha256(Path(path)) not in tested for path in images.table["path"]]
    return StimulusSet(images.name, images.table[kept].reset_index(drop=True))
