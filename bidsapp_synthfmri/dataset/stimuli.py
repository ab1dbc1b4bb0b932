"""Pictures: those of the trials, and those of a folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

import pandas as pd

from ..errors import InputMalformedError, InputMissingError
from ..features.images import verify
from ..structures import StimulusSet, Trials
from .annex import first_few, is_annexed_within, repository, require_content

_IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".gif", ".webp"})


def resolve_stimuli(trials: Trials, stimuli_folder: Path) -> StimulusSet:
    """The file of every distinct stimulus, in order of first presentation.

    Parameters
    ----------
    trials : their stimuli are paths relative to the folder
    stimuli_folder : no file outside it is opened; a link into the annex of the git repository it
        belongs to counts as inside

    Returns
    -------
    the set ``stimuli``, one row an image with ``stimulus`` and ``path``

    Raises
    ------
    InputMissingError : no such folder, or files that are not in it
    ContentAbsentError : annexed files that have not been fetched
    InputMalformedError : names that lead outside the folder, or files that are no images
    """
    _require_folder(stimuli_folder, "Give the folder of the pictures with --stimuli-dir")
    stimuli = trials.stimuli
    _refuse([name for name in stimuli if _leads_outside(name)], stimuli_folder)
    paths = [stimuli_folder / name for name in stimuli]
    require_content(paths, repository(stimuli_folder / "any") or stimuli_folder)
    missing = [name for name, path in zip(stimuli, paths, strict=True) if not path.is_file()]
    if missing:
        raise InputMissingError(
            f"{len(missing)} of {len(stimuli)} stimuli are not in {stimuli_folder}: {first_few(missing)}",
            "Put them there, or give the folder that has them with --stimuli-dir",
        )
    inside = Path(os.path.realpath(stimuli_folder))
    _refuse(
        [name for name, path in zip(stimuli, paths, strict=True) if _links_outside(path, inside)],
        stimuli_folder,
    )
    _require_images(paths)
    return StimulusSet("stimuli", pd.DataFrame({"stimulus": stimuli, "path": list(map(str, paths))}))


def read_image_folder(name: str, folder: Path) -> StimulusSet:
    """All images of a folder and its subfolders, sorted by path; hidden ones are left out.

    Parameters
    ----------
    name : the set's name
    folder : its first level of subfolders, if it has any, are the images' categories

    Returns
    -------
    one row an image with ``stimulus`` (path relative to the folder, with ``/``), ``path`` and, if
    there are subfolders, ``label`` (``n/a`` for an image beside them)

    Raises
    ------
    InputMissingError : no such folder, or no image in it
    ContentAbsentError : annexed files that have not been fetched
    InputMalformedError : files that are no images
    """
    _require_folder(folder, f"Give the folder of the images with --images {name}=DIR")
    found = sorted(
        (path.relative_to(folder).as_posix(), path)
        for path in folder.rglob("*")
        if path.suffix.lower() in _IMAGE_SUFFIXES and not path.is_dir()
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not found:
        raise InputMissingError(
            f"{folder} holds no image ({', '.join(sorted(_IMAGE_SUFFIXES))})",
            f"Give the folder of the images with --images {name}=DIR",
        )
    paths = [path for _, path in found]
    require_content(paths, repository(folder / "any") or folder)
    _require_images(paths)
    table = pd.DataFrame({"stimulus": [stimulus for stimulus, _ in found], "path": list(map(str, paths))})
    if table["stimulus"].str.contains("/").any():
        table["label"] = [_category(stimulus) for stimulus in table["stimulus"]]
    return StimulusSet(name, table)


def _category(stimulus: str) -> str:
    folder, separator, _ = stimulus.partition("/")
    return folder if separator else "n/a"


def _require_folder(folder: Path, remedy: str) -> None:
    if not folder.is_dir():
        raise InputMissingError(f"There is no folder {folder}", remedy)


def _leads_outside(name: str) -> bool:
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts or bool(PureWindowsPath(name).drive)


def _links_outside(path: Path, inside: Path) -> bool:
    target = Path(os.path.realpath(path))
    return not target.is_relative_to(inside) and not is_annexed_within(path, inside)


def _refuse(outside: Sequence[str], folder: Path) -> None:
    if outside:
        raise InputMalformedError(
            f"{len(outside)} stimuli lie outside {folder}: {first_few(outside)}",
            "Name pictures relative to that folder and keep them in it, or give another folder"
            " with --stimuli-dir",
        )


def _require_images(paths: Sequence[Path]) -> None:
    unreadable = [path for path in paths if not _is_image(path)]
    if unreadable:
        raise InputMalformedError(
            f"{len(unreadable)} of {len(paths)} files are not images that can be read:"
            f" {first_few([str(path) for path in unreadable])}",
            "Fetch or make them again",
        )


def _is_image(path: Path) -> bool:
    try:
        verify(path)
    except (InputMissingError, InputMalformedError):
        return False
    return True
