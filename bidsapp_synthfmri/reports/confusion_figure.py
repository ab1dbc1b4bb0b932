"""What single real responses of each category are decoded as."""

from __future__ import annotations

import math

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from numpy.typing import NDArray

from .decoding_scores import short_training_name, training_name
from .drawing import COLOURS, WIDTH, canvas, drawn, svg_of
from .estimates import GROUP
from .numbers import percent
from .page import Figure

MOST_CLASSES = 40
_MOST_WRITTEN = 10
_COLUMNS = 3
_COLOUR_MAP = "cividis"


def confusion_figure(table: pd.DataFrame) -> Figure | None:
    """A matrix a training set, rows adding up to 100%; None without counts or with too many categories."""
    chosen = table[table["participant"].astype(str) == GROUP]
    if chosen.empty:
        chosen = table[table["participant"] == table["participant"].iloc[0]] if len(table) else table
    classes = tuple(dict.fromkeys(str(label) for label in chosen["label"]))
    if not classes or len(classes) > MOST_CLASSES:
        return None
    trainings = tuple(dict.fromkeys(str(name) for name in chosen["training"]))
    shares = {name: _shares(chosen[chosen["training"] == name], classes) for name in trainings}
    caption = (
        "Decoders of all voxels with their whole training set. Of the real responses to images of one"
        " category (a row, adding up to 100%): the share, in percent, decoded as each category. The diagonal"
        " is correct; it should exceed chance, one over the number of categories."
    )
    return Figure("confusion", _draw(shares, classes), caption, _alt(shares, classes))


def _shares(table: pd.DataFrame, classes: tuple[str, ...]) -> NDArray[np.float64]:
    """(n_classes, n_classes) share of each row's trials; not-a-number for a row without trials."""
    counts = np.zeros((len(classes), len(classes)))
    rows = zip(table["label"].astype(str), table["predicted"].astype(str), table["count"], strict=True)
    for label, predicted, count in rows:
        counts[classes.index(label), classes.index(predicted)] += count
    total = counts.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(counts, total, out=np.full_like(counts, np.nan), where=total > 0))


@drawn
def _draw(shares: dict[str, NDArray[np.float64]], classes: tuple[str, ...]) -> str:
    columns = min(_COLUMNS, len(shares))
    rows = math.ceil(len(shares) / columns)
    drawing = canvas(0.6 + rows * (WIDTH / max(columns, 2) + 0.2))
    panels = drawing.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    high = max(float(np.nanmax(values)) for values in shares.values())
    small = 9.5 if len(classes) <= _MOST_WRITTEN else 6.5
    for axes, (training, values) in zip(panels, shares.items(), strict=False):
        _matrix(axes, values, Normalize(0, high or 1))
        axes.set_title(f"From {short_training_name(training)}")
        axes.set_xlabel("Decoded as")
        axes.tick_params(axis="x", labelbottom=True, labelrotation=90, labelsize=small)
    for axes in panels[len(shares) :]:
        axes.set_visible(False)
    places = np.arange(len(classes)) + 0.5
    panels[0].set_xticks(places, list(classes))
    panels[0].set_yticks(places, list(classes), fontsize=small)
    panels[0].set_ylabel("True category")
    panels[0].invert_yaxis()
    return svg_of(drawing)


def _matrix(axes: Axes, values: NDArray[np.float64], scale: Normalize) -> None:
    colours = mpl.colormaps[_COLOUR_MAP]
    axes.pcolormesh(
        np.ma.masked_invalid(values), cmap=colours, norm=scale, edgecolors=COLOURS["paper"], linewidth=0.8
    )
    axes.set_aspect("equal")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if len(values) > _MOST_WRITTEN:
        return
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            ink = "#ffffff" if scale(value) < 0.5 else "#000000"
            text = f"{100 * value:.0f}"
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center_baseline", fontsize=8, color=ink)


def _alt(shares: dict[str, NDArray[np.float64]], classes: tuple[str, ...]) -> str:
    parts = [
        f"{training_name(training)}: correct for "
        + ", ".join(f"{name} {percent(values[place, place])}" for place, name in enumerate(classes))
        for training, values in shares.items()
    ]
    return f"Confusion matrices, true category by decoded category. Trained on {'; '.join(parts)}."
