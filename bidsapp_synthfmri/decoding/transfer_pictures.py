"""Who takes part in transfer, and which pictures two participants have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..structures import BoolArray, FloatArray, IntArray
from .training_sets import SYNTHETIC_SAME, LabelledResponses, ParticipantData, noise_sd

MOST_PICTURES = 10_000


@dataclass(frozen=True)
class TransferParticipant:
    """What one participant brings to transfer.

    Attributes
    ----------
    data : real and synthetic responses; synthetic ones to training stimuli are out of fold
    predicted : (n, n_voxels) the encoder's responses to test stimuli
    predicted_stimuli : (n,) which these are
    n_seen : training stimuli that were left out of ``data``, as their synthetic response is not out of fold
    """

    data: ParticipantData
    predicted: FloatArray
    predicted_stimuli: tuple[str, ...]
    n_seen: int = 0

    @property
    def name(self) -> str:
        """The participant's label."""
        return self.data.participant

    def mappable(self) -> tuple[BoolArray, NDArray[np.float64]]:
        """(n_voxels,) voxels whose real trials vary about their prediction, and the sd of that of each."""
        noise = noise_sd(self.data)
        usable = np.isfinite(noise) & (noise > 0)
        return usable, noise

    def places(self) -> dict[str, tuple[int, int]]:
        """Set and row of the synthetic response to each picture; extra images go by ``SET/NAME``."""
        return {
            name: (number, row)
            for number, part in enumerate(self.data.synthetic)
            for row, name in enumerate(part.stimuli)
        }

    def pictures(self, names: tuple[str, ...]) -> FloatArray:
        """(n, n_voxels) synthetic responses to some pictures, in order."""
        places, values = self.places(), np.empty((len(names), self.n_voxels), dtype=np.float32)
        for number, part in enumerate(self.data.synthetic):
            at = [row for row, name in enumerate(names) if places[name][0] == number]
            values[at] = part.values[[places[names[row]][1] for row in at]]
        return values

    @property
    def n_voxels(self) -> int:
        """Voxels of all responses."""
        return int(self.data.real.values.shape[1])


@dataclass(frozen=True)
class Common:
    """Pictures that two participants have in common.

    Attributes
    ----------
    pictures : what the map is fitted on; no test stimulus of either is among them
    n_left : common pictures that were not drawn, because there are too many
    tested : test stimuli of both, in the target's order
    """

    pictures: tuple[str, ...]
    n_left: int
    tested: tuple[str, ...]


def common_pictures(
    source: TransferParticipant,
    target: TransferParticipant,
    rng: np.random.Generator,
    most: int = MOST_PICTURES,
) -> Common:
    """Pictures to which both have synthetic responses, and test stimuli that both saw.

    Parameters
    ----------
    rng : draws pictures where there are more than ``most``; training stimuli come before extra images

    Notes
    -----
    Pictures are the same where their names are: stimuli of the dataset, and images of extra sets of one name.
    """
    tests = {*source.data.test.stimuli, *target.data.test.stimuli}
    others = target.places()
    common = [name for name in source.places() if name in others and name not in tests]
    own = {name for part in source.data.synthetic if part.name == SYNTHETIC_SAME for name in part.stimuli}
    order = sorted(rng.permutation(len(common)), key=lambda row: common[row] not in own)
    kept = sorted(int(row) for row in order[:most])
    both = set(source.data.test.stimuli) & set(target.predicted_stimuli)
    return Common(
        tuple(common[row] for row in kept),
        len(common) - len(kept),
        tuple(name for name in dict.fromkeys(target.data.test.stimuli) if name in both),
    )


def means_of(responses: LabelledResponses, names: tuple[str, ...]) -> tuple[FloatArray, IntArray]:
    """(n, n_voxels) mean response to each stimulus named, and (n,) how many trials each is the mean of."""
    place = {name: number for number, name in enumerate(names)}
    rows = [row for row, stimulus in enumerate(responses.stimuli) if stimulus in place]
    index = np.array([place[responses.stimuli[row]] for row in rows], dtype=np.int64)
    total = np.zeros((len(names), responses.values.shape[1]))
    np.add.at(total, index, responses.values[rows])
    repeats = np.bincount(index, minlength=len(names))
    return (total / repeats[:, None]).astype(np.float32), repeats.astype(np.int64)


def trials_of(responses: LabelledResponses, names: tuple[str, ...]) -> LabelledResponses:
    """The trials of the stimuli named."""
    known = set(names)
    return responses.take([row for row, stimulus in enumerate(responses.stimuli) if stimulus in known])


def label_of_all(participants: Mapping[str, LabelledResponses]) -> dict[str, str | None]:
    """The category of each stimulus; None where participants label it differently, or nobody does."""
    found: dict[str, str | None] = {}
    disputed: set[str] = set()
    for responses in participants.values():
        for stimulus, label in responses.label_of.items():
            known = found.get(stimulus)
            if label is not None and known is not None and label != known:
                disputed.add(stimulus)
            found[stimulus] = label if known is None else known
    return found | dict.fromkeys(disputed)
