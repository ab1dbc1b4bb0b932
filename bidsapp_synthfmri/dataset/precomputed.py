"""Precomputed responses: which of the known formats a path holds, and the participant's files in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..config import RunConfig
from ..errors import InputMissingError, UsageError
from ..response_files import ROI_MATRICES, SESSION_BETAS, STATMAPS, named_like, response_files
from . import bold5000_betas, bold5000_roi, statmaps
from .index import index_events
from .structures import Asked, ParticipantEvents, Precomputed
from .trials import TrialsRead, read_trials
from .volume_series import require_fetched

_FORMATS = (
    "CSIx_ROIs_TRn.h5 or .mat (BOLD5000 release 1), CSIx_GLMbetas-*_ses-*.nii.gz with CSIx_imgnames.txt"
    " (release 2), or *_statmap.dscalar.nii or *_statmap.nii.gz with *_trials.tsv (BIDS derivative)"
)


_STATMAPS = "BIDS statmaps"


@dataclass(frozen=True)
class PrecomputedInputs:
    """Precomputed responses, and the events they were matched with."""

    files: ParticipantEvents
    events: TrialsRead
    responses: Precomputed


@dataclass(frozen=True)
class _Format:
    name: str
    patterns: tuple[str, ...]
    participant_of: Callable[[Path], str | None]
    open: Callable[[Sequence[Path], Asked], Precomputed]


_KNOWN = (
    _Format(
        "BOLD5000 release 1",
        ROI_MATRICES,
        bold5000_roi.participant_of,
        lambda paths, asked: _open_roi(bold5000_roi.choose_file(paths), asked),
    ),
    _Format(
        "BOLD5000 release 2",
        SESSION_BETAS,
        bold5000_betas.participant_of,
        bold5000_betas.open_session_betas,
    ),
    _Format(_STATMAPS, STATMAPS, statmaps.participant_of, statmaps.open_statmaps),
)


def read_precomputed(config: RunConfig, path: Path, participant: str) -> PrecomputedInputs:
    """One participant's precomputed responses, matched with the events of BIDS_DIR but not read yet.

    Parameters
    ----------
    config : folders and filters
    path : a file, or a folder at or below which the participant's files lie
    participant : label without ``sub-``

    Raises
    ------
    InputMissingError : nothing of the participant in a known format
    UsageError : several formats or files could be meant, or a file of none or of another participant
    SynthfmriError : what ``index_events`` and ``read_trials``, and the formats' own readers, refuse
    """
    files = index_events(config, participant)
    events = read_trials(files, config.stimulus_column)
    every = events
    if config.session_labels:
        everything = index_events(replace(config, session_labels=()), participant)
        every = read_trials(everything, config.stimulus_column)
    asked = Asked(
        files=files,
        trials=events.trials,
        every=every.trials,
        sessions=bool(config.session_labels),
        space=config.space,
        rois=config.rois,
    )
    return PrecomputedInputs(files, events, open_precomputed(path, asked))


def open_precomputed(path: Path, asked: Asked) -> Precomputed:
    """One participant's precomputed responses, matched with known trials; see ``read_precomputed``."""
    return _open_folder(path, asked) if path.is_dir() else _open_file(path, asked)


def _open_folder(path: Path, asked: Asked) -> Precomputed:
    participant = asked.files.participant
    found = response_files(path)
    mine = {
        known.name: paths
        for known in _KNOWN
        if (paths := [file for file in found if _is_of(file, known, participant)])
    }
    if len(mine) > 1 and not statmaps.with_tables(mine.get(_STATMAPS, [])):
        mine.pop(_STATMAPS, None)  # maps of something else
    if len(mine) > 1:
        raise UsageError(
            f"{path} has responses of sub-{participant} in several formats: {', '.join(mine)}",
            "Give the file or the folder of one of them with --responses",
        )
    for known in _KNOWN:
        if known.name in mine:
            return known.open(mine[known.name], asked)
    others = {
        known.participant_of(file) for known in _KNOWN for file in found if named_like(file, known.patterns)
    }
    there = ", ".join(sorted(label for label in others if label)) or "nobody"
    raise InputMissingError(
        f"{path} has no precomputed responses of sub-{participant}; it has those of {there}",
        f"Give a folder that holds {_FORMATS}",
    )


def _is_of(path: Path, known: _Format, participant: str) -> bool:
    return named_like(path, known.patterns) and known.participant_of(path) == participant


def _open_file(path: Path, asked: Asked) -> Precomputed:
    participant = asked.files.participant
    for known in _KNOWN:
        owner = known.participant_of(path)
        if owner is not None and named_like(path, known.patterns) and owner != participant:
            raise UsageError(
                f"{path} has the responses of {owner}, not of {participant}",
                "Give a folder with the files of all participants, or choose one with --participant-label",
            )
    if path.suffix in (".h5", ".hdf5", ".mat"):
        return _open_roi(path, asked)
    if named_like(path, STATMAPS) and not path.name.endswith(".tsv"):
        return statmaps.open_statmaps([path, *sorted(path.parent.glob("*_trials.tsv"))], asked)
    if named_like(path, SESSION_BETAS):
        raise UsageError(f"{path} is one of several files of a release", f"Give its folder, {path.parent}")
    raise UsageError(
        f"{path} is no file of precomputed responses of a known format",
        f"Give a file or folder of {_FORMATS}",
    )


def _open_roi(path: Path, asked: Asked) -> Precomputed:
    require_fetched([path])
    return bold5000_roi.open_roi_matrices(path, asked)
