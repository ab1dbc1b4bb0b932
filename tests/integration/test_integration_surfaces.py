"""The participant level on fMRIPrep's surfaces: the same signals give the same responses as in the volume."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from bidsapp_synthfmri.cli.main import run
from bidsapp_synthfmri.dataset.volumes import open_volume
from bidsapp_synthfmri.derivatives.reader import load_participant
from bidsapp_synthfmri.encoding import Encoder
from bidsapp_synthfmri.structures import SurfaceSpace

CORTICES = ("CIFTI_STRUCTURE_CORTEX_LEFT", "CIFTI_STRUCTURE_CORTEX_RIGHT")
N_MEDIAL_WALL = 6


def rois_of(bids_dir: Path) -> np.ndarray:
    masks = sorted(bids_dir.rglob("sub-01_mask-*.nii.gz"))
    return np.argwhere(np.any([open_volume(path).get_fdata() > 0 for path in masks], axis=0))


def write_surfaces(bids_dir: Path) -> np.ndarray:
    """Both hemispheres of every run of sub-01: a medial wall of zeros, then the ROIs' voxels, left by x.

    Returns
    -------
    (n_voxels,) number of each ROI voxel, in the order of the vertices
    """
    ijk = rois_of(bids_dir)
    is_left = ijk[:, 0] < np.median(ijk[:, 0])
    order = [np.flatnonzero(is_left), np.flatnonzero(~is_left)]
    for path in sorted(bids_dir.rglob("sub-01_*_space-T1w_desc-preproc_bold.nii.gz")):
        series = open_volume(path).get_fdata()[*ijk.T].astype(np.float32)  # (n_voxels, n_volumes)
        for side, columns in zip("LR", order, strict=True):
            values = np.vstack([np.zeros((N_MEDIAL_WALL, series.shape[1]), np.float32), series[columns]])
            arrays = [
                nib.gifti.GiftiDataArray(row, "NIFTI_INTENT_TIME_SERIES", "NIFTI_TYPE_FLOAT32")
                for row in np.ascontiguousarray(values.T)
            ]
            stem = path.name.replace(
                "_space-T1w_desc-preproc_bold.nii.gz", f"_hemi-{side}_space-fsnative_bold"
            )
            nib.save(nib.GiftiImage(darrays=arrays), path.with_name(f"{stem}.func.gii"))
            sidecar = path.with_name(path.name.replace(".nii.gz", ".json")).read_text()
            path.with_name(f"{stem}.json").write_text(sidecar)
    return np.concatenate(order)


@dataclass(frozen=True)
class Results:
    """Both runs of one participant, and which ROI voxel each vertex is."""

    bids_dir: Path
    surface: Path
    volume: Path
    voxels: np.ndarray


@pytest.fixture
def results(spoilt, tmp_path, participant_level) -> Results:
    voxels = write_surfaces(spoilt)
    made = Results(spoilt, tmp_path / "surface", tmp_path / "volume", voxels)
    for done in (
        participant_level(spoilt, "--space", "fsnative", "--responses", "lss", output=made.surface),
        participant_level(spoilt, "--responses", "lss", output=made.volume),
    ):
        assert done.exit_code == 0, done.output
    return made


def test_a_participant_on_surfaces_from_bold_to_the_group(results, tmp_path):
    surface, volume = (load_participant(path, "01") for path in (results.surface, results.volume))

    assert surface.space == "fsnative"
    assert volume.space == "T1w"
    assert isinstance(surface.voxels, SurfaceSpace)
    assert surface.summary["dropped_voxels"] == 2 * N_MEDIAL_WALL
    assert [roi.name for roi in surface.voxels.roi_sets()] == ["all"]
    assert surface.voxels.vertices.min() == N_MEDIAL_WALL
    # Stored as scaled integers and as float32: rounding alone tells them apart.
    np.testing.assert_allclose(
        surface.responses.values, volume.responses.values[:, results.voxels], atol=1e-3
    )

    func = results.surface / "sub-01" / "func"
    for desc in ("singletrial", "synthetic", "unseen"):
        path = func / f"sub-01_task-images_space-fsnative_desc-{desc}_stat-effect_statmap.dscalar.nii"
        columns = nib.load(path).header.get_axis(1)
        assert [name for name, *_ in columns.iter_structures()] == list(CORTICES)
        assert len(columns) == len(results.voxels)
    maps = sorted(path.name for path in func.glob("*_space-fsnative_*.d*.nii"))
    assert len(maps) == 10

    encoder = Encoder.load(func / "sub-01_task-images_desc-encoder_model.safetensors")
    assert isinstance(encoder.voxels, SurfaceSpace)
    assert encoder.voxels.n_vertices == surface.voxels.n_vertices
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    assert encoder.predict([picture]).shape == (1, len(results.voxels))
    assert np.isfinite(encoder.predict([picture])).all()

    group = [results.bids_dir, results.surface, "group", "--work-dir", tmp_path / "work", "--n-cpus", "1"]
    done = CliRunner().invoke(run, [str(word) for word in group])
    assert done.exit_code == 0, done.output


def test_what_an_upper_rung_chose_is_mapped_on_vertices(spoilt, tmp_path, participant_level):
    voxels = write_surfaces(spoilt)
    done = participant_level(spoilt, "--space", "fsnative")
    assert done.exit_code == 0, done.output
    read = load_participant(tmp_path / "out", "01")
    assert read.summary["responses"] == "hrf-denoise-ridge"
    assert np.isfinite(read.responses.values).all()
    folder = tmp_path / "out" / "sub-01" / "func"
    (path,) = folder.glob("*_space-fsnative_desc-hrf_stat-timetopeak_statmap.dscalar.nii")
    image = nib.load(path)
    assert [name for name, *_ in image.header.get_axis(1).iter_structures()] == list(CORTICES)
    times = np.asarray(image.dataobj)[0]
    assert len(times) == len(voxels)
    assert (times > 2).all()
    assert (times < 8).all()
