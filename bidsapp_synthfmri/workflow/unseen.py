"""Categories that encoders never saw: which are left out together, and what is then predicted for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ..config import RunConfig
from ..decoding import (
    FEWEST_CATEGORIES,
    N_CATEGORY_FOLDS,
    CategoryFolds,
    LabelSet,
    category_folds,
    usable_classes,
)
from ..encoding import Encoder, LeftOut
from ..encoding.selection import BANDED
from ..encoding.split import HeldOut
from ..encoding.without import Without
from ..structures import Features, FloatArray, IntArray, Json, StimulusSet, Synthetic, Trials
from .decoding_sources import source_of_trials
from .label_choice import labels_of_images, labels_of_trials
from .model import predict_images, selection_of
from .runtime import generator

PREDICTION = "category-deleted encoder"
_NO_FOLDS = CategoryFolds((), np.zeros(0, dtype=np.int64))


@dataclass(frozen=True)
class UnseenPlan:
    """Which categories are left out of encoders together, and the pictures that are then predicted.

    Attributes
    ----------
    label_set : name of the categories' label set; None where nothing was asked for
    folds : of categories; none where nothing is left out, for ``reason``
    label_of : category of each training stimulus that has one in the folds
    images : of each extra image set, the pictures whose category is in the folds, that category as ``label``
    sentences : on categories and pictures that are in no fold
    reason : why no category is left out; empty where some are
    """

    label_set: str | None = None
    folds: CategoryFolds = _NO_FOLDS
    label_of: Mapping[str, str] = field(default_factory=dict)
    images: tuple[StimulusSet, ...] = ()
    sentences: tuple[str, ...] = ()
    reason: str = ""

    @property
    def n_encoders(self) -> int:
        """Encoders for new pictures, one a fold."""
        return self.folds.n_folds if any(len(images) for images in self.images) else 0

    @property
    def notes(self) -> list[str]:
        """Sentences for a reader of the participant's page."""
        return [self.reason] if self.reason else list(self.sentences)

    @property
    def facts(self) -> Json:
        """What the summary and the sidecar say, and the group level reads."""
        if self.label_set is None:
            return {}
        if self.reason:
            return {"label_set": self.label_set, "reason": self.reason}
        counts = Counter(self.label_of.values())
        return {
            "label_set": self.label_set,
            "n_categories": len(self.folds.classes),
            "n_folds": self.folds.n_folds,
            "folds": [
                {"categories": list(own), "n_training_stimuli": sum(counts[name] for name in own)}
                for own in self.folds.members()
            ],
            "image_sets": {images.name: len(images) for images in self.images},
        }

    def left_out(self, features: Features) -> LeftOut | None:
        """The groups of training stimuli, as the encoder's fit takes them; None where nothing is left out."""
        if self.reason or self.label_set is None:
            return None
        fold = self.folds.of([self.label_of.get(stimulus) for stimulus in features.stimuli])
        return LeftOut(fold, new_images=self.n_encoders > 0)


NOTHING_UNSEEN = UnseenPlan()


def plan_unseen(
    config: RunConfig, participant: str, trials: Trials, held_out: HeldOut, extra: Sequence[StimulusSet]
) -> UnseenPlan:
    """The folds of categories of the label set that the options ask to decode.

    Parameters
    ----------
    trials : all, in the order of ``held_out``
    extra : image sets, without test pictures

    Raises
    ------
    as ``label_choice.labels_of``

    Notes
    -----
    Folds depend on categories, their sources and the seed alone: participants with the same ones share them.
    """
    if not config.unseen_categories:
        return NOTHING_UNSEEN
    labels = labels_of_trials(trials, participant, None, config)
    of_all = dict(zip(trials.stimuli, labels.labels, strict=True))
    tested = set(trials.table["stimulus"][held_out.is_test])
    known = {side: _labels_of(of_all, tested, side == "test") for side in ("train", "test")}
    usable = usable_classes(
        known["train"], known["test"], what=f"Unseen categories, label set {labels.name!r}"
    )
    if selection_of(config) == BANDED:
        reason = "banded ridge joins the layers in one kernel; choose --joint-model stacking to have them"
    elif len(usable.classes) < FEWEST_CATEGORIES:
        reason = (
            f"the label set {labels.name!r} has {len(usable.classes)} categories with enough training and"
            f" test pictures, and {FEWEST_CATEGORIES} are needed; choose another with --labels to have them"
        )
    else:
        folds = category_folds(
            usable.classes,
            N_CATEGORY_FOLDS,
            generator(config, "categories"),
            _majority_sources(of_all, source_of_trials(trials, config) or {}),
        )
        label_of = {s: str(name) for s, name in of_all.items() if s not in tested and name in folds.classes}
        images = tuple(_of_folds(one, labels, folds, config) for one in extra)
        said = (*usable.sentences, *_not_in_folds(len(known["train"]), len(label_of), extra, images))
        return UnseenPlan(labels.name, folds, label_of, images, said)
    return UnseenPlan(labels.name, reason=f"No category was left out of the encoder: {reason}.")


