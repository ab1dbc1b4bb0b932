"""Tables of transfer: decoders trained on the others, then pairs of participants."""

from __future__ import annotations

from collections.abc import Sequence

from .estimates import GROUP, roi_name
from .numbers import (
    correlation,
    correlation_with_interval,
    count,
    percent,
    percent_with_interval,
    points_with_interval,
    probability_cell,
)
from .tables import Table
from .transfer import CORRELATION, READ_BY_OTHERS, READ_BY_TARGET, TransferScore, TransferView

_OTHERS_NOTE = (
    "Balanced accuracy on single real responses, 95% interval over test images; below, by chance. Own: the"
    " decoder trained on the participant's own real responses. q: p from permuted labels, corrected over"
    " regions and participants; the mean over participants is a family of its own."
)
_CORRELATION_NOTE = (
    "Correlation over test images of both participants, in each voxel of the second; mean over voxels. Own:"
    " of the prediction by the second participant's own encoder, which has no noise, while the mapped"
    " responses have the first participant's. q: p from exchanging test images, corrected over regions and"
    " pairs."
)
_READ_NOTE = (
    "Decoders trained on the second participant's real responses, on mapped single trials of the first, to"
    " which all its voxels contribute. Own:"
    " on the second participant's trials of the same images. q: p from permuted labels, corrected over"
    " regions and pairs."
)


def transfer_tables(view: TransferView) -> tuple[Table, ...]:
    """The mean over participants, each of them, then pairs."""
    others = view.of(READ_BY_OTHERS)
    pooled = [row for row in others if row.target == GROUP]
    each = [row for row in others if row.target != GROUP]
    tables = []
    if pooled:
        title = "Read by decoders trained on the others, mean over participants"
        tables.append(_decoders(title, pooled, (), note=_OTHERS_NOTE))
    if each:
        title = "Read by decoders trained on the others, each participant"
        tables.append(_decoders(title, each, ("Participant",), detail=True, note=_OTHERS_NOTE))
    if correlated := view.of(CORRELATION):
        tables.append(_correlations(correlated))
    if read := view.of(READ_BY_TARGET):
        title = "One participant's responses read by another's decoder"
        tables.append(_decoders(title, read, ("From", "To"), detail=True, note=_READ_NOTE))
    return tuple(tables)


def _names(score: TransferScore, n: int) -> tuple[str, ...]:
    return (score.source, score.target)[2 - n :] if n else ()


def _decoders(
    title: str, scores: Sequence[TransferScore], who: tuple[str, ...], detail: bool = False, note: str = ""
) -> Table:
    rows = tuple(
        (
            *_names(score, len(who)),
            roi_name(score.roi),
            count(score.n_training),
            count(score.n_trials),
            f"{percent_with_interval(score.value, score.low, score.high)}\n{percent(score.chance)} by chance",
            percent(score.own),
            points_with_interval(score.difference, score.difference_low, score.difference_high),
            probability_cell(score.q),
        )
        for score in scores
    )
    heads = (*who, "Region")
    columns = (*heads, "Training images", "Trials", "Accuracy", "Own", "Difference (points)", "q")
    return Table(title, columns, rows, n_heads=len(heads), note=note, detail=detail)


def _correlations(scores: Sequence[TransferScore]) -> Table:
    rows = tuple(
        (
            score.source,
            score.target,
            roi_name(score.roi),
            count(score.n_images),
            count(score.n_stimuli),
            correlation_with_interval(score.value, score.low, score.high),
            correlation(score.own),
            correlation_with_interval(
                score.difference, score.difference_low, score.difference_high, signed=True
            ),
            probability_cell(score.q),
        )
        for score in scores
    )
    heads = ("From", "To", "Region")
    columns = (*heads, "Common pictures", "Test images", "Correlation", "Own", "Difference", "q")
    title = "Mapped responses with the other participant's own"
    return Table(title, columns, rows, n_heads=len(heads), note=_CORRELATION_NOTE, detail=True)
