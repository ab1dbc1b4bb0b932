"""BOLD5000 release 1: one matrix an ROI, trials x voxels, in MATLAB or HDF5 files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ..errors import InputMalformedError, UsageError
from ..structures import BoolArray, FloatArray, IntArray, VoxelSpace
from .annex import first_few
from .hdf5 import own_items, require_own
from .matching import count_mismatch, rows_of_trials
from .matlab import MatlabFile
from .names import roi_alias
from .rois import choose_rois
from .structures import Asked, Precomputed, none_missing
from .volumes import reading

_FILE = re.compile(r"(?P<participant>[^_]+)_ROIs_(?P<window>TR\d+)\.(?P<kind>h5|mat)")
_ROI_KEY = re.compile(r"[LR]H[A-Za-z0-9]+")
_BEST_WINDOW = "TR34"
_LONGEST_NIFTI_AXIS = 32767
_AGAIN = "Fetch the file again"
Matrix = NDArray[Any]


def participant_of(path: Path) -> str | None:
    """Label of the participant that a file of release 1 is named for; None where its name does not say."""
    match = _FILE.fullmatch(path.name)
    return match["participant"].removeprefix("sub-") if match else None


def choose_file(files: Iterable[Path]) -> Path:
    """The file to use of one participant's: that of TRs 3 and 4, HDF5 rather than MATLAB.

    Raises
    ------
    UsageError : several single TRs and no mean of 3 and 4, or files of one name in several folders
    """
    by_window: dict[str, list[Path]] = {}
    for path in files:
        if match := _FILE.fullmatch(path.name):
            by_window.setdefault(match["window"], []).append(path)
    if _BEST_WINDOW not in by_window and len(by_window) > 1:
        raise UsageError(
            f"There are responses of several volumes, {', '.join(sorted(by_window))}, and none of TR34",
            "Give the file of one of them with --responses",
        )
    there = by_window.get(_BEST_WINDOW) or next(iter(by_window.values()))
    best = [path for path in there if path.suffix == ".h5"] or there
    if len(best) > 1:
        raise UsageError(
            f"Several files could be meant: {', '.join(map(str, best))}",
            "Give the file of one of them with --responses",
        )
    return best[0]


def open_roi_matrices(path: Path, asked: Asked) -> Precomputed:
    """Responses of one file, matched by their number: nothing in it says which trial a row is.

    Parameters
    ----------
    path : ``CSIx_ROIs_TRn.h5`` or ``.mat``, or a file of the same content
    asked : the trials, and the names of ROIs

    Returns
    -------
    Precomputed, its voxels a list: the file does not say where they lie

    Raises
    ------
    InputMalformedError : no ROI in it, another number of trials, or which axis is trials cannot be told
    NothingMatchedError : an ROI asked for that the file has not
    """
    shapes, ignored = _shapes(path)
    n_rows, transposed = _orientation(path, shapes, asked)
    rows = rows_of_trials(path, n_rows, asked.trials, asked.every)
    keys = list(shapes)
    chosen = choose_rois(
        [roi_alias(key) for key in keys], asked.rois, f"{path} has no ROI", "give another file"
    )
    selected = {roi_alias(keys[position]): keys[position] for position in chosen}
    values, membership = _join(_matrices(path, selected, transposed, rows))
    return Precomputed(
        trials=asked.trials,
        voxels=_list_of_voxels(tuple(selected), membership, asked.files.space),
        files=(path,),
        masks=(),
        source=f"BOLD5000 release 1, {path.name}",
        notes=_notes(path, membership, ignored),
        missing=none_missing(),
        read=partial(np.copy, values),
    )


def _shapes(path: Path) -> tuple[dict[str, tuple[int, int]], list[str]]:
    """Shape of every ROI's matrix, in order of name, and the keys that are no ROI."""
    with _opened(path) as content:
        found = content.shapes()
    shapes = {
        key: (shape[0], shape[1])
        for key, shape in sorted(found.items())
        if shape is not None and len(shape) == 2 and _ROI_KEY.fullmatch(key)
    }
    if not shapes or not any(shape[0] * shape[1] for shape in shapes.values()):
        raise InputMalformedError(
            f"{path} has no matrix named for an ROI, such as LHPPA; its keys are"
            f" {', '.join(sorted(found)) or 'none'}",
            "Give a file whose keys are LH or RH and an ROI's name, each trials x voxels",
        )
    names = [roi_alias(key) for key in shapes]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputMalformedError(f"{path} has two matrices for {', '.join(twice)}", "Keep one of them")
    return shapes, sorted(set(found) - set(shapes))


