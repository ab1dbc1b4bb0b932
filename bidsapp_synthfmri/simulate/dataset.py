"""A simulated BIDS dataset, its preprocessed series, its pictures, and the truth behind them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import UsageError
from . import fmriprep, raw
from .anatomy import build_anatomy
from .config import SimulationConfig
from .participant import Folders, Pictures, simulate_participant
from .pictures import store_picture
from .schedule import extra_table, stimulus_table
from .tables import write_json
from .tuning import Appearance, appearance

_TRUTH = {
    "signal": "(n_stimuli, v) noiseless responses, in SDs over the distinct stimuli shown, mean 0; "
    "extra_signal the same for the pictures never shown",
    "reliability": "(v,) variance of the signal over distinct stimuli (1) / (1 + estimate_sd^2)",
    "estimate_sd": "(v,) noise of one trial's estimate by least squares of all trials of a run together, "
    "with an intercept, cosine drifts, the six motion parameters, the first five aCompCor and the first "
    "volume in the design: trial_sd^2 + temporal_sd^2 * mean over trials of w' R w",
    "trial_sd": "(v,) noise that arises in the response itself, trial by trial, partly shared over voxels",
    "temporal_sd": "(v,) noise of BOLD, volume by volume, in units of the response's peak",
    "trial_responses": "(n_trials, v) signal and trial noise, in order of session, run and onset, without "
    "the mean response; multiplied by percent_per_sd they are percent signal change at the peak",
    "ijk": "(v, 3) voxels in C order of the volume; membership (n_masks, v) says which roi_names hold them",
}


@dataclass(frozen=True)
class SimulatedDataset:
    """Where everything lies.

    Attributes
    ----------
    bids_dir : the raw dataset, with ``stimuli`` and ``derivatives`` in it
    stimuli_dir : the pictures that were shown
    extra_dir : the labelled pictures that were not; its subfolders are categories
    fmriprep_dir, spm_dir : preprocessed series; ROI masks
    truth_dir : ``sub-<label>.npz``, one a participant, and ``truth.json``, which says what is in it
    config : what was asked for
    """

    bids_dir: Path
    stimuli_dir: Path
    extra_dir: Path
    fmriprep_dir: Path
    spm_dir: Path
    truth_dir: Path
    config: SimulationConfig

    def truth(self, participant: str) -> dict[str, NDArray[Any]]:
        """The arrays of one participant's truth, by name."""
        with np.load(self.truth_dir / f"sub-{participant}.npz", allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}


def simulate(directory: Path, config: SimulationConfig | None = None) -> SimulatedDataset:
    """Make a dataset; the same configuration gives the same bytes.

    Parameters
    ----------
    directory : gets ``bids``, ``extra`` and ``truth``; made if it is not there
    config : what to simulate; the default is sized for a demonstration

    Returns
    -------
    SimulatedDataset with the paths

    Raises
    ------
    UsageError : ``directory`` holds a dataset of another configuration; a mask finds no room in the
        simulated brain
    """
    config = SimulationConfig() if config is None else config
    bids = directory / "bids"
    made = SimulatedDataset(
        bids_dir=bids,
        stimuli_dir=bids / "stimuli",
        extra_dir=directory / "extra",
        fmriprep_dir=bids / "derivatives" / "fmriprep",
        spm_dir=bids / "derivatives" / "spm",
        truth_dir=directory / "truth",
        config=config,
    )
    anatomy = build_anatomy(config)
    _record(made)
    raw.write_dataset_files(bids, config)
    fmriprep.write_description(made.fmriprep_dir, config.naming)
    shown, extra = stimulus_table(config), extra_table(config)
    pictures = Pictures(
        shown, extra, _draw(made.stimuli_dir, shown, config), _draw(made.extra_dir, extra, config)
    )
    folders = Folders(bids, made.fmriprep_dir, made.spm_dir, made.truth_dir)
    for number in range(1, len(config.participants) + 1):
        simulate_participant(folders, number, pictures, anatomy, config)
    return made


def _record(made: SimulatedDataset) -> None:
    """Write ``truth.json`` first of all, so that two configurations never mix in one folder."""
    path = made.truth_dir / "truth.json"
    content = {"config": asdict(made.config), "arrays": _TRUTH}
    occupied = made.bids_dir.exists() and any(made.bids_dir.iterdir())
    same = path.is_file() and json.loads(path.read_text(encoding="utf-8")) == json.loads(json.dumps(content))
    if occupied and not same:
        raise UsageError(f"{made.bids_dir} holds another dataset", "Choose an empty folder")
    write_json(path, content)


def _draw(folder: Path, table: pd.DataFrame, config: SimulationConfig) -> Appearance:
    """Draw and store a table's pictures; what voxels see of them comes from the stored files."""
    pictures = []
    columns = (table["stimulus"], table["category"], table["number"])
    for stimulus, category, number in zip(*columns, strict=True):
        rng = np.random.default_rng([config.seed, 0, config.categories.index(category), number])
        pictures.append(store_picture(folder / stimulus, category, config.image_size, rng))
    return appearance(pictures, list(table["category"]), config.categories)
