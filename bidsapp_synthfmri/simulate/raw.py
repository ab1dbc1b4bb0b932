"""The raw half of a simulated dataset: what a scanner and a stimulus computer would have left."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ..structures import Json
from .config import TASK, SimulationConfig
from .tables import write_json, write_table

BIDS_VERSION = "1.11.1"

_README = """\
Simulated dataset: no human was scanned.

Pictures of {n_categories} categories were drawn by rule, and {n_participants} simulated participants saw
{n_stimuli} of them in {n_sessions} sessions of {n_runs} runs: {n_repeated} pictures
{n_presentations} times, the others once. Timing, columns and conventions of the events follow BOLD5000
(OpenNeuro ds001499). The voxels respond by a model of Gabor energy, category, texture and colour; the
truth behind them is stored outside this dataset. derivatives/fmriprep holds series in the shape that
fMRIPrep writes, derivatives/spm the ROI masks.

The presentations of a repeated picture are found by stim_file: ImgType tags all of them but one.
"""

_EVENT_COLUMNS: Json = {
    "onset": {"Description": "Onset of the picture, from the first volume", "Units": "s"},
    "duration": {"Description": "How long the picture was shown", "Units": "s"},
    "Subj": {"Description": "Number of the participant"},
    "Sess": {"Description": "Number of the session"},
    "Run": {"Description": "Number of the run within the session"},
    "Trial": {"Description": "Number of the trial within the run"},
    "ImgName": {"Description": "File name of the picture"},
    "ImgType": {"Description": "Category; rep_ before it on most presentations of repeated pictures"},
    "StimOn(s)": {"Description": "Onset of the picture, from the first volume", "Units": "s"},
    "StimOff(s)": {"Description": "Offset of the picture, from the first volume", "Units": "s"},
    "Response": {
        "Description": "How the picture was liked",
        "Levels": {"0": "no answer", "1": "like", "2": "neutral", "3": "dislike"},
    },
    "RT": {"Description": "Reaction time; 0 where there was no answer", "Units": "s"},
    "stim_file": {"Description": "File name of the picture in stimuli/"},
}


def run_stem(participant: str, session: str, run: str) -> str:
    """Entities that the files of one run share."""
    return f"sub-{participant}_ses-{session}_task-{TASK}_run-{run}"


def func_folder(root: Path, participant: str, session: str) -> Path:
    """Where the files of a session's runs lie."""
    return root / f"sub-{participant}" / f"ses-{session}" / "func"


def write_dataset_files(bids_dir: Path, config: SimulationConfig) -> None:
    """Write what describes the dataset as a whole."""
    description = {
        "Name": "Simulated BOLD5000-like dataset",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "raw",
        "License": "CC0",
        "Authors": ["bidsapp_synthfmri"],
        "Acknowledgements": "Simulated by bidsapp_synthfmri: no human was scanned.",
        "GeneratedBy": [
            {"Name": "bidsapp_synthfmri.simulate", "Description": f"simulate, seed {config.seed}"}
        ],
    }
    write_json(bids_dir / "dataset_description.json", description)
    text = _README.format(
        n_categories=config.n_categories,
        n_participants=len(config.participants),
        n_stimuli=config.n_repeated + config.n_once,
        n_sessions=config.n_sessions,
        n_runs=config.n_runs,
        n_repeated=config.n_repeated,
        n_presentations=config.n_presentations,
    )
    (bids_dir / "README").write_text(text, encoding="utf-8")
    labels = [f"sub-{label}" for label in config.participants]
    participants = pd.DataFrame({"participant_id": labels, "n_sessions": config.n_sessions})
    write_table(bids_dir / "participants.tsv", participants)
    write_json(
        bids_dir / "participants.json",
        {
            "participant_id": {"Description": "Label of the simulated participant"},
            "n_sessions": {"Description": "Sessions simulated"},
        },
    )
    sidecar = {
        "TaskName": TASK,
        "RepetitionTime": config.tr,
        "TaskDescription": "Pictures, one every ten seconds; the participant rates it. Simulated.",
    }
    write_json(bids_dir / f"task-{TASK}_bold.json", sidecar)
    write_json(bids_dir / f"task-{TASK}_events.json", _EVENT_COLUMNS)


def write_events(path: Path, trials: pd.DataFrame, participant_number: int) -> None:
    """Write one run's rows of ``draw_schedule`` with BOLD5000's columns."""
    events = pd.DataFrame(
        {
            "onset": trials["onset"],
            "duration": trials["duration"],
            "Subj": participant_number,
            "Sess": trials["session"].astype(int),
            "Run": trials["run"].astype(int),
            "Trial": trials["trial"],
            "ImgName": trials["stimulus"],
            "ImgType": trials["tag"],
            "StimOn(s)": trials["onset"],
            "StimOff(s)": trials["onset"] + trials["duration"],
            "Response": trials["response"],
            "RT": trials["reaction_time"],
            "stim_file": trials["stimulus"],
        }
    )
    write_table(path, events)
