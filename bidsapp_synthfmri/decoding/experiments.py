"""Category decoders of one participant: every ROI set, training set and size on the same real trials."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from ..structures import FloatArray, IntArray, RoiSet, without_hemisphere
from ..synthesis.noise_model import NONE, NoiseModel
from ..synthesis.trials import sample_trials
from .cells import make_cell
from .classifiers import CLASSIFIERS
from .experiment_list import MEANS, SHUFFLED, Experiment
from .linear import LinearDecoders
from .metrics import auc, top_k_accuracy
from .null import permuted_labels
from .strata import numbered
from .training_sets import (
    FULL,
    MIXED,
    Comparison,
    LabelledResponses,
    ParticipantData,
    compare,
    growing_subsets,
    mean_of_repeats,
    mixed,
    noise_sd,
    random_ranks,
)

NO_CONTROL = "none"
_TOP = 5
# Folds over stimuli that a classifier's hyperparameter is chosen by; the others leave single stimuli out.
INNER_FOLDS = {"logistic": 5}
_PLAIN = Experiment("main")


@dataclass(frozen=True)
class Decoded:
    """Predictions of every cell, counted by test stimulus.

    Attributes
    ----------
    participant : label
    classes : categories decoded, the same for every cell; empty where nothing could be decoded
    stimuli : test stimuli
    labels : (n_stimuli,) true class, as position in ``classes``
    cells : one row a cell: ``roi``, ``training``, ``control`` (``none`` or ``shuffled_encoder``), ``step``
        (size relative to the real training set, or ``all``), ``n_training`` (stimuli), ``full`` (whether
        the whole set), ``penalty``, ``penalty_at_edge``, and of the decision values ``auc`` and ``top5``
        (NaN of five classes or fewer)
    counts : (n_cells, n_stimuli, n_classes) trials of each stimulus predicted as each class
    skipped : sentences on what was left out, and why
    strata : (n_stimuli,) number of the stratum within which labels may be exchanged, always kept; all 0
        where any may
    sources, sessions : (n_stimuli,) further strata, given up where they leave too few labels to exchange
        (``strata.usable``)
    """

    participant: str
    classes: tuple[str, ...]
    stimuli: tuple[str, ...]
    labels: IntArray
    cells: pd.DataFrame
    counts: IntArray
    skipped: tuple[str, ...]
    strata: IntArray
    sources: IntArray
    sessions: IntArray


@dataclass(frozen=True)
class _Cell:
    """One decoder to fit."""

    roi: RoiSet
    training: LabelledResponses
    control: str
    step: str
    rows: IntArray


_CELL_COLUMNS = {
    "roi": "object",
    "training": "object",
    "control": "object",
    "step": "object",
    "n_training": "int64",
    "full": "bool",
    "penalty": "float64",
    "penalty_at_edge": "bool",
    "auc": "float64",
    "top5": "float64",
}


def decode(
    data: ParticipantData,
    rng: np.random.Generator,
    experiment: Experiment = _PLAIN,
    min_train: int = 5,
    min_test: int = 2,
) -> Decoded:
    """Predictions for one participant's test trials from every training set, size and ROI set.

    Parameters
    ----------
    data : real and synthetic responses, all in the unit of the real ones
    rng : draws the nested subsets of the size curve, in which a stimulus keeps its rank in every set;
        its children draw noise and the shuffled control
    experiment : its labels are those of ``data``
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
    (``classifiers.fit``), or for means of as many repeats as are tested. Where a share f of the rows is
    noiseless, root f of that sd is the noise they lack on average. Sampled trials are standardised as
    real ones are. Neither test trials nor labels enter the scale.
    """
    for_shuffling, *for_sampling = rng.spawn(1 + len(data.synthetic))
    noise = noise_sd(data)
    data, reasons = _with_sets_asked_for(data, experiment)
    if experiment.noise != NONE:
        if data.noise is None:
            reasons.append(
                f"Participant {data.participant}: experiment {experiment.name!r} was left out: its"
                " encoder has no model of the noise, which comes from stimuli presented more than once."
            )
            return nothing_decoded(data, tuple(reasons))
        data = _sampled(data, experiment, data.noise, for_sampling)
    comparison = compare(data, min_train, min_test, INNER_FOLDS.get(experiment.classifier, 0))
    skipped = [*reasons, *comparison.skipped, *_empty_rois(data)]
    test = comparison.test
    if experiment.test == MEANS and len(test.stimuli):
        test, less_noise = mean_of_repeats(test)
        noise = noise * less_noise
    index, names = pd.factorize(np.asarray(test.stimuli, dtype=object))
    labels = np.zeros(len(names), dtype=np.int64)
    labels[index] = [comparison.classes.index(str(label)) for label in test.labels]
    records, counts = [], []
    for cell in _cells(data, comparison, experiment, rng, for_shuffling):
        found = _fit(cell, noise, comparison.classes, experiment.classifier)
        trials = torch.from_numpy(test.values[:, cell.roi.voxels])
        predicted = found.predict(trials)[0].numpy()
        counts.append(np.zeros((len(names), len(comparison.classes)), dtype=np.int64))
        np.add.at(counts[-1], (index, predicted), 1)
        values = found.decision_function(trials)[0].numpy()
        records.append((*_record(cell, found), *_metrics(values, labels[index])))
    shape = (len(counts), len(names), len(comparison.classes))
    stacked = np.array(counts, dtype=np.int64).reshape(shape)
    cells = pd.DataFrame(records, columns=list(_CELL_COLUMNS)).astype(_CELL_COLUMNS)
    skipped += edge_note(data.participant, cells)
    stimuli = tuple(str(name) for name in names)
    return Decoded(
        data.participant,
        comparison.classes,
        stimuli,
        labels,
        cells,
        stacked,
        tuple(skipped),
        strata=np.zeros(len(stimuli), dtype=np.int64),
        sources=numbered(stimuli, data.sources),
        sessions=numbered(stimuli, data.sessions),
    )


def nothing_decoded(data: ParticipantData, skipped: tuple[str, ...]) -> Decoded:
    """No class, no cell; ``skipped`` says why."""
    cells = pd.DataFrame(columns=list(_CELL_COLUMNS)).astype(_CELL_COLUMNS)
    counts = np.zeros((0, 0, 0), dtype=np.int64)
    none = np.zeros(0, dtype=np.int64)
    return Decoded(data.participant, (), (), none, cells, counts, skipped, none, none, none)


def _with_sets_asked_for(data: ParticipantData, experiment: Experiment) -> tuple[ParticipantData, list[str]]:
    """The participant with the sets and regions that take part, and a sentence on those that are not there.

    Real trials stay: they set sizes and classes. A mixed set needs every synthetic one.
    """
    who = f"Participant {data.participant}, experiment {experiment.name!r}"
    there = {part.name for part in data.synthetic}
    lacking = [name for name in experiment.training if name.startswith("synthetic_") and name not in there]
    skipped = [f"{who}: there is no training set {name!r}; left out." for name in lacking]
    if MIXED not in experiment.training:
        data = replace(data, synthetic=tuple(part for part in data.synthetic if experiment.takes(part.name)))
    if experiment.rois:
        wanted = {without_hemisphere(name) for name in experiment.rois}
        skipped += [
            f"{who}: there is no ROI {name}; left out."
            for name in sorted(wanted - {roi.name for roi in data.rois})
        ]
        data = replace(data, rois=tuple(roi for roi in data.rois if roi.name in wanted))
    return data, skipped


def _sampled(
    data: ParticipantData, experiment: Experiment, model: NoiseModel, rngs: list[np.random.Generator]
) -> ParticipantData:
    """Synthetic trials in place of noiseless responses."""
    repeats = experiment.repeats

    def of(part: LabelledResponses, rng: np.random.Generator) -> LabelledResponses:
        n, n_voxels = part.values.shape
        trials = sample_trials(part.values, model, repeats, rng.spawn(n), kind=experiment.noise)
        return LabelledResponses(
            part.name,
            trials.reshape(-1, n_voxels),
            part.stimuli * repeats,
            part.labels * repeats,
            np.zeros(n * repeats, dtype=bool),
        )

    return replace(data, synthetic=tuple(map(of, data.synthetic, rngs)))


def _cells(
    data: ParticipantData,
    comparison: Comparison,
    experiment: Experiment,
    rng: np.random.Generator,
    for_shuffling: np.random.Generator,
) -> Iterator[_Cell]:
    if not comparison.training:
        return
    real, *synthetic = comparison.training
    ranks = random_ranks(comparison.training, rng)
    trained = [part for part in comparison.training if experiment.takes(part.name)]
    if experiment.takes(MIXED) and synthetic:
        trained.append(mixed(comparison))
    shuffled = []
    if SHUFFLED in experiment.controls:
        shuffled = [_shuffled(part, for_shuffling) for part in synthetic if experiment.takes(part.name)]
    for roi in (roi for roi in data.rois if roi.voxels.any()):
        for training in trained:
            for step, rows in growing_subsets(training, real.n_stimuli, ranks, experiment.sizes):
                yield _Cell(roi, training, NO_CONTROL, step, rows)
        for training in shuffled:
            yield _Cell(roi, training, SHUFFLED, FULL, np.arange(len(training.stimuli)))


def _shuffled(part: LabelledResponses, rng: np.random.Generator) -> LabelledResponses:
    """The set with its images' responses permuted over images, which is to permute their labels."""
    names, index = np.unique(np.asarray(part.labels, dtype=str), return_inverse=True)
    permuted = permuted_labels(index.reshape(-1).astype(np.int64), part.stimuli, 1, rng)[1]
    return replace(part, labels=tuple(str(names[label]) for label in permuted))


