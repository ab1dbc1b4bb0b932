"""What runs tell of their series: level, mean response, drifts and noise, against simulated truth."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import toeplitz
from scipy.signal import lfilter

from bidsapp_synthfmri.responses import RunData, estimate_responses, standardise_precomputed
from bidsapp_synthfmri.responses.autoregression import (
    correlations,
    innovation_share,
    lagged_products,
    weighted_variance,
    yule_walker,
)
from bidsapp_synthfmri.responses.design import frame_times, trial_regressors
from bidsapp_synthfmri.responses.drifts import drift_cosines
from bidsapp_synthfmri.responses.hrf import Hrf
from bidsapp_synthfmri.responses.series_noise import observed_runs
from bidsapp_synthfmri.structures import Estimation, Trials, VoxelSpace

N_VOXELS, N_VOLUMES, TR = 300, 194, 2.0
MEAN, SPREAD, NOISE = 0.8, 0.5, 0.7
DRIFTS = np.array([0.8, 0.6, 0.5, 0.3, 0.2, 0.1])
CANONICAL_ROW = (5.0, 1.0, 15.0, 1.0, 1 / 6)


def noise(kind, rng):
    steps = rng.standard_normal((N_VOLUMES + 200, N_VOXELS))
    if kind == "white":
        return steps[200:]
    series = lfilter([1], [1, -0.35, -0.15], steps, axis=0)[200:]
    return series * np.sqrt(innovation_share(np.array([[0.35], [0.15]])))


def runs_of(kind, n_runs=6, seed=0):
    """BOLD5000's timing; noise, drifts and confounds of known size about responses of known mean."""
    rng = np.random.default_rng(seed)
    times = frame_times(N_VOLUMES, TR, 0.0)
    runs, rows, truth = [], [], []
    for number in range(n_runs):
        onsets = 6 + 10 * np.arange(37.0) + rng.uniform(-0.005, 0.041, 37)
        responses = MEAN + SPREAD * rng.standard_normal((37, N_VOXELS))
        confounds = rng.standard_normal((N_VOLUMES, 6))
        percent = trial_regressors(onsets, np.ones(37), times) @ responses
        percent += NOISE * noise(kind, rng) + confounds @ (0.1 * rng.standard_normal((6, N_VOXELS)))
        percent += drift_cosines(times) @ (DRIFTS[:, np.newaxis] * rng.standard_normal((6, N_VOXELS)))
        bold = (500 * (1 + percent / 100)).astype(np.float32)
        runs.append(RunData(f"run-{number}", bold, onsets, np.ones(37), confounds, TR, 0.0))
        truth.append(responses)
        rows += [
            {
                "session": "1",
                "run": str(number),
                "onset": onset,
                "duration": 1.0,
                "stimulus": f"{number}_{onset}",
            }
            for onset in onsets
        ]
    return runs, Trials(pd.DataFrame(rows)), np.concatenate(truth)


def space(n_voxels=N_VOXELS):
    ijk = np.column_stack([np.arange(n_voxels), np.zeros((n_voxels, 2), dtype=np.int64)])
    return VoxelSpace(ijk, np.eye(4), (n_voxels, 1, 1), ("PPA",), np.ones((1, n_voxels), dtype=bool), "T1w")


@pytest.fixture(scope="module", params=["white", "coloured"])
def study(request):
    return (request.param, *runs_of(request.param))


@pytest.fixture(scope="module")
def found(study):
    _, runs, trials, _ = study
    return {
        name: estimate_responses(runs, trials, space(), name).estimation for name in ("lsa", "lss", "tr34")
    }


