"""What the simulated voxels respond to; none of it is a network.

EarlyVis voxels pool the energy of quadrature pairs of Gabor filters in a receptive field of the
opposite visual field; higher regions mix category, texture and colour (see ``config.RoiModel``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .config import RoiModel

Array = NDArray[np.float64]

_RETINA = 64
_ORIENTATIONS = 4
_CYCLES = (4.0, 8.0, 16.0)


@dataclass(frozen=True)
class Appearance:
    """Pictures as the simulated brain sees them.

    Attributes
    ----------
    luminance : (n, 64 * 64), mean 0 in each picture
    category : (n, n_categories) one-hot
    texture : (n, n_textures) log energy by orientation and spatial frequency, over the whole picture
    colour : (n, 6) mean and SD of luminance and of two opponent channels
    """

    luminance: Array
    category: Array
    texture: Array
    colour: Array

    def __len__(self) -> int:
        return len(self.luminance)

    def joined(self, other: Appearance) -> Appearance:
        """These pictures, then others."""
        return Appearance(
            np.concatenate([self.luminance, other.luminance]),
            np.concatenate([self.category, other.category]),
            np.concatenate([self.texture, other.texture]),
            np.concatenate([self.colour, other.colour]),
        )


def appearance(
    pictures: Sequence[Image.Image], categories: Sequence[str], names: Sequence[str]
) -> Appearance:
    """What can be seen of pictures.

    Parameters
    ----------
    pictures : RGB, any size
    categories : each picture's category
    names : all categories there are, in order of the one-hot columns

    Returns
    -------
    Appearance of the n pictures
    """
    small = [picture.convert("RGB").resize((_RETINA, _RETINA)) for picture in pictures]
    rgb = np.stack([np.asarray(picture, dtype=np.float64) / 255 for picture in small])
    luminance = rgb.mean(axis=-1)
    channels = np.stack(
        [luminance, rgb[..., 0] - rgb[..., 1], rgb[..., 2] - rgb[..., :2].mean(axis=-1)], axis=-1
    )
    centred = luminance - luminance.mean(axis=(1, 2), keepdims=True)
    return Appearance(
        luminance=centred.reshape(len(rgb), -1),
        category=np.array([[name == category for name in names] for category in categories], dtype=float),
        texture=_texture_energy(centred),
        colour=np.concatenate([channels.mean(axis=(1, 2)), channels.std(axis=(1, 2))], axis=1),
    )


def _texture_energy(luminance: Array) -> Array:
    """(n, orientations * frequencies) log power in sectors of the spectrum of (n, side, side) pictures."""
    power = np.abs(np.fft.fft2(luminance)) ** 2
    rows, columns = np.meshgrid(*[np.fft.fftfreq(_RETINA, 1 / _RETINA)] * 2, indexing="ij")
    radius, angle = np.hypot(rows, columns), np.arctan2(rows, columns) % np.pi
    energies = []
    for cycles in _CYCLES:
        for orientation in range(_ORIENTATIONS):
            distance = np.abs(angle - orientation * np.pi / _ORIENTATIONS)
            near = np.minimum(distance, np.pi - distance) <= np.pi / _ORIENTATIONS / 2
            band = near & (radius >= cycles / np.sqrt(2)) & (radius < cycles * np.sqrt(2))
            energies.append(np.log(power[:, band].mean(axis=1) + 1e-6))
    return np.stack(energies, axis=1)


def roi_signal(
    seen: Appearance, roi: RoiModel, hemisphere: str, n_voxels: int, rng: np.random.Generator
) -> Array:
    """Noiseless responses of one mask's voxels, each part in its share of the variance.

    Parameters
    ----------
    seen : n pictures
    roi : tuning
    hemisphere : ``LH`` voxels see the right half of the picture, ``RH`` voxels the left
    n_voxels : columns wanted
    rng : decides each voxel's receptive field and tuning

    Returns
    -------
    (n, n_voxels), mean and variance unspecified (standardise over the pictures that count)
    """
    signal: Array = np.zeros((len(seen), n_voxels))
    common = rng.standard_normal((seen.category.shape[1], 1))
    parts: tuple[tuple[float, Callable[[], Array]], ...] = (
        (roi.energy, lambda: gabor_energy(seen.luminance, hemisphere, n_voxels, rng)),
        (roi.category, lambda: _category_tuning(seen.category, common, n_voxels, rng)),
        (roi.texture, lambda: _z(seen.texture) @ rng.standard_normal((seen.texture.shape[1], n_voxels))),
        (roi.colour, lambda: _z(seen.colour) @ rng.standard_normal((seen.colour.shape[1], n_voxels))),
    )
    for share, respond in parts:
        if share > 0:
            signal += np.sqrt(share) * _z(respond())
    return signal


def gabor_energy(luminance: Array, hemisphere: str, n_voxels: int, rng: np.random.Generator) -> Array:
    """(n, n_voxels) root of the pooled energy of three quadrature pairs in each voxel's field."""
    pooled = np.zeros((len(luminance), n_voxels))
    across = rng.uniform(0.5, 0.9, n_voxels) if hemisphere == "LH" else rng.uniform(0.1, 0.5, n_voxels)
    down = rng.uniform(0.15, 0.85, n_voxels)
    orientation = rng.uniform(0, np.pi, n_voxels)
    for _ in range(3):
        tilt = orientation + rng.normal(0, np.pi / 10, n_voxels)
        cycles = rng.choice(_CYCLES[:2], n_voxels) * rng.uniform(0.8, 1.25, n_voxels)
        width = rng.uniform(0.09, 0.16, n_voxels)
        even, odd = _gabors(across, down, tilt, cycles, width)
        pooled += (luminance @ even) ** 2 + (luminance @ odd) ** 2
    return np.sqrt(pooled)


def _gabors(across: Array, down: Array, tilt: Array, cycles: Array, width: Array) -> tuple[Array, Array]:
    """(64 * 64, n_voxels) even and odd filters; positions and widths in fractions of the picture."""
    axis = (np.arange(_RETINA) + 0.5) / _RETINA
    y, x = (grid.reshape(-1, 1) for grid in np.meshgrid(axis, axis, indexing="ij"))
    envelope = np.exp(-((x - across) ** 2 + (y - down) ** 2) / (2 * width**2))
    phase = 2 * np.pi * cycles * ((x - across) * np.cos(tilt) + (y - down) * np.sin(tilt))
    return envelope * np.cos(phase), envelope * np.sin(phase)


def _category_tuning(category: Array, common: Array, n_voxels: int, rng: np.random.Generator) -> Array:
    """A preference that the region's voxels share, and an equal part of each one's own."""
    return np.asarray(category @ (common + rng.standard_normal((category.shape[1], n_voxels))))


def _z(values: Array) -> Array:
    spread = values.std(axis=0)
    return np.asarray((values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0))
