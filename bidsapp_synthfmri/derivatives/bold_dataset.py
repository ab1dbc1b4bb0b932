"""A synthetic scan as a dataset: events and pictures, and beside them series, masks and confounds.

The root has what a raw dataset has besides its series; ``derivatives/synthfmri`` has the series, in the
shape that preprocessing would have left them in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from .. import __version__
from ..atomic import write_bytes
from ..errors import UsageError
from ..structures import FloatArray, Json, VoxelSpace
from . import names
from .columns import Column, Columns
from .dataset import BIDS_VERSION, DISTRIBUTION
from .names import OutputFile, Place
from .outputs import BIDSIGNORE
from .participant import NO_HUMAN
from .writer import Writer, json_text

STIMULI = "stimuli"
SERIES_FOLDER = "derivatives/synthfmri"
_FOLDER = "sub-{sub}{ses}/func"
_RUN = ("sub", "ses", "task", "run")
_SPATIAL_RUN = (*_RUN, "space")
_SPATIAL = ("sub", "task", "space")

EVENTS = OutputFile(_FOLDER, _RUN, "events", ".tsv", "The images shown in a synthetic run")
BOLD = OutputFile(_FOLDER, _SPATIAL_RUN, "bold", ".nii.gz", "Synthetic BOLD series", "synthetic")
BRAIN = OutputFile(_FOLDER, _SPATIAL_RUN, "mask", ".nii.gz", "The encoder's voxels", "brain")
CONFOUNDS = OutputFile(_FOLDER, _RUN, "timeseries", ".tsv", "Confounds: none was simulated", "confounds")
TRIAL_RESPONSES = OutputFile(
    _FOLDER,
    _SPATIAL_RUN,
    "statmap",
    ".dscalar.nii",
    "The responses from which a synthetic run was made: one map a trial, one column a voxel",
    "synthetic",
    "effect",
)
ROI = OutputFile("sub-{sub}/func", _SPATIAL, "mask", ".nii.gz", "Region of interest")
RECORD = OutputFile("sub-{sub}/func", ("sub", "task"), "summary", ".json", "What was asked for", "synthetic")

MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
_NO_MOTION = Column("Head motion: none was simulated")
CONFOUND_COLUMNS = Columns(
    {
        **dict.fromkeys(MOTION, _NO_MOTION),
        "framewise_displacement": Column("Head motion between volumes: none was simulated", "mm"),
        "a_comp_cor_00": Column("Noise of cerebrospinal fluid and white matter: none was simulated"),
    }
)
EVENT_COLUMNS = Columns(
    {
        "onset": Column("Onset of the image, from the first volume", "s"),
        "duration": Column("How long the image was shown", "s"),
        "trial_type": Column("Category of the image, where it is known"),
        "stim_file": Column("The image in stimuli/"),
    },
    other="Column of the events that were given",
)


class BoldDataset:
    """Writes one participant's synthetic scan, each file whole or not at all.

    Parameters
    ----------
    root : the dataset's folder
    participant, task : labels
    voxels : of the encoder
    first_run : labels of its session, "" where there is none, and of the run: its mask stands for the grid
    """

    def __init__(
        self, root: Path, participant: str, task: str, voxels: VoxelSpace, first_run: tuple[str, str]
    ) -> None:
        self.root = root
        self._voxels = voxels
        self._place = Place(participant, task, voxels.space)
        self._series = root / SERIES_FOLDER
        self._grid = f"bids::{BRAIN.relative(_of_run(self._place, first_run))}"

    def begin(self, identity: str, description: Json) -> None:
        """Describe the datasets, and record what is asked for before any of it is written.

        Parameters
        ----------
        identity : hash of everything that decides the files' content
        description : the same in words, for the record

        Raises
        ------
        UsageError : the folder holds something else, or another scan of the participant
        """
        require_bold_dataset(self.root)
        record = self._writer(self._series).path(RECORD)
        known = _read_json(record).get("Hash")
        begun = any((root / f"sub-{self._place.participant}").exists() for root in (self.root, self._series))
        if known not in (None, identity) or (known is None and begun):
            raise UsageError(
                f"{self.root} holds another synthetic scan of sub-{self._place.participant}",
                "Give another OUT, or move that participant's folders away",
            )
        _write_descriptions(self.root, self._series)
        self._record(identity, description, finished=False)

    def finish(self, identity: str, description: Json) -> Path:
        """Record that all files are there."""
        return self._record(identity, description, finished=True)

    def add_picture(self, stimulus: str, content: bytes) -> None:
        """Put an image where the events say it is."""
        path = self.root / STIMULI / stimulus
        if not path.is_file() or path.read_bytes() != content:
            write_bytes(path, content)

    def write_rois(self) -> int:
        """Write a mask a region of interest; how many regions have no voxel and therefore no mask."""
        writer = self._writer(self._series)
        empty = 0
        for name, label, inside in zip(
            self._voxels.roi_names, roi_labels(self._voxels.roi_names), self._voxels.membership, strict=True
        ):
            if not inside.any():
                empty += 1
                continue
            part = self._voxels.take(inside)
            ones = np.ones(len(part), dtype=np.int32)
            writer.volume(replace(ROI, label=label), ones, part, {"Type": "ROI", "Name": name})
        return empty

    def write_run(
        self,
        labels: tuple[str, str],
        events: pd.DataFrame,
        series: FloatArray,
        repetition_time: float,
        sidecar: Json,
    ) -> None:
        """Write a run's events, brain mask, confounds and, last, its series.

        Parameters
        ----------
        labels : of the session, "" where there is none, and of the run
        events : with ``onset``, ``duration``, ``trial_type``, ``stim_file`` and what else was given
        series : (n_volumes, n_voxels), the scanner's units
        repetition_time : seconds
        sidecar : what is to be said of the series beside its timing
        """
        raw, derived = self._writer(self.root, labels), self._writer(self._series, labels)
        raw.table(EVENTS, events, EVENT_COLUMNS)
        ones = np.ones(len(self._voxels), dtype=np.int32)
        derived.volume(BRAIN, ones, self._voxels, {"Type": "Brain"})
        none = {name: np.zeros(len(series)) for name in CONFOUND_COLUMNS.known}
        derived.table(CONFOUNDS, pd.DataFrame(none), CONFOUND_COLUMNS)
        about = {
            "Description": f"{BOLD.description}. {NO_HUMAN} An encoding model predicted it from the images.",
            "TaskName": self._place.task,
            "RepetitionTime": repetition_time,
            "StartTime": 0.0,
            "SkullStripped": True,
            "Synthetic": True,
            "Units": "arbitrary",
            **sidecar,
        }
        derived.series(BOLD, series, self._voxels, repetition_time, about)

    def write_responses(
        self, labels: tuple[str, str], stimuli: Sequence[str], responses: FloatArray, sidecar: Json
    ) -> None:
        """Write the (n_trials, n_voxels) responses that a run is made of, in percent signal change."""
        about = {
            "Description": f"{TRIAL_RESPONSES.description}. {NO_HUMAN}",
            "Units": "percent",
            "Scale": "percent signal change at the response's peak",
            "Synthetic": True,
            **sidecar,
        }
        self._writer(self._series, labels).matrix(TRIAL_RESPONSES, responses, stimuli, self._voxels, about)

    def _writer(self, root: Path, labels: tuple[str, str] | None = None) -> Writer:
        writer = Writer(root, spatial_reference=self._grid)
        writer.place = self._place if labels is None else _of_run(self._place, labels)
        return writer

    def _record(self, identity: str, description: Json, finished: bool) -> Path:
        content = {
            "Description": f"A synthetic scan. {NO_HUMAN}",
            "Synthetic": True,
            "Hash": identity,
            "Finished": finished,
            **description,
        }
        return self._writer(self._series).json(RECORD, content)


def _of_run(place: Place, labels: tuple[str, str]) -> Place:
    return replace(place, session=labels[0] or None, run=labels[1] or None)


def roi_labels(roi_names: Sequence[str]) -> tuple[str, ...]:
    """The regions' names as BIDS labels: letters and digits alone.

    Raises
    ------
    UsageError : two regions have the same label, or one has none
    """
    labels = tuple("".join(sign for sign in name if sign.isascii() and sign.isalnum()) for name in roi_names)
    if len(set(labels)) < len(labels) or "" in labels:
        raise UsageError(
            f"The regions {', '.join(roi_names)} cannot all be told apart by letters and digits",
            "Rename their masks and fit the encoder again",
        )
    return labels


def require_bold_dataset(root: Path) -> None:
    """Refuse a folder that is there and holds anything but synthetic scans.

    Raises
    ------
    UsageError : naming what is there
    """
    remedy = "Give an OUT of its own, empty or not there yet"
    if root.exists() and not root.is_dir():
        raise UsageError(f"OUT {root} is a file", remedy)
    description = root / names.DATASET_DESCRIPTION
    if _read_json(description).get(_MARK) is True:
        return
    foreign = [path.name for path in sorted(root.iterdir())] if root.is_dir() else []
    foreign = [name for name in foreign if name != names.LOGS and not names.is_partial(name)]
    if foreign:
        raise UsageError(f"OUT {root} holds what is no synthetic scan: {foreign[0]}", remedy)


_MARK = "SyntheticBOLD"
# The schema has no table of confounds either.
_IGNORED = "\n".join((*BIDSIGNORE, "*_timeseries.*")) + "\n"


def _read_json(path: Path) -> Mapping[str, object]:
    """A JSON object; empty where the file is not there or is something else."""
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _write_descriptions(root: Path, series: Path) -> None:
    common = {
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": DISTRIBUTION, "Version": __version__}],
        _MARK: True,
    }
    for folder, name in ((series, "synthetic BOLD series"), (root, "synthetic scans: events and pictures")):
        described = {"Name": f"{DISTRIBUTION}: {name}", **common}
        write_bytes(folder / names.DATASET_DESCRIPTION, json_text(described).encode())
        write_bytes(folder / names.IGNORED, _IGNORED.encode())
        write_bytes(folder / names.README, _README.encode())


_README = f"""\
# Synthetic scans

{NO_HUMAN} Written by bidsapp_synthfmri: an encoding model predicted responses to the pictures, and a
model of a participant's series made BOLD of them. docs/synthesis-bold.md of the program says how, and what is
missing.

The root has events (`sub-X/func/*_events.tsv`) and the pictures that they name (`stimuli`);
`derivatives/synthfmri` has series (`*_desc-synthetic_bold.nii.gz`), masks, confounds (all 0: no motion was
simulated) and the responses that went into each run (`*_stat-effect_statmap.dscalar.nii`).
Voxels that the encoder does not have are 0.
"""
