"""Tables of exact numbers, ready for a template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from . import estimates
from .decoding_scores import Accuracy, Contrast, DecodingScores, short_training_name
from .estimates import (
    FIVE_ROWS,
    GROUP,
    LEVEL_NAMES,
    Estimate,
    accounting_of,
    levels_of,
    number,
    roi_name,
    rois_of,
)
from .layer_figure import CV_R, CV_R2, SHARE, LayerScores
from .numbers import (
    MISSING,
    correlation,
    correlation_with_interval,
    count,
    percent,
    percent_with_interval,
    points_with_interval,
    probability_cell,
)

_LONG = 40
_SHORT_ROW_NAMES = {
    estimates.REAL_REAL: "Real with real",
    estimates.SYNTHETIC_REAL: "Synthetic with real",
    estimates.MEAN_REAL_REAL: "Mean of other real with real",
    estimates.CEILING: "Ceiling",
    estimates.NOISE_MATCHED: "Noise-matched synthetic with real",
}
_SCORE_NAMES = {
    "test_r": "Correlation with single real responses to test images",
    "test_r2": "Share of variance of single real responses to test images (R²)",
}
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
    caption : what it holds
    columns : heads
    rows : cells; the first ``n_heads`` of a row name it
    n_heads : how many leading columns are names, set left; the others are numbers, set right
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_heads: int = 1

    @property
    def long(self) -> bool:
        """Whether the page folds it."""
        return len(self.rows) > _LONG


def accounting_tables(table: pd.DataFrame) -> tuple[Table, ...]:
    """The five rows and the difference, a table a level and a line a ROI."""
    return tuple(_accounting_table(table, level) for level in levels_of(table))


def _accounting_table(table: pd.DataFrame, level: str) -> Table:
    lines = []
    for roi in accounting_of(table, level):
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
    caption = (
        f"{LEVEL_NAMES.get(level, level)}: correlations with 95% intervals; below them, where there is one,"
        " the value expected from reliability. Synthetic − real: over the images shown more than once. q:"
        " p-value corrected over regions."
    )
    return Table(caption, (*heads, "Synthetic − real", "q"), tuple(lines))


def reliability_table(table: pd.DataFrame) -> Table | None:
    """Reliability of every ROI; None where there is none."""
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
    caption = (
        "How repeatable responses are, means over the region's voxels. r: share of the variance of a single"
        " response that repeats with the image. ncsnr: standard deviation of the signal over that of the"
        " noise. Noise ceiling: share of the variance of the mean over an image's presentations that is"
        " signal; never clipped."
    )
    heads = ("Region", "Voxels", "Repeated images", "Their trials")
    return Table(caption, (*heads, *(_RELIABILITY_COLUMNS.get(m, m) for m in metrics)), tuple(lines))


def layer_table(scores: LayerScores) -> Table | None:
    """One metric by ROI and layer."""
    if not scores.known:
        return None
    text = percent if scores.metric == SHARE else correlation
    captions = {
        CV_R: "Cross-validated correlation (Pearson r), mean over voxels.",
        CV_R2: "Cross-validated coefficient of determination (R²), mean over voxels.",
        SHARE: "Share of the region's voxels whose best layer this is.",
    }
    rows = [
        (roi_name(roi), *(text(value) for value in values))
        for roi, values in zip(scores.rois, scores.values, strict=True)
    ]
    return Table(captions.get(scores.metric, scores.metric), ("Region", *scores.layers), tuple(rows))


def other_encoding_table(encoding: pd.DataFrame) -> Table | None:
    """The encoder's scores that are not by layer."""
    chosen = encoding[~encoding["metric"].isin([CV_R, CV_R2, SHARE])]
    rows = tuple(
        (
            roi_name(str(row["roi"])),
            _SCORE_NAMES.get(str(row["metric"]), str(row["metric"])),
            MISSING if pd.isna(row["layer"]) else str(row["layer"]),
            correlation(number(row["value"])),
            count(number(row["n_voxels"])),
        )
        for _, row in chosen.iterrows()
    )
    heads = ("Region", "Score", "Layer", "Value", "Voxels")
    return Table("Further scores of the encoder.", heads, rows, n_heads=3) if rows else None


def decoding_tables(scores: DecodingScores) -> tuple[Table, ...]:
    """Accuracies with the whole training sets, pooled; then every accuracy."""
    main = [row for row in scores.rows if row.full and row.participant == scores.main]
    tables = (
        _decoding_table("Whole training sets, pooled over participants", main),
        _decoding_table("Every accuracy", scores.rows),
    )
    return tables if len(main) < len(scores.rows) else tables[1:]


def _decoding_table(what: str, accuracies: Sequence[Accuracy]) -> Table:
    rows = tuple(
        (
            _whose(row.participant),
            roi_name(row.roi),
            short_training_name(row.training),
            count(row.n_training) + ("" if row.full else " (a part)"),
            count(row.n_test_trials),
            count(row.n_classes),
            percent_with_interval(row.value, row.low, row.high),
            percent(row.chance),
            probability_cell(row.p),
            probability_cell(row.q),
        )
        for row in accuracies
    )
    heads = ("Participant", "Region", "Trained on", "Training images", "Test trials", "Categories")
    caption = (
        f"{what}: balanced accuracy with 95% interval; chance: mean accuracy with permuted labels. p: from"
        " permuted labels, one-sided; q: corrected over regions and training sets, whole training sets only."
    )
    return Table(caption, (*heads, "Accuracy", "Chance", "p", "q"), rows, n_heads=3)


def contrast_tables(contrasts: Sequence[Contrast], main: str) -> tuple[Table, ...]:
    """Differences of two decoders, pooled; then those of each participant."""
    pooled = [one for one in contrasts if one.participant == main]
    others = [one for one in contrasts if one.participant != main]
    parts = (("Pooled over participants", pooled), ("Each participant", others))
    return tuple(_contrast_table(what, part) for what, part in parts if part)


def _contrast_table(what: str, contrasts: Sequence[Contrast]) -> Table:
    rows = tuple(
        (
            _whose(one.participant),
            roi_name(one.roi),
            short_training_name(one.training) + (", as many as real images" if one.equal_size else ""),
            points_with_interval(one.difference, one.low, one.high),
            probability_cell(one.p),
        )
        for one in contrasts
    )
    caption = (
        f"{what}: accuracy after the training named, less accuracy after training on real responses, in"
        " percentage points with 95% interval; p two-sided, uncorrected."
    )
    return Table(caption, ("Participant", "Region", "Trained on", "Less real", "p"), rows, n_heads=3)


def _whose(participant: str) -> str:
    return "pooled" if participant == GROUP else participant


def _cell(estimate: Estimate) -> str:
    text = correlation_with_interval(estimate.value, estimate.low, estimate.high)
    expected = correlation(estimate.expected)
    return text if expected == MISSING else f"{text}\n{expected} expected"
