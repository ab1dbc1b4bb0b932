"""ROI masks -> voxels."""

from __future__ import annotations

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from bidsapp_synthfmri.dataset.rois import N_POOL, read_pool, read_voxel_space
from bidsapp_synthfmri.dataset.structures import ParticipantFiles, RoiFile, RunFiles
from bidsapp_synthfmri.errors import InputMalformedError, NothingMatchedError, UsageError


@pytest.fixture
def files(dataset):
    """The participant's files, in either naming."""
    return dataset.files()


def test_voxels_are_those_greater_than_zero_in_order_with_every_roi_they_lie_in(dataset, files):
    voxels = read_voxel_space(files, ())
    assert voxels.roi_names == ("LHLOC", "LHPPA", "RHPPA")
    truth = np.stack([dataset.rois[name] for name in ("LHLO", "LHPPA", "RHPPA")])
    assert np.array_equal(voxels.ijk, np.argwhere(truth.any(axis=0)))
    assert np.array_equal(voxels.membership, truth[:, *voxels.ijk.T])
    assert truth.sum() > len(voxels)  # some voxels lie in two
    assert voxels.shape == truth.shape[1:]
    assert voxels.space == "T1w"
    assert {roi.name for roi in voxels.roi_sets()} == {"LOC", "PPA", "all"}


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (["PPA"], ("LHPPA", "RHPPA")),
        (["LHPPA"], ("LHPPA",)),
        (["LOC", "RHPPA"], ("LHLOC", "RHPPA")),
        (["LO"], ("LHLOC",)),
        (["LHLO"], ("LHLOC",)),
    ],
)
def test_rois_are_chosen_with_or_without_hemisphere_and_under_either_name(files, asked, names):
    assert read_voxel_space(files, asked).roi_names == names


def test_an_unknown_roi_is_answered_with_those_there_are(files):
    with pytest.raises(
        NothingMatchedError, match=r"named FFA; there are: LHLOC, LHPPA, RHPPA.*--roi"
    ) as caught:
        read_voxel_space(files, ["PPA", "FFA"])
    assert caught.value.exit_code == 5


def test_rois_asked_for_where_there_are_none(files):
    with pytest.raises(NothingMatchedError, match="there are: none"):
        read_voxel_space(replace(files, rois=()), ["PPA"])


def test_without_roi_masks_the_brain_that_all_runs_share_is_used(files):
    voxels = read_voxel_space(replace(files, rois=()), ())
    masks = [np.asanyarray(nib.load(run.brain_mask).dataobj) > 0 for run in files.runs]
    assert not np.array_equal(masks[0], masks[-1])
    assert np.array_equal(voxels.ijk, np.argwhere(np.logical_and.reduce(masks)))
    assert voxels.roi_names == ()
    assert voxels.membership.shape == (0, len(voxels))


def test_the_masks_are_not_cut_to_the_brain(dataset):
    corner = np.zeros(dataset.rois["LHPPA"].shape, dtype=np.uint8)
    corner[0, 0, 0] = 1
    dataset.volume(dataset.roi("LHPPA"), corner)
    files = dataset.files()
    assert read_voxel_space(files, ["LHPPA"]).ijk.tolist() == [[0, 0, 0]]


def test_two_masks_of_one_roi_need_a_choice(files):
    twice = replace(files, rois=(*files.rois, replace(files.rois[1], path=files.rois[2].path)))
    with pytest.raises(UsageError, match=r"ROI LHPPA has several masks.*--derivatives"):
        read_voxel_space(twice, ())
    assert read_voxel_space(twice, ["RHPPA"]).roi_names == ("RHPPA",)


@pytest.mark.parametrize(
    ("shape", "shift", "words"),
    [
        ((6, 7, 6), 0.0, r"shape is \(6, 7, 6\), not \(6, 7, 5\)"),
        ((6, 7, 5), 2.0, "voxels lie up to 1 voxels"),
    ],
)
def test_a_mask_off_the_bold_s_grid_is_refused(dataset, files, shape, shift, words):
    path = dataset.roi("RHPPA")
    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = (-6 + shift, -8, -4)
    dataset.volume(path, np.ones(shape, dtype=np.uint8), affine)
    with pytest.raises(InputMalformedError, match=words) as caught:
        read_voxel_space(files, ())
    assert str(path) in caught.value.problem
    assert caught.value.exit_code == 4


