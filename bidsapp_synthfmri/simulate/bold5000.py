"""A tree in the shape of BOLD5000 itself: the dataset's real events and masks, simulated volumes.

Most people have ds001499 without its raw BOLD: those files are links whose content was never fetched.
So they are here too. Names are those of fMRIPrep before 2018, without a dataset_description.json.
"""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from ..errors import InputMissingError
from ..structures import BoolArray, IntArray
from .anatomy import HEMISPHERES
from .config import SimulationConfig
from .fmriprep import preprocessed_names
from .haemodynamics import cosine_drifts
from .nifti import write_nifti
from .participant import tune_voxels
from .pictures import store_picture
from .series import RunDesign, columns_in_mask, noise_levels, run_series, single_trials
from .tuning import Appearance, appearance

Array = NDArray[np.float64]
RunLabels = tuple[str, str]

PARTICIPANT = "CSI1"
TASK = "5000scenes"
_TR, _N_VOLUMES = 2.0, 194
_SOURCES = {"coco": ("face", "ball"), "imagenet": ("flower", "star"), "scenes": ("building", "wave")}
_CATEGORIES = tuple(category for pair in _SOURCES.values() for category in pair)
_DATASET_FILES = ("dataset_description.json", "participants.tsv", "README", "task-5000scenes_bold.json")
_NUISANCE = ("X", "Y", "Z", "RotX", "RotY", "RotZ", *(f"aCompCor{index:02d}" for index in range(5)))
_BASELINE = 10000
_BRAIN_MARGIN = 2


@dataclass(frozen=True)
class Bold5000Tree:
    """Where the tree lies, and the truth behind its volumes.

    Attributes
    ----------
    bids_dir : the dataset
    stimuli_dir : the pictures, drawn; outside ``bids_dir``, as with BOLD5000's own
    ijk : (v, 3) ROI voxels, in C order of the volume
    roi_names, membership : masks, and (n_masks, v) which voxels each holds
    stimuli : file names of the distinct pictures
    sources : ``coco``, ``imagenet`` or ``scenes``, one a picture
    signal : (n_stimuli, v), mean 0 and SD 1 in each voxel
    reliability : (v,) single-trial reliability
    """

    bids_dir: Path
    stimuli_dir: Path
    ijk: IntArray
    roi_names: tuple[str, ...]
    membership: BoolArray
    stimuli: tuple[str, ...]
    sources: tuple[str, ...]
    signal: Array
    reliability: Array


@dataclass(frozen=True)
class _Masks:
    names: tuple[str, ...]
    volumes: BoolArray
    affine: Array

    @property
    def union(self) -> BoolArray:
        return np.asarray(np.logical_or.reduce(self.volumes, axis=0), dtype=np.bool_)

    @property
    def ijk(self) -> IntArray:
        return np.argwhere(self.union).astype(np.int64)

    @property
    def membership(self) -> BoolArray:
        return np.asarray(self.volumes[:, *self.ijk.T], dtype=bool)


def write_bold5000_tree(
    shared_ds001499: Path,
    directory: Path,
    sessions: Sequence[str] = ("01", "02"),
    runs: Sequence[str] = ("01", "02"),
    seed: int = 0,
    image_size: int = 128,
) -> Bold5000Tree:
    """Write participant CSI1 with simulated volumes.

    Parameters
    ----------
    shared_ds001499 : real events, sidecars, confounds (of session 01, reused for the others), ROI masks
    directory : gets ``ds001499`` and ``stimuli``
    sessions, runs : labels; each session gets each run
    seed : of pictures, tuning and noise
    image_size : of the pictures, in pixels

    Returns
    -------
    Bold5000Tree. Pictures of a source share two drawn categories, so sources can be decoded.

    Raises
    ------
    InputMissingError : a file of the real dataset is not there
    """
    config = SimulationConfig(seed=seed, image_size=image_size, tr=_TR)
    bids, stimuli_dir = directory / "ds001499", directory / "stimuli"
    for name in _DATASET_FILES:
        _copy(shared_ds001499 / name, bids / name)
    masks = _copy_masks(shared_ds001499, bids, config)
    labels = [(session, run) for session in sessions for run in runs]
    events = {run: _copy_run(shared_ds001499, bids, run) for run in labels}
    table = pd.concat(events.values()).drop_duplicates("stim_file")
    stimuli = tuple(str(name) for name in table["stim_file"])
    sources = tuple(str(tag).removeprefix("rep_") for tag in table["ImgType"])
    rng = np.random.default_rng(seed)
    seen = _draw(stimuli_dir, stimuli, sources, config)
    tuned = tune_voxels(seen, config.rois, masks.membership, config.noise, rng)
    signal = (tuned.signal - tuned.signal.mean(axis=0)) / tuned.signal.std(axis=0)
    designs = {run: _design(bids, run, events[run], stimuli) for run in labels}
    _write_volumes(bids, designs, masks, signal, tuned.reliability, config, rng)
    return Bold5000Tree(
        bids,
        stimuli_dir,
        masks.ijk,
        masks.names,
        masks.membership,
        stimuli,
        sources,
        signal,
        tuned.reliability,
    )


