"""What decoders are trained and tested on: labelled sets, their shared classes, nested subsets, the noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..encoding.components import PictureComponents
from ..errors import InputMalformedError
from ..structures import BoolArray, FloatArray, IntArray, RoiSet
from ..synthesis.noise_model import NoiseModel
from .label_sets_usable import usable_classes

REAL, MIXED, SYNTHETIC = "real", "mixed", "synthetic"
SYNTHETIC_SAME = "synthetic_same"
FULL = "all"
# Sizes relative to the number of real training stimuli, so that sizes agree between training sets.
STEPS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)


@dataclass(frozen=True)
class LabelledResponses:
    """Responses with the stimulus and the category of each.

    Attributes
    ----------
    name : ``real``, ``synthetic_same``, ``synthetic_NAME`` or ``mixed``
    values : (n_trials, n_voxels), all sets in the same unit
    stimuli : (n_trials,) identities
    labels : (n_trials,) category, or None; the same for all trials of a stimulus
    noiseless : (n_trials,) which rows lack the noise of a trial; None for all rows of a synthetic set
        and for none of others
    """

    name: str
    values: FloatArray
    stimuli: tuple[str, ...]
    labels: tuple[str | None, ...]
    noiseless: BoolArray | None = None

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

    @property
    def is_noiseless(self) -> BoolArray:
        """(n_trials,) which rows lack the noise of a trial."""
        if self.noiseless is not None:
            return self.noiseless
        return np.full(len(self.stimuli), self.name.startswith(SYNTHETIC))

    @property
    def label_of(self) -> dict[str, str | None]:
        """The category of each stimulus, in order of first occurrence."""
        return dict(zip(self.stimuli, self.labels, strict=True))

    def of_classes(self, classes: Sequence[str]) -> LabelledResponses:
        """The trials of some categories."""
        known = set(classes)
        return self.take([row for row, label in enumerate(self.labels) if label in known])

    def take(self, rows: Sequence[int] | IntArray) -> LabelledResponses:
        """Some rows."""
        return LabelledResponses(
            self.name,
            self.values[rows],
            tuple(self.stimuli[row] for row in rows),
            tuple(self.labels[row] for row in rows),
            None if self.noiseless is None else self.noiseless[rows],
        )

    def relabelled(self, label_of: Mapping[str, str | None]) -> LabelledResponses:
        """The same responses with other labels; stimuli that the mapping lacks have none."""
        return replace(self, labels=tuple(label_of.get(stimulus) for stimulus in self.stimuli))


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
    noise : how real single trials vary; None where no stimulus was repeated
    sources, sessions : of each stimulus, where known; labels are permuted within both (``strata.usable``)
    noise_sd : (n_voxels,) of a real trial about a noiseless response; None to measure it on ``real``
    untrained : as ``synthetic_same``, from an encoder on the untrained network; None where there is none
    pictures : features of training and test pictures; None where they are not known
    """

    participant: str
    real: LabelledResponses
    synthetic: tuple[LabelledResponses, ...]
    test: LabelledResponses
    rois: tuple[RoiSet, ...]
    noise: NoiseModel | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    sessions: Mapping[str, str] = field(default_factory=dict)
    noise_sd: NDArray[np.float64] | None = None
    untrained: LabelledResponses | None = None
    pictures: PictureComponents | None = None

    def __post_init__(self) -> None:
        self._require_same_voxels()
        for training in (self.real, *self.synthetic, *([self.untrained] if self.untrained else [])):
            shared = sorted(set(training.stimuli) & set(self.test.stimuli))
            if shared:
                raise InputMalformedError(
                    f"Participant {self.participant}: {len(shared)} test stimuli are also in training set "
                    f"{training.name!r}, e.g. {shared[0]!r}",
                    "Remove or rename these images: a decoder must not be tested on what it was trained on",
                )

    def with_each(self, change: Callable[[LabelledResponses], LabelledResponses]) -> ParticipantData:
        """The participant with every set of responses changed."""
        return replace(
            self,
            real=change(self.real),
            test=change(self.test),
            synthetic=tuple(map(change, self.synthetic)),
            untrained=None if self.untrained is None else change(self.untrained),
        )

    def _require_same_voxels(self) -> None:
        sizes = {part.values.shape[1] for part in (self.real, self.test, *self.synthetic)}
        sizes |= set() if self.untrained is None else {self.untrained.values.shape[1]}
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


