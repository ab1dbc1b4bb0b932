"""Where in the brain: slices of the encoder's accuracy and of the layer that every voxel uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.lines import Line2D
from nibabel.orientations import apply_orientation, io_orientation
from numpy.typing import NDArray

from ..derivatives.results import EncoderMaps
from ..structures import FloatArray, IntArray, VoxelSpace
from .drawing import COLOURS, WIDTH, canvas, drawn, svg_of
from .numbers import correlation, counted
from .page import Figure

_MOST_SLICES = 14
_A_ROW = 7
_MARGIN = 3
_SHOWN = 0.99  # quantile at which the colour scale ends: few voxels must not darken the others
ACCURACY_COLOURS = "cividis"


@dataclass(frozen=True)
class _Slices:
    """Voxels on the grid turned to right, anterior, superior.

    Attributes
    ----------
    ijk : (n_voxels, 3) on a grid cut to the voxels
    shape : of that grid
    chosen : positions of the slices along the third axis
    z : (n_chosen,) millimetres
    """

    ijk: IntArray
    shape: tuple[int, int, int]
    chosen: IntArray
    z: NDArray[np.float64]

    @classmethod
    def of(cls, voxels: VoxelSpace) -> _Slices:
        """Slices spread evenly over the voxels."""
        ijk, shape = turned_grid(voxels)
        z = np.sort(ijk[:, 2])
        quantiles = (np.arange(_MOST_SLICES) + 0.5) / _MOST_SLICES
        chosen = np.unique(z[(quantiles * len(z)).astype(np.int64)])
        return cls(ijk, shape, chosen, millimetres_of(voxels, ijk, 2, chosen))

    @property
    def rows_and_columns(self) -> tuple[int, int]:
        """Of the mosaic, rows about equally long."""
        n_rows = -(-len(self.chosen) // _A_ROW)
        return n_rows, -(-len(self.chosen) // n_rows)

    def image(self, number: int, values: FloatArray) -> FloatArray:
        """(rows, columns) of a slice, anterior up; NaN where there is no voxel."""
        own = self.ijk[:, 2] == self.chosen[number]
        picture: FloatArray = np.full(self.shape[1::-1], np.nan, dtype=np.float32)
        picture[self.ijk[own, 1], self.ijk[own, 0]] = values[own]
        return picture


def turned_grid(voxels: VoxelSpace) -> tuple[IntArray, tuple[int, int, int]]:
    """Voxels (n_voxels, 3) on their grid turned to right, anterior, superior and cut to them; its shape."""
    numbers = np.full(voxels.shape, -1, dtype=np.int64)
    numbers[tuple(voxels.ijk.T)] = np.arange(len(voxels))
    turned = apply_orientation(numbers, io_orientation(voxels.affine))  # type: ignore[no-untyped-call]
    there = np.argwhere(turned >= 0)
    ijk = np.empty_like(there)
    ijk[turned[tuple(there.T)]] = there
    low = np.maximum(ijk.min(axis=0) - _MARGIN, 0)
    high = np.minimum(ijk.max(axis=0) + _MARGIN + 1, turned.shape)
    size = high - low
    return ijk - low, (int(size[0]), int(size[1]), int(size[2]))


def millimetres_of(voxels: VoxelSpace, ijk: IntArray, axis: int, slices: IntArray) -> NDArray[np.float64]:
    """(n_slices,) where slices across an axis of ``turned_grid`` lie, mean of their voxels."""
    millimetres = (voxels.ijk @ voxels.affine[:3, :3].T + voxels.affine[:3, 3])[:, axis]
    return np.array([float(millimetres[ijk[:, axis] == at].mean()) for at in slices])


def accuracy_limit(maps: EncoderMaps) -> float:
    """Where the colour scale of accuracy ends."""
    return max(float(np.quantile(maps.r[np.isfinite(maps.r)], _SHOWN)), 0.05)


def map_figures(maps: EncoderMaps) -> tuple[Figure, ...]:
    """Mosaics of accuracy and of layers; none where no voxel has an accuracy.

    Parameters
    ----------
    maps : of voxels of a volume
    """
    known = np.isfinite(maps.r)
    if not known.any():
        return ()
    slices = _Slices.of(maps.voxels)
    limit = accuracy_limit(maps)
    return (
        Figure(
            "accuracymap", _draw_accuracy(maps, slices, limit), _accuracy_caption(maps, limit), _alt(maps)
        ),
        Figure("layermap", _draw_layers(maps, slices), _LAYER_CAPTION, _layer_alt(maps)),
    )


@drawn
def _draw_accuracy(maps: EncoderMaps, slices: _Slices, limit: float) -> str:
    drawing = canvas(_height(slices))
    colours = mpl.colormaps[ACCURACY_COLOURS].with_extremes(under=COLOURS["muted"])
    scale = Normalize(0, limit)
    panels = _mosaic(drawing, slices)
    for number, axes in enumerate(panels):
        axes.imshow(slices.image(number, maps.r), cmap=colours, norm=scale, **_IMAGE)
    bar = drawing.colorbar(
        ScalarMappable(scale, colours), ax=list(panels), extend="both", fraction=0.02, pad=0.01, aspect=30
    )
    bar.set_label("r with real responses")
    bar.outline.set_visible(False)
    return svg_of(drawing)


@drawn
def _draw_layers(maps: EncoderMaps, slices: _Slices) -> str:
    drawing = canvas(_height(slices) + 0.35)
    steps = mpl.colormaps["viridis"](np.linspace(0.05, 0.98, max(len(maps.layers), 2)))
    colours, scale = ListedColormap(steps), Normalize(-0.5, max(len(maps.layers), 2) - 0.5)
    values = np.where(maps.best_layer < 0, np.nan, maps.best_layer).astype(np.float32)
    for number, axes in enumerate(_mosaic(drawing, slices)):
        axes.imshow(slices.image(number, values), cmap=colours, norm=scale, **_IMAGE)
    handles = [
        Line2D([], [], label=layer, linestyle="none", marker="s", markersize=8, color=colour)
        for layer, colour in zip(maps.layers, steps, strict=False)
    ]
    drawing.legend(handles=handles, loc="outside upper left", ncols=8, handletextpad=0.3, columnspacing=1.2)
    return svg_of(drawing)


_IMAGE: dict[str, Any] = {"origin": "lower", "interpolation": "nearest"}


def _mosaic(drawing: mpl.figure.Figure, slices: _Slices) -> Sequence[Axes]:
    """An empty panel a slice, from below upwards."""
    grid = np.asarray(drawing.subplots(*slices.rows_and_columns, squeeze=False)).ravel()
    panels, others = list(grid[: len(slices.chosen)]), grid[len(slices.chosen) :]
    for axes in others:
        axes.set_axis_off()
    for axes, z in zip(panels, slices.z, strict=True):
        axes.set_title(f"z = {z:.0f} mm".replace("-", "−"), fontsize=8.5, fontweight="normal", loc="center")
        axes.set_facecolor(COLOURS["grid"])
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
    if panels:
        for text, place in (("L", 0.0), ("R", 1.0)):
            panels[0].text(place, 0.0, text, transform=panels[0].transAxes, ha="center", va="top", fontsize=9)
    return panels


def _height(slices: _Slices) -> float:
    """Inches that the mosaic needs."""
    n_rows, n_columns = slices.rows_and_columns
    width = 0.93 * WIDTH / n_columns
    return 0.3 + n_rows * (width * slices.shape[1] / slices.shape[0] + 0.3)


def _accuracy_caption(maps: EncoderMaps, limit: float) -> str:
    below, above = int((maps.r < 0).sum()), int((maps.r > limit).sum())
    return (
        "Correlation over test images of the encoder’s prediction with real single trials, voxel by voxel, in"
        " slices from below upwards, the left hemisphere on the left. Only voxels of the regions are drawn."
        f" Grey: {counted(below, 'voxel')} below 0. {counted(above, 'voxel')} beyond the scale."
    )


_LAYER_CAPTION = (
    "The network layer whose features predict each voxel best, from first (dark) to last (bright), in the"
    " same slices."
)


def _alt(maps: EncoderMaps) -> str:
    quarter, middle, most = np.nanquantile(maps.r, (0.25, 0.5, 0.95))
    return (
        f"Slices of the brain with the accuracy of {counted(len(maps.r), 'voxel')}: median r"
        f" {correlation(float(middle))}, lower quartile {correlation(float(quarter))}, 95th percentile"
        f" {correlation(float(most))}."
    )


def _layer_alt(maps: EncoderMaps) -> str:
    counts = [int((maps.best_layer == number).sum()) for number in range(len(maps.layers))]
    shares = ", ".join(f"{layer} {n:,}" for layer, n in zip(maps.layers, counts, strict=True))
    return f"Slices of the brain with the layer of every voxel. Voxels by layer: {shares}."
