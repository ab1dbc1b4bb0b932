"""From a participant's BOLD to an encoder, from the encoder to a synthetic scan, and the app on that scan."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner

from bidsapp_synthfmri.cli.main import main
from bidsapp_synthfmri.derivatives.reader import load_participant
from bidsapp_synthfmri.encoding.storage import read_encoder

SERIES = Path("derivatives/synthfmri/sub-01/func")


def synthesize(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["synthesize", *map(str, words), "--n-cpus", "1"])
    return done.exit_code, done.output


def encoder_of(output: Path) -> Path:
    return next(output.glob("sub-01/func/*_model.safetensors"))


def test_the_app_runs_on_a_scan_that_its_encoder_made(small, participant_level, tmp_path):
    done = participant_level(small.bids_dir, "--responses", "lss", output=tmp_path / "fitted")
    assert done.exit_code == 0, done.output
    path = encoder_of(tmp_path / "fitted")
    series = read_encoder(path).series
    truth = small.truth("01")
    # The simulation's own: noise of BOLD in percent, about the voxels' mean; AR(1) and white half and half.
    simulated = small.config.percent_per_sd * np.sqrt((truth["temporal_sd"] ** 2).mean())
    assert np.sqrt((series.noise_sd**2).mean()) == pytest.approx(simulated, rel=0.05)
    assert series.autoregression[0].mean() == pytest.approx(0.19, abs=0.03)
    assert "series" in [part["name"] for part in json.loads(path.with_suffix(".json").read_text())["parts"]]

    scan = tmp_path / "scan"
    code, said = synthesize(path, small.stimuli_dir, scan, "--bold", "--bold-noise", "none", "--runs", "2")
    assert code == 0, said
    # No option but what this test's network needs: confounds and estimator are the defaults.
    done = participant_level(scan, output=tmp_path / "again")
    assert done.exit_code == 0, done.output
    found = load_participant(tmp_path / "again", "01", "images")
    stored = sorted((scan / SERIES).glob("*_run-*_statmap.dscalar.nii"))
    given = np.concatenate([np.asarray(nib.load(file).dataobj) for file in stored])
    # Where a random network predicts nothing, nothing was put in.
    told = given.std(axis=0) > 0.05
    assert told.mean() > 0.5
    estimates, given = np.asarray(found.responses.values)[:, told], given[:, told]
    r = [np.corrcoef(one, other)[0, 1] for one, other in zip(estimates.T, given.T, strict=True)]
    assert np.median(r) > 0.95


def test_an_encoder_of_precomputed_responses_makes_no_scan(small, participant_level, tmp_path):
    done = participant_level(small.bids_dir, "--responses", "lss", output=tmp_path / "fitted")
    assert done.exit_code == 0, done.output
    done = participant_level(
        small.bids_dir, "--responses", tmp_path / "fitted" / "sub-01", output=tmp_path / "second"
    )
    assert done.exit_code == 0, done.output
    code, said = synthesize(encoder_of(tmp_path / "second"), small.stimuli_dir, tmp_path / "scan", "--bold")
    assert code == 2
    assert "precomputed" in said
