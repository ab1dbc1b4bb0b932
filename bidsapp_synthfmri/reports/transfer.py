"""The table of transfer between participants as values, looked up by source, target, measure and region."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import pandas as pd

from ..structures import ALL_VOXELS
from .estimates import GROUP, AgainstChance, number, rois_of

CORRELATION, READ_BY_TARGET, READ_BY_OTHERS = "voxel_correlation", "read_by_target", "read_by_others"
OTHERS = "others"


@dataclass(frozen=True)
class TransferScore(AgainstChance):
    """One row of the table.

    Attributes
    ----------
    source, target : participants, or ``others`` and ``group``
    measure, roi : as the table has them
    value, low, high : the measure and its 95% interval
    chance, p, q : its value by chance, p-value, and after false-discovery-rate correction
    own : the same of what the target's own data give
    difference, difference_low, difference_high, difference_p : value less own
    n_images, n_stimuli, n_trials, n_training, n_classes : common pictures, test images, their trials,
        training images, categories
    """

    source: str = ""
    target: str = ""
    measure: str = ""
    roi: str = ""
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    chance: float = math.nan
    p: float = math.nan
    q: float = math.nan
    own: float = math.nan
    difference: float = math.nan
    difference_low: float = math.nan
    difference_high: float = math.nan
    difference_p: float = math.nan
    n_images: float = math.nan
    n_stimuli: float = math.nan
    n_trials: float = math.nan
    n_training: float = math.nan
    n_classes: float = math.nan

    @property
    def below_own(self) -> bool:
        """Whether the interval of the difference lies below zero."""
        return self.difference_high < 0


@dataclass(frozen=True)
class TransferView:
    """All rows.

    Attributes
    ----------
    rows : in the table's order
    """

    rows: tuple[TransferScore, ...]

    @property
    def rois(self) -> tuple[str, ...]:
        """Regions, all voxels last."""
        return rois_of(pd.DataFrame({"roi": [row.roi for row in self.rows]}))

    @property
    def main_roi(self) -> str:
        """The region that figure and pairs are of: all voxels, else the first; empty without a row."""
        return ALL_VOXELS if ALL_VOXELS in self.rois else next(iter(self.rois), "")

    @property
    def participants(self) -> tuple[str, ...]:
        """Who was mapped, or mapped to."""
        names = [name for row in self.rows for name in (row.source, row.target)]
        return tuple(sorted(set(names) - {OTHERS, GROUP}))

    def of(self, measure: str, roi: str | None = None) -> tuple[TransferScore, ...]:
        """Rows of a measure, and of a region."""
        return tuple(row for row in self.rows if row.measure == measure and roi in (None, row.roi))

    def read_by_others(self, target: str, roi: str) -> TransferScore:
        """The decoder trained on the others; not known where there is none."""
        found = (row for row in self.of(READ_BY_OTHERS, roi) if row.target == target)
        return next(found, TransferScore())


def transfer_view(table: pd.DataFrame | None) -> TransferView:
    """The table's rows as values; empty without a table."""
    return TransferView(tuple(map(_score, () if table is None else table.to_dict("records"))))


def _score(row: Mapping[Hashable, object]) -> TransferScore:
    source, target, measure, roi = (str(row[name]) for name in ("source", "target", "measure", "roi"))
    numbers = (
        "value", "ci_low", "ci_high", "chance", "p", "p_fdr", "own", "difference", "difference_low",
        "difference_high", "difference_p", "n_common_images", "n_test_stimuli", "n_test_trials", "n_training",
        "n_classes",
    )  # fmt: skip
    return TransferScore(source, target, measure, roi, *(number(row.get(name)) for name in numbers))
