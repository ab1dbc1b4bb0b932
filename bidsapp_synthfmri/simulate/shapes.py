"""The shapes of simulated pictures: each fills a scene in its own way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import ImageDraw

Colour = tuple[int, int, int]
Points = NDArray[np.float64]


_TURN = np.linspace(0, 2 * np.pi, 40, endpoint=False)
_CIRCLE = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)


@dataclass(frozen=True)
class Palette:
    """Four related colours of a picture's shape."""

    main: Colour
    second: Colour
    light: Colour
    dark: Colour


@dataclass(frozen=True)
class Scene:
    """Where a shape is drawn.

    Attributes
    ----------
    pen : draws on a transparent layer
    width : of the square layer, in its pixels
    palette : colours
    rng : decides the rest
    """

    pen: ImageDraw.ImageDraw
    width: int
    palette: Palette
    rng: np.random.Generator

    def place(self, low: float = 0.25, high: float = 0.75) -> Points:
        """A random position, in pixels, between two fractions of the width."""
        return self.rng.uniform(low, high, size=2) * self.width

    def length(self, low: float, high: float) -> float:
        """A random length, in pixels, between two fractions of the width."""
        return float(self.rng.uniform(low, high) * self.width)

    def polygon(self, points: Points, fill: Colour, outline: Colour | None = None, width: int = 1) -> None:
        """Fill the polygon of (n, 2) points."""
        self.pen.polygon([(x, y) for x, y in points.tolist()], fill=fill, outline=outline, width=width)

    def disc(self, centre: Points, radius: float, fill: Colour) -> None:
        """Fill a disc."""
        (x, y), r = centre.tolist(), radius
        self.pen.ellipse((x - r, y - r, x + r, y + r), fill=fill)

    def line(self, points: Points, fill: Colour, width: float) -> None:
        """Draw the polyline of (n, 2) points."""
        self.pen.line(
            [(x, y) for x, y in points.tolist()], fill=fill, width=max(1, round(width)), joint="curve"
        )

    def ellipse(self, centre: Points, radii: Sequence[float], angle: float, fill: Colour) -> None:
        """Fill an ellipse turned by ``angle`` radians."""
        self.polygon(centre + _CIRCLE * radii @ rotation(angle), fill)


def rotation(angle: float) -> Points:
    """(2, 2) matrix that turns row vectors by ``angle`` radians."""
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def balls(scene: Scene) -> None:
    """One to four shaded discs."""
    for _ in range(scene.rng.integers(1, 5)):
        centre, radius = scene.place(0.2, 0.8), scene.length(0.12, 0.3)
        shine = centre + rotation(scene.rng.uniform(0, 2 * np.pi))[0] * radius * 0.4
        steps = np.linspace(0, 1, 14)
        for step in steps:
            colour = _between(scene.palette.dark, scene.palette.main, min(1.0, step * 1.6))
            if step > 0.75:
                colour = _between(scene.palette.main, scene.palette.light, (step - 0.75) * 4)
            middle = centre + (shine - centre) * step
            scene.disc(middle, radius * (1 - step) + 1, colour)


def building(scene: Scene) -> None:
    """One to three blocks of windowed storeys, slightly tilted, some with a roof."""
    tilt = rotation(scene.rng.normal(0, 0.08))
    foot = scene.width * scene.rng.uniform(0.8, 1.0)
    left = scene.width * scene.rng.uniform(0.02, 0.3)
    for block in range(scene.rng.integers(1, 4)):
        wide, tall = scene.length(0.22, 0.45), scene.length(0.45, 0.85)
        wall = scene.palette.main if block % 2 == 0 else scene.palette.second
        corner = np.array([left, foot - tall])
        scene.polygon(corner + _box(0, 0, wide, tall) @ tilt, wall, scene.palette.dark, 3)
        if scene.rng.random() < 0.5:
            roof = np.array([[-0.05 * wide, 0], [wide / 2, -0.3 * wide], [1.05 * wide, 0]])
            scene.polygon(corner + roof @ tilt, scene.palette.dark)
        _windows(scene, corner, (wide, tall), tilt)
        left += wide * scene.rng.uniform(0.85, 1.05)


