"""Tables of the group's exact numbers: accuracies, and differences between training sets."""

from __future__ import annotations

from collections.abc import Sequence

from .decoding_scores import Accuracy, Contrast, DecodingScores, short_training_name
from .estimates import GROUP, roi_name
from .numbers import count, counted, percent, percent_with_interval, points_with_interval, probability_cell
from .tables import Table

_ACCURACY_NOTE = (
    "Balanced accuracy with 95% interval. Chance: mean accuracy with permuted labels. p: from permuted"
    " labels, one-sided. q: p corrected over regions and training sets, whole training sets only."
)


def decoding_tables(scores: DecodingScores) -> tuple[Table, ...]:
    """Accuracies with the whole training sets, pooled; then every accuracy."""
    main = [row for row in scores.rows if row.full and row.participant == scores.main]
    every = _every_accuracy(scores.rows)
    return (_main_accuracies(scores, main), every) if len(main) < len(scores.rows) else (every,)


def contrast_tables(contrasts: Sequence[Contrast], scores: DecodingScores) -> tuple[Table, ...]:
    """Differences of two decoders, whole sets then sets of equal size; pooled, then of each participant."""
    tables = []
    for whose in ("pooled", "each"):
        own = [one for one in contrasts if (one.participant == scores.main) == (whose == "pooled")]
        for equal_size, sizes in ((False, "whole training sets"), (True, "as many images as real")):
            chosen = [one for one in own if one.equal_size == equal_size]
            title = f"Synthetic less real, {sizes}"
            if chosen and whose == "pooled":
                tables.append(_pooled_contrasts(title + _mean_over(scores), chosen))
            elif chosen:
                tables.append(_each_contrast(f"{title}, each participant", chosen))
    return tuple(tables)


def _main_accuracies(scores: DecodingScores, accuracies: Sequence[Accuracy]) -> Table:
    rows = tuple(
        (
            roi_name(row.roi),
            short_training_name(row.training),
            count(row.n_training),
            percent_with_interval(row.value, row.low, row.high),
            percent(row.chance),
            probability_cell(row.p),
            probability_cell(row.q),
        )
        for row in accuracies
    )
    heads = ("Region", "Trained on", "Training images", "Accuracy", "Chance", "p", "q")
    note = _ACCURACY_NOTE + _tested_on(accuracies)
    return Table(f"Whole training sets{_mean_over(scores)}", heads, rows, n_heads=2, note=note)


def _every_accuracy(accuracies: Sequence[Accuracy]) -> Table:
    rows = tuple(
        (
            _whose(row.participant),
            roi_name(row.roi),
            short_training_name(row.training),
            count(row.n_training) + ("" if row.full else " (part)"),
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
    columns = (*heads, "Accuracy", "Chance", "p", "q")
    return Table("Every accuracy", columns, rows, n_heads=3, note=_ACCURACY_NOTE, detail=True)


def _tested_on(accuracies: Sequence[Accuracy]) -> str:
    """What all of them were tested on; nothing where that differs."""
    tests = {(row.n_test_trials, row.n_test_stimuli, row.n_classes) for row in accuracies}
    if len(tests) != 1:
        return ""
    trials, images, classes = tests.pop()
    return (
        f" Tested on {counted(trials, 'real trial')} of {counted(images, 'image')} in"
        f" {counted(classes, 'category', 'categories')}."
    )


def _pooled_contrasts(title: str, contrasts: Sequence[Contrast]) -> Table:
    rows = tuple(_contrast(one) for one in contrasts)
    return Table(title, ("Region", "Trained on", "Difference (points)", "p", "q"), rows, n_heads=2)


def _each_contrast(title: str, contrasts: Sequence[Contrast]) -> Table:
    rows = tuple((_whose(one.participant), *_contrast(one)) for one in contrasts)
    heads = ("Participant", "Region", "Trained on", "Difference (points)", "p", "q")
    return Table(title, heads, rows, n_heads=3, detail=True)


def _contrast(one: Contrast) -> tuple[str, ...]:
    return (
        roi_name(one.roi),
        short_training_name(one.training),
        points_with_interval(one.difference, one.low, one.high),
        probability_cell(one.p),
        probability_cell(one.q),
    )


def _mean_over(scores: DecodingScores) -> str:
    return ", mean over participants" if len(scores.participants) > 1 else ""


def _whose(participant: str) -> str:
    return "pooled" if participant == GROUP else participant
