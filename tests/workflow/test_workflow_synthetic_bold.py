"""A synthetic scan on disk: valid, read back by this program and by nilearn, the same each time."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from nilearn.glm.first_level import FirstLevelModel, first_level_from_bids
from PIL import Image

from bidsapp_synthfmri.config import RunConfig
from bidsapp_synthfmri.dataset.image_sets import read_image_set
from bidsapp_synthfmri.encoding import Encoder
from bidsapp_synthfmri.encoding.weights import LayerWeights, ScaledMatrix
from bidsapp_synthfmri.errors import InputMalformedError, InputMissingError, UsageError
from bidsapp_synthfmri.features.backbones import load_backbone
from bidsapp_synthfmri.features.extraction import extract
from bidsapp_synthfmri.responses import estimate_responses
from bidsapp_synthfmri.structures import SurfaceSpace, VoxelSpace
from bidsapp_synthfmri.synthesis.noise_model import NoiseModel
from bidsapp_synthfmri.synthesis.series_model import SeriesModel
from bidsapp_synthfmri.workflow.bold_options import BoldOptions
from bidsapp_synthfmri.workflow.inputs import read_inputs
from bidsapp_synthfmri.workflow.synthetic_bold import write_synthetic_bold

VALIDATOR = Path(sys.executable).parent / "bids-validator-deno"
N_VOXELS, LAYER = 60, "features.3"
# The canonical response, and one of the library's.
HRFS = np.array([(5.0, 1.0, 15.0, 1.0, 1 / 6), (6.25, 1.1, 10.75, 1.0, 0.15)])
NOISELESS = BoldOptions(n_runs=2, series_noise="none")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """24 pictures of two categories, large blobs of few colours."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for number in range(24):
        category = "cool" if number % 2 else "warm"
        colours = rng.integers(0, 255, (4, 4, 3)) // (
            1 + np.array([0, 1, 3] if number % 2 == 0 else [3, 1, 0])
        )
        (folder / category).mkdir(exist_ok=True)
        picture = Image.fromarray(colours.astype(np.uint8)).resize((64, 64), Image.Resampling.NEAREST)
        picture.save(folder / category / f"{number:02d}.png")
    return read_image_set("Images", folder)


def voxel_space():
    ijk = np.argwhere(np.ones((4, 5, 3), dtype=bool)).astype(np.int64)
    affine = np.diag([3.0, 3, 3, 1])
    member = np.stack([ijk[:, 0] < 2, ijk[:, 0] == 2, ijk[:, 1] == 0, np.zeros(N_VOXELS, dtype=bool)])
    member[1] |= ~member.any(axis=0)
    return VoxelSpace(ijk + 1, affine, (6, 7, 5), ("LHPPA", "RHPPA", "LHRSC", "OPA"), member, "T1w")


def full(value):
    return np.full(N_VOXELS, value, dtype=np.float32)


def series_model(hrf_index=0):
    return SeriesModel(
        hrf_parameters=HRFS,
        hrf_index=np.full(N_VOXELS, hrf_index),
        response_mean=full(0.8),
        response_sd=full(0.5),
        intensity=np.linspace(20, 1000, N_VOXELS, dtype=np.float32),
        noise_sd=full(0.3),
        autoregression=np.stack([full(0.3), full(0.1)]),
        drift_sd=np.stack([full(0.5), full(0.3)]),
        estimate_noise=full(0.3),
        repetition_time=2.0,
        run_duration=150.0,
        n_runs=3,
    )


def noise_model():
    factors = np.full((1, N_VOXELS), 0.6, dtype=np.float32)
    return NoiseModel(full(0), full(1), full(0.7), full(0.7), factors, full(0.8), 0.1, 0.0, 0.0, 9, 40, 9)


@pytest.fixture(scope="module")
def encoder(images):
    """Random readouts of a random network's layer, scaled to predictions of SD 1 over the pictures."""
    backbone = load_backbone("squeezenet1_1", "random", (LAYER,), 0, torch.device("cpu"))
    units = np.concatenate([batch[0] for batch in extract(backbone, list(images.table["path"]))])
    weights = np.random.default_rng(1).standard_normal((units.shape[1], N_VOXELS)).astype(np.float32)
    predicted = units @ weights
    weights /= predicted.std(axis=0)
    intercept = (-predicted.mean(axis=0) / predicted.std(axis=0)).astype(np.float32)
    layer = LayerWeights(LAYER, np.arange(N_VOXELS), ScaledMatrix.of(weights))
    card = {"participant": "01", "task": "images", "unit": "z", "responses": "lss", "sha256": "0" * 64}
    made = Encoder((layer,), intercept, voxel_space(), card, backbone)
    return replace(made, series=series_model(), noise=noise_model())