def compare(data: ParticipantData, min_train: int, min_test: int, n_folds: int = 0) -> Comparison:
    """The largest fair comparison: classes with enough stimuli in every set that takes part.

    Parameters
    ----------
    min_train, min_test, n_folds : stimuli a class needs, see ``usable_classes``

    Notes
    -----
    Stimuli with real trials and out-of-fold responses decide the classes; an extra set that has fewer than
    half of them is left out, one that has more takes the classes it lacks out of the comparison.
    """
    who = f"Participant {data.participant}"
    skipped = [
        f"{who}: {n} {what} stimuli have no label and were left out of decoding."
        for part, what in ((data.real, "training"), (data.test, "test"))
        if (n := part.stimuli_per_class().get(None, 0))
    ]
    own = [data.real, *(part for part in data.synthetic if part.name == SYNTHETIC_SAME)]
    in_all = set.intersection(*(set(part.stimuli) for part in own))
    train = [label for stimulus, label in data.real.label_of.items() if stimulus in in_all]
    test = list(data.test.label_of.values())
    usable = usable_classes(train, test, what=who, min_train=min_train, min_test=min_test, n_folds=n_folds)
    skipped += usable.sentences
    if not usable.classes:
        return Comparison((), (), data.test.of_classes(()), tuple(skipped))
    classes = set(usable.classes)
    extra: list[LabelledResponses] = []
    for part in (part for part in data.synthetic if part.name != SYNTHETIC_SAME):
        # Of a rule's reasons only how many classes pass it matters here.
        found = usable_classes(
            list(part.of_classes(tuple(classes)).label_of.values()),
            [label for label in test if label in classes],
            what=who,
            min_train=min_train,
            min_test=min_test,
            n_folds=n_folds,
        )
        shared = set(found.classes)
        enough = f"at least {max(min_train, n_folds)} images"
        if len(shared) < max(2, len(classes) / 2):
            skipped.append(
                f"{who}: training set {part.name!r} was left out: it has {enough} of only {len(shared)} of"
                f" {len(classes)} classes, and half of them and two are needed."
            )
            continue
        if shared < classes:
            skipped.append(
                f"{who}: classes {', '.join(sorted(classes - shared))} were left out of every training set"
                f" because {part.name!r} does not have {enough} of them."
            )
        classes = shared
        extra.append(part)
    names = tuple(sorted(classes))
    training = tuple(part.of_classes(names) for part in (*own, *extra))
    return Comparison(names, training, data.test.of_classes(names), tuple(skipped))


def mixed(comparison: Comparison) -> LabelledResponses:
    """Real responses, and those to every extra set; to the same images where there is no extra set."""
    real, *synthetic = comparison.training
    parts = [real, *([part for part in synthetic if part.name != SYNTHETIC_SAME] or synthetic)]
    return LabelledResponses(
        MIXED,
        np.concatenate([part.values for part in parts]),
        tuple(stimulus for part in parts for stimulus in part.stimuli),
        tuple(label for part in parts for label in part.labels),
        np.concatenate([part.is_noiseless for part in parts]),
    )


def mean_of_repeats(test: LabelledResponses) -> tuple[LabelledResponses, float]:
    """The mean response to each stimulus, and what that makes of the noise's sd, on average over stimuli."""
    index, names = pd.factorize(np.asarray(test.stimuli, dtype=object))
    repeats = np.bincount(index)
    values = np.zeros((len(names), test.values.shape[1]))
    np.add.at(values, index, test.values)
    means = (values / repeats[:, None]).astype(np.float32)
    label_of = test.label_of
    stimuli = tuple(str(name) for name in names)
    averaged = LabelledResponses(test.name, means, stimuli, tuple(label_of[name] for name in stimuli))
    return averaged, float(np.sqrt(np.mean(1 / repeats)))


def of_stimuli(data: ParticipantData, keep: Callable[[str], bool]) -> ParticipantData:
    """The participant with some stimuli alone."""

    def part(responses: LabelledResponses) -> LabelledResponses:
        return responses.take([row for row, name in enumerate(responses.stimuli) if keep(name)])

    return data.with_each(part)


def noise_sd(data: ParticipantData) -> NDArray[np.float64]:
    """(n_voxels,) sd of real training trials about the out-of-fold response to their stimulus.

    Without out-of-fold responses the trials' sd, its upper bound. Labels do not enter.
    """
    if data.noise_sd is not None:
        return data.noise_sd
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
    training: LabelledResponses, n_real: int, ranks: dict[str, float], steps: Sequence[float] = STEPS
) -> list[tuple[str, IntArray]]:
    """(step, rows) of growing size, the last the whole set.

    Parameters
    ----------
    n_real : real training stimuli; step 0.5 is half as many, whatever the set
    ranks : a key for every stimulus; each class gives the same fraction of its own, lowest keys first
    steps : sizes relative to ``n_real``; those that are too large for the set are passed over
    """
    table = pd.DataFrame({"stimulus": training.stimuli, "label": training.labels})
    table["rank"] = table["stimulus"].map(ranks)
    place = table.groupby("label")["rank"].rank(method="dense")
    size = table.groupby("label")["stimulus"].transform("nunique")
    subsets = []
    for step in _steps(n_real, training.n_stimuli, steps):
        wanted = np.maximum(1, np.round(step * n_real / training.n_stimuli * size))
        chosen: BoolArray = (place <= wanted).to_numpy()
        subsets.append((f"{step:g}", np.flatnonzero(chosen)))
    return [*subsets, (FULL, np.arange(len(training.stimuli)))]


def _steps(n_real: int, n_own: int, steps: Sequence[float]) -> list[float]:
    """Steps below the whole set; those close to it tell nothing new, except the real set's own size."""
    return [step for step in steps if step * n_real <= 0.75 * n_own or (step == 1.0 and n_real < n_own)]
