"""``--bids-filter-file``: entities that files must have, kind of file by kind of file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputMalformedError, InputMissingError, NothingMatchedError
from ..json_objects import read_object
from .names import (
    NamedFile,
    is_brain_mask,
    is_confounds,
    is_preprocessed_bold,
    known_entities,
    roi_name,
)

EVENTS, BOLD, MASK, CONFOUNDS, ROI = KINDS = ("events", "bold", "mask", "confounds", "roi")
# Kinds that other BIDS Apps know, whose files are not read here.
_OF_OTHERS = frozenset({"t1w", "t2w", "flair", "fmap", "sbref", "dwi", "asl", "pet", "xfm"})
_ANY = "*"
# Filter files of other BIDS Apps say these too; what is of a kind is settled here.
_OF_THE_KIND = frozenset({"datatype", "suffix", "extension"})
_REMEDY = "See docs/your-dataset.md, or leave --bids-filter-file out"


@dataclass(frozen=True)
class EntityFilter:
    """What files of each kind must say in their names.

    Attributes
    ----------
    path : the file that says so; None where nothing is asked for
    wanted : kind -> entity -> allowed values; ``None`` among them allows names without the entity, ``"*"``
        any value
    """

    path: Path | None = None
    wanted: Mapping[str, Mapping[str, tuple[str | None, ...]]] = field(default_factory=dict)

    def kept(self, files: Iterable[NamedFile]) -> tuple[NamedFile, ...]:
        """Files that have what is asked for, and those of which nothing is.

        Raises
        ------
        NothingMatchedError : files of a kind are there, and none has it
        """
        files = tuple(files)
        kept = tuple(file for file in files if self._allows(file))
        for kind in self.wanted:
            there = [file for file in files if kind_of(file) == kind]
            if there and not any(kind_of(file) == kind for file in kept):
                raise NothingMatchedError(
                    f"--bids-filter-file {self.path}: none of {len(there)} {kind} files has the entities"
                    f" that it asks for, e.g. {there[0].path.name}",
                    "Change what it asks for",
                )
        return kept

    def _allows(self, file: NamedFile) -> bool:
        asked = self.wanted.get(kind_of(file) or "", {})
        return all(_matches(file.get(entity), values) for entity, values in asked.items())


def read_filter(path: Path | None) -> EntityFilter:
    """The filter in a file; one that keeps everything where there is no file.

    Raises
    ------
    InputMissingError, InputMalformedError : not there, not JSON, a kind or an entity that is not known
    """
    if path is None:
        return EntityFilter()
    where = f"--bids-filter-file {path}"
    if not path.exists():
        raise InputMissingError(f"{where} is not there", _REMEDY)
    content = read_object(path, _REMEDY)
    if not all(isinstance(asked, dict) for asked in content.values()):
        raise InputMalformedError(f"{where} is not an object of objects", _REMEDY)
    unknown = sorted(set(content) - set(KINDS) - _OF_OTHERS)
    if unknown:
        raise InputMalformedError(
            f"{where} has the unknown kind {unknown[0]!r}", f"Choose among {', '.join(KINDS)}"
        )
    return EntityFilter(
        path,
        {
            kind: {entity: _values(where, kind, entity, value) for entity, value in content[kind].items()}
            for kind in KINDS
            if kind in content
        },
    )


def kind_of(file: NamedFile) -> str | None:
    """Which kind's filter a file is under; None for sidecars and whatever belongs to no participant."""
    if not file.get("subject") or file.get("extension") == ".json":
        return None
    if file.get("suffix") == "events":
        return EVENTS
    if roi_name(file) is not None:
        return ROI
    if is_brain_mask(file):
        return MASK
    if is_confounds(file):
        return CONFOUNDS
    return BOLD if file.get("suffix") == "bold" or is_preprocessed_bold(file) else None


def _values(where: str, kind: str, entity: str, value: Any) -> tuple[str | None, ...]:
    if entity in _OF_THE_KIND:
        return (_ANY, None)
    if entity not in known_entities():
        raise InputMalformedError(
            f"{where}, {kind}: {entity!r} is no entity that is read",
            f"Choose among {', '.join(known_entities())}",
        )
    values = value if isinstance(value, list) else [value]
    if not values or not all(part is None or type(part) in (str, int) for part in values):
        raise InputMalformedError(
            f"{where}, {kind}: {entity} is {value!r}", 'Give a label, a list of them, null, or "*"'
        )
    return tuple(None if part is None else str(part) for part in values)


def _matches(label: str, values: tuple[str | None, ...]) -> bool:
    if not label:
        return None in values
    return any(
        value is not None and (value in (_ANY, label) or _same_number(value, label)) for value in values
    )


def _same_number(value: str, label: str) -> bool:
    """Whether both are the same index: ``1`` is run ``01``."""
    return value.isdigit() and label.isdigit() and int(value) == int(label)