@pytest.fixture(scope="module")
def scan(encoder, images, tmp_path_factory):
    """A scan without noise."""
    out = tmp_path_factory.mktemp("scan") / "out"
    write_synthetic_bold(encoder, images, out, NOISELESS)
    return out


def files(root):
    return {path.relative_to(root): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def func(scan, participant="01"):
    return scan / "derivatives" / "synthfmri" / f"sub-{participant}" / "func"


def truth(scan):
    """(n_trials, n_voxels) percent: what went into the runs."""
    stored = sorted(func(scan).parent.rglob("*_run-*_statmap.dscalar.nii"))
    return np.concatenate([np.asarray(nib.load(path).dataobj) for path in stored])


def app_responses(scan, tmp_path, estimator):
    """What this program's own first steps make of a scan, with its default options."""
    inputs = read_inputs(RunConfig(scan, tmp_path / "results", responses=estimator), "01")
    with inputs.runs() as runs:
        return inputs, estimate_responses(runs, inputs.trials, inputs.voxels, estimator)


def correlations(one, other):
    one, other = one - one.mean(axis=0), other - other.mean(axis=0)
    return (one * other).sum(axis=0) / np.sqrt((one**2).sum(axis=0) * (other**2).sum(axis=0))


# Separate fits confuse a trial with its neighbours, noise or none: their voxels agree so well in the mean.
@pytest.mark.parametrize(
    ("estimator", "at_least", "of"),
    [
        ("lsa", 0.9999, np.min),
        ("hrf", 0.95, np.min),
        ("hrf-denoise-ridge", 0.95, np.min),
        ("lss", 0.95, np.mean),
    ],
)
def test_the_apps_own_estimates_of_a_noiseless_scan_are_the_responses(
    scan, encoder, tmp_path, estimator, at_least, of
):
    inputs, responses = app_responses(scan, tmp_path, estimator)
    np.testing.assert_array_equal(responses.voxels.ijk, encoder.voxels.ijk)
    assert inputs.trials.stimuli == tuple(dict.fromkeys(inputs.trials.table["stimulus"]))
    assert set(responses.voxels.roi_names) == {"LHPPA", "RHPPA", "LHRSC"}
    given = truth(scan)
    scored = (given - given.mean(axis=0)) / given.std(axis=0)
    # Per voxel over trials, and per trial over voxels.
    assert of(correlations(responses.values, given)) > at_least
    assert of(correlations(responses.values.T, scored.T)) > at_least


def test_responses_of_a_voxels_own_shape_come_back_by_its_shape(encoder, images, tmp_path):
    late = replace(encoder, series=series_model(1))
    write_synthetic_bold(late, images, tmp_path / "scan", NOISELESS)
    _, by_library = app_responses(tmp_path / "scan", tmp_path, "hrf")
    peaks = np.array(by_library.estimation.hrf_peaks)[by_library.estimation.hrf_index]
    assert np.median(peaks) == pytest.approx(late.series.hrfs[1].time_to_peak, abs=0.3)
    assert correlations(by_library.values, truth(tmp_path / "scan")).min() > 0.95


def test_the_scale_comes_back_in_percent(scan, tmp_path):
    _, responses = app_responses(scan, tmp_path, "lsa")
    series = responses.estimation.series
    np.testing.assert_allclose(responses.estimation.estimate_sd, truth(scan).std(axis=0, ddof=1), rtol=0.02)
    # What 24 trials have in common is told from what they differ by with an error of its own.
    np.testing.assert_allclose(series.mean_response, truth(scan).mean(axis=0), atol=0.15)
    assert series.mean_response.mean() == pytest.approx(truth(scan).mean(), rel=0.03)
    # The mean of a series has its mean response in it.
    np.testing.assert_allclose(series.intensity, np.linspace(20, 1000, N_VOXELS), rtol=0.02)


def test_nilearn_finds_the_responses(scan):
    """One condition a trial, nilearn's own haemodynamic response and drifts, files as they are."""
    path = next(func(scan).glob("*run-01*_bold.nii.gz"))
    events = pd.read_csv(next((scan / "sub-01" / "func").glob("*run-01_events.tsv")), sep="\t")
    given = np.asarray(nib.load(next(func(scan).glob("*run-01*_statmap.dscalar.nii"))).dataobj)
    mask = next(func(scan).glob("*run-01*_desc-brain_mask.nii.gz"))
    single = events.assign(trial_type=[f"t{number:02d}" for number in range(len(events))])
    model = FirstLevelModel(t_r=2.0, mask_img=mask, hrf_model="spm", noise_model="ols", standardize=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(path, single[["onset", "duration", "trial_type"]])
        names = list(single["trial_type"])
        maps = [model.compute_contrast(name, output_type="effect_size").get_fdata() for name in names]
    ijk = voxel_space().ijk
    effects = np.stack([volume[tuple(ijk.T)] for volume in maps])
    assert correlations(effects, given).min() > 0.95
    assert (effects.mean(axis=0) > 0).all()


def test_nilearn_finds_the_dataset(scan):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        models, series, events, confounds = first_level_from_bids(
            scan,
            "images",
            space_label="T1w",
            derivatives_folder="derivatives/synthfmri",
            img_filters=[("desc", "synthetic")],
            slice_time_ref=None,
        )
    assert models[0].t_r == 2.0
    assert [len(series[0]), len(events[0]), len(confounds[0])] == [2, 2, 2]
    assert set(events[0][0]["trial_type"]) == {"warm", "cool"}


@pytest.mark.skipif(not VALIDATOR.exists(), reason="bids-validator-deno is not installed")
@pytest.mark.parametrize("part", ["", "derivatives/synthfmri"])
def test_both_halves_are_valid(scan, part):
    run = subprocess.run([VALIDATOR, scan / part, "--json"], capture_output=True, text=True, check=False)
    found = json.loads(run.stdout)["issues"]["issues"]
    assert [issue for issue in found if issue["severity"] == "error"] == []


def test_files_say_that_no_human_was_scanned_and_what_made_them(scan, encoder):
    sidecar = json.loads(next(func(scan).glob("*run-01*_bold.json")).read_text())
    assert sidecar["Synthetic"] is True
    assert "No human was scanned" in sidecar["Description"]
    assert (sidecar["RepetitionTime"], sidecar["EncoderSHA256"]) == (2.0, "0" * 64)
    assert (sidecar["TrialNoise"], sidecar["SeriesNoise"]) == ("none", "none")
    for root in (scan, scan / "derivatives" / "synthfmri"):
        assert json.loads((root / "dataset_description.json").read_text())["DatasetType"] == "derivative"
        assert "No human was scanned" in (root / "README.md").read_text()
    record = json.loads(next(func(scan).glob("*_summary.json")).read_text())
    assert record["Finished"] is True
    bold = nib.load(next(func(scan).glob("*run-01*_bold.nii.gz")))
    assert bold.header.get_zooms()[3] == 2.0
    outside = bold.get_fdata()
    outside[tuple(encoder.voxels.ijk.T)] = 0
    assert (outside == 0).all()


def test_every_image_is_there_under_the_name_that_events_give(scan, images):
    tables = [pd.read_csv(path, sep="\t") for path in (scan / "sub-01" / "func").glob("*_events.tsv")]
    shown = pd.concat(tables)
    assert sorted(shown["stim_file"]) == sorted(images.stimuli)
    assert (shown["trial_type"] == shown["stim_file"].str.split("/").str[0]).all()
    for stimulus, path in zip(images.stimuli, images.table["path"], strict=True):
        assert (scan / "stimuli" / stimulus).read_bytes() == Path(path).read_bytes()


def test_pictures_of_an_array_become_files(encoder, images, tmp_path):
    pictures = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in images.table["path"]])
    np.save(tmp_path / "pictures.npy", pictures)
    out = tmp_path / "scan"
    write_synthetic_bold(encoder, read_image_set("Images", tmp_path / "pictures.npy"), out, NOISELESS)
    table = pd.read_csv(next((out / "sub-01/func").glob("*run-01_events.tsv")), sep="\t")
    assert set(table["trial_type"]) == {"image"}
    stored = sorted((out / "stimuli").iterdir(), key=lambda path: len(path.name))
    assert len(stored) == 24
    shown = {path.name: np.asarray(Image.open(path)) for path in stored}
    first = shown["pictures.npy[3].png"]
    np.testing.assert_array_equal(first, pictures[3])
    _, responses = app_responses(out, tmp_path, "lsa")
    assert correlations(responses.values, truth(out)).min() > 0.9999


