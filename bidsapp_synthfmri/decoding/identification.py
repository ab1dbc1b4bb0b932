"""Which of many candidate images was seen: ranks by correlation with each candidate's synthetic response."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..errors import InputMalformedError
from ..structures import FloatArray, IntArray
from .identification_patterns import Float64Array, Patterns, Scaling, both_sides, slices

# Correlations from float32 products are within 1e-6 of the exact ones (tests measure it); pairs that differ
# by less than the margin are compared again in float64, where equal patterns differ by less than _EQUAL.
_MARGIN = 1e-5
_EQUAL = 1e-12


@dataclass(frozen=True)
class Ranks:
    """Where the seen image stands among the candidates, trial by trial.

    Attributes
    ----------
    better : (n_trials,) candidates that correlate more than the seen image; NaN where undefined
    tied : (n_trials,) other candidates that correlate exactly as much
    n_candidates : candidates that take part, the seen image among them
    n_flat_candidates : candidates left out because their pattern has no variance across voxels
    n_flat_voxels : voxels left out because they have no variance to be standardised by
    """

    better: Float64Array
    tied: Float64Array
    n_candidates: int
    n_flat_candidates: int
    n_flat_voxels: int

    @property
    def rank(self) -> Float64Array:
        """(n_trials,) 1 for the best; tied candidates share the mean of their ranks."""
        return 1 + self.better + self.tied / 2

    @property
    def percentile(self) -> Float64Array:
        """(n_trials,) share of the other candidates that the seen image beats; chance is .5."""
        if self.n_candidates < 2:
            return np.full_like(self.better, np.nan)
        return 1 - (self.rank - 1) / (self.n_candidates - 1)

    @property
    def n_undefined(self) -> int:
        """Trials without a rank, because their pattern or the seen image's is flat."""
        return int(np.isnan(self.better).sum())


def rank_candidates(
    real: FloatArray,
    synthetic: FloatArray,
    seen: IntArray,
    scaling: Scaling = "raw",
    reference: FloatArray | None = None,
    device: torch.device | None = None,
) -> Ranks:
    """Ranks of the seen images among all candidates by Pearson correlation across a region's voxels.

    Parameters
    ----------
    real : (n_trials, n_voxels) single trials, or means of repeats
    synthetic : (n_candidates, n_voxels) noiseless predictions, none from an encoder that saw these trials
    seen : (n_trials,) which row of ``synthetic`` is each trial's image
    scaling : ``raw``; ``centred``, each voxel less its mean; ``standardised``, divided by its sd as well:
        synthetic responses by the candidates' mean and sd, real ones by those of ``reference``
    reference : (n, n_voxels) real responses that the real ones are scaled by, such as the training trials;
        by default ``real`` itself
    device : where products are computed; by default the processor

    Raises
    ------
    InputMalformedError : shapes do not fit, ``seen`` is out of range, a value is not finite, or the
        region has fewer than three voxels

    Notes
    -----
    Products are float32 in blocks of candidates; what they cannot tell apart is compared in float64, so
    ranks are those of float64 arithmetic. Beyond the inputs and one copy of ``real``, memory is about ten
    blocks of 32 MB.
    """
    if len(seen) != len(real):
        raise InputMalformedError(
            f"There are {len(real)} real responses and {len(seen)} seen images",
            "Give one seen image a response",
        )
    sides = both_sides(real, synthetic, seen, scaling, reference, device)
    place = sides.trials.values.device
    better, tied, n_flat = _count(sides.trials, sides.candidates, torch.as_tensor(seen, device=place))
    return Ranks(better, tied, len(synthetic) - n_flat, n_flat, sides.n_flat_voxels)


def _count(trials: Patterns, candidates: Patterns, seen: Tensor) -> tuple[Float64Array, Float64Array, int]:
    """Candidates better than the seen one, and tied with it, of every trial; how many are flat."""
    patterns = torch.empty_like(trials.values)
    target = torch.empty(len(seen), dtype=torch.float64, device=seen.device)
    for part in trials.blocks():
        exact = trials.unit(part)
        patterns[part] = exact.float()
        target[part] = (exact * candidates.unit(seen[part])).sum(dim=1)
    better, tied, n_flat = torch.zeros_like(target), torch.zeros_like(target), 0
    for rows in candidates.blocks():
        block = candidates.unit(rows).float()  # (n_block, n_voxels)
        n_flat += int(block[:, 0].isnan().sum())
        for part in slices(len(patterns), 16 * len(block)):
            lead = patterns[part] @ block.T - target[part, None].float()  # (n_part, n_block)
            better[part] += (lead > _MARGIN).sum(dim=1)
            trial, row = (lead.abs() <= _MARGIN).nonzero(as_tuple=True)
            pairs = torch.stack([trial + part.start, row + rows.start])
            _settle(pairs[:, pairs[1] != seen[pairs[0]]], trials, candidates, target, better, tied)
    undefined = target.isnan()
    for count in (better, tied):
        count[undefined] = torch.nan
    return better.cpu().numpy(), tied.cpu().numpy(), n_flat


def _settle(
    pairs: Tensor, trials: Patterns, candidates: Patterns, target: Tensor, better: Tensor, tied: Tensor
) -> None:
    """Compare (2, n) pairs of trial and candidate in float64, adding to ``better`` and ``tied``."""
    for part in slices(pairs.shape[1], 16 * trials.values.shape[1]):
        trial, row = pairs[:, part]
        lead = (trials.unit(trial) * candidates.unit(row)).sum(dim=1) - target[trial]
        better.index_add_(0, trial, (lead > _EQUAL).double())
        tied.index_add_(0, trial, (lead.abs() <= _EQUAL).double())