# Means over 300 voxels and 6 runs err by .005; of small drifts clipping at 0 adds a little.
@pytest.mark.parametrize("estimator", ["lsa", "lss", "tr34"])
def test_level_noise_and_drifts_are_those_simulated(study, found, estimator):
    series = found[estimator].series
    expected = [0, 0] if study[0] == "white" else [0.35, 0.15]
    assert series.n_runs == 6
    assert series.noise_sd.mean() == pytest.approx(NOISE, abs=0.015)
    np.testing.assert_allclose(series.autoregression.mean(axis=1), expected, atol=0.02)
    np.testing.assert_allclose(np.sqrt((series.drift_sd**2).mean(axis=1)), DRIFTS, atol=0.04)
    assert series.mean_response.mean() == pytest.approx(MEAN, abs=0.01)
    assert series.intensity.mean() == pytest.approx(500, rel=0.01)
    assert (series.repetition_time, series.run_duration) == (TR, 388.0)
    np.testing.assert_allclose(series.hrf_parameters, [CANONICAL_ROW])


def test_the_noise_of_estimates_is_what_estimates_show_beside_the_truth(study, found):
    _, runs, trials, truth = study
    estimation = found["lsa"]
    responses = estimate_responses(runs, trials, space(), "lsa")
    estimates = responses.values * estimation.estimate_sd + truth.mean(axis=0)
    error = estimates - truth
    error -= error.mean(axis=0)
    shown = np.sqrt((error**2).mean(axis=0))
    # The voxels' mean, of which what noise at longer lags adds is missing.
    assert estimation.series.estimate_noise_sd.mean() == pytest.approx(shown.mean(), rel=0.03)


def test_a_window_of_volumes_has_a_gain_below_one_and_regressions_have_none(found):
    assert found["lsa"].series.gain == pytest.approx(1, abs=1e-9)
    assert found["lss"].series.gain == pytest.approx(1, abs=1e-9)
    assert 0.6 < found["tr34"].series.gain < 0.9


def test_a_haemodynamic_response_that_is_not_the_voxels_own_does_not_pass_for_noise(study):
    kind, runs, trials, _ = study
    estimation = estimate_responses(runs, trials, space(), "hrf").estimation
    series = estimation.series
    expected = [0, 0] if kind == "white" else [0.35, 0.15]
    np.testing.assert_allclose(series.autoregression.mean(axis=1), expected, atol=0.04)
    # Of the library's responses those chosen are kept, each voxel's in its place.
    peaks = [Hrf(*row).time_to_peak for row in series.hrf_parameters]
    np.testing.assert_allclose(
        np.array(peaks)[series.hrf_index], np.array(estimation.hrf_peaks)[estimation.hrf_index]
    )


def test_censored_volumes_say_nothing_and_lags_count_over_them(study):
    kind, runs, trials, _ = study
    rng = np.random.default_rng(1)
    spoilt = []
    for run in runs:
        censored = rng.random(N_VOLUMES) < 0.15
        bold = run.bold.copy()
        bold[censored] = 1e6
        spoilt.append(replace(run, bold=bold, censored=censored))
    series = estimate_responses(spoilt, trials, space(), "lss").estimation.series
    expected = [0, 0] if kind == "white" else [0.35, 0.15]
    assert series.noise_sd.mean() == pytest.approx(NOISE, abs=0.03)
    np.testing.assert_allclose(series.autoregression.mean(axis=1), expected, atol=0.04)
    assert series.intensity.mean() == pytest.approx(500, rel=0.01)


def test_of_long_and_short_runs_the_drifts_are_those_of_the_longest(study):
    _, runs, trials, _ = study
    half = N_VOLUMES // 2
    short = [
        run
        if number % 2
        else replace(
            run,
            bold=run.bold[:half],
            confounds=run.confounds[:half],
            onsets=run.onsets[:18],
            durations=run.durations[:18],
        )
        for number, run in enumerate(runs)
    ]
    first = trials.table.groupby("run").cumcount() < 18
    kept = first | (trials.table["run"].astype(int) % 2 == 1)
    series = estimate_responses(short, trials.take(kept.to_numpy()), space(), "lss").estimation.series
    assert (series.run_duration, len(series.drift_sd)) == (388.0, 6)
    # Halves of slow cosines are cosines and slopes: more power where there is little, about as much in all.
    assert (series.drift_sd**2).mean(axis=1).sum() == pytest.approx((DRIFTS**2).sum(), rel=0.35)


