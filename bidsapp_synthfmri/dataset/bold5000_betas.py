"""BOLD5000 release 2: one NIfTI file of betas a session, and one list of the pictures of all."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from ..errors import InputMalformedError, InputMissingError, UsageError
from ..structures import IntArray, Trials
from .matching import count_mismatch, require_names, rows_of_trials
from .names import natural_key
from .structures import Asked, Precomputed, none_missing
from .volume_series import (
    VolumeFile,
    n_volumes_of,
    read_volume_files,
    require_fetched,
    voxels_of_series,
)

_BETAS = re.compile(
    r"(?P<participant>[^_]+)_GLMbetas-(?P<kind>[A-Z0-9-]+)_ses-(?P<session>[A-Za-z0-9]+)\.nii(?:\.gz)?"
)
_NAMES = re.compile(r"(?P<participant>[^_]+)_imgnames\.txt")
_BEST_KIND = "TYPED"
_FOLDER = "Give the folder that has it with --responses"


def participant_of(path: Path) -> str | None:
    """Label of the participant whose file of release 2 it is; None where it is none."""
    match = _BETAS.fullmatch(path.name) or _NAMES.fullmatch(path.name)
    return match["participant"].removeprefix("sub-") if match else None


def open_session_betas(paths: Sequence[Path], asked: Asked) -> Precomputed:
    """Responses of the sessions asked for, matched by the list of pictures.

    Parameters
    ----------
    paths : one participant's betas, of one or several kinds, and its list of pictures
    asked : the trials and the ROI masks

    Returns
    -------
    Precomputed of the betas with HRF fit, denoising and ridge (TYPED) where there are several kinds, at the
    voxels of the ROI masks, else at those finite and varying in the first session

    Raises
    ------
    UsageError : several kinds and no TYPED, or several files for one session or list
    InputMissingError : no list of pictures, or a session without betas
    InputMalformedError : another number of volumes or names than trials, or the first row that names
        another picture than the events; what ``voxels_of_series`` refuses
    """
    kind, by_session, others = _chosen(paths)
    names_file = _only_list(paths)
    sessions = list(dict.fromkeys(str(session) for session in asked.trials.table["session"]))
    betas = [_of_session(by_session, session, names_file.parent) for session in sessions]
    require_fetched([*betas, names_file])
    names = _read_names(names_file)
    rows = rows_of_trials(names_file, len(names), asked.trials, asked.every)
    files = []
    for path, session in zip(betas, sessions, strict=True):
        files.append(_matched(path, asked.trials, session))
    require_names(names_file, names, rows, asked.trials)
    choice = voxels_of_series(betas[0], asked)
    return Precomputed(
        trials=asked.trials,
        voxels=choice.voxels,
        files=(*betas, names_file),
        masks=choice.masks,
        source=f"BOLD5000 release 2, {kind}, {len(betas)} sessions of {betas[0].parent.name}",
        notes=(*_notes(kind, others, len(by_session) - len(betas)), *choice.notes),
        missing=none_missing(),
        read=partial(read_volume_files, files, choice.voxels),
    )


def _chosen(paths: Sequence[Path]) -> tuple[str, dict[str, list[Path]], list[str]]:
    """The kind of betas to use, its files by session, and the other kinds there are."""
    kinds: dict[str, dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for path in paths:
        if match := _BETAS.fullmatch(path.name):
            kind = match["kind"].replace("TYBE", "TYPE")  # so spelt in places
            kinds[kind][_plain(match["session"])].append(path)
    if not kinds:
        raise InputMissingError(f"{paths[0].parent} has a list of pictures but no betas", _FOLDER)
    best = [kind for kind in kinds if kind.split("-")[0] == _BEST_KIND] or list(kinds)
    if len(best) > 1:
        raise UsageError(
            f"Betas of several kinds could be meant: {', '.join(sorted(best))}",
            "Give a folder with one kind with --responses",
        )
    return best[0], dict(kinds[best[0]]), sorted(set(kinds) - set(best))


def _only_list(paths: Sequence[Path]) -> Path:
    lists = [path for path in paths if _NAMES.fullmatch(path.name)]
    if not lists:
        betas = next(path for path in paths if _BETAS.fullmatch(path.name))
        expected = betas.with_name(f"{betas.name.split('_')[0]}_imgnames.txt")
        raise InputMissingError(
            f"{betas.name} has no list of the pictures in its rows; expected {expected}", "Fetch it"
        )
    if len(lists) > 1:
        raise UsageError(f"Several lists of pictures could be meant: {', '.join(map(str, lists))}", _FOLDER)
    return lists[0]


def _of_session(by_session: dict[str, list[Path]], session: str, folder: Path) -> Path:
    found = by_session.get(_plain(session), [])
    if not found:
        labels = [_BETAS.fullmatch(path.name) for paths in by_session.values() for path in paths]
        there = ", ".join(sorted({match["session"] for match in labels if match}, key=natural_key))
        raise InputMissingError(
            f"{folder} has no betas of session {session}; there are those of {there}",
            "Fetch the session's file, or leave the session out with --session-label",
        )
    if len(found) > 1:
        raise UsageError(f"Several files could be meant: {', '.join(map(str, found))}", _FOLDER)
    return found[0]


def _matched(path: Path, trials: Trials, session: str) -> VolumeFile:
    """A session's file, its volumes being as many as the session's trials."""
    mine = trials.take(np.asarray(trials.table["session"] == session, dtype=np.bool_))
    n_volumes = n_volumes_of(path)
    if n_volumes != len(mine):
        raise count_mismatch(path, n_volumes, mine)
    every: IntArray = np.arange(n_volumes, dtype=np.int64)
    return VolumeFile(path, every)


def _read_names(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").rstrip().splitlines()
    except UnicodeDecodeError as error:
        raise InputMalformedError(f"{path} is no text: {error}", "Fetch the file again") from error
    return [line.strip() for line in lines]


def _notes(kind: str, others: list[str], n_unused: int) -> tuple[str, ...]:
    notes = []
    if others:
        notes.append(f"Of the kinds of betas there are, {kind} was used; left aside: {', '.join(others)}.")
    if n_unused:
        notes.append(f"{n_unused} sessions of betas have no trials in the events used and were left aside.")
    return tuple(notes)


def _plain(session: str) -> str:
    return session.lstrip("0")
