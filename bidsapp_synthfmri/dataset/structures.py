"""The files of one participant, as the index finds them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunFiles:
    """What is read of one run.

    Attributes
    ----------
    participant, session, task, run : labels as the file names spell them; ``session`` and ``run``
        are "" where the dataset has none
    events : events.tsv
    bold : preprocessed BOLD; on surfaces, that of the left hemisphere
    brain_mask : on the BOLD's grid; None on surfaces
    confounds : one row a volume; None where the derivative has none
    repetition_time : seconds
    start_time : seconds after a volume's onset that the preprocessed series is referred to
    bold_right : on surfaces, preprocessed BOLD of the right hemisphere; None for volumes
    """

    participant: str
    session: str
    task: str
    run: str
    events: Path
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
class RoiFile:
    """One ROI mask: its name, hemisphere first, and its file."""

    name: str
    path: Path


@dataclass(frozen=True)
class ParticipantFiles:
    """What is read of one participant.

    Attributes
    ----------
    participant, task, space : labels; ``space`` is ``native`` where the BOLD's name has none
    runs : in order of session and run
    rois : in order of name; empty where the derivatives have no ROI masks, and on surfaces
    """

    participant: str
    task: str
    space: str
    runs: tuple[RunFiles, ...]
    rois: tuple[RoiFile, ...]
