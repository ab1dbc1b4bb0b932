"""Each voxel's ridge fraction, by repeats, where they say little by those of the responsive voxels."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .fractional import FRACTIONS
from .ladder import Batch, Ladder
from .repeats import Repeats
from .survey import Survey

# A voxel's own scores count as much as the responsive voxels' mean with this many repeated stimuli.
_PRIOR_STIMULI = 60.0


@dataclass(frozen=True)
class FractionChoice:
    """How fractions are chosen.

    Attributes
    ----------
    repeats : trials that choose
    common : (3, n_fractions) mean scores of the responsive voxels, over all repeats and each half
    """

    repeats: Repeats
    common: torch.Tensor

    @classmethod
    def prepare(cls, survey: Survey, n_components: int) -> FractionChoice:
        """Score every fraction at the responsive voxels."""
        return cls(survey.repeats, survey.responsive_scores(n_components, FRACTIONS).mean(dim=2))

    def choose(self, ladder: Ladder, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Fractions of a batch of voxels, and how far choosing flatters the stimuli that chose.

        Returns
        -------
        (n_columns,) fractions; (n_columns,) reliability of a half of the stimuli where it chose, less its
        reliability where the other half chose, mean of both halves

        Notes
        -----
        A voxel's reliability over few repeats is noisy, and the largest of 20 such numbers noisier: to it
        is added the mean over the responsive voxels, weighted as if measured with 60 stimuli.
        """
        own = ladder.fraction_scores(batch, FRACTIONS, self.repeats)  # (3, n_fractions, n_columns)
        n_stimuli = own.new_tensor([1.0, 0.5, 0.5]) * self.repeats.n_stimuli
        blended = own + (_PRIOR_STIMULI / n_stimuli)[:, None, None] * self.common[:, :, None]
        best = blended.argmax(dim=1)  # (3, n_columns)
        _, one, other = own
        by_one, by_other = best[1][None], best[2][None]
        gain = one.gather(0, by_one) - one.gather(0, by_other)
        gain = gain + other.gather(0, by_other) - other.gather(0, by_one)
        return own.new_tensor(FRACTIONS)[best[0]], gain[0] / 2
