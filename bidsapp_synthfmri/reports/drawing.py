"""The look of the figures: palette, marks, a canvas, SVG that is the same bytes each time."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D

from .estimates import Estimate

COLOURS = {
    "ink": "#1b1f24",
    "muted": "#5b6570",
    "grid": "#dde1e6",
    "paper": "#fefefe",
    "blue": "#0072b2",
    "vermillion": "#d55e00",
    "sky": "#56b4e9",
    "orange": "#e69f00",
    "green": "#009e73",
    "purple": "#cc79a7",
}
"""Okabe and Ito's palette with the page's greys; a page replaces each by its own variable."""

WIDTH = 9.8
"""Inches; a page shows them at about 100 pixels an inch, so that 10 points read as body text."""

MOST_ROIS = 24
"""More than these make a figure nobody reads; the tables have them all, and the caption says so."""

_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.labelsize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": COLOURS["muted"],
    "axes.labelcolor": COLOURS["ink"],
    "axes.titlecolor": COLOURS["ink"],
    "axes.facecolor": COLOURS["paper"],
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "figure.facecolor": COLOURS["paper"],
    "grid.color": COLOURS["grid"],
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "legend.labelcolor": COLOURS["ink"],
    "text.color": COLOURS["ink"],
    "text.parse_math": False,
    "xtick.color": COLOURS["muted"],
    "ytick.color": COLOURS["muted"],
    "xtick.labelcolor": COLOURS["ink"],
    "ytick.labelcolor": COLOURS["ink"],
    "svg.fonttype": "none",
    "svg.hashsalt": "synthfmri",
}

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Mark:
    """How one kind of value is drawn; shape and colour both tell it apart."""

    colour: str
    shape: str
    size: float = 6.0

    def handle(self, label: str, line: bool = False) -> Line2D:
        """Its entry in a legend."""
        return Line2D([], [], label=label, linestyle="-" if line else "none", **self.style())

    def style(self) -> dict[str, Any]:
        """The same as keyword arguments of a line."""
        return {
            "color": self.colour,
            "marker": self.shape,
            "markersize": self.size,
            "markeredgecolor": self.colour if self.shape in "|_x" else COLOURS["paper"],
            "markeredgewidth": 1.3 if self.shape in "|_x" else 0.6,
        }


def drawn(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Run a function that draws under the house style, whatever the global settings."""

    @wraps(function)
    def styled(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(_STYLE)
            return function(*args, **kwargs)

    return styled


def canvas(height: float, width: float = WIDTH) -> Drawing:
    """An empty drawing, its size in inches; nothing registers it globally."""
    return Drawing(figsize=(width, height), layout="constrained")


def svg_of(drawing: Drawing) -> str:
    """The drawing as an SVG document without date or program."""
    stream = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    FigureCanvasSVG(drawing)
    drawing.savefig(stream, format="svg", metadata=nothing)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def legend_above(drawing: Drawing, handles: list[Line2D], columns: int) -> None:
    """One legend for all panels, over them."""
    drawing.legend(
        handles=handles,
        loc="outside upper left",
        ncols=columns,
        handletextpad=0.6,
        columnspacing=1.8,
        borderpad=0.2,
    )


def zero_line(axes: Axes) -> None:
    """A thin line where a correlation is nil."""
    axes.axvline(0, color=COLOURS["muted"], linewidth=0.8)


def draw_estimate(axes: Axes, estimate: Estimate, mark: Mark, height: float) -> None:
    """A mark at ``height``, with its interval where there is one; nothing where the estimate is not known."""
    if not estimate.known:
        return
    if math.isfinite(estimate.low) and math.isfinite(estimate.high):
        axes.plot([estimate.low, estimate.high], [height] * 2, color=mark.colour, linewidth=2, alpha=0.75)
    axes.plot([estimate.value], [height], linestyle="none", **mark.style())
