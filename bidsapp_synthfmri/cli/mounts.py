"""The command line that a container gets: every path under a name of its own, and what is mounted there."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from ..errors import InputMissingError, OutputUnwritableError
from .paths import WrittenPath, split_path

_ROOT = Path("/data")
_PATTERN = re.compile(r"[*?\[{]")


@dataclass(frozen=True)
class Mount:
    """A folder of this machine and where the container sees it.

    Attributes
    ----------
    source, target : absolute folders outside and inside
    writable : whether the container may write there
    """

    source: Path
    target: Path
    writable: bool = False


@dataclass
class Mounts:
    """Folders to mount, found while a command line is rewritten."""

    found: list[Mount] = field(default_factory=list)

    def written(self, path: Path, name: str) -> str:
        """The path inside of a folder that the program writes, which is made where it is not there.

        Raises
        ------
        OutputUnwritableError : it cannot be made
        """
        source = made_folder(path)
        return str(self._inside(source, source, name, writable=True))

    def read(self, path: Path, name: str) -> str:
        """The path inside of a file or folder that the program reads.

        A file is mounted with its folder, for what belongs to it lies beside it; what lies in a git-annex
        repository with all of that, for its links lead there.

        Raises
        ------
        InputMissingError : it is not there
        """
        source = _absolute(path)
        there = _present(source)
        anchor = _annex(there) or (there if there.is_dir() else there.parent)
        if not Path(os.path.realpath(there)).is_relative_to(os.path.realpath(anchor)):
            source = there = Path(os.path.realpath(there))
            anchor = _annex(there) or (there if there.is_dir() else there.parent)
        return str(self._inside(source, anchor, name, writable=False))

    def _inside(self, path: Path, folder: Path, name: str, *, writable: bool) -> Path:
        for mount in self.found:
            if path.is_relative_to(mount.source) and mount.writable == writable:
                return mount.target / path.relative_to(mount.source)
        target = _ROOT / name
        if any(mount.target == target for mount in self.found):
            target = _ROOT / f"{name}-{len(self.found)}"
        self.found.append(Mount(folder, target, writable))
        return target / path.relative_to(folder)


def made_folder(path: Path) -> Path:
    """A folder's absolute path; it is made where it is not there, as the one who calls, not as the engine.

    Raises
    ------
    OutputUnwritableError : it cannot be made
    """
    folder = _absolute(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputUnwritableError(
            f"{folder} cannot be made ({error.strerror})", "Give a folder that you may write"
        ) from error
    return folder


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 (no link is followed)


def _present(path: Path) -> Path:
    """The path itself, or the folder above the first part that is a pattern of names."""
    if os.path.lexists(path):
        return path
    for number, part in enumerate(path.parts):
        if _PATTERN.search(part):
            above = Path(*path.parts[:number])
            if above.is_dir():
                return above
    raise InputMissingError(f"{path} is not there", "Check the path")


def _annex(path: Path) -> Path | None:
    """The git-annex repository that holds a path; None where none does.

    A subdataset may keep its annex in the dataset that it belongs to, which then is the repository.
    """
    for folder in (path, *path.parents):
        annex = folder / ".git" / "annex"
        if annex.exists():
            above = Path(os.path.commonpath([os.path.realpath(folder), os.path.realpath(annex)]))
            levels = len(Path(os.path.realpath(folder)).relative_to(above).parts)
            above = (folder, *folder.parents)[levels]
            return above if (above / ".git").exists() else folder
    return None


def container_words(command: click.Command, given: Mapping[str, Any], mounts: Mounts) -> list[str]:
    """The command's words with the paths of the container: arguments, then options with their values.

    Parameters
    ----------
    command : the program's own
    given : values of arguments and options that are given, by name
    mounts : takes up every folder that is to be mounted

    Raises
    ------
    InputMissingError, OutputUnwritableError : as ``Mounts`` raises them
    """
    # Folders that hold others come first, so that what lies below them needs no mount of its own.
    ordered = sorted(command.params, key=lambda parameter: not isinstance(parameter, click.Argument))
    words: list[str] = []
    options: list[str] = []
    for parameter in ordered:
        if parameter.name not in given:
            continue
        value = given[parameter.name]
        if isinstance(parameter, click.Argument):
            words.append(_mapped(parameter, str(value), mounts))
        else:
            options += _option_words(parameter, value, mounts)
    return [*words, *options]


def _option_words(parameter: click.Parameter, value: Any, mounts: Mounts) -> list[str]:
    spelt = next((name for name in parameter.opts if name.startswith("--")), parameter.opts[0])
    if isinstance(parameter, click.Option) and parameter.count:
        return [spelt] * int(value)
    if isinstance(parameter, click.Option) and parameter.is_flag:
        return [spelt] if value else list(parameter.secondary_opts[:1])
    values = value if parameter.multiple else (value,)
    return [f"{spelt}={_mapped(parameter, str(word), mounts)}" for word in values]


def _mapped(parameter: click.Parameter, word: str, mounts: Mounts) -> str:
    before, path = split_path(parameter.type, word)
    if path is None:
        return word
    name = str(parameter.name).replace("_", "-")
    if isinstance(parameter.type, WrittenPath):
        return before + mounts.written(Path(path), name)
    return before + mounts.read(Path(path), name)
