"""Parts of an encoder's fit as units: layer kernels, and ridge of a layer to a block of voxels."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load, save

from ..atomic import replacing
from ..encoding import Folds
from ..encoding.kernels import linear_kernel
from ..encoding.left_out import FoldSolver
from ..encoding.left_out_spread import Diagonals
from ..encoding.nesting import Outer, outer_loop
from ..encoding.ridges import OWN_PARTS, FitParts
from ..encoding.training import (
    Allocate,
    BatchScores,
    PenaltySearch,
    Progress,
    TrainingSet,
    in_memory,
    untold,
)
from ..features.entries import map_values
from ..structures import FloatArray, IntArray, LayerFeatures
from .executors import Executor, executor_here

# The place of a turn of the outer loop in a fit to all trials.
_WHOLE = -1
_ARRAYS = tuple(field.name for field in fields(BatchScores) if field.name != "voxels")
_KERNELS, _VALUES, _INDEX, _LABELS = "kernels.npy", "values.npy", "index.npy", "folds.npy"


def fit_parts() -> FitParts:
    """Who computes the parts of a fit here: all who share the work, or nobody else."""
    executor = executor_here()
    if not executor.spare:
        return OWN_PARTS
    return FitParts(partial(shared_kernels, executor), partial(SharedRidges, executor))


@dataclass(frozen=True)
class KernelUnit:
    """One layer's kernel.

    Attributes
    ----------
    entry : the layer's features in the cache
    rows : file of the rows to use
    result : file to make, (n_rows, n_rows) float32
    device : where to compute
    """

    entry: Path
    rows: Path
    result: Path
    device: str


def make_kernel(unit: KernelUnit) -> bool:
    """Make the kernel's file; False where the features have left the cache."""
    try:
        features = map_values(unit.entry)
    except FileNotFoundError:
        return False
    kernel = linear_kernel(features, _load(unit.rows), torch.device(unit.device))
    _save(unit.result, kernel.float().cpu().numpy())
    return True


def shared_kernels(
    executor: Executor,
    layers: Sequence[LayerFeatures],
    rows: IntArray,
    device: torch.device,
    allocate: Allocate = in_memory,
    progress: Progress = untold,
) -> FloatArray:
    """What ``training.layer_kernels`` gives, a unit a layer."""
    kernels = allocate((len(layers), len(rows), len(rows)))
    folder = _new_folder(executor)
    _save(folder / "rows.npy", rows)
    units = [
        KernelUnit(layer.entry or folder / "none", folder / "rows.npy", folder / f"{number}.npy", str(device))
        for number, layer in enumerate(layers)
    ]
    for number, is_made in enumerate(executor.map(make_kernel, units)):
        if is_made:
            kernels[number] = _load(units[number].result)
            units[number].result.unlink()
        else:
            kernel = linear_kernel(layers[number].values, rows, device)
            kernels[number] = kernel.float().cpu().numpy()
        progress("kernels", number + 1, len(layers))
    shutil.rmtree(folder)
    return kernels


@dataclass(frozen=True)
class RidgeUnit:
    """Ridge of a layer to some trials of a block of voxels.

    Attributes
    ----------
    folder : of the training set's files
    layers : their names
    penalties : how to search
    layer : which of them
    turn : of the outer loop, whose rest is fitted to; -1 for all trials
    block : number of the block of voxels
    predictions : whether predictions and dual weights are wanted, beside the scores
    """

    folder: Path
    layers: tuple[str, ...]
    penalties: PenaltySearch
    layer: int
    turn: int
    block: int
    predictions: bool

    @property
    def result(self) -> Path:
        """The file to make."""
        return self.folder / f"layer{self.layer}_turn{self.turn}_block{self.block}.npz"


def make_ridge(unit: RidgeUnit) -> None:
    """Make the file of the block's scores."""
    training = _training(unit.folder, unit.layers, unit.penalties)
    solver, rows = _solver(unit.folder, unit.layers, unit.penalties, unit.layer, unit.turn)
    scores = training.block_scores(solver, rows, training.voxel_blocks()[unit.block])
    kept = _ARRAYS if unit.predictions else ("r2",)
    _save_all(unit.result, {name: getattr(scores, name) for name in kept})


@dataclass(frozen=True)
class DiagonalUnit:
    """G's diagonal for some penalties of one layer's ridge to all trials; else as ``RidgeUnit``."""

    folder: Path
    layers: tuple[str, ...]
    penalties: PenaltySearch
    layer: int
    alphas: tuple[float, ...]

    @property
    def result(self) -> Path:
        """The file to make."""
        return self.folder / f"layer{self.layer}_diagonals.npz"


def make_diagonals(unit: DiagonalUnit) -> float:
    """Make the file of the diagonals; the kernel's scale."""
    training = _training(unit.folder, unit.layers, unit.penalties)
    everything = np.arange(len(training.values))
    decomposition = training.decomposed(training.kernel(unit.layer), everything)
    found = Diagonals.of(decomposition, np.array(unit.alphas))
    _save_all(unit.result, {"penalties": found.penalties, "values": found.values})
    return decomposition.scale