def noisy(**options):
    return BoldOptions(n_runs=3, repeats=4, noise="calibrated", **options)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(encoder, images, tmp_path):
    for name in ("one", "same"):
        write_synthetic_bold(encoder, images, tmp_path / name, noisy(seed=3))
    # Again into what is there: the same files.
    before = files(tmp_path / "one")
    write_synthetic_bold(encoder, images, tmp_path / "one", noisy(seed=3))
    assert files(tmp_path / "one") == before == files(tmp_path / "same")
    write_synthetic_bold(encoder, images, tmp_path / "other", noisy(seed=4))
    first, other = (next(func(tmp_path / name).glob("*run-01*_bold.nii.gz")) for name in ("one", "other"))
    assert first.read_bytes() != other.read_bytes()


def test_another_scan_of_a_participant_is_refused_and_another_participant_is_not(encoder, images, tmp_path):
    out = tmp_path / "scan"
    write_synthetic_bold(encoder, images, out, NOISELESS)
    before = files(out)
    with pytest.raises(UsageError, match="holds another synthetic scan of sub-01"):
        write_synthetic_bold(encoder, images, out, replace(NOISELESS, n_runs=3))
    assert files(out) == before
    second = replace(encoder, card={**encoder.card, "participant": "02"})
    write_synthetic_bold(second, images, out, replace(NOISELESS, n_runs=3))
    after = files(out)
    assert {path: after[path] for path in before} == before
    assert len(list(func(out, "02").glob("*_bold.nii.gz"))) == 3


