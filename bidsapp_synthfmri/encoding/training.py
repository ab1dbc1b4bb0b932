"""What an encoder is fitted on: kernels of all layers, trials, folds, and the search for penalties."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

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
        search = self.penalties
        solver = FoldSolver(decomposition, folds, search.alphas)
        for start in range(0, self.values.shape[1], search.n_voxels_batch):
            voxels = slice(start, min(start + search.n_voxels_batch, self.values.shape[1]))
            found = choose_alphas(solver, torch.from_numpy(self.values[rows, voxels]), search.search)
            yield BatchScores(
                voxels=voxels,
                alpha=found.alpha.cpu().numpy(),
                r2=_defined(found.r2),
                r=_defined(found.r),
                edge=found.edge.cpu().numpy(),
                out_of_fold=found.out_of_fold.float().cpu().numpy(),
                dual=(found.dual / decomposition.scale).float().cpu().numpy(),
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
