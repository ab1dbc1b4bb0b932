"""How widely predictions of images vary that the fit did not see: each training stimulus left out in turn.

Predictions of training images are too wide, as their noise was fitted; predictions out of a fold are a
little too narrow, as so much less was fitted on. Leaving out one stimulus changes next to nothing else, and
needs of a decomposition only G's diagonal: with m trials of the stimulus s, whose rows of the kernel are
equal, G_ss has the eigenvalue g = m G_ii - (m - 1) / a on the constant, and the stimulus' prediction
without it is mean(y_s) - mean(c_s) / g (METHODS, "Ridge").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..structures import FloatArray, IntArray
from .resolvents import Decomposition
from .selection import batches

Float64 = NDArray[np.float64]
_N_VOXELS_BATCH = 256


@dataclass(frozen=True)
class Diagonals:
    """Of G, for one kernel and some penalties.

    Attributes
    ----------
    penalties : (k,) ascending, for the kernel as it is
    values : (k, n_trials)
    """

    penalties: Float64
    values: Float64

    @classmethod
    def of(cls, decomposition: Decomposition, alphas: Float64) -> Diagonals:
        """For the distinct ones of some penalties, which are for the scaled kernel."""
        distinct = np.unique(alphas)
        resolvents = decomposition.resolvents(tuple(distinct.tolist()))
        values = [resolvent.diagonal().double().cpu().numpy() for resolvent in resolvents]
        return cls(distinct * decomposition.scale, np.array(values) / decomposition.scale)

    def at(self, penalty: Float64) -> Float64:
        """(n_trials, n_voxels) the diagonal for each voxel's penalty, one of those known."""
        found: Float64 = self.values[np.searchsorted(self.penalties, penalty)].T
        return found


@dataclass(frozen=True)
class Kernel:
    """What one kernel adds to predictions.

    Attributes
    ----------
    diagonals : of its G
    dual : (n_trials, n_voxels) dual weights of the fit to all trials
    penalty : (n_voxels,) for the kernel as it is
    weight : (n_voxels,) share of its prediction; 0 where it is not used
    """

    diagonals: Diagonals
    dual: FloatArray
    penalty: Float64
    weight: FloatArray


def unseen_sd(kernels: Sequence[Kernel], values: FloatArray, index: IntArray) -> FloatArray:
    """Standard deviation, over stimuli, of what is predicted for each by the others.

    Parameters
    ----------
    kernels : that predictions are a weighted sum of
    values : (n_trials, n_voxels) responses
    index : (n_trials,) stimulus of each trial

    Returns
    -------
    (n_voxels,) float32, about the mean of the trials that predict. Penalties, weights and layers were chosen
    with the stimulus.
    """
    stimuli = _Stimuli.of(index)
    sd = np.empty(values.shape[1], dtype=np.float32)
    for block in batches(len(sd), _N_VOXELS_BATCH):
        deviations = np.zeros((len(stimuli.counts), block.stop - block.start))
        for kernel in kernels:
            used = np.flatnonzero(kernel.weight[block] > 0)
            if len(used):
                voxels = block.start + used
                own = stimuli.deviations(
                    kernel.diagonals.at(kernel.penalty[voxels]),
                    values[:, voxels],
                    kernel.dual[:, voxels],
                    kernel.penalty[voxels],
                )
                deviations[:, used] += kernel.weight[voxels] * own
        sd[block] = deviations.std(axis=0, ddof=1)
    return sd


def unseen_variance(kernel: Kernel, voxels: IntArray, index: IntArray) -> Float64:
    """Posterior variance of a stimulus' signal given the others, mean over stimuli.

    Parameters
    ----------
    kernel : the only one of its voxels
    voxels : (n_used,) which of them
    index : (n_trials,) stimulus of each trial

    Returns
    -------
    (n_used,) as a multiple of the prior's s^2: that of the mean of the stimulus' m trials is 1 / (m g), of
    which a / m is their noise (Rasmussen & Williams 2006, 5.4.2)
    """
    stimuli = _Stimuli.of(index)
    penalties, which = np.unique(kernel.penalty[voxels], return_inverse=True)
    g = stimuli.g(kernel.diagonals.at(penalties), penalties)
    variance: Float64 = ((1 / g - penalties) / stimuli.counts[:, None]).mean(axis=0).clip(min=0)
    return variance[which]


@dataclass(frozen=True)
class _Stimuli:
    """index, first : stimulus of each trial, and first trial of each stimulus; counts : its trials."""

    index: IntArray
    first: IntArray
    counts: IntArray

    @classmethod
    def of(cls, index: IntArray) -> _Stimuli:
        _, first, inverse, counts = np.unique(
            index, return_index=True, return_inverse=True, return_counts=True
        )
        return cls(inverse, first, counts)

    def means(self, values: FloatArray) -> Float64:
        """(n_stimuli, n_voxels) over trials."""
        if len(self.counts) == len(self.index):
            return values[self.first].astype(np.float64)
        sums = np.zeros((len(self.counts), values.shape[1]))
        np.add.at(sums, self.index, values)
        return sums / self.counts[:, None]

    def g(self, diagonal: Float64, penalty: Float64) -> Float64:
        """(n_stimuli, n_voxels) G_ss' eigenvalue on the constant."""
        m = self.counts[:, None]
        g: Float64 = m * diagonal[self.first] - (m - 1) / penalty
        return g

    def deviations(
        self, diagonal: Float64, values: FloatArray, dual: FloatArray, penalty: Float64
    ) -> Float64:
        """(n_stimuli, n_voxels) predictions without the stimulus, about the mean of the other trials."""
        m, n = self.counts[:, None], len(self.index)
        g = self.g(diagonal, penalty)
        means = self.means(values)
        others = (values.sum(axis=0, dtype=np.float64) - m * means) / (n - m)
        deviations: Float64 = means - self.means(dual) / g - others
        return deviations
