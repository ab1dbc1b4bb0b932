"""Decoding accuracy by ROI and training set, and against the number of training images."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import FuncFormatter, NullLocator

from .decoding_scores import REAL, SYNTHETIC_SAME, Accuracy, DecodingScores, training_name
from .drawing import COLOURS, MOST_ROIS, Mark, canvas, drawn, legend_above, svg_of
from .estimates import roi_name
from .numbers import count, percent, percent_with_interval
from .page import Figure

_FURTHER = (
    Mark(COLOURS["green"], "s"),
    Mark(COLOURS["purple"], "^", 7.0),
    Mark(COLOURS["orange"], "v", 7.0),
    Mark(COLOURS["sky"], "P", 7.0),
)
_CHANCE = COLOURS["muted"]
_COLUMNS = 3
_SMALL = 3.4
_BELOW = 0.085


def accuracy_figure(scores: DecodingScores, ceiling: Accuracy | None = None) -> Figure | None:
    """Accuracy of every ROI with each whole training set; None where nothing was decoded.

    Parameters
    ----------
    scores : of the main experiment
    ceiling : what the pictures' features give, drawn as a line
    """
    rois = scores.rois
    if not rois:
        return None
    shown = rois[:MOST_ROIS]
    several = len(scores.participants) > 1
    main = "the mean over participants" if several else f"participant {scores.participants[0]}"
    caption = (
        "How often a decoder names the category of a single real response to an unseen image (balanced"
        f" accuracy: the mean over categories). Large marks are {main} with a 95% bootstrap interval over"
        " test images"
        + ("; small marks below them the participants" if several else "")
        + ". All decoders are tested on the same real responses. Dashed: chance, the mean accuracy with"
        " permuted labels."
        + ("" if ceiling is None else " Dotted: what the pictures’ features themselves give.")
        + _left_out(rois)
    )
    alt = _accuracy_alt(scores, shown) + (
        "" if ceiling is None else f" Pictures’ features: {_text(ceiling)}."
    )
    return Figure("decoding", _draw_accuracy(scores, shown, ceiling), caption, alt)


def learning_figure(scores: DecodingScores) -> Figure | None:
    """Accuracy against the number of training images; None where only one size was tried."""
    sizes = {row.n_training for row in scores.rows if row.known}
    if len(sizes) < 2 or not scores.rois:
        return None
    shown = scores.rois[:MOST_ROIS]
    caption = (
        "Accuracy against the number of training images (logarithmic axis), for real and synthetic training"
        " responses. Shaded: 95% bootstrap interval over test images"
        + ("; thin lines: the participants" if len(scores.participants) > 1 else "")
        + ". Sizes are nested: a smaller set is part of the larger. Dashed: chance."
        + _left_out(scores.rois)
    )
    return Figure("learning", _draw_learning(scores, shown), caption, _learning_alt(scores, shown))


def _marks(scores: DecodingScores) -> dict[str, Mark]:
    known = {REAL: Mark(COLOURS["blue"], "o", 6.5), SYNTHETIC_SAME: Mark(COLOURS["vermillion"], "D")}
    others = [training for training in scores.trainings if training not in known]
    return known | {name: _FURTHER[place % len(_FURTHER)] for place, name in enumerate(others)}


def _chance(scores: DecodingScores) -> float:
    values = [row.chance for row in scores.rows if row.full and math.isfinite(row.chance)]
    return float(np.mean(values)) if values else float("nan")


@drawn
def _draw_accuracy(scores: DecodingScores, rois: tuple[str, ...], ceiling: Accuracy | None) -> str:
    trainings, marks = scores.trainings, _marks(scores)
    drawing = canvas(1.15 + len(rois) * (0.22 + 0.24 * len(trainings)))
    axes = drawing.subplots()
    axes.grid(axis="x")
    axes.axvline(_chance(scores), color=_CHANCE, linestyle=(0, (4, 3)), linewidth=1.2)
    if ceiling is not None:
        axes.axvline(ceiling.value, color=COLOURS["ink"], linestyle=(0, (1, 2)), linewidth=1.4)
    step = 0.72 / max(len(trainings), 2)
    for place, roi in enumerate(rois):
        if place:
            axes.axhline(place - 0.5, color=COLOURS["grid"], linewidth=0.8)
        for number, training in enumerate(trainings):
            height = place + (number - (len(trainings) - 1) / 2) * step
            _accuracy_marks(axes, scores, roi, training, marks[training], height)
    axes.set_yticks(range(len(rois)), [roi_name(roi) for roi in rois])
    axes.set_ylim(len(rois) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f}"))
    axes.set_xlabel("Balanced accuracy on real responses (%)")
    _legend(drawing, scores, marks)
    return svg_of(drawing)


def _accuracy_marks(
    axes: Axes, scores: DecodingScores, roi: str, training: str, mark: Mark, height: float
) -> None:
    if len(scores.participants) > 1:
        for participant in scores.participants:
            one = scores.full(participant, roi, training)
            if one is not None:
                style = {**mark.style(), "markersize": _SMALL, "markeredgewidth": 0}
                axes.plot([one.value], [height + _BELOW], linestyle="none", alpha=0.7, **style)
    pooled = scores.full(scores.main, roi, training)
    if pooled is None:
        return
    if math.isfinite(pooled.low):
        axes.plot([pooled.low, pooled.high], [height] * 2, color=mark.colour, linewidth=2, alpha=0.75)
    axes.plot([pooled.value], [height], linestyle="none", **mark.style())


@drawn
def _draw_learning(scores: DecodingScores, rois: tuple[str, ...]) -> str:
    columns = min(_COLUMNS, len(rois))
    rows = math.ceil(len(rois) / columns)
    marks = _marks(scores)
    drawing = canvas(0.95 + 2.25 * rows)
    panels = drawing.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for place, axes in enumerate(panels.ravel()):
        if place >= len(rois):
            axes.set_visible(False)
            continue
        _learning_panel(axes, scores, rois[place], marks)
        if place + columns >= len(rois):
            axes.tick_params(labelbottom=True)
            axes.set_xlabel("Training images")
        if place % columns == 0:
            axes.set_ylabel("Balanced accuracy (%)")
    _size_axis(panels[0, 0], scores)
    _legend(drawing, scores, marks, line=True)
    return svg_of(drawing)


def _learning_panel(axes: Axes, scores: DecodingScores, roi: str, marks: dict[str, Mark]) -> None:
    axes.set_title(roi_name(roi))
    axes.grid(visible=True)
    axes.axhline(_chance(scores), color=_CHANCE, linestyle=(0, (4, 3)), linewidth=1.2)
    for training in scores.trainings:
        mark = marks[training]
        if len(scores.participants) > 1:
            for participant in scores.participants:
                own = scores.of(participant, roi, training)
                axes.plot(
                    [r.n_training for r in own], [r.value for r in own], color=mark.colour, lw=0.7, alpha=0.4
                )
        curve = scores.of(scores.main, roi, training)
        sizes = [row.n_training for row in curve]
        axes.fill_between(
            sizes, [r.low for r in curve], [r.high for r in curve], color=mark.colour, alpha=0.13, linewidth=0
        )
        style = {**mark.style(), "markersize": mark.size - 1}
        axes.plot(sizes, [row.value for row in curve], linewidth=1.8, **style)


def _size_axis(axes: Axes, scores: DecodingScores) -> None:
    sizes = sorted({row.n_training for row in scores.rows if row.known and row.participant == scores.main})
    axes.set_xscale("log")
    kept: list[float] = []
    for size in sizes:
        if not kept or size >= 1.9 * kept[-1]:
            kept.append(size)
    axes.set_xticks(kept, [count(size) for size in kept])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f}"))


def _legend(drawing: Drawing, scores: DecodingScores, marks: dict[str, Mark], line: bool = False) -> None:
    handles = [
        marks[name].handle(f"trained on {training_name(name)}", line=line) for name in scores.trainings
    ]
    legend_above(drawing, handles, columns=2 if len(handles) > 1 else 1)


def _left_out(rois: tuple[str, ...]) -> str:
    if len(rois) <= MOST_ROIS:
        return ""
    return f" The first {MOST_ROIS} of {len(rois)} regions are drawn; the score table has all of them."


def _accuracy_alt(scores: DecodingScores, rois: tuple[str, ...]) -> str:
    parts = []
    for roi in rois:
        found = [(training, scores.full(scores.main, roi, training)) for training in scores.trainings]
        parts.append(f"{roi_name(roi)}: " + ", ".join(f"{name} {_text(one)}" for name, one in found))
    return (
        f"Dot plot of balanced accuracy by region and training set, chance {percent(_chance(scores))}. "
        f"{'; '.join(parts)}."
    )


def _learning_alt(scores: DecodingScores, rois: tuple[str, ...]) -> str:
    parts = []
    for roi in rois:
        curves = [(training, scores.of(scores.main, roi, training)) for training in scores.trainings]
        ends = [
            f"{name} from {percent(c[0].value)} with {count(c[0].n_training)} images"
            f" to {percent(c[-1].value)} with {count(c[-1].n_training)}"
            for name, c in curves
            if c
        ]
        parts.append(f"{roi_name(roi)}: {', '.join(ends)}")
    return f"Line plots of balanced accuracy against number of training images. {'; '.join(parts)}."


def _text(accuracy: Accuracy | None) -> str:
    return "n/a" if accuracy is None else percent_with_interval(accuracy.value, accuracy.low, accuracy.high)
