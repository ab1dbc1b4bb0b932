"""The participant level on responses that are there already: no BOLD, the same results, rows checked."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from bidsapp_synthfmri.cli.main import run
from bidsapp_synthfmri.derivatives import participant as written
from bidsapp_synthfmri.derivatives.reader import load_participant, participants_written
from bidsapp_synthfmri.derivatives.writer import Writer

# Responses are the same but for float32's last digit, z-scored once more; scores follow them.
SAME = 1e-5


@pytest.fixture(scope="module")
def estimated(small, tmp_path_factory):
    """OUTPUT_DIR of a run on BOLD, of both participants."""
    folder = tmp_path_factory.mktemp("estimated")
    arguments = [small.bids_dir, folder / "out", "participant", "--weights", "random"]
    model = ["--backbone", "squeezenet1_1", "--layers", "features.3", "features.12"]
    done = CliRunner().invoke(
        run, [str(word) for word in [*arguments, *model, "--work-dir", folder / "work", "--n-cpus", "1"]]
    )
    assert done.exit_code == 0, done.output
    return folder / "out"


@pytest.fixture
def bare(spoilt):
    """BIDS_DIR without any BOLD, brain mask or confounds."""
    shutil.rmtree(spoilt / "derivatives" / "fmriprep")
    for path in spoilt.rglob("*_bold.nii.gz"):
        path.unlink()
    return spoilt


@pytest.fixture
def release(estimated, tmp_path):
    """Release 1 of both participants, from the responses estimated."""

    def write(change=lambda matrix: matrix):
        for participant in participants_written(estimated):
            results = load_participant(estimated, participant)
            path = tmp_path / "ROIs" / participant / "h5" / f"{participant}_ROIs_TR34.h5"
            path.parent.mkdir(parents=True, exist_ok=True)
            with h5py.File(path, "w") as file:
                for name, inside in zip(results.voxels.roi_names, results.voxels.membership, strict=True):
                    file[name] = change(np.asarray(results.responses.values)[:, inside])
        return tmp_path / "ROIs"

    return write


def same_scores(one, other):
    keys = ["roi", "layer", "metric"]
    both = one.encoding.merge(other.encoding, on=keys, validate="one_to_one")
    assert len(both) == len(one.encoding) == len(other.encoding)
    np.testing.assert_allclose(both["value_x"], both["value_y"], atol=SAME)


def test_our_own_responses_give_the_results_they_came_from(bare, estimated, tmp_path, participant_level):
    done = participant_level(bare, "--responses", estimated)
    assert done.exit_code == 0, done.output
    before, after = (load_participant(folder, "01") for folder in (estimated, tmp_path / "out"))
    np.testing.assert_allclose(after.responses.values, before.responses.values, atol=SAME)
    np.testing.assert_array_equal(after.voxels.ijk, before.voxels.ijk)
    np.testing.assert_array_equal(after.voxels.membership, before.voxels.membership)
    np.testing.assert_array_equal(after.splits, before.splits)
    same_scores(before, after)
    assert after.space == before.space == "T1w"
    assert after.responses.estimator == after.summary["responses"] == "precomputed"


def test_the_page_and_the_sidecars_say_where_responses_come_from(bare, release, tmp_path, participant_level):
    done = participant_level(bare, "--responses", release())
    assert done.exit_code == 0, done.output
    page = (tmp_path / "out" / "sub-01.html").read_text(encoding="utf-8")
    assert "precomputed, not estimated here: BOLD5000 release 1, 01_ROIs_TR34.h5" in page
    assert "only the number of its rows was checked against the events" in page
    assert "lists without anatomy" in page
    sidecar = json.loads(next(tmp_path.glob("out/sub-01/func/*_desc-singletrial_*_statmap.json")).read_text())
    assert sidecar["Sources"] == ["bids:responses:01/h5/01_ROIs_TR34.h5"]
    assert sidecar["Estimator"] == "precomputed"
    description = json.loads((tmp_path / "out" / "dataset_description.json").read_text())
    assert description["DatasetLinks"]["responses"] == (tmp_path / "ROIs").as_uri()


def test_release_1_of_both_participants_goes_on_to_the_group(
    bare, estimated, release, tmp_path, participant_level
):
    done = participant_level(bare, "--participant-label", "01", "02", "--responses", release())
    assert done.exit_code == 0, done.output
    before, after = (load_participant(folder, "02") for folder in (estimated, tmp_path / "out"))
    assert after.summary["rois"] == before.summary["rois"]
    same_scores(before, after)
    group = CliRunner().invoke(run, [str(bare), str(tmp_path / "out"), "group"])
    assert group.exit_code == 0, group.output


def test_trials_left_out_when_responses_were_made_are_counted(bare, estimated, tmp_path, participant_level):
    results = load_participant(estimated, "01")
    rows = np.delete(np.arange(len(results.responses.trials)), [3, 40])
    kept = replace(
        results.responses,
        values=np.asarray(results.responses.values)[rows],
        trials=results.responses.trials.take(rows),
    )
    writer = Writer(tmp_path / "fewer", "01", results.task, results.space)
    written.write_responses(writer, kept, results.splits[rows])
    written.write_roi_dseg(writer, kept.voxels)
    done = participant_level(bare, "--responses", tmp_path / "fewer")
    assert done.exit_code == 0, done.output
    summary = load_participant(tmp_path / "out", "01").summary
    assert (summary["n_trials"], summary["n_missing_trials"], summary["n_runs"]) == (72, 2, 2)
    page = (tmp_path / "out" / "sub-01.html").read_text(encoding="utf-8")
    assert "2 of 74 trials of the events are not among the precomputed responses" in page


def test_voxels_that_are_not_finite_are_left_out_and_counted(bare, release, tmp_path, participant_level):
    def spoil(matrix):
        matrix = matrix.copy()
        matrix[5, 0] = np.nan
        return matrix

    done = participant_level(bare, "--responses", release(spoil), "--roi", "LHPPA", "LHRSC")
    assert done.exit_code == 0, done.output
    results = load_participant(tmp_path / "out", "01")
    assert results.summary["dropped_voxels"] == 2
    assert np.isfinite(results.responses.values).all()
    page = (tmp_path / "out" / "sub-01.html").read_text(encoding="utf-8")
    assert "not finite in at least one session" in page


def swapped(folder: Path) -> Path:
    path = next(folder.rglob("sub-01*_desc-singletrial_trials.tsv"))
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    table.iloc[[1, 2]] = table.iloc[[2, 1]].to_numpy()
    table.to_csv(path, sep="\t", index=False)
    return folder


def missing_row(folder: Path) -> Path:
    path = next(folder.rglob("sub-01*_desc-singletrial_trials.tsv"))
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    return folder


def of_others_alone(folder: Path) -> Path:
    shutil.rmtree(folder / "sub-01")
    return folder


def file_of_another(folder: Path) -> Path:
    return next(folder.rglob("sub-02*_desc-singletrial_*.dscalar.nii"))


def cut_short(folder: Path) -> Path:
    path = next(folder.rglob("sub-01*_desc-singletrial_*.dscalar.nii"))
    path.write_bytes(path.read_bytes()[:-1000])
    return folder


def not_there(folder: Path) -> Path:
    return folder / "nothing"


def of_no_format(folder: Path) -> Path:
    return folder / "README.md"


@pytest.mark.parametrize(
    ("spoil", "code", "words"),
    [
        (swapped, 4, ["Row 2 of", "trials.tsv", "and the events have ses-01 run-01"]),
        (missing_row, 4, ["73 rows", "74 maps"]),
        (of_others_alone, 3, ["no precomputed responses of sub-01", "02"]),
        (file_of_another, 2, ["responses of 02, not of 01"]),
        (cut_short, 4, ["dscalar.nii", "truncated"]),
        (not_there, 2, ["lsa", "no path that exists"]),
        (of_no_format, 2, ["README.md", "known format"]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_responses_that_do_not_fit_are_refused(
    bare, estimated, tmp_path, participant_level, assert_refused, spoil, code, words
):
    copy = tmp_path / "copy"
    shutil.copytree(estimated, copy)
    done = participant_level(bare, "--responses", spoil(copy))
    assert_refused(done, code, words)


def test_a_release_of_another_number_of_trials_is_refused(bare, release, participant_level):
    done = participant_level(bare, "--responses", release(lambda matrix: matrix[:-1]))
    assert done.exit_code == 4, done.output
    assert "the first trial without a row is number 74, ses-02 run-01" in done.output.splitlines()[-1]


def test_a_dry_run_says_what_would_be_read(bare, release, tmp_path, participant_level):
    done = participant_level(bare, "--responses", release(), "--dry-run")
    assert done.exit_code == 0, done.output
    assert "precomputed responses: BOLD5000 release 1, 01_ROIs_TR34.h5" in done.output
    assert not (tmp_path / "out").exists()
