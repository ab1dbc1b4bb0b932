"""Bad input from the command line: each with its message and exit code, others unharmed."""

import gzip
import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from bidsapp_synthfmri.cli.main import run
from bidsapp_synthfmri.derivatives.reader import load_participant, participants_written
from bidsapp_synthfmri.simulate import SimulationConfig, simulate

RUN = "sub-01_ses-01_task-images_run-01"


def raw(bids: Path, name: str) -> Path:
    return bids / "sub-01" / "ses-01" / "func" / f"{RUN}_{name}"


def derived(bids: Path, name: str) -> Path:
    return bids / "derivatives" / "fmriprep" / "sub-01" / "ses-01" / "func" / f"{RUN}_{name}"


def bold(bids: Path) -> Path:
    return derived(bids, "space-T1w_desc-preproc_bold.nii.gz")


def mask(bids: Path, name: str) -> Path:
    return bids / "derivatives" / "spm" / "sub-01" / f"sub-01_mask-{name}.nii.gz"


def events(bids: Path) -> pd.DataFrame:
    return pd.read_csv(raw(bids, "events.tsv"), sep="\t", dtype=str, keep_default_na=False)


def rewrite_events(bids: Path, table: pd.DataFrame) -> None:
    table.to_csv(raw(bids, "events.tsv"), sep="\t", index=False)


def no_events(bids: Path) -> None:
    raw(bids, "events.tsv").unlink()


def no_bold(bids: Path) -> None:
    bold(bids).unlink()


def no_mask(bids: Path) -> None:
    derived(bids, "space-T1w_desc-brain_mask.nii.gz").unlink()


def no_stimulus_column(bids: Path) -> None:
    for table in bids.glob("sub-01/ses-*/func/*_events.tsv"):
        content = pd.read_csv(table, sep="\t", dtype=str, keep_default_na=False)
        content.drop(columns="stim_file").to_csv(table, sep="\t", index=False)


def one_run_without_stimulus_column(bids: Path) -> None:
    rewrite_events(bids, events(bids).drop(columns="stim_file"))


def first_picture(bids: Path) -> Path:
    return bids / "stimuli" / str(events(bids)["stim_file"].iloc[0])


def picture_missing(bids: Path) -> None:
    first_picture(bids).unlink()


def picture_not_an_image(bids: Path) -> None:
    first_picture(bids).write_text("this is no picture")


def picture_outside(bids: Path) -> None:
    table = events(bids)
    shutil.copy(first_picture(bids), bids / "secret.jpg")
    table.loc[0, "stim_file"] = "../secret.jpg"
    rewrite_events(bids, table)


