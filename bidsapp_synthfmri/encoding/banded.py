"""Banded ridge: one penalty a layer and voxel, by random search over the layers' shares of one kernel.

The kernel of a candidate is K = sum_l gamma_l K_l / scale_l with gamma >= 0 and sum 1; ridge with penalty
alpha on K is ridge with penalty alpha / gamma_l on the weights of layer l (Nunez-Elizalde et al. 2019;
search after Dupre la Tour et al. 2022).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..structures import BoolArray, FloatArray, IntArray
from .left_out_spread import Diagonals, Kernel
from .nesting import Outer, fold_means, outer_loop, turn_of_rows
from .resolvents import Decomposition
from .ridge import dual_weights
from .selection import Selected, batches, grid_edge
from .training import Allocate, BatchScores, Progress, TrainingSet, in_memory, untold
from .variance import product_measure

N_DRAWS = 40
CONCENTRATIONS = (0.1, 1.0)
_N_VOXELS_SPLIT = 256


def candidate_shares(
    n_layers: int, n_draws: int, rng: np.random.Generator, concentrations: Sequence[float] = CONCENTRATIONS
) -> NDArray[np.float64]:
    """(n_layers + 1 + n_draws, n_layers) shares: each layer alone, all equally, then Dirichlet draws.

    The draws take the concentrations in turn: small ones favour few layers, 1 all mixtures alike.
    """
    draws = [
        rng.dirichlet(np.full(n_layers, concentrations[number % len(concentrations)]))
        for number in range(n_draws)
    ]
    return np.vstack([np.eye(n_layers), np.full((1, n_layers), 1 / n_layers), *draws])


def fit_banded(
    training: TrainingSet,
    shares: NDArray[np.float64],
    allocate: Allocate = in_memory,
    progress: Progress = untold,
) -> Selected:
    """The shares and the penalty with the highest cross-validated R2, voxel by voxel.

    Parameters
    ----------
    training : what to fit on
    shares : (n_candidates, n_layers) as ``candidate_shares`` has them, each layer alone first
    allocate : makes two arrays like the responses
    progress : told of every candidate that is done, in the outer loop and at last

    Raises
    ------
    InputMalformedError : a layer does not vary over the stimuli, or over those of most folds

    Notes
    -----
    Nested as in ``layerwise.fit_layerwise``: the shares behind ``out_of_fold`` are chosen in each turn of the
    outer loop by the rest of the trials, the penalty for these shares by all folds.
    """
    search = _Search.start(training, shares, allocate)
    for number in range(len(shares)):
        search.score_rest(number)
        progress("trying shares in the outer loop", number + 1, len(shares))
    for number in range(len(shares)):
        search.score_all(number)
        progress("trying shares", number + 1, len(shares))
    return search.selected()


@dataclass(frozen=True)
class _Search:
    """What is known of each voxel's best candidate so far; ``rest_`` of the rest in each outer turn."""

    training: TrainingSet
    shares: NDArray[np.float64]
    scales: NDArray[np.float64]
    turns: tuple[Outer, ...]
    means: FloatArray
    rest_r2: FloatArray
    rest_choice: IntArray
    choice: IntArray
    r2: FloatArray
    alpha: NDArray[np.float64]
    edge: NDArray[np.int8]
    cv_r: FloatArray
    cv_r2: FloatArray
    split: NDArray[np.float64]
    dual: FloatArray
    out_of_fold: FloatArray
    diagonals: list[Diagonals]

    @classmethod
    def start(cls, training: TrainingSet, shares: NDArray[np.float64], allocate: Allocate) -> _Search:
        turns = outer_loop(training.folds, training.index)
        n_trials, n_voxels = training.values.shape
        means = fold_means(training.values, training.folds)
        out_of_fold = allocate((n_trials, n_voxels))
        out_of_fold[:] = means[training.folds.labels]
        by_layer = (shares.shape[1], n_voxels)
        return cls(
            training=training,
            shares=shares,
            scales=np.array([_scale(kernel, training.index) for kernel in training.kernels]),
            turns=turns,
            means=means,
            rest_r2=np.full((len(turns), n_voxels), -np.inf, dtype=np.float32),
            rest_choice=np.full((len(turns), n_voxels), -1),
            choice=np.zeros(n_voxels, dtype=np.int64),
            r2=np.full(n_voxels, -np.inf, dtype=np.float32),
            alpha=np.zeros(n_voxels),
            edge=np.zeros(n_voxels, dtype=np.int8),
            cv_r=np.zeros(by_layer, dtype=np.float32),
            cv_r2=np.zeros(by_layer, dtype=np.float32),
            split=np.zeros(by_layer),
            dual=allocate((1, n_trials, n_voxels)),
            out_of_fold=out_of_fold,
            diagonals=[],
        )

    def score_rest(self, number: int) -> None:
        """Fit a candidate to the rest of each turn."""
        kernel = self._kernel(number)
        for turn, outer in enumerate(self.turns):
            if outer.folds is None:
                continue
            decomposition = self.training.decomposed(kernel, outer.rest)
            for scores in self.training.cross_validated(decomposition, outer.rest, outer.folds):
                better = scores.r2 > self.rest_r2[turn, scores.voxels]
                self.rest_r2[turn, scores.voxels][better] = scores.r2[better]
                self.rest_choice[turn, scores.voxels][better] = number

    def score_all(self, number: int) -> None:
        """Fit a candidate to all trials; predict those for which the rest of their turn chose it."""
        training = self.training
        rows = np.arange(len(training.values))
        decomposition = training.decomposed(self._kernel(number), rows)
        alphas: list[NDArray[np.float64]] = []
        for scores in training.cross_validated(decomposition, rows, training.folds):
            voxels = scores.voxels
            if number < len(training.layers):
                self.cv_r[number, voxels], self.cv_r2[number, voxels] = scores.r, scores.r2
            better = np.flatnonzero(scores.r2 > self.r2[voxels])
            at = voxels.start + better
            alphas.append(scores.alpha[better])
            self.choice[at], self.r2[at] = number, scores.r2[better]
            self.alpha[at], self.edge[at] = scores.alpha[better] * decomposition.scale, scores.edge[better]
            self.dual[0][:, at] = scores.dual[:, better]
            chosen = self.rest_choice[:, voxels] == number  # (n_turns, n_batch)
            for outer, columns in zip(self.turns, chosen, strict=True):
                part = scores.out_of_fold[np.ix_(outer.rows, columns)]
                self.out_of_fold[np.ix_(outer.rows, voxels.start + np.flatnonzero(columns))] = part
            for some in batches(voxels.stop - voxels.start, _N_VOXELS_SPLIT):
                if chosen[:, some].any():
                    self._add_split(number, decomposition, scores, some, chosen[:, some])
        self.diagonals.append(Diagonals.of(decomposition, np.concatenate(alphas)))

    def selected(self) -> Selected:
        """The search's result."""
        weights = self.shares[self.choice].T  # (n_layers, n_voxels)
        values = self.training.values
        total = np.var(values, axis=0, dtype=np.float64) * len(values)
        with np.errstate(divide="ignore"):
            alpha = np.where(weights > 0, self.alpha / weights, np.nan)
        return Selected(
            layer_weights=weights.astype(np.float32),
            alpha=alpha,
            factor=(weights / self.scales[:, None]).astype(np.float32),
            dual=self.dual,
            edges=(grid_edge("joint", self.edge, np.ones(len(self.edge), dtype=bool)),),
            cv_r=self.cv_r,
            cv_r2=self.cv_r2,
            out_of_fold=self.out_of_fold,
            kernels=self._kernels(),
            variance_split=(self.split / np.where(total > 0, total, np.inf)).astype(np.float32),
        )

    def _kernels(self) -> tuple[Kernel, ...]:
        """What each candidate adds to predictions: all of those of the voxels that chose it."""
        return tuple(
            Kernel(diagonals, self.dual[0], self.alpha, (self.choice == number).astype(np.float32))
            for number, diagonals in enumerate(self.diagonals)
        )

    def _kernel(self, number: int) -> Tensor:
        """sum_l gamma_l K_l / scale_l; all zero where a layer that does not vary stands alone."""
        training = self.training
        kernel = torch.zeros(
            training.kernels.shape[1:], dtype=torch.float64, device=training.penalties.device
        )
        for layer, share in enumerate(self.shares[number]):
            if share > 0 and self.scales[layer] > 0:
                kernel += training.kernel(layer) * float(share / self.scales[layer])
        return kernel

    def _add_split(
        self, number: int, decomposition: Decomposition, scores: BatchScores, some: slice, chosen: BoolArray
    ) -> None:
        """Add the layers' parts in the predictions of the rows for which this candidate was chosen."""
        training = self.training
        start = scores.voxels.start
        batch = slice(start + some.start, start + some.stop)
        values = training.values[:, batch]
        mean = values.mean(axis=0, dtype=np.float64)
        turn = turn_of_rows(self.turns)
        jobs = [
            (fold, rows, np.flatnonzero(chosen[turn[rows[0]]]))
            for fold, rows in enumerate(training.folds.rows())
            if chosen[turn[rows[0]]].any()
        ]
        own = scores.out_of_fold[:, some]
        duals = _fold_deleted(training, decomposition, values, own, scores.alpha[some], jobs)
        for (fold, rows, columns), dual in zip(jobs, duals, strict=True):
            y, p = values[np.ix_(rows, columns)] - mean[columns], own[np.ix_(rows, columns)] - mean[columns]
            offset = self.means[fold, batch][columns] - mean[columns]  # (n_columns,)
            for layer, share in enumerate(self.shares[number]):
                if share > 0:
                    part = self._part(layer, share, rows, dual) + share * offset
                    self.split[layer, batch.start + columns] += product_measure(part, y, p)

    def _part(self, layer: int, share: float, rows: IntArray, dual: FloatArray) -> FloatArray:
        """A layer's part (n_rows, n_columns) of a prediction, about its mean over the trials fitted on."""
        training = self.training
        kernel, index = training.kernels[layer], training.index
        fitted = np.bincount(np.delete(index, rows), minlength=len(kernel)).astype(np.float32)
        centred = kernel[index[rows]] - (fitted / fitted.sum()) @ kernel  # (n_rows, n_stimuli)
        part: FloatArray = np.float32(share / self.scales[layer]) * (centred @ dual)
        return part