class SharedRidges:
    """Takes the place of ``ridges.OwnRidges``: the same, block by block, by all who share the work.

    Parameters
    ----------
    executor : of the work
    training, turns : what to fit on; the arrays go to files, until ``diagonals`` were asked for
    """

    def __init__(self, executor: Executor, training: TrainingSet, turns: Sequence[Outer]) -> None:
        self._executor = executor
        self._training = training
        self._turns = turns
        self._folder = _new_folder(executor)
        self._done: Iterator[RidgeUnit] | None = None
        self._alphas: list[tuple[float, ...]] = []
        for name, array in (
            (_KERNELS, training.kernels),
            (_VALUES, training.values),
            (_INDEX, training.index),
            (_LABELS, training.folds.labels),
        ):
            _save(self._folder / name, array)

    def rest(self, turn: int, layer: int, *, predictions: bool) -> Iterator[BatchScores]:
        """See ``Ridges``; turns and layers in their order."""
        return self._blocks(turn, layer, predictions)

    def whole(self, layer: int) -> Iterator[BatchScores]:
        """See ``Ridges``."""
        chosen = []
        for scores in self._blocks(_WHOLE, layer, True):
            chosen.append(scores.alpha)
            yield scores
        self._alphas.append(tuple(np.unique(np.concatenate(chosen)).tolist()))

    def diagonals(self) -> tuple[tuple[Diagonals, ...], tuple[float, ...]]:
        """See ``Ridges``; then the files go."""
        if self._done is not None and next(self._done, None) is not None:
            raise ValueError("diagonals were asked for before all trials were fitted to")
        training = self._training
        units = [
            DiagonalUnit(self._folder, training.layers, training.penalties, layer, alphas)
            for layer, alphas in enumerate(self._alphas)
        ]
        scales = tuple(self._executor.map(make_diagonals, units))
        found = []
        for unit in units:
            stored = _load_all(unit.result)
            found.append(Diagonals(stored["penalties"], stored["values"]))
        shutil.rmtree(self._folder)
        return tuple(found), scales

    def _blocks(self, turn: int, layer: int, predictions: bool) -> Iterator[BatchScores]:
        if self._done is None:
            self._done = self._all(predictions)
        for number, voxels in enumerate(self._training.voxel_blocks()):
            unit = next(self._done)
            if (unit.turn, unit.layer, unit.block) != (turn, layer, number):
                raise ValueError("turns, layers and blocks were asked for in another order")
            arrays = _load_all(unit.result)
            unit.result.unlink()
            nothing = np.empty(0, dtype=np.float32)
            yield BatchScores(voxels, *(arrays.get(name, nothing) for name in _ARRAYS))

    def _all(self, predictions: bool) -> Iterator[RidgeUnit]:
        """All units, which do not need each other: begun at once, given in order as they are done."""
        training = self._training
        turns = [(turn, predictions) for turn, outer in enumerate(self._turns) if outer.folds is not None]
        units = [
            RidgeUnit(self._folder, training.layers, training.penalties, layer, turn, block, wanted)
            for turn, wanted in [*turns, (_WHOLE, True)]
            for layer in range(len(training.layers))
            for block in range(len(training.voxel_blocks()))
        ]
        for unit, _ in zip(units, self._executor.map(make_ridge, units), strict=True):
            yield unit


@lru_cache(maxsize=1)
def _training(folder: Path, layers: tuple[str, ...], penalties: PenaltySearch) -> TrainingSet:
    kernels, values, index, labels = (_load(folder / name) for name in (_KERNELS, _VALUES, _INDEX, _LABELS))
    return TrainingSet(layers, kernels, np.array(index), values, Folds(np.array(labels), ""), penalties)


@lru_cache(maxsize=1)
def _solver(
    folder: Path, layers: tuple[str, ...], penalties: PenaltySearch, layer: int, turn: int
) -> tuple[FoldSolver, IntArray]:
    """What a worker needs for all blocks of voxels, which come one after the other."""
    training = _training(folder, layers, penalties)
    rows, folds = np.arange(len(training.values)), training.folds
    if turn != _WHOLE:
        outer = outer_loop(training.folds, training.index)[turn]
        if outer.folds is None:
            raise ValueError("this turn cannot choose")
        rows, folds = outer.rest, outer.folds
    decomposition = training.decomposed(training.kernel(layer), rows)
    return FoldSolver(decomposition, folds, penalties.alphas), rows


def _new_folder(executor: Executor) -> Path:
    if executor.scratch is None:
        raise ValueError("the executor is not shared")
    folder = executor.scratch / f"fit-{uuid4().hex}"
    folder.mkdir(parents=True)
    return folder


def _save(path: Path, array: NDArray[Any]) -> None:
    with replacing(path) as stream:
        np.save(stream, array, allow_pickle=False)


def _load(path: Path) -> NDArray[Any]:
    """What ``_save`` wrote, mapped."""
    array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def _save_all(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    with replacing(path) as stream:
        stream.write(save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))


def _load_all(path: Path) -> dict[str, NDArray[Any]]:
    """What ``_save_all`` wrote."""
    return load(path.read_bytes())
