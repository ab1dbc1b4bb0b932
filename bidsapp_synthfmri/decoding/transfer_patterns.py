"""How far mapped responses agree, voxel by voxel, with the target's own to the same test images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..evaluation.moments import Side, StimulusWeights
from ..evaluation.statistics import bootstrap_p, bootstrap_weights, percentile_interval, permutation_p
from ..structures import BoolArray, FloatArray, IntArray, RoiSet
from .experiments import TIE
from .identification_null import exchanged

COLUMNS = (
    "roi", "n_voxels", "value", "ci_low", "ci_high", "chance", "p", "own", "difference", "difference_low",
    "difference_high", "difference_p",
)  # fmt: skip
# Voxels that are correlated at a time, under every draw.
_BLOCK = 512

Float64Array = NDArray[np.float64]


def voxel_correlations(
    real: FloatArray,
    mapped: FloatArray,
    predicted: FloatArray,
    rois: Sequence[RoiSet],
    strata: IntArray,
    rng: np.random.Generator,
    draws: int = 2000,
) -> tuple[pd.DataFrame, int]:
    """Correlation over test images in each voxel, mean over a region's voxels.

    Parameters
    ----------
    real : (n_images, n_voxels) mean real response of the target to each test image
    mapped : (n_images, n_voxels) the source's mean real response, mapped to the target
    predicted : (n_images, n_voxels) synthetic response of the target's own encoder
    rois : of the target; those without a voxel that varies do not come
    strata : (n_images,) what images are exchanged within
    rng : draws images for intervals, then exchanges them for p
    draws : of each

    Returns
    -------
    ``COLUMNS``, a row a region: ``value`` of mapped with real, ``own`` of predicted with real; and how many
    voxels were left out, because one of the three does not vary over images

    Notes
    -----
    Intervals: 95% percentile bootstrap over images, paired for the difference, whose p is two-sided from
    the same draws. p of ``value`` is one-sided, from exchanging the mapped responses' images; ``chance`` is
    their mean.
    """
    varies = np.all([np.ptp(part, axis=0) > 0 for part in (real, mapped, predicted)], axis=0)
    kept = [(roi.name, roi.voxels & varies) for roi in rois if (roi.voxels & varies).any()]
    order = exchanged(strata.tolist(), draws, rng)
    weights = StimulusWeights.of(bootstrap_weights(len(real), draws, rng))
    totals = {name: np.zeros((2, 1 + draws)) for name, _ in kept}
    for block, two in _by_block(weights, real, (mapped, predicted), varies):
        for name, voxels in kept:
            totals[name] += two[:, :, voxels[block]].sum(axis=2)
    rows = []
    for name, voxels in kept:
        n_voxels = int(voxels.sum())
        null = _exchanged_means(real[:, voxels], mapped[:, voxels], order)
        rows.append((name, n_voxels, *_summary(totals[name] / n_voxels, null)))
    return pd.DataFrame(rows, columns=list(COLUMNS)), int((~varies).sum())


def _by_block(
    weights: StimulusWeights, real: FloatArray, others: Sequence[FloatArray], varies: BoolArray
) -> Iterator[tuple[IntArray, Float64Array]]:
    """Voxels, and (n_others, 1 + n_draws, n_block) correlations with real; 0 where a draw does not vary."""
    voxels = np.flatnonzero(varies)
    for start in range(0, len(voxels), _BLOCK):
        block = voxels[start : start + _BLOCK]
        own = _centred(real[:, block])
        one = weights.weigh(Side(own, own**2))
        found = []
        for values in others:
            other = _centred(values[:, block])
            two = weights.weigh(Side(other, other**2))
            found.append(weights.correlation(two, one, other * own))
        yield block, np.nan_to_num(np.stack(found))


def _centred(values: FloatArray) -> Float64Array:
    centred: Float64Array = values - values.mean(axis=0, dtype=np.float64)
    return centred


def _exchanged_means(real: FloatArray, mapped: FloatArray, order: IntArray) -> Float64Array:
    """(n_draws,) mean correlation over voxels with the mapped responses' images exchanged."""
    left, right = (_unit(values) for values in (mapped, real))
    products = left @ right.T / left.shape[1]  # (n_images, n_images)
    return np.asarray(products[order, np.arange(len(products))].sum(axis=1))


def _unit(values: FloatArray) -> Float64Array:
    centred = _centred(values)
    unit: Float64Array = centred / np.sqrt((centred**2).sum(axis=0))
    return unit


def _summary(means: Float64Array, null: Float64Array) -> tuple[float, ...]:
    """The numbers of a region, of (2, 1 + n_draws) means of mapped and predicted, the sample's own first."""
    mapped, predicted = means
    change = mapped - predicted
    return (
        float(mapped[0]),
        *percentile_interval(mapped[1:]),
        float(null.mean()),
        permutation_p(float(mapped[0]) - TIE, null),
        float(predicted[0]),
        float(change[0]),
        *percentile_interval(change[1:]),
        bootstrap_p(change[1:]),
    )
