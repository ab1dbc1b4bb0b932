"""Which training rows are predicted together when penalties and layers are chosen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputMalformedError
from ..structures import IntArray, Trials

_N_STIMULUS_FOLDS = 5


@dataclass(frozen=True)
class Folds:
    """A partition of rows.

    Attributes
    ----------
    labels : (n_rows,) fold of each row, from 0
    description : a sentence on how the folds were made
    unit : what a fold is made of: ``session``, ``run``, ``stimulus``, or another ``group``
    """

    labels: IntArray
    description: str
    unit: str = "group"

    @property
    def n_folds(self) -> int:
        """How many folds there are."""
        return int(self.labels.max()) + 1

    def rows(self) -> tuple[IntArray, ...]:
        """Row indices, fold by fold."""
        return tuple(np.flatnonzero(self.labels == fold) for fold in range(self.n_folds))


def make_folds(trials: Trials, rng: np.random.Generator) -> Folds:
    """Folds over sessions; over runs where there is one session; over stimuli where there is one run.

    All presentations of a stimulus share the fold of its first presentation, so no fold is predicted
    from trials of its own pictures.

    Parameters
    ----------
    trials : the training rows
    rng : shuffles stimuli where folds are over stimuli

    Raises
    ------
    InputMalformedError : fewer than two stimuli
    """
    stimulus = trials.stimulus_index
    for unit, index in (("session", trials.session_index), ("run", trials.run_index)):
        _, first = np.unique(stimulus, return_index=True)
        labels = np.unique(index[first][stimulus], return_inverse=True)[1]
        n_folds = int(labels.max()) + 1
        if n_folds > 1:
            note = f"{n_folds} folds, one a {unit}; all presentations of a stimulus in one fold"
            return Folds(labels.astype(np.int64), note, unit)
    return _stimulus_folds(stimulus, rng)


def _stimulus_folds(stimulus: IntArray, rng: np.random.Generator) -> Folds:
    n_stimuli = int(stimulus.max()) + 1
    if n_stimuli < 2:
        raise InputMalformedError(
            "The training set holds a single stimulus", "Include more runs, or lower --test-fraction"
        )
    n_folds = min(_N_STIMULUS_FOLDS, n_stimuli)
    fold_of = rng.permutation(n_stimuli) % n_folds
    note = f"{n_folds} folds of random stimuli, since all trials come from one run"
    return Folds(fold_of[stimulus].astype(np.int64), note, "stimulus")
