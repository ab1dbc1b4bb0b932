"""A ridge of every layer alone, and per voxel one of them, or a stack of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..structures import BoolArray, FloatArray
from .left_out_spread import Diagonals, Kernel
from .nesting import Outer, fold_means, outer_loop, turn_of_rows
from .selection import (
    ROI,
    STACKING,
    VOXEL,
    Selected,
    best_layer_by_region,
    best_layer_by_voxel,
    comparable,
    grid_edge,
)
from .stacking import stacking_weights
from .training import Allocate, BatchScores, Progress, TrainingSet, in_memory, untold
from .variance import stacked_variance


def fit_layerwise(
    training: TrainingSet,
    kind: str,
    members: BoolArray,
    allocate: Allocate = in_memory,
    progress: Progress = untold,
) -> Selected:
    """Ridge from every layer, and the layers of each voxel.

    Parameters
    ----------
    training : what to fit on
    kind : ``voxel``, ``roi`` or ``stacking``
    members : (n_regions, n_voxels) as ``selection.regions`` has them, for ``roi``
    allocate : makes arrays like the responses: two, and for ``roi`` one more a layer, for ``stacking`` two
    progress : told of every layer that is done, in the outer loop and at last

    Raises
    ------
    InputMalformedError : a layer does not vary over the stimuli, or over those of most folds

    Notes
    -----
    The layers of the encoder are chosen by out-of-fold predictions of all trials. Those behind
    ``out_of_fold`` are chosen anew in each turn of the outer loop by the rest of the trials alone; the
    predictions so weighed are the ones of fits to all folds but the trial's, with the penalty that all
    folds chose.
    """
    run = _Run.start(training, kind, members, allocate)
    turns = outer_loop(training.folds, training.index)
    nested = np.array(
        [
            _choose(run, turn, done=number, n_turns=len(turns), progress=progress)
            for number, turn in enumerate(turns)
        ]
    )  # (n_turns, n_layers, n_voxels)
    means = fold_means(training.values, training.folds)  # (n_folds, n_voxels)
    run.out_of_fold[:] = means[training.folds.labels]
    everything = np.arange(len(training.values))
    for layer in range(len(training.layers)):
        decomposition = training.decomposed(training.kernel(layer), everything)
        for scores in training.cross_validated(decomposition, everything, training.folds):
            run.keep(layer, scores)
            _add_nested(run, layer, scores, turns, nested, means)
        run.diagonals.append(Diagonals.of(decomposition, run.alpha[layer]))
        run.scales.append(decomposition.scale)
        progress("ridge from every layer", layer + 1, len(training.layers))
    split = None
    if run.predictions is not None:
        split = stacked_variance(
            training.values,
            run.predictions,
            run.out_of_fold,
            means,
            training.folds.labels,
            nested,
            turn_of_rows(turns),
        )
    return run.selected(split)


@dataclass(frozen=True)
class _Run:
    """Arrays that are filled layer by layer.

    ``dual`` keeps every layer, or for ``voxel`` the best so far; ``predictions`` only ``stacking`` needs.
    """

    training: TrainingSet
    kind: str
    members: BoolArray
    alpha: NDArray[np.float64]
    edge: NDArray[np.int8]
    cv_r: FloatArray
    cv_r2: FloatArray
    dual: FloatArray
    out_of_fold: FloatArray
    predictions: FloatArray | None
    diagonals: list[Diagonals]
    scales: list[float]

    @classmethod
    def start(cls, training: TrainingSet, kind: str, members: BoolArray, allocate: Allocate) -> _Run:
        n_layers, n_trials, n_voxels = len(training.layers), *training.values.shape
        scores = (n_layers, n_voxels)
        kept = 1 if kind == VOXEL else n_layers
        return cls(
            training=training,
            kind=kind,
            members=members,
            alpha=np.zeros(scores),
            edge=np.zeros(scores, dtype=np.int8),
            cv_r=np.zeros(scores, dtype=np.float32),
            cv_r2=np.full(scores, -np.inf, dtype=np.float32),
            dual=allocate((kept, n_trials, n_voxels)),
            out_of_fold=allocate((n_trials, n_voxels)),
            predictions=allocate((n_layers, n_trials, n_voxels)) if kind == STACKING else None,
            diagonals=[],
            scales=[],
        )

    def keep(self, layer: int, scores: BatchScores) -> None:
        """Keep what one layer says of a batch."""
        voxels = scores.voxels
        if self.kind == VOXEL:
            best = comparable(self.cv_r2[:, voxels]).max(axis=0)
            better = np.flatnonzero(comparable(scores.r2) > best)
            self.dual[0][:, voxels.start + better] = scores.dual[:, better]
        else:
            self.dual[layer, :, voxels] = scores.dual
        if self.predictions is not None:
            self.predictions[layer, :, voxels] = scores.out_of_fold
        self.alpha[layer, voxels], self.edge[layer, voxels] = scores.alpha, scores.edge
        self.cv_r[layer, voxels], self.cv_r2[layer, voxels] = scores.r, scores.r2

    def weights(self) -> FloatArray:
        """(n_layers, n_voxels) by the scores of all trials."""
        training = self.training
        if self.predictions is None:
            return self.by_r2(self.cv_r2)
        return stacking_weights(self.predictions, training.values, training.folds)

    def selected(self, split: FloatArray | None) -> Selected:
        """The result, once every layer was kept."""
        weights = self.weights()
        used = weights > 0
        return Selected(
            layer_weights=weights,
            alpha=np.where(used, self.alpha, np.nan),
            factor=weights,
            dual=self.dual,
            edges=tuple(map(grid_edge, self.training.layers, self.edge, used)),
            cv_r=self.cv_r,
            cv_r2=self.cv_r2,
            out_of_fold=self.out_of_fold,
            kernels=self.kernels(weights),
            variance_split=split,
        )

    def kernels(self, weights: FloatArray) -> tuple[Kernel, ...]:
        """What each layer adds to predictions."""
        duals = self.dual if len(self.dual) > 1 else [self.dual[0]] * len(weights)
        penalties = self.alpha * np.array(self.scales)[:, None]
        return tuple(map(Kernel, self.diagonals, duals, penalties, weights))

    def by_r2(self, r2: FloatArray) -> FloatArray:
        """(n_layers, n_voxels) one layer a voxel."""
        return best_layer_by_region(r2, self.members) if self.kind == ROI else best_layer_by_voxel(r2)


def _choose(run: _Run, turn: Outer, *, done: int, n_turns: int, progress: Progress) -> FloatArray:
    """(n_layers, n_voxels) weights for the rows left out, by fits to the rest; 0 where it cannot choose."""
    training = run.training
    r2 = np.zeros(run.cv_r2.shape, dtype=np.float32)
    if turn.folds is None:
        return r2
    kept = None if run.predictions is None else run.predictions[:, : len(turn.rest)]
    n_layers = len(training.layers)
    for layer in range(n_layers):
        decomposition = training.decomposed(training.kernel(layer), turn.rest)
        for scores in training.cross_validated(decomposition, turn.rest, turn.folds):
            r2[layer, scores.voxels] = scores.r2
            if kept is not None:
                kept[layer, :, scores.voxels] = scores.out_of_fold
        progress("choosing layers in the outer loop", done * n_layers + layer + 1, n_turns * n_layers)
    return run.by_r2(r2) if kept is None else stacking_weights(kept, training.values[turn.rest], turn.folds)


def _add_nested(
    run: _Run,
    layer: int,
    scores: BatchScores,
    turns: Sequence[Outer],
    nested: FloatArray,
    means: FloatArray,
) -> None:
    """Add one layer's part of the predictions of a batch, weighed as the rest chose for each turn's rows."""
    labels, voxels = run.training.folds.labels, scores.voxels
    for turn, weights in zip(turns, nested, strict=True):
        part = scores.out_of_fold[turn.rows] - means[labels[turn.rows], voxels]
        run.out_of_fold[turn.rows, voxels] += weights[layer, voxels] * part
