"""Tables of exact numbers, ready for a template."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from . import estimates
from .estimates import (
    FIVE_ROWS,
    LEVEL_NAMES,
    Estimate,
    accounting_of,
    levels_of,
    number,
    roi_name,
    rois_of,
)
from .layer_figure import CV_R, CV_R2, SHARE, SPLIT, TEST_R, WEIGHT, LayerScores, layer_name
from .numbers import (
    MISSING,
    correlation,
    correlation_with_interval,
    count,
    percent,
    probability_cell,
)

_LONG = 40
_MANY_COLUMNS = 7
_EXPECTED = "; below them, where there is one, the value expected from reliability"
_SHORT_ROW_NAMES = {
    estimates.REAL_REAL: "Real with real",
    estimates.SYNTHETIC_REAL: "Synthetic with real",
    estimates.MEAN_REAL_REAL: "Mean of other real with real",
    estimates.CEILING: "Ceiling",
    estimates.NOISE_MATCHED: "Noise-matched synthetic with real",
}
_SCORE_NAMES = {TEST_R: "Correlation with single test responses"}
_LAYER_NAMES = {"best": "layers as selected"}
_SELECTED_NOTE = (
    "As selected: the layers that the encoder uses, chosen for each part of the training set by the rest."
)
_RELIABILITY_COLUMNS = {
    "r": "Reliability of one response (r)",
    "split_half": "The same from split halves",
    "ncsnr": "Signal-to-noise (ncsnr)",
    "noise_ceiling": "Noise ceiling of the mean response",
}


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes
    ----------
    title : what it holds, in few words
    columns : heads
    rows : cells; the first ``n_heads`` of a row name it
    n_heads : how many leading columns are names, set left; the others are numbers, set right
    note : how to read it, in sentences
    detail : whether few readers will want it
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_heads: int = 1
    note: str = ""
    detail: bool = False

    @property
    def wide(self) -> bool:
        """Whether it needs room that small pages lack."""
        return len(self.columns) > _MANY_COLUMNS

    @property
    def folded(self) -> bool:
        """Whether the page shows it only when asked."""
        return self.detail or len(self.rows) > _LONG


def accounting_tables(table: pd.DataFrame) -> tuple[Table, ...]:
    """The five rows and the difference, a table a level and a line a ROI."""
    return tuple(_accounting_table(table, level) for level in levels_of(table))


def _accounting_table(table: pd.DataFrame, level: str) -> Table:
    lines = []
    rois = accounting_of(table, level)
    for roi in rois:
        difference = roi[estimates.DIFFERENCE]
        lines.append(
            (
                roi_name(roi.roi),
                count(roi.n_voxels),
                count(roi.n_stimuli),
                *(_cell(roi[row]) for row in FIVE_ROWS),
                correlation_with_interval(difference.value, difference.low, difference.high, signed=True),
                probability_cell(difference.q),
            )
        )
    heads = ("Region", "Voxels", "Images", *(_SHORT_ROW_NAMES[row] for row in FIVE_ROWS))
    expected = any(math.isfinite(roi[row].expected) for roi in rois for row in FIVE_ROWS)
    note = (
        f"Correlations with 95% intervals{_EXPECTED if expected else ''}. Difference: synthetic with real"
        " less real with real, over the images shown more than once. q: its p-value corrected over regions."
    )
    return Table(LEVEL_NAMES.get(level, level), (*heads, "Difference", "q"), tuple(lines), note=note)


def reliability_table(table: pd.DataFrame, selected: bool = False) -> Table | None:
    """Reliability of every ROI; None where there is none.

    Parameters
    ----------
    table : the scores
    selected : whether voxels were left out by it later
    """
    metrics = [str(metric) for metric in table["metric"].unique()]
    metrics = [m for m in _RELIABILITY_COLUMNS if m in metrics] + [
        m for m in metrics if m not in _RELIABILITY_COLUMNS
    ]
    lines = []
    for roi in rois_of(table):
        own = table[table["roi"].astype(str) == roi].set_index("metric")
        values = [correlation(number(own["value"].get(metric))) for metric in metrics]
        first = own.iloc[0]
        sizes = [count(number(first.get(column))) for column in ("n_voxels", "n_stimuli", "n_trials")]
        lines.append((roi_name(roi), *sizes, *values))
    if not lines:
        return None
    note = (
        "Means over the region's voxels. r: share of the variance of a single response that repeats with the"
        " image. ncsnr: standard deviation of the signal over that of the noise. Noise ceiling: share of the"
        " variance of the mean over an image's presentations that is signal; never clipped. The noise is"
        " estimated from the repeated images, the total variance from all trials."
    )
    if selected:
        note += " All voxels as measured, before some were left out for their ncsnr."
    heads = ("Region", "Voxels", "Repeated images", "All trials")
    columns = (*heads, *(_RELIABILITY_COLUMNS.get(m, m) for m in metrics))
    return Table("How repeatable responses are", columns, tuple(lines), note=note)


def layer_table(scores: LayerScores) -> Table | None:
    """One metric by ROI and layer."""
    if not scores.known:
        return None
    text = percent if scores.metric in (SHARE, SPLIT) else correlation
    titles = {
        CV_R: "Cross-validated correlation (Pearson r), mean over voxels",
        CV_R2: "Cross-validated coefficient of determination (R²), mean over voxels",
        SHARE: "Share of the region's voxels whose layer this is",
        WEIGHT: "Weight of each layer in the joint model, mean over voxels",
        SPLIT: "Part of the variance of single responses that each layer explains, mean over voxels",
    }
    notes = {
        CV_R: _SELECTED_NOTE,
        CV_R2: _SELECTED_NOTE,
        SPLIT: "Product measure: the parts add up to R² of the layers as selected.",
    }
    rows = [
        (roi_name(roi), *(text(value) for value in values))
        for roi, values in zip(scores.rois, scores.values, strict=True)
    ]
    columns = ("Region", *map(layer_name, scores.layers))
    return Table(
        titles.get(scores.metric, scores.metric), columns, tuple(rows), note=notes.get(scores.metric, "")
    )


def other_encoding_table(encoding: pd.DataFrame) -> Table | None:
    """The encoder's scores that are not by layer, a column a score."""
    chosen = encoding[~encoding["metric"].isin([CV_R, CV_R2, SHARE, WEIGHT, SPLIT])]
    if chosen.empty:
        return None
    named = [_score_name(*pair) for pair in zip(chosen["metric"], chosen["layer"], strict=True)]
    scores = tuple(dict.fromkeys(named))
    rows = []
    for roi in rois_of(chosen):
        own = chosen.assign(score=named)[chosen["roi"].astype(str) == roi].set_index("score")
        values = [correlation(number(own["value"].get(score))) for score in scores]
        rows.append((roi_name(roi), count(number(own["n_voxels"].iloc[0])), *values))
    note = "Pearson r, mean over the region's voxels; nothing in fitting saw these responses."
    return Table("Further scores of the encoder", ("Region", "Voxels", *scores), tuple(rows), note=note)


def _score_name(metric: object, layer: str | float | None) -> str:
    """``Correlation with single test responses, layers as selected``."""
    name = _SCORE_NAMES.get(str(metric), str(metric))
    if layer is None or pd.isna(layer):
        return name
    return f"{name}, {_LAYER_NAMES.get(str(layer), f'layer {layer}')}"


def _cell(estimate: Estimate) -> str:
    text = correlation_with_interval(estimate.value, estimate.low, estimate.high)
    expected = correlation(estimate.expected)
    return text if expected == MISSING else f"{text}\n{expected} expected"
