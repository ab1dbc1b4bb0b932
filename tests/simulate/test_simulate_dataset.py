from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bidsapp_synthfmri.errors import UsageError
from bidsapp_synthfmri.simulate import SimulatedDataset, SimulationConfig, simulate

_COLUMNS = [
    *("onset", "duration", "Subj", "Sess", "Run", "Trial", "ImgName", "ImgType"),
    *("StimOn(s)", "StimOff(s)", "Response", "RT", "stim_file"),
]


def _files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _events(made: SimulatedDataset) -> pd.DataFrame:
    return pd.concat(
        pd.read_csv(path, sep="\t") for path in sorted(made.bids_dir.glob("sub-*/**/*_events.tsv"))
    )


def test_raw_dataset_validates_without_error(simulated: SimulatedDataset) -> None:
    validator = Path(sys.executable).parent / "bids-validator-deno"
    done = subprocess.run(
        [str(validator), str(simulated.bids_dir), "--json"], capture_output=True, text=True, check=False
    )
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []
    assert done.returncode == 0


def test_same_seed_gives_same_bytes_and_another_does_not(simulated: SimulatedDataset, tmp_path: Path) -> None:
    again = simulate(tmp_path / "again", simulated.config)
    other = simulate(tmp_path / "other", dataclasses.replace(simulated.config, seed=1))
    first, second = _files(simulated.bids_dir.parent), _files(again.bids_dir.parent)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []
    changed = _files(other.bids_dir.parent)
    for name in ("truth/sub-01.npz", "bids/stimuli/ball_001.jpg"):
        assert first[name] != changed[name]


def test_events_have_bold5000_columns_and_timing(simulated: SimulatedDataset) -> None:
    events = _events(simulated)
    assert list(events.columns) == _COLUMNS
    jitter = events["onset"] - 6 - 10 * (events["Trial"] - 1)
    assert jitter.between(-0.0051, 0.0411).all()
    assert events["duration"].between(0.967, 1.002).all()
    assert all((simulated.stimuli_dir / name).is_file() for name in events["stim_file"])


