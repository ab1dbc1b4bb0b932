"""Rows left out, and the folds of the rest: what may choose a layer for rows that it does not know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..structures import FloatArray, IntArray
from .folds import Folds

# Each turn costs a fit to two thirds of the trials; more would choose from more of them, and cost more.
MOST_OUTER = 3
_MOST_INNER = 5


@dataclass(frozen=True)
class Outer:
    """One turn of the outer loop.

    Attributes
    ----------
    rows : left out
    rest : the others, which choose for them
    folds : partition of ``rest``; None where the rest shows a single stimulus and cannot choose
    """

    rows: IntArray
    rest: IntArray
    folds: Folds | None


def outer_loop(folds: Folds, stimulus_index: IntArray) -> tuple[Outer, ...]:
    """Leave out one fold at a time, or neighbouring folds together where there are more than three.

    Parameters
    ----------
    folds : of the rows; a stimulus is in one of them
    stimulus_index : (n_rows,)

    Returns
    -------
    turns whose ``rows`` are a partition. The rest keeps its folds; where that is one only, its stimuli
    are dealt to up to five folds in their order.

    Notes
    -----
    Choosing by the errors of other folds, from fits that had seen the fold left out, does not do:
    the product y_g' K_gf y_f that lets f predict g lets g predict f, so a layer that
    fits their noise is rewarded for it twice. The rest must choose among fits to the rest alone.
    """
    n_outer = min(folds.n_folds, MOST_OUTER)
    group = folds.labels * n_outer // folds.n_folds
    turns = []
    for number in range(n_outer):
        rows, rest = np.flatnonzero(group == number), np.flatnonzero(group != number)
        turns.append(Outer(rows, rest, _folds_of(folds.labels[rest], stimulus_index[rest])))
    return tuple(turns)


def turn_of_rows(turns: Sequence[Outer]) -> IntArray:
    """(n_rows,) the turn that leaves each row out."""
    turn = np.empty(sum(len(outer.rows) for outer in turns), dtype=np.int64)
    for number, outer in enumerate(turns):
        turn[outer.rows] = number
    return turn


def fold_means(values: FloatArray, folds: Folds) -> FloatArray:
    """(n_folds, n_voxels) mean response outside each fold: what a fit without layers predicts there."""
    total = values.sum(axis=0, dtype=np.float64)
    means = [
        (total - values[rows].sum(axis=0, dtype=np.float64)) / (len(values) - len(rows))
        for rows in folds.rows()
    ]
    return np.array(means, dtype=np.float32)


def _folds_of(labels: IntArray, stimulus_index: IntArray) -> Folds | None:
    _, stimulus = np.unique(stimulus_index, return_inverse=True)
    n_stimuli = int(stimulus.max()) + 1
    if n_stimuli < 2:
        return None
    known, labels = np.unique(labels, return_inverse=True)
    if len(known) > 1:
        return Folds(labels.astype(np.int64), f"{len(known)} of the folds")
    n_folds = min(_MOST_INNER, n_stimuli)
    return Folds((stimulus * n_folds // n_stimuli).astype(np.int64), f"{n_folds} folds of stimuli")
