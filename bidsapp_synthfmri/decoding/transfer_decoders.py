"""Decoders across participants: one's read another's mapped trials, and mapped trials train for another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from ..structures import IntArray, RoiSet
from .cells import make_cell
from .experiment_list import NO_CONTROL
from .experiments import Decoded
from .linear import LinearDecoders
from .ridge import Ridge
from .strata import numbered
from .training_sets import (
    FULL,
    REAL,
    LabelledResponses,
    ParticipantData,
    compare,
    mean_of_repeats,
    noise_sd,
)
from .transfer_pictures import label_of_all, trials_of

OTHERS = "others"


@dataclass(frozen=True)
class TargetDecoded:
    """What decoders of one participant's voxels say.

    Attributes
    ----------
    own : of the participant's real test trials, after training on its own real trials (``real``), and on
        the mapped trials of the others (``others``)
    mapped : by participant, of the mapped test trials of others, after training on the target's real trials
    """

    own: Decoded
    mapped: dict[str, Decoded]


def pool_training(
    mapped: Mapping[str, LabelledResponses], tested: Sequence[str]
) -> tuple[LabelledResponses | None, int]:
    """A training set of other participants' trials, one row a stimulus; and how many lost their label.

    Parameters
    ----------
    mapped : trials of each other participant, mapped to the target's voxels
    tested : stimuli that the target is tested with; they do not come

    Returns
    -------
    the mean over participants of their mean response to each stimulus, None where there is no trial. A
    stimulus that they label differently has no label; the target's own labels have no say in it.
    """
    kept = [own for trials in mapped.values() if (own := _without(trials, tested)).stimuli]
    if not kept:
        return None, 0
    parts = [mean_of_repeats(own)[0] for own in kept]
    stimuli = tuple(stimulus for part in parts for stimulus in part.stimuli)
    values = np.concatenate([part.values for part in parts])
    labels = label_of_all(mapped)
    known = {stimulus for part in parts for stimulus, label in part.label_of.items() if label is not None}
    joined = LabelledResponses(OTHERS, values, stimuli, tuple(labels[stimulus] for stimulus in stimuli))
    means = mean_of_repeats(joined)[0]
    lost = sum(labels[stimulus] is None for stimulus in known)
    return replace(means, noiseless=np.ones(len(means.stimuli), dtype=bool)), lost


def decode_target(
    target: ParticipantData,
    others: LabelledResponses | None,
    mapped: Mapping[str, LabelledResponses],
    min_train: int = 5,
    min_test: int = 2,
) -> TargetDecoded:
    """Decoders of every region, trained on the target's real trials and on those of the others.

    Parameters
    ----------
    target : labels of its trials are decoded; its training trials give scale and noise of real trials
    others : from ``pool_training``; None where nobody can be mapped
    mapped : real test trials of others, mapped to the target's voxels
    min_train, min_test : stimuli a class needs in training sets, and among the target's test stimuli

    Notes
    -----
    Ridge classifiers, see ``experiments.decode``. Mapped trials are shrunk as synthetic responses are, so
    they too are divided by the noise of the target's real trials, and their penalty is chosen for trials
    with that noise. Labels of the target's trials do not enter the decoder trained on the others.
    """
    sets = () if others is None else (others,)
    comparison = compare(replace(target, synthetic=sets), min_train, min_test)
    tested = {"": comparison.test}
    for name, trials in mapped.items():
        labelled = trials.relabelled(target.test.label_of)
        tested[name] = labelled.of_classes(comparison.classes)
    noise, records = noise_sd(target), list[dict[str, Any]]()
    counts: dict[str, list[IntArray]] = {name: [] for name in tested}
    for roi, training, found in _fitted(target.rois, comparison.training, comparison.classes, noise):
        records.append(_record(roi, training, found))
        for name, trials in tested.items():
            counts[name].append(_counts(found, trials, roi))
    cells = pd.DataFrame(records)
    found_of = {
        name: _decoded(target, comparison.classes, tested[name], cells, counts[name]) for name in tested
    }
    own = replace(found_of.pop(""), skipped=(*comparison.skipped, *_edge_note(target.participant, records)))
    of_real = np.array([row for row, cell in enumerate(records) if cell["training"] == REAL], dtype=np.int64)
    return TargetDecoded(own, {name: _cells(decoded, of_real) for name, decoded in found_of.items()})


def of_tested(decoded: Decoded, stimuli: Sequence[str]) -> Decoded:
    """Predictions for some test stimuli, in their order; those that were not decoded do not come.

    Classes without such a stimulus are none any more; ``counts`` keeps their columns, last, for the trials
    that were taken for them.
    """
    place = {stimulus: number for number, stimulus in enumerate(decoded.stimuli)}
    rows = np.array([place[stimulus] for stimulus in stimuli if stimulus in place], dtype=np.int64)
    present = np.unique(decoded.labels[rows])
    absent = np.setdiff1d(np.arange(len(decoded.classes)), present)
    return replace(
        decoded,
        classes=tuple(decoded.classes[number] for number in present),
        stimuli=tuple(decoded.stimuli[row] for row in rows),
        labels=np.searchsorted(present, decoded.labels[rows]).astype(np.int64),
        counts=decoded.counts[:, rows][:, :, np.concatenate([present, absent])],
        strata=decoded.strata[rows],
        sources=decoded.sources[rows],
        sessions=decoded.sessions[rows],
    )


def _without(responses: LabelledResponses, stimuli: Sequence[str]) -> LabelledResponses:
    return trials_of(responses, tuple(set(responses.stimuli) - set(stimuli)))


def _fitted(
    rois: Sequence[RoiSet],
    training: Sequence[LabelledResponses],
    classes: tuple[str, ...],
    noise: NDArray[np.float64],
) -> Iterator[tuple[RoiSet, LabelledResponses, LinearDecoders]]:
    place = {name: number for number, name in enumerate(classes)}
    for roi in (roi for roi in rois if roi.voxels.any()):
        for part in training:
            cell = make_cell(
                part.values[:, roi.voxels],
                [place[str(label)] for label in part.labels],
                part.stimuli,
                noise[roi.voxels] if part.is_noiseless.any() else None,
            )
            yield roi, part, Ridge().fit(cell)


def _record(roi: RoiSet, training: LabelledResponses, found: LinearDecoders) -> dict[str, Any]:
    """The row of ``Decoded.cells``; decision values are not judged here."""
    return {
        "roi": roi.name,
        "training": training.name,
        "control": NO_CONTROL,
        "step": FULL,
        "n_training": training.n_stimuli,
        "full": True,
        "penalty": float(found.penalty[0]),
        "penalty_at_edge": bool(found.at_edge[0]),
        "auc": np.nan,
        "top5": np.nan,
    }


def _counts(found: LinearDecoders, trials: LabelledResponses, roi: RoiSet) -> IntArray:
    """(n_stimuli, n_classes) trials of each stimulus, in order of first occurrence, taken for each class."""
    index, names = pd.factorize(np.asarray(trials.stimuli, dtype=object))
    counts = np.zeros((len(names), found.intercept.shape[1]), dtype=np.int64)
    if len(index):
        values = torch.from_numpy(np.ascontiguousarray(trials.values[:, roi.voxels]))
        np.add.at(counts, (index, found.predict(values)[0].numpy()), 1)
    return counts


def _decoded(
    target: ParticipantData,
    classes: tuple[str, ...],
    tested: LabelledResponses,
    cells: pd.DataFrame,
    counts: Sequence[IntArray],
) -> Decoded:
    label_of = tested.label_of
    stimuli = tuple(label_of)
    shape = (len(counts), len(stimuli), len(classes))
    return Decoded(
        target.participant,
        classes,
        stimuli,
        np.array([classes.index(str(label_of[name])) for name in stimuli], dtype=np.int64),
        cells,
        np.array(counts, dtype=np.int64).reshape(shape),
        (),
        strata=np.zeros(len(stimuli), dtype=np.int64),
        sources=numbered(stimuli, target.sources),
        sessions=numbered(stimuli, target.sessions),
    )


def _cells(decoded: Decoded, rows: IntArray) -> Decoded:
    cells = decoded.cells.iloc[rows].reset_index(drop=True)
    return replace(decoded, cells=cells, counts=decoded.counts[rows])


def _edge_note(participant: str, cells: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    n = sum(cell["penalty_at_edge"] for cell in cells)
    if not n:
        return ()
    sentence = f"{n} of {len(cells)} decoders of transfer chose a penalty at the grid's edge"
    return (f"Participant {participant}: {sentence}.",)
