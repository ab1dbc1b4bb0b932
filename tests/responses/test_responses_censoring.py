"""Censored volumes take no part in any estimate, whatever they hold."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bidsapp_synthfmri.errors import InputMalformedError
from bidsapp_synthfmri.responses.design import frame_times, nuisance_basis, trial_regressors
from bidsapp_synthfmri.responses.estimate import estimate_responses, estimate_run
from bidsapp_synthfmri.responses.estimators import ESTIMATORS, tr34_weights
from bidsapp_synthfmri.responses.runs import RunData, RunDesign
from bidsapp_synthfmri.structures import Trials, VoxelSpace

N_VOLUMES, N_TRIALS, N_VOXELS, TR = 80, 9, 5, 2.0
ONSETS = 6.0 + 12 * np.arange(N_TRIALS)
CENSORED = np.isin(np.arange(N_VOLUMES), [0, 13, 14, 40, 79])


@pytest.fixture
def run():
    rng = np.random.default_rng(3)
    times = frame_times(N_VOLUMES, TR, 0.0)
    signal = trial_regressors(ONSETS, np.ones(N_TRIALS), times) @ rng.standard_normal((N_TRIALS, N_VOXELS))
    bold = 900 + 9 * signal + 4 * rng.standard_normal((N_VOLUMES, N_VOXELS))
    confounds = rng.standard_normal((N_VOLUMES, 3))
    return RunData("run-01", bold.astype(np.float32), ONSETS, np.ones(N_TRIALS), confounds, TR, 0.0, CENSORED)


@pytest.mark.parametrize("estimator", sorted(ESTIMATORS))
@pytest.mark.parametrize("value", [1e9, 0.0, np.nan, np.inf])
def test_what_a_censored_volume_holds_changes_nothing(run, estimator, value):
    values, usable, _ = estimate_run(run, estimator)
    spoilt = run.bold.copy()
    spoilt[CENSORED] = value
    confounds = run.confounds.copy()
    confounds[CENSORED] = 1e6
    again, still, _ = estimate_run(replace(run, bold=spoilt, confounds=confounds), estimator)
    np.testing.assert_array_equal(again, values)
    assert usable.all()
    assert still.all()


@pytest.mark.parametrize("estimator", ["lsa", "lss"])
def test_the_estimate_is_least_squares_over_the_other_volumes(run, estimator):
    times = frame_times(N_VOLUMES, TR, 0.0)
    kept = ~CENSORED
    regressors = trial_regressors(ONSETS, np.ones(N_TRIALS), times)[kept]
    drifts = nuisance_basis(times, np.empty((N_VOLUMES, 0)))[kept]
    bold = run.bold[kept].astype(float)
    expected = []
    for trial in range(N_TRIALS):
        others = np.delete(regressors, trial, axis=1)
        others = others if estimator == "lsa" else others.sum(axis=1, keepdims=True)
        model = np.column_stack([regressors[:, trial], others, drifts, run.confounds[kept]])
        expected.append(np.linalg.lstsq(model, bold, rcond=None)[0][0])
    expected = 100 * np.array(expected) / bold.mean(axis=0)
    # Weights and series are float32: relative rounding 1e-7 of sums over 75 volumes of size 4.
    np.testing.assert_allclose(estimate_run(run, estimator)[0], expected, atol=1e-4)


def test_tr34_averages_the_volumes_left_in_the_window():
    used = np.arange(N_VOLUMES) != 6  # without the second of trial 1's volumes, 5 and 6
    times = frame_times(N_VOLUMES, TR, 0.0)[used]
    nothing = np.empty((len(times), 0))
    weights = tr34_weights(RunDesign(ONSETS, np.ones(N_TRIALS), times, nothing, "run-01", used=used))
    assert np.flatnonzero(weights[0]).tolist() == [5]
    assert weights[0, 5] == 1
    assert np.flatnonzero(weights[1]).tolist() == [10, 11]  # volumes 11 and 12


def test_a_trial_whose_window_is_censored_is_dropped(run):
    censored = np.isin(np.arange(N_VOLUMES), [5, 6])
    values, _, here = estimate_run(replace(run, censored=censored), "tr34")
    assert here.kept.tolist() == [False] + [True] * (N_TRIALS - 1)
    assert len(values) == N_TRIALS - 1


def test_a_voxel_constant_where_it_counts_is_not_usable(run):
    bold = run.bold.copy()
    bold[~CENSORED, 2] = 500
    bold[3, 4] = np.nan
    assert estimate_run(replace(run, bold=bold), "lsa")[1].tolist() == [True, True, False, True, False]


def test_a_run_without_any_volume_left_is_refused(run):
    with pytest.raises(InputMalformedError, match="run-01: 80 of 80 volumes"):
        estimate_run(replace(run, censored=np.ones(N_VOLUMES, dtype=bool)), "lss")


def test_censored_volumes_are_counted_over_runs(run):
    table = pd.DataFrame({"session": "01", "run": ["1"] * N_TRIALS + ["2"] * N_TRIALS})
    trials = Trials(table.assign(onset=np.tile(ONSETS, 2), duration=1.0, stimulus="a"))
    ijk = np.column_stack([np.arange(N_VOXELS), np.zeros((N_VOXELS, 2), dtype=int)])
    member = np.ones((1, N_VOXELS), dtype=bool)
    voxels = VoxelSpace(ijk, np.eye(4), (N_VOXELS, 1, 1), ("PPA",), member, "T1w")
    responses = estimate_responses([run, replace(run, censored=None)], trials, voxels, "lsa")
    assert responses.estimation.n_volumes == 2 * N_VOLUMES
    assert responses.estimation.n_censored == CENSORED.sum()
    assert len(responses.estimation.dropped_trials) == 0
    few = responses.take_voxels(np.arange(N_VOXELS) < 2)
    assert few.values.shape == (2 * N_TRIALS, 2)
    assert len(few.voxels) == 2
    assert few.estimation.n_censored == CENSORED.sum()
