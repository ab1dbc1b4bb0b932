"""What the group level does with one participant alone, as a unit of work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..config import RunConfig
from .comparisons import experiments_of
from .decoding import ParticipantDecoded, decode_participant, results_of
from .executors import Executor, executor_here
from .identification import ParticipantIdentification, identify_images


@dataclass(frozen=True)
class GroupUnit:
    """A participant, whose files are read by whoever computes; ``run`` as of ``decoding.ComparisonUnit``."""

    config: RunConfig
    participant: str
    run: str


@dataclass(frozen=True)
class ParticipantScored:
    """What was decoded of one participant, and which images were identified."""

    decoded: ParticipantDecoded
    identified: ParticipantIdentification


def score_participant(unit: GroupUnit) -> ParticipantScored:
    """Decode all comparisons, which are units of their own, and identify images."""
    results = results_of(unit.config, unit.participant, unit.run)
    decoded = decode_participant(results, unit.config, experiments_of(unit.config), executor_here())
    return ParticipantScored(decoded, identify_images(results, unit.config))


def score_participants(
    config: RunConfig, participants: Sequence[str], executor: Executor
) -> list[ParticipantScored]:
    """All participants by a shared executor, in their order."""
    run = str(executor.scratch)
    return list(executor.map(score_participant, [GroupUnit(config, label, run) for label in participants]))