def _windows(scene: Scene, corner: Points, wall: tuple[float, float], tilt: Points) -> None:
    columns, rows = scene.rng.integers(2, 6), scene.rng.integers(4, 10)
    step_x, step_y = wall[0] / columns, wall[1] / rows
    for row in range(rows):
        for column in range(columns):
            pane = _box((column + 0.25) * step_x, (row + 0.2) * step_y, step_x * 0.5, step_y * 0.55)
            lit = scene.rng.random() < 0.3
            scene.polygon(corner + pane @ tilt, scene.palette.light if lit else scene.palette.dark)


def face(scene: Scene) -> None:
    """A head with hair, eyes, nose and mouth, turned by up to half a right angle."""
    centre, size = scene.place(0.35, 0.65), scene.length(0.22, 0.38)
    angle = scene.rng.normal(0, 0.25)
    turn = rotation(angle)
    narrow = scene.rng.uniform(0.7, 0.85)
    scene.ellipse(centre + np.array([0, -0.2 * size]) @ turn, [narrow * size * 1.12, size * 1.02], angle,
                  scene.palette.dark)  # fmt: skip
    scene.ellipse(centre, [narrow * size, size], angle, scene.palette.main)
    gaze = scene.rng.uniform(-0.06, 0.06)
    for side in (-1, 1):
        eye = centre + np.array([side * 0.33 * size, -0.2 * size]) @ turn
        scene.ellipse(eye, [0.17 * size, 0.1 * size], angle, scene.palette.light)
        scene.disc(eye + np.array([gaze * size, 0]), 0.08 * size, scene.palette.dark)
        brow = np.array([[side * 0.18, -0.36], [side * 0.5, -0.38]]) * size
        scene.line(centre + brow @ turn, scene.palette.dark, 0.05 * size)
    nose = np.array([[0, -0.1], [0.1, 0.22], [-0.06, 0.22]]) * size
    scene.line(centre + nose @ turn, scene.palette.second, 0.05 * size)
    smile = np.linspace(-0.35, 0.35, 9)
    bend = scene.rng.uniform(-0.8, 1.2)
    mouth = np.stack([smile, 0.5 + bend * (0.12 - smile**2)], axis=1) * size
    scene.line(centre + mouth @ turn, scene.palette.dark, 0.08 * size)


def fence(scene: Scene) -> None:
    """Two crossed sets of bars over most of the picture."""
    angle = scene.rng.uniform(0, np.pi)
    gap, reach = scene.length(0.09, 0.2), scene.width * 0.75
    thick = gap * scene.rng.uniform(0.2, 0.4)
    middle = scene.place(0.4, 0.6)
    slant = scene.rng.uniform(np.pi / 3, np.pi / 2)
    for turn, colour in ((angle, scene.palette.second), (angle + slant, scene.palette.main)):
        for offset in np.arange(-reach, reach, gap):
            bar = np.array([[-reach, offset], [reach, offset]]) @ rotation(turn)
            scene.line(middle + bar, scene.palette.dark, thick * 1.5)
            scene.line(middle + bar, colour, thick)


def flowers(scene: Scene) -> None:
    """One to five flowers of rounded petals about a disc."""
    for _ in range(scene.rng.integers(1, 6)):
        centre, size = scene.place(0.15, 0.85), scene.length(0.12, 0.28)
        petals, start = scene.rng.integers(5, 10), scene.rng.uniform(0, np.pi)
        slim = scene.rng.uniform(0.28, 0.45)
        for petal in range(petals):
            angle = start + 2 * np.pi * petal / petals
            heart = centre + rotation(angle)[0] * size * 0.6
            scene.ellipse(heart, [size * 0.5, size * slim], angle, scene.palette.second)
            scene.ellipse(heart, [size * 0.43, size * slim * 0.8], angle, scene.palette.main)
        scene.disc(centre, size * 0.3, scene.palette.light)
        scene.disc(centre, size * 0.18, scene.palette.dark)


