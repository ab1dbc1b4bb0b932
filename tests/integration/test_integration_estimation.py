"""The upper rungs of the ladder through the whole app: what they chose is written, counted and shown."""

import json
import math
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bidsapp_synthfmri.derivatives.reader import load_participant, load_reliability_maps
from bidsapp_synthfmri.responses.library import hrf_library

PEAKS = np.float32([hrf.time_to_peak for hrf in hrf_library()])


def func(output: Path, pattern: str) -> list[Path]:
    return sorted(output.glob(f"sub-01/func/{pattern}"))


def read_json(output: Path, pattern: str) -> dict:
    (path,) = func(output, pattern)
    # Not-a-number is no JSON.
    return json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)


def values_at(output: Path, pattern: str, voxels) -> np.ndarray:
    (path,) = func(output, pattern)
    volume = np.asarray(nib.load(path).dataobj)
    found = volume[tuple(voxels.ijk.T)].copy()
    volume[tuple(voxels.ijk.T)] = 0
    assert not volume.any()
    return found


def test_the_highest_rung_leaves_its_choices_and_a_lower_one_takes_them_back(
    small, spoilt, tmp_path, participant_level
):
    output = tmp_path / "out"
    done = participant_level(small.bids_dir, "--responses", "hrf-denoise-ridge", "--min-ncsnr", "0.3")
    assert done.exit_code == 0, done.output
    measured, results = load_reliability_maps(output, "01").voxels, load_participant(output, "01")
    assert len(results.voxels) < len(measured)
    estimation = read_json(output, "*_summary.json")["estimation"]

    times = values_at(output, "*_desc-hrf_stat-timetopeak_statmap.nii.gz", measured)
    assert np.isin(times, PEAKS).all()
    assert estimation["hrf"]["counts"] == [int((times == peak).sum()) for peak in PEAKS]
    fractions = values_at(output, "*_desc-ridge_stat-fraction_statmap.nii.gz", measured)
    assert estimation["fraction"]["quantiles"]["0.5"] == pytest.approx(np.median(fractions), abs=1e-4)
    assert sum(estimation["fraction"]["counts"]) == len(measured)
    assert estimation["asked"] == estimation["used"] == "hrf-denoise-ridge"
    assert estimation["n_tuning_stimuli"] == 12
    assert estimation["n_pool"] > 0
    assert len(estimation["component_scores"]) > estimation["n_components"]
    assert math.isfinite(estimation["optimism"])
    sidecar = read_json(output, "*_desc-singletrial_stat-effect_statmap.json")
    assert sidecar["NoiseComponents"] == estimation["n_components"]
    assert sidecar["TuningTrials"] == estimation["n_tuning_trials"] == 36
    assert sidecar["Optimism"] == pytest.approx(estimation["optimism"])
    assert sidecar["DroppedTrials"] == 0
    assert not func(output, "*desc-dropped*")
    described = pd.read_csv(output / "descriptions.tsv", sep="\t")["desc_id"].tolist()
    assert {"hrf", "ridge"} <= {name.removeprefix("desc-") for name in described}

    page = (output / "sub-01.html").read_text(encoding="utf-8")
    assert 'id="figure-estimation"' in page
    assert "Ridge fraction" in page
    assert "The choice used the same repeats as the reliability" in page
    assert "Rokem, Ariel; Kay, Kendrick (2020)" in page
    assert list(output.glob("sub-01/figures/*_estimation.svg"))

    # The last trial of a run now starts with its last volume: none of its response was scanned.
    (events,) = sorted(spoilt.glob("sub-01/ses-01/func/*_events.tsv"))
    (bold,) = sorted(spoilt.glob("derivatives/fmriprep/sub-01/ses-01/func/*desc-preproc_bold.nii.gz"))
    table = pd.read_csv(events, sep="\t", na_values="n/a")
    late = 2.0 * (nib.load(bold).shape[3] - 1)
    table.loc[table.index[-1], "onset"] = late
    table.to_csv(events, sep="\t", index=False, na_rep="n/a")
    again = participant_level(spoilt, "--responses", "hrf")
    assert again.exit_code == 0, again.output
    assert func(output, "*_desc-hrf_stat-timetopeak_statmap.nii.gz")
    assert not func(output, "*desc-ridge*")
    assert not func(output, "*desc-measured*")
    lower = read_json(output, "*_summary.json")["estimation"]
    assert "fraction" not in lower
    assert lower["n_components"] is None
    assert lower["n_dropped_trials"] == 1
    trials = load_participant(output, "01").dropped_trials
    assert trials["onset"].tolist() == [late]
    assert trials["stimulus"].tolist() == [table["stim_file"].iloc[-1]]
    page = (output / "sub-01.html").read_text(encoding="utf-8")
    assert "Trials left out" in page
    assert "There is 1 trial without a response." in page
    assert "Noise components" not in page
    assert "Rokem" not in page
