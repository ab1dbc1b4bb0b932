"""What JSON sidecars and headers say of a run's timing, by BIDS' inheritance principle."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputMalformedError
from ..json_objects import read_object
from .names import NamedFile
from .volumes import open_volume

_SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
# Consoles and converters round to the millisecond.
_SAME_SECONDS = 1e-3
# A day: no repetition or start time is longer.
_MOST_SECONDS = 86_400
_SHOWN = 80


def by_folder(files: Iterable[NamedFile]) -> dict[Path, list[NamedFile]]:
    """Files, by the folder they lie in."""
    folders: dict[Path, list[NamedFile]] = defaultdict(list)
    for file in files:
        folders[file.path.parent].append(file)
    return dict(folders)


def applicable(
    candidates: Mapping[Path, Sequence[NamedFile]],
    file: NamedFile,
    ignoring: frozenset[str] = frozenset(),
) -> tuple[NamedFile, ...]:
    """Files that apply to another by inheritance, from the most general to the most specific.

    A file applies when it lies in the same folder or above, and its name says nothing that the
    other's does not say too.

    Parameters
    ----------
    candidates : files of the suffix and extension wanted, by folder
    file : the file they may apply to
    ignoring : entities not compared, besides suffix and extension
    """
    free = ignoring | {"suffix", "extension"}
    found = [
        candidate
        for folder in file.path.parents
        for candidate in candidates.get(folder, ())
        if all(file.get(name) == value for name, value in candidate.entities.items() if name not in free)
    ]
    return tuple(sorted(found, key=specificity))


def specificity(file: NamedFile) -> tuple[int, int]:
    """Depth and number of entities: the greater, the more specific a file."""
    return len(file.path.parts), len(file.entities)


def stated(sidecars: Iterable[NamedFile], field: str) -> float | None:
    """A field in seconds, from the most specific sidecar that has it; None where none has.

    Raises
    ------
    InputMalformedError : not JSON, or the value is no number of at most a day's seconds
    """
    value = None
    for sidecar in sidecars:
        content = read_sidecar(sidecar.path)
        if field in content:
            value = content[field]
            if not _is_seconds(value):
                raise InputMalformedError(
                    f"{sidecar.path}: {field} is {str(value)[:_SHOWN]!r}",
                    f"Write {field} as a number, in seconds",
                )
    return None if value is None else float(value)


def _is_seconds(value: object) -> bool:
    """Whether a value is a number of seconds; JSON as Python reads it has NaN, Infinity and any integer."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= _MOST_SECONDS and math.isfinite(value)


def repetition_time(bold: Path, sidecars: Iterable[NamedFile]) -> float:
    """Repetition time in seconds, from sidecars, else from the header.

    Parameters
    ----------
    bold : preprocessed BOLD
    sidecars : the raw run's, then the preprocessed one's, each from general to specific

    Raises
    ------
    InputMalformedError : neither says it, or they contradict each other

    Notes
    -----
    Releases of fMRIPrep wrote 1 s, nothing, or milliseconds called seconds into the header whatever
    the truth (its issues 384, 3216, 3270, 1725). Such a header is no evidence: it neither
    contradicts a sidecar nor stands in for one.
    """
    said = stated(sidecars, "RepetitionTime")
    header = _header_repetition_time(bold)
    if said is None:
        if header is None or header == 1:
            raise InputMalformedError(
                f"No sidecar of {bold} states RepetitionTime, and its header cannot be trusted on it",
                'Write "RepetitionTime", in seconds, into the JSON file beside the raw BOLD',
            )
        return header
    if said <= 0:
        raise InputMalformedError(
            f"The sidecar of {bold} states a RepetitionTime of {said}", "Write it in seconds"
        )
    placeholder = header is None or header == 1 or abs(header - 1000 * said) <= _SAME_SECONDS * 1000
    if not placeholder and header is not None and abs(header - said) > _SAME_SECONDS:
        raise InputMalformedError(
            f"{bold}: its header says a repetition time of {header:g} s, its sidecar {said:g} s",
            "Mend the one that is wrong",
        )
    return said


def _header_repetition_time(bold: Path) -> float | None:
    if bold.suffix == ".gii":
        return None
    header = open_volume(bold).header
    zooms = header.get_zooms()
    unit = header.get_xyzt_units()[1]
    if len(zooms) < 4 or unit not in _SECONDS or not 0 < zooms[3] * _SECONDS[unit] <= _MOST_SECONDS:
        return None
    return float(zooms[3]) * _SECONDS[unit]


def read_sidecar(path: Path) -> dict[str, Any]:
    """A sidecar's fields.

    Raises
    ------
    InputMalformedError : not a JSON object
    """
    return read_object(path, "Mend or fetch the file again")