def test_a_header_s_rounding_is_not_another_grid(dataset, files):
    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = (-6.005, -8, -4)  # a quarter of a hundredth of a voxel
    dataset.volume(dataset.roi("RHPPA"), dataset.rois["RHPPA"].astype(np.uint8), affine)
    assert len(read_voxel_space(files, ["RHPPA"])) == dataset.rois["RHPPA"].sum()


def test_masks_without_a_voxel_are_refused_together_but_not_alone(dataset, files):
    for name in ("LHPPA", "RHPPA"):
        dataset.volume(dataset.roi(name), np.zeros((6, 7, 5), dtype=np.uint8))
    with pytest.raises(InputMalformedError, match="No voxel is greater than 0"):
        read_voxel_space(files, ["PPA"])
    voxels = read_voxel_space(files, ())
    assert voxels.membership.sum(axis=1).tolist() == [dataset.rois["LHLO"].sum(), 0, 0]


def test_a_truncated_mask_is_named(dataset, files, truncate):
    truncate(dataset.roi("LHPPA"), 40)
    with pytest.raises(InputMalformedError, match=r"LHPPA|label-PPA"):
        read_voxel_space(files, ())


def test_bold5000_s_masks_have_the_published_counts(real, tmp_path):
    masks = sorted((real / "derivatives" / "spm" / "sub-CSI1").glob("*.nii.gz"))
    like = nib.load(masks[0])
    series = nib.Nifti1Image(np.zeros((*like.shape, 2), dtype=np.uint8), like.affine)
    bold = tmp_path / "bold.nii"
    nib.save(series, bold)
    run = RunFiles("CSI1", "01", "5000scenes", "01", bold, bold, None, None, 2.0, 0.0)
    rois = tuple(RoiFile(path.name[len("sub-CSI1_mask-") : -len(".nii.gz")], path) for path in masks)
    voxels = read_voxel_space(ParticipantFiles("CSI1", "5000scenes", "T1w", (run,), rois), ())
    counts = dict(zip(voxels.roi_names, voxels.membership.sum(axis=1).tolist(), strict=True))
    assert counts == {
        "LHEarlyVis": 210, "RHEarlyVis": 285, "LHLOC": 152, "RHLOC": 190, "LHOPA": 101,
        "RHOPA": 187, "LHPPA": 131, "RHPPA": 200, "LHRSC": 86, "RHRSC": 143,
    }  # fmt: skip
    assert sum(counts.values()) == 1685
    assert len(voxels) == 1666  # 19 voxels lie in two ROIs


def test_the_noise_pool_is_the_brain_that_runs_share_less_the_voxels_analysed(files):
    voxels = read_voxel_space(files, ())
    brain = np.logical_and.reduce([nib.load(run.brain_mask).get_fdata() > 0 for run in files.runs])
    brain[*voxels.ijk.T] = False
    assert np.array_equal(read_pool(files, voxels), np.argwhere(brain))


def test_a_large_noise_pool_is_thinned_evenly(dataset, files):
    large = (30, 30, 30)
    for run in files.runs:
        dataset.volume(run.brain_mask, np.ones(large, dtype=np.uint8))
    voxels = replace(read_voxel_space(files, ()), shape=large)
    pool = read_pool(files, voxels)
    assert pool.shape == (N_POOL, 3)
    assert not {tuple(voxel) for voxel in pool} & {tuple(voxel) for voxel in voxels.ijk}
    steps = np.diff(np.ravel_multi_index(pool.T, large))
    assert steps.min() >= 1
    assert np.median(steps) in (2, 3)
    assert np.array_equal(pool, read_pool(files, voxels))


def test_there_is_no_noise_pool_without_brain_masks_or_where_the_brain_is_analysed(files):
    whole = replace(files, rois=())
    assert read_pool(files, read_voxel_space(whole, ())) is None
    unmasked = replace(files, runs=(replace(files.runs[0], brain_mask=None), *files.runs[1:]))
    assert read_pool(unmasked, read_voxel_space(files, ())) is None
