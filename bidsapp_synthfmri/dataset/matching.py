"""Rows of precomputed responses against the trials of the events."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import InputMalformedError
from ..structures import IntArray, Trials

_SAME_SECONDS = 1e-3
_ROUNDING = 1e-9
_REPEAT_PREFIX = "rep_"
_REMEDY = "Give the responses to these events, in their order; sessions can be left out with --session-label"


def rows_of_trials(path: Path, n_rows: int, trials: Trials, every: Trials) -> IntArray:
    """Row of each trial where a file has one row a trial, in order of presentation, and no names.

    Parameters
    ----------
    path : the file, for messages
    n_rows : its rows
    trials : of the sessions asked for
    every : of all sessions; a file of all of them may be used for some

    Returns
    -------
    (n_trials,) row numbers from 0

    Raises
    ------
    InputMalformedError : as many rows as neither has trials
    """
    if n_rows == len(every):
        return positions_among(trials, every)
    if n_rows == len(trials):
        return np.arange(n_rows, dtype=np.int64)
    raise count_mismatch(path, n_rows, trials if n_rows < len(trials) else every)


def positions_among(trials: Trials, every: Trials) -> IntArray:
    """(n_trials,) position of each trial of some sessions among those of all, from 0."""
    chosen = every.table["session"].isin(set(trials.table["session"]))
    return np.flatnonzero(chosen).astype(np.int64)


def count_mismatch(path: Path, n_rows: int, trials: Trials) -> InputMalformedError:
    """The error for a file with more or fewer rows than there are trials; it names the first that differs."""
    n_trials = len(trials)
    if n_rows < n_trials:
        first = f"the first trial without a row is number {n_rows + 1}, {said(trials, n_rows)}"
    else:
        first = f"the first row without a trial is number {n_trials + 1}"
    return InputMalformedError(
        f"{path} has responses to {n_rows} trials and the events have {n_trials}: {first}", _REMEDY
    )


def require_names(path: Path, names: Sequence[str], rows: IntArray, trials: Trials) -> None:
    """Check that a list of pictures names those of the trials.

    Parameters
    ----------
    path : the list's file
    names : one a row; a ``rep_`` before a repeated picture's name is no part of it
    rows : (n_trials,) row of each trial

    Raises
    ------
    InputMalformedError : the first row that names another picture than the events
    """
    for trial, (row, stimulus) in enumerate(zip(rows, trials.table["stimulus"], strict=True)):
        name = names[row]
        if not any(is_named(given, stimulus) for given in (name, name.removeprefix(_REPEAT_PREFIX))):
            raise InputMalformedError(
                f"Row {row + 1} of {path} is {name!r}, and the events have {said(trials, trial)}", _REMEDY
            )


def match_table(table: pd.DataFrame, trials: Trials) -> IntArray:
    """Trial of each row of a table of trials, which may lack some but not add or move any.

    Parameters
    ----------
    table : ``session``, ``run`` (str), ``onset`` (seconds, within a millisecond) and ``stimulus``; and
        ``where`` the row stands, in words
    trials : of the events

    Returns
    -------
    (n_rows,) positions among ``trials``, rising

    Raises
    ------
    InputMalformedError : the first row that is no trial of the events, or is not in their order
    """
    find = _finder(trials)
    rows = table[["session", "run", "onset", "stimulus"]].itertuples(index=False, name=None)
    complete = len(table) == len(trials)
    found: list[int] = []
    for number, row in enumerate(rows):
        following = found[-1] + 1 if found else 0
        position = find(*row)
        if position is None or position < following or (complete and position != number):
            there = said(trials, following) if following < len(trials) else "no further trial"
            raise InputMalformedError(
                f"{table['where'].iloc[number]} is {_words(*row)}, and the events have {there} there", _REMEDY
            )
        found.append(position)
    return np.array(found, dtype=np.int64)


def _finder(trials: Trials) -> Callable[[str, str, float, str], int | None]:
    """Position of the trial with some session, run, onset and stimulus; None where there is none."""
    by_run: dict[tuple[str, str], list[tuple[int, float, str]]] = defaultdict(list)
    events = trials.table[["session", "run", "onset", "stimulus"]].itertuples(index=False, name=None)
    for position, (session, run, onset, stimulus) in enumerate(events):
        by_run[_plain(session), _plain(run)].append((position, onset, stimulus))

    def find(session: str, run: str, onset: float, stimulus: str) -> int | None:
        for position, start, shown in by_run.get((_plain(session), _plain(run)), ()):
            if abs(start - onset) <= _SAME_SECONDS + _ROUNDING and is_named(stimulus, shown):
                return position
        return None

    return find


def is_named(name: str, stimulus: str) -> bool:
    """Whether a row's name is that of a stimulus; one without folders may leave out the stimulus's own."""
    normal = posixpath.normpath(name.strip().replace("\\", "/"))
    return normal == stimulus or ("/" not in normal and normal == posixpath.basename(stimulus))


def said(trials: Trials, position: int) -> str:
    """A trial in words: session, run, onset and picture."""
    row = trials.table.iloc[position]
    return _words(row["session"], row["run"], row["onset"], row["stimulus"])


def _words(session: str, run: str, onset: float, stimulus: str) -> str:
    parts = (session and f"ses-{session}", run and f"run-{run}", f"onset {onset:.7g}", stimulus)
    return " ".join(part for part in parts if part)


def _plain(label: str) -> str:
    """A label as numbers are compared: a spreadsheet turns ``01`` into ``1``."""
    return str(int(label)) if label.isascii() and label.isdigit() else label