def _orientation(path: Path, shapes: Mapping[str, tuple[int, int]], asked: Asked) -> tuple[int, bool]:
    """Number of rows, and whether trials are the second axis, as in HDF5 that MATLAB wrote."""
    counts = {len(asked.every), len(asked.trials)}
    possible = [
        (count, bool(axis))
        for count in sorted(counts, reverse=True)
        for axis in (0, 1)
        if all(shape[axis] == count for shape in shapes.values())
    ]
    if len({transposed for _, transposed in possible}) > 1:
        raise InputMalformedError(
            f"Which axis of {path} is trials cannot be told: its matrices are square,"
            f" {first_few([f'{key} {shape}' for key, shape in shapes.items()])}",
            "Give a file with more ROIs, or one whose numbers of trials and voxels differ",
        )
    if possible:
        return possible[0]
    for axis in (0, 1):
        lengths = {shape[axis] for shape in shapes.values()}
        if len(lengths) == 1:
            raise count_mismatch(path, lengths.pop(), asked.every)
    raise InputMalformedError(
        f"{path} has matrices that share no number of trials:"
        f" {first_few([f'{key} {shape}' for key, shape in shapes.items()])}",
        _AGAIN,
    )


def _matrices(
    path: Path, selected: Mapping[str, str], transposed: bool, rows: IntArray
) -> Iterator[FloatArray]:
    """Each ROI's (n_trials, n_voxels)."""
    with _opened(path) as content:
        for key in selected.values():
            matrix = content.read(key)
            if matrix.dtype.kind not in "iuf":
                raise InputMalformedError(f"{path}: {key} holds no real numbers", _AGAIN)
            yield np.asarray((matrix.T if transposed else matrix)[rows], dtype=np.float32)


def _join(matrices: Iterable[FloatArray]) -> tuple[FloatArray, BoolArray]:
    """(n_trials, n_voxels), and (n_rois, n_voxels) which ROIs each lies in.

    A column that another ROI has too, number for number over all trials, is the same voxel: ROIs overlap.
    """
    columns: list[FloatArray] = []
    voxel_of: dict[bytes, int] = {}
    members: list[set[int]] = []
    for matrix in matrices:
        mine: set[int] = set()
        for column in np.ascontiguousarray(matrix.T):
            key = column.tobytes()
            voxel = voxel_of.get(key)
            if voxel is None or voxel in mine or not np.ptp(column) > 0:
                voxel = voxel_of[key] = len(columns)
                columns.append(column)
            mine.add(voxel)
        members.append(mine)
    if not columns:
        raise InputMalformedError("The ROIs asked for have no voxel", "Choose others with --roi")
    membership = np.array([[voxel in mine for voxel in range(len(columns))] for mine in members], dtype=bool)
    return np.stack(columns, axis=1), membership


def _list_of_voxels(names: tuple[str, ...], membership: BoolArray, space: str) -> VoxelSpace:
    """Voxels one beside the other; several rows of them where NIfTI's axis is too short."""
    n_voxels = membership.shape[1]
    length = min(n_voxels, _LONGEST_NIFTI_AXIS)
    shape = (length, -(-n_voxels // length), 1)
    ijk = np.stack(np.unravel_index(np.arange(n_voxels), shape), axis=1).astype(np.int64)
    return VoxelSpace(ijk, np.eye(4), shape, names, membership, space)


def _notes(path: Path, membership: BoolArray, ignored: list[str]) -> tuple[str, ...]:
    notes = [
        f"{path.name} does not say which trial a row is: only the number of its rows was checked against the"
        " events, and their order is taken to be that of presentation.",
        f"{path.name} does not say where its voxels lie: maps of them are lists without anatomy.",
    ]
    if shared := int((membership.sum(axis=0) > 1).sum()):
        notes.append(
            f"{shared} voxels of {path.name} have the same responses in more than one ROI: each is taken to"
            " be one voxel that lies in all of them."
        )
    if ignored:
        notes.append(f"{path.name} has keys that are no ROI and were left out: {', '.join(ignored)}.")
    if participant_of(path) is None:
        notes.append(f"The name of {path.name} does not say whose responses it holds.")
    return tuple(notes)


class _Hdf5:
    def __init__(self, file: Any) -> None:
        self._file = file

    def shapes(self) -> dict[str, tuple[int, ...] | None]:
        """Shape of each key's numbers; None for what is no array of numbers."""
        return {
            key: tuple(item.shape) if isinstance(item, h5py.Dataset) and item.dtype.kind in "iuf" else None
            for key, item in own_items(self._file).items()
        }

    def read(self, key: str) -> Matrix:
        matrix = own_items(self._file)[key]
        require_own(matrix)
        return np.asarray(matrix[()])


@contextmanager
def _opened(path: Path) -> Iterator[_Hdf5 | MatlabFile]:
    """The file's content, whichever of the two formats it has; MATLAB 7.3 writes HDF5 too."""
    with reading(path):
        try:
            if h5py.is_hdf5(path):
                with h5py.File(path, "r") as file:
                    yield _Hdf5(file)
            else:
                yield MatlabFile(path)
        except (KeyError, TypeError, IndexError, RuntimeError) as error:  # h5py's, on damaged files
            raise ValueError(str(error)) from error
