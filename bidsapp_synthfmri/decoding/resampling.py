"""Balanced accuracy under bootstrap draws and label permutations of test stimuli."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputMalformedError
from ..evaluation.statistics import bootstrap_weights
from ..structures import IntArray
from .experiments import Decoded
from .strata import joint, members, usable

Accuracy = NDArray[np.float64]


@dataclass(frozen=True)
class TestStimuli:
    """The test stimuli of several participants, each once.

    Attributes
    ----------
    labels : (n_stimuli,) class, as a number
    seen_by : (n_stimuli,) number of the set of participants tested with the stimulus
    strata : (n_stimuli,) number of the stratum within which labels are exchanged; finer than ``seen_by``
    within : which of ``source`` and ``session`` the strata keep apart
    rows : for each participant, where its test stimuli stand here
    """

    __test__ = False

    labels: IntArray
    seen_by: IntArray
    strata: IntArray
    within: tuple[str, ...]
    rows: tuple[IntArray, ...]

    def bootstrap(self, draws: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """(draws, n_stimuli) how often each stimulus is drawn.

        Stimuli are drawn within their class and the set of participants who saw them, so every
        participant keeps trials of every class in every draw and balanced accuracy is defined.
        """
        weights = np.zeros((draws, len(self.labels)))
        for stratum in members(joint(self.labels, self.seen_by)):
            weights[:, stratum] = bootstrap_weights(int(stratum.sum()), draws, rng)
        return weights

    def permutations(self, draws: int, rng: np.random.Generator) -> IntArray:
        """(draws, n_stimuli) the stimulus whose label each stimulus gets, within its stratum."""
        order = np.tile(np.arange(len(self.labels), dtype=np.int64), (draws, 1))
        for stratum in members(self.strata):
            order[:, stratum] = rng.permuted(order[:, stratum], axis=1)
        return order

    def signs(self, draws: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """(draws, n_stimuli) +1 or -1: whether two decoders swap their predictions for the stimulus."""
        return np.asarray(rng.integers(0, 2, size=(draws, len(self.labels))) * 2.0 - 1.0, dtype=np.float64)


def share_stimuli(participants: Sequence[Decoded]) -> TestStimuli:
    """The participants' test stimuli joined by name, with strata that respect those of every participant.

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
    labels, seen_by = (index.reshape(-1).astype(np.int64) for index in (labels, seen_by))
    fixed, sources, sessions = (
        _joint_of_participants(keys, rows, len(place))
        for keys in (
            [decoded.strata for decoded in participants],
            [decoded.sources for decoded in participants],
            [decoded.sessions for decoded in participants],
        )
    )
    strata, within = usable(labels, joint(seen_by, fixed), sources, sessions)
    return TestStimuli(labels, seen_by, strata, within, rows)


def _joint_of_participants(keys: Sequence[IntArray], rows: Sequence[IntArray], n_stimuli: int) -> IntArray:
    """(n_stimuli,) number of the combination of every participant's key; 0 where one was not tested."""
    each = np.zeros((len(rows), n_stimuli), dtype=np.int64)
    for own, key, at in zip(each, keys, rows, strict=True):
        own[at] = key + 1
    return joint(*each)


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
