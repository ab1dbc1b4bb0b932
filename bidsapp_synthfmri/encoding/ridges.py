"""Ridge from every layer alone, as ``layerwise`` goes through it; who else may compute it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from ..structures import FloatArray
from .left_out_spread import Diagonals
from .nesting import Outer
from .training import BatchScores, TrainingSet, layer_kernels


class Ridges(Protocol):
    """Ridge of every layer to all trials, and to the rest of each turn of the outer loop."""

    def rest(self, turn: int, layer: int, *, predictions: bool) -> Iterator[BatchScores]:
        """Of the rest of a turn that has folds; ``out_of_fold`` and ``dual`` count only with ``predictions``.

        Raises
        ------
        InputMalformedError : a layer does not vary over the stimuli of the rest
        """

    def whole(self, layer: int) -> Iterator[BatchScores]:
        """Of all trials; layers in their order, once each.

        Raises
        ------
        InputMalformedError : a layer does not vary over the stimuli
        """

    def diagonals(self) -> tuple[tuple[Diagonals, ...], tuple[float, ...]]:
        """Of G for the penalties that ``whole`` chose, and the kernels' scales; layer by layer, at last."""


@dataclass(frozen=True)
class OwnRidges:
    """Computed here, when each is asked for.

    Attributes
    ----------
    training, turns : what to fit on
    """

    training: TrainingSet
    turns: Sequence[Outer]
    _diagonals: list[Diagonals] = field(default_factory=list)
    _scales: list[float] = field(default_factory=list)

    def rest(self, turn: int, layer: int, *, predictions: bool) -> Iterator[BatchScores]:  # noqa: ARG002
        """See ``Ridges``."""
        outer, training = self.turns[turn], self.training
        if outer.folds is not None:
            decomposition = training.decomposed(training.kernel(layer), outer.rest)
            yield from training.cross_validated(decomposition, outer.rest, outer.folds)

    def whole(self, layer: int) -> Iterator[BatchScores]:
        """See ``Ridges``."""
        training, alphas = self.training, []
        everything = np.arange(len(training.values))
        decomposition = training.decomposed(training.kernel(layer), everything)
        for scores in training.cross_validated(decomposition, everything, training.folds):
            alphas.append(scores.alpha)
            yield scores
        self._diagonals.append(Diagonals.of(decomposition, np.concatenate(alphas)))
        self._scales.append(decomposition.scale)

    def diagonals(self) -> tuple[tuple[Diagonals, ...], tuple[float, ...]]:
        """See ``Ridges``."""
        return tuple(self._diagonals), tuple(self._scales)


@dataclass(frozen=True)
class FitParts:
    """Who computes the parts of a fit that do not need each other.

    Attributes
    ----------
    kernels : has the parameters of ``training.layer_kernels``, and gives what that does
    ridges : makes ``Ridges`` of a training set and its outer loop
    """

    kernels: Callable[..., FloatArray] = layer_kernels
    ridges: Callable[[TrainingSet, Sequence[Outer]], Ridges] = OwnRidges


OWN_PARTS = FitParts()
