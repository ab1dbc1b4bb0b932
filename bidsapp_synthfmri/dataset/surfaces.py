"""BOLD on the surfaces of two hemispheres, as fMRIPrep writes it: GIFTI, an array of vertices a volume."""

from __future__ import annotations

import math
import zlib
from base64 import b64decode
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import iterparse  # nosec B405 - expat bounds entities

import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.gifti.parse_gifti_fast import GiftiImageParser, GiftiParseError
from nibabel.gifti.util import gifti_encoding_codes
from nibabel.nifti1 import data_type_codes

from ..errors import InputMalformedError
from ..structures import FloatArray, SurfaceSpace
from .structures import ParticipantFiles, RunFiles
from .volumes import reading

# A mebibyte of deflate unpacks to a gibibyte at most.
_SMALL_BYTES = 2**20
_SHORT_BYTES = 1024
# Ten times the finest surface of a head, and more volumes than a day of scanning has.
_MOST_VERTICES = 2_000_000
_MOST_VOLUMES = 1_000_000
# What nibabel raises on words that GIFTI does not have.
_UNKNOWN_WORDS = (LookupError, AssertionError, TypeError, AttributeError)
_REMEDY = "Fetch or make the file again: one array of vertices a volume, as fMRIPrep writes it"


def surface_shape(path: Path) -> tuple[int, int]:
    """(n_volumes, n_vertices) of a GIFTI series, from the file's beginning.

    Raises
    ------
    InputMissingError : not there
    InputMalformedError : damaged, or no series
    """
    n_volumes, n_dimensions, n_vertices = 0, 0, 0
    with reading(path), path.open("rb") as file:
        for _, element in iterparse(file, events=("start",)):  # nosec B314 - expat bounds entities
            if element.tag == "GIFTI":
                n_volumes = int(element.get("NumberOfDataArrays", 0))
            elif element.tag == "DataArray":
                n_dimensions, n_vertices = (int(element.get(key, 0)) for key in ("Dimensionality", "Dim0"))
                break
    possible = 2 <= n_volumes <= _MOST_VOLUMES and 1 <= n_vertices <= _MOST_VERTICES
    if n_dimensions != 1 or not possible:
        raise _no_series(path)
    return n_volumes, n_vertices


def read_surface_space(files: ParticipantFiles) -> SurfaceSpace:
    """All vertices of both hemispheres, as many as the first run has; no ROI is known on surfaces.

    Raises
    ------
    see ``surface_shape``
    """
    left, right = (surface_shape(path)[1] for path in files.runs[0].bold_files)
    return SurfaceSpace(
        vertices=np.concatenate([np.arange(left), np.arange(right)]),
        is_right=np.arange(left + right) >= left,
        n_vertices=(left, right),
        roi_names=(),
        membership=np.zeros((0, left + right), dtype=bool),
        space=files.space,
    )


def read_hemispheres(run: RunFiles, space: SurfaceSpace) -> FloatArray:
    """A run's series at some vertices.

    Parameters
    ----------
    run : with two BOLD files
    space : vertices of surfaces of the same size

    Returns
    -------
    (n_volumes, n_vertices) float32, in the files' unit, left hemisphere first

    Raises
    ------
    InputMissingError : not there
    InputMalformedError : damaged, no series, of other surfaces, or of different lengths
    """
    left, right = (
        _read_series(path, size) for path, size in zip(run.bold_files, space.n_vertices, strict=True)
    )
    if len(left) != len(right):
        raise InputMalformedError(
            f"{run.bold_files[1]} has {len(right)} volumes, but {run.bold} has {len(left)}",
            "Fetch or make both again: they are not of the same run",
        )
    series = np.empty((len(left), len(space)), dtype=np.float32)
    for values, columns in ((left, ~space.is_right), (right, space.is_right)):
        vertices = space.vertices[columns]
        for row, value in zip(series, values, strict=True):
            row[columns] = value[vertices]
    return series


def _read_series(path: Path, n_vertices: int) -> list[Any]:
    """One (n_vertices,) array a volume."""
    with reading(path), path.open("rb") as file:
        parser: Any = _SeriesParser()  # type: ignore[no-untyped-call]
        try:
            parser.parse(fptr=file)
        except _UNKNOWN_WORDS as error:
            raise ImageFileError(f"not GIFTI: {error!r}") from error
        if parser.img is None:
            raise ImageFileError("not GIFTI")
        values = [array.data for array in parser.img.darrays]
    if len(values) < 2 or any(value.shape != values[0].shape or value.ndim != 1 for value in values):
        raise _no_series(path)
    if len(values[0]) != n_vertices:
        raise InputMalformedError(
            f"{path} has {len(values[0])} vertices, not the {n_vertices} of the participant's first run",
            "Use runs of one surface: choose another with --space, or sessions with --session-label",
        )
    return values


class _SeriesParser(GiftiImageParser):
    """nibabel's parser, which opens no other file and unpacks no more than an array holds."""

    def StartElementHandler(self, name: str, attrs: dict[str, str]) -> None:  # noqa: N802
        if name == "DataArray" and attrs.get("Encoding") == "ExternalFileBinary":
            raise GiftiParseError(f"its values lie in another file, {attrs.get('ExternalFileName')}")
        super().StartElementHandler(name, attrs)  # type: ignore[no-untyped-call]

    def flush_chardata(self) -> None:
        parser: Any = self
        if parser.write_to == "Data" and parser._char_blocks:
            _require_promised(parser.da, parser._char_blocks)
        super().flush_chardata()  # type: ignore[no-untyped-call]


def _require_promised(array: Any, blocks: Sequence[str]) -> None:
    """Refuse packed text that could unpack to far more than the array that it is of holds."""
    if gifti_encoding_codes.label[array.encoding] != "B64GZ":
        return
    dtypes: Any = data_type_codes.dtype
    promised = math.prod(array.dims) * dtypes[array.datatype].itemsize
    n_packed = sum(map(len, blocks)) // 4 * 3
    too_long = n_packed > 2 * promised + _SHORT_BYTES
    if not too_long and n_packed > _SMALL_BYTES:
        packed = b64decode("".join(blocks))
        too_long = len(zlib.decompressobj().decompress(packed, promised + 1)) > promised
    if too_long:
        raise GiftiParseError(f"an array of it unpacks to more than the {promised:,} bytes it promises")


def _no_series(path: Path) -> InputMalformedError:
    return InputMalformedError(f"{path} is no series of volumes on a surface", _REMEDY)
