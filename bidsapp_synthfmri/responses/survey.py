"""All that the choices common to the voxels are made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..structures import Trials
from .ladder import Ladder
from .readings import FirstReading, SecondReading
from .repeats import Repeats


@dataclass(frozen=True)
class Survey:
    """Two readings of the runs, the trials they hold, and the repeats that may choose.

    Attributes
    ----------
    first, second : of all runs
    trials : those kept
    repeats : the trials among them that choose
    device : where to compute
    """

    first: FirstReading
    second: SecondReading
    trials: Trials
    repeats: Repeats
    device: torch.device

    @property
    def most_components(self) -> int:
        """How many noise components every run has."""
        return int(self.second.components[0].shape[1])

    def ladder(self, n_components: int) -> Ladder:
        """All voxels' responses, some noise components projected out."""
        components = self.second.leading(n_components)
        return Ladder(self.first, components, self.trials, self.device)

    def responsive_scores(self, n_components: int, fractions: Sequence[float]) -> torch.Tensor:
        """Reliability of the responsive voxels with some noise components projected out.

        Returns
        -------
        (3, n_fractions, n_responsive) over all repeats, and over each half of their stimuli
        """
        responsive = self.first.at(self.first.responsive)
        components = self.second.leading(n_components)
        ladder = Ladder(responsive, components, self.trials, self.device)
        batches = ladder.batches(self.second.responsive)
        return torch.cat([ladder.fraction_scores(batch, fractions, self.repeats) for batch in batches], dim=2)
