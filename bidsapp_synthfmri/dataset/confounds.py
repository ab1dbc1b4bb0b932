"""Confounds of a run: motion, aCompCor and non-steady-state volumes, of either fMRIPrep naming."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import InputMalformedError, InputMissingError
from .names import natural_key
from .structures import RunFiles
from .tables import MISSING, column_names, read_tsv

_MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
_MOTION_BEFORE_2018 = ("X", "Y", "Z", "RotX", "RotY", "RotZ")
_ACOMPCOR = re.compile(r"(?:a_comp_cor_|aCompCor)\d+")
_OUTLIER = re.compile(r"(?:non_steady_state_outlier|NonSteadyStateOutlier)_?\d+")
N_ACOMPCOR = 5


@dataclass(frozen=True)
class ConfoundTable:
    """Confounds to project out of one run.

    Attributes
    ----------
    names : k columns, as the file spells them
    values : (n_volumes, k), in the file's units
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]


def read_confounds(run: RunFiles, n_volumes: int) -> ConfoundTable:
    """The default confounds of a run: six motion parameters, the first five aCompCor, outliers.

    Parameters
    ----------
    run : the run's files
    n_volumes : volumes of its BOLD

    Returns
    -------
    its columns in that order; a missing first value (a quantity of change has none at the first
    volume) becomes the column's first valid one, which adds no step

    Raises
    ------
    InputMissingError : the run has no confounds
    InputMalformedError : another number of rows than volumes, motion missing, or a value that is
        no finite number
    """
    if run.confounds is None:
        raise no_confounds(run)
    table = read_tsv(run.confounds)
    if len(table) != n_volumes:
        raise InputMalformedError(
            f"{run.confounds} has {len(table)} rows, but {run.bold} has {n_volumes} volumes",
            "Fetch or make both again: they are not of the same run",
        )
    names = _default_names(run.confounds, column_names(table))
    columns = [_numbers(table[name], name, run.confounds) for name in names]
    return ConfoundTable(names, np.stack(columns, axis=1))


def no_confounds(run: RunFiles) -> InputMissingError:
    """The error for a run without a confounds table."""
    return InputMissingError(
        f"{run.label} has no confounds beside {run.bold}",
        "Fetch or make *_desc-confounds_timeseries.tsv (before 2018: *_bold_confounds.tsv)",
    )


def _default_names(path: Path, columns: tuple[str, ...]) -> tuple[str, ...]:
    motion = _MOTION if any(name in columns for name in _MOTION) else _MOTION_BEFORE_2018
    missing = [name for name in motion if name not in columns]
    if len(missing) == len(motion):
        missing = [*_MOTION, f"(or {', '.join(_MOTION_BEFORE_2018)})"]
    if missing:
        raise InputMalformedError(
            f"{path} lacks the motion parameters {', '.join(missing)}",
            "Fetch or make the confounds again, with motion",
        )
    acompcor = sorted(filter(_ACOMPCOR.fullmatch, columns), key=natural_key)[:N_ACOMPCOR]
    outliers = sorted(filter(_OUTLIER.fullmatch, columns), key=natural_key)
    return (*motion, *acompcor, *outliers)


def _numbers(cells: pd.Series[str], name: str, path: Path) -> NDArray[np.float64]:
    text = cells.str.strip()
    values = pd.to_numeric(text, errors="coerce").to_numpy(dtype=np.float64, copy=True)
    finite = np.isfinite(values)
    if len(values) > 1 and text.iloc[0] in MISSING and finite[1:].any():
        values[0] = values[1:][finite[1:]][0]
        finite[0] = True
    if not finite.all():
        row = int(np.argmin(finite))
        raise InputMalformedError(
            f"{path}: {name} of volume {row + 1} is {text.iloc[row]!r}",
            "Fetch or make the confounds again: every volume after the first needs a number",
        )
    return values
