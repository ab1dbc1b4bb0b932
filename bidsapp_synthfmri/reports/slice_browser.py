"""Slices through the voxels to go through one by one, without a script: the page's own buttons choose."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.colors import Normalize
from numpy.typing import NDArray
from PIL import Image

from ..derivatives.results import EncoderMaps
from ..structures import IntArray
from .drawing import COLOURS
from .map_figure import ACCURACY_COLOURS, accuracy_limit, millimetres_of, turned_grid

# Name of a plane, the axis across it, and those from left to right and from below upwards, of a grid turned
# to right, anterior, superior.
_PLANES = (("Axial", 2, 0, 1), ("Coronal", 1, 0, 2), ("Sagittal", 0, 1, 2))
_LETTERS = "xyz"
_MOST_SLICES = 64


@dataclass(frozen=True)
class Slice:
    """One slice.

    Attributes
    ----------
    place : where it lies, in words
    source : the picture, as a data URI
    first : whether it is the one to be shown first
    """

    place: str
    source: str
    first: bool


@dataclass(frozen=True)
class Plane:
    """All slices of one orientation, from the first to the last along ``axis``."""

    name: str
    axis: str
    slices: tuple[Slice, ...]


def slice_browser(maps: EncoderMaps) -> tuple[Plane, ...]:
    """Accuracy in axial, coronal and sagittal slices.

    Parameters
    ----------
    maps : of voxels of a volume, with an accuracy in at least one

    Notes
    -----
    The left hemisphere is on the left, anterior and superior are up or, in sagittal slices, to the right. Of
    more than 64 slices of a plane as many are shown, evenly spread.
    """
    ijk, shape = turned_grid(maps.voxels)
    pixels = _colours(maps)
    return tuple(_plane(maps, ijk, shape, pixels, *plane) for plane in _PLANES)


def _colours(maps: EncoderMaps) -> IntArray:
    """(n_voxels, 4) bytes of colour and opacity; clear where the accuracy is not known."""
    colours = mpl.colormaps[ACCURACY_COLOURS].with_extremes(under=COLOURS["muted"])
    pixels: IntArray = colours(Normalize(0, accuracy_limit(maps))(maps.r), bytes=True)
    pixels[~np.isfinite(maps.r), 3] = 0
    return pixels


def _plane(
    maps: EncoderMaps,
    ijk: IntArray,
    shape: tuple[int, int, int],
    pixels: IntArray,
    name: str,
    across: int,
    right: int,
    up: int,
) -> Plane:
    positions, n_voxels = np.unique(ijk[:, across], return_counts=True)
    if len(positions) > _MOST_SLICES:
        even = np.linspace(0, len(positions) - 1, _MOST_SLICES).round().astype(np.int64)
        positions, n_voxels = positions[even], n_voxels[even]
    places = millimetres_of(maps.voxels, ijk, across, positions)
    fullest = int(n_voxels.argmax())
    slices = []
    for number, (position, place) in enumerate(zip(positions, places, strict=True)):
        own = ijk[:, across] == position
        picture = np.zeros((shape[up], shape[right], 4), dtype=np.uint8)
        picture[shape[up] - 1 - ijk[own, up], ijk[own, right]] = pixels[own]
        text = f"{_LETTERS[across]} = {place:.0f} mm".replace("-", "\N{MINUS SIGN}")
        slices.append(Slice(text, _png(picture), number == fullest))
    return Plane(name, _LETTERS[across], tuple(slices))


def _png(picture: NDArray[np.uint8]) -> str:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
