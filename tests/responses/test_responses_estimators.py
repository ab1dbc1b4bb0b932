"""Estimators against least squares written out, and against simulated amplitudes."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import gamma

from bidsapp_synthfmri.errors import DesignError
from bidsapp_synthfmri.responses.design import (
    frame_times,
    nuisance_basis,
    residualise,
    trial_regressors,
)
from bidsapp_synthfmri.responses.estimators import ESTIMATORS, lsa_weights, lss_weights, tr34_weights
from bidsapp_synthfmri.responses.hrf import boxcar_response
from bidsapp_synthfmri.responses.runs import RunDesign

N_TRIALS, N_VOLUMES, TR = 12, 70, 2.0


@pytest.fixture
def design():
    rng = np.random.default_rng(1)
    onsets = 6.0 + 10 * np.arange(N_TRIALS) + rng.uniform(-0.005, 0.041, N_TRIALS)
    times = frame_times(N_VOLUMES, TR, 0.0)
    confounds = rng.standard_normal((N_VOLUMES, 4))
    return RunDesign(
        onsets, rng.uniform(0.967, 1.002, N_TRIALS), times, nuisance_basis(times, confounds), "run-01"
    )


def test_boxcar_response_is_the_convolution_with_a_double_gamma():
    def hrf(t):
        return gamma.pdf(t, 6) - gamma.pdf(t, 16) / 6

    duration, times = 1.7, np.arange(0.3, 25, 1.3)
    numeric = np.array([quad(hrf, max(0, t - duration), t)[0] for t in times])
    ours = boxcar_response(times, np.array(duration))
    # quad is accurate to 1e-8; the peak is searched on a 10 ms grid, where the curve is flat to 1e-5.
    np.testing.assert_allclose(ours / ours.max(), numeric / numeric.max(), atol=1e-5)


def test_boxcar_response_peaks_at_one_and_precedes_nothing():
    times = np.arange(-10, 30, 0.01)
    for duration in (0.0, 1.0, 8.0):
        response = boxcar_response(times, np.array(duration))
        assert response[times < 0].max() == 0
        assert response.max() == pytest.approx(1, abs=1e-5)


def test_a_short_boxcar_approaches_the_impulse():
    times = np.arange(0, 25, 0.5)
    np.testing.assert_allclose(
        boxcar_response(times, np.array(1e-3)), boxcar_response(times, np.array(0.0)), atol=2e-3
    )


def test_onsets_off_the_grid_move_the_regressor():
    times = frame_times(N_VOLUMES, TR, 0.0)
    shifted = trial_regressors(np.array([6.7]), np.array([1.0]), times)
    later = trial_regressors(np.array([6.0]), np.array([1.0]), frame_times(N_VOLUMES, TR, -0.7))
    np.testing.assert_allclose(shifted, later, atol=1e-12)


def test_slice_time_reference_moves_the_regressor():
    middle = trial_regressors(np.array([6.0]), np.array([1.0]), frame_times(N_VOLUMES, TR, 1.0))
    start = trial_regressors(np.array([5.0]), np.array([1.0]), frame_times(N_VOLUMES, TR, 0.0))
    np.testing.assert_allclose(middle, start, atol=1e-12)


@pytest.mark.parametrize("name", ["lsa", "lss"])
def test_weights_recover_amplitudes_without_noise(design, name):
    rng = np.random.default_rng(2)
    amplitudes = rng.standard_normal((N_TRIALS, 5)) if name == "lsa" else np.ones((N_TRIALS, 5))
    bold = trial_regressors(design.onsets, design.durations, design.times) @ amplitudes
    bold += design.nuisance @ rng.standard_normal((design.nuisance.shape[1], 5)) * 50
    np.testing.assert_allclose(ESTIMATORS[name](design) @ bold, amplitudes, atol=1e-9)


def test_lss_equals_a_model_fit_per_trial(design):
    bold = np.random.default_rng(3).standard_normal((N_VOLUMES, 6))
    regressors = trial_regressors(design.onsets, design.durations, design.times)
    expected = []
    for trial in range(N_TRIALS):
        others = np.delete(regressors, trial, axis=1).sum(axis=1)
        model = np.column_stack([regressors[:, trial], others, design.nuisance])
        expected.append(np.linalg.lstsq(model, bold, rcond=None)[0][0])
    np.testing.assert_allclose(lss_weights(design) @ bold, expected, atol=1e-9)


def test_lsa_equals_joint_least_squares(design):
    bold = np.random.default_rng(4).standard_normal((N_VOLUMES, 6))
    regressors = trial_regressors(design.onsets, design.durations, design.times)
    model = np.column_stack([regressors, design.nuisance])
    expected = np.linalg.lstsq(model, bold, rcond=None)[0][:N_TRIALS]
    np.testing.assert_allclose(lsa_weights(design) @ bold, expected, atol=1e-9)


def test_lss_of_a_single_trial_is_least_squares(design):
    one = RunDesign(design.onsets[:1], design.durations[:1], design.times, design.nuisance, "run-01")
    np.testing.assert_allclose(lss_weights(one), lsa_weights(one), atol=1e-12)


def test_tr34_is_the_mean_of_the_third_and_fourth_volume(design):
    times = frame_times(N_VOLUMES, TR, 0.0)
    only_mean = nuisance_basis(times, np.empty((N_VOLUMES, 0)))[:, :0]
    weights = tr34_weights(RunDesign(design.onsets, design.durations, times, only_mean, "run-01"))
    for trial, row in enumerate(weights):
        first = round(design.onsets[trial] / TR)
        assert set(np.flatnonzero(row)) == {first + 2, first + 3}
        np.testing.assert_allclose(row[row > 0], 0.5)


@pytest.mark.parametrize("name", sorted(ESTIMATORS))
def test_nuisance_does_not_reach_the_estimates(design, name):
    rng = np.random.default_rng(5)
    bold = rng.standard_normal((N_VOLUMES, 3))
    spoilt = bold + design.nuisance @ rng.standard_normal((design.nuisance.shape[1], 3)) * 1e3
    weights = ESTIMATORS[name](design)
    # 1e3-sized nuisance leaves rounding of about 1e3 * 1e-15 a volume.
    np.testing.assert_allclose(weights @ spoilt, weights @ bold, atol=1e-8)


@pytest.mark.parametrize("name", sorted(ESTIMATORS))
def test_a_trial_after_the_scan_is_refused_by_name(design, name):
    late = np.append(design.onsets, TR * N_VOLUMES + 30)
    spoilt = RunDesign(late, np.ones(len(late)), design.times, design.nuisance, "ses-01 run-02")
    with pytest.raises(DesignError, match=rf"ses-01 run-02.*trial {N_TRIALS + 1}\b"):
        ESTIMATORS[name](spoilt)


@pytest.mark.parametrize("start_time", [0.0, 1.0])
def test_tr34_takes_the_same_volumes_for_either_sign_of_jitter(start_time):
    times = frame_times(N_VOLUMES, TR, start_time)
    nothing = np.empty((N_VOLUMES, 0))
    jittered = RunDesign(np.array([5.997, 26.01]), np.ones(2), times, nothing, "run-01", start_time)
    weights = tr34_weights(jittered)
    assert [np.flatnonzero(row).tolist() for row in weights] == [[5, 6], [15, 16]]


@pytest.mark.parametrize("name", ["lsa"])
def test_duplicated_onsets_are_refused(design, name):
    doubled = np.append(design.onsets, design.onsets[-1])
    durations = np.append(design.durations, design.durations[-1])
    with pytest.raises(DesignError, match="jointly"):
        ESTIMATORS[name](RunDesign(doubled, durations, design.times, design.nuisance, "run-01"))


def test_two_trials_at_once_cannot_be_separated(design):
    both = RunDesign(np.array([6.0, 6.0]), np.ones(2), design.times, design.nuisance, "run-01")
    with pytest.raises(DesignError, match="equals the sum"):
        lss_weights(both)


def test_nuisance_basis_is_orthonormal_despite_collinear_confounds():
    times = frame_times(N_VOLUMES, TR, 0.0)
    rng = np.random.default_rng(6)
    one = rng.standard_normal((N_VOLUMES, 1))
    plain = nuisance_basis(times, one)
    doubled = nuisance_basis(times, np.column_stack([one, 3 * one, np.ones(N_VOLUMES), np.zeros(N_VOLUMES)]))
    assert doubled.shape == plain.shape
    np.testing.assert_allclose(doubled.T @ doubled, np.eye(doubled.shape[1]), atol=1e-12)
    values = rng.standard_normal((N_VOLUMES, 2))
    np.testing.assert_allclose(residualise(values, doubled), residualise(values, plain), atol=1e-12)


def test_drifts_slower_than_the_high_pass_are_in_the_basis():
    times = frame_times(194, TR, 0.0)
    basis = nuisance_basis(times, np.empty((194, 0)))
    slow = np.cos(np.pi * 2 * (np.arange(194) + 0.5) / 194)[:, None]
    quick = np.cos(np.pi * 40 * (np.arange(194) + 0.5) / 194)[:, None]
    assert np.linalg.norm(residualise(slow, basis)) < 1e-9
    assert np.linalg.norm(residualise(quick, basis)) > 0.99 * np.linalg.norm(quick)
