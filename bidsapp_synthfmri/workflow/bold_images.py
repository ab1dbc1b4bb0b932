"""The images of a synthetic scan, as its events and its folder of pictures have them."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath

import pandas as pd

from ..dataset.image_folder import IMAGE_SUFFIXES
from ..dataset.image_listing import MISSING_LABEL
from ..errors import InputMalformedError
from ..features.images import open_rgb, sources_of
from ..features.stored import StoredPicture
from ..structures import StimulusSet

# The condition of images without a label: n/a would be none to those who fit conditions.
_UNLABELLED = "image"


@dataclass(frozen=True)
class ScanImage:
    """One image.

    Attributes
    ----------
    picture : where it is
    label : its category, ``image`` where that is not known
    file : its name in the scan's folder of pictures
    """

    picture: Path | StoredPicture
    label: str
    file: str

    @property
    def content(self) -> bytes:
        """The picture's file, byte for byte where there is one, else as PNG."""
        content = self.picture.read_bytes() if isinstance(self.picture, Path) else self.picture.content()
        if isinstance(content, bytes):
            return content
        packed = BytesIO()
        open_rgb(content).save(packed, "PNG")
        return packed.getvalue()


def scan_images(images: StimulusSet) -> dict[str, ScanImage]:
    """Every image, by its name in the set.

    Raises
    ------
    InputMalformedError : a name that leads out of a folder
    """
    outside = [name for name in images.stimuli if _leads_outside(name)]
    if outside:
        raise InputMalformedError(
            f"The image {outside[0]} has a name that leads out of a folder of pictures",
            "Name images relative to one folder",
        )
    unlabelled = pd.Series(_UNLABELLED, index=images.table.index)
    labels = images.table.get("label", unlabelled).replace(MISSING_LABEL, _UNLABELLED)
    parts = zip(images.stimuli, sources_of(images), labels, strict=True)
    return {name: ScanImage(picture, str(label), _file_name(name)) for name, picture, label in parts}


def _file_name(stimulus: str) -> str:
    """A picture out of an array becomes a PNG file."""
    return stimulus if PurePosixPath(stimulus).suffix.lower() in IMAGE_SUFFIXES else f"{stimulus}.png"


def _leads_outside(name: str) -> bool:
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts or "\\" in name
