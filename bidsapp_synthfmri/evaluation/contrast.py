"""Which of two models predicts the same real responses better: a paired difference per region."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..structures import FloatArray, RoiSet
from .comparison import Comparison, Design, arrange
from .presentations import Float64Array, require_shape
from .regions import RegionMeans
from .statistics import bias_shifted, bootstrap_p, fdr, interval_holding
from .voxelwise import voxel_rows

_ARRAYS_PER_BLOCK = 12


@dataclass(frozen=True)
class Score:
    """A correlation, or a difference of two, with its 95% interval.

    Attributes
    ----------
    value, low, high : NaN where it cannot be computed
    n_voxels, n_stimuli : what it rests on
    """

    value: float
    low: float
    high: float
    n_voxels: int
    n_stimuli: int


@dataclass(frozen=True)
class Contrast:
    """Two models on the test stimuli of one region.

    Attributes
    ----------
    roi : its name
    first, second : correlation of each model's noiseless predictions with single real responses
    difference : ``first`` less ``second``, paired over voxels and stimuli
    p, p_fdr : of the difference, two-sided; and corrected over the regions
    """

    roi: str
    first: Score
    second: Score
    difference: Score
    p: float
    p_fdr: float


def contrast(
    comparison: Comparison,
    other: FloatArray,
    rois: Sequence[RoiSet],
    rng: np.random.Generator,
    draws: int = 2000,
    memory_bytes: int = 2**28,
) -> tuple[Contrast, ...]:
    """One model's predictions against another's, region by region.

    Parameters
    ----------
    comparison : real trials of the test stimuli, and the first model's predictions
    other : (n_stimuli, n_voxels) the second model's predictions of the same stimuli
    rois : the regions to report on
    rng : draws the bootstrap samples
    draws : bootstrap samples over stimuli, the same for both models
    memory_bytes : what the largest arrays may take together; voxels are taken in blocks to fit

    Raises
    ------
    InputMalformedError : shapes do not fit, a value is not finite, or a trial has no prediction

    Notes
    -----
    METHODS, "Synthetic against real": the correlation is the accounting's ``synthetic_real``, over stimuli
    in every voxel, averaged over a region's voxels. Both models meet the same trials in every draw, so
    what makes a stimulus hard for both does not widen the interval of their difference. Intervals are made as
    the accounting's. A voxel in which a model's predictions do not vary is left out of that model's mean and of
    the difference. With fewer than three stimuli everything is NaN.
    """
    require_shape(other.shape, comparison.prediction.shape, "other model's predictions")
    first, design = arrange(comparison, draws, rng)
    # Which stimuli are kept, and their order, follows from the trials alone: it is the same for both.
    second, _ = arrange(replace(comparison, prediction=other), 1, rng)
    n_voxels, n_draws = first.prediction.shape[1], len(design.everything.counts)
    means = [RegionMeans(rois, n_voxels, n_draws) for _ in range(3)]
    block = max(1, memory_bytes // (8 * n_draws * _ARRAYS_PER_BLOCK))
    for start in range(0, n_voxels, block):
        voxels = slice(start, min(start + block, n_voxels))
        one, two = (_synthetic_real(side, design, voxels) for side in (first, second))
        for held, values in zip(means, (one, two, one - two), strict=True):
            held.add(voxels, values)
    return _contrasts(means, rois, len(design.presentations.counts))


def _synthetic_real(comparison: Comparison, design: Design, voxels: slice) -> Float64Array:
    """(n_draws, n_block) correlations; NaN with too few stimuli."""
    for row, values in voxel_rows(comparison, design, voxels):
        if row == "synthetic_real":
            return values
    return np.full((len(design.everything.counts), voxels.stop - voxels.start), np.nan)


def _contrasts(means: Sequence[RegionMeans], rois: Sequence[RoiSet], n_stimuli: int) -> tuple[Contrast, ...]:
    samples = [held.means() for held in means]  # of each of the three (n_rois, n_draws)
    shifted = [[bias_shifted(float(draws[0]), draws[1:]) for draws in of_rois] for of_rois in samples]
    p = [bootstrap_p(draws) for draws in shifted[-1]]

    def score(which: int, roi: int) -> Score:
        value = float(samples[which][roi, 0])
        low, high = interval_holding(value, shifted[which][roi])
        return Score(value, low, high, means[which].n_voxels(roi), n_stimuli)

    return tuple(
        Contrast(roi.name, score(0, number), score(1, number), score(2, number), p[number], float(q))
        for number, (roi, q) in enumerate(zip(rois, fdr(p), strict=True))
    )
