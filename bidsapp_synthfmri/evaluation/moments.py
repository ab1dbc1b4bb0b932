"""Correlations over stimuli, and their bootstrap, from one set of moments a stimulus.

A pair of measurements (x, y) of the same stimulus is averaged over all pairs there are, so that each
stimulus counts once. Products between different stimuli stand for the product of the means: with P_s
the mean of x y over the pairs of stimulus s, and x_s, y_s their means,

    covariance = mean_s P_s - mean_{s != t} x_s y_t

No trial meets itself in it, so the noise that x_s and y_s share where both come from the same
presentations does not bias it: it is the expectation of the ordinary sample covariance when every
stimulus gives one of its pairs at random, and the sample covariance itself where there is one
presentation. Under bootstrap counts w over n stimuli, with pairs (s, t) of different stimuli only,

    covariance ~ n sum_s w_s P_s - sum_s w_s^2 (P_s - x_s y_s) - (sum_s w_s x_s)(sum_s w_s y_s)

which is one matrix product of (draws, n_stimuli) with (n_stimuli, n_voxels) for each moment.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .presentations import Float64Array

# A resample of a single stimulus has variance zero up to rounding, which is about 1e-16 of the variance.
_NO_VARIANCE = 1e-10


@dataclass(frozen=True)
class Side:
    """One side of the pairs: per-stimulus means of x and of x^2 over the pairs.

    Attributes
    ----------
    mean, square : (n_stimuli, n_voxels)
    """

    mean: Float64Array
    square: Float64Array

    def take(self, stimuli: slice) -> Side:
        """The side of some stimuli."""
        return Side(self.mean[stimuli], self.square[stimuli])


@dataclass(frozen=True)
class WeightedSide:
    """A side under every set of weights.

    Attributes
    ----------
    side : the moments
    total : (n_draws, n_voxels) weighted sum of means
    spread : (n_draws, n_voxels) variance, times n (n - 1)
    """

    side: Side
    total: Float64Array
    spread: Float64Array


@dataclass(frozen=True)
class StimulusWeights:
    """How often each stimulus counts in each draw; the first draw is the sample itself.

    Attributes
    ----------
    counts : (n_draws, n_stimuli), each row summing to n_stimuli
    squares : their squares
    """

    counts: Float64Array
    squares: Float64Array

    @classmethod
    def of(cls, counts: Float64Array) -> StimulusWeights:
        """Weights from bootstrap counts, the sample itself put first."""
        counts = np.vstack([np.ones(counts.shape[1]), counts])
        return cls(counts, counts**2)

    def weigh(self, side: Side) -> WeightedSide:
        """Sums and variances of one side."""
        total = self.counts @ side.mean  # (n_draws, n_voxels)
        spread = self._within(side.square, side.mean**2) - total**2
        spread[spread <= _NO_VARIANCE * spread[0]] = np.nan
        return WeightedSide(side, total, spread)

    def correlation(self, left: WeightedSide, right: WeightedSide, product: Float64Array) -> Float64Array:
        """(n_draws, n_voxels) correlation of two sides; NaN where one of them does not vary.

        Parameters
        ----------
        left, right : from ``weigh``
        product : (n_stimuli, n_voxels) mean of x y over the pairs of each stimulus
        """
        scale: Float64Array = np.sqrt(left.spread) * np.sqrt(right.spread)
        return self.joint(left, right, product) / scale

    def joint(self, left: WeightedSide, right: WeightedSide, product: Float64Array) -> Float64Array:
        """(n_draws, n_voxels) covariance of two sides, times n (n - 1); see ``correlation``."""
        return self._within(product, left.side.mean * right.side.mean) - left.total * right.total

    def _within(self, product: Float64Array, product_of_means: Float64Array) -> Float64Array:
        weighted: Float64Array = self.counts.shape[1] * (self.counts @ product)
        excess = product - product_of_means
        if np.any(excess):
            weighted -= self.squares @ excess
        return weighted
