"""Synthetic against real: five rows a voxel, a region and a pattern, never one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..structures import RoiSet
from .comparison import Comparison, Design, arrange
from .patterns import pair_presentations, pattern_scores
from .presentations import Float64Array
from .regions import RegionMeans, voxel_blocks
from .rows import ROWS, VoxelwiseAccounting, expected_rows
from .statistics import bias_shifted, bootstrap_p, fdr, holding_interval
from .voxelwise import LEAST_STIMULI, voxel_rows

LEVELS = ("voxel", "pattern", "pattern_centred")
COLUMNS = (
    "roi",
    "level",
    "row",
    "value",
    "ci_low",
    "ci_high",
    "expected",
    "p",
    "p_fdr",
    "n_voxels",
    "n_stimuli",
)
_DIFFERENCE = "synthetic_minus_real"
_OF_REPEATS = ("real_real", "mean_real_real", "ceiling", _DIFFERENCE)


@dataclass(frozen=True)
class Accounting:
    """Scores per region and per voxel.

    Attributes
    ----------
    scores : one row a region, level and row, with the columns ``COLUMNS``
    voxels : every row's value in every voxel
    """

    scores: pd.DataFrame
    voxels: VoxelwiseAccounting


@dataclass(frozen=True)
class _Score:
    draws: Float64Array
    n_voxels: int
    n_stimuli: int
    expected: float


def account(
    comparison: Comparison,
    rois: Sequence[RoiSet],
    rng: np.random.Generator,
    draws: int = 2000,
    memory_bytes: int = 2**28,
) -> Accounting:
    """The five rows and their paired difference.

    Parameters
    ----------
    comparison : the test stimuli's trials, predictions and noise-matched samples
    rois : the regions to report on
    rng : draws the bootstrap samples and the order of presentations
    draws : bootstrap samples over stimuli, repeated and unrepeated ones apart, the same in all rows
    memory_bytes : what the largest arrays may take together; voxels are taken in blocks to fit

    Raises
    ------
    InputMalformedError : shapes do not fit, a value is not finite, or a trial has no prediction

    Notes
    -----
    METHODS, "Synthetic against real". ``voxel``: correlation over stimuli in every voxel, averaged
    over a region's voxels. ``pattern``: correlation over a region's voxels for every stimulus,
    averaged over stimuli; ``pattern_centred`` the same with the mean pattern removed. The ceiling
    of patterns is the square root of their mean ``real_real``. A voxel or stimulus whose correlation
    is undefined (no variance) is left out, and ``n_voxels`` or ``n_stimuli`` says how many remain.
    Rows with fewer than three stimuli, and patterns of fewer than three voxels, are NaN.

    ``expected`` follows from the reliability given and, for ``noise_matched_real``, from
    ``synthetic_real``; none is defined for patterns, where voxels differ in reliability.

    Intervals (95%) are percentiles of the bootstrap over stimuli, shifted by the bias the bootstrap
    finds: a correlation over n stimuli is biased towards zero, by about r (1 - r^2) / 2n, and
    ``real_real``, where one variance serves both sides, by up to twice that; averaging over voxels
    does not reduce it. Values are given as they are. Intervals are widened, where need be, to hold
    the value. In simulation (``benchmarks/coverage.py``: r .2, rho .6, 4 presentations, 200 voxels, 250
    repetitions, 500 draws; voxels independent, sharing five components of signal, or of signal and
    noise) the shifted interval of ``real_real``, ``synthetic_real``, ``mean_real_real`` and the
    difference covers 92-97% at 113 stimuli and 88-95% at 30; the plain one 66-95% and 14-94%.
    Intervals take the noise-matched samples and the total variance as given: ``noise_matched_real``
    covers 80-88% at 113 stimuli and 76-84% at 30. The ceiling rests on a reliability held at zero or
    above, whose bias no bootstrap mends: 99-100%, and 90-99% at 30, but 71% and 55% where voxels share
    signal alone, whose variance in the stimuli at hand then strays in all of them together.
    """
    comparison, design = arrange(comparison, draws, rng)
    voxelwise, scores = _voxel_level(comparison, design, rois, memory_bytes)
    scores |= _pattern_levels(comparison, design, rois, rng)
    return Accounting(_table(scores), voxelwise)


def _voxel_level(
    comparison: Comparison, design: Design, rois: Sequence[RoiSet], memory_bytes: int
) -> tuple[VoxelwiseAccounting, dict[tuple[str, str, str], _Score]]:
    n_voxels = comparison.prediction.shape[1]
    n_draws = len(design.everything.counts)
    point = {row: np.full(n_voxels, np.nan) for row in ROWS}
    means = {row: RegionMeans(rois, n_voxels, n_draws) for row in ROWS}
    for voxels in voxel_blocks(n_voxels, n_draws, memory_bytes):
        for row, values in voxel_rows(comparison, design, voxels):
            point[row][voxels] = values[0]
            means[row].add(voxels, values)
    voxelwise = VoxelwiseAccounting(**{row: values.astype(np.float32) for row, values in point.items()})
    expected = _expected(comparison, design, point["synthetic_real"])
    scores = {}
    for number, roi in enumerate(rois):
        for row in ROWS:
            mean, n_defined = means[row].of(number)
            within = expected[row][roi.voxels & np.isfinite(point[row])]
            scores[roi.name, "voxel", row] = _Score(
                mean, n_defined, _stimuli_of(row, design), float(within.mean()) if within.size else np.nan
            )
    return voxelwise, scores


def _expected(
    comparison: Comparison, design: Design, synthetic_real: Float64Array
) -> dict[str, Float64Array]:
    """Per-voxel expectations from the reliability; NaN where METHODS gives none."""
    unknown = np.full(comparison.prediction.shape[1], np.nan)
    expected = dict.fromkeys(ROWS, unknown)
    if comparison.r is None:
        return expected
    others = design.presentations.counts[: design.n_repeated] - 1
    k = 1 / float(np.mean(1 / others)) if len(others) else np.nan
    theory = expected_rows(comparison.r, 0.0, k)
    for row in ("real_real", "mean_real_real", "ceiling"):
        expected[row] = getattr(theory, row).astype(np.float64)
    expected["noise_matched_real"] = synthetic_real * expected["ceiling"]
    return expected


def _pattern_levels(
    comparison: Comparison, design: Design, rois: Sequence[RoiSet], rng: np.random.Generator
) -> dict[tuple[str, str, str], _Score]:
    pairing = pair_presentations(design.presentations, rng)
    scores = {}
    for roi in rois:
        for level in LEVELS[1:]:
            found = pattern_scores(
                comparison.real[:, roi.voxels],
                design.presentations,
                comparison.prediction[:, roi.voxels],
                None if comparison.samples is None else comparison.samples[:, :, roi.voxels],
                pairing,
                centred=level == "pattern_centred",
            )
            for row in ROWS:
                values = found.real_real if row == "ceiling" else getattr(found, row)
                draws, n_stimuli = _stimulus_mean(values, design.everything.counts)
                if row == "ceiling":
                    draws = np.sqrt(np.maximum(draws, 0.0))
                scores[roi.name, level, row] = _Score(draws, int(roi.voxels.sum()), n_stimuli, np.nan)
    return scores


def _stimulus_mean(values: Float64Array, counts: Float64Array) -> tuple[Float64Array, int]:
    """(n_draws,) weighted means over the stimuli that have a value, and how many have."""
    known = np.isfinite(values)
    total = counts[:, known].sum(axis=1)
    if known.sum() < LEAST_STIMULI:
        return np.full(len(counts), np.nan), int(known.sum())
    mean = np.divide(
        counts[:, known] @ values[known], total, out=np.full(len(counts), np.nan), where=total > 0
    )
    return mean, int(known.sum())


def _stimuli_of(row: str, design: Design) -> int:
    return design.n_repeated if row in _OF_REPEATS else len(design.presentations.counts)


def _table(scores: dict[tuple[str, str, str], _Score]) -> pd.DataFrame:
    records = []
    for (roi, level, row), score in scores.items():
        value = float(score.draws[0])
        draws = bias_shifted(value, score.draws[1:])
        low, high = holding_interval(value, draws)
        p = bootstrap_p(draws) if row == _DIFFERENCE else np.nan
        record = (roi, level, row, value, low, high, score.expected, p, np.nan)
        records.append((*record, score.n_voxels, score.n_stimuli))
    table = pd.DataFrame(records, columns=list(COLUMNS))
    for _, family in table.groupby("level"):
        table.loc[family.index, "p_fdr"] = fdr(family["p"])
    return table
