"""Who resembles whom through the map, and how well each participant is read by the others."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from .drawing import COLOURS, Mark, canvas, drawn, legend_above, svg_of
from .estimates import GROUP, roi_name
from .numbers import correlation, percent, percent_with_interval
from .page import Figure
from .transfer import CORRELATION, TransferScore, TransferView

MOST_PARTICIPANTS = 12
_COLOUR_MAP = "cividis"
_OTHERS, _OWN = Mark(COLOURS["vermillion"], "D"), Mark(COLOURS["blue"], "o", 6.5)


def transfer_figure(view: TransferView) -> Figure | None:
    """Correlations of every pair and accuracies of decoders trained on the others; None of nobody."""
    people = view.participants[:MOST_PARTICIPANTS]
    pairs, read = _pairs(view, people), _read(view, people)
    if not pairs and not read:
        return None
    parts = []
    if pairs:
        parts.append(
            "Left: correlation over test images of mapped responses with the other participant’s own, mean"
            " over voxels; in frames on the diagonal that of the prediction by its own encoder."
        )
    if read:
        parts.append(
            f"{'Right' if pairs else 'Shown'}: accuracy of decoders trained on the mapped real responses of"
            " the other participants, and of those trained on its own, on the same real responses, with 95%"
            " intervals over test images. Dashed: chance."
        )
    more = ""
    if len(view.participants) > MOST_PARTICIPANTS:
        more = f" The first {MOST_PARTICIPANTS} of {len(view.participants)} participants are drawn."
    caption = f"{' '.join(parts)} {roi_name(view.main_roi).capitalize()}.{more}"
    return Figure("transfer", _draw(people, pairs, read), caption, _alt(pairs, read))


def _pairs(view: TransferView, people: Sequence[str]) -> list[TransferScore]:
    scores = view.of(CORRELATION, view.main_roi)
    return [score for score in scores if score.source in people and score.target in people]


def _read(view: TransferView, people: Sequence[str]) -> list[TransferScore]:
    found = [view.read_by_others(name, view.main_roi) for name in (*people, GROUP)]
    return [score for score in found if score.known]


@drawn
def _draw(people: Sequence[str], pairs: list[TransferScore], read: list[TransferScore]) -> str:
    both = bool(pairs) and bool(read)
    drawing = canvas(1.4 + 0.42 * max(len(people), 4))
    panels = list(drawing.subplots(1, 1 + both, squeeze=False).ravel())
    if pairs:
        _matrix(panels.pop(0), people, pairs)
    if read:
        _accuracies(panels.pop(0), read)
        chance = Line2D([], [], label="chance", color=COLOURS["muted"], linestyle=(0, (4, 3)), linewidth=1.2)
        named = (_OTHERS.handle("trained on the others"), _OWN.handle("trained on its own"))
        legend_above(drawing, [*named, chance], columns=3)
    return svg_of(drawing)


def _matrix(axes: Axes, people: Sequence[str], pairs: list[TransferScore]) -> None:
    place = {name: number for number, name in enumerate(people)}
    values: NDArray[np.float64] = np.full((len(people), len(people)), np.nan)
    for score in pairs:
        values[place[score.source], place[score.target]] = score.value
    for name, number in place.items():
        own = [score.own for score in pairs if score.target == name]
        values[number, number] = float(np.mean(own)) if own else np.nan
    scale = Normalize(min(0.0, float(np.nanmin(values))), float(np.nanmax(values)))
    axes.pcolormesh(
        np.ma.masked_invalid(values),
        cmap=mpl.colormaps[_COLOUR_MAP],
        norm=scale,
        edgecolors=COLOURS["paper"],
        linewidth=0.8,
    )
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            ink = "#ffffff" if scale(value) < 0.5 else "#000000"
            text, where = correlation(value), (column + 0.5, row + 0.5)
            axes.text(*where, text, ha="center", va="center_baseline", fontsize=8, color=ink)
            if row == column:
                corner = (column + 0.07, row + 0.07)
                axes.add_patch(Rectangle(corner, 0.86, 0.86, fill=False, edgecolor=ink, linewidth=1.0))
    places = np.arange(len(people)) + 0.5
    axes.set_xticks(places, list(people))
    axes.set_yticks(places, list(people))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.invert_yaxis()
    axes.set_aspect("equal")
    axes.set_title("Responses to the same image (r)")
    axes.set_xlabel("Mapped to")
    axes.set_ylabel("Responses of")


def _accuracies(axes: Axes, read: list[TransferScore]) -> None:
    axes.grid(axis="x")
    for place, score in enumerate(read):
        axes.plot([score.chance] * 2, [place - 0.4, place + 0.4], color=COLOURS["muted"], ls=(0, (4, 3)))
        if np.isfinite(score.low) and np.isfinite(score.high):
            ends = [score.low, score.high]
            axes.plot(ends, [place] * 2, color=_OTHERS.colour, linewidth=2, alpha=0.75)
        axes.plot([score.value], [place], linestyle="none", **_OTHERS.style())
        if np.isfinite(score.own):
            axes.plot([score.own], [place + 0.18], linestyle="none", **_OWN.style())
    names = ["mean" if score.target == GROUP else score.target for score in read]
    axes.set_yticks(range(len(read)), names)
    axes.set_ylim(len(read) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f}"))
    axes.set_xlabel("Balanced accuracy on real responses (%)")
    axes.set_title("Read by the others")


def _alt(pairs: list[TransferScore], read: list[TransferScore]) -> str:
    parts = []
    if pairs:
        said = [f"{score.source} to {score.target} {correlation(score.value)}" for score in pairs]
        parts.append(f"Matrix of correlations between participants: {', '.join(said)}.")
    if read:
        said = [
            f"{'mean' if score.target == GROUP else score.target}"
            f" {percent_with_interval(score.value, score.low, score.high)}, own {percent(score.own)}, chance"
            f" {percent(score.chance)}"
            for score in read
        ]
        parts.append(f"Accuracies of decoders trained on the other participants: {'; '.join(said)}.")
    return " ".join(parts)
