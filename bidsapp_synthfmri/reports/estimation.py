"""What an estimator of single-trial responses chose, as a participant's summary has it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..structures import Json
from .estimates import number


@dataclass(frozen=True)
class Spread:
    """How many voxels have each of some values.

    Attributes
    ----------
    values : in rising order
    counts : voxels of each
    """

    values: tuple[float, ...]
    counts: tuple[int, ...]

    @property
    def n_voxels(self) -> int:
        """All of them."""
        return sum(self.counts)

    @property
    def n_used(self) -> int:
        """Values that at least one voxel has."""
        return sum(count > 0 for count in self.counts)

    def quantile(self, share: float) -> float:
        """The smallest value that this share of the voxels does not exceed."""
        reached = np.cumsum(self.counts) >= share * self.n_voxels
        return self.values[int(np.argmax(reached))]


@dataclass(frozen=True)
class Chosen:
    """The choices of one participant's estimator.

    Attributes
    ----------
    asked, used : estimators
    notes : why another was used than asked for, and what was left out
    n_components : noise components projected out; None where none were sought
    scores : median reliability with 0, 1, ... components
    n_pool : voxels that the components come from
    n_tuning_stimuli, n_tuning_trials : repeats that chose
    optimism : by how much reliability is raised in the stimuli that chose; not-a-number where not known
    n_dropped : trials without a response
    hrf : voxels by seconds to peak of their haemodynamic response; None without a library
    fraction : voxels by ridge fraction; None without ridge
    """

    asked: str
    used: str
    notes: tuple[str, ...]
    n_components: int | None
    scores: tuple[float, ...]
    n_pool: int
    n_tuning_stimuli: int
    n_tuning_trials: int
    optimism: float
    n_dropped: int
    hrf: Spread | None
    fraction: Spread | None

    @property
    def gain(self) -> float:
        """Reliability with the components projected out less that without."""
        if self.n_components is None or self.n_components >= len(self.scores):
            return math.nan
        return self.scores[self.n_components] - self.scores[0]

    @property
    def n_candidates(self) -> int:
        """The most noise components that were tried."""
        return max(len(self.scores) - 1, 0)


def chosen_of(summary: Json) -> Chosen | None:
    """The choices that a summary states; None where it states none."""
    facts = summary.get("estimation")
    if not isinstance(facts, dict):
        return None
    components = facts.get("n_components")
    return Chosen(
        asked=str(facts.get("asked", "")),
        used=str(facts.get("used", "")),
        notes=tuple(map(str, facts.get("notes", []))),
        n_components=None if components is None else int(components),
        scores=tuple(number(score) for score in facts.get("component_scores", [])),
        n_pool=int(facts.get("n_pool") or 0),
        n_tuning_stimuli=int(facts.get("n_tuning_stimuli") or 0),
        n_tuning_trials=int(facts.get("n_tuning_trials") or 0),
        optimism=number(facts.get("optimism")),
        n_dropped=int(facts.get("n_dropped_trials") or 0),
        hrf=_spread(facts.get("hrf"), "peaks"),
        fraction=_spread(facts.get("fraction"), "values"),
    )


def shares(spread: Spread) -> NDArray[np.float64]:
    """(n_values,) share of the voxels that has each value."""
    return np.asarray(spread.counts, dtype=np.float64) / max(spread.n_voxels, 1)


def _spread(facts: Any, key: str) -> Spread | None:
    if not isinstance(facts, dict):
        return None
    values: Sequence[Any] = facts.get(key, [])
    counts: Sequence[Any] = facts.get("counts", [])
    if not values or len(values) != len(counts) or not sum(counts):
        return None
    return Spread(tuple(map(float, values)), tuple(map(int, counts)))