def stars(scene: Scene) -> None:
    """Two to nine pointed stars."""
    points = int(scene.rng.integers(4, 8))
    for _ in range(scene.rng.integers(2, 10)):
        centre, size = scene.place(0.1, 0.9), scene.length(0.08, 0.26)
        angle = scene.rng.uniform(0, 2 * np.pi) + np.arange(2 * points) * np.pi / points
        radius = np.where(np.arange(2 * points) % 2 == 0, size, size * scene.rng.uniform(0.3, 0.45))
        corners = np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius[:, None]
        fill = scene.palette.main if scene.rng.random() < 0.7 else scene.palette.light
        scene.polygon(centre + corners, fill, scene.palette.dark, 2)


def tree(scene: Scene) -> None:
    """One or two forked trees, with or without leaves."""
    for _ in range(scene.rng.integers(1, 3)):
        foot = np.array([scene.length(0.25, 0.75), scene.length(0.9, 1.0)])
        leafy = bool(scene.rng.random() < 0.6)
        _branch(scene, foot, -np.pi / 2 + scene.rng.normal(0, 0.1), scene.length(0.2, 0.32), 6, leafy)


def _branch(scene: Scene, foot: Points, angle: float, length: float, depth: int, leafy: bool) -> None:
    tip = foot + length * np.array([np.cos(angle), np.sin(angle)])
    scene.line(np.stack([foot, tip]), scene.palette.dark, length * 0.16)
    if depth == 0:
        return
    if leafy and depth <= 2:
        leaf = scene.palette.main if scene.rng.random() < 0.6 else scene.palette.second
        scene.ellipse(tip, [scene.width * 0.022, scene.width * 0.014], angle, leaf)
    for side in (-1, 1):
        fork = angle + side * scene.rng.uniform(0.25, 0.65)
        _branch(scene, tip, fork, length * scene.rng.uniform(0.62, 0.82), depth - 1, leafy)


def waves(scene: Scene) -> None:
    """Stacked rolling bands, over the lower part or all of the picture."""
    across = np.linspace(-0.2, 1.2, 60) * scene.width
    turn = rotation(scene.rng.normal(0, 0.15))
    length, swing = scene.length(0.15, 0.45), scene.length(0.012, 0.04)
    bands = int(scene.rng.integers(6, 14))
    top = scene.length(0.0, 0.45)
    for band in range(bands):
        height = top + (1.15 * scene.width - top) * band / bands
        phase = scene.rng.uniform(0, 2 * np.pi)
        crest = np.stack([across, height + swing * np.sin(2 * np.pi * across / length + phase)], axis=1)
        below = np.array([[across[-1], 1.5 * scene.width], [across[0], 1.5 * scene.width]])
        shade = _between(scene.palette.main, scene.palette.second, scene.rng.random())
        middle = np.full(2, scene.width / 2)
        scene.polygon((np.concatenate([crest, below]) - middle) @ turn + middle, shade)
        scene.line((crest - middle) @ turn + middle, scene.palette.light, scene.width * 0.012)


def spiral(scene: Scene) -> None:
    """One or two spirals."""
    for _ in range(scene.rng.integers(1, 3)):
        centre, size = scene.place(0.3, 0.7), scene.length(0.22, 0.45)
        turns = scene.rng.uniform(2.5, 5)
        sense = scene.rng.choice([-1, 1])
        angle = np.linspace(0, 2 * np.pi * turns, 200)
        radius = size * angle / angle[-1]
        path = np.stack([np.cos(sense * angle), np.sin(sense * angle)], axis=1) * radius[:, None]
        path = path @ rotation(scene.rng.uniform(0, 2 * np.pi))
        scene.line(centre + path, scene.palette.dark, size / turns * 0.6)
        scene.line(centre + path, scene.palette.main, size / turns * 0.4)


def tiles(scene: Scene) -> None:
    """A turned chequered floor over part of the picture."""
    count, side = int(scene.rng.integers(4, 9)), scene.length(0.09, 0.16)
    turn, middle = rotation(scene.rng.uniform(0, np.pi / 2)), scene.place(0.4, 0.6)
    for row in range(count):
        for column in range(count):
            tile = _box((column - count / 2) * side, (row - count / 2) * side, side, side)
            fill = scene.palette.main if (row + column) % 2 else scene.palette.dark
            scene.polygon(middle + tile @ turn, fill)


def _box(left: float, top: float, wide: float, tall: float) -> Points:
    return np.array([[left, top], [left + wide, top], [left + wide, top + tall], [left, top + tall]])


def _between(first: Colour, second: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue
