"""Images of any source, one after the other: a folder, a table, tar archives, an array."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..errors import InputMalformedError, InputMissingError, UsageError
from ..features.stored import StoredPicture
from .annex import absent, first_few, repository, require_content

MISSING_LABEL = "n/a"
_NAMED = 5
# What cannot stand in a table's cell or in the XML of an image's header.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class ListedImage:
    """One image of a source; nothing of it is read yet.

    Attributes
    ----------
    stimulus : its identity within the source
    picture : a file, or a picture inside one
    label : its category; None where there is none
    stamp : another one once the file has changed: its size and the time of its last change
    """

    stimulus: str
    picture: Path | StoredPicture
    label: str | None
    stamp: str


class ImageListing(Protocol):
    """Images in an order that is the same every time they are gone through; any number of them."""

    @property
    def path(self) -> Path:
        """The source."""

    def __iter__(self) -> Iterator[ListedImage]:
        """The images, read from the source's directory entries or headers as they are asked for."""


@dataclass(frozen=True)
class ImageSurvey:
    """What one pass over a source's names says.

    Attributes
    ----------
    n_images : how many
    n_labelled : how many have a label
    fingerprint : SHA-256 over names, labels and stamps; another one where any of them changed
    """

    n_images: int
    n_labelled: int
    fingerprint: str


def survey(listing: ImageListing, *, require_labels: bool = False) -> ImageSurvey:
    """Count the images, and check what can be checked without reading them.

    Parameters
    ----------
    listing : the source
    require_labels : refuse a source in which an image has no label

    Raises
    ------
    InputMissingError : there is no image
    ContentAbsentError : annexed files that have not been fetched
    InputMalformedError : images without a label, where labels are required; unprintable names; what the
        source's reader refuses
    """
    digest = hashlib.sha256()
    n_images = n_labelled = 0
    unlabelled: list[str] = []
    not_fetched: list[Path] = []
    for image in listing:
        _require_printable(image)
        n_images += 1
        if image.label is not None:
            n_labelled += 1
        elif len(unlabelled) < _NAMED:
            unlabelled.append(image.stimulus)
        if isinstance(image.picture, Path):
            not_fetched += absent([image.picture])
        digest.update(f"{image.stimulus}\0{image.label or ''}\0{image.stamp}\n".encode())
    if not_fetched:
        require_content(not_fetched, repository(listing.path / "any") or listing.path)
    if n_images == 0:
        raise InputMissingError(f"{listing.path} holds no image", "Give images of a kind that is read")
    if require_labels and n_labelled < n_images:
        raise InputMalformedError(
            f"{n_images - n_labelled} of {n_images} images of {listing.path} have no label:"
            f" {first_few(unlabelled)}",
            "Give each a label, or leave out --require-labels",
        )
    return ImageSurvey(n_images, n_labelled, digest.hexdigest())


def _require_printable(image: ListedImage) -> None:
    for text in (image.stimulus, image.label or ""):
        if _UNPRINTABLE.search(text):
            raise InputMalformedError(
                f"An image is named or labelled {text!r}, with characters that a table cannot hold",
                "Rename it",
            )


def file_stamp(path: Path) -> str:
    """Size and time of the last change, of what a link leads to; empty where there is nothing.

    Raises
    ------
    InputMalformedError : it cannot be looked at
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise InputMalformedError(f"{path} cannot be read ({error.strerror})", "Check what it is") from error
    return f"{found.st_size} {found.st_mtime_ns}"


def require_file(path: Path) -> None:
    """Refuse a path that is no file, or an annexed one that has not been fetched.

    Raises
    ------
    InputMissingError, ContentAbsentError : it is not there
    """
    require_content([path], repository(path) or path.parent)
    if not path.is_file():
        raise InputMissingError(f"There is no file {path}", "Check the path of the images")


def one_line(text: str) -> str | None:
    """A label as it fits into a table's cell; None where nothing is left of it."""
    label = " ".join(text.split())
    return label if label and label != MISSING_LABEL else None


def unknown_kind(path: Path) -> UsageError:
    """What to say to a path that is no source of images."""
    return UsageError(
        f"{path} is no folder of images and no .tsv, .tar, .npy, .h5 or .hdf5 file",
        "Give one of these; compressed archives must be unpacked first",
    )
