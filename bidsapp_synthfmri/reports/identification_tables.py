"""Tables of identification: all candidates, within sources, each participant."""

from __future__ import annotations

from collections.abc import Sequence

from .estimates import GROUP, roi_name
from .identification import (
    ALL_CANDIDATES,
    MEDIAN_RANK,
    PATTERN_NAMES,
    PERCENTILE,
    SAME_SOURCE,
    TOP_1,
    TOP_5,
    IdentificationView,
    Score,
    Task,
)
from .numbers import MISSING, count, percent_with_interval, probability_cell, share, share_with_interval
from .tables import Table

_NOTE = (
    "Closest, among five: how often the image seen is the closest candidate, or among the five closest;"
    " below, by chance. Beats: share of the other candidates that it beats, chance 50%. p and q are of that"
    " share: from exchanging test images, and corrected over regions. Brackets: 95% intervals over test"
    " images. Standardised: every voxel less its mean and divided by its standard deviation before they"
    " are correlated."
)
_OWN_SOURCE_NOTE = (
    "As above, but for the candidates: only those of the source that the image seen is from, so that telling"
    " sources apart does not help. Their number and chance are means over test images."
)
_CANDIDATES = {ALL_CANDIDATES: "all sources", SAME_SOURCE: "own source"}
_REGION = ("Region", "Response", "Patterns")
_COLUMNS = ("Trials", "Candidates", "Closest", "Among five", "Beats", "Median rank", "p", "q")


def identification_tables(view: IdentificationView) -> tuple[Table, ...]:
    """Scores among all candidates, then within sources, then of each participant."""
    whole = [task for task in view.tasks if task.participant == view.main]
    among_all = [task for task in whole if task.candidates == ALL_CANDIDATES]
    own_source = [task for task in whole if task.candidates == SAME_SOURCE]
    within = [task for task in whole if task.candidates not in (ALL_CANDIDATES, SAME_SOURCE)]
    mean = ", mean over participants" if view.main == GROUP else ""
    tables = []
    if among_all:
        tables.append(_table(view, f"Among all candidates{mean}", _REGION, among_all, note=_NOTE))
    if own_source:
        title = f"Among candidates of the image's own source, all sources together{mean}"
        tables.append(_table(view, title, _REGION, own_source, note=_OWN_SOURCE_NOTE))
    if within:
        title = f"Among candidates of one source{mean}"
        tables.append(_table(view, title, ("Source", *_REGION), within, detail=True))
    if view.tasks and view.main == GROUP:
        heads = ("Participant", "Candidates of", *_REGION)
        each = [task for task in view.tasks if task.participant != GROUP]
        tables.append(_table(view, "Identification, each participant", heads, each, detail=True))
    return tuple(tables)


def _table(
    view: IdentificationView,
    title: str,
    heads: tuple[str, ...],
    tasks: Sequence[Task],
    note: str = "",
    detail: bool = False,
) -> Table:
    rows = tuple((*_names(task)[-len(heads) :], *_cells(view, task)) for task in tasks)
    return Table(title, (*heads, *_COLUMNS), rows, n_heads=len(heads), note=note, detail=detail)


def _names(task: Task) -> tuple[str, ...]:
    return (
        task.participant,
        _CANDIDATES.get(task.candidates, task.candidates),
        roi_name(task.roi),
        PATTERN_NAMES.get(task.pattern, task.pattern),
        task.scaling,
    )


def _cells(view: IdentificationView, task: Task) -> tuple[str, ...]:
    top, five, beats, rank = (view.whole(task, m) for m in (TOP_1, TOP_5, PERCENTILE, MEDIAN_RANK))
    return (
        count(rank.n_trials),
        count(rank.n_candidates),
        _share(top),
        _share(five),
        percent_with_interval(beats.value, beats.low, beats.high),
        f"{rank.value:,.1f}" if rank.known else MISSING,
        probability_cell(beats.p),
        probability_cell(beats.q),
    )


def _share(score: Score) -> str:
    if not score.known:
        return MISSING
    return f"{share_with_interval(score.value, score.low, score.high)}\n{share(score.chance)} by chance"
