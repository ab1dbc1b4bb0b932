"""Images in order of how much they are expected to drive a region."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputMalformedError, NothingMatchedError
from ..structures import BoolArray, FloatArray, IntArray, Space

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Ranking:
    """Images from both ends of an order.

    Attributes
    ----------
    score : (n_images,) what they are ordered by; not-a-number for an image that was left out
    highest : positions of the images of the highest scores, the highest first
    lowest : of the lowest, the lowest last; none of them is among ``highest``
    n_ranked : how many have a score
    """

    score: Float64
    highest: IntArray
    lowest: IntArray
    n_ranked: int


def region(voxels: Space, name: str) -> BoolArray:
    """(n_voxels,) the voxels of a region: both hemispheres' masks joined (``PPA``), or one (``LHPPA``).

    Raises
    ------
    NothingMatchedError : there is none of that name, or it has no voxel
    """
    joined = {roi.name: roi.voxels for roi in voxels.roi_sets()}
    single = {
        name: mask for name, mask in zip(voxels.roi_names, voxels.membership, strict=True) if mask.any()
    }
    known: dict[str, BoolArray] = single | joined
    if name not in known:
        raise NothingMatchedError(
            f"The encoder has no region {name} (it has {', '.join(dict.fromkeys([*joined, *single]))})",
            "Choose one of these with --roi and --contrast",
        )
    return known[name]


def region_means(prediction: FloatArray, regions: tuple[BoolArray, ...]) -> Float64:
    """(n_images, n_regions) mean predicted response of the regions' voxels."""
    means = [prediction[:, voxels].mean(axis=1, dtype=np.float64) for voxels in regions]
    return np.stack(means, axis=1)


def rank_images(means: Float64, top: int) -> Ranking:
    """Order images by the first region's response, less the second's if there are two.

    Parameters
    ----------
    means : (n_images, 1 or 2) of ``region_means``, a row of not-a-numbers for an image that was left out
    top : images wanted of either end

    Returns
    -------
    Each region's response in standard deviations from its mean over the images, the first less the
    second; of equal scores the earlier image comes first. A region whose predictions vary less, as they do
    where they are less accurate, so counts as much as the other.

    Raises
    ------
    InputMalformedError : fewer than two images, or a region predicted to respond to all alike
    """
    ranked = np.isfinite(means).all(axis=1)
    n_ranked = int(ranked.sum())
    spread = means[ranked].std(axis=0) if n_ranked else np.zeros(means.shape[1])
    if n_ranked < 2 or not (spread > 0).all():
        raise InputMalformedError(
            f"{n_ranked} images cannot be ranked: at least two of them must differ in the predicted response",
            "Give more images, or another region",
        )
    z = (means - means[ranked].mean(axis=0)) / spread
    score = z[:, 0] if z.shape[1] == 1 else z[:, 0] - z[:, 1]
    order = np.flatnonzero(ranked)[np.argsort(-score[ranked], kind="stable")]
    n_highest = min(top, n_ranked)
    n_lowest = min(top, n_ranked - n_highest)
    return Ranking(score, order[:n_highest], order[n_ranked - n_lowest :], n_ranked)