def truncated_bold(bids: Path) -> None:
    data = bold(bids).read_bytes()
    bold(bids).write_bytes(data[: len(data) // 2])


def not_gzip(bids: Path) -> None:
    bold(bids).write_bytes(gzip.decompress(bold(bids).read_bytes())[:5000])


def mask_off_grid(bids: Path) -> None:
    image = nib.load(mask(bids, "LHPPA"))
    shape = tuple(size + 2 for size in image.shape)
    nib.save(nib.Nifti1Image(np.ones(shape, dtype=np.uint8), image.affine), mask(bids, "LHPPA"))


def mask_moved(bids: Path) -> None:
    image = nib.load(mask(bids, "LHPPA"))
    affine = image.affine.copy()
    affine[0, 3] += 10
    nib.save(nib.Nifti1Image(np.asanyarray(image.dataobj), affine), mask(bids, "LHPPA"))


def all_constant(bids: Path) -> None:
    image = nib.load(bold(bids))
    nib.save(nib.Nifti1Image(np.full(image.shape, 7, dtype=np.int16), image.affine, image.header), bold(bids))


def content_absent(bids: Path) -> None:
    bold(bids).unlink()
    bold(bids).symlink_to("../../../../../.git/annex/objects/Xq/9z/MD5E-s9--a/MD5E-s9--a.nii.gz")


def late_trial(bids: Path) -> None:
    table = events(bids)
    table.loc[len(table) - 1, "onset"] = "9999"
    rewrite_events(bids, table)


def onset_is_text(bids: Path) -> None:
    table = events(bids)
    table.loc[3, "onset"] = "soon"
    rewrite_events(bids, table)


def short_confounds(bids: Path) -> None:
    path = derived(bids, "desc-confounds_timeseries.tsv")
    path.write_text("\n".join(path.read_text().splitlines()[:-5]) + "\n")


@pytest.mark.parametrize(
    ("spoil", "code", "words"),
    [
        (no_events, 3, ["ses-01", "run-01", "events"]),
        (no_bold, 3, ["ses-01", "run-01", "BOLD"]),
        (no_mask, 3, ["ses-01", "run-01", "mask"]),
        (no_stimulus_column, 4, ["stim_file", "--stimulus-column"]),
        (one_run_without_stimulus_column, 4, ["stim_file", "events.tsv"]),
        (picture_missing, 3, ["--stimuli-dir", ".jpg"]),
        (picture_not_an_image, 4, ["image", ".jpg"]),
        (picture_outside, 4, ["../secret.jpg", "outside"]),
        (truncated_bold, 4, ["preproc_bold.nii.gz"]),
        (not_gzip, 4, ["preproc_bold.nii.gz"]),
        (mask_off_grid, 4, ["mask-LHPPA.nii.gz", "grid"]),
        (mask_moved, 4, ["mask-LHPPA.nii.gz", "grid"]),
        (all_constant, 4, ["ses-01", "constant"]),
        (content_absent, 3, ["datalad get", "preproc_bold.nii.gz"]),
        (onset_is_text, 4, ["events.tsv", "soon"]),
        (short_confounds, 4, ["confounds_timeseries.tsv"]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_spoilt_input_is_refused(spoilt, tmp_path, participant_level, assert_refused, spoil, code, words):
    spoil(spoilt)
    done = participant_level(spoilt)
    assert_refused(done, code, words)
    page = (tmp_path / "out" / "sub-01.html").read_text(encoding="utf-8")
    assert "failed" in page.lower()
    crash = next((tmp_path / "out").glob("logs/*/crash-sub-01.txt")).read_text()
    assert "Traceback" in crash


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--participant-label", "99"], 5, ["99", "01"]),
        (["--task-label", "rest"], 5, ["rest", "images"]),
        (["--session-label", "07"], 5, ["07"]),
        (["--labels", "nowhere.tsv"], 3, ["nowhere.tsv is not there"]),
        (["--labels", "animals"], 2, ["no label set 'animals'"]),
        (["--label-column", "colour"], 4, ["no column 'colour'"]),
        (["--roi", "FFA"], 5, ["FFA", "PPA"]),
        (["--layers", "features.99"], 2, ["features.99"]),
        (["--backbone", "alexnot"], 2, ["alexnot", "alexnet"]),
        (["--weights", "/no/such/file.pth"], 6, ["/no/such/file.pth"]),
        (["--stimuli-dir", "/no/such/folder"], 3, ["/no/such/folder"]),
        (["--images", "more=/no/such/folder"], 3, ["/no/such/folder"]),
    ],
)
def test_options_that_match_nothing_are_refused(small, participant_level, options, code, words):
    done = participant_level(small.bids_dir, *options)
    assert done.exit_code == code, done.output
    message = done.output.splitlines()[-1]
    for word in words:
        assert word in message
    assert "Traceback" not in done.output


def test_no_such_dataset(tmp_path, participant_level):
    done = participant_level(tmp_path / "nowhere")
    assert done.exit_code == 3
    assert "nowhere" in done.output.splitlines()[-1]


def test_group_before_participant(small, tmp_path):
    arguments = [str(small.bids_dir), str(tmp_path / "out"), "group"]
    done = CliRunner().invoke(run, arguments)
    assert done.exit_code == 3
    assert "participant level" in done.output.splitlines()[-1]


def test_one_participant_failing_does_not_stop_the_others(spoilt, tmp_path, participant_level):
    truncated_bold(spoilt)
    done = participant_level(spoilt, "--participant-label", "01", "02")
    assert done.exit_code == 8
    assert "sub-01" in done.output.splitlines()[-1]
    assert participants_written(tmp_path / "out") == ("02",)
    assert load_participant(tmp_path / "out", "02").summary["participant"] == "02"
    assert "failed" in (tmp_path / "out" / "sub-01.html").read_text(encoding="utf-8").lower()


def test_nan_and_constant_voxels_are_left_out_and_counted(spoilt, tmp_path, participant_level):
    image = nib.load(bold(spoilt))
    data = image.get_fdata(dtype=np.float32)
    inside = np.argwhere(np.asanyarray(nib.load(mask(spoilt, "LHPPA")).dataobj) > 0)
    data[tuple(inside[0])] = 500
    data[tuple(inside[1])] = np.nan
    header = image.header.copy()
    header.set_data_dtype(np.float32)
    header.set_slope_inter(1, 0)
    nib.save(nib.Nifti1Image(data, image.affine, header), bold(spoilt))
    done = participant_level(spoilt)
    assert done.exit_code == 0, done.output
    results = load_participant(tmp_path / "out", "01")
    assert results.summary["dropped_voxels"] == 2
    assert np.isfinite(results.responses.values).all()
    left = {tuple(ijk) for ijk in results.voxels.ijk.tolist()}
    assert not left & {tuple(ijk) for ijk in inside[:2].tolist()}
    assert "2 of" in (tmp_path / "out" / "sub-01.html").read_text(encoding="utf-8")


def test_no_repeats_at_all(tmp_path, participant_level):
    config = SimulationConfig(
        participants=("01",), n_sessions=2, n_runs=1, n_repeated=0, extra_per_category=6, image_size=64
    )
    made = simulate(tmp_path / "simulated", config)
    done = participant_level(made.bids_dir, "--images", f"extra={made.extra_dir}")
    assert done.exit_code == 0, done.output
    results = load_participant(tmp_path / "out", "01")
    assert len(results.reliability) == 0
    rows = results.accounting.set_index("row")["value"].astype(float)
    assert rows.loc[["real_real", "mean_real_real", "ceiling", "noise_matched_real"]].isna().all()
    assert rows.loc["synthetic_real"].notna().all()
    assert "No stimulus was presented twice" in (tmp_path / "out" / "sub-01.html").read_text(encoding="utf-8")
    group = CliRunner().invoke(run, [str(made.bids_dir), str(tmp_path / "out"), "group"])
    assert group.exit_code == 0, group.output


def test_one_session_only(small, tmp_path, participant_level):
    done = participant_level(small.bids_dir, "--session-label", "01")
    assert done.exit_code == 0, done.output
    summary = load_participant(tmp_path / "out", "01").summary
    assert summary["sessions"] == ["01"]
    assert "one session" in json.dumps(summary["notes"])


def test_a_dry_run_writes_nothing(small, tmp_path, participant_level):
    done = participant_level(small.bids_dir, "--dry-run")
    assert done.exit_code == 0, done.output
    assert "sub-01" in done.output
    assert "74 trials" in done.output
    assert not (tmp_path / "out").exists()


def test_hostile_names_are_escaped(spoilt, tmp_path, participant_level):
    table = events(spoilt)
    name = "<script>alert(1)<!--.jpg"
    shutil.copy(first_picture(spoilt), spoilt / "stimuli" / name)
    table.loc[0, "stim_file"] = name
    rewrite_events(spoilt, table)
    done = participant_level(spoilt)
    assert done.exit_code == 0, done.output
    assert "<script>alert" not in (tmp_path / "out" / "sub-01.html").read_text(encoding="utf-8")


def near_end_trial(bids: Path) -> None:
    table = events(bids)
    seconds = nib.load(bold(bids)).shape[3] * 2.0
    table.loc[len(table) - 1, "onset"] = f"{seconds - 3:.3f}"
    rewrite_events(bids, table)


def duplicated_row(bids: Path) -> None:
    table = events(bids)
    rewrite_events(bids, pd.concat([table, table.tail(1)]))


@pytest.mark.parametrize(
    ("spoil", "estimator"),
    [(near_end_trial, "lss"), (near_end_trial, "hrf-denoise-ridge"), (late_trial, "lsa")],
)
def test_a_trial_the_scan_does_not_hold_is_left_out_and_said(
    spoilt, tmp_path, participant_level, spoil, estimator
):
    n_trials = sum(len(pd.read_csv(path, sep="\t")) for path in spoilt.glob("sub-01/**/*_events.tsv"))
    spoil(spoilt)
    done = participant_level(spoilt, "--responses", estimator)
    assert done.exit_code == 0, done.output
    summary = json.loads(next((tmp_path / "out").glob("sub-01/func/*_summary.json")).read_text())
    assert summary["n_trials"] == n_trials - 1
    assert any(note.startswith("1 of ") and "left out" in note for note in summary["notes"])
    assert "left out" in (tmp_path / "out" / "sub-01.html").read_text()


def test_a_row_that_is_there_twice_is_refused(spoilt, participant_level):
    duplicated_row(spoilt)
    done = participant_level(spoilt)
    assert done.exit_code == 4, done.output
    for word in ("events.tsv", "duplicated"):
        assert word in done.output.splitlines()[-1]


def test_another_programs_folder_is_left_alone(spoilt, participant_level):
    output = spoilt / "derivatives" / "fmriprep"
    (output / "sub-01.html").write_text("their report")
    before = sorted(path for path in output.rglob("*"))
    done = participant_level(spoilt, output=output)
    assert done.exit_code == 2, done.output
    assert "OUTPUT_DIR" in done.output.splitlines()[-1]
    assert sorted(path for path in output.rglob("*")) == before
    assert (output / "sub-01.html").read_text() == "their report"


def test_an_output_that_is_a_file_is_refused(small, tmp_path, participant_level):
    (tmp_path / "file").write_text("mine")
    done = participant_level(small.bids_dir, output=tmp_path / "file")
    assert done.exit_code == 2, done.output
    assert "Traceback" not in done.output
    assert (tmp_path / "file").read_text() == "mine"


def test_a_work_directory_that_cannot_be_written_has_its_own_code(small, tmp_path, participant_level):
    (tmp_path / "blocked").write_text("a file in the way")
    done = participant_level(small.bids_dir, "--work-dir", tmp_path / "blocked")
    assert done.exit_code == 9, done.output
    assert "cannot be written" in done.output.splitlines()[-1]


def test_one_picture_in_two_spellings_is_one_stimulus(spoilt, tmp_path, participant_level):
    table = events(spoilt)
    table["stim_file"] = ["./" + name for name in table["stim_file"]]
    rewrite_events(spoilt, table)
    done = participant_level(spoilt)
    assert done.exit_code == 0, done.output
    results = load_participant(tmp_path / "out", "01")
    sides = results.responses.trials.table.assign(split=results.splits).groupby("stimulus")["split"].nunique()
    assert (sides == 1).all()
    assert results.summary["n_repeated_stimuli"] == 12


def test_extra_images_that_are_test_pictures_are_left_out(small, tmp_path, participant_level):
    extra = tmp_path / "extra"
    shutil.copytree(small.extra_dir, extra)
    shown = pd.concat(
        pd.read_csv(path, sep="\t") for path in small.bids_dir.glob("sub-01/ses-*/func/*_events.tsv")
    )["stim_file"].value_counts()
    tested = shown.index[shown > 1][0]
    shutil.copy(small.stimuli_dir / tested, extra / "tree" / "under_another_name.jpg")
    done = participant_level(small.bids_dir, "--images", f"extra={extra}")
    assert done.exit_code == 0, done.output
    results = load_participant(tmp_path / "out", "01")
    assert not results.extra[0].table["stimulus"].str.contains("under_another_name").any()
    assert "1 extra images" in json.dumps(results.summary["notes"])


def test_where_all_stimuli_repeat_some_are_held_out(tmp_path, participant_level):
    config = SimulationConfig(
        participants=("01",),
        n_sessions=2,
        n_runs=1,
        n_repeated=37,
        n_presentations=2,
        extra_per_category=1,
        image_size=64,
    )
    made = simulate(tmp_path / "simulated", config)
    done = participant_level(made.bids_dir)
    assert done.exit_code == 0, done.output
    summary = load_participant(tmp_path / "out", "01").summary
    assert summary["n_repeated_stimuli"] == 37
    assert summary["n_test_stimuli"] == 10
    assert summary["n_train_stimuli"] == 27


def test_a_failed_rerun_loses_nothing(spoilt, tmp_path, participant_level):
    assert participant_level(spoilt).exit_code == 0
    before = {path: path.read_bytes() for path in (tmp_path / "out").glob("sub-01*/**/*") if path.is_file()}
    page = (tmp_path / "out" / "sub-01.html").read_bytes()
    no_events(spoilt)
    done = participant_level(spoilt)
    assert done.exit_code == 3
    assert "earlier run stand" in " ".join(done.output.split())
    assert participants_written(tmp_path / "out") == ("01",)
    assert all(path.read_bytes() == content for path, content in before.items())
    assert (tmp_path / "out" / "sub-01.html").read_bytes() == page


def test_the_group_says_who_has_no_results(spoilt, tmp_path, participant_level):
    no_events(spoilt)
    assert participant_level(spoilt, "--participant-label", "01", "02").exit_code == 8
    group = CliRunner().invoke(run, [str(spoilt), str(tmp_path / "out"), "group"])
    assert group.exit_code == 0, group.output
    assert "Participant 01 was left out" in (tmp_path / "out" / "group.html").read_text(encoding="utf-8")


def test_participants_made_with_different_options_are_refused_and_not_pooled(
    small, tmp_path, participant_level
):
    assert participant_level(small.bids_dir).exit_code == 0
    other = participant_level(small.bids_dir, "--participant-label", "02", "--roi", "PPA")
    assert other.exit_code == 2
    assert "made with other options" in other.output.splitlines()[-1]
    assert participant_level(small.bids_dir, "--participant-label", "02").exit_code == 0
    # As if they had been made at the same time, or brought together from two folders.
    summary = next((tmp_path / "out").glob("sub-02/func/*_summary.json"))
    facts = json.loads(summary.read_text())
    summary.write_text(json.dumps({**facts, "configuration_hash": "0" * 64}))
    group = CliRunner().invoke(run, [str(small.bids_dir), str(tmp_path / "out"), "group"])
    assert group.exit_code == 4, group.output
    assert "different options" in group.output.splitlines()[-1]


def test_columns_named_as_ours_do_no_harm(spoilt, tmp_path, participant_level):
    table = events(spoilt)
    for name in ("prediction", "split", "image", "label", "trial"):
        table[name] = "theirs"
    rewrite_events(spoilt, table)
    done = participant_level(spoilt)
    assert done.exit_code == 0, done.output
    assert load_participant(tmp_path / "out", "01").synthetic.table["prediction"].nunique() == 2


def test_a_damaged_summary_is_named_at_group_level(small, tmp_path, participant_level):
    assert participant_level(small.bids_dir).exit_code == 0
    summary = next((tmp_path / "out").glob("sub-01/func/*_summary.json"))
    summary.write_text("{}")
    group = CliRunner().invoke(run, [str(small.bids_dir), str(tmp_path / "out"), "group"])
    assert group.exit_code == 4, group.output
    assert summary.name in group.output.splitlines()[-1]
