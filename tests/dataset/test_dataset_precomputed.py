"""Precomputed responses: indexed without BOLD, of one known format, rows as the events have them."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from bidsapp_synthfmri.dataset.index import index_events, index_participant
from bidsapp_synthfmri.dataset.matching import require_names, rows_of_trials
from bidsapp_synthfmri.dataset.precomputed import read_precomputed
from bidsapp_synthfmri.dataset.structures import RunEvents
from bidsapp_synthfmri.dataset.trials import read_trials
from bidsapp_synthfmri.errors import (
    ContentAbsentError,
    InputMalformedError,
    InputMissingError,
    NothingMatchedError,
    UsageError,
)


def matrices(path, n_trials=8, participant="A1"):
    path = path / f"{participant}_ROIs_TR34.h5"
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["LHPPA"] = np.random.default_rng(1).normal(size=(n_trials, 5))
    return path


def test_events_are_indexed_without_bold_as_they_are_with_it(dataset):
    with_bold = index_participant(dataset.config(), "A1")
    for kind in ("bold", "mask", "confounds"):
        for session, run in dataset.bold:
            dataset.derived(kind, session, run).unlink()
            dataset.raw("bold.nii.gz", session, run).unlink(missing_ok=True)
    files = index_events(dataset.config(), "A1")
    assert [(run.session, run.run, run.events) for run in files.runs] == [
        (run.session, run.run, run.events) for run in with_bold.runs
    ]
    assert all(type(run) is RunEvents for run in files.runs)
    assert [roi.path for roi in files.masks] == [roi.path for roi in with_bold.rois]
    with pytest.raises(InputMissingError, match="no preprocessed BOLD"):
        index_participant(dataset.config(), "A1")


def test_masks_of_another_space_are_not_used(modern):
    assert index_events(modern.config(), "A1").space == "T1w"
    files = index_events(modern.config(space="MNI"), "A1")
    assert (len(files.rois), len(files.masks)) == (3, 0)


def test_events_that_are_not_there_or_not_fetched_are_refused(legacy):
    legacy.annex_link(legacy.raw("events.tsv", "02", "01"))
    with pytest.raises(ContentAbsentError, match="datalad get"):
        index_events(legacy.config(), "A1")
    legacy.raw("events.tsv", "02", "01").unlink()
    with pytest.raises(InputMissingError, match=r"ses-02_task-scenes_run-01 has no events"):
        index_events(legacy.config(), "A1")


def test_responses_are_matched_with_the_events_of_the_dataset(bare, tmp_path):
    path = matrices(tmp_path / "ROIs" / "A1" / "h5")
    read = read_precomputed(bare.config(session_labels=("02",)), tmp_path / "ROIs", "A1")
    with h5py.File(path) as file:
        np.testing.assert_array_equal(read.responses.read(), np.float32(file["LHPPA"][4:]))
    assert {run.session for run in read.files.runs} == {"02"}
    assert read.events.skipped_rows == 2


def test_sessions_that_are_not_there_are_refused_as_ever(bare, tmp_path):
    with pytest.raises(NothingMatchedError, match="session 07; there are: 01, 02"):
        read_precomputed(bare.config(session_labels=("07",)), matrices(tmp_path), "A1")


def test_two_formats_in_one_folder_need_a_choice(precomputed, tmp_path):
    matrices(tmp_path / "both")
    (tmp_path / "both" / "A1_imgnames.txt").write_text("a.jpg\n")
    with pytest.raises(UsageError, match="several formats: BOLD5000 release 1, BOLD5000 release 2"):
        precomputed(tmp_path / "both")


def test_maps_of_something_else_are_no_second_format(precomputed, tmp_path):
    matrices(tmp_path / "both")
    (tmp_path / "both" / "sub-A1_task-scenes_stat-t_statmap.nii.gz").write_bytes(b"a map")
    assert precomputed(tmp_path / "both").source == "BOLD5000 release 1, A1_ROIs_TR34.h5"


def test_a_folder_without_responses_says_what_would_be_some(precomputed, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputMissingError, match=r"those of nobody.*CSIx_ROIs_TRn.h5.*_statmap.dscalar.nii"):
        precomputed(tmp_path / "empty")


def test_a_file_of_no_known_format_is_refused(precomputed, tmp_path):
    (tmp_path / "responses.csv").write_text("1,2\n")
    with pytest.raises(UsageError, match=r"responses.csv is no file of precomputed responses"):
        precomputed(tmp_path / "responses.csv")


def test_a_file_that_was_not_fetched_comes_with_the_command(bare, precomputed, tmp_path):
    bare.annex_link(tmp_path / "A1_ROIs_TR34.h5")
    with pytest.raises(ContentAbsentError, match="datalad get"):
        precomputed(tmp_path / "A1_ROIs_TR34.h5")


@pytest.fixture
def csi1(real):
    """All 5,254 trials of BOLD5000's first participant."""
    paths = sorted(real.glob("sub-CSI1/ses-*/func/*_task-5000scenes_*_events.tsv"))
    runs = tuple(RunEvents("CSI1", path.name[13:15], "5000scenes", path.name[36:38], path) for path in paths)
    if len(runs) != 142:
        pytest.skip("not all of CSI1's events are there")
    return read_trials(type("Files", (), {"runs": runs}), "stim_file").trials


def test_the_real_list_of_pictures_matches_the_real_events(csi1, tmp_path):
    tagged = csi1.table["ImgType"].str.startswith("rep_")
    names = [f"rep_{name}" if tag else name for name, tag in zip(csi1.table["stimulus"], tagged, strict=True)]
    assert tagged.sum() > 300
    rows = rows_of_trials(tmp_path, 5254, csi1, csi1)
    require_names(tmp_path, names, rows, csi1)
    names[4000], names[4001] = names[4001], names[4000]
    with pytest.raises(
        InputMalformedError, match=r"Row 4001 of .* and the events have ses-12 run-04 onset 46.0043"
    ):
        require_names(tmp_path, names, rows, csi1)


def test_a_real_session_is_found_among_the_rows_of_all(csi1, tmp_path):
    mine = csi1.take((csi1.table["session"] == "09").to_numpy(dtype=bool))
    rows = rows_of_trials(tmp_path, 5254, mine, csi1)
    assert csi1.table["stimulus"].iloc[rows].tolist() == mine.table["stimulus"].tolist()
    with pytest.raises(InputMalformedError, match=r"3108 trials and the events have 5254"):
        rows_of_trials(tmp_path, 3108, mine, csi1)  # CSI4 has as many
