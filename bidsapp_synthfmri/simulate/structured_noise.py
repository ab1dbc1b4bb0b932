"""Noise that voxels share, driven by the task or not, and noise of their own."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from .haemodynamics import cosine_drifts
from .noise import TemporalNoise

Array = NDArray[np.float64]

_WAVES = 4
_BURN_IN = 60
_POLE = 0.9
_FREQUENCIES_HZ = (0.012, 0.2)
_SESSION_CHANGE = 0.2


@dataclass(frozen=True)
class StructuredNoise:
    """What the noise of a run is made of.

    Attributes
    ----------
    n_components : time courses that all voxels share
    share : their share of a voxel's noise variance, drifts aside; the rest is the voxel's own
    own : correlation over volumes of the voxel's own noise
    drift : standard deviation of drifts slower than 1/128 Hz, over that of all other noise
    """

    n_components: int = 5
    share: float = 0.4
    own: TemporalNoise = field(default_factory=TemporalNoise)
    drift: float = 1.0

    def loadings(self, ijk: NDArray[np.int64], rng: np.random.Generator) -> Array:
        """(n_components, n_voxels), smooth over space, of unit length a voxel.

        The first component reaches every voxel with one sign, as a global signal does.
        """
        position = ijk / ijk.max()  # (n_voxels, 3)
        fields = []
        for _ in range(self.n_components):
            direction = rng.normal(0, 2 * np.pi, (3, _WAVES))
            fields.append(np.cos(position @ direction + rng.uniform(0, 2 * np.pi, _WAVES)).sum(axis=1))
        loadings = np.stack(fields)
        loadings[0] = _WAVES**0.5 + np.abs(loadings[0])
        return np.asarray(loadings / np.linalg.norm(loadings, axis=0))

    def session_loadings(self, loadings: Array, rng: np.random.Generator) -> Array:
        """``loadings`` as they are in one session: each differs by a fifth."""
        return loadings * rng.normal(1, _SESSION_CHANGE, loadings.shape)

    def draw(self, loadings: Array, n_volumes: int, tr: float, rng: np.random.Generator) -> Array:
        """(n_volumes, n_voxels) noise of one run, of variance about 1 without the drifts."""
        n_voxels = loadings.shape[1]
        noise = self.own.draw(n_volumes, n_voxels, rng)
        noise *= np.sqrt(1 - self.share)
        noise += np.sqrt(self.share) * components(self.n_components, n_volumes, tr, rng) @ loadings
        cosines = cosine_drifts(n_volumes, tr)
        falling = 1 / np.arange(1, cosines.shape[1] + 1)
        falling *= self.drift * np.sqrt(n_volumes) / max(float(np.linalg.norm(falling)), 1e-12)
        noise += (cosines * falling) @ rng.standard_normal((cosines.shape[1], n_voxels))
        return noise


def components(n_components: int, n_volumes: int, tr: float, rng: np.random.Generator) -> Array:
    """(n_volumes, n_components) oscillations of wandering phase, of mean 0 and SD 1.

    Each is autoregressive of order two and resonates at a frequency between 0.012 and 0.2 Hz, drawn anew.
    """
    columns = []
    for frequency in rng.uniform(*_FREQUENCIES_HZ, n_components):
        denominator = [1.0, -2 * _POLE * np.cos(2 * np.pi * frequency * tr), _POLE**2]
        columns.append(lfilter([1.0], denominator, rng.standard_normal(_BURN_IN + n_volumes))[_BURN_IN:])
    courses = np.stack(columns, axis=1) if columns else np.zeros((n_volumes, 0))
    courses -= courses.mean(axis=0)
    return np.asarray(courses / courses.std(axis=0))
