"""git-annex: which files are names only, and the command that brings their content."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..errors import ContentAbsentError

_OBJECTS = ".git/annex/objects/"
_POINTER = b"/annex/objects/"
_POINTER_MAX_BYTES = 32768
_NAMED_IN_MESSAGES = 3
_NAMED_IN_COMMAND = 5


def absent(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Files whose content git-annex has not fetched, in the order given.

    A locked file is then a dangling link into the annex, an unlocked one a small text that points
    there. Paths that are neither (a file with content, or nothing at all) are not among them.
    """
    return tuple(path for path in paths if _is_dangling_annex_link(path) or _is_pointer(path))


def require_content(paths: Sequence[Path], root: Path) -> None:
    """Check that all files have their content.

    Parameters
    ----------
    paths : files that will be read
    root : the dataset that ``datalad get`` is to be run on

    Raises
    ------
    ContentAbsentError : with the number of files, the first few, and the command for all of them
    """
    names_only = absent(paths)
    if names_only:
        raise ContentAbsentError(
            f"{len(names_only)} of {len(paths)} files needed are git-annex links"
            f" whose content is absent: {first_few([path.name for path in names_only])}",
            f"Run: {get_command(names_only, root)}",
        )


def first_few(names: Sequence[str]) -> str:
    """The first few of many names, and how many more there are."""
    more = len(names) - _NAMED_IN_MESSAGES
    return ", ".join(names[:_NAMED_IN_MESSAGES]) + (f" and {more} more" if more > 0 else "")


def get_command(paths: Sequence[Path], root: Path) -> str:
    """The ``datalad get`` that brings the files: one by one if few, else the folders they lie in."""
    targets: dict[Path, set[str]] = {}
    for path in paths:
        dataset = root if path.is_relative_to(root) else repository(path) or path.parent
        target = path if len(paths) <= _NAMED_IN_COMMAND else path.parent
        targets.setdefault(dataset, set()).add(os.path.relpath(target, dataset))
    return " && ".join(
        shlex.join(["datalad", "get", "-d", str(dataset), *_outermost(names)])
        for dataset, names in sorted(targets.items())
    )


def repository(path: Path) -> Path | None:
    """The nearest folder above the path that is a git repository."""
    return next((folder for folder in path.absolute().parents if (folder / ".git").exists()), None)


def is_annexed_within(path: Path, folder: Path) -> bool:
    """Whether a link leads to an annexed object of the repository that holds, or lies in, a folder."""
    holder = repository(path)
    if holder is None:
        return False
    own, inside = Path(os.path.realpath(holder)), Path(os.path.realpath(folder))
    if not (own.is_relative_to(inside) or inside.is_relative_to(own)):
        return False
    objects = Path(os.path.realpath(holder / ".git")) / "annex" / "objects"
    return Path(os.path.realpath(path)).is_relative_to(objects)


def _outermost(names: Iterable[str]) -> list[str]:
    kept: list[Path] = []
    for name in sorted(map(Path, names)):
        if not any(name.is_relative_to(folder) for folder in kept):
            kept.append(name)
    return [str(name) for name in kept]


def _is_dangling_annex_link(path: Path) -> bool:
    return path.is_symlink() and not path.exists() and _OBJECTS in path.readlink().as_posix()


def _is_pointer(path: Path) -> bool:
    if not path.is_file() or path.stat().st_size > _POINTER_MAX_BYTES:
        return False
    with path.open("rb") as file:
        return file.read(len(_POINTER)) == _POINTER
