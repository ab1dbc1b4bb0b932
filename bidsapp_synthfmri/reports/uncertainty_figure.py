"""Single responses as signal predicted, signal missed and noise; and how often intervals hold."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from ..derivatives.names import UNCERTAINTY_FIGURE
from .drawing import COLOURS, MOST_ROIS, Mark, canvas, drawn, legend_above, svg_of
from .estimates import roi_name
from .numbers import percent
from .page import Figure
from .uncertainty import RoiVariance, chance_text

_PARTS = (
    ("predicted", "blue", "signal, predicted"),
    ("missed", "sky", "signal, missed"),
    ("noise", "grid", "noise"),
)
_COVERAGE = (
    Mark(COLOURS["green"], "o", 6.5),
    Mark(COLOURS["orange"], "s", 6.0),
    Mark(COLOURS["vermillion"], "D", 6.0),
)
_INCHES_PER_ROI = 0.42
_HEIGHT = 0.62


def uncertainty_figure(variances: Sequence[RoiVariance]) -> Figure | None:
    """A bar a region, and the coverage where the encoder knows its uncertainty; None without regions."""
    if not variances:
        return None
    shown = variances[:MOST_ROIS]
    return Figure(UNCERTAINTY_FIGURE, _draw(shown), _caption(shown, len(variances)), _alt(shown))


@drawn
def _draw(variances: Sequence[RoiVariance]) -> str:
    known = any(one.coverage for one in variances)
    drawing = canvas(1.35 + _INCHES_PER_ROI * len(variances))
    panels = drawing.subplots(1, 2 if known else 1, sharey=True, squeeze=False)[0]
    _bars(panels[0], variances)
    handles = [Line2D([], [], color=COLOURS[colour], linewidth=7, label=label) for _, colour, label in _PARTS]
    if known:
        handles += _coverage(panels[1], variances)
    panels[0].set_yticks(range(len(variances)), [roi_name(one.roi) for one in variances])
    panels[0].set_ylim(len(variances) - 0.5, -0.5)
    for axes in panels:
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    legend_above(drawing, handles, columns=len(handles))
    return svg_of(drawing)


def _bars(axes: Axes, variances: Sequence[RoiVariance]) -> None:
    for place, one in enumerate(variances):
        left = 0.0
        for name, colour, _ in _PARTS:
            # By chance what is missed can be estimated below nothing, or beyond the signal: drawn as the end.
            width = min(max(one.share(getattr(one, name)), 0.0), 1.0 - left)
            axes.barh(place, width, _HEIGHT, left=left, color=COLOURS[colour])
            left += width
    axes.set_title("What a single response is made of")
    axes.set_xlabel("Share of its variance")
    axes.set_xlim(0, 1)


def _coverage(axes: Axes, variances: Sequence[RoiVariance]) -> list[Line2D]:
    chances = sorted({chance for one in variances for chance in one.coverage})
    for chance, mark in zip(chances, _COVERAGE, strict=True):
        axes.axvline(chance, color=mark.colour, linewidth=1.2, linestyle="--")
        for place, one in enumerate(variances):
            if chance in one.coverage:
                axes.plot([one.coverage[chance]], [place], linestyle="none", **mark.style())
    axes.set_title("How often intervals hold the mean response")
    axes.set_xlabel("Coverage; dashed where it should be")
    axes.set_xlim(0, 1.02)
    return [
        mark.handle(f"{chance_text(chance)} interval")
        for chance, mark in zip(chances, _COVERAGE, strict=True)
    ]


def _caption(shown: Sequence[RoiVariance], n_rois: int) -> str:
    text = (
        "Variance of a single response to a test image: the signal that the encoder predicts, the signal that"
        " it misses, and noise, which differs between presentations of an image. Means over the region's"
        " voxels."
    )
    if any(one.coverage for one in shown):
        text += (
            " Right: share of test images and voxels whose mean response lies in the interval of prediction,"
            " encoder's uncertainty and noise."
        )
    if len(shown) < n_rois:
        text += f" The first {len(shown)} of {n_rois} regions are drawn; the table has all of them."
    return text


def _alt(variances: Sequence[RoiVariance]) -> str:
    values = "; ".join(
        f"{roi_name(one.roi)} {percent(one.share(one.predicted))}, {percent(one.share(one.missed))} and"
        f" {percent(one.share(one.noise))}"
        for one in variances
    )
    text = f"Stacked bars, a line a region: predicted signal, missed signal and noise. {values}."
    covered = [one for one in variances if one.coverage]
    if covered:
        chance = max(covered[0].coverage)
        text += f" Dot plot of coverage; of {chance_text(chance)} intervals: " + "; ".join(
            f"{roi_name(one.roi)} {percent(one.coverage[chance])}" for one in covered
        )
        text += "."
    return text
