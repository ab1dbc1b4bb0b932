"""Trials grouped by the stimulus they show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputMalformedError
from ..structures import FloatArray, IntArray

Float64Array = NDArray[np.float64]


@dataclass(frozen=True)
class Presentations:
    """Which trials show which stimulus.

    Attributes
    ----------
    order : (n_trials,) trials sorted by stimulus, presentations in their own order
    stimuli : (n_stimuli,) the stimulus indices that occur, ascending
    starts : (n_stimuli,) where each stimulus begins in ``order``
    counts : (n_stimuli,) presentations of each stimulus
    """

    order: IntArray
    stimuli: IntArray
    starts: IntArray
    counts: IntArray

    def sums(self, values: FloatArray | Float64Array) -> Float64Array:
        """(n_stimuli, n_voxels) sums over presentations of trial values, accumulated in float64."""
        total: Float64Array = np.add.reduceat(values[self.order], self.starts, axis=0, dtype=np.float64)
        return total

    def means(self, values: FloatArray | Float64Array) -> Float64Array:
        """(n_stimuli, n_voxels) means over presentations of trial values."""
        return self.sums(values) / self.counts[:, None]

    def ordered_pair(self, rank: IntArray) -> tuple[IntArray, IntArray]:
        """Trials of one ordered pair of distinct presentations of every stimulus.

        Parameters
        ----------
        rank : (n_stimuli,) which of the m (m - 1) ordered pairs; a stimulus shown once has only
            its trial, on both sides

        Returns
        -------
        (n_stimuli,) first and second trial of each pair
        """
        others = np.maximum(self.counts - 1, 1)
        first, step = np.divmod(rank, others)
        second = (first + 1 + step) % self.counts
        return self.order[self.starts + first], self.order[self.starts + second]


def group_presentations(stimulus_index: IntArray) -> Presentations:
    """Group trials by stimulus.

    Parameters
    ----------
    stimulus_index : (n_trials,)
    """
    stimuli, starts, counts = np.unique(np.sort(stimulus_index), return_index=True, return_counts=True)
    return Presentations(
        order=np.argsort(stimulus_index, kind="stable").astype(np.int64),
        stimuli=stimuli.astype(np.int64),
        starts=starts.astype(np.int64),
        counts=counts.astype(np.int64),
    )


def require_finite(values: FloatArray, what: str) -> None:
    """Refuse values that are not finite, counting them.

    Raises
    ------
    InputMalformedError : at least one value is NaN or infinite
    """
    broken = values.size - int(np.isfinite(values).sum())
    if broken:
        raise InputMalformedError(
            f"{broken} of {values.size} {what} are not finite",
            "Leave out the voxels or trials that could not be estimated",
        )


def require_shape(actual: tuple[int, ...], expected: tuple[int, ...], what: str) -> None:
    """Refuse an array whose shape does not fit the others.

    Raises
    ------
    InputMalformedError : the shapes differ
    """
    if actual != expected:
        raise InputMalformedError(
            f"The {what} have shape {actual} where {expected} is needed",
            "Give arrays of the same trials, stimuli and voxels",
        )
