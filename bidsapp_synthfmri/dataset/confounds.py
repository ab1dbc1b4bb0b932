"""Confounds of a run, and its volumes left out for motion, from a table of either fMRIPrep naming."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..config import DEFAULT_CONFOUNDS
from ..errors import InputMalformedError, InputMissingError, UsageError
from ..structures import BoolArray
from .bold import n_volumes
from .strategies import (
    DERIVATIVE,
    FRAMEWISE_DISPLACEMENT,
    NONE,
    SQUARE,
    choose_columns,
    find,
    in_short,
    is_pattern,
    matching,
)
from .structures import RunFiles
from .tables import MISSING, column_names, read_tsv

# Beyond this share the rest is no scan of the design that was run, whatever can be fitted to it.
_MOST_CENSORED = 0.5


@dataclass(frozen=True)
class ConfoundTable:
    """Confounds to project out of one run.

    Attributes
    ----------
    names : k columns, as the file spells them
    values : (n_volumes, k), in the file's units
    censored : (n_volumes,) volumes moved more than allowed; None where no threshold was given
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    censored: BoolArray | None = None

    @property
    def n_censored(self) -> int:
        """How many volumes take no part in any fit."""
        return 0 if self.censored is None else int(self.censored.sum())


def needs_table(words: Sequence[str], fd_threshold: float | None) -> bool:
    """Whether anything is read of a confounds table."""
    return fd_threshold is not None or any(word != NONE for word in words)


def read_confounds(
    run: RunFiles,
    n_volumes: int,
    words: Sequence[str] = DEFAULT_CONFOUNDS,
    fd_threshold: float | None = None,
) -> ConfoundTable:
    """The confounds of a run that strategies, names and patterns choose, and its censored volumes.

    Parameters
    ----------
    run : the run's files
    n_volumes : volumes of its BOLD
    words : see ``choose_columns``
    fd_threshold : mm; volumes with a framewise displacement above it are censored

    Returns
    -------
    the columns chosen; a missing first value (a quantity of change has none at the first volume)
    becomes the column's first valid one, which adds no step. The first volume's displacement, where
    missing, is 0. Derivatives and squares that the file lacks are computed

    Raises
    ------
    InputMissingError : the run has no confounds, and some are needed
    InputMalformedError : another number of rows than volumes, a column that a strategy needs missing,
        a value that is no finite number, or over half of the volumes censored
    UsageError : a name that is no column
    """
    if not needs_table(words, fd_threshold):
        return ConfoundTable((), np.empty((n_volumes, 0)))
    if run.confounds is None:
        raise no_confounds(run)
    table = read_tsv(run.confounds)
    if len(table) != n_volumes:
        raise InputMalformedError(
            f"{run.confounds} has {len(table)} rows, but {run.bold} has {n_volumes} volumes",
            "Fetch or make both again: they are not of the same run",
        )
    names = choose_columns(column_names(table), words, run.confounds)
    columns = [_values(table, name, run.confounds) for name in names]
    return ConfoundTable(
        names,
        np.stack(columns, axis=1) if columns else np.empty((n_volumes, 0)),
        None if fd_threshold is None else _censored(run, table, run.confounds, fd_threshold),
    )


def read_all_confounds(
    runs: Sequence[RunFiles], words: Sequence[str], fd_threshold: float | None
) -> dict[str, ConfoundTable]:
    """The confounds of every run, by the run's label.

    Raises
    ------
    UsageError : a pattern that no run has a column for
    InputMissingError, InputMalformedError : see ``read_confounds`` and ``n_volumes``
    """
    tables = {run.label: read_confounds(run, n_volumes(run), words, fd_threshold) for run in runs}
    names = tuple(dict.fromkeys(name for table in tables.values() for name in table.names))
    idle = [word for word in words if is_pattern(word) and not matching(word, names)]
    with_table = next((run.confounds for run in runs if run.confounds is not None), None)
    if idle and with_table is not None:
        raise UsageError(
            f"--confounds {idle[0]} matches no column of any run; {with_table} has:"
            f" {in_short(column_names(read_tsv(with_table)))}",
            "Mend the pattern, or leave it out",
        )
    return tables


def no_confounds(run: RunFiles) -> InputMissingError:
    """The error for a run without a confounds table."""
    return InputMissingError(
        f"{run.label} has no confounds beside {run.bold}",
        "Fetch or make *_desc-confounds_timeseries.tsv (before 2018: *_bold_confounds.tsv), or do without"
        " by --confounds none",
    )


def _values(table: pd.DataFrame, name: str, path: Path) -> NDArray[np.float64]:
    """A column, or what its name says to compute from another."""
    if name in table:
        return _numbers(table[name], name, path)
    if name.endswith(SQUARE):
        return _values(table, name.removesuffix(SQUARE), path) ** 2
    change = np.diff(_values(table, name.removesuffix(DERIVATIVE), path))
    return np.concatenate([change[:1], change])


def _censored(run: RunFiles, table: pd.DataFrame, path: Path, threshold: float) -> BoolArray:
    name = find(FRAMEWISE_DISPLACEMENT, column_names(table))
    if name is None:
        raise InputMalformedError(
            f"{path} has no column {FRAMEWISE_DISPLACEMENT} (before 2018: FramewiseDisplacement), which"
            " --fd-threshold needs",
            "Make the confounds again with it, or leave --fd-threshold out",
        )
    censored: BoolArray = _numbers(table[name], name, path, first=0.0) > threshold
    if censored.sum() > _MOST_CENSORED * len(censored):
        raise InputMalformedError(
            f"{run.label}: {censored.sum()} of {len(censored)} volumes, over half, have a framewise"
            f" displacement above {threshold:g} mm",
            "Raise --fd-threshold, or leave the run's session out with --session-label",
        )
    return censored


def _numbers(cells: pd.Series[str], name: str, path: Path, first: float | None = None) -> NDArray[np.float64]:
    """A column's numbers; a missing first one is ``first``, or the first valid one."""
    text = cells.str.strip()
    values = pd.to_numeric(text, errors="coerce").to_numpy(dtype=np.float64, copy=True)
    finite = np.isfinite(values)
    if not finite.any():
        raise InputMalformedError(
            f"{path}: {name} has no number in any volume ({text.iloc[0]!r} in the first)",
            "Make the confounds again, or choose others with --confounds",
        )
    if len(values) > 1 and text.iloc[0] in MISSING and finite[1:].any():
        values[0] = values[1:][finite[1:]][0] if first is None else first
        finite[0] = True
    if not finite.all():
        row = int(np.argmin(finite))
        raise InputMalformedError(
            f"{path}: {name} of volume {row + 1} is {text.iloc[row]!r}",
            "Fetch or make the confounds again: every volume after the first needs a number",
        )
    return values
