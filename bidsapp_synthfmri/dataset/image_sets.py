"""Which reader a source of images has, and small sets of images as tables."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ..errors import InputMissingError
from ..structures import StimulusSet
from .image_arrays import HDF_SUFFIXES, NPY_SUFFIXES, HdfImages, NpyImages
from .image_folder import ImageFolder, ImageTable
from .image_listing import MISSING_LABEL, ImageListing, survey, unknown_kind
from .image_tars import SUFFIX as TAR_SUFFIX
from .image_tars import ImageTars
from .stimuli import require_images


def list_images(path: Path, dataset: str | None = None) -> ImageListing:
    """The images of a source.

    Parameters
    ----------
    path : a folder, a ``.tsv`` table, a ``.tar`` archive or pattern of several, a ``.npy`` or HDF5 file
    dataset : of an HDF5 file; None means the only one of four dimensions

    Raises
    ------
    InputMissingError, ContentAbsentError : not there
    InputMalformedError : not what its suffix says
    UsageError : of no kind that is read
    """
    suffix = path.suffix.lower()
    if path.is_dir():
        return ImageFolder(path)
    if suffix == ".tsv":
        return ImageTable(path)
    if suffix == TAR_SUFFIX:
        return ImageTars.of(path)
    if suffix in NPY_SUFFIXES:
        return NpyImages.of(path)
    if suffix in HDF_SUFFIXES:
        return HdfImages.of(path, dataset)
    if not path.exists():
        raise InputMissingError(f"There is no {path}", "Check the path of the images")
    raise unknown_kind(path)


def read_image_set(
    name: str, path: Path, dataset: str | None = None, *, require_labels: bool = False
) -> StimulusSet:
    """All images of a small set, each checked to be a picture.

    Parameters
    ----------
    name : the set's name
    path, dataset : see ``list_images``
    require_labels : refuse a set in which an image has no label

    Returns
    -------
    one row an image with ``stimulus``, ``path`` (a file's name, or a picture inside a file) and, where any
    has one, ``label`` (``n/a`` where it has none)

    Raises
    ------
    InputMissingError, ContentAbsentError : not there, or without an image
    InputMalformedError : not what its suffix says, or files that are no images
    UsageError : of no kind that is read
    """
    listing = list_images(path, dataset)
    survey(listing, require_labels=require_labels)
    images = list(listing)
    pictures = [image.picture for image in images]
    columns = {
        "stimulus": [image.stimulus for image in images],
        "path": [str(picture) if isinstance(picture, Path) else picture for picture in pictures],
    }
    table = pd.DataFrame(columns)
    require_images(pictures)
    if any(image.label is not None for image in images):
        table["label"] = [image.label or MISSING_LABEL for image in images]
    return StimulusSet(name, table)
