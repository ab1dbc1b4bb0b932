"""The table of identification as values, looked up by participant, candidates, region and pattern."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import pandas as pd

from .estimates import GROUP, AgainstChance, number, rois_of

ALL_CANDIDATES, SAME_SOURCE = "all", "same_source"
SINGLE_TRIAL, MEAN_OF_REPEATS = "single_trial", "mean_of_repeats"
RAW = "raw"
TOP_1, TOP_5, PERCENTILE, MEDIAN_RANK = "top_1", "top_5", "percentile_rank", "median_rank"
PATTERN_NAMES = {SINGLE_TRIAL: "single trial", MEAN_OF_REPEATS: "mean of repeats"}


@dataclass(frozen=True)
class Task:
    """What was identified, from what.

    Attributes
    ----------
    participant : label, or ``group`` for the mean over participants
    candidates : ``all``, an image source, or ``same_source``
    roi, pattern, scaling : as the table has them
    """

    participant: str
    candidates: str
    roi: str
    pattern: str = SINGLE_TRIAL
    scaling: str = RAW


@dataclass(frozen=True)
class Score(AgainstChance):
    """One value of the table.

    Attributes
    ----------
    n_candidates : the image seen among them
    whole : whether these are all there are
    value, low, high : the measure and its 95% interval
    chance : where the image seen is no likelier than any other
    p, q : p-value, and after false-discovery-rate correction
    n_trials, n_stimuli : real responses, and the images they are of
    """

    n_candidates: float = math.nan
    whole: bool = False
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    chance: float = math.nan
    p: float = math.nan
    q: float = math.nan
    n_trials: float = math.nan
    n_stimuli: float = math.nan


@dataclass(frozen=True)
class IdentificationView:
    """All scores.

    Attributes
    ----------
    tasks : in the table's order
    scores : of a task and measure, from the fewest candidates to the most
    """

    tasks: tuple[Task, ...]
    scores: Mapping[tuple[Task, str], tuple[Score, ...]]

    @property
    def rois(self) -> tuple[str, ...]:
        """Regions, all voxels last."""
        return rois_of(pd.DataFrame({"roi": [task.roi for task in self.tasks]}))

    @property
    def participants(self) -> tuple[str, ...]:
        """Labels, the mean over them apart."""
        return tuple(dict.fromkeys(t.participant for t in self.tasks if t.participant != GROUP))

    @property
    def main(self) -> str:
        """Whom the page speaks of: the mean over participants, or the first participant."""
        pooled = any(task.participant == GROUP for task in self.tasks)
        return GROUP if pooled or not self.tasks else self.participants[0]

    @property
    def sources(self) -> tuple[str, ...]:
        """Image sources within which images were identified."""
        known = (ALL_CANDIDATES, SAME_SOURCE)
        return tuple(dict.fromkeys(t.candidates for t in self.tasks if t.candidates not in known))

    @property
    def patterns(self) -> tuple[str, ...]:
        """Kinds of pattern, single trials first."""
        there = {task.pattern for task in self.tasks}
        return tuple(pattern for pattern in PATTERN_NAMES if pattern in there)

    def curve(self, task: Task, measure: str = TOP_1) -> tuple[Score, ...]:
        """Scores of a task over the number of candidates; empty where there are none."""
        return self.scores.get((task, measure), ())

    def whole(self, task: Task, measure: str) -> Score:
        """The score among all candidates; not known where there is none."""
        return next((score for score in self.curve(task, measure) if score.whole), Score())


def identification_view(table: pd.DataFrame | None) -> IdentificationView:
    """The table's rows as values; empty without a table."""
    found: dict[tuple[Task, str], list[Score]] = {}
    for row in () if table is None else table.to_dict("records"):
        words = (str(row[name]) for name in ("participant", "candidates", "roi", "pattern", "scaling"))
        found.setdefault((Task(*words), str(row["measure"])), []).append(_score(row))
    ordered = {key: tuple(sorted(own, key=lambda one: one.n_candidates)) for key, own in found.items()}
    return IdentificationView(tuple(dict.fromkeys(task for task, _ in ordered)), ordered)


def _score(row: Mapping[Hashable, object]) -> Score:
    names = ("value", "ci_low", "ci_high", "chance", "p", "p_fdr", "n_trials", "n_stimuli")
    whole = str(row["whole"]).lower() in ("true", "1", "1.0")
    return Score(number(row["n_candidates"]), whole, *(number(row.get(name)) for name in names))
