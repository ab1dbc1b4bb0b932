"""Types of options that name files: what of a word is a path, and whether the program writes there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

_PATH_LIKE = re.compile(r"[^:]*[./\\]")


class WrittenPath(click.Path):
    """A file or folder that the program makes or changes."""


class NamedPath(click.types.StringParamType):
    """A word ``NAME=PATH``; checked where the configuration is made."""

    name = "NAME=PATH"


class NameOrPath(click.types.StringParamType):
    """A word that is one of some names, or else a path.

    Parameters
    ----------
    names : the words that are no path
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.name = f"{{{','.join(self.names)},PATH}}"


class LabelsWord(click.types.StringParamType):
    """A word of ``--labels``: a label set's name, or the path of a table."""

    name = "{NAME,FILE}"


def is_table(word: str) -> bool:
    """Whether a word of ``--labels`` is a table: it is there, or has a dot or slash before any colon."""
    return Path(word).is_file() or _PATH_LIKE.match(word) is not None


def split_path(kind: click.ParamType[Any], word: str) -> tuple[str, str | None]:
    """What stands before a path in a word of an option, and the path; None where the word has none.

    Parameters
    ----------
    kind : the option's type
    word : as given on the command line
    """
    if isinstance(kind, click.Path):
        return "", word
    if isinstance(kind, NamedPath):
        name, equals, path = word.partition("=")
        return name + equals, path or None
    is_path = (isinstance(kind, NameOrPath) and word not in kind.names) or (
        isinstance(kind, LabelsWord) and is_table(word)
    )
    return ("", word) if is_path else (word, None)
