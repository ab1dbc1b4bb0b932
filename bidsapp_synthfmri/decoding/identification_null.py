"""What identification reaches when test images are exchanged: the null that keeps trials and candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..structures import FloatArray, IntArray
from .identification_patterns import Float64Array, Patterns, Scaling, both_sides, slices


@dataclass(frozen=True)
class CrossRanks:
    """Where each test image stands among the candidates of each trial, seen or not.

    Attributes
    ----------
    better : (n_trials, n_images) candidates that correlate more than the image; NaN where undefined
    tied : (n_trials, n_images) other candidates that correlate as much, in float32
    """

    better: Float64Array
    tied: Float64Array


def rank_test_images(
    real: FloatArray,
    synthetic: FloatArray,
    images: IntArray,
    scaling: Scaling = "raw",
    reference: FloatArray | None = None,
    device: torch.device | None = None,
) -> CrossRanks:
    """Rank of every test image among all candidates, for every trial.

    Parameters
    ----------
    images : (n_images,) rows of ``synthetic`` that are test images
    real, synthetic, scaling, reference, device : as ``rank_candidates`` has them

    Raises
    ------
    InputMalformedError : as ``rank_candidates`` does

    Notes
    -----
    Holds a float32 correlation for every trial and candidate: 18 MB for 451 trials and 10,000 candidates.
    """
    sides = both_sides(real, synthetic, images, scaling, reference, device)
    scores = _correlations(sides.trials, sides.candidates)
    columns = torch.as_tensor(images, device=scores.device)
    parts = [
        _places(scores[rows], scores[rows][:, columns]) for rows in slices(len(scores), 8 * len(synthetic))
    ]
    better, tied = (np.concatenate(found) for found in zip(*parts, strict=True))
    return CrossRanks(better, tied)


def exchanged(strata: Sequence[object], draws: int, rng: np.random.Generator) -> IntArray:
    """(draws, n_images) which test image stands for each, exchanged within strata.

    Parameters
    ----------
    strata : (n_images,) what must stay the same, such as the image source: identification by the source
        alone is then part of the null
    """
    order = np.tile(np.arange(len(strata), dtype=np.int64), (draws, 1))
    for stratum in dict.fromkeys(strata):
        columns = np.flatnonzero([own == stratum for own in strata])
        order[:, columns] = rng.permuted(order[:, columns], axis=1)
    return order


def _correlations(trials: Patterns, candidates: Patterns) -> Tensor:
    """(n_trials, n_candidates) float32."""
    left = torch.cat([trials.unit(rows).float() for rows in trials.blocks()])
    return torch.cat([left @ candidates.unit(rows).float().T for rows in candidates.blocks()], dim=1)


def _places(scores: Tensor, own: Tensor) -> tuple[Float64Array, Float64Array]:
    """Candidates above and level with each of ``own`` (n_trials, n_images), which are among ``scores``."""
    ordered = torch.where(scores.isnan(), -torch.inf, scores).sort(dim=1).values
    above = ordered.shape[1] - torch.searchsorted(ordered, own, right=True).double()
    level = ordered.shape[1] - torch.searchsorted(ordered, own, right=False).double() - above - 1
    for count in (above, level):
        count[own.isnan()] = torch.nan
    return above.cpu().numpy(), level.cpu().numpy()
