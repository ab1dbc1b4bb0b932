"""Which network layer predicts which ROI: cross-validated correlation, and what the encoder makes of it."""

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
WEIGHT, SPLIT = "layer_weight", "variance_split"
SELECTED = "selected"
_COLOUR_MAP = "cividis"
_DARK_CELL = 0.5
_TITLES = {
    CV_R: "Accuracy in cross-validation (Pearson r, mean over voxels)",
    SHARE: "Voxels whose layer this is (% of the region's voxels)",
    SPLIT: "Part of the variance of single responses (%, mean over voxels)",
}
_HIGHEST = {
    CV_R: "cross-validated correlation by layer",
    SHARE: "share of voxels by layer in use",
    SPLIT: "variance explained by each layer's part in the joint model",
}
_CHOICES = {
    "voxel": "Each voxel takes the layer that predicts it best inside the training set.",
    "roi": "All voxels of a region take the layer that predicts them best, on average, inside the training"
    " set; a voxel of several regions goes by the mean of theirs.",
    "stacking": "Each voxel is predicted from all layers, a weighted sum of their separate predictions.",
    "banded": "Each voxel is predicted from all layers in one ridge regression with a penalty for each.",
}


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


def layer_name(layer: str) -> str:
    """What pages call a layer; that of the layers as selected is no network's."""
    return "as selected" if layer == SELECTED else layer


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


def layer_figure(encoding: pd.DataFrame, layers: Sequence[str], selection: str = "voxel") -> Figure | None:
    """Two heat maps, ROI by layer; None where nothing was scored by layer.

    Parameters
    ----------
    encoding : the score table
    layers : in their order
    selection : how layers were chosen: ``voxel``, ``roi``, ``stacking`` or ``banded``
    """
    wanted = (layer_scores(encoding, metric, layers) for metric in (CV_R, SHARE, SPLIT))
    maps = [scores for scores in wanted if scores.known]
    if not maps:
        return None
    return Figure("layers", _draw(maps), _caption(maps, selection), _alt(maps))


@drawn
def _draw(maps: list[LayerScores]) -> str:
    n_rois = min(max(len(scores.rois) for scores in maps), MOST_ROIS)
    drawing = canvas(len(maps) * (0.95 + 0.36 * n_rois) + 0.5)
    panels = np.atleast_1d(drawing.subplots(len(maps), 1))
    n_columns = max(len(scores.layers) for scores in maps)
    for axes, scores in zip(panels, maps, strict=True):
        _heat_map(axes, scores)
        axes.set_xlim(0, n_columns)
    panels[-1].set_xlabel("Network layer, from the first to the last")
    return svg_of(drawing)


def _heat_map(axes: Axes, scores: LayerScores) -> None:
    values = scores.values[:MOST_ROIS]
    high = float(np.nanmax(values)) if np.isfinite(values).any() else 1.0
    low = min(0.0, float(np.nanmin(values)))
    scale = Normalize(low, high if high > low else low + 1)
    colours = mpl.colormaps[_COLOUR_MAP]
    axes.pcolormesh(
        np.ma.masked_invalid(values), cmap=colours, norm=scale, edgecolors=COLOURS["paper"], linewidth=1.5
    )
    for (row, column), value in np.ndenumerate(values):
        text = _cell(scores.metric, value)
        ink = COLOURS["muted"] if text == "n/a" else "#ffffff" if scale(value) < _DARK_CELL else "#000000"
        axes.text(column + 0.5, row + 0.5, text, ha="center", va="center_baseline", fontsize=9, color=ink)
    axes.set_yticks(np.arange(len(values)) + 0.5, [roi_name(roi) for roi in scores.rois[:MOST_ROIS]])
    tilt = len(scores.layers) > 10
    axes.set_xticks(
        np.arange(len(scores.layers)) + 0.5,
        [layer_name(layer) for layer in scores.layers],
        rotation=35 if tilt else 0,
        ha="right" if tilt else "center",
    )
    axes.invert_yaxis()
    axes.tick_params(length=0, labelbottom=True)
    axes.spines[:].set_visible(False)
    if SELECTED in scores.layers:
        axes.axvline(scores.layers.index(SELECTED), color=COLOURS["paper"], linewidth=6)
    axes.set_title(_TITLES[scores.metric])


def _cell(metric: str, value: float) -> str:
    return correlation(value) if metric == CV_R else points(value)


def _caption(maps: list[LayerScores], selection: str) -> str:
    metrics = {scores.metric for scores in maps}
    parts = []
    if CV_R in metrics:
        parts.append(
            "Correlation of predicted with real single responses to training images that the model was not"
            " fitted on, for each layer alone."
        )
    if any(SELECTED in scores.layers for scores in maps):
        parts.append(
            "“As selected”: for the layers as the encoder uses them, chosen anew without the images"
            " predicted; the highest of several layers’ scores would flatter the choice."
        )
    if SHARE in metrics:
        parts.append(_CHOICES.get(selection, _CHOICES["voxel"]))
    if SPLIT in metrics:
        parts.append(
            f"{_CHOICES.get(selection, _CHOICES['stacking'])} The variance that they explain together in the"
            " same cross-validation is split between them by the product measure; a layer that makes the"
            " prediction worse has a part below 0."
        )
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
                text = _cell(scores.metric, values[column]) + ("" if scores.metric == CV_R else "%")
                best.append(f"{roi_name(roi)} {layer_name(scores.layers[column])} ({text})")
        sentences.append(f"Heat map of {_HIGHEST[scores.metric]}; highest: {', '.join(best)}.")
    return " ".join(sentences)