def test_noise_of_trials_and_series_are_each_there_when_asked_for(encoder, images, tmp_path):
    found = {}
    for trial_noise in ("none", "calibrated"):
        for series_noise in ("none", "calibrated"):
            out = tmp_path / f"{trial_noise}-{series_noise}"
            options = replace(noisy(), noise=trial_noise, series_noise=series_noise)
            write_synthetic_bold(encoder, images, out, options)
            tables = [
                pd.read_csv(path, sep="\t") for path in sorted((out / "sub-01/func").glob("*_events.tsv"))
            ]
            stimuli = pd.concat(tables)["stim_file"].to_numpy()
            values = truth(out) / 0.5
            within = [values[stimuli == name].std(axis=0, ddof=1) for name in np.unique(stimuli)]
            found[trial_noise, series_noise] = np.sqrt(np.mean(np.square(within)))
            series = nib.load(next(func(out).glob("*run-01*_bold.nii.gz"))).get_fdata()
            percent = series[tuple(encoder.voxels.ijk.T)] / encoder.series.intensity[:, np.newaxis]
            assert (percent.std(axis=1) > 0).all()
    assert found["none", "none"] == found["none", "calibrated"] == pytest.approx(0, abs=1e-6)
    assert found["calibrated", "none"] == pytest.approx(0.7, abs=0.02)
    # What the series' noise adds to estimates is left to the series.
    assert found["calibrated", "calibrated"] == pytest.approx(np.sqrt(0.7**2 - 0.3**2), abs=0.02)


