"""What the estimator chose: haemodynamic responses, number of noise components, ridge fractions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ..derivatives.names import ESTIMATION_FIGURE
from .drawing import COLOURS, Mark, canvas, drawn, legend_above, svg_of
from .estimation import Chosen, Spread
from .numbers import correlation, count, counted, listed
from .page import Figure

_CHOSEN = Mark(COLOURS["vermillion"], "D", 8.0)
_CANDIDATE = Mark(COLOURS["blue"], "o", 5.5)
_HEIGHT = 3.3
_MEDIAN: dict[str, Any] = {"color": COLOURS["ink"], "linewidth": 1.3, "linestyle": "--"}


def estimation_figure(chosen: Chosen) -> Figure | None:
    """A panel for each choice made, up to three; None where the estimator chose nothing."""
    panels = _panels(chosen)
    if not panels:
        return None
    return Figure(ESTIMATION_FIGURE, _draw(chosen), _caption(chosen), _alt(chosen))


def _panels(chosen: Chosen) -> list[Callable[[Axes, Chosen, int], None]]:
    known = (
        (_response_panel, chosen.hrf is not None),
        (_component_panel, len(chosen.scores) > 1),
        (_fraction_panel, chosen.fraction is not None),
    )
    return [panel for panel, there in known if there]


@drawn
def _draw(chosen: Chosen) -> str:
    panels = _panels(chosen)
    drawing = canvas(_HEIGHT)
    drawing.set_layout_engine("constrained", wspace=0.06, h_pad=0.08)
    every_axes = np.atleast_1d(drawing.subplots(1, len(panels)))
    for axes, panel in zip(every_axes, panels, strict=True):
        panel(axes, chosen, len(panels))
        axes.grid(axis="y")
    legend_above(drawing, _handles(chosen), columns=3)
    return svg_of(drawing)


def _handles(chosen: Chosen) -> list[Line2D]:
    handles = []
    if chosen.hrf is not None or chosen.fraction is not None:
        handles.append(Line2D([], [], label="median voxel", **_MEDIAN))
    if len(chosen.scores) > 1:
        handles.append(_CHOSEN.handle("number chosen"))
    return handles


def _bars(axes: Axes, spread: Spread, labels: list[str], n_panels: int) -> None:
    places = np.arange(len(spread.values))
    axes.bar(
        places, spread.counts, width=0.85, color=COLOURS["sky"], edgecolor=COLOURS["blue"], linewidth=0.9
    )
    axes.axvline(spread.values.index(spread.quantile(0.5)), **_MEDIAN)
    shown = places[::-1][:: 1 if n_panels == 1 else 2 * (n_panels - 1)]
    axes.set_xticks(shown, [labels[place] for place in shown])
    axes.set_xlim(-0.7, len(places) - 0.3)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.set_ylabel("Voxels")


def _response_panel(axes: Axes, chosen: Chosen, n_panels: int) -> None:
    if chosen.hrf is not None:
        _bars(axes, chosen.hrf, [f"{peak:.2f}" for peak in chosen.hrf.values], n_panels)
    axes.set_title("Haemodynamic response")
    axes.set_xlabel("Time to peak (s)")


def _fraction_panel(axes: Axes, chosen: Chosen, n_panels: int) -> None:
    if chosen.fraction is not None:
        labels = [correlation(fraction) for fraction in chosen.fraction.values]
        _bars(axes, chosen.fraction, labels, n_panels)
    axes.set_title("Ridge fraction")
    axes.set_xlabel("Length relative to least squares")


def _component_panel(axes: Axes, chosen: Chosen, n_panels: int) -> None:
    numbers = np.arange(len(chosen.scores))
    axes.plot(numbers, chosen.scores, linewidth=1.2, **_CANDIDATE.style())
    if chosen.n_components is not None:
        number = chosen.n_components
        axes.plot([number], [chosen.scores[number]], linestyle="none", **_CHOSEN.style())
    axes.set_title("Noise components")
    axes.set_xlabel("Components projected out")
    axes.set_ylabel("Reliability r of one response")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=10 // n_panels + 3, steps=[1, 2, 5, 10], integer=True))
    axes.margins(y=0.15)


def _caption(chosen: Chosen) -> str:
    parts = []
    if chosen.hrf is not None:
        parts.append(
            "Haemodynamic response: how many voxels took each response of the library, in its order and not"
            " to scale; the seconds are from a brief event to the response’s peak."
        )
    if len(chosen.scores) > 1:
        parts.append(
            "Noise components: correlation of one presentation of an image with another in a different run,"
            " median over the voxels that respond best. Chosen is the smallest number that brings 95% of"
            " the largest gain (less than .002 is none)."
        )
    if chosen.fraction is not None:
        parts.append(
            "Ridge fraction: length of a voxel’s responses, as they differ from their mean, relative to least"
            " squares; 1 is no ridge."
        )
    return " ".join(parts)


def _alt(chosen: Chosen) -> str:
    parts = []
    if chosen.hrf is not None:
        spoken = _spoken(chosen.hrf, [f"{peak:.2f} s" for peak in chosen.hrf.values])
        parts.append(f"Histogram of voxels by time to peak of their haemodynamic response: {spoken}.")
    if len(chosen.scores) > 1:
        scores = listed([f"{n} {correlation(r, digits=3)}" for n, r in enumerate(chosen.scores)])
        parts.append(
            f"Line of reliability by number of noise components: {scores}; {count(chosen.n_components)} was"
            " chosen."
        )
    if chosen.fraction is not None:
        spoken = _spoken(chosen.fraction, [correlation(value) for value in chosen.fraction.values])
        parts.append(f"Histogram of voxels by ridge fraction: {spoken}.")
    return " ".join(parts)


def _spoken(spread: Spread, labels: list[str]) -> str:
    there = [(label, n) for label, n in zip(labels, spread.counts, strict=True) if n]
    first, *others = there
    return ", ".join([f"{first[0]} {counted(first[1], 'voxel')}", *(f"{x} {count(n)}" for x, n in others)])
