"""A run of BOLD5000's size on disk, as fMRIPrep leaves it, for benchmarks that read it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from bidsapp_synthfmri.dataset.gzipped import open_stream
from bidsapp_synthfmri.dataset.structures import RunFiles
from bidsapp_synthfmri.dataset.volumes import open_volume, read_volume
from bidsapp_synthfmri.simulate.haemodynamics import trial_regressors
from bidsapp_synthfmri.simulate.nifti import write_nifti
from bidsapp_synthfmri.structures import BoolArray, VoxelSpace

SHAPE, SHAPE_QUICK = (71, 89, 72), (20, 24, 20)
N_VOLUMES, N_TRIALS, REPETITION_TIME = 194, 37, 2.0
N_ROI_VOXELS = 1666
REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "ds001499"

_AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
_BRAIN_RADIUS = (0.871, 0.871, 0.921)  # of the half field of view: 160,000 voxels of the full shape
_SCANNED = 1.13  # what the scan covers beyond the brain, in brain radii: 150 MB of gzip
_BASELINE, _OUTSIDE, _NOISE_SD, _RESPONSE_SD = 10_000.0, 600.0, 100.0, 50.0
_LEVEL = 6
_CONFOUNDS = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
_COMPONENTS = tuple(f"a_comp_cor_{number:02d}" for number in range(5))

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A run on disk.

    Attributes
    ----------
    run : its files
    voxels : where to estimate responses
    onsets, durations : (n_trials,) seconds
    """

    run: RunFiles
    voxels: VoxelSpace
    onsets: Array
    durations: Array


def make_case(folder: Path, quick: bool, roi: bool, rng: np.random.Generator) -> Case:
    """Write a run, its brain mask and confounds; the timing is real where ds001499's events are at hand."""
    shape = SHAPE_QUICK if quick else SHAPE
    brain = _brain(shape)
    files = {name: folder / name for name in ("bold.nii.gz", "mask.nii.gz", "confounds.tsv", "events.tsv")}
    onsets, durations = _timing(rng)
    write_nifti(files["mask.nii.gz"], brain.astype(np.uint8), _AFFINE)
    write_nifti(
        files["bold.nii.gz"], _series(shape, onsets, durations, rng), _AFFINE, REPETITION_TIME, None, _LEVEL
    )
    _write_confounds(files["confounds.tsv"], rng)
    run = RunFiles(
        participant="CSI1",
        session="01",
        task="5000scenes",
        run="01",
        events=files["events.tsv"],
        bold=files["bold.nii.gz"],
        brain_mask=files["mask.nii.gz"],
        confounds=files["confounds.tsv"],
        repetition_time=REPETITION_TIME,
        start_time=0.0,
    )
    ijk = np.argwhere(_rois(brain) if roi else brain)
    everything = np.ones((1, len(ijk)), dtype=bool)
    voxels = VoxelSpace(ijk, _AFFINE, shape, ("mask",), everything, "T1w")
    return Case(run, voxels, onsets, durations)


def unpack(path: Path) -> None:
    """Bare decompression of a .nii.gz, a volume at a time, by the library that ``read_bold`` uses."""
    volume_bytes = 4 * int(np.prod(SHAPE))
    with open_stream(path) as file:
        while file.read(volume_bytes):
            pass


def _series(
    shape: tuple[int, int, int], onsets: Array, durations: Array, rng: np.random.Generator
) -> NDArray[np.float32]:
    """(x, y, z, n_volumes): smooth tissue, noise and responses in the brain, weak noise about it, then 0."""
    brain = _brain(shape)
    scanned = brain | _ellipsoid(shape, _SCANNED)
    smooth = gaussian_filter(rng.standard_normal(shape), 4)
    mean = np.where(brain, _BASELINE, _OUTSIDE) * np.exp(0.2 * smooth / smooth.std())
    times = REPETITION_TIME * np.arange(N_VOLUMES)
    regressors = trial_regressors(onsets, durations, times).astype(np.float32)
    n_brain, n_scanned = int(brain.sum()), int(scanned.sum())
    responses = rng.standard_normal((N_TRIALS, n_brain), dtype=np.float32) * np.float32(_RESPONSE_SD)
    noise_sd = (_NOISE_SD / _BASELINE * mean[scanned]).astype(np.float32)
    noise_sd[~brain[scanned]] *= 5
    series = np.zeros((*shape, N_VOLUMES), dtype=np.float32, order="F")
    for volume in range(N_VOLUMES):
        values = noise_sd * rng.standard_normal(n_scanned, dtype=np.float32) + mean[scanned].astype(
            np.float32
        )
        values[brain[scanned]] += regressors[volume] @ responses
        series[..., volume][scanned] = values
    return series


def _ellipsoid(shape: tuple[int, int, int], scale: float) -> BoolArray:
    axes = [np.linspace(-1, 1, size) / radius for size, radius in zip(shape, _BRAIN_RADIUS, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    return np.asarray(x**2 + y**2 + z**2 <= scale**2)


def _brain(shape: tuple[int, int, int]) -> BoolArray:
    """An ellipsoid, and the real ROI masks where they are at hand and on this grid."""
    return _ellipsoid(shape, 1.0) | _real_rois(shape)


def _rois(brain: BoolArray) -> BoolArray:
    """The real ROI masks, else as many voxels of the brain."""
    real = _real_rois(brain.shape)
    if real.any():
        return real
    places = np.flatnonzero(brain)
    chosen = np.zeros(brain.size, dtype=bool)
    chosen[places[:: max(1, len(places) // N_ROI_VOXELS)][:N_ROI_VOXELS]] = True
    return chosen.reshape(brain.shape)


def _real_rois(shape: tuple[int, ...]) -> BoolArray:
    folder = REAL / "derivatives" / "spm" / "sub-CSI1"
    masks = [read_volume(path, open_volume(path)) > 0 for path in sorted(folder.glob("*_mask-*.nii.gz"))]
    on_grid = [mask for mask in masks if mask.shape == shape]
    return np.any(on_grid, axis=0) if on_grid else np.zeros(shape, dtype=bool)


def _timing(rng: np.random.Generator) -> tuple[Array, Array]:
    events = sorted(REAL.glob("sub-CSI1/ses-*/func/*_task-5000scenes_*_events.tsv"))
    if events:
        table = pd.read_csv(events[0], sep="\t")
        return table["onset"].to_numpy(np.float64), table["duration"].to_numpy(np.float64)
    trial = np.arange(N_TRIALS)
    return 6 + 10 * trial + rng.uniform(-0.005, 0.041, N_TRIALS), rng.uniform(0.967, 1.002, N_TRIALS)


def _write_confounds(path: Path, rng: np.random.Generator) -> None:
    names = [*_CONFOUNDS, *_COMPONENTS]
    values = rng.standard_normal((N_VOLUMES, len(names)))
    pd.DataFrame(values, columns=names).to_csv(path, sep="\t", index=False)