def write_events(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(path, sep="\t", index=False)
    return path


@pytest.fixture
def given(images, tmp_path):
    """Two runs in two sessions: off the grid, with a row without picture and a column of their own."""
    names = list(images.stimuli)
    paths = []
    for session, shown in (("A", names[:10]), ("B", names[6:16])):
        rows = [
            {
                "onset": 5.31 + 9.7 * n,
                "duration": 1.5,
                "stim_file": name if n % 2 else Path(name).name,
                "mood": n,
            }
            for n, name in enumerate(shown)
        ]
        rows.append({"onset": 1.0, "duration": 0.5, "stim_file": "n/a", "mood": 99})
        paths.append(write_events(tmp_path / f"sub-9_ses-{session}_task-x_run-2_events.tsv", rows))
    return tuple(paths)


def test_given_events_are_shown_as_they_are(encoder, images, given, tmp_path):
    out = tmp_path / "scan"
    write_synthetic_bold(encoder, images, out, BoldOptions(events=given, series_noise="none"))
    table = pd.read_csv(out / "sub-01/ses-A/func/sub-01_ses-A_task-images_run-2_events.tsv", sep="\t")
    np.testing.assert_allclose(table["onset"], 5.31 + 9.7 * np.arange(10))
    assert list(table["stim_file"]) == list(images.stimuli[:10])
    assert list(table["mood"]) == list(range(10))
    _, responses = app_responses(out, tmp_path, "lsa")
    assert correlations(responses.values[:10], truth(out)[:10]).min() > 0.9999
    bold = nib.load(next((func(out).parent / "ses-B" / "func").glob("*_bold.nii.gz")))
    assert bold.shape[3] == np.ceil((5.31 + 9.7 * 9 + 22) / 2)


def test_another_repetition_time_is_the_scans(encoder, images, tmp_path):
    out = tmp_path / "scan"
    options = replace(NOISELESS, design="rapid", repetition_time=0.8)
    write_synthetic_bold(encoder, images, out, options)
    inputs, responses = app_responses(out, tmp_path, "lsa")
    assert inputs.files.runs[0].repetition_time == pytest.approx(0.8)
    assert correlations(responses.values, truth(out)).min() > 0.999


def test_what_cannot_be_is_refused_with_its_reason(encoder, images, given, tmp_path):
    out = tmp_path / "scan"
    space = SurfaceSpace(
        np.arange(N_VOXELS),
        np.zeros(N_VOXELS, bool),
        (N_VOXELS, 5),
        (),
        np.ones((0, N_VOXELS), bool),
        "fsnative",
    )
    other = [{"onset": 5, "duration": 1, "stim_file": "nowhere.png"}]
    absent = write_events(tmp_path / "absent_events.tsv", other)
    for changed, options, error, words in (
        ({"series": None}, NOISELESS, UsageError, "no model of BOLD series: its runs left too few"),
        (
            {"series": None, "card": {**encoder.card, "responses": "precomputed"}},
            NOISELESS,
            UsageError,
            "its responses were precomputed",
        ),
        ({"noise": None}, noisy(), UsageError, "no noise model"),
        ({"voxels": space}, NOISELESS, UsageError, "surfaces"),
        ({}, BoldOptions(events=(absent,)), InputMissingError, "nowhere.png"),
        ({}, BoldOptions(events=(tmp_path / "none.tsv",)), InputMissingError, "none.tsv"),
        ({}, BoldOptions(events=(given[0], given[0])), UsageError, "same session and run"),
        ({}, BoldOptions(n_volumes=40), UsageError, "start after its 40 volumes"),
    ):
        with pytest.raises(error, match=words):
            write_synthetic_bold(replace(encoder, **changed), images, out, options)
        assert not out.exists()


def test_a_scan_that_stopped_is_known_as_unfinished_and_goes_on_to_the_same_bytes(
    encoder, images, given, tmp_path
):
    """The second run shows a picture that cannot be read, and then can."""
    folder = tmp_path / "pictures"
    for stimulus, path in zip(images.stimuli, images.table["path"], strict=True):
        (folder / stimulus).parent.mkdir(parents=True, exist_ok=True)
        (folder / stimulus).write_bytes(Path(path).read_bytes())
    copied = read_image_set("Images", folder)
    options, out = BoldOptions(events=given), tmp_path / "scan"
    write_synthetic_bold(encoder, copied, tmp_path / "whole", options)
    broken = folder / images.stimuli[15]
    whole = broken.read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputMalformedError, match=broken.name):
        write_synthetic_bold(encoder, copied, out, options)
    record = json.loads(next(func(out).glob("*_summary.json")).read_text())
    assert record["Finished"] is False
    assert len(list(out.rglob("*_bold.nii.gz"))) == 1
    assert not list(out.rglob("*.partial"))
    broken.write_bytes(whole)
    write_synthetic_bold(encoder, copied, out, options)
    assert files(out) == files(tmp_path / "whole")


def test_a_name_that_several_images_have_is_refused(encoder, images, tmp_path):
    twice = images.table.assign(stimulus=[f"{name[:2]}/same.png" for name in images.stimuli]).iloc[:2]
    events = write_events(tmp_path / "x_events.tsv", [{"onset": 5, "duration": 1, "stim_file": "same.png"}])
    with pytest.raises(InputMalformedError, match="could be several"):
        write_synthetic_bold(
            encoder, replace(images, table=twice), tmp_path / "scan", BoldOptions(events=(events,))
        )


def test_a_folder_of_something_else_is_left_alone(encoder, images, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"notes\.txt"):
        write_synthetic_bold(encoder, images, tmp_path, NOISELESS)
    assert files(tmp_path) == {Path("notes.txt"): b"mine"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"design": "fast"}, "--design cannot be 'fast'"),
        ({"n_runs": 0}, "--runs is 0"),
        ({"repetition_time": -1.0}, "--repetition-time is -1.0"),
        ({"seed": -1}, "--random-seed is -1"),
        ({"events": (Path("a.tsv"),), "repeats": 2}, "do not go with events files"),
        ({"series_noise": "pink"}, "pink"),
    ],
)
def test_options_that_cannot_be_are_refused(options, words):
    with pytest.raises(UsageError, match=words):
        BoldOptions(**options)
