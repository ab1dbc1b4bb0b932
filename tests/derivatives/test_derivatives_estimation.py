"""What an estimator chose and left out, as files; and gone again where the next one did not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bidsapp_synthfmri.derivatives import names, participant
from bidsapp_synthfmri.derivatives.found import tasks_with
from bidsapp_synthfmri.derivatives.reader import load_participant
from bidsapp_synthfmri.structures import Estimation

PEAKS = (3.5, 4.25, 6.0)


@pytest.fixture
def estimation() -> Estimation:
    rng = np.random.default_rng(2)
    dropped = pd.DataFrame(
        {
            "session": ["01", "02"],
            "run": ["1", ""],
            "onset": [301.25, 12.0],
            "stimulus": ["a.jpg", "b.jpg"],
            "reason": "why",
        },
        index=[7, 9],
    )
    return Estimation(
        "hrf-denoise-ridge",
        (),
        dropped,
        n_volumes=400,
        n_censored=11,
        hrf_peaks=PEAKS,
        hrf_index=rng.integers(0, 3, 40),
        n_components=2,
        component_scores=(0.1, 0.2, 0.25),
        n_pool=100,
        fraction=rng.random(40).astype(np.float32),
        n_tuning_stimuli=12,
        n_tuning_trials=30,
        optimism=0.01,
    )


def put(write, tmp_path: Path, given, estimation: Estimation):
    writer = write(tmp_path, replace(given, responses=replace(given.responses, estimation=estimation)))
    participant.write_estimation_maps(writer, given.voxels, estimation)
    return writer


@pytest.mark.parametrize("on_surface", [False, True])
def test_maps_hold_each_voxel_s_choice(tmp_path: Path, make, write, estimation, on_surface: bool) -> None:
    given = make(on_surface=on_surface)
    writer = put(write, tmp_path, given, estimation)
    expected = (
        (names.TIME_TO_PEAK, np.float32(PEAKS)[estimation.hrf_index], "s"),
        (names.RIDGE_FRACTION, estimation.fraction, "arbitrary"),
    )
    for output, values, unit in expected:
        path = writer.path(names.on_surface(output) if on_surface else output)
        read = np.asarray(nib.load(path).dataobj, dtype=np.float32)
        found = read[0] if on_surface else read[tuple(given.voxels.ijk.T)]
        np.testing.assert_array_equal(found, values)
        sidecar = json.loads(writer.path(output.with_extension(".json")).read_text())
        assert sidecar["Units"] == unit
        assert sidecar["Voxels"] == writer.uri(names.ROIS)
        assert sidecar["Description"] == output.description
    sidecar = json.loads(writer.path(names.TIME_TO_PEAK.with_extension(".json")).read_text())
    assert sidecar["LibraryTimesToPeak"] == list(PEAKS)


def test_the_sidecar_of_the_responses_says_what_was_chosen(tmp_path: Path, make, write, estimation) -> None:
    writer = put(write, tmp_path, make(), estimation)
    path = writer.path(names.RESPONSES.with_extension(".json"))
    sidecar = json.loads(path.read_text())
    assert {key: sidecar[key] for key in sidecar if key in ("Estimator", "EstimatorAsked")} == {
        "Estimator": "lss",
        "EstimatorAsked": "hrf-denoise-ridge",
    }
    assert sidecar["NoiseComponents"] == 2
    assert (sidecar["TuningStimuli"], sidecar["TuningTrials"]) == (12, 30)
    assert sidecar["Optimism"] == 0.01
    assert (sidecar["DroppedTrials"], sidecar["CensoredVolumes"]) == (2, 11)

    put(write, tmp_path, make(), Estimation("lss", (), estimation.dropped_trials[:0]))
    sidecar = json.loads(path.read_text())
    assert sidecar["DroppedTrials"] == 0
    assert not {"NoiseComponents", "TuningStimuli", "Optimism", "CensoredVolumes"} & set(sidecar)


def test_dropped_trials_read_back_beside_the_others(tmp_path: Path, make, write, estimation) -> None:
    writer = put(write, tmp_path, make(), estimation)
    read = load_participant(tmp_path, "01").dropped_trials
    assert read is not None
    assert list(read.columns) == ["session", "run", "onset", "stimulus", "reason"]
    assert read["stimulus"].tolist() == ["a.jpg", "b.jpg"]
    assert read["onset"].tolist() == [301.25, 12.0]
    assert len(load_participant(tmp_path, "01").responses.trials) == 12
    dictionary = json.loads(writer.path(names.DROPPED_TRIALS.with_extension(".json")).read_text())
    assert all(dictionary[name]["Description"] for name in read.columns)
    assert tasks_with(tmp_path, "01", names.TRIALS) == ("scenes",)


@pytest.mark.parametrize("on_surface", [False, True])
def test_a_rerun_on_a_lower_rung_withdraws_them(
    tmp_path: Path, make, write, estimation, on_surface: bool
) -> None:
    given = make(on_surface=on_surface)
    writer = put(write, tmp_path, given, estimation)
    writer.text(names.figure(names.ESTIMATION_FIGURE), "<svg/>")

    write(tmp_path, given)

    left = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    for part in ("desc-hrf_", "desc-ridge_", "desc-dropped_", "estimation.svg"):
        assert not [name for name in left if part in name]
    assert any("desc-singletrial_trials" in name for name in left)
    assert load_participant(tmp_path, "01").dropped_trials is None
