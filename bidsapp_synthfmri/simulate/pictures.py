"""Pictures drawn by rule: a category's shape, anywhere, any size and colour, over a 1/f ground."""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from scipy.fft import irfft2

from ..structures import FloatArray
from . import shapes

_OVERSAMPLING = 2
_JPEG_QUALITY = 90


@dataclass(frozen=True)
class _Style:
    paint: Callable[[shapes.Scene], None]
    hue: float


_STYLES = {
    "ball": _Style(shapes.balls, 0.00),
    "building": _Style(shapes.building, 0.10),
    "face": _Style(shapes.face, 0.07),
    "fence": _Style(shapes.fence, 0.60),
    "flower": _Style(shapes.flowers, 0.85),
    "star": _Style(shapes.stars, 0.15),
    "tree": _Style(shapes.tree, 0.30),
    "wave": _Style(shapes.waves, 0.55),
    "spiral": _Style(shapes.spiral, 0.75),
    "tiles": _Style(shapes.tiles, 0.45),
}
CATEGORIES = tuple(_STYLES)


def draw_picture(category: str, size: int, rng: np.random.Generator) -> Image.Image:
    """One picture of a category; no two draws look alike.

    Parameters
    ----------
    category : one of ``CATEGORIES``
    size : width and height in pixels
    rng : decides ground, position, scale, orientation, number and colours

    Returns
    -------
    RGB picture. A category's shape and texture are its own; its hue is typical but spreads over
    its neighbours', and the ground's hue tells nothing.
    """
    style = _STYLES[category]
    ground = _coloured(pink_noise(size, rng), rng.random(), rng)
    width = size * _OVERSAMPLING
    layer = Image.new("RGBA", (width, width), (0, 0, 0, 0))
    scene = shapes.Scene(ImageDraw.Draw(layer), width, _palette(style.hue, rng), rng)
    style.paint(scene)
    layer = layer.resize((size, size), Image.Resampling.BOX)
    shape = np.asarray(layer, dtype=np.float32)
    grain = 1 + 0.10 * pink_noise(size, rng)[..., None]
    opacity = shape[..., 3:] / 255
    blended = ground * (1 - opacity) + shape[..., :3] * grain * opacity
    picture = Image.fromarray(np.clip(blended * rng.uniform(0.8, 1.1), 0, 255).astype(np.uint8))
    return picture.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 0.8))))


def store_picture(path: Path, category: str, size: int, rng: np.random.Generator) -> Image.Image:
    """Draw a picture and write it as JPEG, whatever its extension; returns what the file then shows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draw_picture(category, size, rng).save(path, format="JPEG", quality=_JPEG_QUALITY)
    with Image.open(path) as stored:
        return stored.convert("RGB")


def pink_noise(size: int, rng: np.random.Generator) -> FloatArray:
    """(size, size) noise with amplitude 1/f^1.2, mean 0 and SD 1."""
    spectrum = _pink_spectrum(size)
    phases = np.exp(2j * np.pi * rng.random(spectrum.shape, dtype=np.float32))
    noise = irfft2((spectrum * phases).astype(np.complex64), s=(size, size))
    return np.asarray(noise / noise.std(), dtype=np.float32)


@lru_cache(maxsize=4)
def _pink_spectrum(size: int) -> FloatArray:
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    frequency[0, 0] = np.inf
    return np.asarray(frequency**-1.2, dtype=np.float32)


def _coloured(noise: FloatArray, hue: float, rng: np.random.Generator) -> FloatArray:
    """(size, size, 3): noise as a ramp between two related colours."""
    dark = _rgb(hue, rng.uniform(0.1, 0.6), rng.uniform(0.1, 0.4))
    light = _rgb(hue + rng.normal(0, 0.08), rng.uniform(0.1, 0.6), rng.uniform(0.5, 0.95))
    ramp = np.clip(0.5 + 0.25 * noise, 0, 1)[..., None]
    low, high = np.array(dark, dtype=np.float32), np.array(light, dtype=np.float32)
    return np.asarray(low + (high - low) * ramp, dtype=np.float32)


def _palette(hue: float, rng: np.random.Generator) -> shapes.Palette:
    hue = hue + rng.normal(0, 0.09)
    brightness = rng.uniform(0.55, 1.0)
    saturation = rng.uniform(0.35, 0.95)
    return shapes.Palette(
        main=_rgb(hue, saturation, brightness),
        second=_rgb(hue + rng.normal(0, 0.12), saturation * 0.8, brightness * rng.uniform(0.5, 0.9)),
        light=_rgb(hue, saturation * 0.3, min(1.0, brightness * 1.25)),
        dark=_rgb(hue, saturation, brightness * rng.uniform(0.15, 0.4)),
    )


def _rgb(hue: float, saturation: float, value: float) -> shapes.Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)
