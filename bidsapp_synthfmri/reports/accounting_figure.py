"""The five rows of every ROI, with their intervals."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from . import estimates
from .drawing import COLOURS, MOST_ROIS, Mark, canvas, drawn, legend_above, svg_of, zero_line
from .estimates import FIVE_ROWS, LEVEL_NAMES, ROW_NAMES, RoiAccounting, accounting_of, levels_of, roi_name
from .numbers import correlation
from .page import Figure

_MARKS = {
    estimates.REAL_REAL: Mark(COLOURS["blue"], "o", 6.5),
    estimates.SYNTHETIC_REAL: Mark(COLOURS["vermillion"], "D", 6.0),
    estimates.MEAN_REAL_REAL: Mark(COLOURS["sky"], "s", 6.0),
    estimates.CEILING: Mark(COLOURS["ink"], "v", 7.0),
    estimates.NOISE_MATCHED: Mark(COLOURS["orange"], "^", 7.0),
}
_EXPECTED = Mark(COLOURS["muted"], "|", 11.0)
_STEP = 0.15
_INCHES_PER_ROI = 0.95


def accounting_figure(table: pd.DataFrame) -> Figure | None:
    """Points with 95% intervals, a panel a level; None where no row has a value."""
    known = table[pd.to_numeric(table["value"], errors="coerce").notna() & table["row"].isin(FIVE_ROWS)]
    if known.empty:
        return None
    levels = [level for level in levels_of(known) if level in LEVEL_NAMES] or list(levels_of(known))
    rois = estimates.rois_of(table)
    shown = rois if len(rois) <= MOST_ROIS else rois[:MOST_ROIS]
    return Figure(
        "accounting", _draw(table, levels, shown), _caption(rois, shown, known), _alt(table, levels)
    )


@drawn
def _draw(table: pd.DataFrame, levels: list[str], rois: tuple[str, ...]) -> str:
    drawing = canvas(1.1 + _INCHES_PER_ROI * max(len(rois), 1))
    panels = np.atleast_1d(drawing.subplots(1, len(levels), sharey=True, sharex=True))
    for axes, level in zip(panels, levels, strict=True):
        by_roi = {roi.roi: roi for roi in accounting_of(table, level)}
        _panel(axes, [by_roi.get(roi, RoiAccounting(roi, level, {})) for roi in rois])
        axes.set_title(LEVEL_NAMES.get(level, level))
        axes.set_xlabel("Correlation (Pearson r)")
    panels[0].set_yticks(range(len(rois)), [roi_name(roi) for roi in rois])
    panels[0].set_ylim(len(rois) - 0.5, -0.5)
    handles = [_MARKS[row].handle(ROW_NAMES[row]) for row in FIVE_ROWS]
    legend_above(drawing, [*handles, _EXPECTED.handle("expected from reliability")], columns=2)
    return svg_of(drawing)


def _panel(axes: Axes, rois: list[RoiAccounting]) -> None:
    axes.grid(axis="x")
    zero_line(axes)
    axes.tick_params(axis="y", length=0)
    for place, roi in enumerate(rois):
        if place:
            axes.axhline(place - 0.5, color=COLOURS["grid"], linewidth=0.8)
        for number, row in enumerate(FIVE_ROWS):
            _point(axes, roi[row], _MARKS[row], place + (number - 2) * _STEP)


def _point(axes: Axes, estimate: estimates.Estimate, mark: Mark, height: float) -> None:
    if not estimate.known:
        return
    if math.isfinite(estimate.expected):
        axes.plot([estimate.expected], [height], linestyle="none", **_EXPECTED.style())
    if math.isfinite(estimate.low) and math.isfinite(estimate.high):
        axes.plot([estimate.low, estimate.high], [height] * 2, color=mark.colour, linewidth=2, alpha=0.75)
    axes.plot([estimate.value], [height], linestyle="none", **mark.style())


def _caption(rois: tuple[str, ...], shown: tuple[str, ...], known: pd.DataFrame) -> str:
    expected = (
        pd.to_numeric(known["expected"], errors="coerce").notna().any() if "expected" in known else False
    )
    parts = [
        "How well responses to the same image agree. Marks are estimates, bars 95% bootstrap intervals over"
        " test images. Synthetic responses are without noise, except where noise like that of real responses"
        " was added (noise-matched).",
        "Voxel by voxel: correlation across images, mean over the region's voxels. Pattern: correlation"
        " across the region's voxels, mean over images; with the mean pattern removed, what all images share"
        " does not count.",
    ]
    if expected:
        parts.append(
            "Thin upright lines: the value that the reliability of single responses leads to expect."
        )
    if len(shown) < len(rois):
        parts.append(f"The first {len(shown)} of {len(rois)} regions are drawn; the table has all of them.")
    return " ".join(parts)


def _alt(table: pd.DataFrame, levels: list[str]) -> str:
    level = levels[0]
    values = [
        f"{roi_name(roi.roi)}: "
        + ", ".join(f"{ROW_NAMES[row].split(':')[0]} {correlation(roi[row].value)}" for row in FIVE_ROWS)
        for roi in accounting_of(table, level)[:MOST_ROIS]
    ]
    panels = " and ".join(LEVEL_NAMES.get(name, name).lower() for name in levels)
    return (
        f"Dot plot of correlations with intervals, one group of five rows a region, panels: {panels}. "
        f"{LEVEL_NAMES.get(level, level)}: {'; '.join(values)}."
    )
