"""BOLD5000 release 2: volumes of betas, one file a session, and the list of pictures."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from bidsapp_synthfmri.dataset.precomputed import open_precomputed
from bidsapp_synthfmri.dataset.structures import Asked, ParticipantEvents
from bidsapp_synthfmri.dataset.trials import read_trials
from bidsapp_synthfmri.errors import (
    ContentAbsentError,
    InputMalformedError,
    InputMissingError,
    UsageError,
)

TYPED = "TYPED-FITHRF-GLMDENOISE-RR"
# Two trials a run: pictures n and n + 1 of run n.
PICTURES = [f"picture{(run + trial) % 5}.jpg" for run in range(4) for trial in range(2)]


@pytest.fixture
def release(bare, tmp_path):
    """A folder of release 2 and its betas, by session."""
    rng = np.random.default_rng(7)
    betas = {session: rng.normal(size=(6, 7, 5, 4)).astype(np.float32) for session in ("01", "02")}
    folder = tmp_path / "betas"
    for session, values in betas.items():
        bare.volume(folder / f"A1_GLMbetas-{TYPED}_ses-{session}.nii.gz", values, tr=None)
    names(folder, [f"rep_{name}" if name == "picture1.jpg" else name for name in PICTURES])
    return folder, betas


def names(folder, rows):
    (folder / "A1_imgnames.txt").write_text("\n".join(rows) + "\n")


def session_file(folder, session="01", kind=TYPED):
    return folder / f"A1_GLMbetas-{kind}_ses-{session}.nii.gz"


def test_betas_come_back_at_the_voxels_of_the_masks_in_the_order_of_the_events(bare, precomputed, release):
    folder, betas = release
    responses = precomputed(folder)
    masks = [bare.rois[name] for name in ("LHLO", "LHPPA", "RHPPA")]
    inside = np.logical_or.reduce(masks)
    assert responses.voxels.roi_names == ("LHLOC", "LHPPA", "RHPPA")
    np.testing.assert_array_equal(responses.voxels.ijk, np.argwhere(inside))
    expected = np.concatenate([betas[session][inside].T for session in ("01", "02")])
    np.testing.assert_array_equal(responses.read(), expected)
    assert [path.name for path in responses.files] == [
        session_file(folder, "01").name,
        session_file(folder, "02").name,
        "A1_imgnames.txt",
    ]
    assert {path.name[:8] for path in responses.masks} == {"sub-A1_m"}


def test_without_masks_the_finite_varying_voxels_are_read(bare, precomputed, release):
    folder, betas = release
    shutil.rmtree(bare.root / "derivatives")
    betas["01"][0], betas["01"][1, 0, 0, 2] = 3, np.nan
    bare.volume(session_file(folder), betas["01"], tr=None)
    responses = precomputed(folder)
    expected = np.ones((6, 7, 5), dtype=bool)
    expected[0] = expected[1, 0, 0] = False
    np.testing.assert_array_equal(responses.voxels.ijk, np.argwhere(expected))
    assert responses.voxels.roi_names == ()
    assert "no ROI masks: voxels are those that are finite and vary" in " ".join(responses.notes)
    assert responses.read().shape == (8, expected.sum())


@pytest.mark.parametrize("session", ["01", "02"])
def test_a_session_alone_is_matched_with_its_own_rows(precomputed, release, session):
    folder, betas = release
    session_file(folder, "02" if session == "01" else "01").unlink()
    responses = precomputed(folder, sessions=(session,))
    inside = tuple(responses.voxels.ijk.T)
    np.testing.assert_array_equal(responses.read(), betas[session][inside].T)


def test_typed_is_preferred_whatever_the_spelling_of_the_others(bare, precomputed, release):
    folder, betas = release
    for session in ("01", "02"):
        bare.volume(session_file(folder, session, "TYBEB-FITHRF"), betas[session] + 1, tr=None)
    responses = precomputed(folder)
    assert TYPED in responses.source
    assert "left aside: TYPEB-FITHRF" in " ".join(responses.notes)
    np.testing.assert_array_equal(responses.read()[:4], betas["01"][tuple(responses.voxels.ijk.T)].T)


def test_one_kind_alone_is_read_though_spelt_in_two_ways(bare, precomputed, release):
    folder, betas = release
    for session, kind in (("01", "TYBEB-FITHRF"), ("02", "TYPEB-FITHRF")):
        session_file(folder, session).unlink()
        bare.volume(session_file(folder, session, kind), betas[session], tr=None)
    responses = precomputed(folder)
    assert "TYPEB-FITHRF" in responses.source
    assert len(responses.read()) == 8


def test_several_kinds_without_typed_are_refused_by_name(bare, precomputed, release):
    folder, betas = release
    for session in ("01", "02"):
        session_file(folder, session).unlink()
        for kind in ("TYPEB-FITHRF", "TYPEC-FITHRF-GLMDENOISE"):
            bare.volume(session_file(folder, session, kind), betas[session], tr=None)
    with pytest.raises(UsageError, match="several kinds could be meant: TYPEB-FITHRF, TYPEC-FITHRF-GLM"):
        precomputed(folder)


def test_the_first_row_that_names_another_picture_is_named(precomputed, release):
    folder, _ = release
    swapped = [*PICTURES]
    swapped[4], swapped[5] = swapped[5], swapped[4]
    names(folder, swapped)
    with pytest.raises(
        InputMalformedError,
        match=r"Row 5 of .*A1_imgnames.txt is 'picture3.jpg', and the events have ses-02 run-01 onset 6"
        r" picture2.jpg",
    ):
        precomputed(folder)


@pytest.mark.parametrize(
    ("rows", "said"), [(PICTURES[:-1], "7 trials"), ([*PICTURES, "more.jpg"], "9 trials")]
)
def test_a_list_of_another_length_is_refused(precomputed, release, rows, said):
    folder, _ = release
    names(folder, rows)
    with pytest.raises(InputMalformedError, match=rf"imgnames.txt has responses to {said} and the events"):
        precomputed(folder)


def test_a_session_of_another_number_of_volumes_is_refused(bare, precomputed, release):
    folder, betas = release
    bare.volume(session_file(folder, "02"), betas["02"][..., :3], tr=None)
    with pytest.raises(
        InputMalformedError,
        match=r"ses-02.nii.gz has responses to 3 trials and the events have 4: .* number 4",
    ):
        precomputed(folder)


def test_a_missing_session_and_a_missing_list_are_named(precomputed, release):
    folder, _ = release
    session_file(folder, "02").unlink()
    with pytest.raises(InputMissingError, match="no betas of session 02; there are those of 01"):
        precomputed(folder)
    (folder / "A1_imgnames.txt").unlink()
    with pytest.raises(InputMissingError, match=r"no list of the pictures .* expected .*A1_imgnames.txt"):
        precomputed(folder)


def test_one_file_of_a_release_is_answered_with_its_folder(precomputed, release):
    folder, _ = release
    with pytest.raises(UsageError, match=f"Give its folder, {folder}"):
        precomputed(session_file(folder))


def test_betas_off_the_grid_of_the_masks_are_refused(bare, precomputed, release):
    folder, betas = release
    moved = np.array(bare.volume.__defaults__[0])
    moved[0, 3] += 1
    bare.volume(session_file(folder), betas["01"], affine=moved, tr=None)
    with pytest.raises(InputMalformedError, match="is not on the grid of A1_GLMbetas"):
        precomputed(folder)


def test_a_second_session_off_the_grid_of_the_first_is_refused(bare, precomputed, release):
    folder, betas = release
    bare.volume(session_file(folder, "02"), betas["02"][:, :, :4], tr=None)
    with pytest.raises(InputMalformedError, match=r"ses-02.nii.gz is not on the grid"):
        precomputed(folder).read()


def test_a_session_cut_short_is_refused(precomputed, release, truncate):
    folder, _ = release
    truncate(session_file(folder, "02"), 40)
    with pytest.raises(InputMalformedError, match=r"ses-02.nii.gz .* truncated"):
        precomputed(folder).read()


def test_betas_that_were_not_fetched_come_with_the_command(bare, precomputed, release):
    folder, _ = release
    bare.annex_link(session_file(folder, "02"))
    with pytest.raises(ContentAbsentError, match="datalad get"):
        precomputed(folder)


def test_masks_of_another_space_are_left_aside_and_said(bare, release):
    folder, _ = release
    files = bare.files()
    trials = read_trials(files, "stim_file").trials
    rois = tuple(replace(roi, space="MNI") for roi in files.rois)
    asked = Asked(ParticipantEvents("A1", "scenes", "T1w", files.runs, rois), trials, trials, False, None, ())
    read = open_precomputed(folder, asked)
    assert len(read.voxels) == 6 * 7 * 5
    assert "3 ROI masks were not used: they are of space MNI, and responses of T1w" in " ".join(read.notes)