def test_runs_without_freedom_tell_nothing():
    runs, trials, _ = runs_of("white", n_runs=2)
    crowded = [
        replace(run, confounds=np.random.default_rng(2).standard_normal((N_VOLUMES, 125))) for run in runs
    ]
    estimation = estimate_responses(crowded, trials, space(), "lsa").estimation
    assert estimation.series is None
    assert estimation.estimate_sd is not None


def test_precomputed_responses_have_no_series_but_a_spread(study):
    _, _, trials, truth = study
    responses = standardise_precomputed(
        truth.astype(np.float32), trials, space(), Estimation("precomputed", (), pd.DataFrame())
    )
    assert responses.estimation.series is None
    np.testing.assert_allclose(responses.estimation.estimate_sd, truth.std(axis=0, ddof=1), rtol=1e-4)


def test_voxels_are_left_out_of_all_arrays_alike(study):
    _, runs, trials, _ = study
    bold = runs[0].bold.copy()
    bold[:, 1] = 7
    spoilt = [replace(runs[0], bold=bold), *runs[1:]]
    responses = estimate_responses(spoilt, trials, space(), "lss")
    series = responses.estimation.series
    whole = estimate_responses(runs, trials, space(), "lss").estimation.series
    left = np.delete(np.arange(N_VOXELS), 1)
    assert len(responses.voxels) == N_VOXELS - 1
    # Products of other widths may round otherwise.
    np.testing.assert_allclose(series.noise_sd, whole.noise_sd[left], rtol=1e-4)
    np.testing.assert_allclose(series.drift_sd, whole.drift_sd[:, left], atol=1e-3)
    assert len(responses.estimation.estimate_sd) == N_VOXELS - 1


@pytest.mark.parametrize(
    ("n_runs", "n_voxels", "count"),
    [
        (3, 100, 3),
        (142, 2000, 16),
        (142, 160_000, 8),
        (12, 160_000, 2),
        (30, 160_000, 5),
        (2, 160_000, 2),
        (1, 160_000, 1),
    ],
)
def test_runs_looked_at_are_spread_and_few_where_voxels_are_many(n_runs, n_voxels, count):
    chosen = sorted(observed_runs(n_runs, n_voxels))
    assert len(chosen) == count
    assert (chosen[0], chosen[-1]) == (0, n_runs - 1)


def test_coefficients_have_the_correlations_they_come_from():
    covariances = np.array([[2.0, 1.0, 4.0], [0.8, -0.3, 0.0], [0.5, 0.2, 0.0]])
    coefficients = yule_walker(covariances)
    np.testing.assert_allclose(correlations(coefficients, 3), covariances / covariances[0], atol=1e-12)
    np.testing.assert_allclose(coefficients[:, 2], 0)


@pytest.mark.parametrize(
    "covariances", [[1.0, 1.2, 1.1], [1.0, 0.9, -0.9], [0.0, 0.3, 0.1], [-1.0, 0.2, 0.1]]
)
def test_impossible_covariances_make_a_stationary_process(covariances):
    coefficients = yule_walker(np.array(covariances)[:, np.newaxis])
    roots = np.roots([1, -coefficients[0, 0], -coefficients[1, 0]])
    assert (np.abs(roots) < 1).all()
    assert innovation_share(coefficients)[0] > 0


def test_the_variance_of_weighted_sums_is_the_quadratic_form():
    rng = np.random.default_rng(3)
    coefficients = np.array([[0.35, 0.0], [0.15, 0.0]])
    weights = rng.standard_normal((4, 25))
    expected = np.stack(
        [np.diag(weights @ toeplitz(column) @ weights.T) for column in correlations(coefficients, 25).T],
        axis=1,
    )
    np.testing.assert_allclose(weighted_variance(lagged_products(weights, 25), coefficients), expected)
