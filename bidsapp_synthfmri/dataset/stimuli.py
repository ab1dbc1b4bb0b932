"""The pictures of the trials."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ..errors import InputMalformedError, InputMissingError
from ..features.images import name_of, verify
from ..features.stored import StoredPicture
from ..structures import StimulusSet, Trials
from .annex import first_few, repository, require_content
from .outside import leads_outside, links_outside

# Bytes, on the file systems of today.
_LONGEST_NAME, _LONGEST_PATH = 255, 3500
_SHOWN = 100


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
    _refuse([name for name in stimuli if leads_outside(name)], stimuli_folder)
    _require_all([name for name in stimuli if _is_no_name(name)], len(stimuli), stimuli_folder)
    paths = [stimuli_folder / name for name in stimuli]
    require_content(paths, repository(stimuli_folder / "any") or stimuli_folder)
    missing = [name for name, path in zip(stimuli, paths, strict=True) if not path.is_file()]
    _require_all(missing, len(stimuli), stimuli_folder)
    inside = Path(os.path.realpath(stimuli_folder))
    _refuse(
        [name for name, path in zip(stimuli, paths, strict=True) if links_outside(path, inside)],
        stimuli_folder,
    )
    require_images(paths)
    return StimulusSet("stimuli", pd.DataFrame({"stimulus": stimuli, "path": list(map(str, paths))}))


def _require_folder(folder: Path, remedy: str) -> None:
    if not folder.is_dir():
        raise InputMissingError(f"There is no folder {folder}", remedy)


def _is_no_name(name: str) -> bool:
    """Whether no file can have the name, which file systems answer with an error of their own."""
    return len(name.encode()) > _LONGEST_PATH or any(
        len(part.encode()) > _LONGEST_NAME for part in name.split("/")
    )


def _require_all(missing: Sequence[str], n_stimuli: int, folder: Path) -> None:
    if missing:
        named = first_few([name if len(name) <= _SHOWN else f"{name[:_SHOWN]}..." for name in missing])
        raise InputMissingError(
            f"{len(missing)} of {n_stimuli} stimuli are not in {folder}: {named}",
            "Put them there, or give the folder that has them with --stimuli-dir",
        )


def _refuse(outside: Sequence[str], folder: Path) -> None:
    if outside:
        raise InputMalformedError(
            f"{len(outside)} stimuli lie outside {folder}: {first_few(outside)}",
            "Name pictures relative to that folder and keep them in it, or give another folder"
            " with --stimuli-dir",
        )


def require_images(pictures: Sequence[Path | StoredPicture]) -> None:
    """Refuse files that are no pictures.

    Raises
    ------
    InputMalformedError : naming the first few, and how many there are
    """
    unreadable = [picture for picture in pictures if not _is_image(picture)]
    if unreadable:
        raise InputMalformedError(
            f"{len(unreadable)} of {len(pictures)} files are not images that can be read:"
            f" {first_few([name_of(picture) for picture in unreadable])}",
            "Fetch or make them again",
        )


def _is_image(picture: Path | StoredPicture) -> bool:
    try:
        verify(picture)
    except (InputMissingError, InputMalformedError):
        return False
    return True
