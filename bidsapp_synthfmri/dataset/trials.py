"""events.tsv files -> the table of trials."""

from __future__ import annotations

import math
import posixpath
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ..errors import InputMalformedError
from ..formulas import is_formula
from ..structures import Trials
from .structures import ParticipantEvents, RunEvents
from .tables import MISSING, column_names, read_tsv

_OWN_COLUMNS = ("session", "run", "onset", "duration", "stimulus")
# Columns that the tables of trials and of stimuli add; `label` is not one: it may be the stimuli's category.
_RESERVED = frozenset({"session", "run", "stimulus", "trial", "split", "prediction", "image"})


@dataclass(frozen=True)
class TrialsRead:
    """Trials, and how many rows of the events named no picture.

    Attributes
    ----------
    trials : in order of session, run and onset
    skipped_rows : rows without a picture (fixation, button presses)
    """

    trials: Trials
    skipped_rows: int


def read_trials(files: ParticipantEvents, stimulus_column: str) -> TrialsRead:
    """Every presentation of a picture to a participant.

    Parameters
    ----------
    files : the participant's runs
    stimulus_column : events column that names the picture; a row without one is no trial

    Returns
    -------
    trials, whose ``stimulus`` is the picture's path in its shortest spelling: without surrounding blanks,
    with one ``/`` between folders, and without ``.`` and ``..`` but where it leads outside. Other columns
    are the events' own, as text; one whose name is taken (``session``, ``run``, ``stimulus``, ``trial``,
    ``split``, ``prediction``, ``image``), or begins as a formula does, is prefixed with ``events_``.

    Raises
    ------
    InputMalformedError : the column is not there, an onset or a duration is no number, a row is there
        twice, a name is no file's, or no row of any run names a picture
    """
    tables = []
    skipped = 0
    for run in files.runs:
        table, without_picture = _read_run(run, stimulus_column)
        tables.append(table)
        skipped += without_picture
    if not any(len(table) for table in tables):
        raise InputMalformedError(
            f"No row of {files.runs[0].events} and of {len(files.runs) - 1} other events files names a"
            f" picture in column {stimulus_column}",
            "Name the column that does with --stimulus-column",
        )
    joined = pd.concat([table for table in tables if len(table)], ignore_index=True)
    return TrialsRead(Trials(joined.fillna("n/a")), skipped)


def no_stimulus_column(path: Path, columns: tuple[str, ...], wanted: str) -> InputMalformedError:
    """The error for events that do not say which picture was shown."""
    return InputMalformedError(
        f"{path} has no column {wanted}; its columns are {', '.join(columns) or 'none'}",
        "Name the one that holds the picture's file with --stimulus-column",
    )


def _read_run(run: RunEvents, stimulus_column: str) -> tuple[pd.DataFrame, int]:
    events = read_tsv(run.events)
    if stimulus_column not in events:
        raise no_stimulus_column(run.events, column_names(events), stimulus_column)
    stimulus = events[stimulus_column].str.strip()
    shown = ~stimulus.isin(MISSING)
    events = events[shown]
    table = pd.DataFrame(
        {
            "session": run.session,
            "run": run.run,
            "onset": _seconds(events, "onset", run.events),
            "duration": _seconds(events, "duration", run.events),
            "stimulus": _paths(stimulus[shown], run.events),
        },
        columns=list(_OWN_COLUMNS),
    )
    _refuse_duplicates(table, run.events)
    others = events.drop(columns=["onset", "duration", stimulus_column], errors="ignore")
    taken = [name for name in others if name in _RESERVED or is_formula(str(name))]
    others = others.rename(columns={name: f"events_{name}" for name in taken})
    table = pd.concat([table, others], axis="columns").sort_values("onset", kind="stable")
    return table.reset_index(drop=True), int((~shown).sum())


def _paths(stimulus: pd.Series[str], path: Path) -> pd.Series[str]:
    """Names of pictures, each in the one spelling that all its presentations share."""
    normal = stimulus.str.replace("\\", "/").map(posixpath.normpath).astype(object)
    no_file = normal.index[normal == "."]
    if len(no_file):
        raise InputMalformedError(
            f"{path}: the picture in row {int(no_file[0]) + 1} is {stimulus.loc[no_file[0]]!r},"
            " which names no file",
            "Write the picture's file, or n/a where none was shown",
        )
    return normal


def _refuse_duplicates(table: pd.DataFrame, path: Path) -> None:
    repeated = table[table.duplicated(["onset", "stimulus"])]
    if len(repeated):
        first = repeated.iloc[0]
        raise InputMalformedError(
            f"{path} has {first['stimulus']} at onset {first['onset']:g} more than once"
            f" ({len(repeated)} rows of the file repeat another)",
            "Remove the duplicated row",
        )


def _seconds(events: pd.DataFrame, column: str, path: Path) -> pd.Series[float]:
    if column not in events:
        raise InputMalformedError(
            f"{path} has no column {column}; its columns are {', '.join(column_names(events))}",
            f"Add {column}, in seconds: BIDS requires it",
        )
    values = pd.to_numeric(events[column].str.strip(), errors="coerce").astype(float)
    for row, (text, value) in enumerate(zip(events[column], values, strict=True)):
        if not math.isfinite(value) or (column == "duration" and value < 0):
            raise InputMalformedError(
                f"{path}: {column} of the picture in row {int(events.index[row]) + 1} is {text.strip()!r}",
                f"Write {column} in seconds",
            )
    return values
