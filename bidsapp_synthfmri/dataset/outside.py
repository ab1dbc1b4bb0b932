"""Names in data files must not lead out of their folder."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath, PureWindowsPath

from .annex import is_annexed_within


def leads_outside(name: str) -> bool:
    """Whether a name could lead out of the folder that it is relative to, links apart."""
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts or bool(PureWindowsPath(name).drive)


def links_outside(path: Path, inside: Path) -> bool:
    """Whether a path leads out of a folder by links, but for those into the annex of its repository.

    Parameters
    ----------
    path : below the folder
    inside : the folder, links resolved
    """
    target = Path(os.path.realpath(path))
    return not target.is_relative_to(inside) and not is_annexed_within(path, inside)
