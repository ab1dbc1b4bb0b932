"""Which confounds a strategy takes, as data, and which columns of a file that means."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from ..errors import InputMalformedError, UsageError
from .names import natural_key

DERIVATIVE, SQUARE = "_derivative1", "_power2"
NONE = "none"
FRAMEWISE_DISPLACEMENT = "framewise_displacement"

# Today's spelling and that of before 2018: of whole names, and of the names of numbered series.
_NAMES = {
    "trans_x": "X",
    "trans_y": "Y",
    "trans_z": "Z",
    "rot_x": "RotX",
    "rot_y": "RotY",
    "rot_z": "RotZ",
    "csf": "CSF",
    "white_matter": "WhiteMatter",
    "global_signal": "GlobalSignal",
    "std_dvars": "stdDVARS",
    "dvars": "non-stdDVARS",
    FRAMEWISE_DISPLACEMENT: "FramewiseDisplacement",
}
_SERIES = {
    "a_comp_cor_": "aCompCor",
    "t_comp_cor_": "tCompCor",
    "cosine": "Cosine",
    "non_steady_state_outlier": "NonSteadyStateOutlier",
}
_MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
_PARTS = re.compile(rf"(?P<base>.*?)(?P<expansion>(?:{DERIVATIVE})?(?:{SQUARE})?)")
_NUMBERED = re.compile(r"(?P<stem>.*?)\d+")


@dataclass(frozen=True)
class Group:
    """Columns that a strategy takes together.

    Attributes
    ----------
    what : their name in messages
    columns : in today's spelling; names, each of which must be there, or patterns
    at_least, at_most : how many a pattern must find, and how many of them are taken, in order of their number
    """

    what: str
    columns: tuple[str, ...]
    at_least: int = 0
    at_most: int | None = None

    def expanded(self, expansion: str) -> Group:
        """The group's derivatives or squares."""
        return Group(self.what, tuple(name + expansion for name in self.columns))


MOTION = Group("motion parameters", _MOTION)
A_COMP_COR = Group("aCompCor components", ("a_comp_cor_[0-9]*",), at_least=1, at_most=5)
# One-hot columns of the volumes before the signal is steady: whatever else is chosen, they are no data.
OUTLIERS = Group("non-steady-state outliers", ("non_steady_state_outlier*",))

STRATEGIES: dict[str, tuple[Group, ...]] = {
    "acompcor": (MOTION, A_COMP_COR, OUTLIERS),
    "motion24": (
        MOTION,
        MOTION.expanded(DERIVATIVE),
        MOTION.expanded(SQUARE),
        MOTION.expanded(DERIVATIVE + SQUARE),
        OUTLIERS,
    ),
    "minimal": (MOTION, OUTLIERS),
    NONE: (),
}


def choose_columns(columns: Sequence[str], words: Sequence[str], path: Path) -> tuple[str, ...]:
    """The columns that strategies, names and patterns mean in one file.

    Parameters
    ----------
    columns : the file's
    words : strategies, column names in either spelling, and shell-style patterns of them
    path : the file, for messages

    Returns
    -------
    distinct names as the file spells them, in the order of ``words``; one with ``_derivative1`` or
    ``_power2`` that the file lacks is to be computed from the name before it

    Raises
    ------
    InputMalformedError : the file lacks what a strategy needs
    UsageError : a name that is no column; a pattern may find nothing, as runs differ in outliers
    """
    chosen: list[str] = []
    for word in words:
        if word in STRATEGIES:
            chosen += [name for group in STRATEGIES[word] for name in _of_group(group, columns, path)]
        elif is_pattern(word):
            chosen += matching(word, columns)
        else:
            chosen.append(_named(word, columns, path))
    return tuple(dict.fromkeys(chosen))


def is_pattern(word: str) -> bool:
    """Whether a word has a wildcard of the shell."""
    return any(sign in word for sign in "*?[")


def matching(pattern: str, columns: Sequence[str]) -> list[str]:
    """Columns that a pattern finds in any spelling, in order of their numbers."""
    found = [name for name in columns if any(fnmatchcase(s, pattern) for s in _spellings(name))]
    return sorted(found, key=natural_key)


def find(name: str, columns: Sequence[str]) -> str | None:
    """A column as the file spells it; or its name where it can be computed; else None."""
    there = next((spelling for spelling in _spellings(name) if spelling in columns), None)
    if there is not None:
        return there
    for expansion in (SQUARE, DERIVATIVE):
        if name.endswith(expansion) and (base := find(name.removesuffix(expansion), columns)):
            return base + expansion
    return None


def in_short(columns: Sequence[str]) -> str:
    """Column names in a line, numbered series as a pattern."""
    stems = [_stem(name) for name in columns]
    sizes = Counter(stems)
    return ", ".join(
        dict.fromkeys(
            f"{stem}*" if sizes[stem] > 1 else name for name, stem in zip(columns, stems, strict=True)
        )
    )


def _of_group(group: Group, columns: Sequence[str], path: Path) -> list[str]:
    names = [name for name in group.columns if not is_pattern(name)]
    found = {name: find(name, columns) for name in names}
    missing = [name for name in names if found[name] is None]
    if missing:
        raise InputMalformedError(
            f"{path} lacks the {group.what} {_spelt_for(missing, names, columns)}",
            "Fetch or make the confounds again, with them, or choose others with --confounds",
        )
    series = [name for word in group.columns if is_pattern(word) for name in matching(word, columns)]
    if len(series) < group.at_least:
        raise InputMalformedError(
            f"{path} has no {group.what}; there are: {in_short(columns)}",
            "Make the confounds again with them, or use --confounds minimal or motion24",
        )
    return [name for name in found.values() if name is not None] + series[: group.at_most]


def _named(word: str, columns: Sequence[str], path: Path) -> str:
    name = find(word, columns)
    if name is None:
        raise UsageError(
            f"--confounds {word}: {path} has no such column; there are: {in_short(columns)}",
            f"Name some of them, or a strategy ({', '.join(STRATEGIES)})",
        )
    return name


def _spellings(name: str) -> tuple[str, ...]:
    """The name itself, then as today, then as before 2018."""
    parts = _PARTS.fullmatch(name)
    if parts is None:
        return (name,)
    base, expansion = parts["base"], parts["expansion"]
    others = [pair for pair in _NAMES.items() if base in pair]
    for pair in _SERIES.items():
        own = next((stem for stem in pair if base.startswith(stem)), None)
        if own is not None:
            others.append((pair[0] + base.removeprefix(own), pair[1] + base.removeprefix(own)))
    return tuple(dict.fromkeys([name, *(spelling + expansion for pair in others for spelling in pair)]))


def _spelt_for(missing: Sequence[str], names: Sequence[str], columns: Sequence[str]) -> str:
    """Missing names as the file would spell them; both ways where it has none of the group."""
    before = [_spellings(name)[-1] for name in missing]
    if len(missing) == len(names):
        return f"{', '.join(missing)}, (or {', '.join(before)})"
    return ", ".join(missing if any(name in columns for name in names) else before)


def _stem(name: str) -> str:
    match = _NUMBERED.fullmatch(name)
    return match["stem"] if match else name
