"""Category decoders of one participant: every ROI set, training set and size on the same real trials."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch

from ..evaluation.statistics import permutation_p
from ..structures import FloatArray, IntArray, without_hemisphere
from ..synthesis.noise_model import NONE, NoiseModel
from ..synthesis.trials import sample_trials
from .classifiers import CLASSIFIERS, Classifier
from .experiment_list import MEANS, NO_CONTROL, UNTRAINED, Experiment
from .linear import LinearDecoders
from .metrics import auc, top_k_accuracy
from .null import permuted_labels, refitted_accuracy
from .planned import Planned, empty_rois, planned
from .strata import numbered, usable
from .training_sets import (
    FULL,
    MIXED,
    LabelledResponses,
    ParticipantData,
    compare,
    mean_of_repeats,
    noise_sd,
)

_TOP = 5
# Accuracies are sums of fractions: equal ones may differ in their last bits.
TIE = 1e-12
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
    cells : one row a cell: ``roi``, ``training``, ``control`` (``none``, or which), ``step`` (size relative
        to the real training set, or ``all``), ``n_training`` (stimuli), ``full`` (whether the whole set),
        ``penalty``, ``penalty_at_edge``, of the decision values ``auc`` and ``top5`` (NaN of five classes or
        fewer), and maybe ``p_refit`` (NaN where nothing was fitted again)
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
    "p_refit": "float64",
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
        its children draw noise, the shuffled control and the labellings of refits
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
    for_untrained, for_refits = rng.spawn(2)
    noise = {NO_CONTROL: noise_sd(data)}
    if data.untrained is not None:
        noise[UNTRAINED] = noise_sd(replace(data, synthetic=(data.untrained,)))
    data, reasons = _with_sets_asked_for(data, experiment)
    if experiment.noise != NONE:
        if data.noise is None:
            reasons.append(
                f"Participant {data.participant}: experiment {experiment.name!r} was left out: its"
                " encoder has no model of the noise, which comes from stimuli presented more than once."
            )
            return nothing_decoded(data, tuple(reasons))
        data = _sampled(data, experiment, data.noise, [*for_sampling, for_untrained])
    comparison = compare(data, min_train, min_test, INNER_FOLDS.get(experiment.classifier, 0))
    skipped = [*reasons, *comparison.skipped, *empty_rois(data.participant, data.rois)]
    test = comparison.test
    if experiment.test == MEANS and len(test.stimuli):
        test, less_noise = mean_of_repeats(test)
        noise = {control: sd * less_noise for control, sd in noise.items()}
    index, names = pd.factorize(np.asarray(test.stimuli, dtype=object))
    labels = np.zeros(len(names), dtype=np.int64)
    labels[index] = [comparison.classes.index(str(label)) for label in test.labels]
    records, counts = [], []
    classifier = CLASSIFIERS[experiment.classifier]()
    for cell in planned(data, comparison, test, experiment, noise, rng, for_shuffling):
        own = cell.labels(comparison.classes)
        found = classifier.fit(cell.cell(own))
        trials = torch.from_numpy(cell.tested)
        counts.append(np.zeros((len(names), len(comparison.classes)), dtype=np.int64))
        np.add.at(counts[-1], (index, found.predict(trials)[0].numpy()), 1)
        values = found.decision_function(trials)[0].numpy()
        draws = experiment.refits if cell.step == FULL and cell.control == NO_CONTROL else 0
        p = _refit_p(cell, data, classifier, own, labels[index], draws, for_refits)
        records.append((*_record(cell, found), *_metrics(values, labels[index]), p))
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

    return replace(
        data,
        synthetic=tuple(map(of, data.synthetic, rngs)),
        untrained=None if data.untrained is None else of(data.untrained, rngs[-1]),
    )


def _refit_p(
    cell: Planned,
    data: ParticipantData,
    classifier: Classifier,
    own: IntArray,
    labels: IntArray,
    draws: int,
    rng: np.random.Generator,
) -> float:
    """p of the accuracy among those of decoders fitted to permuted labels; NaN without a draw.

    Parameters
    ----------
    own : (n,) class of each training row
    labels : (n_test,) class of each test trial
    draws : labellings
    """
    if not draws:
        return np.nan
    sources, sessions = (numbered(cell.stimuli, value_of) for value_of in (data.sources, data.sessions))
    strata, _ = usable(own, np.zeros_like(own), sources, sessions)
    labellings = permuted_labels(own, cell.stimuli, draws, rng, (strata,))
    tested = torch.from_numpy(cell.tested)
    accuracy, null = refitted_accuracy(classifier, cell.cell(labellings), tested, labels)
    return permutation_p(accuracy - TIE, null)


def _record(cell: Planned, found: LinearDecoders) -> tuple[str, str, str, str, int, bool, float, bool]:
    return (
        cell.roi,
        cell.training.name,
        cell.control,
        cell.step,
        len(set(cell.stimuli)),
        cell.step == FULL,
        float(found.penalty[0]),
        bool(found.at_edge[0]),
    )


def _metrics(values: FloatArray, labels: IntArray) -> tuple[float, float]:
    """AUC and top-5 accuracy of decision values (n_trials, n_classes)."""
    top = float(top_k_accuracy(values, labels, _TOP)) if values.shape[1] > _TOP else np.nan
    return float(auc(values, labels)), top


def edge_note(participant: str, cells: pd.DataFrame) -> list[str]:
    """A sentence on how many decoders' hyperparameter is an end of its grid; none where none is."""
    n = int(cells["penalty_at_edge"].sum())
    if not n:
        return []
    return [f"Participant {participant}: {n} of {len(cells)} decoders chose a penalty at the grid's edge."]
