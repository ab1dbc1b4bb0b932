"""The preprocessed half of a simulated dataset, named as fMRIPrep names it today or did before 2018."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .anatomy import SHAPE, SPACE, Anatomy
from .config import Naming, SimulationConfig
from .confounds import Confounds
from .nifti import write_nifti
from .noise import Array
from .raw import BIDS_VERSION
from .tables import write_json, write_table

_SLOPE = 0.05

_SUFFIXES: dict[Naming, tuple[str, str, str]] = {
    "fmriprep": (
        f"space-{SPACE}_desc-preproc_bold.nii.gz",
        f"space-{SPACE}_desc-brain_mask.nii.gz",
        "desc-confounds_timeseries.tsv",
    ),
    "legacy": (
        f"bold_space-{SPACE}_preproc.nii.gz",
        f"bold_space-{SPACE}_brainmask.nii.gz",
        "bold_confounds.tsv",
    ),
}


def preprocessed_names(stem: str, naming: Naming) -> tuple[str, str, str]:
    """File names of a run's series, brain mask and confounds."""
    bold, mask, confounds = (f"{stem}_{suffix}" for suffix in _SUFFIXES[naming])
    return bold, mask, confounds


def write_description(fmriprep_dir: Path, naming: Naming) -> None:
    """Write dataset_description.json; the legacy generation had none."""
    fmriprep_dir.mkdir(parents=True, exist_ok=True)
    if naming == "legacy":
        return
    description = {
        "Name": "Simulated series in the shape of fMRIPrep's",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "bidsapp_synthfmri.simulate", "Description": "simulated, not preprocessed"}],
    }
    write_json(fmriprep_dir / "dataset_description.json", description)


def write_series(path: Path, percent: Array, baseline: Array, anatomy: Anatomy, tr: float) -> None:
    """Write (n_volumes, n_brain) percent signal change over a (n_brain,) baseline as scaled int16."""
    values = np.zeros((*SHAPE, len(percent)), dtype=np.int16)
    stored = np.rint(baseline * (1 + percent / 100) / _SLOPE)
    values[anatomy.brain] = np.clip(stored, 0, np.iinfo(np.int16).max).T
    write_nifti(path, values, anatomy.affine, tr=tr, slope=_SLOPE)


def write_run_companions(
    folder: Path, stem: str, confounds: Confounds, anatomy: Anatomy, config: SimulationConfig
) -> None:
    """Write a run's brain mask, confounds and, in today's naming, sidecars."""
    bold, mask, table = preprocessed_names(stem, config.naming)
    write_nifti(folder / mask, anatomy.brain.astype(np.uint8), anatomy.affine)
    write_table(folder / table, confounds.table(config.naming))
    if config.naming == "legacy":
        return
    sidecar = {
        "RepetitionTime": config.tr,
        "StartTime": config.start_time,
        "SkullStripped": False,
        "TaskName": "images",
    }
    write_json(folder / bold.replace(".nii.gz", ".json"), sidecar)
    write_json(folder / mask.replace(".nii.gz", ".json"), {"Type": "Brain"})


def write_roi_masks(folder: Path, participant: str, anatomy: Anatomy) -> None:
    """Write BOLD5000's masks; every other one has fractions, as interpolation leaves them."""
    for number, (name, voxels) in enumerate(zip(anatomy.roi_names, anatomy.roi_voxels, strict=True)):
        interpolated = number % 2 == 1
        values = np.zeros(SHAPE, dtype=np.float32 if interpolated else np.uint8)
        values[tuple(voxels.T)] = np.linspace(1.0, 0.1, len(voxels)) if interpolated else 1
        write_nifti(folder / f"sub-{participant}_mask-{name}.nii.gz", values, anatomy.affine)
