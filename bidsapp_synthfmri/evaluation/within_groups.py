"""Scores within groups of test stimuli: is prediction more than telling the groups apart?

Within a group, products are taken about the group's own means. Over several groups, covariances and
variances are pooled by their degrees of freedom, as in an analysis of covariance:

    r = sum_g (n_g - 1) cov_g / sqrt(sum_g (n_g - 1) var_g(x)  sum_g (n_g - 1) var_g(y))

with the covariances of ``moments``, in which no presentation meets itself. A single group gives the
accounting's own correlation over its stimuli.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..structures import BoolArray, IntArray, RoiSet
from .comparison import Comparison, Design, arrange
from .moments import Side
from .presentations import Float64Array
from .regions import RegionMeans, voxel_blocks
from .statistics import bias_shifted, holding_interval
from .voxelwise import LEAST_STIMULI, prediction_side, trial_sums

COLUMNS = ("roi", "row", "value", "ci_low", "ci_high", "n_voxels", "n_stimuli")
SYNTHETIC_REAL, REAL_REAL = "synthetic_real", "real_real"
ROWS = (SYNTHETIC_REAL, REAL_REAL)
_LEAST_IN_GROUP = 2


@dataclass(frozen=True)
class _Products:
    """(n_draws, n_block) sums of products of two sides about their means, and of their squares."""

    joint: Float64Array
    left: Float64Array
    right: Float64Array

    def __add__(self, other: _Products) -> _Products:
        return _Products(self.joint + other.joint, self.left + other.left, self.right + other.right)

    @property
    def correlation(self) -> Float64Array:
        """NaN where a side does not vary."""
        scale: Float64Array = np.sqrt(self.left) * np.sqrt(self.right)
        return np.divide(self.joint, scale, out=np.full_like(scale, np.nan), where=scale > 0)


def within_groups(
    comparison: Comparison,
    group: IntArray,
    rois: Sequence[RoiSet],
    rng: np.random.Generator,
    draws: int = 2000,
    memory_bytes: int = 2**28,
) -> pd.DataFrame:
    """Correlation over stimuli in every voxel, group means removed, averaged over each region's voxels.

    Parameters
    ----------
    comparison : the test stimuli's trials and predictions; samples and reliability are not used
    group : (n_stimuli,) number of each prediction's group, from 0; below 0 for those that take no part
    rois : the regions to report on
    rng : draws the bootstrap samples, over the stimuli of each group
    draws : how many
    memory_bytes : what the largest arrays may take together

    Returns
    -------
    one row a region and row (``synthetic_real``, ``real_real``) with the columns ``COLUMNS``; NaN with
    fewer than three stimuli. ``n_stimuli`` counts those of groups with at least two stimuli.

    Raises
    ------
    InputMalformedError : see ``arrange``

    Notes
    -----
    Intervals as in ``account``: percentiles of the bootstrap, shifted by the bias that it shows.
    """
    n_voxels = comparison.prediction.shape[1]
    shown = np.zeros(len(group), dtype=bool)
    shown[comparison.stimulus_index] = True
    numbers = np.unique(group[shown & (group >= 0)])
    arranged = [arrange(_restricted(comparison, group == number), draws, rng) for number in numbers]
    sizes = {row: sum(_n_used(row, design) for _, design in arranged) for row in ROWS}
    means = {row: RegionMeans(rois, n_voxels, draws + 1) for row in ROWS}
    for voxels in voxel_blocks(n_voxels, draws + 1, memory_bytes):
        pooled: dict[str, _Products] = {}
        for part, design in arranged:
            for row, products in _products(part, design, voxels):
                pooled[row] = pooled[row] + products if row in pooled else products
        for row, products in pooled.items():
            if sizes[row] >= LEAST_STIMULI:
                means[row].add(voxels, products.correlation)
    return _table(rois, means, sizes)


def _restricted(comparison: Comparison, chosen: BoolArray) -> Comparison:
    """The comparison of some stimuli."""
    position = np.cumsum(chosen) - 1
    trials = chosen[comparison.stimulus_index]
    index = position[comparison.stimulus_index[trials]]
    return Comparison(comparison.real[trials], index, comparison.prediction[chosen], None, None)


def _n_used(row: str, design: Design) -> int:
    n = design.n_repeated if row == REAL_REAL else len(design.presentations.counts)
    return n if n >= _LEAST_IN_GROUP else 0


def _products(comparison: Comparison, design: Design, voxels: slice) -> Iterator[tuple[str, _Products]]:
    """Sums of products of one group in a block of voxels, under every draw."""
    counts = design.presentations.counts[:, None]
    totals, squares = trial_sums(comparison, design, voxels)
    single = Side(totals / counts, squares / counts)
    if _n_used(SYNTHETIC_REAL, design):
        weights, n = design.everything, len(counts)
        predicted = prediction_side(comparison.prediction[:, voxels])
        left, right = weights.weigh(predicted), weights.weigh(single)
        joint = weights.joint(left, right, predicted.mean * single.mean)
        yield SYNTHETIC_REAL, _Products(joint / n, _varying(left.spread) / n, _varying(right.spread) / n)
    if n := _n_used(REAL_REAL, design):
        repeats, weights = slice(n), design.repeated
        m, one = counts[repeats], weights.weigh(single.take(repeats))
        product = (totals[repeats] ** 2 - squares[repeats]) / (m * (m - 1))
        spread = _varying(one.spread) / n
        yield REAL_REAL, _Products(weights.joint(one, one, product) / n, spread, spread)


def _varying(spread: Float64Array) -> Float64Array:
    """A group in which a voxel does not vary adds nothing to the pooled variance."""
    return np.nan_to_num(spread, nan=0.0)


def _table(rois: Sequence[RoiSet], means: dict[str, RegionMeans], sizes: dict[str, int]) -> pd.DataFrame:
    records = []
    for number, roi in enumerate(rois):
        for row in ROWS:
            values, n_voxels = means[row].of(number)
            value = float(values[0])
            low, high = holding_interval(value, bias_shifted(value, values[1:]))
            records.append((roi.name, row, value, low, high, n_voxels, sizes[row]))
    return pd.DataFrame(records, columns=list(COLUMNS))
