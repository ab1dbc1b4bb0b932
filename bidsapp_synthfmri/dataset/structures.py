"""The files of one participant, as the index finds them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ..structures import FloatArray, Trials, VoxelSpace


@dataclass(frozen=True)
class RunEvents:
    """What is known of one run from its events alone.

    Attributes
    ----------
    participant, session, task, run : labels as the file names spell them; ``session`` and ``run``
        are "" where the dataset has none
    events : events.tsv
    """

    participant: str
    session: str
    task: str
    run: str
    events: Path

    @property
    def label(self) -> str:
        """The run in words for messages, such as ``sub-X ses-01 task-scenes run-03``."""
        pairs = (
            ("sub", self.participant),
            ("ses", self.session),
            ("task", self.task),
            ("run", self.run),
        )
        return " ".join(f"{key}-{value}" for key, value in pairs if value)


@dataclass(frozen=True)
class RunFiles(RunEvents):
    """What is read of one run.

    Attributes
    ----------
    participant, session, task, run, events : see ``RunEvents``
    bold : preprocessed BOLD; on surfaces, that of the left hemisphere
    brain_mask : on the BOLD's grid; None on surfaces
    confounds : one row a volume; None where the derivative has none
    repetition_time : seconds
    start_time : seconds after a volume's onset that the preprocessed series is referred to
    bold_right : on surfaces, preprocessed BOLD of the right hemisphere; None for volumes
    """

    bold: Path
    brain_mask: Path | None
    confounds: Path | None
    repetition_time: float
    start_time: float
    bold_right: Path | None = None

    @property
    def bold_files(self) -> tuple[Path, ...]:
        """The volume series, or the left and the right hemisphere's."""
        return (self.bold,) if self.bold_right is None else (self.bold, self.bold_right)


@dataclass(frozen=True)
class RoiFile:
    """One ROI mask.

    Attributes
    ----------
    name : hemisphere first
    path : its file
    space : label in the file's name; "" where it has none, or where all masks are of one space
    """

    name: str
    path: Path
    space: str = ""


@dataclass(frozen=True)
class ParticipantEvents:
    """What is read of one participant whose responses are there already.

    Attributes
    ----------
    participant, task, space : labels; ``space`` is ``native`` where no file's name has one
    runs : in order of session and run
    rois : in order of name, of whatever space; empty where the derivatives have no ROI masks
    """

    participant: str
    task: str
    space: str
    runs: tuple[RunEvents, ...]
    rois: tuple[RoiFile, ...]

    @property
    def masks(self) -> tuple[RoiFile, ...]:
        """The ROI masks of ``space``, and those whose names have none."""
        return tuple(roi for roi in self.rois if roi.space in ("", self.space))


@dataclass(frozen=True)
class ParticipantFiles(ParticipantEvents):
    """What is read of one participant.

    Attributes
    ----------
    participant, task, space : labels; ``space`` is ``native`` where the BOLD's name has none
    runs : in order of session and run
    rois : in order of name; empty where the derivatives have no ROI masks, and on surfaces
    """

    runs: tuple[RunFiles, ...]


@dataclass(frozen=True)
class VoxelChoice:
    """The voxels to read of precomputed responses.

    Attributes
    ----------
    voxels : the columns
    masks : files of the ROIs they lie in
    notes : sentences that a reader must see
    """

    voxels: VoxelSpace
    masks: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Precomputed:
    """Responses that others computed, matched with the events but not read yet.

    Attributes
    ----------
    trials : the rows; trials of the events that the files lack are not among them
    voxels : the columns
    files : what is read, in the order of the rows
    masks : files of the ROIs; empty where ``files`` name them, or there are none
    source : the files in words, such as ``BOLD5000 release 1, CSI1_ROIs_TR34.h5``
    notes : sentences that a reader must see
    missing : trials of the events that the files lack, with ``session``, ``run``, ``onset``, ``stimulus``
        and ``reason``
    read : gives (n_trials, n_voxels) float32, in the files' unit; raises InputMalformedError
    """

    trials: Trials
    voxels: VoxelSpace
    files: tuple[Path, ...]
    masks: tuple[Path, ...]
    source: str
    notes: tuple[str, ...]
    missing: pd.DataFrame
    read: Callable[[], FloatArray]


@dataclass(frozen=True)
class Asked:
    """What precomputed responses are matched with.

    Attributes
    ----------
    files : the participant's events and ROI masks
    trials : presentations in the sessions asked for
    every : presentations in all sessions
    sessions : whether sessions were asked for by name
    space : asked for; None where none is
    rois : names asked for; empty means all
    """

    files: ParticipantEvents
    trials: Trials
    every: Trials
    sessions: bool
    space: str | None
    rois: tuple[str, ...]


def none_missing() -> pd.DataFrame:
    """``Precomputed.missing`` where the files lack no trial."""
    return pd.DataFrame(columns=["session", "run", "onset", "stimulus", "reason"])