def _fold_deleted(
    training: TrainingSet,
    decomposition: Decomposition,
    values: FloatArray,
    out_of_fold: FloatArray,
    alpha: NDArray[np.float64],
    jobs: Sequence[tuple[int, IntArray, IntArray]],
) -> list[FloatArray]:
    """Dual weights of fits without a fold, summed over the trials of a stimulus.

    Parameters
    ----------
    values, out_of_fold : (n_trials, n_voxels)
    alpha : (n_voxels,)
    jobs : fold, its rows, and the voxels wanted

    Returns
    -------
    a job each (n_stimuli, n_columns), for the kernel itself

    Notes
    -----
    A fit to all rows in which a fold's responses are replaced by their out-of-fold predictions is the fit
    without the fold: those predictions then cost nothing.
    """
    replaced = []
    for _, rows, columns in jobs:
        responses = values[:, columns]
        responses[rows] = out_of_fold[np.ix_(rows, columns)]
        replaced.append(responses)
    stacked = np.concatenate(replaced, axis=1)
    alphas = np.concatenate([alpha[columns] for _, _, columns in jobs])
    found = dual_weights(decomposition, torch.from_numpy(stacked), torch.from_numpy(alphas))
    dual = (found / decomposition.scale).float().numpy()
    by_stimulus = np.zeros((len(training.kernels[0]), dual.shape[1]), dtype=np.float32)
    np.add.at(by_stimulus, training.index, dual)
    ends = np.cumsum([len(columns) for _, _, columns in jobs])
    return np.split(by_stimulus, ends[:-1], axis=1)


def _scale(kernel: FloatArray, index: IntArray) -> float:
    """Trace / n of a kernel (n_stimuli, n_stimuli) over trials, once centred."""
    shown = np.bincount(index, minlength=len(kernel)) / len(index)
    return float(shown @ kernel.diagonal() - shown @ kernel @ shown)
