"""A category for every stimulus, from a column, a table or the stimulus' name."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import pandas as pd

from ..errors import InputMalformedError

_TRAILING_NUMBER = re.compile(r"[\s_.-]*\d+$")
_MISSING = frozenset({"", "n/a", "nan", "NaN", "None"})
_FROM_NAMES = (
    "from the stimuli's names: the first folder where there is one, "
    "else the file's name less its extension and trailing number."
)


@dataclass(frozen=True)
class Labels:
    """Categories of stimuli.

    Attributes
    ----------
    names : one a stimulus, in the order asked for; None where the source has none
    source : a sentence that says where the labels come from
    n_unlabelled : how many stimuli have none
    """

    names: tuple[str | None, ...]
    source: str
    n_unlabelled: int


def label_stimuli(
    stimuli: Sequence[str],
    trials: pd.DataFrame | None = None,
    column: str | None = None,
    labels: pd.DataFrame | None = None,
    where: str = "the labels table",
    of: str = "",
    fallback_to_names: bool = False,
    label: str = "label",
) -> Labels:
    """Labels of stimuli from a labels table, else from a column of the trials, else from their names.

    A stimulus may be spelt in any way that leads to the same file (``./a.jpg``, ``x//a.jpg``).

    Parameters
    ----------
    stimuli : identities
    trials : table with ``stimulus`` and ``column``; a stimulus may have several rows (presentations)
    column : the column of ``trials`` that holds the label
    labels : table with columns ``stimulus`` and ``label``, or the one that ``label`` names
    where : what messages call that table; its file
    of : what messages call the set that the stimuli are of (``image set NAME``)
    fallback_to_names : take the names where the table knows none of the stimuli
    label : the column of ``labels`` that holds the label

    Raises
    ------
    InputMalformedError : a column is not there, a stimulus has two labels, or the table knows none of
        the stimuli and the names are not asked for
    """
    if labels is not None:
        found = _from_table(labels, label, where)
        source = "Labels come from the table given with --labels."
        if label != "label":
            source = f"Labels come from the column {label!r} of the table given with --labels."
        if stimuli and not any(_identity(stimulus) in found for stimulus in stimuli):
            if not fallback_to_names:
                raise _no_overlap(stimuli, where, of)
            found = _from_names(stimuli)
            source = f"The table given with --labels has none of these stimuli; labels come {_FROM_NAMES}"
    elif trials is not None and column is not None:
        found = _from_table(trials, column, "the trials table")
        source = f"Labels come from the column {column!r} of the trials."
    else:
        found = _from_names(stimuli)
        source = f"Labels come {_FROM_NAMES}"
    names = tuple(found.get(_identity(stimulus)) for stimulus in stimuli)
    return Labels(names, source, sum(name is None for name in names))


def label_from_name(stimulus: str) -> str | None:
    """The first folder of a stimulus' path, else its file name less extension and trailing number.

    None where nothing is left (a name that is only a number).
    """
    path = PurePosixPath(stimulus)
    folders = [part for part in path.parent.parts if part not in ("/", "..")]
    if folders:
        return folders[0]
    return _TRAILING_NUMBER.sub("", path.stem) or None


def _from_names(stimuli: Sequence[str]) -> dict[str, str | None]:
    return {_identity(stimulus): label_from_name(str(stimulus)) for stimulus in stimuli}


def _identity(stimulus: object) -> str:
    """The one spelling of a stimulus, the same that the trials' stimuli are given when they are read."""
    return posixpath.normpath(str(stimulus).strip().replace("\\", "/"))


def _from_table(table: pd.DataFrame, column: str, where: str) -> dict[str, str | None]:
    for needed in ("stimulus", column):
        if needed not in table.columns:
            raise InputMalformedError(
                f"There is no column {needed!r} in {where}",
                f"Name one of its columns: {', '.join(map(str, table.columns))}",
            )
    found: dict[str, str | None] = {}
    for stimulus, value in zip(map(_identity, table["stimulus"]), table[column], strict=True):
        label = _text(value)
        known = found.get(stimulus)
        if known is not None and label is not None and label != known:
            raise InputMalformedError(
                f"Stimulus {stimulus!r} has more than one label in column {column!r} of {where}: "
                f"{known!r} and {label!r}",
                "Give every presentation of a stimulus the same label, or choose another column",
            )
        found[stimulus] = label if known is None else known
    return found


def _text(value: object) -> str | None:
    """A cell as text; whole floats lose their point, because a missing cell turns integers into floats."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value).strip()
    return None if text in _MISSING or value is pd.NA else text


def _no_overlap(stimuli: Sequence[str], where: str, of: str) -> InputMalformedError:
    asked = f"the {len(stimuli)} stimuli{of and f' of {of}'}"
    return InputMalformedError(
        f"Column 'stimulus' of {where} names none of {asked} (the first is {stimuli[0]!r})",
        "Write the stimuli there as the events, or the image set, name them",
    )
