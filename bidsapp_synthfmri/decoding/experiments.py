"""Category decoders of one participant: every ROI set, training set and size on the same real trials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..structures import IntArray, RoiSet
from .classifiers import ALPHAS, RidgeClassifier, fit
from .training_sets import (
    FULL,
    REAL,
    Comparison,
    LabelledResponses,
    ParticipantData,
    compare,
    growing_subsets,
    noise_sd,
    random_ranks,
)


@dataclass(frozen=True)
class Decoded:
    """Predictions of every cell, counted by test stimulus.

    Attributes
    ----------
    participant : label
    classes : categories decoded, the same for every cell; empty where nothing could be decoded
    stimuli : test stimuli
    labels : (n_stimuli,) true class, as position in ``classes``
    cells : one row a cell: ``roi``, ``training``, ``step`` (size relative to the real training set, or
        ``all``), ``n_training`` (stimuli), ``full`` (whether the whole set), ``alpha``, ``alpha_at_edge``
    counts : (n_cells, n_stimuli, n_classes) trials of each stimulus predicted as each class
    skipped : sentences on what was left out, and why
    """

    participant: str
    classes: tuple[str, ...]
    stimuli: tuple[str, ...]
    labels: IntArray
    cells: pd.DataFrame
    counts: IntArray
    skipped: tuple[str, ...]


@dataclass(frozen=True)
class _Cell:
    """One decoder to fit."""

    roi: RoiSet
    training: LabelledResponses
    step: str
    rows: IntArray


_CELL_COLUMNS = {
    "roi": "object",
    "training": "object",
    "step": "object",
    "n_training": "int64",
    "full": "bool",
    "alpha": "float64",
    "alpha_at_edge": "bool",
}


def decode(
    data: ParticipantData,
    rng: np.random.Generator,
    alphas: Sequence[float] = ALPHAS,
    min_train: int = 5,
    min_test: int = 2,
) -> Decoded:
    """Predictions for one participant's test trials from every training set, size and ROI set.

    Parameters
    ----------
    data : real and synthetic responses, all in the unit of the real ones
    rng : draws the nested subsets of the size curve; a stimulus keeps its rank in every set
    alphas : grid of the classifier's penalty
    min_train, min_test : stimuli a class needs in every training set, and in the test set

    Notes
    -----
    All training sets of a participant use the same classes and the same test trials
    (``training_sets.compare``). With fewer than two classes nothing is decoded, and ``skipped`` says so.

    Scale. Real training trials are standardised by their own mean and sd. Synthetic responses are
    shrunk and noiseless: divided by their own sd, the voxels that the encoder predicts worst are
    inflated most, and the penalty that suits noiseless data is far too small for real trials. They
    therefore stay in the real trials' unit, each voxel is divided by the sd of real training trials
    about their own out-of-fold prediction, and the penalty is chosen for trials with that noise
    (``classifiers.fit``). Neither test trials nor labels enter the scale.
    """
    comparison = compare(data, min_train, min_test)
    skipped = [*comparison.skipped, *_empty_rois(data)]
    index, names = pd.factorize(np.asarray(comparison.test.stimuli, dtype=object))
    labels = np.zeros(len(names), dtype=np.int64)
    labels[index] = [comparison.classes.index(str(label)) for label in comparison.test.labels]
    noise = noise_sd(data)
    records, counts = [], []
    for cell in _cells(data, comparison, rng):
        classifier = _fit(cell, noise, alphas)
        predicted = classifier.predict_index(comparison.test.values[:, cell.roi.voxels])
        counts.append(np.zeros((len(names), len(comparison.classes)), dtype=np.int64))
        np.add.at(counts[-1], (index, predicted), 1)
        records.append(_record(cell, classifier))
    shape = (len(counts), len(names), len(comparison.classes))
    stacked = np.array(counts, dtype=np.int64).reshape(shape)
    cells = pd.DataFrame(records, columns=list(_CELL_COLUMNS)).astype(_CELL_COLUMNS)
    skipped += _edge_note(data.participant, cells)
    stimuli = tuple(str(name) for name in names)
    return Decoded(data.participant, comparison.classes, stimuli, labels, cells, stacked, tuple(skipped))


def _cells(data: ParticipantData, comparison: Comparison, rng: np.random.Generator) -> Iterator[_Cell]:
    ranks = random_ranks(comparison.training, rng)
    for roi in (roi for roi in data.rois if roi.voxels.any()):
        for training in comparison.training:
            for step, rows in growing_subsets(training, comparison.training[0].n_stimuli, ranks):
                yield _Cell(roi, training, step, rows)


def _fit(cell: _Cell, noise: NDArray[np.float64], alphas: Sequence[float]) -> RidgeClassifier:
    return fit(
        cell.training.values[np.ix_(cell.rows, np.flatnonzero(cell.roi.voxels))],
        [str(cell.training.labels[row]) for row in cell.rows],
        alphas,
        groups=[cell.training.stimuli[row] for row in cell.rows],
        noise_sd=None if cell.training.name == REAL else noise[cell.roi.voxels],
    )


def _record(cell: _Cell, classifier: RidgeClassifier) -> tuple[str, str, str, int, bool, float, bool]:
    return (
        cell.roi.name,
        cell.training.name,
        cell.step,
        len({cell.training.stimuli[row] for row in cell.rows}),
        cell.step == FULL,
        classifier.alpha,
        classifier.alpha_at_edge,
    )


def _empty_rois(data: ParticipantData) -> list[str]:
    return [
        f"Participant {data.participant}: ROI {roi.name} has no voxels and was left out."
        for roi in data.rois
        if not roi.voxels.any()
    ]


def _edge_note(participant: str, cells: pd.DataFrame) -> list[str]:
    n = int(cells["alpha_at_edge"].sum())
    if not n:
        return []
    return [f"Participant {participant}: {n} of {len(cells)} decoders chose a penalty at the grid's edge."]
