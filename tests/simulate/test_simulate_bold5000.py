from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bidsapp_synthfmri.errors import InputMissingError
from bidsapp_synthfmri.simulate import Bold5000Tree, write_bold5000_tree

_REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "ds001499"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Bold5000Tree:
    if not _REAL.is_dir():
        pytest.skip("ds001499's real files are not here")
    return write_bold5000_tree(
        _REAL, tmp_path_factory.mktemp("bold5000"), sessions=("02",), runs=("03",), image_size=48
    )


def test_volumes_lie_on_the_real_masks_grid(tree: Bold5000Tree) -> None:
    func = tree.bids_dir / "derivatives" / "fmriprep" / "sub-CSI1" / "ses-02" / "func"
    stem = "sub-CSI1_ses-02_task-5000scenes_run-03_bold"
    series = nib.load(func / f"{stem}_space-T1w_preproc.nii.gz")
    brain = np.asarray(nib.load(func / f"{stem}_space-T1w_brainmask.nii.gz").dataobj) > 0
    mask = nib.load(tree.bids_dir / "derivatives" / "spm" / "sub-CSI1" / "sub-CSI1_mask-LHPPA.nii.gz")
    assert series.shape == (71, 89, 72, 194)
    np.testing.assert_allclose(series.affine, mask.affine, atol=1e-5)
    assert tree.membership.sum() == 1685
    assert brain[tuple(tree.ijk.T)].all()
    volumes = np.asarray(series.dataobj)
    assert (volumes[tuple(tree.ijk.T)].std(axis=1) > 0).all()
    assert (volumes[~brain] == 0).all()
    assert (func / f"{stem}_confounds.tsv").is_file()
    assert not (tree.bids_dir / "derivatives" / "fmriprep" / "dataset_description.json").exists()


def test_raw_bold_is_a_dangling_link_and_events_are_real(tree: Bold5000Tree) -> None:
    func = tree.bids_dir / "sub-CSI1" / "ses-02" / "func"
    raw = func / "sub-CSI1_ses-02_task-5000scenes_run-03_bold.nii.gz"
    assert raw.is_symlink()
    assert not raw.exists()
    events = pd.read_csv(func / "sub-CSI1_ses-02_task-5000scenes_run-03_events.tsv", sep="\t")
    assert len(events) == 37
    assert all((tree.stimuli_dir / name).is_file() for name in events["stim_file"])
    assert set(tree.stimuli) == set(events["stim_file"])
    assert set(tree.sources) <= {"coco", "imagenet", "scenes"}


def test_missing_real_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputMissingError, match=r"dataset_description\.json"):
        write_bold5000_tree(tmp_path / "nowhere", tmp_path / "tree")
