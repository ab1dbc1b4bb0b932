"""What the experiments decide, claim by claim, and every experiment's accuracies, as tables."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ..decoding.decisions import (
    BEATS,
    BEATS_AT_EQUAL_SIZE,
    CANNOT_SAY,
    LEAST_EFFECT,
    NEEDS_ENCODER,
    NEEDS_TRAINING,
    READS,
    READS_UNSEEN,
    SOURCE_SHOWS,
    TRANSFERS,
)
from ..decoding.experiment_list import IMAGE_FEATURES, MEANS, SEEN, SHUFFLED, SOURCE, UNSEEN, UNTRAINED
from .decoding_scores import short_training_name, training_name
from .estimates import GROUP, number, roi_name
from .numbers import (
    MISSING,
    count,
    counted,
    percent,
    percent_with_interval,
    points_with_interval,
    probability_cell,
)
from .tables import Table

_CLAIMS = {
    READS: "{training} teach a decoder to read real responses to unseen images",
    READS_UNSEEN: "{training}, by encoders without the categories, teach a decoder to tell apart real"
    " responses to categories that it never saw",
    BEATS: "{training} teach it better than real responses do",
    BEATS_AT_EQUAL_SIZE: "{training} teach it better than real responses to as many images do",
    NEEDS_ENCODER: "{training} teach it better than the same shuffled over images",
    NEEDS_TRAINING: "{training} teach it better than those of the same network untrained",
    TRANSFERS: "Real responses of the other participants, mapped through synthetic ones, teach a decoder to"
    " read a participant who gave no labelled trial",
    SOURCE_SHOWS: "Control: real responses tell which source a picture is from",
}
_CONTROLS = {
    SOURCE: "control: source of the picture",
    SHUFFLED: "control: shuffled over images",
    UNTRAINED: "control: untrained network",
    IMAGE_FEATURES: "ceiling",
}
_RULE = (
    "Supported: q below .05 and the effect above zero. Not supported: q below .05 and the effect below zero,"
    f" or the whole interval below {100 * LEAST_EFFECT:g} points, which is too little to count. Cannot say:"
    " neither; these participants and images do not decide it, and that is no evidence against the claim."
    " Effects are points of balanced accuracy, above chance or of a difference; q is p corrected over all"
    " rows of this table."
)
_PEOPLE = (
    " The first interval holds for new images shown to these participants; the second draws participants too."
    " With fewer than about ten of them it is too narrow, by an eighth with four."
)


def decision_table(decisions: pd.DataFrame) -> Table | None:
    """A line a claim; None without one."""
    if decisions.empty:
        return None
    several = bool((decisions["n_participants"] > 1).any())
    each = bool((decisions["participant"] != GROUP).any())
    heads = ("Claim", "Verdict", "Experiment", *(("Participant",) if each else ()))
    columns = (*heads, "Effect (points)", *(("Participants drawn too",) if several else ()), "q")
    rows = tuple(_decision(row, several, each) for _, row in decisions.iterrows())
    where = dict.fromkeys(roi_name(str(roi)) for roi in decisions["roi"])
    note = f"From {' or '.join(where)}. {_RULE}{_PEOPLE if several else ''}"
    return Table("Claims and verdicts", columns, rows, n_heads=len(heads), note=note)


def experiment_tables(experiments: pd.DataFrame, main: str) -> tuple[Table, ...]:
    """Accuracies with whole training sets of the other experiments and controls; pooled, then of each."""
    whole = experiments[experiments["full"].astype(bool)]
    others = whole[(whole["experiment"] != main) | (whole["control"] != "none")]
    if others.empty:
        return ()
    pooled = others[others["participant"] == GROUP]
    each = others[others["participant"] != GROUP]
    tables = []
    if len(pooled) and (pooled["n_participants"] > 1).any():
        tables.append(_accuracies("Other experiments and controls, mean over participants", pooled, ()))
    title = "Other experiments and controls" + (", each participant" if tables else "")
    rows = each if len(each) else pooled
    tables.append(_accuracies(title, rows, ("Participant",), detail=bool(tables)))
    return tuple(tables)


def _decision(row: pd.Series, several: bool, each: bool) -> tuple[str, ...]:
    name = training_name(str(row["training"]))
    claim = _CLAIMS[str(row["claim"])].format(training=name[0].upper() + name[1:])
    effect, *ends = (number(row[column]) for column in ("effect", "ci_low", "ci_high"))
    people = tuple(number(row[column]) for column in ("people_low", "people_high"))
    drawn = MISSING if people[0] != people[0] else points_with_interval(effect, *people)
    return (
        claim,
        _verdict(row),
        _experiment_name(row),
        *((str(row["participant"]),) if each else ()),
        points_with_interval(effect, *ends),
        *((drawn,) if several else ()),
        probability_cell(number(row["p_fdr"])),
    )


def _verdict(row: pd.Series) -> str:
    said = str(row["verdict"])
    if said != CANNOT_SAY:
        return said
    people = counted(row["n_participants"], "participant")
    return f"cannot say with {counted(row['n_test_stimuli'], 'test image')} and {people}"


def _experiment_name(row: pd.Series) -> str:
    source = str(row["source"])
    return str(row["experiment"]) + ("" if source == "all" else f", within {source}")


def _accuracies(title: str, rows: pd.DataFrame, extra: Sequence[str], detail: bool = False) -> Table:
    lines = tuple(
        (
            *((str(row["participant"]),) if extra else ()),
            _experiment_name(row),
            _how(row),
            "none" if row["control"] == IMAGE_FEATURES else roi_name(str(row["roi"])),
            short_training_name(str(row["training"])) + _control(row),
            count(number(row["n_training"])),
            percent_with_interval(number(row["accuracy"]), number(row["ci_low"]), number(row["ci_high"])),
            percent(number(row["chance"])),
            probability_cell(number(row["p_fdr"])),
        )
        for _, row in rows.iterrows()
    )
    heads = (*extra, "Experiment", "How", "Region", "Trained on")
    columns = (*heads, "Training images", "Accuracy", "Chance", "q")
    note = (
        "Balanced accuracy with 95% interval, whole training sets. q: p corrected over regions and training"
        " sets of the experiment. Controls are families of their own. The shuffled one should lie near"
        " chance, off it by the luck of its one shuffle."
    )
    return Table(title, columns, lines, n_heads=len(heads), note=note, detail=detail)


def _how(row: pd.Series) -> str:
    """``lda, labels names, means of repeats``."""
    parts = [str(row["classifier"]), f"labels {row['labels']}"]
    if row["noise"] != "none":
        parts.append(f"{row['noise']} noise, {counted(row['repeats'], 'trial')} an image")
    if row.get("categories", SEEN) == UNSEEN:
        parts.append("unseen categories")
    if row["test"] == MEANS:
        parts.append("means of repeats")
    return ", ".join(parts)


def _control(row: pd.Series) -> str:
    control = _CONTROLS.get(str(row["control"]))
    return "" if control is None else f" ({control})"
