"""What an encoder is fitted on: kernels of all layers, trials, folds, and the search for penalties."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..structures import FloatArray, IntArray, LayerFeatures
from .folds import Folds
from .kernels import decompose, linear_kernel
from .left_out import FoldSolver
from .resolvents import Decomposition
from .ridge import choose_alphas

_LOGGER = logging.getLogger(__name__)

Allocate = Callable[[tuple[int, ...]], FloatArray]
# Told what is going on, how many parts of it are done, and of how many.
Progress = Callable[[str, int, int], None]


def untold(what: str, done: int, total: int) -> None:
    """Tell nobody."""


def in_memory(shape: tuple[int, ...]) -> FloatArray:
    """An array that is not yet filled."""
    return np.empty(shape, dtype=np.float32)


@dataclass(frozen=True)
class PenaltySearch:
    """How ridge penalties are searched, and with what.

    Attributes
    ----------
    alphas : grid, ascending, for kernels of mean eigenvalue 1
    search : ``window``, ``exact`` or ``gcv``, as ``ridge.choose_alpha`` has it
    device, dtype : where and in what to compute
    n_voxels_batch : voxels computed together
    """

    alphas: tuple[float, ...]
    search: str
    device: torch.device
    dtype: torch.dtype
    n_voxels_batch: int


@dataclass(frozen=True)
class BatchScores:
    """Ridge of one kernel to a batch of voxels; arrays as of ``ridge.RidgeScores``, in NumPy.

    Attributes
    ----------
    voxels : the batch, of all voxels
    alpha, r2, r, edge : (n_batch,); a voxel without variance has an R2 of 0
    out_of_fold, dual : (n_rows, n_batch) float32; ``dual`` for the kernel itself, not its scaled form
    """

    voxels: slice
    alpha: NDArray[np.float64]
    r2: FloatArray
    r: FloatArray
    edge: NDArray[np.int8]
    out_of_fold: FloatArray
    dual: FloatArray


@dataclass(frozen=True)
class TrainingSet:
    """Trials with their responses, and kernels of the stimuli that they show.

    Attributes
    ----------
    layers : the kernels' names
    kernels : (n_layers, n_stimuli, n_stimuli) float32, possibly mapped
    index : (n_trials,) stimulus of each trial
    values : (n_trials, n_voxels) responses
    folds : partition of the trials
    penalties : how to search
    """

    layers: tuple[str, ...]
    kernels: FloatArray
    index: IntArray
    values: FloatArray
    folds: Folds
    penalties: PenaltySearch

    def kernel(self, layer: int) -> Tensor:
        """One layer's (n_stimuli, n_stimuli) kernel in float64, on the device."""
        return torch.from_numpy(np.array(self.kernels[layer])).to(self.penalties.device, torch.float64)

    def decomposed(self, kernel: Tensor, rows: IntArray) -> Decomposition:
        """A (n_stimuli, n_stimuli) kernel, ready for ridge to some trials.

        Raises
        ------
        InputMalformedError : the stimuli of these trials do not differ in the kernel
        """
        return decompose(kernel, self.index[rows], self.penalties.dtype, len(self.penalties.alphas))

    def cross_validated(
        self, decomposition: Decomposition, rows: IntArray, folds: Folds
    ) -> Iterator[BatchScores]:
        """Ridge to some trials, batch after batch of voxels.

        Parameters
        ----------
        decomposition : of these trials
        rows : the trials
        folds : partition of ``rows``
        """
        solver = FoldSolver(decomposition, folds, self.penalties.alphas)
        for voxels in self.voxel_blocks():
            yield self.block_scores(solver, rows, voxels)

    def voxel_blocks(self) -> tuple[slice, ...]:
        """The batches that voxels are computed in."""
        n_voxels, size = self.values.shape[1], self.penalties.n_voxels_batch
        return tuple(slice(start, min(start + size, n_voxels)) for start in range(0, n_voxels, size))

    def block_scores(self, solver: FoldSolver, rows: IntArray, voxels: slice) -> BatchScores:
        """Ridge to some trials of one batch of voxels; ``solver`` is of these trials.

        Where the device's memory does not hold the batch, its halves are fitted, which is logged.

        Raises
        ------
        torch.OutOfMemoryError : the memory does not hold one voxel
        """
        try:
            return self._scores(solver, rows, voxels)
        except torch.OutOfMemoryError:
            n_voxels = voxels.stop - voxels.start
            if n_voxels == 1:
                raise
        device = self.penalties.device
        _LOGGER.warning(
            "The memory of %s does not hold %d voxels at a time: half of them are fitted", device, n_voxels
        )
        if device.type == "cuda":
            torch.cuda.empty_cache()
        middle = voxels.start + n_voxels // 2
        halves = (slice(voxels.start, middle), slice(middle, voxels.stop))
        return _joined([self.block_scores(solver, rows, half) for half in halves])

    def _scores(self, solver: FoldSolver, rows: IntArray, voxels: slice) -> BatchScores:
        values = torch.from_numpy(self.values[rows, voxels])
        found = choose_alphas(solver, values, self.penalties.search)
        return BatchScores(
            voxels=voxels,
            alpha=found.alpha.cpu().numpy(),
            r2=_defined(found.r2),
            r=_defined(found.r),
            edge=found.edge.cpu().numpy(),
            out_of_fold=found.out_of_fold.float().cpu().numpy(),
            dual=(found.dual / solver.decomposition.scale).float().cpu().numpy(),
        )


def _joined(parts: Sequence[BatchScores]) -> BatchScores:
    """Neighbouring batches as one: voxels are the last axis of all arrays."""
    arrays = [field.name for field in fields(BatchScores) if field.name != "voxels"]
    return BatchScores(
        slice(parts[0].voxels.start, parts[-1].voxels.stop),
        **{name: np.concatenate([getattr(part, name) for part in parts], axis=-1) for name in arrays},
    )


def layer_kernels(
    layers: Sequence[LayerFeatures],
    rows: IntArray,
    device: torch.device,
    allocate: Allocate = in_memory,
    progress: Progress = untold,
) -> FloatArray:
    """(n_layers, n_rows, n_rows) linear kernels of some rows of the features."""
    kernels = allocate((len(layers), len(rows), len(rows)))
    for number, layer in enumerate(layers):
        kernels[number] = linear_kernel(layer.values, rows, device).float().cpu().numpy()
        progress("kernels", number + 1, len(layers))
    return kernels


def _defined(values: Tensor) -> FloatArray:
    """In float32, 0 where the value is not finite."""
    found = values.float().cpu().numpy()
    return np.where(np.isfinite(found), found, np.float32(0))
