"""Which of two models predicts the same real responses better: a paired difference per region."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..structures import FloatArray, RoiSet
from .comparison import Comparison, Design, arrange
from .presentations import Float64Array, require_shape
from .regions import RegionMeans, voxel_blocks
from .statistics import bias_shifted, bootstrap_p, fdr, holding_interval
from .voxelwise import voxel_rows


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
    in every voxel, averaged over a region's voxels; intervals are made as the accounting's. Both models meet
    the same trials in every draw, so what makes a stimulus hard for both does not widen the interval of
    their difference. A voxel in which a model's predictions do not vary is left out of that model's mean
    and of the difference. With fewer than three stimuli everything is NaN.
    """
    require_shape(other.shape, comparison.prediction.shape, "other model's predictions")
    first, design = arrange(comparison, draws, rng)
    # Which stimuli are kept, and their order, follows from the trials alone: it is the same for both.
    second, _ = arrange(replace(comparison, prediction=other), 1, rng)
    n_voxels, n_draws = first.prediction.shape[1], len(design.everything.counts)
    means = [RegionMeans(rois, n_voxels, n_draws) for _ in range(3)]
    for voxels in voxel_blocks(n_voxels, n_draws, memory_bytes):
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
    rows, p = [], []
    for number in range(len(rois)):
        first, second, (difference, shifted) = (_score(*held.of(number), n_stimuli) for held in means)
        rows.append((first[0], second[0], difference))
        p.append(bootstrap_p(shifted))
    return tuple(
        Contrast(roi.name, *scores, own_p, float(q))
        for roi, scores, own_p, q in zip(rois, rows, p, fdr(p), strict=True)
    )


def _score(draws: Float64Array, n_voxels: int, n_stimuli: int) -> tuple[Score, Float64Array]:
    """The sample's own score, and the draws shifted by their bias."""
    value = float(draws[0])
    shifted = bias_shifted(value, draws[1:])
    return Score(value, *holding_interval(value, shifted), n_voxels, n_stimuli), shifted