def test_repeats_are_as_configured_and_balanced(simulated: SimulatedDataset) -> None:
    config, events = simulated.config, _events(simulated)
    counts = events["stim_file"].value_counts()
    repeated = counts[counts > 1]
    assert len(repeated) == config.n_repeated
    assert set(repeated) == {config.n_presentations}
    per_category = repeated.index.str.split("_").str[0].value_counts()
    assert set(per_category) == {config.n_repeated // config.n_categories}
    assert (counts == 1).sum() == config.n_once
    per_session = events[events["stim_file"].isin(repeated.index)].groupby("Sess").size()
    assert per_session.max() - per_session.min() <= 1
    assert (
        events[events["stim_file"].isin(repeated.index)].groupby("stim_file")["Sess"].nunique() == 3
    ).all()


def test_tags_do_not_mark_every_repeat(simulated: SimulatedDataset) -> None:
    events = _events(simulated)
    counts = events["stim_file"].value_counts()
    repeated = events[events["stim_file"].map(counts) > 1]
    untagged = repeated[~repeated["ImgType"].str.startswith("rep_")]
    assert (untagged["stim_file"].value_counts() == 1).all()
    assert len(untagged) == simulated.config.n_repeated
    once = events[events["stim_file"].map(counts) == 1]
    assert once["ImgType"].str.startswith("rep_").any()


def test_extra_pictures_are_labelled_by_folder_and_were_never_shown(simulated: SimulatedDataset) -> None:
    folders = sorted(path.name for path in simulated.extra_dir.iterdir())
    assert folders == sorted(simulated.config.categories)
    extra = {path.name for path in simulated.extra_dir.rglob("*.jpg")}
    assert len(extra) == simulated.config.n_categories * simulated.config.extra_per_category
    assert extra.isdisjoint(path.name for path in simulated.stimuli_dir.iterdir())


@pytest.mark.parametrize(
    ("fixture", "bold", "mask", "confounds", "motion"),
    [
        (
            "simulated",
            "space-T1w_desc-preproc_bold.nii.gz",
            "space-T1w_desc-brain_mask.nii.gz",
            "desc-confounds_timeseries.tsv",
            ["trans_x", "rot_z", "a_comp_cor_05", "cosine00", "framewise_displacement"],
        ),
        (
            "simulated_legacy",
            "bold_space-T1w_preproc.nii.gz",
            "bold_space-T1w_brainmask.nii.gz",
            "bold_confounds.tsv",
            ["X", "RotZ", "aCompCor05", "Cosine00", "FramewiseDisplacement", "NonSteadyStateOutlier00"],
        ),
    ],
)
def test_preprocessed_files_have_the_names_of_their_generation(
    fixture: str, bold: str, mask: str, confounds: str, motion: list[str], request: pytest.FixtureRequest
) -> None:
    made: SimulatedDataset = request.getfixturevalue(fixture)
    config = made.config
    stem = made.fmriprep_dir / "sub-01" / "ses-02" / "func" / "sub-01_ses-02_task-images_run-01_"
    series = nib.load(f"{stem}{bold}")
    brain = np.asarray(nib.load(f"{stem}{mask}").dataobj)
    table = pd.read_csv(f"{stem}{confounds}", sep="\t", na_values="n/a")
    assert series.shape == (*brain.shape, config.n_volumes)
    assert series.header.get_zooms()[3] == pytest.approx(config.tr)
    assert len(table) == config.n_volumes
    assert set(motion) <= set(table.columns)
    assert table.iloc[0].isna().any()
    assert not table.iloc[1:].isna().any(axis=None)
    values = np.asarray(series.dataobj)
    assert (values[brain == 0] == 0).all()
    assert 700 < values[brain == 1].mean() < 1300
    described = (made.fmriprep_dir / "dataset_description.json").is_file()
    assert described == (config.naming == "fmriprep")


def test_namings_hold_the_same_data(simulated: SimulatedDataset, simulated_legacy: SimulatedDataset) -> None:
    today, before = simulated.truth("01"), simulated_legacy.truth("01")
    np.testing.assert_array_equal(today["trial_responses"], before["trial_responses"])


def test_roi_masks_lie_on_the_grid_and_agree_with_the_truth(simulated: SimulatedDataset) -> None:
    truth = simulated.truth("01")
    fractions = 0
    for name, held in zip(truth["roi_names"], truth["membership"], strict=True):
        image = nib.load(simulated.spm_dir / "sub-01" / f"sub-01_mask-{name}.nii.gz")
        values = np.asarray(image.dataobj)
        fractions += bool(((values > 0) & (values < 1)).any())
        np.testing.assert_array_equal(np.argwhere(values > 0), truth["ijk"][held])
        left = (image.affine @ np.append(truth["ijk"][held].mean(axis=0), 1))[0] < 0
        assert left == str(name).startswith("LH")
    assert fractions > 0
    assert truth["membership"].sum(axis=0).max() == 2


def test_default_offers_more_extra_than_training_pictures() -> None:
    config = SimulationConfig()
    assert config.n_volumes == 194
    assert 250 <= config.n_once <= 400
    assert config.extra_per_category > 1.5 * config.n_once / config.n_categories
    distinct = config.n_repeated + config.n_once + config.n_categories * config.extra_per_category
    assert distinct <= 1200


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_categories": 99},
        {"naming": "fsl"},
        {"participants": ()},
        {"participants": ("01", "01")},
        {"n_repeated": 400},
        {"noise": 0.0},
        {"seed": -1},
    ],
)
def test_impossible_configuration_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        SimulationConfig(**wrong)


def test_no_repeats_and_one_session_are_possible(tmp_path: Path, simulated: SimulatedDataset) -> None:
    config = dataclasses.replace(simulated.config, n_sessions=1, n_repeated=0)
    events = _events(simulate(tmp_path, config))
    assert events["stim_file"].is_unique


def test_another_configuration_does_not_mix_with_what_is_there(simulated: SimulatedDataset) -> None:
    with pytest.raises(UsageError, match="holds another dataset"):
        simulate(simulated.bids_dir.parent, dataclasses.replace(simulated.config, seed=5))


def test_stimuli_are_jpeg_of_the_size_asked_for(simulated: SimulatedDataset) -> None:
    for path in simulated.stimuli_dir.iterdir():
        with Image.open(path) as picture:
            assert picture.format == "JPEG"
            assert picture.size == (simulated.config.image_size,) * 2
