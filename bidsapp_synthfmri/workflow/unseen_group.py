"""What the participant level wrote of unseen categories, as the group level decodes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from ..decoding import CategoryFolds, LabelledResponses, LabelSet, ParticipantData, UnseenData
from ..derivatives.results import ParticipantResults
from ..structures import Synthetic

_TRAIN = "train"
_KEY = "unseen_categories"


def unseen_data(results: ParticipantResults, data: ParticipantData, labels: LabelSet) -> UnseenData | str:
    """Responses by encoders without the pictures' categories, or a sentence on why there are none to decode.

    Parameters
    ----------
    results : what the participant level wrote
    data : real trials, of the labels that are decoded
    labels : those
    """
    who = f"Participant {results.participant}, unseen categories"
    table = "the table" if labels.name == "labels" else labels.name
    again = f"run the participant level again with --labels {table}"
    facts = results.summary.get(_KEY)
    if not isinstance(facts, Mapping):
        return f"{who}: no encoder was fitted without a category; run the participant level again for them."
    if facts.get("label_set") != labels.name:
        left_out = f"encoders were fitted without categories of the label set {facts.get('label_set')!r}"
        return f"{who}: {left_out}, and {labels.name!r} is decoded; {again}."
    if results.unseen is None:
        return f"{who}: {facts.get('reason') or 'their responses are gone; run the participant level again.'}"
    images = results.unseen.table
    if not _agree(images, data.real.label_of):
        return f"{who}: the label set {labels.name!r} has changed since encoders were fitted; {again}."
    folds = _folds(images)
    of_folds = replace(
        data,
        real=data.real.of_classes(folds.classes),
        test=data.test.of_classes(folds.classes),
        synthetic=tuple(_set(results.unseen, str(name)) for name in images["split"].unique()),
        untrained=None,
    )
    return UnseenData.of(of_folds, folds)


def _agree(table: pd.DataFrame, label_of: Mapping[str, str | None]) -> bool:
    """Whether training pictures have the labels that encoders went by."""
    train = table[table["split"] == _TRAIN]
    now = [label_of.get(str(stimulus)) for stimulus in train["stimulus"]]
    return now == [str(label) for label in train["label"]]


def _folds(table: pd.DataFrame) -> CategoryFolds:
    fold_of = dict(zip(map(str, table["label"]), table["fold"].astype(int), strict=True))
    names = sorted(fold_of)
    return CategoryFolds(tuple(names), np.array([fold_of[name] - 1 for name in names], dtype=np.int64))


def _set(unseen: Synthetic, split: str) -> LabelledResponses:
    """One training set; pictures of an extra one under ``SET/NAME``, as elsewhere."""
    rows = np.flatnonzero(unseen.table["split"].astype(str) == split)
    own = split == _TRAIN
    stimuli = [str(stimulus) for stimulus in unseen.table["stimulus"].iloc[rows]]
    return LabelledResponses(
        name="synthetic_same" if own else f"synthetic_{split}",
        values=unseen.values[rows],
        stimuli=tuple(stimuli if own else (f"{split}/{stimulus}" for stimulus in stimuli)),
        labels=tuple(str(label) for label in unseen.table["label"].iloc[rows]),
    )
