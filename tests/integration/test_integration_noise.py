"""Noise model and posterior of the participant level: stored, in the card, used by the stored encoder."""

import json

import numpy as np
import pytest

from bidsapp_synthfmri import Encoder
from bidsapp_synthfmri.derivatives.reader import load_participant
from bidsapp_synthfmri.simulate import SimulationConfig, simulate


@pytest.fixture(scope="module")
def pictures(small):
    return sorted(path for path in (small.bids_dir / "stimuli").rglob("*.*") if path.is_file())[:5]


def model_of(output):
    return next((output / "sub-01" / "func").glob("*_model.safetensors"))


def test_a_stored_encoder_samples_trials_and_knows_its_uncertainty(
    small, pictures, tmp_path, participant_level
):
    done = participant_level(small.bids_dir, "--responses", "tr34", "--uncertainty")
    assert done.exit_code == 0, done.output
    encoder = Encoder.load(model_of(tmp_path / "out"))
    results = load_participant(tmp_path / "out", "01")
    known = results.reliability.set_index(["roi", "metric"])["value"]
    assert encoder.noise.reliability.mean() == pytest.approx(known["all", "r"], abs=1e-4)
    listed = {part["name"]: part for part in encoder.card["parts"]}
    assert set(listed) >= {"noise", "posterior"}
    assert listed["noise"]["numbers"]["n_stimuli"] == 12
    assert listed["noise"]["numbers"]["n_trials"] == 36
    assert listed["noise"]["summary"] == encoder.noise.summary
    assert "Gaussian process" in listed["posterior"]["summary"]
    trials = encoder.sample(pictures, 2, np.random.default_rng(0), uncertainty=True)
    assert trials.shape == (2, 5, len(results.voxels))
    assert np.isfinite(trials).all()
    ((_, variance),) = encoder.predict_with_variance_batches(pictures)
    assert (variance > 0).all()


def test_uncertainty_of_joint_layers_is_refused(small, participant_level, assert_refused):
    done = participant_level(small.bids_dir, "--uncertainty", "--layer-selection", "joint")
    assert_refused(done, 2, ["--uncertainty", "one layer a voxel", "--layer-selection voxel or roi"])


def test_without_repeats_there_is_no_noise_model(tmp_path_factory, tmp_path, participant_level):
    config = SimulationConfig(
        n_sessions=2, n_runs=1, n_repeated=0, extra_per_category=6, image_size=64, participants=("01",)
    )
    made = simulate(tmp_path_factory.mktemp("unrepeated"), config)
    done = participant_level(made.bids_dir, "--responses", "tr34")
    assert done.exit_code == 0, done.output
    path = model_of(tmp_path / "out")
    assert "noise" not in {
        part["name"] for part in json.loads(path.with_suffix(".json").read_text())["parts"]
    }
    assert Encoder.load(path).noise is None
