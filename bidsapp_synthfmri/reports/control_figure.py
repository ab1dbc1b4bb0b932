"""The trained network and the untrained one: test correlations by region, accuracy by layer."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..derivatives.names import CONTROL_FIGURE, CONTROL_LAYERS_FIGURE
from .control import UNTRAINED_CV_R, RoiControl, with_interval
from .drawing import COLOURS, MOST_ROIS, Mark, canvas, draw_estimate, drawn, legend_above, svg_of, zero_line
from .estimates import roi_name
from .layer_figure import CV_R, LayerScores, layer_scores
from .numbers import correlation
from .page import Figure

_TRAINED = Mark(COLOURS["vermillion"], "D", 6.0)
_UNTRAINED = Mark(COLOURS["blue"], "o", 6.5)
_DIFFERENCE = Mark(COLOURS["ink"], "s", 6.0)
_INCHES_PER_ROI = 0.5
_APART = 0.14
_COLUMNS = 3
_INCHES_PER_ROW = 2.0
_LEAST_INCHES = 3.0  # for the label of the vertical axis
_MOST_NAMED = 12  # layers whose names fit below a panel


def control_figure(controls: Sequence[RoiControl]) -> Figure | None:
    """Both networks' test correlations, and the paired difference; None where nothing is known."""
    if not any(one.trained.known or one.untrained.known for one in controls):
        return None
    shown = controls[:MOST_ROIS]
    return Figure(CONTROL_FIGURE, _draw(shown), _caption(len(shown), len(controls)), _alt(shown))


@drawn
def _draw(controls: Sequence[RoiControl]) -> str:
    drawing = canvas(1.2 + _INCHES_PER_ROI * len(controls))
    left, right = drawing.subplots(1, 2, sharey=True)
    for place, one in enumerate(controls):
        draw_estimate(left, one.trained, _TRAINED, place - _APART)
        draw_estimate(left, one.untrained, _UNTRAINED, place + _APART)
        draw_estimate(right, one.difference, _DIFFERENCE, place)
    left.set_title("Prediction of test images")
    left.set_xlabel("Correlation with single responses (Pearson r)")
    right.set_title("Trained less untrained, paired")
    right.set_xlabel("Difference of correlations")
    left.set_yticks(range(len(controls)), [roi_name(one.roi) for one in controls])
    left.set_ylim(len(controls) - 0.5, -0.5)
    for axes in (left, right):
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)
        zero_line(axes)
        for place in range(1, len(controls)):
            axes.axhline(place - 0.5, color=COLOURS["grid"], linewidth=0.8)
    legend_above(
        drawing,
        [
            _TRAINED.handle("trained network"),
            _UNTRAINED.handle("untrained network"),
            _DIFFERENCE.handle("difference"),
        ],
        columns=3,
    )
    return svg_of(drawing)


def _caption(n_shown: int, n_rois: int) -> str:
    text = (
        "Left: correlation of each network's noiseless predictions with single real responses to test images,"
        " mean over the region's voxels. Right: the difference, from the same voxels and images. Bars are 95%"
        " bootstrap intervals over test images; a difference's is narrower than the two on the left suggest,"
        " because both networks are tested on the same images."
    )
    if n_shown < n_rois:
        text += f" The first {n_shown} of {n_rois} regions are drawn; the table has all of them."
    return text


def _alt(controls: Sequence[RoiControl]) -> str:
    values = [
        f"{roi_name(one.roi)} {correlation(one.trained.value)} and {correlation(one.untrained.value)},"
        f" difference {with_interval(one.difference, signed=True)}"
        for one in controls
    ]
    return (
        "Dot plot of correlations with intervals, trained and untrained network, a line a region, and of"
        f" their difference: {'; '.join(values)}."
    )


def control_layers_figure(encoding: pd.DataFrame, layers: Sequence[str]) -> Figure | None:
    """Cross-validated accuracy from the first layer to the last, a panel a region, a line a network.

    Parameters
    ----------
    encoding : the score table
    layers : the network's, in their order; what the table scores beside them is no layer
    """
    of_layers = encoding[encoding["layer"].isin(layers)]
    trained, untrained = (layer_scores(of_layers, metric, layers) for metric in (CV_R, UNTRAINED_CV_R))
    if not trained.known or not untrained.known:
        return None
    return Figure(
        CONTROL_LAYERS_FIGURE,
        _draw_layers(trained, untrained),
        _layers_caption(trained),
        _layers_alt(trained, untrained),
    )


@drawn
def _draw_layers(trained: LayerScores, untrained: LayerScores) -> str:
    rois = trained.rois[:MOST_ROIS]
    columns = min(_COLUMNS, len(rois))
    rows = math.ceil(len(rois) / columns)
    drawing = canvas(1.1 + max(_INCHES_PER_ROW * rows, _LEAST_INCHES))
    grid = drawing.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    places, step = np.arange(len(trained.layers)), math.ceil(len(trained.layers) / _MOST_NAMED)
    for number, axes in enumerate(grid.flat):
        if number >= len(rois):
            axes.set_visible(False)
            continue
        for scores, mark in ((untrained, _UNTRAINED), (trained, _TRAINED)):
            axes.plot(places, _curve(scores, rois[number], trained.layers), linewidth=1.4, **mark.style())
        axes.set_title(roi_name(rois[number]))
        axes.axhline(0, color=COLOURS["muted"], linewidth=0.8)
        axes.grid(axis="y")
        axes.margins(x=0.08)
        # The last panel of each column names the layers.
        axes.tick_params(axis="x", labelbottom=number + columns >= len(rois))
        axes.set_xticks(
            places[::step], trained.layers[::step], rotation=35, ha="right", rotation_mode="anchor"
        )
    drawing.supylabel("Accuracy in cross-validation (Pearson r)", fontsize=9.5)
    drawing.supxlabel("Network layer, from the first to the last", fontsize=9.5)
    handles = [
        _TRAINED.handle("trained network", line=True),
        _UNTRAINED.handle("untrained network", line=True),
    ]
    legend_above(drawing, handles, columns=2)
    return svg_of(drawing)


def _curve(scores: LayerScores, roi: str, layers: Sequence[str]) -> NDArray[np.float64]:
    """(n_layers,) one region's values in the order of ``layers``; not-a-number where there is none."""
    if roi not in scores.rois:
        return np.full(len(layers), np.nan)
    own = dict(zip(scores.layers, scores.values[scores.rois.index(roi)], strict=True))
    return np.array([own.get(layer, np.nan) for layer in layers])


def _layers_caption(trained: LayerScores) -> str:
    text = (
        "Correlation of predicted with real single responses to training images that the model was not fitted"
        " on, for each layer alone, mean over the region's voxels. The distance between the lines is what"
        " training adds to a layer."
    )
    if len(trained.rois) > MOST_ROIS:
        text += f" The first {MOST_ROIS} of {len(trained.rois)} regions are drawn."
    return text


def _layers_alt(trained: LayerScores, untrained: LayerScores) -> str:
    best = []
    for roi in trained.rois[:MOST_ROIS]:
        both = []
        for scores in (trained, untrained):
            curve = _curve(scores, roi, trained.layers)
            if np.isfinite(curve).any():
                peak = int(np.nanargmax(curve))
                both.append(f"{trained.layers[peak]} ({correlation(curve[peak])})")
            else:
                both.append("none")
        best.append(f"{roi_name(roi)} {' and '.join(both)}")
    return (
        "Line plots of cross-validated correlation by layer, trained and untrained network, a panel a region."
        f" Highest, trained and untrained: {'; '.join(best)}."
    )
