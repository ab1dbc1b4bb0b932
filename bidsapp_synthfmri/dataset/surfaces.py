"""BOLD on the surfaces of two hemispheres, as fMRIPrep writes it: GIFTI, an array of vertices a volume."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import iterparse

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError

from ..errors import InputMalformedError
from ..structures import FloatArray, SurfaceSpace
from .structures import ParticipantFiles, RunFiles
from .volumes import reading

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
        for _, element in iterparse(file, events=("start",)):
            if element.tag == "GIFTI":
                n_volumes = int(element.get("NumberOfDataArrays", 0))
            elif element.tag == "DataArray":
                n_dimensions, n_vertices = (int(element.get(key, 0)) for key in ("Dimensionality", "Dim0"))
                break
    if n_volumes < 2 or n_dimensions != 1 or n_vertices < 1:
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
    with reading(path):
        image: Any = nib.load(path)
        if not isinstance(image, nib.GiftiImage):
            raise ImageFileError("not GIFTI")
        values = [array.data for array in image.darrays]
    if len(values) < 2 or any(value.shape != values[0].shape or value.ndim != 1 for value in values):
        raise _no_series(path)
    if len(values[0]) != n_vertices:
        raise InputMalformedError(
            f"{path} has {len(values[0])} vertices, not the {n_vertices} of the participant's first run",
            "Use runs of one surface: choose another with --space, or sessions with --session-label",
        )
    return values


def _no_series(path: Path) -> InputMalformedError:
    return InputMalformedError(f"{path} is no series of volumes on a surface", _REMEDY)
