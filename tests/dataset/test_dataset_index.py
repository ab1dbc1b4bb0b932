"""Indexing one participant."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bidsapp_synthfmri.config import ESTIMATORS
from bidsapp_synthfmri.dataset.index import index_participant, list_participants
from bidsapp_synthfmri.errors import (
    ContentAbsentError,
    InputMalformedError,
    InputMissingError,
    NothingMatchedError,
    UsageError,
)


def test_files_of_every_run_are_found_and_the_raw_bold_is_not_needed(dataset):
    assert not dataset.raw("bold.nii.gz").exists()
    assert index_participant(dataset.config(), "A1") == dataset.files()


def test_nothing_is_written_into_the_dataset(dataset):
    before = {path: path.lstat().st_mtime_ns for path in dataset.root.rglob("*")}
    index_participant(dataset.config(), "sub-A1")
    assert {path: path.lstat().st_mtime_ns for path in dataset.root.rglob("*")} == before


def test_the_index_sees_a_file_added_since(modern):
    missing = modern.derived("mask", "02", "02")
    kept = missing.read_bytes()
    missing.unlink()
    with pytest.raises(InputMissingError):
        index_participant(modern.config(), "A1")
    missing.write_bytes(kept)
    assert len(index_participant(modern.config(), "A1").runs) == 4


def test_a_folder_above_that_looks_like_bids_is_not_read_as_entities(modern, tmp_path):
    above = tmp_path / "sub-Z9" / "ses-77" / "task-other"
    above.mkdir(parents=True)
    root = modern.root.rename(above / "bids")
    files = index_participant(replace(modern.config(), bids_dir=root), "A1")
    assert {(run.participant, run.session, run.task) for run in files.runs} == {
        ("A1", "01", "scenes"),
        ("A1", "02", "scenes"),
    }


def test_participants_are_listed_with_or_without_prefix(modern):
    assert list_participants(modern.root, []) == ("A1", "B2")
    assert list_participants(modern.root, ["sub-B2", "B2"]) == ("B2",)


def test_an_unknown_participant_is_answered_with_those_there_are(modern):
    with pytest.raises(NothingMatchedError, match=r"no participant Q.*A1, B2.*--participant-label") as caught:
        list_participants(modern.root, ["sub-Q"])
    assert caught.value.exit_code == 5


def test_labels_are_not_guessed_at(modern):
    with pytest.raises(NothingMatchedError, match=r"session 1; there are: 01, 02"):
        index_participant(modern.config(session_labels=("1",)), "A1")


def test_sessions_can_be_chosen_with_or_without_prefix(modern):
    for label in ("02", "ses-02"):
        files = index_participant(modern.config(session_labels=(label,)), "A1")
        assert {run.session for run in files.runs} == {"02"}


@pytest.mark.parametrize("task", ["scenes", "task-scenes"])
def test_a_task_can_be_named(modern, task):
    assert index_participant(modern.config(task_label=task), "A1").task == "scenes"


def test_a_task_without_runs_is_answered_with_those_there_are(modern):
    with pytest.raises(NothingMatchedError, match=r"no runs of task rest.*localizer, scenes"):
        index_participant(modern.config(task_label="rest"), "A1")


def test_a_participant_without_functional_runs_matches_nothing(modern):
    with pytest.raises(NothingMatchedError, match="sub-B2 has no functional runs"):
        index_participant(modern.config(), "B2")


def test_several_tasks_with_pictures_need_a_choice(modern):
    modern.text(modern.raw("events.tsv", task="localizer"), "onset\tduration\tstim_file\n0\t1\ta.jpg\n")
    with pytest.raises(UsageError, match=r"localizer, scenes.*--task-label"):
        index_participant(modern.config(), "A1")


def test_events_without_the_stimulus_column_are_named_with_their_columns(modern):
    with pytest.raises(
        InputMalformedError, match=r"events.tsv has no column image; its columns are .*--stimulus-column"
    ):
        index_participant(modern.config(stimulus_column="image"), "A1")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("events", "no events"),
        ("bold", "no preprocessed BOLD in space T1w"),
        ("mask", "no brain mask in space T1w"),
        ("confounds", "no confounds"),
    ],
)
def test_a_run_that_lacks_a_file_is_named_with_the_file_expected(dataset, kind, words):
    path = dataset.raw("events.tsv", "02", "01") if kind == "events" else dataset.derived(kind, "02", "01")
    path.unlink()
    with pytest.raises(InputMissingError, match=words) as caught:
        index_participant(dataset.config(), "A1")
    assert caught.value.exit_code == 3
    assert "ses-02" in caught.value.problem
    assert "run-01" in caught.value.problem
    if kind in ("events", "mask"):
        assert str(path) in caught.value.problem
    if kind == "bold" and not dataset.legacy:
        assert str(path) in caught.value.problem


@pytest.mark.parametrize("responses", ESTIMATORS)
def test_every_estimator_needs_confounds(legacy, responses):
    legacy.derived("confounds", "02", "01").unlink()
    with pytest.raises(InputMissingError, match=r"ses-02 .*run-01 has no confounds"):
        index_participant(legacy.config(responses=responses), "A1")


def test_without_any_derivative_the_preprocessed_bold_is_missing(legacy):
    (legacy.root / "derivatives").rename(legacy.root.parent / "elsewhere")
    with pytest.raises(InputMissingError, match=r"no preprocessed BOLD.*--derivatives NAME=PATH"):
        index_participant(legacy.config(), "A1")


def test_a_derivative_elsewhere_is_read_when_named(dataset):
    elsewhere = dataset.root.parent / "elsewhere"
    (dataset.root / "derivatives" / "fmriprep").rename(elsewhere)
    files = index_participant(dataset.config(derivatives=(("prep", elsewhere),)), "A1")
    assert all(run.bold.is_relative_to(elsewhere) for run in files.runs)
    assert files.rois == ()


def test_a_derivative_that_is_not_there_is_an_error(legacy, tmp_path):
    with pytest.raises(InputMissingError, match="Derivative prep: there is no folder"):
        index_participant(legacy.config(derivatives=(("prep", tmp_path / "none"),)), "A1")


def test_the_output_directory_is_no_input(modern):
    output = modern.root / "derivatives" / "synthfmri"
    copy = output / "sub-A1" / "func" / "sub-A1_label-PPA_mask.nii.gz"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(modern.roi("LHPPA").read_bytes())
    files = index_participant(replace(modern.config(), output_dir=output), "A1")
    assert "PPA" not in [roi.name for roi in files.rois]


@pytest.mark.parametrize("description", ["{", "{}", '{"DatasetType": "derivative"}', None])
def test_a_derivative_s_own_description_may_be_anything(dataset, description):
    path = dataset.root / "derivatives" / "fmriprep" / "dataset_description.json"
    path.unlink(missing_ok=True)
    if description is not None:
        path.write_text(description)
    assert index_participant(dataset.config(), "A1") == dataset.files()


def test_two_derivatives_of_one_run_need_a_choice(legacy):
    other = legacy.root / "derivatives" / "other" / "sub-A1" / "func"
    other.mkdir(parents=True)
    (other / legacy.derived("bold").name).write_bytes(legacy.derived("bold").read_bytes())
    with pytest.raises(UsageError, match=r"Several files could be meant.*--derivatives"):
        index_participant(legacy.config(), "A1")


def test_several_spaces_of_all_runs_need_a_choice(modern):
    for session, run in modern.bold:
        for kind in ("bold", "mask"):
            path = modern.derived(kind, session, run)
            path.with_name(path.name.replace("T1w", "MNI")).write_bytes(path.read_bytes())
    with pytest.raises(UsageError, match=r"MNI, T1w.*--space"):
        index_participant(modern.config(), "A1")
    files = index_participant(modern.config(space="MNI"), "A1")
    assert files.space == "MNI"
    assert files.rois == ()  # the masks are in T1w


def test_a_space_that_only_some_runs_have_is_not_chosen(modern):
    path = modern.derived("bold")
    path.with_name(path.name.replace("T1w", "MNI")).write_bytes(path.read_bytes())
    assert index_participant(modern.config(), "A1").space == "T1w"


def test_runs_in_different_spaces_are_refused(modern):
    path = modern.derived("bold")
    path.rename(path.with_name(path.name.replace("T1w", "MNI")))
    with pytest.raises(InputMissingError, match=r"4 preprocessed runs share no space; there are: MNI, T1w"):
        index_participant(modern.config(), "A1")


def test_a_space_that_is_not_there_is_answered_with_those_that_are(legacy):
    with pytest.raises(InputMissingError, match=r"in space MNI \(there is one in space T1w\)"):
        index_participant(legacy.config(space="MNI"), "A1")


def test_bold_without_a_space_in_its_name_is_native(modern):
    for session, run in modern.bold:
        for kind in ("bold", "mask", "sidecar"):
            path = modern.derived(kind, session, run)
            path.rename(path.with_name(path.name.replace("space-T1w_", "")))
    assert index_participant(modern.config(), "A1").space == "native"


def test_events_above_the_runs_apply_to_all_of_them(modern):
    for session, run in modern.bold:
        modern.raw("events.tsv", session, run).rename(modern.root / "task-scenes_events.tsv")
    files = index_participant(modern.config(), "A1")
    assert {run.events for run in files.runs} == {modern.root / "task-scenes_events.tsv"}


def test_runs_told_apart_by_direction_alone_keep_names_of_their_own(modern):
    for kind in ("bold", "mask", "confounds", "sidecar"):
        path = modern.derived(kind)
        path.with_name(path.name.replace("_run-", "_dir-AP_run-")).write_bytes(path.read_bytes())
    events = modern.raw("events.tsv")
    events.with_name(events.name.replace("_run-", "_dir-AP_run-")).write_bytes(events.read_bytes())
    files = index_participant(modern.config(session_labels=("01",)), "A1")
    assert [run.run for run in files.runs] == ["01", "01dirAP", "02"]
    assert len({run.events for run in files.runs}) == 3


def test_runs_come_in_order_of_their_numbers_not_letters(modern):
    for path in [*modern.root.rglob("*run-01*")]:
        path.rename(path.with_name(path.name.replace("run-01", "run-10")))
    for path in [*modern.root.rglob("*run-02*")]:
        path.rename(path.with_name(path.name.replace("run-02", "run-9")))
    files = index_participant(modern.config(), "A1")
    assert [run.run for run in files.runs] == ["9", "10", "9", "10"]


class TestRepetitionTime:
    """Where the repetition time is taken from, and what contradicts it."""

    def test_the_preprocessed_sidecar_goes_before_the_raw_one(self, modern):
        modern.text(modern.root / "task-scenes_bold.json", json.dumps({"RepetitionTime": 3}))
        assert {run.repetition_time for run in index_participant(modern.config(), "A1").runs} == {2.0}

    def test_a_run_s_own_raw_sidecar_goes_before_the_dataset_s(self, legacy):
        legacy.text(legacy.root / "task-scenes_bold.json", json.dumps({"RepetitionTime": 3}))
        for session, run in legacy.bold:
            legacy.text(legacy.raw("bold.json", session, run), json.dumps({"RepetitionTime": 2}))
        assert {run.repetition_time for run in index_participant(legacy.config(), "A1").runs} == {2.0}

    def test_the_header_serves_where_no_sidecar_says_it(self, legacy):
        (legacy.root / "task-scenes_bold.json").unlink()
        assert {run.repetition_time for run in index_participant(legacy.config(), "A1").runs} == {2.0}

    def test_a_header_in_milliseconds_is_understood(self, legacy):
        import nibabel as nib

        (legacy.root / "task-scenes_bold.json").unlink()
        for (session, run), series in legacy.bold.items():
            image = nib.Nifti1Image(series, np.eye(4))
            image.header.set_xyzt_units("mm", "msec")
            image.header["pixdim"][4] = 2000
            nib.save(image, legacy.derived("bold", session, run))
        runs = index_participant(legacy.config(), "A1").runs
        # 2000 is exact in float32
        assert {run.repetition_time for run in runs} == {2.0}

    def test_header_and_sidecar_that_contradict_each_other_are_refused(self, dataset):
        path = dataset.derived("bold", "02", "02")
        dataset.volume(path, dataset.bold["02", "02"], tr=1.5)
        with pytest.raises(InputMalformedError, match=r"header says .* 1.5 s, its sidecar 2 s") as caught:
            index_participant(dataset.config(), "A1")
        assert str(path) in caught.value.problem
        assert caught.value.exit_code == 4

    @pytest.mark.parametrize("placeholder", [1.0, None, 2000.0])
    def test_headers_as_some_fmriprep_releases_left_them_contradict_nothing(self, legacy, placeholder):
        legacy.volume(legacy.derived("bold"), legacy.bold["01", "01"], tr=placeholder)
        assert index_participant(legacy.config(), "A1").runs[0].repetition_time == 2

    @pytest.mark.parametrize("placeholder", [1.0, None])
    def test_such_a_header_alone_is_not_believed(self, legacy, placeholder):
        (legacy.root / "task-scenes_bold.json").unlink()
        legacy.volume(legacy.derived("bold"), legacy.bold["01", "01"], tr=placeholder)
        with pytest.raises(InputMalformedError, match=r"No sidecar .* states RepetitionTime"):
            index_participant(legacy.config(), "A1")

    @pytest.mark.parametrize("content", ["[", "[]", '{"RepetitionTime": "2"}', '{"RepetitionTime": 0}'])
    def test_a_sidecar_that_cannot_be_used_is_named(self, legacy, content):
        legacy.text(legacy.root / "task-scenes_bold.json", content)
        with pytest.raises(InputMalformedError):
            index_participant(legacy.config(), "A1")


class TestNoDataset:
    """BIDS_DIR that is not one."""

    def test_no_such_folder(self, tmp_path):
        with pytest.raises(InputMissingError, match="is not there"):
            list_participants(tmp_path / "none", [])

    def test_no_description(self, tmp_path):
        with pytest.raises(InputMissingError, match=r"no BIDS dataset: it has no dataset_description.json"):
            list_participants(tmp_path, [])

    @pytest.mark.parametrize("content", ["{", "[]"])
    def test_description_that_is_no_json_object(self, tmp_path, content):
        (tmp_path / "dataset_description.json").write_text(content)
        with pytest.raises(InputMalformedError, match=r"dataset_description.json"):
            list_participants(tmp_path, [])

    def test_no_participants(self, tmp_path):
        (tmp_path / "dataset_description.json").write_text("{}")
        with pytest.raises(NothingMatchedError, match="no sub-"):
            list_participants(tmp_path, [])


class TestContent:
    """git-annex links without content, and links that are simply broken."""

    def test_all_absent_files_are_named_in_one_message_with_the_command(self, dataset):
        for session, run in dataset.bold:
            dataset.annex_link(dataset.derived("bold", session, run))
        dataset.derived("mask").write_text("/annex/objects/MD5E-s9--0\n")
        dataset.annex_link(dataset.roi("LHPPA"))
        with pytest.raises(ContentAbsentError) as caught:
            index_participant(dataset.config(), "A1")
        assert caught.value.exit_code == 3
        assert "6 of " in caught.value.problem
        assert dataset.derived("bold").name in caught.value.problem
        folders = {dataset.derived("bold", session).parent for session in ("01", "02")}
        folders.add(dataset.roi("LHPPA").parent)
        names = " ".join(sorted(str(folder.relative_to(dataset.root)) for folder in folders))
        assert caught.value.remedy == f"Run: datalad get -d {dataset.root} {names}"

    def test_a_broken_link_is_no_annex_link(self, legacy):
        path = legacy.derived("mask")
        path.unlink()
        path.symlink_to(Path("/nowhere/mask.nii.gz"))
        with pytest.raises(InputMissingError, match="lead nowhere") as caught:
            index_participant(legacy.config(), "A1")
        assert not isinstance(caught.value, ContentAbsentError)
