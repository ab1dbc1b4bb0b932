"""One simulated participant: tuning, trials, runs on disk, and the truth behind them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..structures import BoolArray, IntArray
from . import fmriprep, raw
from .anatomy import HEMISPHERES, Anatomy
from .config import TASK, RoiModel, SimulationConfig
from .confounds import Confounds, draw_confounds
from .noise import NoiseLevels, spread_reliabilities
from .schedule import draw_schedule
from .series import RunDesign, columns_in_mask, noise_levels, run_series, single_trials
from .tables import write_json
from .tuning import Appearance, roi_signal

Array = NDArray[np.float64]

_BASELINE, _BASELINE_SD = 1000.0, 100.0


@dataclass(frozen=True)
class Folders:
    """Where a participant's files go: raw, preprocessed, masks, truth."""

    bids: Path
    fmriprep: Path
    spm: Path
    truth: Path


@dataclass(frozen=True)
class Pictures:
    """The pictures shown and the pictures never shown: tables of ``schedule``, and what is seen of them."""

    shown: pd.DataFrame
    extra: pd.DataFrame
    shown_appearance: Appearance
    extra_appearance: Appearance


@dataclass(frozen=True)
class TunedVoxels:
    """Signals of a participant's ROI voxels.

    Attributes
    ----------
    signal : (n, v), before standardising
    reliability : (v,) single-trial reliability
    """

    signal: Array
    reliability: Array


@dataclass(frozen=True)
class _Run:
    labels: tuple[str, str]
    trials: pd.DataFrame
    confounds: Confounds
    design: RunDesign


def tune_voxels(
    seen: Appearance,
    rois: tuple[RoiModel, ...],
    membership: BoolArray,
    noise: float,
    rng: np.random.Generator,
) -> TunedVoxels:
    """Tune the voxels of masks.

    Parameters
    ----------
    seen : n pictures
    rois : regions, each with a mask in the left and one in the right hemisphere, in order of ``membership``
    membership : (2 * n_rois, v); a voxel in two masks is tuned as the first of them
    noise : factor on the noise's SD
    rng : decides tuning, and which voxel is how reliable
    """
    signal, reliability = np.zeros((len(seen), membership.shape[1])), np.zeros(membership.shape[1])
    free = np.ones(membership.shape[1], dtype=bool)
    masks = [(roi, hemisphere) for roi in rois for hemisphere in HEMISPHERES]
    for (roi, hemisphere), held in zip(masks, membership, strict=True):
        mine = held & free
        free &= ~held
        signal[:, mine] = roi_signal(seen, roi, hemisphere, int(mine.sum()), rng)
        reliability[mine] = spread_reliabilities(roi.reliability, int(mine.sum()), noise, rng)
    return TunedVoxels(signal, reliability)


def simulate_participant(
    folders: Folders, number: int, pictures: Pictures, anatomy: Anatomy, config: SimulationConfig
) -> None:
    """Simulate and write participant ``number`` (from 1) of the configuration."""
    rng = np.random.default_rng([config.seed, 1, number])
    label = config.participants[number - 1]
    seen = pictures.shown_appearance.joined(pictures.extra_appearance)
    tuned = tune_voxels(seen, config.rois, anatomy.membership, config.noise, rng)
    n_shown = len(pictures.shown)
    mean, spread = tuned.signal[:n_shown].mean(axis=0), tuned.signal[:n_shown].std(axis=0)
    signal = (tuned.signal - mean) / spread
    trials = draw_schedule(config, pictures.shown, rng)
    runs = _runs(trials, pictures.shown, config, rng)
    designs = [run.design for run in runs]
    levels = noise_levels(designs, tuned.reliability, config)
    responses = single_trials(designs, signal, levels, config, rng)
    _write_runs(folders, label, number, runs, responses, levels, anatomy, config, rng)
    fmriprep.write_roi_masks(folders.spm / f"sub-{label}", label, anatomy)
    truth = {
        "signal": signal[:n_shown],
        "extra_signal": signal[n_shown:],
        "trial_stimuli": trials["stimulus"].to_numpy(dtype=str),
        "trial_responses": responses,
    }
    _write_truth(folders.truth / f"sub-{label}.npz", truth, levels, pictures, anatomy)


def _runs(
    trials: pd.DataFrame, shown: pd.DataFrame, config: SimulationConfig, rng: np.random.Generator
) -> list[_Run]:
    rows = pd.Index(shown["stimulus"])
    times: Array = np.arange(config.n_volumes, dtype=np.float64) * config.tr + config.start_time
    runs = []
    for labels in config.runs:
        mine = trials[(trials["session"] == labels[0]) & (trials["run"] == labels[1])]
        confounds = draw_confounds(config.n_volumes, config.tr, rng)
        design = RunDesign(
            shown=rows.get_indexer(pd.Index(mine["stimulus"])).astype(np.int64),
            onsets=mine["onset"].to_numpy(float),
            durations=mine["duration"].to_numpy(float),
            sample_times=times,
            time_courses=confounds.time_courses,
            outliers=confounds.non_steady,
        )
        runs.append(_Run(labels, mine, confounds, design))
    return runs


def _write_runs(
    folders: Folders,
    label: str,
    number: int,
    runs: list[_Run],
    responses: Array,
    levels: NoiseLevels,
    anatomy: Anatomy,
    config: SimulationConfig,
    rng: np.random.Generator,
) -> None:
    n_brain = int(anatomy.brain.sum())
    baseline = _BASELINE + _BASELINE_SD * np.clip(rng.standard_normal(n_brain), -2, 2)
    columns: IntArray = columns_in_mask(anatomy.ijk, anatomy.brain)
    first = 0
    for run in runs:
        evoked = responses[first : first + len(run.trials)]
        first += len(run.trials)
        series = run_series(run.design, evoked, levels, columns, n_brain, config, rng)
        stem = raw.run_stem(label, *run.labels)
        recorded = raw.func_folder(folders.bids, label, run.labels[0])
        preprocessed = raw.func_folder(folders.fmriprep, label, run.labels[0])
        raw.write_events(recorded / f"{stem}_events.tsv", run.trials, number)
        write_json(recorded / f"{stem}_bold.json", {"RepetitionTime": config.tr, "TaskName": TASK})
        bold = preprocessed / fmriprep.preprocessed_names(stem, config.naming)[0]
        fmriprep.write_series(bold, series, baseline, anatomy, config.tr)
        fmriprep.write_run_companions(preprocessed, stem, run.confounds, anatomy, config)
        shutil.copyfile(bold, recorded / f"{stem}_bold.nii.gz")


def _write_truth(
    path: Path,
    arrays: dict[str, NDArray[np.float64] | NDArray[np.str_]],
    levels: NoiseLevels,
    pictures: Pictures,
    anatomy: Anatomy,
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        allow_pickle=False,
        ijk=anatomy.ijk,
        roi_names=np.array(anatomy.roi_names),
        membership=anatomy.membership,
        stimuli=pictures.shown["stimulus"].to_numpy(dtype=str),
        categories=pictures.shown["category"].to_numpy(dtype=str),
        extra_stimuli=pictures.extra["stimulus"].to_numpy(dtype=str),
        extra_categories=pictures.extra["category"].to_numpy(dtype=str),
        reliability=levels.reliability,
        trial_sd=levels.trial_sd,
        temporal_sd=levels.temporal_sd,
        estimate_sd=levels.estimate_sd,
        **arrays,
    )
