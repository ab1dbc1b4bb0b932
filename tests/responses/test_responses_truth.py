"""What is known of simulated runs is found, and each rung finds more of it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from bidsapp_synthfmri.evaluation.reliability import reliability
from bidsapp_synthfmri.responses import RunData, estimate_responses
from bidsapp_synthfmri.responses.design import frame_times, trial_regressors
from bidsapp_synthfmri.responses.library import hrf_library
from bidsapp_synthfmri.responses.readings import first_reading
from bidsapp_synthfmri.simulate.ladder import LadderConfig, simulate_ladder

RUNGS = ("lsa", "hrf", "hrf-denoise", "hrf-denoise-ridge")


def runs_of(data):
    return [
        RunData(f"run-{number}", bold, onsets, durations, np.empty((len(bold), 0)), data.tr, 0.0)
        for number, (bold, onsets, durations) in enumerate(
            zip(data.bold, data.onsets, data.durations, strict=True)
        )
    ]


@pytest.fixture(scope="module")
def climbed():
    config = replace(LadderConfig(), n_sessions=2, n_runs=2, n_repeated=16, n_voxels=343)
    data = simulate_ladder(config, np.random.default_rng(0))
    runs = runs_of(data)
    return data, {name: estimate_responses(runs, data.trials(), data.voxels(), name) for name in RUNGS}


def agreement(data, responses):
    """Mean over driven voxels of the correlation with what was evoked, within session."""
    scores = []
    for session in np.unique(data.session):
        rows = data.session == session
        for voxel in np.flatnonzero(data.driven):
            scores.append(np.corrcoef(data.evoked[rows, voxel], responses.values[rows, voxel])[0, 1])
    return float(np.mean(scores))


def test_agreement_with_the_truth_rises_along_the_ladder(climbed):
    data, found = climbed
    lsa, hrf, denoised, ridge = (agreement(data, found[name]) for name in RUNGS)
    # Over three seeds the steps were at least .038, .055 and .009 at trials 10 s apart.
    assert hrf > lsa + 0.02
    assert denoised > hrf + 0.03
    assert ridge > denoised + 0.003


def test_the_response_chosen_peaks_when_the_voxels_does(climbed):
    data, found = climbed
    ncsnr = reliability(found["hrf-denoise-ridge"].values, data.trials().stimulus_index).ncsnr
    strong = data.driven & (ncsnr > 0.3)
    assert strong.sum() > 50
    peaks = np.array(found["hrf"].estimation.hrf_peaks)[found["hrf"].estimation.hrf_index]
    assert spearmanr(peaks[strong], data.peak_time[strong])[0] > 0.8


def test_repeats_that_chose_nothing_agree_better_than_under_separate_fits(climbed):
    data, _ = climbed
    counts = np.bincount(data.stimulus)
    tuning = np.isin(data.stimulus, np.flatnonzero(counts > 1)[::2])
    held_out = np.unique(data.stimulus[~tuning], return_inverse=True)[1]
    score = {}
    for name in ("lss", "hrf-denoise-ridge"):
        responses = estimate_responses(runs_of(data), data.trials(), data.voxels(), name, tuning=tuning)
        assert responses.estimator == name
        score[name] = np.median(reliability(responses.values[~tuning], held_out).r[data.driven])
    # Eight stimuli are held out, so that medians over the driven voxels scatter by about .05 between seeds.
    assert score["hrf-denoise-ridge"] > score["lss"] + 0.05


def test_a_response_of_the_library_is_recognised():
    rng = np.random.default_rng(2)
    library = hrf_library()
    truth = np.repeat(np.arange(len(library)), 6)
    times = frame_times(194, 2.0, 0.0)
    runs = []
    for number in range(4):
        onsets = 6 + 10 * np.arange(37) + rng.uniform(-0.9, 0.9, 37)
        amplitudes = 1.5 + rng.standard_normal((37, len(truth)))
        signal = np.stack(
            [
                trial_regressors(onsets, np.ones(37), times, library[hrf]) @ amplitudes[:, voxel]
                for voxel, hrf in enumerate(truth)
            ],
            axis=1,
        )
        bold = 1000 * (1 + (signal + 0.3 * rng.standard_normal(signal.shape)) / 100)
        confounds = np.empty((194, 0))
        runs.append(
            RunData(f"run-{number}", bold.astype(np.float32), onsets, np.ones(37), confounds, 2.0, 0.0)
        )
    # Every voxel responds: there is no noise to correct the choice for, so it goes by the largest share.
    quiet = [replace(run, pool=np.zeros((194, 0), dtype=np.float32)) for run in runs]
    index = first_reading(quiet, "hrf", torch.device("cpu")).hrf_index
    assert (index == truth).mean() > 0.95


def test_optimism_is_small(climbed):
    for name in ("hrf-denoise", "hrf-denoise-ridge"):
        assert abs(climbed[1][name].estimation.optimism) < 0.1
