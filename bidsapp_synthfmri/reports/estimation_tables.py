"""The estimator's choices as exact numbers, and the trials that have no response."""

from __future__ import annotations

import pandas as pd

from .estimates import number
from .estimation import Chosen, Spread, shares
from .numbers import MISSING, correlation, count, counted, percent
from .tables import Table

MOST_TRIALS = 20
_TRIAL_HEADS = {
    "session": "Session",
    "run": "Run",
    "onset": "Onset (s)",
    "stimulus": "Image",
    "reason": "Why",
}


def estimation_tables(chosen: Chosen) -> tuple[Table, ...]:
    """The numbers of the figure, a table a panel."""
    tables = []
    if chosen.hrf is not None:
        tables.append(
            _spread_table(
                "Voxels by haemodynamic response",
                "Time to peak (s)",
                [f"{peak:.2f}" for peak in chosen.hrf.values],
                chosen.hrf,
                "All responses of the library, in its order.",
            )
        )
    if len(chosen.scores) > 1:
        tables.append(_component_table(chosen))
    if chosen.fraction is not None:
        tables.append(
            _spread_table(
                "Voxels by ridge fraction",
                "Ridge fraction",
                [correlation(value) for value in chosen.fraction.values],
                chosen.fraction,
                "Length of the ridge estimate relative to that of least squares.",
            )
        )
    return tuple(tables)


def dropped_table(dropped: pd.DataFrame | None) -> Table | None:
    """The first trials without a response; None where every trial has one."""
    if dropped is None or dropped.empty:
        return None
    shown = dropped.iloc[:MOST_TRIALS]
    reasons = dropped["reason"].map(_label).unique()
    columns = [column for column in _TRIAL_HEADS if column != "reason" or len(reasons) > 1]
    rows = tuple(
        tuple(_onset(row[column]) if column == "onset" else _label(row[column]) for column in columns)
        for _, row in shown.iterrows()
    )
    note = "They have no response and take no part in anything that follows."
    if len(reasons) == 1:
        note += f" Why: {reasons[0].removesuffix('.')}."
    if more := len(dropped) - len(shown):
        note += f" {counted(more, 'more is', 'more are')} in the file of dropped trials."
    heads = tuple(_TRIAL_HEADS[column] for column in columns)
    return Table("Trials left out", heads, rows, n_heads=len(heads), note=note)


def _spread_table(title: str, head: str, labels: list[str], spread: Spread, note: str) -> Table:
    rows = tuple(
        (label, count(n), percent(share))
        for label, n, share in zip(labels, spread.counts, shares(spread), strict=True)
    )
    return Table(title, (head, "Voxels", "Share"), rows, note=note, detail=True)


def _component_table(chosen: Chosen) -> Table:
    rows = tuple(
        (
            count(n),
            correlation(score, digits=3),
            correlation(score - chosen.scores[0], signed=True, digits=3),
            "chosen" if n == chosen.n_components else "",
        )
        for n, score in enumerate(chosen.scores)
    )
    heads = ("Components projected out", "Reliability r", "Gain over none", "Choice")
    note = "Median over the voxels that respond best."
    return Table("Reliability by number of noise components", heads, rows, note=note, detail=True)


def _label(cell: object) -> str:
    return MISSING if pd.isna(cell) or cell == "" else str(cell)  # type: ignore[call-overload]


def _onset(cell: object) -> str:
    seconds = number(cell)
    return MISSING if pd.isna(seconds) else f"{seconds:.2f}"
