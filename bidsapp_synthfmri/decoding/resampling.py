"""Balanced accuracy under bootstrap draws and label permutations of test stimuli."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputMalformedError
from ..evaluation.statistics import bootstrap_weights
from ..structures import BoolArray, IntArray
from .experiments import Decoded

Accuracy = NDArray[np.float64]


@dataclass(frozen=True)
class TestStimuli:
    """The test stimuli of several participants, each once.

    Attributes
    ----------
    labels : (n_stimuli,) class, as a number
    seen_by : (n_stimuli,) number of the set of participants tested with the stimulus
    rows : for each participant, where its test stimuli stand here
    """

    __test__ = False

    labels: IntArray
    seen_by: IntArray
    rows: tuple[IntArray, ...]

    def bootstrap(self, draws: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """(draws, n_stimuli) how often each stimulus is drawn.

        Stimuli are drawn within their class and the set of participants who saw them, so every
        participant keeps trials of every class in every draw and balanced accuracy is defined.
        """
        weights = np.zeros((draws, len(self.labels)))
        for stratum in _strata(self.labels, self.seen_by):
            weights[:, stratum] = bootstrap_weights(int(stratum.sum()), draws, rng)
        return weights

    def permutations(self, draws: int, rng: np.random.Generator) -> IntArray:
        """(draws, n_stimuli) the stimulus whose label each stimulus gets, within the set of participants."""
        order = np.tile(np.arange(len(self.labels), dtype=np.int64), (draws, 1))
        for stratum in _strata(self.seen_by):
            order[:, stratum] = rng.permuted(order[:, stratum], axis=1)
        return order

    def signs(self, draws: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """(draws, n_stimuli) +1 or -1: whether two decoders swap their predictions for the stimulus."""
        return np.asarray(rng.integers(0, 2, size=(draws, len(self.labels))) * 2.0 - 1.0, dtype=np.float64)


def share_stimuli(participants: Sequence[Decoded]) -> TestStimuli:
    """The participants' test stimuli joined by name.

    Raises
    ------
    InputMalformedError : a stimulus has one label for one participant and another for another
    """
    label_of: dict[str, str] = {}
    for decoded in participants:
        for stimulus, label in zip(decoded.stimuli, decoded.labels, strict=True):
            name = decoded.classes[label]
            if label_of.setdefault(stimulus, name) != name:
                raise InputMalformedError(
                    f"Stimulus {stimulus!r} is labelled {label_of[stimulus]!r} and {name!r}",
                    "Give it the same label for all participants",
                )
    place = {stimulus: number for number, stimulus in enumerate(label_of)}
    rows = tuple(
        np.array([place[stimulus] for stimulus in decoded.stimuli], dtype=np.int64)
        for decoded in participants
    )
    seen = np.zeros((len(place), len(rows)), dtype=bool)
    for number, own in enumerate(rows):
        seen[own, number] = True
    _, labels = np.unique(np.array(list(label_of.values()), dtype=str), return_inverse=True)
    _, seen_by = np.unique(seen, axis=0, return_inverse=True)
    return TestStimuli(labels.astype(np.int64), seen_by.reshape(-1).astype(np.int64), rows)


def balanced_accuracy(decoded: Decoded, weights: NDArray[np.float64]) -> Accuracy:
    """(draws, n_cells) mean recall over classes, each stimulus' trials counted ``weights`` times.

    Parameters
    ----------
    weights : (draws, n_stimuli)
    """
    trials = decoded.counts[0].sum(axis=1)  # (n_stimuli,)
    recall = np.zeros((len(weights), len(decoded.counts)))
    for label in range(len(decoded.classes)):
        own = decoded.labels == label
        hits = weights[:, own] @ decoded.counts[:, own, label].T  # (draws, n_cells)
        recall += hits / (weights[:, own] @ trials[own])[:, None]
    return recall / len(decoded.classes)


def permuted_accuracy(decoded: Decoded, labels: IntArray) -> Accuracy:
    """(draws, n_cells) balanced accuracy with other labels of the same, fixed predictions.

    Parameters
    ----------
    labels : (draws, n_stimuli); all trials of a stimulus have its label
    """
    trials = decoded.counts[0].sum(axis=1)
    recall = np.zeros((len(labels), len(decoded.counts)))
    for label in range(len(decoded.classes)):
        own = (labels == label).astype(np.float64)  # (draws, n_stimuli)
        recall += (own @ decoded.counts[:, :, label].T) / (own @ trials)[:, None]
    return recall / len(decoded.classes)


def stimulus_shares(decoded: Decoded) -> Accuracy:
    """(n_cells, n_stimuli) what each test stimulus adds to balanced accuracy; sums to it over stimuli."""
    trials = decoded.counts[0].sum(axis=1)
    per_class = np.bincount(decoded.labels, weights=trials, minlength=len(decoded.classes))
    hits = np.take_along_axis(decoded.counts, decoded.labels[None, :, None], axis=2)[:, :, 0]
    return np.asarray(hits / (per_class[decoded.labels] * len(decoded.classes)))


def _strata(*keys: IntArray) -> list[BoolArray]:
    _, index = np.unique(np.stack(keys), axis=1, return_inverse=True)
    index = index.reshape(-1)
    return [np.asarray(index == number) for number in range(int(index.max(initial=-1)) + 1)]
