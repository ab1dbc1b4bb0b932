"""The decoders of one comparison: every region, training set, size and control, one cell after another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..encoding.components import PictureComponents
from ..structures import ALL_VOXELS, FloatArray, IntArray, RoiSet
from .cells import Cell, make_cell
from .experiment_list import IMAGE_FEATURES, NO_CONTROL, SHUFFLED, UNTRAINED, Experiment
from .null import permuted_labels
from .training_sets import (
    FULL,
    MIXED,
    SYNTHETIC_SAME,
    Comparison,
    LabelledResponses,
    ParticipantData,
    growing_subsets,
    mixed,
    random_ranks,
)


@dataclass(frozen=True)
class Planned:
    """One decoder to fit, and what it is tested on.

    Attributes
    ----------
    roi : name
    training : its set, of which ``rows`` are used
    control : ``none`` or one of ``experiment_list.CONTROLS``
    step : size relative to the real training set, or ``all``
    rows : (n,) of ``training``
    columns : (n_columns,) voxels, or components of the pictures' features, of ``training`` and ``test``
    unit : of each column of the whole set: the noise of a trial, or what features are divided by; None
        where columns are standardised
    test : (n_test, n_all_columns), a row a test trial
    """

    roi: str
    training: LabelledResponses
    control: str
    step: str
    rows: IntArray
    columns: IntArray
    unit: NDArray[np.float64] | None
    test: FloatArray

    @property
    def tested(self) -> FloatArray:
        """(n_test, n_columns) what the decoder is tested on."""
        return self.test[:, self.columns]

    @property
    def stimuli(self) -> tuple[str, ...]:
        """(n,) of the training rows."""
        return tuple(self.training.stimuli[row] for row in self.rows)

    def labels(self, classes: Sequence[str]) -> IntArray:
        """(n,) class of each training row, as position in ``classes``."""
        place = {name: number for number, name in enumerate(classes)}
        return np.array([place[str(self.training.labels[row])] for row in self.rows], dtype=np.int64)

    def cell(self, labels: IntArray) -> Cell:
        """What a classifier is fitted on.

        Parameters
        ----------
        labels : (n,) or (n_labellings, n)
        """
        values = self.training.values[np.ix_(self.rows, self.columns)]
        if self.unit is None:
            return make_cell(values, labels, self.stimuli)
        if self.control == IMAGE_FEATURES:
            # Features are tested as they are: a unit, but no noise to come.
            no_noise = np.zeros(len(values), dtype=bool)
            return make_cell(values, labels, self.stimuli, self.unit[self.columns], no_noise)
        share = float(self.training.is_noiseless[self.rows].mean())
        noise = self.unit[self.columns] * np.sqrt(share) if share else None
        return make_cell(values, labels, self.stimuli, noise)


def planned(
    data: ParticipantData,
    comparison: Comparison,
    test: LabelledResponses,
    experiment: Experiment,
    noise: Mapping[str, NDArray[np.float64]],
    rng: np.random.Generator,
    for_shuffling: np.random.Generator,
) -> Iterator[Planned]:
    """Every cell of an experiment, region by region, the pictures' features last.

    Parameters
    ----------
    data : the participant, synthetic responses as the experiment has them
    comparison : its sets with the classes that all share
    test : what is tested, of these classes
    noise : (n_voxels,) of what is tested, by the control whose out-of-fold responses it is measured about
    rng : draws the nested subsets
    for_shuffling : draws the shuffled control
    """
    if not comparison.training:
        return
    real, *synthetic = comparison.training
    ranks = random_ranks(comparison.training, rng)
    trained = [part for part in comparison.training if experiment.takes(part.name)]
    if experiment.takes(MIXED) and synthetic:
        trained.append(mixed(comparison))
    controls: list[tuple[str, LabelledResponses]] = []
    if SHUFFLED in experiment.controls:
        controls += [
            (SHUFFLED, _shuffled(part, for_shuffling)) for part in synthetic if experiment.takes(part.name)
        ]
    if UNTRAINED in experiment.controls and data.untrained is not None and experiment.takes(SYNTHETIC_SAME):
        controls.append((UNTRAINED, data.untrained.of_classes(comparison.classes)))
    for roi in (roi for roi in data.rois if roi.voxels.any()):
        columns = np.flatnonzero(roi.voxels)
        for training in trained:
            for step, rows in growing_subsets(training, real.n_stimuli, ranks, experiment.sizes):
                unit = noise[NO_CONTROL]
                yield Planned(roi.name, training, NO_CONTROL, step, rows, columns, unit, test.values)
        for control, training in controls:
            rows = np.arange(len(training.stimuli))
            unit = noise[UNTRAINED if control == UNTRAINED else NO_CONTROL]
            yield Planned(roi.name, training, control, FULL, rows, columns, unit, test.values)
    if IMAGE_FEATURES in experiment.controls and data.pictures is not None:
        yield _from_pictures(data.pictures, real, test)


def _shuffled(part: LabelledResponses, rng: np.random.Generator) -> LabelledResponses:
    """The set with its images' responses permuted over images, which is to permute their labels."""
    names, index = np.unique(np.asarray(part.labels, dtype=str), return_inverse=True)
    permuted = permuted_labels(index.reshape(-1).astype(np.int64), part.stimuli, 1, rng)[1]
    return replace(part, labels=tuple(str(names[label]) for label in permuted))


def _from_pictures(pictures: PictureComponents, real: LabelledResponses, test: LabelledResponses) -> Planned:
    """Each real training picture once; each test picture as often as it is tested, so that weights agree.

    Components keep their variance, in one unit for all: divided each by its own, those that hardly differ
    between pictures would count like the first.
    """
    scores, label_of = pictures.scores, real.label_of
    stimuli = tuple(label_of)
    values = scores[pictures.rows_of(stimuli)]
    training = LabelledResponses(IMAGE_FEATURES, values, stimuli, tuple(label_of.values()))
    n_components = scores.shape[1]
    unit = np.full(n_components, np.sqrt(values.var(axis=0, dtype=np.float64).mean()))
    tested = scores[pictures.rows_of(test.stimuli)]
    rows, columns = np.arange(len(stimuli)), np.arange(n_components)
    return Planned(ALL_VOXELS, training, IMAGE_FEATURES, FULL, rows, columns, unit, tested)


def empty_rois(participant: str, rois: Sequence[RoiSet]) -> list[str]:
    """A sentence on each region without voxels."""
    return [
        f"Participant {participant}: ROI {roi.name} has no voxels and was left out."
        for roi in rois
        if not roi.voxels.any()
    ]