def _copy(source: Path, target: Path) -> None:
    if not source.is_file():
        raise InputMissingError(f"{source} is not there", "Give the folder of ds001499's real files")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _copy_masks(shared: Path, bids: Path, config: SimulationConfig) -> _Masks:
    folder = Path("derivatives") / "spm" / f"sub-{PARTICIPANT}"
    names = tuple(f"{hemisphere}{roi.name}" for roi in config.rois for hemisphere in HEMISPHERES)
    volumes, affine = [], np.eye(4)
    for name in names:
        file = folder / f"sub-{PARTICIPANT}_mask-{name}.nii.gz"
        _copy(shared / file, bids / file)
        image: Any = nib.load(bids / file)
        volumes.append(np.asarray(image.dataobj) > 0)
        affine = image.affine
    return _Masks(names, np.stack(volumes), affine)


def _stem(run: RunLabels) -> str:
    return f"sub-{PARTICIPANT}_ses-{run[0]}_task-{TASK}_run-{run[1]}"


def _func(root: Path, session: str) -> Path:
    return root / f"sub-{PARTICIPANT}" / f"ses-{session}" / "func"


def _fmriprep_file(root: Path, run: RunLabels, which: int) -> Path:
    """The run's series (0), brain mask (1) or confounds (2)."""
    folder = _func(root / "derivatives" / "fmriprep", run[0])
    return folder / preprocessed_names(_stem(run), "legacy")[which]


def _copy_run(shared: Path, bids: Path, run: RunLabels) -> pd.DataFrame:
    """Copy one run's small files, link its raw BOLD to content that is absent, and read its events."""
    source, target, stem = _func(shared, run[0]), _func(bids, run[0]), _stem(run)
    for ending in ("events.tsv", "bold.json"):
        _copy(source / f"{stem}_{ending}", target / f"{stem}_{ending}")
    _copy(_fmriprep_file(shared, ("01", run[1]), 2), _fmriprep_file(bids, run, 2))
    key = f"MD5E-s71303168--{zlib.crc32(stem.encode()):032x}.nii.gz"
    link = target / f"{stem}_bold.nii.gz"
    if not link.is_symlink():
        link.symlink_to(f"../../../.git/annex/objects/Kq/9Z/{key}/{key}")
    return pd.read_csv(target / f"{stem}_events.tsv", sep="\t")


def _draw(
    folder: Path, stimuli: Sequence[str], sources: Sequence[str], config: SimulationConfig
) -> Appearance:
    pictures, categories = [], []
    for stimulus, source in zip(stimuli, sources, strict=True):
        rng = np.random.default_rng([config.seed, zlib.crc32(stimulus.encode())])
        categories.append(str(rng.choice(_SOURCES[source])))
        pictures.append(store_picture(folder / stimulus, categories[-1], config.image_size, rng))
    return appearance(pictures, categories, _CATEGORIES)


def _design(bids: Path, run: RunLabels, events: pd.DataFrame, stimuli: Sequence[str]) -> RunDesign:
    table = pd.read_csv(_fmriprep_file(bids, run, 2), sep="\t", na_values="n/a").fillna(0)
    courses = np.concatenate([table[list(_NUISANCE)].to_numpy(float), cosine_drifts(_N_VOLUMES, _TR)], axis=1)
    outliers = [name for name in table.columns if name.startswith("NonSteadyStateOutlier")]
    return RunDesign(
        shown=pd.Index(stimuli).get_indexer(pd.Index(events["stim_file"])).astype(np.int64),
        onsets=events["onset"].to_numpy(float),
        durations=events["duration"].to_numpy(float),
        sample_times=np.asarray(np.arange(_N_VOLUMES) * _TR, dtype=np.float64),
        time_courses=(courses - courses.mean(axis=0)) / courses.std(axis=0),
        outliers=table[outliers].to_numpy(float),
    )


def _write_volumes(
    bids: Path,
    designs: dict[RunLabels, RunDesign],
    masks: _Masks,
    signal: Array,
    reliability: Array,
    config: SimulationConfig,
    rng: np.random.Generator,
) -> None:
    """Write series and brain masks; the brain is the ROIs and a margin about them."""
    near: BoolArray = np.asarray(binary_dilation(masks.union, iterations=_BRAIN_MARGIN), dtype=np.bool_)
    columns, n_near = columns_in_mask(masks.ijk, near), int(near.sum())
    levels = noise_levels(list(designs.values()), reliability, config)
    responses = single_trials(list(designs.values()), signal, levels, config, rng)
    first = 0
    for run, design in designs.items():
        evoked = responses[first : first + len(design.shown)]
        first += len(design.shown)
        series = run_series(design, evoked, levels, columns, n_near, config, rng)
        volumes = np.zeros((*near.shape, _N_VOLUMES), dtype=np.int16, order="F")
        volumes[near] = np.rint(_BASELINE * (1 + series / 100)).T
        write_nifti(_fmriprep_file(bids, run, 0), volumes, masks.affine, tr=_TR)
        write_nifti(_fmriprep_file(bids, run, 1), near.astype(np.uint8), masks.affine)
