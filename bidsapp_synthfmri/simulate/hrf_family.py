"""A continuous family of haemodynamic responses, one drawn for every voxel.

Written apart from ``responses`` on purpose, and no library's entry: a dataset that judges how well an
estimator finds a voxel's response must not be made of the responses it chooses from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc

Array = NDArray[np.float64]

HORIZON = 40.0
_STEP = 0.02


@dataclass(frozen=True)
class HrfFamily:
    """Ranges from which each voxel's response is drawn, evenly and independently.

    Attributes
    ----------
    peak : seconds from onset to the mode of the first gamma density; a second's response peaks .5 s later
    width : standard deviation of the first gamma density over its mode; .49 with the usual shape 6
    undershoot : integral of the second gamma density over the first's; .17 is usual
    delay : seconds between the two modes; 10 is usual
    undershoot_width : standard deviation of the second gamma density, seconds; 4 is usual
    """

    peak: tuple[float, float] = (3.0, 8.5)
    width: tuple[float, float] = (0.36, 0.56)
    undershoot: tuple[float, float] = (0.0, 0.3)
    delay: tuple[float, float] = (7.0, 11.0)
    undershoot_width: tuple[float, float] = (3.0, 4.5)

    def draw(self, n_voxels: int, rng: np.random.Generator) -> VoxelHrfs:
        """One response a voxel."""
        mode = rng.uniform(*self.peak, n_voxels)
        width = mode * rng.uniform(*self.width, n_voxels)
        ratio = rng.uniform(*self.undershoot, n_voxels)
        later = mode + rng.uniform(*self.delay, n_voxels)
        later_width = rng.uniform(*self.undershoot_width, n_voxels)
        since_onset = np.arange(0, HORIZON, _STEP)[:, None]
        first = _gamma_integral(since_onset, mode, width)
        return VoxelHrfs(first - ratio * _gamma_integral(since_onset, later, later_width))


@dataclass(frozen=True)
class VoxelHrfs:
    """Haemodynamic responses, one a voxel.

    Attributes
    ----------
    integral : (n, n_voxels) from 0 to each fiftieth of a second
    """

    integral: Array

    def response(self, since_onset: Array, duration: float) -> Array:
        """Mean response over a stimulus that lasts a while.

        Parameters
        ----------
        since_onset : (n,) seconds, any sign, below ``HORIZON``
        duration : seconds, above 0

        Returns
        -------
        (n, n_voxels), unscaled
        """
        return (self._until(since_onset) - self._until(since_onset - duration)) / duration

    def peaks(self, duration: float) -> tuple[Array, Array]:
        """(n_voxels,) seconds from onset to the largest response, and that response."""
        since_onset = np.arange(0, HORIZON / 2, _STEP)
        response = self.response(since_onset, duration)
        highest = response.argmax(axis=0)
        return since_onset[highest], response[highest, np.arange(len(highest))]

    def _until(self, time: Array) -> Array:
        """(n, n_voxels) integral until then; linear between steps, within 1e-4 of the largest response."""
        position = np.clip(time / _STEP, 0, len(self.integral) - 1.001)
        low = position.astype(np.int64)
        part = (position - low)[:, None]
        return np.asarray((1 - part) * self.integral[low] + part * self.integral[low + 1])


def _gamma_integral(time: Array, mode: Array, width: Array) -> Array:
    """(n, n_voxels) distribution functions of the gamma densities of these modes and standard deviations."""
    scale = (np.sqrt(mode**2 + 4 * width**2) - mode) / 2
    return np.asarray(gammainc((width / scale) ** 2, time / scale))
