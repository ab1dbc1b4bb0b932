"""How many noise components to project out: the number with which repeats agree best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .survey import Survey

_LOST_OF_GAIN = 0.05
# A reliability within this of the best is the best: it rests on some hundred pairs of presentations.
_NEGLIGIBLE = 0.002


@dataclass(frozen=True)
class ComponentChoice:
    """A number of components, and the scores it was chosen by.

    Attributes
    ----------
    number : components to project out
    scores : (n_candidates,) median reliability of the responsive voxels with 0, 1, ... components
    optimism : reliability of stimuli with the number they chose, less that with the number that the
        other half chose, mean of both halves
    """

    number: int
    scores: tuple[float, ...]
    optimism: float


def choose_components(survey: Survey, fractions: Sequence[float]) -> ComponentChoice:
    """The number of components by cross-validation over repeats.

    Parameters
    ----------
    survey : its responsive voxels choose
    fractions : ridge fractions to try with each number, the best counts; only 1 for least squares

    Notes
    -----
    Kay et al. 2013, with the reliability of single trials across runs in place of the error of predicted
    series: its two sides never share a run, so what is fitted to one's noise does not raise it. Where
    trials lie close, least squares is all noise whatever is projected out, and only ridge tells numbers
    apart.
    """
    scores = []  # a candidate each: over all repeats, and over each half
    for number in range(survey.most_components + 1):
        by_voxel = survey.responsive_scores(number, fractions)
        scores.append(by_voxel.median(dim=2).values.max(dim=1).values.cpu().numpy())
    every, one, other = np.stack(scores, axis=1)
    by_one, by_other = choose_number(one), choose_number(other)
    optimism = (one[by_one] - one[by_other] + other[by_other] - other[by_one]) / 2
    return ComponentChoice(choose_number(every), tuple(float(score) for score in every), float(optimism))


def choose_number(scores: Sequence[float]) -> int:
    """The smallest number of components that brings 95% of what the best number gains over none.

    A gain of less than .002 is none.

    Parameters
    ----------
    scores : reliability with 0, 1, 2, ... components
    """
    gains = np.asarray(scores) - scores[0]
    allowance = max(_LOST_OF_GAIN * float(gains.max()), _NEGLIGIBLE)
    return int(np.argmax(gains >= gains.max() - allowance))
