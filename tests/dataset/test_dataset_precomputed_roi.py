"""BOLD5000 release 1: matrices of trials x voxels, one an ROI."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import scipy.io

from bidsapp_synthfmri.errors import (
    InputMalformedError,
    InputMissingError,
    NothingMatchedError,
    UsageError,
)

N_TRIALS = 8
SIZES = {"LHLO": 4, "LHPPA": 5, "RHPPA": 3}


@pytest.fixture
def matrices():
    rng = np.random.default_rng(5)
    return {key: rng.normal(size=(N_TRIALS, size)).astype(np.float32) for key, size in SIZES.items()}


def write(path, matrices, transposed=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {key: matrix.T if transposed else matrix for key, matrix in matrices.items()}
    if path.suffix == ".mat":
        scipy.io.savemat(path, content)
    else:
        with h5py.File(path, "w") as file:
            for key, matrix in content.items():
                file[key] = matrix
    return path


def file_of(folder, kind="h5", window="TR34", participant="A1"):
    return folder / participant / kind / f"{participant}_ROIs_{window}.{kind}"


@pytest.mark.parametrize("kind", ["h5", "mat"])
@pytest.mark.parametrize("transposed", [False, True])
def test_matrices_come_back_trial_by_trial_and_voxel_by_voxel(
    precomputed, matrices, tmp_path, kind, transposed
):
    path = write(file_of(tmp_path / "ROIs", kind), matrices, transposed)
    responses = precomputed(path.parents[2])
    np.testing.assert_array_equal(responses.read(), np.concatenate(list(matrices.values()), axis=1))
    assert len(responses.trials) == N_TRIALS
    assert responses.files == (path,)
    assert responses.missing.empty


def test_voxels_are_a_list_with_the_rois_of_the_keys(precomputed, matrices, tmp_path):
    voxels = precomputed(write(file_of(tmp_path), matrices)).voxels
    assert voxels.roi_names == ("LHLOC", "LHPPA", "RHPPA")
    assert voxels.membership.sum(axis=1).tolist() == list(SIZES.values())
    assert voxels.shape == (12, 1, 1)
    np.testing.assert_array_equal(voxels.ijk, [[row, 0, 0] for row in range(12)])
    np.testing.assert_array_equal(voxels.affine, np.eye(4))
    assert voxels.space == "T1w"


def test_what_cannot_be_checked_is_said(precomputed, matrices, tmp_path):
    notes = " ".join(precomputed(write(file_of(tmp_path), matrices)).notes)
    assert "does not say which trial a row is: only the number of its rows was checked" in notes
    assert "lists without anatomy" in notes


def test_the_mean_of_two_volumes_in_hdf5_is_preferred(precomputed, matrices, tmp_path):
    for kind in ("h5", "mat"):
        for window in ("TR1", "TR3", "TR34"):
            write(file_of(tmp_path / "ROIs", kind, window), matrices)
            write(file_of(tmp_path / "ROIs", kind, window, "B2"), matrices)
    assert precomputed(tmp_path / "ROIs").files == (file_of(tmp_path / "ROIs"),)


def test_several_single_volumes_alone_are_refused_by_name(precomputed, matrices, tmp_path):
    for window in ("TR1", "TR3"):
        write(file_of(tmp_path / "ROIs", window=window), matrices)
    with pytest.raises(UsageError, match="several volumes, TR1, TR3, and none of TR34"):
        precomputed(tmp_path / "ROIs")
    assert len(precomputed(file_of(tmp_path / "ROIs", window="TR3")).files) == 1


@pytest.mark.parametrize("roi", ["LO", "LOC", "LHLO", "LHLOC"])
def test_either_spelling_of_an_roi_chooses_it(precomputed, matrices, tmp_path, roi):
    responses = precomputed(write(file_of(tmp_path), matrices), rois=(roi,))
    assert responses.voxels.roi_names == ("LHLOC",)
    np.testing.assert_array_equal(responses.read(), matrices["LHLO"])


def test_an_roi_that_is_not_there_is_refused_with_those_that_are(precomputed, matrices, tmp_path):
    with pytest.raises(NothingMatchedError, match="no ROI named RSC; there are: LHLOC, LHPPA, RHPPA"):
        precomputed(write(file_of(tmp_path), matrices), rois=("RSC",))


def test_columns_that_two_rois_share_are_one_voxel_of_both(precomputed, matrices, tmp_path):
    matrices["RHPPA"][:, 1] = matrices["LHLO"][:, 2]
    responses = precomputed(write(file_of(tmp_path), matrices))
    assert len(responses.voxels) == 11
    assert responses.voxels.membership.sum(axis=1).tolist() == list(SIZES.values())
    for row, matrix in enumerate(matrices.values()):
        shown = responses.read()[:, responses.voxels.membership[row]]
        np.testing.assert_array_equal(np.sort(shown, axis=1), np.sort(matrix, axis=1))
    assert "1 voxels of A1_ROIs_TR34.h5 have the same responses in more than one ROI" in " ".join(
        responses.notes
    )


def test_voxels_without_signal_are_not_taken_for_one(precomputed, matrices, tmp_path):
    matrices["RHPPA"][:, 1] = matrices["LHLO"][:, 2] = 0
    assert len(precomputed(write(file_of(tmp_path), matrices)).voxels) == 12


@pytest.mark.parametrize("kind", ["h5", "mat"])
def test_rows_of_the_sessions_asked_for_are_taken_from_a_file_of_all(precomputed, matrices, tmp_path, kind):
    path = write(file_of(tmp_path, kind), matrices)
    responses = precomputed(path, sessions=("02",))
    np.testing.assert_array_equal(
        responses.read(), np.concatenate([matrix[4:] for matrix in matrices.values()], axis=1)
    )
    assert set(responses.trials.table["session"]) == {"02"}


def test_a_file_of_the_sessions_asked_for_alone_fits_too(precomputed, matrices, tmp_path):
    halves = {key: matrix[:4] for key, matrix in matrices.items()}
    responses = precomputed(write(file_of(tmp_path), halves), sessions=("02",))
    np.testing.assert_array_equal(responses.read(), np.concatenate(list(halves.values()), axis=1))


@pytest.mark.parametrize("transposed", [False, True])
def test_a_missing_row_is_refused_with_the_first_trial_without_one(
    precomputed, matrices, tmp_path, transposed
):
    short = {key: matrix[:-2] for key, matrix in matrices.items()}
    path = write(file_of(tmp_path), short, transposed)
    with pytest.raises(
        InputMalformedError,
        match=r"responses to 6 trials and the events have 8: .* number 7, ses-02 run-02 onset 6 picture3.jpg",
    ):
        precomputed(path)


def test_an_extra_row_is_refused(precomputed, matrices, tmp_path):
    long = {key: np.concatenate([matrix, matrix[:1]]) for key, matrix in matrices.items()}
    with pytest.raises(InputMalformedError, match=r"9 trials .* have 8: the first row without a trial is"):
        precomputed(write(file_of(tmp_path), long))


def test_square_matrices_are_refused_unless_another_settles_which_axis_is_trials(
    precomputed, matrices, tmp_path
):
    square = np.random.default_rng(0).normal(size=(N_TRIALS, N_TRIALS))
    path = write(file_of(tmp_path), {"LHPPA": square})
    with pytest.raises(InputMalformedError, match=r"Which axis .* cannot be told"):
        precomputed(path)
    path = write(file_of(tmp_path), {"LHPPA": square, "RHPPA": matrices["RHPPA"]}, transposed=True)
    np.testing.assert_array_equal(precomputed(path, rois=("LHPPA",)).read(), np.float32(square))


def test_matrices_of_different_lengths_are_refused(precomputed, matrices, tmp_path):
    matrices["LHPPA"] = matrices["LHPPA"][:7]
    with pytest.raises(InputMalformedError, match=r"share no number of trials: LHLO \(8, 4\)"):
        precomputed(write(file_of(tmp_path), matrices))


def test_keys_that_are_no_roi_are_left_out_and_named(precomputed, matrices, tmp_path):
    path = write(file_of(tmp_path, "mat"), {**matrices, "betas": np.ones((8, 2)), "info": "text"})
    notes = " ".join(precomputed(path).notes)
    assert "keys that are no ROI and were left out: betas, info" in notes


@pytest.mark.parametrize("kind", ["h5", "mat"])
def test_a_file_without_an_roi_is_refused_with_its_keys(precomputed, matrices, tmp_path, kind):
    path = write(file_of(tmp_path, kind), {"betas": matrices["LHPPA"]})
    with pytest.raises(InputMalformedError, match="no matrix named for an ROI, such as LHPPA; its keys are"):
        precomputed(path)


def test_cells_and_text_are_never_loaded(precomputed, tmp_path):
    path = write(file_of(tmp_path, "mat"), {"LHPPA": np.array([[{"a": 1}]], dtype=object)})
    with pytest.raises(InputMalformedError, match="no matrix named for an ROI"):
        precomputed(path)


def test_two_spellings_of_one_roi_in_one_file_are_refused(precomputed, matrices, tmp_path):
    with pytest.raises(InputMalformedError, match="two matrices for LHLOC"):
        precomputed(write(file_of(tmp_path), {**matrices, "LHLOC": matrices["LHLO"]}))


@pytest.mark.parametrize("kind", ["h5", "mat"])
def test_a_file_cut_short_anywhere_is_refused_by_name(precomputed, matrices, tmp_path, kind):
    whole = write(file_of(tmp_path, kind), matrices).read_bytes()
    for share in np.linspace(0, 0.98, 15):
        cut = file_of(tmp_path / "cut", kind)
        cut.parent.mkdir(parents=True, exist_ok=True)
        cut.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(InputMalformedError, match=cut.name):
            precomputed(cut).read()


def test_a_file_of_another_participant_is_refused(precomputed, matrices, tmp_path):
    path = write(file_of(tmp_path, participant="B2"), matrices)
    with pytest.raises(UsageError, match="has the responses of B2, not of A1"):
        precomputed(path)
    with pytest.raises(InputMissingError, match="no precomputed responses of sub-A1; it has those of B2"):
        precomputed(tmp_path / "B2")


def test_a_file_of_another_name_is_read_and_its_owner_said_to_be_unknown(precomputed, matrices, tmp_path):
    notes = precomputed(write(tmp_path / "mine.h5", matrices)).notes
    assert "The name of mine.h5 does not say whose responses it holds." in notes
