"""BOLD at the voxels asked for."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from bidsapp_synthfmri.dataset.bold import n_volumes, read_bold, read_bold_and_pool
from bidsapp_synthfmri.dataset.rois import read_pool, read_voxel_space
from bidsapp_synthfmri.errors import InputMalformedError, InputMissingError


@pytest.fixture
def read(legacy):
    """A run's files, its voxels, and the series on disk."""
    files = legacy.files()
    return files.runs[0], read_voxel_space(files, ()), legacy.bold["01", "01"]


def test_series_are_those_of_the_voxels_one_row_a_volume(read):
    run, voxels, series = read
    assert np.array_equal(read_bold(run, voxels), series[*voxels.ijk.T].T.astype(np.float32))
    assert read_bold(run, voxels).dtype == np.float32
    assert n_volumes(run) == series.shape[3]


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.int16, ">i2", np.uint16, np.int32, np.float32, ">f4", np.float64]
)
@pytest.mark.parametrize("scaling", [(0.37, -5.0), (1.0, 0.0), (1.0, 3.0), (2.0, 0.0)])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_scaling_and_type_are_as_nibabel_reads_them(read, tmp_path, dtype, suffix, scaling):
    run, voxels, series = read
    header = nib.Nifti1Header(endianness=">" if np.dtype(dtype).byteorder == ">" else "<")
    image = nib.Nifti1Image((series / 8).astype(dtype), nib.load(run.bold).affine, header)
    image.set_data_dtype(dtype)
    image.header.set_slope_inter(*scaling)
    path = tmp_path / f"bold{suffix}"
    nib.save(image, path)
    assert nib.load(path).dataobj.dtype == dtype
    expected = nib.load(path).get_fdata()[*voxels.ijk.T].T
    found = read_bold(replace(run, bold=path), voxels)
    assert np.array_equal(found, expected.astype(np.float32))


def test_a_second_set_of_voxels_comes_from_the_same_pass(read, legacy):
    run, voxels, series = read
    pool = read_pool(legacy.files(), voxels)
    found, second = read_bold_and_pool(run, voxels, pool)
    assert np.array_equal(found, read_bold(run, voxels))
    assert np.array_equal(second, series[*pool.T].T.astype(np.float32))
    assert read_bold_and_pool(run, voxels, None)[1] is None


def test_nan_and_constant_voxels_are_returned_as_they_are(read, legacy):
    run, voxels, series = read
    values = series.astype(np.float32)
    values[*voxels.ijk[0], 3] = np.nan
    values[*voxels.ijk[1]] = 7
    legacy.volume(run.bold, values)
    found = read_bold(run, voxels)
    assert np.isnan(found[:, 0]).sum() == 1
    assert (found[:, 1] == 7).all()


@pytest.mark.parametrize("n_bytes", [4, 40, 4000])
def test_a_truncated_run_is_named_with_its_remedy(read, truncate, n_bytes):
    run, voxels, _ = read
    truncate(run.bold, n_bytes)
    with pytest.raises(
        InputMalformedError, match=r"truncated or damaged.*Fetch or make the file again"
    ) as caught:
        read_bold(run, voxels)
    assert str(run.bold) in caught.value.problem
    assert caught.value.exit_code == 4


def test_a_run_that_differs_from_its_checksum_is_refused(read, damage):
    run, voxels, _ = read
    damage(run.bold)
    with pytest.raises(InputMalformedError, match="CRC"):
        read_bold(run, voxels)


@pytest.mark.parametrize("content", [b"", b"no image", b"\x1f\x8b\x08"])
def test_what_is_no_image_is_refused(read, content):
    run, voxels, _ = read
    run.bold.write_bytes(content)
    with pytest.raises(InputMalformedError, match="cannot be read"):
        read_bold(run, voxels)


def test_a_file_gone_since_is_missing(read):
    run, voxels, _ = read
    run.bold.unlink()
    with pytest.raises(InputMissingError):
        read_bold(run, voxels)


def test_one_volume_is_no_series(read, legacy):
    run, voxels, series = read
    for values in (series[..., 0], series[..., :1]):
        legacy.volume(run.bold, values)
        with pytest.raises(InputMalformedError, match="no series of volumes"):
            read_bold(run, voxels)


def test_a_run_off_the_others_grid_is_refused(read, legacy):
    run, voxels, series = read
    legacy.volume(run.bold, series[:-1])
    with pytest.raises(InputMalformedError, match=r"not on the grid of the participant's first run"):
        read_bold(run, voxels)


def test_memory_is_the_result_and_a_volume_not_the_run(read, tmp_path):
    run, voxels, _ = read
    shape = (64, 64, 40, 150)  # 24.6 million values: 98 MB as float32, 197 MB as float64
    path = tmp_path / "bold.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros(shape, dtype=np.int16), voxels.affine), path)
    large = replace(voxels, shape=shape[:3])
    tracemalloc.start()
    read_bold(replace(run, bold=path), large)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # a volume is .3 MB as stored, the result less, a library's buffers about 1 MB; the run would be 49 MB
    assert peak < 5e6
