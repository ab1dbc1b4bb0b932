"""Confounds, censoring and voxel selection through the whole app, in both generations of names."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bidsapp_synthfmri.derivatives.reader import load_participant, load_reliability_maps
from bidsapp_synthfmri.simulate import SimulationConfig, simulate

BOLD = "space-T1w_desc-preproc_bold.nii.gz"


@pytest.fixture(scope="module")
def legacy(tmp_path_factory):
    """One participant in the names of before 2018."""
    config = SimulationConfig(
        participants=("01",),
        n_sessions=2,
        n_runs=1,
        n_repeated=12,
        n_presentations=3,
        extra_per_category=6,
        image_size=64,
        naming="legacy",
    )
    return simulate(tmp_path_factory.mktemp("legacy"), config)


def tables_of(bids: Path) -> list[Path]:
    return sorted(bids.glob("derivatives/fmriprep/sub-01/**/*confounds*.tsv"))


def summary_of(output: Path) -> dict:
    return json.loads(next(output.glob("sub-01/func/*_summary.json")).read_text())


@pytest.mark.parametrize("naming", ["fmriprep", "legacy"])
def test_volumes_and_voxels_are_left_out_and_counted(
    small, legacy, tmp_path, participant_level, command, naming
):
    dataset = small if naming == "fmriprep" else legacy
    options = ("--confounds", "motion24", "csf", "--fd-threshold", "0.2", "--min-ncsnr", "0.25")
    done = participant_level(dataset.bids_dir, *options)
    assert done.exit_code == 0, done.output
    output = tmp_path / "out"
    results, maps = load_participant(output, "01"), load_reliability_maps(output, "01")

    summary = summary_of(output)
    names = ("trans_x", "csf") if naming == "fmriprep" else ("X", "CSF")
    assert {*names, f"{names[0]}_derivative1_power2"} <= set(summary["confounds"])
    moved = [
        pd.read_csv(path, sep="\t", na_values="n/a").filter(regex="(?i)^framewise_?displacement$") > 0.2
        for path in tables_of(dataset.bids_dir)
    ]
    assert summary["n_censored"] == sum(int(table.to_numpy().sum()) for table in moved) > 0
    assert summary["most_censored_in_a_run"] == max(int(table.to_numpy().sum()) for table in moved)
    assert any("take no part in any fit" in note for note in summary["notes"])

    kept = maps.ncsnr >= 0.25
    np.testing.assert_array_equal(results.voxels.ijk, maps.voxels.ijk[kept])
    assert 0 < len(results.voxels) == summary["n_voxels"] < len(maps.voxels)
    assert len(maps.voxels) == summary["n_voxels_measured"]
    assert summary["below_min_ncsnr"]["all"] == len(maps.voxels) - len(results.voxels)
    assert results.synthetic.values.shape[1] == len(results.voxels)
    whole = results.reliability[results.reliability["roi"] == "all"].set_index("metric")
    assert whole.loc["r", "n_voxels"] == len(maps.voxels)
    assert whole.loc["r", "value"] == pytest.approx(maps.r.mean(), rel=1e-5)
    assert whole.loc["split_half", "value"] == pytest.approx(maps.split_half.mean(), rel=1e-5)
    accounting = results.accounting[results.accounting["roi"] == "all"]
    assert set(accounting["n_voxels"]) == {len(results.voxels)}

    page = (output / "sub-01.html").read_text(encoding="utf-8")
    assert "conditional on the choice" in page
    assert 'id="figure-reliability"' in page
    group = command("run", dataset.bids_dir, output, "group")
    assert group.returncode == 0, group.stderr
    assert "ncsnr below 0.25" in (output / "group.html").read_text(encoding="utf-8")


def test_what_censored_volumes_hold_does_not_reach_the_results(spoilt, tmp_path, participant_level):
    options = ("--confounds", "minimal", "--fd-threshold", "0.2")
    outputs = [tmp_path / "before", tmp_path / "after"]
    first = participant_level(spoilt, *options, output=outputs[0])
    assert first.exit_code == 0, first.output
    for path in tables_of(spoilt):
        moved = pd.read_csv(path, sep="\t", na_values="n/a")["framewise_displacement"] > 0.2
        assert moved.any()
        bold = path.with_name(path.name.replace("desc-confounds_timeseries.tsv", BOLD))
        image = nib.load(bold)
        values = np.asarray(image.dataobj, dtype=np.float32)
        values[..., np.flatnonzero(moved)] = 1e6
        spoilt_image = nib.Nifti1Image(values, image.affine, image.header)
        spoilt_image.set_data_dtype(np.float32)
        nib.save(spoilt_image, bold)
    second = participant_level(spoilt, *options, output=outputs[1])
    assert second.exit_code == 0, second.output
    before, after = (load_participant(output, "01").responses.values for output in outputs)
    np.testing.assert_array_equal(before, after)


def test_no_confounds_table_is_needed_for_none(spoilt, tmp_path, participant_level):
    for path in tables_of(spoilt):
        path.unlink()
    refused = participant_level(spoilt)
    assert refused.exit_code == 3
    done = participant_level(spoilt, "--confounds", "none")
    assert done.exit_code == 0, done.output
    assert summary_of(tmp_path / "out")["confounds"] == []
    assert "no confounds were" in (tmp_path / "out" / "sub-01.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--confounds", "global_signa"), 2, "no such column; there are:"),
        (("--confounds", "minimal", "tissue*"), 2, "matches no column of any run"),
        (("--fd-threshold", "0.001"), 4, "volumes, over half, have a framewise displacement above 0.001 mm"),
        (("--min-ncsnr", "80"), 2, "the largest is"),
        (("--dry-run", "--confounds", "nothing"), 2, "no such column"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(small, participant_level, options, code, words):
    done = participant_level(small.bids_dir, *options)
    assert done.exit_code == code
    assert words in " ".join(done.output.split())
    assert "Traceback" not in done.output


def test_too_few_volumes_left_are_refused_with_counts_and_threshold(spoilt, participant_level):
    path = tables_of(spoilt)[0]
    table = pd.read_csv(path, sep="\t", na_values="n/a")
    n_moved = len(table) // 2
    table["framewise_displacement"] = np.where(np.arange(len(table)) < n_moved, 0.6, 0.1)
    # As many confounds as make trials and nuisance fit the whole scan, but not half of it.
    rng = np.random.default_rng(0)
    n_more = len(table) // 2 - 25
    table = table.join(
        pd.DataFrame(rng.random((len(table), n_more)), columns=[f"more{k}" for k in range(n_more)])
    )
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    done = participant_level(spoilt, "--confounds", "minimal", "more*", "--fd-threshold", "0.5")
    assert done.exit_code == 4
    text = " ".join(done.output.split())
    assert f"--fd-threshold 0.5 mm leaves {len(table) - n_moved} of {len(table)} volumes" in text
    assert "ses-01" in text


def test_a_dry_run_says_what_would_be_censored(small, participant_level):
    done = participant_level(small.bids_dir, "--dry-run", "--fd-threshold", "0.2")
    assert done.exit_code == 0
    assert "above 0.2 mm and take no part in any fit" in done.output


def test_nothing_repeated_refuses_a_threshold_on_repeats(tmp_path, participant_level):
    config = SimulationConfig(
        participants=("01",), n_sessions=2, n_runs=1, n_repeated=0, extra_per_category=2, image_size=64
    )
    dataset = simulate(tmp_path / "once", config)
    for options in (("--min-ncsnr", "0.1"), ("--min-ncsnr", "0.1", "--dry-run")):
        done = participant_level(dataset.bids_dir, *options)
        assert done.exit_code == 2
        assert "needs stimuli presented more than once" in " ".join(done.output.split())
