"""Example images: which are shown, and their real and synthetic patterns side by side."""

from __future__ import annotations

import io
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from numpy.typing import NDArray
from PIL import Image

from ..derivatives.results import ParticipantResults
from ..encoding.ridge import correlate_columns
from ..structures import ALL_VOXELS, BoolArray, FloatArray, IntArray
from .drawing import COLOURS, canvas, drawn, svg_of
from .estimates import roi_name
from .numbers import correlation, counted
from .page import Figure

THUMBNAIL = 128
"""Pixels of a side of an example's picture; they stand one below the other in one image."""

_QUANTILES = (1.0, 0.75, 0.5, 0.25, 0.0)
_FEWEST = 5
_MOST_VOXELS = 20_000
_COLOURS = "PuOr_r"


@dataclass(frozen=True)
class Examples:
    """Test stimuli from the best predicted to the worst.

    Attributes
    ----------
    stimuli : names
    repeats : (n,) presentations behind each real pattern
    real, synthetic : (n, n_shown) standard deviations of the voxel over test stimuli; real ones are means of
        repeats
    r : (n,) correlation of the two over all voxels
    n_stimuli : test stimuli that they were chosen from
    bounds : (region, first column, end) of each region shown
    """

    stimuli: tuple[str, ...]
    repeats: IntArray
    real: FloatArray
    synthetic: FloatArray
    r: NDArray[np.float64]
    n_stimuli: int
    bounds: tuple[tuple[str, int, int], ...]


def examples_of(results: ParticipantResults) -> Examples | None:
    """Test stimuli at the quartiles of how well their patterns are predicted; None of fewer than five.

    Notes
    -----
    Every voxel is standardised over the test stimuli, so that r is of what tells images apart and not of
    voxels that respond to all of them.
    """
    trials, is_test = results.responses.trials, results.splits == "test"
    shown = np.unique(trials.stimulus_index[is_test])
    if len(shown) < _FEWEST:
        return None
    names = tuple(trials.stimuli[number] for number in shown)
    row_of = {str(name): row for row, name in enumerate(results.synthetic.table["stimulus"])}
    values = np.asarray(results.responses.values[is_test], dtype=np.float64)
    place = np.searchsorted(shown, trials.stimulus_index[is_test])
    repeats = np.bincount(place)
    means = np.zeros((len(shown), values.shape[1]))
    np.add.at(means, place, values)
    real = _standardised(means / repeats[:, None])
    synthetic = _standardised(results.synthetic.values[[row_of[name] for name in names]].astype(np.float64))
    r = correlate_columns(torch.from_numpy(real.T), torch.from_numpy(synthetic.T)).numpy()
    order = np.argsort(r, kind="stable")
    chosen = order[[round(quantile * (len(order) - 1)) for quantile in _QUANTILES]]
    columns, bounds = _columns(results)
    return Examples(
        tuple(names[number] for number in chosen),
        repeats[chosen],
        real[np.ix_(chosen, columns)].astype(np.float32),
        synthetic[np.ix_(chosen, columns)].astype(np.float32),
        r[chosen],
        len(shown),
        bounds,
    )


def example_figure(examples: Examples, thumbnails: bytes | None) -> Figure:
    """A row an example: its picture, where it is at hand, and both patterns.

    Parameters
    ----------
    thumbnails : an image of the pictures one below the other, ``THUMBNAIL`` pixels each
    """
    pictures = None if thumbnails is None else np.asarray(Image.open(io.BytesIO(thumbnails)).convert("RGB"))
    return Figure("examples", _draw(examples, pictures), _caption(examples), _alt(examples))


@drawn
def _draw(examples: Examples, pictures: NDArray[np.uint8] | None) -> str:
    n = len(examples.stimuli)
    drawing = canvas(0.75 + 1.25 * n)
    grid = drawing.add_gridspec(n, 2, width_ratios=(1.1, 8.7))
    scale = Normalize(-2.5, 2.5)
    strips = []
    for row, name in enumerate(examples.stimuli):
        axes = drawing.add_subplot(grid[row, 1])
        strips.append(axes)
        pair = np.stack([examples.real[row], examples.synthetic[row]])
        axes.imshow(pair, cmap=_COLOURS, norm=scale, aspect="auto", interpolation="nearest")
        axes.set_yticks([0, 1], ["real", "synthetic"])
        axes.set_title(f"{_short(name)}: r = {correlation(float(examples.r[row]))}", fontsize=9.5)
        axes.tick_params(length=0)
        axes.axhline(0.5, color=COLOURS["paper"], linewidth=2)
        _mark_regions(axes, examples, last=row == n - 1)
        picture = drawing.add_subplot(grid[row, 0])
        picture.set_axis_off()
        if pictures is not None:
            picture.imshow(pictures[row * THUMBNAIL : (row + 1) * THUMBNAIL])
    bar = drawing.colorbar(
        ScalarMappable(scale, mpl.colormaps[_COLOURS]), ax=strips, fraction=0.012, pad=0.01, extend="both"
    )
    bar.set_label("SD of the voxel over images")
    bar.outline.set_visible(False)
    return svg_of(drawing)


def _mark_regions(axes: Axes, examples: Examples, last: bool) -> None:
    centres = [(first + end - 1) / 2 for _, first, end in examples.bounds]
    axes.set_xticks(
        centres if last else [], [roi_name(name) for name, _, _ in examples.bounds] if last else []
    )
    for _, first, _ in examples.bounds[1:]:
        axes.axvline(first - 0.5, color=COLOURS["ink"], linewidth=0.8)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)


def _columns(results: ParticipantResults) -> tuple[IntArray, tuple[tuple[str, int, int], ...]]:
    """Voxels in the order of their regions, each in its first one; and the regions' bounds."""
    free: BoolArray = np.ones(len(results.voxels), dtype=bool)
    parts: list[IntArray] = []
    bounds: list[tuple[str, int, int]] = []
    start = 0
    for roi in sorted(results.voxels.roi_sets(), key=lambda roi: roi.name == ALL_VOXELS):
        own = np.flatnonzero(roi.voxels & free)[: _MOST_VOXELS - start]
        if len(own):
            parts.append(own)
            bounds.append((roi.name, start, start + len(own)))
            start += len(own)
            free[own] = False
    return np.concatenate(parts), tuple(bounds)


def _standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n_stimuli, n_voxels) about each voxel's mean, in its sd; 0 where it does not vary."""
    centred = values - values.mean(axis=0)
    sd = centred.std(axis=0)
    return np.asarray(np.divide(centred, sd, out=np.zeros_like(centred), where=sd > 0))


def _short(name: str) -> str:
    """The end of a long name."""
    return name if len(name) <= 60 else f"…{name[-59:]}"


def _caption(examples: Examples) -> str:
    shown = int(examples.repeats.max())
    repeats = "single trials" if shown == 1 else f"means of up to {counted(shown, 'presentation')}"
    return (
        f"{len(examples.stimuli)} of {counted(examples.n_stimuli, 'test image')}: the best predicted, those"
        " at the upper quartile, the median and the lower quartile, and the worst. A column is a voxel, in"
        f" the order of the regions; real patterns are {repeats}. Every voxel is standardised over the test"
        " images, so that r is about what tells images apart."
    )


def _alt(examples: Examples) -> str:
    values = [
        f"{_short(name)} {correlation(float(r))}"
        for name, r in zip(examples.stimuli, examples.r, strict=True)
    ]
    return f"Real and synthetic patterns of test images as rows of coloured voxels. r: {'; '.join(values)}."