def predict_unseen(
    plan: UnseenPlan, without: Without, encoder: Encoder, features: Features, stimuli: Sequence[str]
) -> Synthetic:
    """Responses to the pictures of every category by the encoder that saw no trial of its fold.

    Parameters
    ----------
    without : fits without each fold
    encoder : fitted on all trials; its network, voxels and card serve the others
    features : what was fitted on
    stimuli : the dataset's own, in the order that rows shall have

    Returns
    -------
    training pictures (``split`` is ``train``), then those of each image set (its name), with ``label`` and
    ``fold``, from 1

    Raises
    ------
    InputMissingError, InputMalformedError : a picture that is not there or cannot be decoded
    """
    own = [stimulus for stimulus in stimuli if stimulus in plan.label_of]
    row_of = dict(zip(without.rows.tolist(), range(len(without.rows)), strict=True))
    rows = [row_of[row] for row in features.rows_of(own).tolist()]
    tables = [pd.DataFrame({"stimulus": own, "split": "train", "label": [plan.label_of[s] for s in own]})]
    parts = [without.predicted[rows]]
    folds = [plan.folds.of(one.table["label"].tolist()) for one in plan.images]
    found = [np.empty((len(one), len(encoder.voxels)), dtype=np.float32) for one in plan.images]
    for number in range(plan.folds.n_folds):
        if any((fold == number).any() for fold in folds):
            _predict_fold(plan, number, folds, found, _without_fold(without, encoder, features, number))
    for one, values in zip(plan.images, found, strict=True):
        tables.append(one.table[["stimulus", "label"]].assign(split=one.name))
        parts.append(values)
    table = pd.concat(tables, ignore_index=True)
    fold = plan.folds.of(table["label"].tolist()) + 1
    return Synthetic(np.concatenate(parts), table.assign(fold=fold, prediction=PREDICTION), encoder.voxels)


def _without_fold(without: Without, encoder: Encoder, features: Features, fold: int) -> Encoder:
    """The encoder that saw no trial of a fold, with the same network at hand."""
    weights, intercept = without.weights(features, fold)
    return Encoder(weights, intercept, encoder.voxels, encoder.card, encoder.backbone)


def _predict_fold(
    plan: UnseenPlan, number: int, folds: Sequence[IntArray], found: Sequence[FloatArray], encoder: Encoder
) -> None:
    """Fill in the rows of a fold's pictures in every image set."""
    for images, fold, values in zip(plan.images, folds, found, strict=True):
        rows = np.flatnonzero(fold == number)
        if len(rows):
            values[rows] = predict_images(encoder, StimulusSet(images.name, images.table.iloc[rows]))


def _not_in_folds(
    n_train: int, n_known: int, extra: Sequence[StimulusSet], images: Sequence[StimulusSet]
) -> list[str]:
    """Sentences on training pictures that stay in every encoder, and pictures that none predicts."""
    about = "Unseen categories"
    said = []
    if n_known < n_train:
        said.append(
            f"{about}: {n_train - n_known} of {n_train} training pictures have no category that is left out,"
            " and stay in every encoder."
        )
    said += [
        f"{about}: {len(before) - len(after)} of {len(before)} pictures of image set {before.name} have no"
        " category that is left out, and are not predicted without it."
        for before, after in zip(extra, images, strict=True)
        if len(after) < len(before)
    ]
    return said


def _labels_of(of_all: Mapping[str, str | None], tested: set[str], is_test: bool) -> list[str | None]:
    return [label for stimulus, label in of_all.items() if (stimulus in tested) == is_test]


def _majority_sources(label_of: Mapping[str, str | None], source_of: Mapping[str, str]) -> dict[str, str]:
    """The source of most pictures of each category; of several such, the first by name."""
    counts: dict[str, Counter[str]] = {}
    for stimulus, label in label_of.items():
        if label is not None and stimulus in source_of:
            counts.setdefault(label, Counter())[source_of[stimulus]] += 1
    return {label: sorted((-n, source) for source, n in own.items())[0][1] for label, own in counts.items()}


def _of_folds(images: StimulusSet, own: LabelSet, folds: CategoryFolds, config: RunConfig) -> StimulusSet:
    """The pictures whose category is in the folds; ``label`` is that category."""
    labels = labels_of_images(images.table.assign(split=images.name), own, config).labels
    kept = folds.of(labels) >= 0
    table = images.table.assign(label=np.array(labels, dtype=object))[kept].reset_index(drop=True)
    return StimulusSet(images.name, table)
