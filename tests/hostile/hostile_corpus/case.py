"""What a case of the corpus is, and where a participant's files lie."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SESSION, TASK = "01", "images"


@dataclass(frozen=True)
class Place:
    """One participant of a copy of the simulated dataset.

    Attributes
    ----------
    bids : the dataset
    participant : label
    """

    bids: Path
    participant: str

    @property
    def stem(self) -> str:
        return f"sub-{self.participant}_ses-{SESSION}_task-{TASK}_run-01"

    def raw(self, name: str) -> Path:
        return self.bids / f"sub-{self.participant}" / f"ses-{SESSION}" / "func" / f"{self.stem}_{name}"

    def derived(self, name: str) -> Path:
        root = self.bids / "derivatives" / "fmriprep"
        return root / f"sub-{self.participant}" / f"ses-{SESSION}" / "func" / f"{self.stem}_{name}"

    @property
    def events(self) -> Path:
        return self.raw("events.tsv")

    @property
    def sidecar(self) -> Path:
        return self.raw("bold.json")

    @property
    def bold(self) -> Path:
        return self.derived("space-T1w_desc-preproc_bold.nii.gz")

    @property
    def own_sidecar(self) -> Path:
        return self.derived("space-T1w_desc-preproc_bold.json")

    @property
    def brain_mask(self) -> Path:
        return self.derived("space-T1w_desc-brain_mask.nii.gz")

    @property
    def confounds(self) -> Path:
        return self.derived("desc-confounds_timeseries.tsv")

    @property
    def roi(self) -> Path:
        folder = self.bids / "derivatives" / "spm" / f"sub-{self.participant}"
        return folder / f"sub-{self.participant}_mask-LHPPA.nii.gz"

    @property
    def stimuli(self) -> Path:
        return self.bids / "stimuli"

    def picture(self, suffix: str = ".png") -> Path:
        """Where a picture of this participant's own may be put, and ``show`` says that it was shown."""
        return self.stimuli / f"of{self.participant}{suffix}"

    def show(self, name: str) -> None:
        """Make the first trial's picture one of that name."""
        lines = self.events.read_text(encoding="utf-8").splitlines()
        column = lines[0].split("\t").index("stim_file")
        cells = lines[1].split("\t")
        cells[column] = name
        lines[1] = "\t".join(cells)
        self.events.write_text("\n".join(lines) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Case:
    """One way in which a participant's files are unusual.

    Attributes
    ----------
    name : of the case
    spoil : makes it so
    code : exit code of a run over the participant; 0 where the files are legal and mean the same
    words : that the message has; PATH stands for a path's last part
    """

    name: str
    spoil: Callable[[Place], None]
    code: int
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name


def fifo(path: Path) -> None:
    """A pipe that nobody writes into: whoever opens it waits for ever."""
    path.unlink()
    os.mkfifo(path)


def loop(path: Path) -> None:
    """A link to itself."""
    path.unlink()
    path.symlink_to(path.name)


def folder(path: Path) -> None:
    """A folder where a file is due."""
    path.unlink()
    path.mkdir()


def device(path: Path) -> None:
    """A link to a file without end."""
    path.unlink()
    path.symlink_to("/dev/zero")
