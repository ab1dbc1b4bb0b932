"""How often the image seen is found, against the number of candidates."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator

from .drawing import COLOURS, MOST_ROIS, Mark, canvas, drawn, legend_above, svg_of
from .estimates import roi_name
from .identification import (
    ALL_CANDIDATES,
    MEAN_OF_REPEATS,
    PATTERN_NAMES,
    SINGLE_TRIAL,
    IdentificationView,
    Score,
    Task,
)
from .numbers import count, share
from .page import Figure

_MARKS = {
    SINGLE_TRIAL: Mark(COLOURS["blue"], "o"),
    MEAN_OF_REPEATS: Mark(COLOURS["vermillion"], "D", 5.5),
}
_CHANCE: dict[str, Any] = {"color": COLOURS["muted"], "linestyle": (0, (4, 3)), "linewidth": 1.2}
_COLUMNS = 3
_TICKS = (0.0001, 0.001, 0.01, 0.1, 1)


def identification_figure(view: IdentificationView) -> Figure | None:
    """Top-1 over the number of candidates, a panel a region; None where nothing was identified."""
    rois = view.rois[:MOST_ROIS]
    if not any(view.curve(_task(view, roi)) for roi in rois):
        return None
    several = len(view.participants) > 1
    more = (
        ""
        if len(view.rois) <= MOST_ROIS
        else f" The first {MOST_ROIS} of {len(view.rois)} regions are drawn."
    )
    caption = (
        "How often the synthetic response to the image seen correlates with the real response more than those"
        " to all other candidates, against the number of candidates (both axes logarithmic)."
        + (" Thick lines: mean over participants; thin lines: the participants." if several else "")
        + " Shaded: 95% bootstrap interval over test images. Dashed: chance, one in the number of candidates."
        " A line ends where no image was found." + more
    )
    return Figure("identification", _draw(view, rois), caption, _alt(view, rois))


def _task(view: IdentificationView, roi: str, pattern: str = SINGLE_TRIAL) -> Task:
    return Task(view.main, ALL_CANDIDATES, roi, pattern)


@drawn
def _draw(view: IdentificationView, rois: tuple[str, ...]) -> str:
    columns = min(_COLUMNS, len(rois))
    n_rows = math.ceil(len(rois) / columns)
    drawing = canvas(0.95 + 2.35 * n_rows)
    panels = drawing.subplots(n_rows, columns, sharex=True, sharey=True, squeeze=False)
    for place, axes in enumerate(panels.ravel()):
        if place >= len(rois):
            axes.set_visible(False)
            continue
        _panel(axes, view, rois[place])
        if place + columns >= len(rois):
            axes.tick_params(labelbottom=True)
            axes.set_xlabel("Candidates")
        if place % columns == 0:
            axes.set_ylabel("Image found (%)")
    _scales(panels[0, 0], view, rois)
    handles = [_MARKS[pattern].handle(PATTERN_NAMES[pattern], line=True) for pattern in view.patterns]
    legend_above(drawing, [*handles, Line2D([], [], label="chance", **_CHANCE)], columns=3)
    return svg_of(drawing)


def _panel(axes: Axes, view: IdentificationView, roi: str) -> None:
    axes.set_title(roi_name(roi))
    axes.grid(visible=True)
    for pattern in view.patterns:
        task, mark = _task(view, roi, pattern), _MARKS[pattern]
        if len(view.participants) > 1:
            for participant in view.participants:
                own = view.curve(replace(task, participant=participant))
                axes.plot(_sizes(own), _found(own), color=mark.colour, lw=0.7, alpha=0.4)
        curve = view.curve(task)
        if not curve:
            continue
        floor = min(score.chance for score in curve) / 10
        low = [max(score.low, floor) for score in curve]
        high = [max(score.high, floor) for score in curve]
        axes.fill_between(_sizes(curve), low, high, color=mark.colour, alpha=0.13, linewidth=0)
        style = {**mark.style(), "markersize": mark.size - 2}
        axes.plot(_sizes(curve), _found(curve), linewidth=1.8, **style)
        axes.plot(_sizes(curve), [score.chance for score in curve], **_CHANCE)


def _sizes(curve: tuple[Score, ...]) -> list[float]:
    return [score.n_candidates for score in curve]


def _found(curve: tuple[Score, ...]) -> list[float]:
    """Values that a logarithmic axis can show; none becomes a gap."""
    return [score.value if score.value > 0 else math.nan for score in curve]


def _scales(axes: Axes, view: IdentificationView, rois: tuple[str, ...]) -> None:
    curves = [view.curve(_task(view, roi)) for roi in rois]
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(0.5 * min(score.chance for curve in curves for score in curve), 1.15)
    axes.set_yticks([tick for tick in _TICKS if tick >= axes.get_ylim()[0]])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: count(value)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}"))


def _alt(view: IdentificationView, rois: tuple[str, ...]) -> str:
    parts = []
    for roi in rois:
        ends = []
        for pattern in view.patterns:
            curve = view.curve(_task(view, roi, pattern))
            if curve:
                ends.append(f"{PATTERN_NAMES[pattern]} {_end(curve[0])}, {_end(curve[-1])}")
        parts.append(f"{roi_name(roi)}: {'; '.join(ends) or 'nothing'}")
    what = "Line plots of how often the image seen is found, against the number of candidates."
    return f"{what} {'. '.join(parts)}."


def _end(score: Score) -> str:
    return f"{share(score.value)} of {count(score.n_candidates)} candidates (chance {share(score.chance)})"
