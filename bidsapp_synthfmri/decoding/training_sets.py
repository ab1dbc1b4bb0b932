"""What decoders are trained and tested on: labelled sets, their shared classes, nested subsets, the noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import InputMalformedError
from ..structures import BoolArray, FloatArray, IntArray, RoiSet

REAL = "real"
SYNTHETIC_SAME = "synthetic_same"
FULL = "all"
# Sizes relative to the number of real training stimuli, so that sizes agree between training sets.
STEPS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)


@dataclass(frozen=True)
class LabelledResponses:
    """Responses with the stimulus and the category of each.

    Attributes
    ----------
    name : ``real``, ``synthetic_same`` or ``synthetic_NAME``
    values : (n_trials, n_voxels), all sets in the same unit
    stimuli : (n_trials,) identities
    labels : (n_trials,) category, or None; the same for all trials of a stimulus
    """

    name: str
    values: FloatArray
    stimuli: tuple[str, ...]
    labels: tuple[str | None, ...]

    def __post_init__(self) -> None:
        if not len(self.values) == len(self.stimuli) == len(self.labels):
            raise InputMalformedError(
                f"Set {self.name!r} has {len(self.values)} responses, {len(self.stimuli)} stimuli and "
                f"{len(self.labels)} labels",
                "Give one of each a row",
            )
        label_of: dict[str, str | None] = {}
        for stimulus, label in zip(self.stimuli, self.labels, strict=True):
            if label_of.setdefault(stimulus, label) != label:
                raise InputMalformedError(
                    f"Stimulus {stimulus!r} of set {self.name!r} has two labels: {label_of[stimulus]!r} "
                    f"and {label!r}",
                    "Give every presentation of a stimulus the same label",
                )

    @property
    def n_stimuli(self) -> int:
        """Distinct stimuli."""
        return len(set(self.stimuli))

    def stimuli_per_class(self) -> dict[str | None, int]:
        """Distinct stimuli of each category; under None those without one."""
        counts: dict[str | None, int] = {}
        for _, label in set(zip(self.stimuli, self.labels, strict=True)):
            counts[label] = counts.get(label, 0) + 1
        return counts

    def classes(self, at_least: int) -> set[str]:
        """Categories with enough distinct stimuli."""
        return {label for label, n in self.stimuli_per_class().items() if label is not None and n >= at_least}

    def of_classes(self, classes: Sequence[str]) -> LabelledResponses:
        """The trials of some categories."""
        known = set(classes)
        rows = [row for row, label in enumerate(self.labels) if label in known]
        return LabelledResponses(
            self.name,
            self.values[rows],
            tuple(self.stimuli[row] for row in rows),
            tuple(self.labels[row] for row in rows),
        )


@dataclass(frozen=True)
class ParticipantData:
    """What one participant brings to decoding.

    Attributes
    ----------
    participant : label
    real : single training trials
    synthetic : sets to train on instead: out-of-fold predictions for the training stimuli
        (``synthetic_same``), noiseless predictions for other images (``synthetic_NAME``)
    test : single real trials of the test stimuli
    rois : voxels to decode from
    """

    participant: str
    real: LabelledResponses
    synthetic: tuple[LabelledResponses, ...]
    test: LabelledResponses
    rois: tuple[RoiSet, ...]

    def __post_init__(self) -> None:
        self._require_same_voxels()
        for training in (self.real, *self.synthetic):
            shared = sorted(set(training.stimuli) & set(self.test.stimuli))
            if shared:
                raise InputMalformedError(
                    f"Participant {self.participant}: {len(shared)} test stimuli are also in training set "
                    f"{training.name!r}, e.g. {shared[0]!r}",
                    "Remove or rename these images: a decoder must not be tested on what it was trained on",
                )

    def _require_same_voxels(self) -> None:
        sizes = {part.values.shape[1] for part in (self.real, self.test, *self.synthetic)}
        sizes |= {len(roi.voxels) for roi in self.rois}
        if len(sizes) > 1:
            raise InputMalformedError(
                f"Participant {self.participant}'s responses and ROIs have different numbers of voxels: "
                f"{sorted(sizes)}",
                "Run the participant level again, so that all its files come from one run",
            )


@dataclass(frozen=True)
class Comparison:
    """Training sets that are compared on the same classes and the same test trials.

    Attributes
    ----------
    classes : sorted; empty where fewer than two can be decoded
    training : the sets, real first, with trials of these classes only
    test : test trials of these classes
    skipped : sentences on what was left out, and why
    """

    classes: tuple[str, ...]
    training: tuple[LabelledResponses, ...]
    test: LabelledResponses
    skipped: tuple[str, ...]


def compare(data: ParticipantData, min_train: int, min_test: int) -> Comparison:
    """The largest fair comparison: classes with enough stimuli in every set that takes part.

    Real trials and out-of-fold responses decide the classes; an extra set that has fewer than half of
    them is left out, one that has more takes the classes it lacks out of the comparison.
    """
    who = f"Participant {data.participant}"
    skipped = [
        f"{who}: {n} {what} stimuli have no label and were left out of decoding."
        for part, what in ((data.real, "training"), (data.test, "test"))
        if (n := part.stimuli_per_class().get(None, 0))
    ]
    own = [data.real, *(part for part in data.synthetic if part.name == SYNTHETIC_SAME)]
    classes = data.test.classes(min_test)
    classes = classes.intersection(*(part.classes(min_train) for part in own))
    n_test = len(data.test.classes(1))
    reason = f"at least {min_train} training and {min_test} test stimuli"
    if len(classes) < 2:
        skipped.append(
            f"{who} was not decoded: {len(classes)} of {n_test} categories have {reason}, and two are needed."
        )
        return Comparison((), (), data.test.of_classes(()), tuple(skipped))
    if len(classes) < n_test:
        skipped.append(f"{who}: {n_test - len(classes)} of {n_test} categories lack {reason}; left out.")
    extra: list[LabelledResponses] = []
    for part in (part for part in data.synthetic if part.name != SYNTHETIC_SAME):
        shared = classes & part.classes(min_train)
        if len(shared) < max(2, len(classes) / 2):
            skipped.append(
                f"{who}: training set {part.name!r} was left out: it has at least {min_train} images of "
                f"only {len(shared)} of {len(classes)} categories."
            )
            continue
        if shared < classes:
            skipped.append(
                f"{who}: categories {', '.join(sorted(classes - shared))} were left out of every training "
                f"set because {part.name!r} has fewer than {min_train} images of them."
            )
        classes = shared
        extra.append(part)
    names = tuple(sorted(classes))
    training = tuple(part.of_classes(names) for part in (*own, *extra))
    return Comparison(names, training, data.test.of_classes(names), tuple(skipped))


def noise_sd(data: ParticipantData) -> NDArray[np.float64]:
    """(n_voxels,) sd of real training trials about the out-of-fold response to their stimulus.

    Without out-of-fold responses the trials' sd, its upper bound. Labels do not enter.
    """
    real = data.real.values.astype(np.float64)
    same = next((part for part in data.synthetic if part.name == SYNTHETIC_SAME), None)
    row_of = {} if same is None else {stimulus: row for row, stimulus in enumerate(same.stimuli)}
    rows = [row for row, stimulus in enumerate(data.real.stimuli) if stimulus in row_of]
    if same is None or len(rows) < 2:
        return np.asarray(real.std(axis=0))
    predicted = same.values[[row_of[data.real.stimuli[row]] for row in rows]]
    return np.asarray((real[rows] - predicted).std(axis=0))


def random_ranks(sets: Sequence[LabelledResponses], rng: np.random.Generator) -> dict[str, float]:
    """A random key for every training stimulus; subsets take the lowest, so they are nested."""
    stimuli = sorted({stimulus for training in sets for stimulus in training.stimuli})
    return dict(zip(stimuli, rng.random(len(stimuli)).tolist(), strict=True))


def growing_subsets(
    training: LabelledResponses, n_real: int, ranks: dict[str, float]
) -> list[tuple[str, IntArray]]:
    """(step, rows) of growing size, the last the whole set.

    Parameters
    ----------
    n_real : real training stimuli; step 0.5 is half as many, whatever the set
    ranks : a key for every stimulus; each class gives the same fraction of its own, lowest keys first
    """
    table = pd.DataFrame({"stimulus": training.stimuli, "label": training.labels})
    table["rank"] = table["stimulus"].map(ranks)
    place = table.groupby("label")["rank"].rank(method="dense")
    size = table.groupby("label")["stimulus"].transform("nunique")
    subsets = []
    for step in _steps(n_real, training.n_stimuli):
        wanted = np.maximum(1, np.round(step * n_real / training.n_stimuli * size))
        chosen: BoolArray = (place <= wanted).to_numpy()
        subsets.append((f"{step:g}", np.flatnonzero(chosen)))
    return [*subsets, (FULL, np.arange(len(training.stimuli)))]


def _steps(n_real: int, n_own: int) -> list[float]:
    """Steps below the whole set; those close to it tell nothing new, except the real set's own size."""
    return [step for step in STEPS if step * n_real <= 0.75 * n_own or (step == 1.0 and n_real < n_own)]
