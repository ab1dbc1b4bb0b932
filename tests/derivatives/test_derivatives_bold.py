"""Files of a synthetic scan: their names, their series, and a folder that holds something else."""

from __future__ import annotations

import io
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bidsapp_synthfmri.derivatives.bold_dataset import (
    BOLD,
    EVENTS,
    RECORD,
    ROI,
    BoldDataset,
    require_bold_dataset,
    roi_labels,
)
from bidsapp_synthfmri.derivatives.images import write_series
from bidsapp_synthfmri.derivatives.names import Place
from bidsapp_synthfmri.errors import SynthfmriError, UsageError
from bidsapp_synthfmri.structures import VoxelSpace


def space() -> VoxelSpace:
    ijk = np.array([[0, 0, 1], [1, 2, 0], [3, 1, 1]])
    affine = np.array([[2.0, 0, 0, -5], [0, 2, 0, 7], [0, 0, 2.5, 1], [0, 0, 0, 1]])
    return VoxelSpace(ijk, affine, (4, 3, 2), ("LHPPA", "empty"), np.array([[1, 1, 0], [0, 0, 0]]) > 0, "T1w")


def packed(values: np.ndarray, seconds: float = 1.5) -> bytes:
    stream = io.BytesIO()
    write_series(stream, values, space(), seconds)
    return stream.getvalue()


def test_a_series_reads_back_as_it_was(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(500, 3, (7, 3)).astype(np.float32)
    path = tmp_path / "bold.nii.gz"
    path.write_bytes(packed(values))
    image = nib.load(path)
    found = image.get_fdata(dtype=np.float32)
    np.testing.assert_array_equal(found[tuple(space().ijk.T)].T, values)
    assert np.count_nonzero(found) == values.size
    assert image.shape == (4, 3, 2, 7)
    np.testing.assert_allclose(image.affine, space().affine)
    np.testing.assert_allclose(image.header.get_zooms(), [2, 2, 2.5, 1.5])
    assert image.header.get_xyzt_units() == ("mm", "sec")
    assert packed(values) == packed(values)


def test_a_series_of_other_voxels_is_refused() -> None:
    with pytest.raises(SynthfmriError, match=r"shape \(7, 4\) for 3 voxels"):
        packed(np.zeros((7, 4), dtype=np.float32))


@pytest.mark.parametrize(
    ("session", "run", "folder", "name"),
    [
        (None, "01", "sub-X/func", "sub-X_task-T_run-01_space-T1w_desc-synthetic_bold.nii.gz"),
        ("Y", "2", "sub-X/ses-Y/func", "sub-X_ses-Y_task-T_run-2_space-T1w_desc-synthetic_bold.nii.gz"),
        ("Y", None, "sub-X/ses-Y/func", "sub-X_ses-Y_task-T_space-T1w_desc-synthetic_bold.nii.gz"),
    ],
)
def test_names_of_a_runs_files(session: str | None, run: str | None, folder: str, name: str) -> None:
    place = Place("X", "T", "T1w", session, run)
    assert BOLD.relative(place) == f"{folder}/{name}"
    assert EVENTS.file_name(place).endswith("_events.tsv")
    with pytest.raises(UsageError, match="ses-a b"):
        BOLD.relative(Place("X", "T", "T1w", "a b", run))


def test_masks_are_named_by_region_without_signs() -> None:
    assert roi_labels(("LHPPA", "V1-ventral")) == ("LHPPA", "V1ventral")
    for names in (("V1", "V-1"), ("--",)):
        with pytest.raises(UsageError, match="letters and digits"):
            roi_labels(names)
    assert ROI.file_name(Place("X", "T", "T1w")).endswith("space-T1w_mask.nii.gz")


def test_regions_without_voxels_have_no_mask_and_are_counted(tmp_path: Path) -> None:
    dataset = BoldDataset(tmp_path, "X", "T", space(), ("", "01"))
    dataset.begin("hash", {})
    assert dataset.write_rois() == 1
    masks = sorted(path.name for path in tmp_path.rglob("*_mask.nii.gz"))
    assert masks == ["sub-X_task-T_space-T1w_label-LHPPA_mask.nii.gz"]
    image = nib.load(next(tmp_path.rglob("*_mask.nii.gz")))
    assert np.asarray(image.dataobj)[tuple(space().ijk.T)].tolist() == [1, 1, 0]


def test_a_scan_is_recorded_before_it_is_written_and_when_it_is_whole(tmp_path: Path) -> None:
    dataset = BoldDataset(tmp_path, "X", "T", space(), ("", "01"))
    dataset.begin("hash", {"Seed": 3})
    (record,) = tmp_path.rglob(f"*{RECORD.suffix}.json")
    assert json.loads(record.read_text()) | {"Finished": False} == json.loads(record.read_text())
    dataset.begin("hash", {"Seed": 3})
    dataset.finish("hash", {"Seed": 3})
    assert json.loads(record.read_text())["Finished"] is True
    with pytest.raises(UsageError, match="another synthetic scan of sub-X"):
        BoldDataset(tmp_path, "X", "T", space(), ("", "01")).begin("other", {})
    record.write_text("{")
    with pytest.raises(UsageError, match="another synthetic scan of sub-X"):
        dataset.begin("hash", {"Seed": 3})


def test_a_file_and_a_folder_of_something_else_are_refused(tmp_path: Path) -> None:
    require_bold_dataset(tmp_path / "absent")
    (tmp_path / "logs").mkdir()
    require_bold_dataset(tmp_path)
    (tmp_path / "dataset_description.json").write_text('{"Name": "mine"}')
    with pytest.raises(UsageError, match="no synthetic scan: dataset_description"):
        require_bold_dataset(tmp_path)
    with pytest.raises(UsageError, match="is a file"):
        require_bold_dataset(tmp_path / "dataset_description.json")
