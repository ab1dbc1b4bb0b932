"""The decoding table, looked up by participant, ROI and training set."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from ..decoding.experiment_list import IMAGE_FEATURES
from .estimates import GROUP, SIGNIFICANT, AgainstChance, number, rois_of

REAL, SYNTHETIC_SAME, MIXED = "real", "synthetic_same", "mixed"
_SYNTHETIC = "synthetic_"


@dataclass(frozen=True)
class Accuracy(AgainstChance):
    """One row of the decoding table.

    Attributes
    ----------
    participant, roi, training : which decoder; the participant is ``group`` for all pooled
    n_training : images it was trained on
    full : whether that is the whole training set
    value, low, high : balanced accuracy and its 95% interval
    chance : accuracy with permuted labels
    p, q : p-value, and after false-discovery-rate correction
    n_test_trials, n_test_stimuli, n_classes : what it was tested on
    """

    participant: str
    roi: str
    training: str
    n_training: float
    full: bool
    value: float
    low: float
    high: float
    chance: float
    p: float
    q: float
    n_test_trials: float
    n_test_stimuli: float
    n_classes: float


@dataclass(frozen=True)
class Contrast:
    """Difference of the accuracies of two decoders.

    Attributes
    ----------
    participant, roi : where
    training, baseline : which was compared with which
    equal_size : whether the training set was cut to the baseline's size
    difference, low, high : the first less the second, as proportions, and its 95% interval
    p, q : two-sided p-value, and after false-discovery-rate correction
    """

    participant: str
    roi: str
    training: str
    baseline: str
    equal_size: bool
    difference: float
    low: float
    high: float
    p: float
    q: float

    @property
    def interval_excludes_zero(self) -> bool:
        """Whether the 95% interval lies to one side of zero."""
        return self.low > 0 or self.high < 0

    @property
    def significant(self) -> bool:
        """Whether the corrected p-value is below .05."""
        return math.isfinite(self.q) and self.q < SIGNIFICANT

    @property
    def higher(self) -> bool:
        """Significant after correction, and in favour of the training set named first."""
        return self.significant and self.difference > 0

    @property
    def lower(self) -> bool:
        """Significant after correction, and in favour of the baseline."""
        return self.significant and self.difference < 0


@dataclass(frozen=True)
class DecodingScores:
    """All accuracies.

    Attributes
    ----------
    rows : in the table's order
    """

    rows: tuple[Accuracy, ...]

    @property
    def rois(self) -> tuple[str, ...]:
        """ROIs with a known accuracy, all voxels last."""
        return rois_of(pd.DataFrame({"roi": [row.roi for row in self.rows if row.known]}))

    @property
    def trainings(self) -> tuple[str, ...]:
        """Training sets: real, synthetic of the same images, then the others."""
        there = dict.fromkeys(row.training for row in self.rows if row.known)
        known = [name for name in (REAL, SYNTHETIC_SAME) if name in there]
        return (*known, *(name for name in there if name not in known))

    @property
    def participants(self) -> tuple[str, ...]:
        """Those with a known accuracy, the pooled rows apart."""
        return tuple(dict.fromkeys(r.participant for r in self.rows if r.known and r.participant != GROUP))

    @property
    def main(self) -> str:
        """Whom the page speaks of: the pooled rows, or the only participant."""
        pooled = any(row.participant == GROUP and row.known for row in self.rows)
        return GROUP if pooled or not self.participants else self.participants[0]

    def of(self, participant: str, roi: str, training: str) -> tuple[Accuracy, ...]:
        """The accuracies of one kind of decoder, from the smallest training set to the largest."""
        chosen = [
            row
            for row in self.rows
            if row.known and (row.participant, row.roi, row.training) == (participant, roi, training)
        ]
        return tuple(sorted(chosen, key=lambda row: row.n_training))

    def full(self, participant: str, roi: str, training: str) -> Accuracy | None:
        """The accuracy with the whole training set."""
        return next((row for row in self.of(participant, roi, training) if row.full), None)


def decoding_scores(table: pd.DataFrame) -> DecodingScores:
    """The table's rows as values."""
    return DecodingScores(tuple(_accuracy(row) for _, row in table.iterrows()))


def contrasts_of(table: pd.DataFrame) -> tuple[Contrast, ...]:
    """The table of contrasts; names read ``A - B``, with ``at equal size`` behind where that holds."""
    return tuple(_contrast(row) for _, row in table.iterrows())


def training_name(training: str) -> str:
    """A training set in words."""
    if training == REAL:
        return "real responses"
    if training == SYNTHETIC_SAME:
        return "synthetic responses to the same images"
    if training == MIXED:
        return "real and synthetic responses together"
    if training == IMAGE_FEATURES:
        return "the pictures’ features"
    if training.startswith(_SYNTHETIC):
        return f"synthetic responses to the images of “{training.removeprefix(_SYNTHETIC)}”"
    return training


def short_training_name(training: str) -> str:
    """A training set in few words, for tables and heads of panels."""
    if training == SYNTHETIC_SAME:
        return "synthetic, same images"
    if training == MIXED:
        return "real and synthetic"
    if training == IMAGE_FEATURES:
        return "pictures’ features"
    if training.startswith(_SYNTHETIC):
        return f"synthetic, “{training.removeprefix(_SYNTHETIC)}”"
    return training


def _accuracy(row: pd.Series) -> Accuracy:
    values = {
        name: number(row[column]) if column in row.index else float("nan")
        for name, column in (
            ("n_training", "n_training"),
            ("value", "accuracy"),
            ("low", "ci_low"),
            ("high", "ci_high"),
            ("chance", "chance"),
            ("p", "p"),
            ("q", "p_fdr"),
            ("n_test_trials", "n_test_trials"),
            ("n_test_stimuli", "n_test_stimuli"),
            ("n_classes", "n_classes"),
        )
    }
    full = str(row["full"]).lower() in ("true", "1", "1.0")
    return Accuracy(str(row["participant"]), str(row["roi"]), str(row["training"]), full=full, **values)


def _contrast(row: pd.Series) -> Contrast:
    name = str(row["contrast"])
    pair = name.removesuffix(" at equal size")
    training, _, baseline = pair.partition(" - ")
    return Contrast(
        str(row["participant"]),
        str(row["roi"]),
        training.strip(),
        baseline.strip() or REAL,
        pair != name,
        *(number(row[column]) for column in ("difference", "ci_low", "ci_high", "p", "p_fdr")),
    )
