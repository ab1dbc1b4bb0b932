"""Which network layer predicts which ROI: cross-validated correlation, and share of voxels that chose it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from numpy.typing import NDArray

from .drawing import COLOURS, MOST_ROIS, canvas, drawn, svg_of
from .estimates import number, roi_name, rois_of
from .numbers import correlation, points
from .page import Figure

CV_R, CV_R2, SHARE, TEST_R = "cv_r", "cv_r2", "share_of_voxels", "test_r"
_COLOUR_MAP = "cividis"
_DARK_CELL = 0.5


@dataclass(frozen=True)
class LayerScores:
    """One metric of every ROI and layer.

    Attributes
    ----------
    metric : its name in the table
    rois, layers : rows and columns
    values : (n_rois, n_layers), not-a-number where missing
    """

    metric: str
    rois: tuple[str, ...]
    layers: tuple[str, ...]
    values: NDArray[np.float64]

    @property
    def known(self) -> bool:
        """Whether there is any value."""
        return bool(np.isfinite(self.values).any())


def layer_scores(encoding: pd.DataFrame, metric: str, layers: Sequence[str]) -> LayerScores:
    """One metric of the encoding table, layers in the order given, others after them."""
    chosen = encoding[encoding["metric"].astype(str) == metric]
    there = [str(layer) for layer in chosen["layer"].unique() if not pd.isna(layer)]
    columns = tuple([layer for layer in layers if layer in there] + [x for x in there if x not in layers])
    rows = rois_of(chosen)
    values = np.full((len(rows), len(columns)), np.nan)
    for _, cell in chosen.iterrows():
        if not pd.isna(cell["layer"]):
            values[rows.index(str(cell["roi"])), columns.index(str(cell["layer"]))] = number(cell["value"])
    return LayerScores(metric, rows, columns, values)


def layer_figure(encoding: pd.DataFrame, layers: Sequence[str]) -> Figure | None:
    """Two heat maps, ROI by layer; None where nothing was scored by layer."""
    accuracy, share = (layer_scores(encoding, metric, layers) for metric in (CV_R, SHARE))
    maps = [scores for scores in (accuracy, share) if scores.known]
    if not maps:
        return None
    return Figure("layers", _draw(maps), _caption(maps), _alt(maps))


@drawn
def _draw(maps: list[LayerScores]) -> str:
    n_rois = min(max(len(scores.rois) for scores in maps), MOST_ROIS)
    drawing = canvas(len(maps) * (0.95 + 0.36 * n_rois) + 0.5)
    panels = np.atleast_1d(drawing.subplots(len(maps), 1, sharex=True))
    for axes, scores in zip(panels, maps, strict=True):
        _heat_map(axes, scores)
    panels[-1].set_xlabel("Network layer, from the first to the last")
    return svg_of(drawing)


def _heat_map(axes: Axes, scores: LayerScores) -> None:
    share = scores.metric == SHARE
    values = scores.values[:MOST_ROIS]
    high = float(np.nanmax(values)) if np.isfinite(values).any() else 1.0
    low = 0.0 if share else min(0.0, float(np.nanmin(values)))
    scale = Normalize(low, high if high > low else low + 1)
    colours = mpl.colormaps[_COLOUR_MAP]
    axes.pcolormesh(
        np.ma.masked_invalid(values), cmap=colours, norm=scale, edgecolors=COLOURS["paper"], linewidth=1.5
    )
    for (row, column), value in np.ndenumerate(values):
        text = (points(value) if share else correlation(value)) if np.isfinite(value) else "n/a"
        ink = COLOURS["muted"] if text == "n/a" else "#ffffff" if scale(value) < _DARK_CELL else "#000000"
        axes.text(column + 0.5, row + 0.5, text, ha="center", va="center_baseline", fontsize=9, color=ink)
    axes.set_yticks(np.arange(len(values)) + 0.5, [roi_name(roi) for roi in scores.rois[:MOST_ROIS]])
    tilt = len(scores.layers) > 10
    axes.set_xticks(
        np.arange(len(scores.layers)) + 0.5,
        list(scores.layers),
        rotation=35 if tilt else 0,
        ha="right" if tilt else "center",
    )
    axes.invert_yaxis()
    axes.tick_params(length=0, labelbottom=True)
    axes.spines[:].set_visible(False)
    axes.set_title(
        "Voxels whose best layer this is (% of the region's voxels)"
        if share
        else "Accuracy in cross-validation (Pearson r, mean over voxels)"
    )


def _caption(maps: list[LayerScores]) -> str:
    parts = []
    if any(scores.metric == CV_R for scores in maps):
        parts.append(
            "Correlation of predicted with real single responses to training images that the model was not"
            " fitted on, for each layer alone."
        )
    if any(scores.metric == SHARE for scores in maps):
        parts.append("Each voxel takes the layer that predicts it best inside the training set.")
    parts.append("The test images play no part in either.")
    longest = max(len(scores.rois) for scores in maps)
    if longest > MOST_ROIS:
        parts.append(
            f"The first {MOST_ROIS} of {longest} regions are drawn; the score table has all of them."
        )
    return " ".join(parts)


def _alt(maps: list[LayerScores]) -> str:
    sentences = []
    for scores in maps:
        best = []
        for roi, values in zip(scores.rois[:MOST_ROIS], scores.values, strict=False):
            if np.isfinite(values).any():
                column = int(np.nanargmax(values))
                value = values[column]
                text = f"{points(value)}%" if scores.metric == SHARE else correlation(value)
                best.append(f"{roi_name(roi)} {scores.layers[column]} ({text})")
        what = (
            "share of voxels by best layer"
            if scores.metric == SHARE
            else "cross-validated correlation by layer"
        )
        sentences.append(f"Heat map of {what}; highest: {', '.join(best)}.")
    return " ".join(sentences)
