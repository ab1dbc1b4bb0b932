"""Rows of the score tables as values with their intervals, looked up by ROI and row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import pandas as pd

from ..structures import ALL_VOXELS
from .numbers import counted

SIGNIFICANT = 0.05
GROUP = "group"

REAL_REAL = "real_real"
SYNTHETIC_REAL = "synthetic_real"
MEAN_REAL_REAL = "mean_real_real"
CEILING = "ceiling"
NOISE_MATCHED = "noise_matched_real"
DIFFERENCE = "synthetic_minus_real"
FIVE_ROWS = (REAL_REAL, SYNTHETIC_REAL, MEAN_REAL_REAL, CEILING, NOISE_MATCHED)

ROW_NAMES = {
    REAL_REAL: "real with real",
    SYNTHETIC_REAL: "synthetic with real",
    MEAN_REAL_REAL: "mean of the other real presentations with real",
    CEILING: "ceiling: the best any prediction could reach",
    NOISE_MATCHED: "noise-matched synthetic with real",
}
LEVEL_NAMES = {
    "voxel": "Voxel by voxel",
    "pattern": "Pattern across voxels",
    "pattern_centred": "Pattern, mean pattern removed",
}

_NAN = float("nan")


class HasRoi(Protocol):
    """Anything that speaks of one ROI."""

    @property
    def roi(self) -> str:
        """Its name."""


_Named = TypeVar("_Named", bound=HasRoi)


class AgainstChance:
    """A value that is tested against chance; whoever inherits has the three."""

    value: float
    chance: float
    q: float

    @property
    def known(self) -> bool:
        """Whether there is a value."""
        return math.isfinite(self.value)

    @property
    def above_chance(self) -> bool:
        """Significant after correction, and in the direction above chance."""
        return math.isfinite(self.q) and self.q < SIGNIFICANT and self.value > self.chance


@dataclass(frozen=True)
class Estimate:
    """One value of a score table.

    Attributes
    ----------
    value, low, high : the estimate and its 95% interval; not-a-number where missing
    expected : what METHODS' formula predicts
    p, q : p-value, and p-value after false-discovery-rate correction
    n_voxels, n_stimuli : what it rests on
    """

    value: float = _NAN
    low: float = _NAN
    high: float = _NAN
    expected: float = _NAN
    p: float = _NAN
    q: float = _NAN
    n_voxels: float = _NAN
    n_stimuli: float = _NAN

    @property
    def known(self) -> bool:
        """Whether there is a value at all."""
        return math.isfinite(self.value)

    @property
    def above_zero(self) -> bool:
        """Whether the whole interval lies above zero."""
        return math.isfinite(self.low) and self.low > 0

    @property
    def significant(self) -> bool:
        """Whether the corrected p-value is below .05."""
        return math.isfinite(self.q) and self.q < SIGNIFICANT


@dataclass(frozen=True)
class RoiAccounting:
    """The accounting of one ROI at one level.

    Attributes
    ----------
    roi : its name
    level : ``voxel``, ``pattern`` or ``pattern_centred``
    rows : an estimate a row of the table, by the row's name
    """

    roi: str
    level: str
    rows: dict[str, Estimate]

    def __getitem__(self, row: str) -> Estimate:
        return self.rows.get(row, Estimate())

    @property
    def n_voxels(self) -> float:
        """Voxels of the ROI, as the table has it."""
        return _first_known([estimate.n_voxels for estimate in self.rows.values()])

    @property
    def n_stimuli(self) -> float:
        """Test images the noiseless row rests on."""
        return _first_known(
            [self[SYNTHETIC_REAL].n_stimuli, *(estimate.n_stimuli for estimate in self.rows.values())]
        )


def accounting_of(table: pd.DataFrame, level: str) -> tuple[RoiAccounting, ...]:
    """The accounting of every ROI at one level, in the table's order, all voxels last."""
    chosen = table[table["level"].astype(str) == level]
    return tuple(
        RoiAccounting(roi, level, {str(row["row"]): estimate_of(row) for _, row in part.iterrows()})
        for roi, part in _by_roi(chosen)
    )


def levels_of(table: pd.DataFrame) -> tuple[str, ...]:
    """The levels a table has: the known ones in their order, then any other."""
    there = [str(level) for level in table["level"].unique()]
    return tuple(
        [level for level in LEVEL_NAMES if level in there] + [x for x in there if x not in LEVEL_NAMES]
    )


def rois_of(table: pd.DataFrame) -> tuple[str, ...]:
    """The ROIs of a table in order of first mention, all voxels last."""
    names = [str(name) for name in table["roi"].unique()]
    return tuple(sorted(names, key=lambda name: name == ALL_VOXELS))


def regions_of(rois: Sequence[_Named]) -> list[_Named]:
    """Those that count as regions: all voxels together are one only where there is no other."""
    return [roi for roi in rois if roi.roi != ALL_VOXELS] or list(rois)


def place_of(roi: str, n_voxels: float) -> str:
    """How a sentence on a ROI begins."""
    voxels = counted(n_voxels, "voxel")
    return f"Over all {voxels}" if roi == ALL_VOXELS else f"In {roi} ({voxels})"


def roi_name(roi: str) -> str:
    """A ROI's name as pages write it."""
    return "all voxels" if roi == ALL_VOXELS else roi


def number(cell: object) -> float:
    """A cell as a float; n/a and empty are not-a-number."""
    try:
        return float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return _NAN


def _by_roi(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    names = table["roi"].astype(str)
    return [(roi, table[names == roi]) for roi in rois_of(table)]


def estimate_of(row: pd.Series) -> Estimate:
    """One row of a score table; what it lacks is not-a-number."""
    columns = ("value", "ci_low", "ci_high", "expected", "p", "p_fdr", "n_voxels", "n_stimuli")
    return Estimate(*(number(row[column]) if column in row.index else _NAN for column in columns))


def _first_known(values: list[float]) -> float:
    return next((value for value in values if math.isfinite(value)), _NAN)