def _fit(
    cell: _Cell, noise: NDArray[np.float64], classes: tuple[str, ...], classifier: str
) -> LinearDecoders:
    voxels = np.flatnonzero(cell.roi.voxels)
    place = {name: number for number, name in enumerate(classes)}
    share = float(cell.training.is_noiseless[cell.rows].mean())
    made = make_cell(
        cell.training.values[np.ix_(cell.rows, voxels)],
        [place[str(cell.training.labels[row])] for row in cell.rows],
        [cell.training.stimuli[row] for row in cell.rows],
        noise[voxels] * np.sqrt(share) if share else None,
    )
    return CLASSIFIERS[classifier]().fit(made)


def _record(cell: _Cell, found: LinearDecoders) -> tuple[str, str, str, str, int, bool, float, bool]:
    return (
        cell.roi.name,
        cell.training.name,
        cell.control,
        cell.step,
        len({cell.training.stimuli[row] for row in cell.rows}),
        cell.step == FULL,
        float(found.penalty[0]),
        bool(found.at_edge[0]),
    )


def _metrics(values: FloatArray, labels: IntArray) -> tuple[float, float]:
    """AUC and top-5 accuracy of decision values (n_trials, n_classes)."""
    top = float(top_k_accuracy(values, labels, _TOP)) if values.shape[1] > _TOP else np.nan
    return float(auc(values, labels)), top


def _empty_rois(data: ParticipantData) -> list[str]:
    return [
        f"Participant {data.participant}: ROI {roi.name} has no voxels and was left out."
        for roi in data.rois
        if not roi.voxels.any()
    ]


def edge_note(participant: str, cells: pd.DataFrame) -> list[str]:
    """A sentence on how many decoders' hyperparameter is an end of its grid; none where none is."""
    n = int(cells["penalty_at_edge"].sum())
    if not n:
        return []
    return [f"Participant {participant}: {n} of {len(cells)} decoders chose a penalty at the grid's edge."]
