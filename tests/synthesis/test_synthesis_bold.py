"""Series of a run: what trials evoke, drifts, noise; and the way back through the estimators."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from nilearn.glm.first_level import compute_regressor

from bidsapp_synthfmri.errors import InputMalformedError, UsageError
from bidsapp_synthfmri.responses import RunData, estimate_responses
from bidsapp_synthfmri.responses.autoregression import correlations, yule_walker
from bidsapp_synthfmri.responses.drifts import drift_cosines
from bidsapp_synthfmri.structures import Estimation, Trials, VoxelSpace
from bidsapp_synthfmri.synthesis.bold import (
    RunTiming,
    drift_percent,
    evoked_peaks,
    evoked_percent,
    noise_percent,
    run_series,
    trial_noise_share,
)
from bidsapp_synthfmri.synthesis.noise_model import NoiseModel
from bidsapp_synthfmri.synthesis.series_model import SeriesModel

CANONICAL = (5.0, 1.0, 15.0, 1.0, 1 / 6)
LATE = (6.25, 1.1, 10.75, 1.0, 0.15)
DRIFTS = np.array([0.8, 0.6, 0.5, 0.3, 0.2, 0.1])


def series_model(
    n_voxels=200, hrfs=(CANONICAL,), coefficients=(0.35, 0.15), noise_sd=0.7, estimate_noise=0.3
):
    def full(value):
        return np.full(n_voxels, value, dtype=np.float32)

    return SeriesModel(
        hrf_parameters=np.array(hrfs),
        hrf_index=np.arange(n_voxels) % len(hrfs),
        response_mean=full(0.8),
        response_sd=full(0.5),
        intensity=full(500),
        noise_sd=full(noise_sd),
        autoregression=np.stack([full(value) for value in coefficients]),
        drift_sd=np.repeat(DRIFTS[:, np.newaxis], n_voxels, axis=1).astype(np.float32),
        estimate_noise=full(estimate_noise),
        repetition_time=2.0,
        run_duration=388.0,
        n_runs=4,
    )


def noise_model(n_voxels=200, signal_sd=0.6, noise_sd=0.8, seed=5):
    rng = np.random.default_rng(seed)

    def full(value):
        return np.full(n_voxels, value, dtype=np.float32)

    factors = (0.6 * rng.standard_normal((2, n_voxels)) / np.sqrt(2)).clip(-0.65, 0.65).astype(np.float32)
    unique = np.sqrt(1 - (factors**2).sum(axis=0))
    return NoiseModel(
        full(0), full(1), full(signal_sd), full(noise_sd), factors, unique, 0.1, 0.0, 0.0, 9, 40, 9
    )


def timing(n_trials=37, n_volumes=194, interval=10.0, repetition_time=2.0):
    onsets = 6.013 + interval * np.arange(float(n_trials))
    return RunTiming(onsets, np.ones(n_trials), n_volumes, repetition_time)


def test_trials_evoke_what_the_haemodynamic_response_says_at_true_onsets():
    """nilearn's SPM response, in an oversampled design, is the canonical one up to its height."""
    one = RunTiming(np.array([11.37]), np.array([1.0]), 60, 1.0)
    found = evoked_percent(np.full((1, 2), 2.0, dtype=np.float32), one, series_model(2))[:, 0]
    condition = np.array([[11.37], [1.0], [1.0]])
    oracle = compute_regressor(condition, "spm", one.times, oversampling=200)[0][:, 0]
    np.testing.assert_allclose(found / found.max(), oracle / oracle.max(), atol=0.01)
    fine = RunTiming(one.onsets, one.durations, 6000, 0.01)
    peak = evoked_percent(np.full((1, 2), 2.0, dtype=np.float32), fine, series_model(2)).max()
    assert peak == pytest.approx(0.8 + 0.5 * 2, rel=1e-4)


def test_voxels_have_their_own_haemodynamic_responses():
    both = series_model(4, hrfs=(CANONICAL, LATE))
    responses = np.random.default_rng(0).standard_normal((37, 4)).astype(np.float32)
    found = evoked_percent(responses, timing(), both)
    early = evoked_percent(responses, timing(), series_model(4))
    late = evoked_percent(responses, timing(), series_model(4, hrfs=(LATE,)))
    np.testing.assert_allclose(found, np.where(np.arange(4) % 2, late, early), atol=1e-6)


def test_a_series_without_noise_is_its_intensity_and_what_trials_evoke():
    model, rng = series_model(), np.random.default_rng(0)
    responses = rng.standard_normal((37, 200)).astype(np.float32)
    found = run_series(responses, timing(), model, rng, kind="none")
    assert found.dtype == np.float32
    expected = 500 * (1 + evoked_percent(responses, timing(), model) / 100)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert run_series(np.empty((0, 200), np.float32), timing(0), model, rng, kind="none") == pytest.approx(
        500
    )


@pytest.mark.parametrize("coefficients", [(0.0, 0.0), (0.35, 0.15), (-0.3, 0.2)])
def test_noise_has_its_spread_and_correlations_from_the_first_volume_on(coefficients):
    model = series_model(40_000, coefficients=coefficients)
    found = noise_percent(timing(n_volumes=6), model, np.random.default_rng(1)) / 0.7
    expected = correlations(np.array(coefficients)[:, np.newaxis], 6)[:, 0]
    # Of 40,000 draws a variance errs by .007, a correlation by .005; five times that is allowed.
    np.testing.assert_allclose(found.std(axis=1), 1, atol=0.018)
    shown = (found[:, np.newaxis] * found[np.newaxis]).mean(axis=2)
    lags = np.abs(np.subtract.outer(np.arange(6), np.arange(6)))
    np.testing.assert_allclose(shown, expected[lags], atol=0.035)


def test_drifts_have_their_amplitudes():
    model = series_model(5000)
    found = drift_percent(timing(), model, np.random.default_rng(2))
    amplitudes = drift_cosines(timing().times).T @ found / 194
    np.testing.assert_allclose(amplitudes.std(axis=1), DRIFTS, rtol=0.05)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-5)


def test_drifts_of_a_shorter_run_have_the_same_power_a_hertz():
    model = replace(series_model(20_000), drift_sd=np.full((6, 20_000), 0.5, dtype=np.float32))
    half = timing(n_trials=18, n_volumes=97)
    found = drift_percent(half, model, np.random.default_rng(3))
    amplitudes = drift_cosines(half.times).T @ found / 97
    # Three cosines, twice as far apart: twice the variance each.
    np.testing.assert_allclose(amplitudes.std(axis=1), np.full(3, 0.5 * np.sqrt(2)), rtol=0.03)


def test_a_run_too_short_for_drifts_has_none():
    found = drift_percent(timing(n_trials=2, n_volumes=20), series_model(3), np.random.default_rng(0))
    np.testing.assert_array_equal(found, np.zeros((20, 3)))


def test_calibrated_noise_is_correlated_over_voxels_as_noise_of_trials():
    noise, model = noise_model(12), series_model(12)
    expected = noise.factors.T @ noise.factors + np.diag(noise.unique_sd**2)
    rng = np.random.default_rng(4)
    drawn = [noise_percent(timing(n_volumes=2000), model, rng, noise) for _ in range(20)]
    shown = np.corrcoef(np.concatenate(drawn).T)
    np.testing.assert_allclose(shown, expected, atol=0.03)
    independent = noise_percent(timing(n_volumes=40_000), model, rng)
    np.testing.assert_allclose(np.corrcoef(independent.T), np.eye(12), atol=0.03)


def test_white_noise_stays_white_and_what_decays_decays_with_time_at_another_repetition_time():
    white = series_model(3, coefficients=(0.0, 0.0)).at(1.0)
    np.testing.assert_allclose(white.autoregression, 0, atol=1e-6)
    share, decay = 0.6, 0.5
    mixed = np.array([[1.0], [share * decay], [share * decay**2]])
    given = series_model(1, coefficients=yule_walker(mixed)[:, 0])
    found = correlations(given.at(1.0).autoregression.astype(float), 3)[:, 0]
    np.testing.assert_allclose(found, [1, share * decay**0.5, share * decay], atol=1e-5)
    assert given.at(1.0).repetition_time == 1.0
    assert given.at(2.0) is given


def test_responses_that_do_not_fit_and_unknown_noise_are_refused():
    model, rng = series_model(5), np.random.default_rng(0)
    with pytest.raises(InputMalformedError, match="do not fit 37 trials and 5 voxels"):
        run_series(np.zeros((36, 5), np.float32), timing(), model, rng)
    with pytest.raises(UsageError, match="pink"):
        run_series(np.zeros((37, 5), np.float32), timing(), model, rng, kind="pink")


def test_a_seed_decides_every_draw():
    responses = np.zeros((37, 20), np.float32)
    one, same, other = (
        run_series(responses, timing(), series_model(20), np.random.default_rng(seed), noise=noise_model(20))
        for seed in (1, 1, 2)
    )
    assert one.tobytes() == same.tobytes() != other.tobytes()


def test_noise_of_trials_and_of_series_together_are_the_noise_of_estimates():
    model, noise = series_model(3, estimate_noise=0.48), noise_model(3, noise_sd=0.8)
    np.testing.assert_allclose(trial_noise_share(model, noise), 0.8, rtol=1e-6)
    np.testing.assert_allclose(trial_noise_share(series_model(3, estimate_noise=0.9), noise), 0)
    np.testing.assert_allclose(trial_noise_share(model, replace(noise, noise_sd=np.zeros(3, np.float32))), 1)


def space(n_voxels):
    ijk = np.column_stack([np.arange(n_voxels), np.zeros((n_voxels, 2), dtype=np.int64)])
    return VoxelSpace(ijk, np.eye(4), (n_voxels, 1, 1), ("PPA",), np.ones((1, n_voxels), dtype=bool), "T1w")


def estimated(series, at, stimuli, estimator="lsa"):
    runs = [
        RunData(
            f"run-{n}", bold, at.onsets, at.durations, np.zeros((at.n_volumes, 0)), at.repetition_time, 0.0
        )
        for n, bold in enumerate(series)
    ]
    rows = [
        {"session": "", "run": str(n), "onset": onset, "duration": 1.0, "stimulus": stimulus}
        for n, shown in enumerate(stimuli)
        for onset, stimulus in zip(at.onsets, shown, strict=True)
    ]
    return estimate_responses(runs, Trials(pd.DataFrame(rows)), space(series[0].shape[1]), estimator)


def test_the_model_of_a_synthetic_scan_is_the_model_it_was_made_with():
    """Round: series of a model, estimated, give the model; its figures are means over 400 voxels."""
    model, rng, at = series_model(400), np.random.default_rng(6), timing()
    responses = [rng.standard_normal((37, 400)).astype(np.float32) for _ in range(8)]
    series = [run_series(response, at, model, rng) for response in responses]
    names = [[f"{run}_{trial}" for trial in range(37)] for run in range(8)]
    found = SeriesModel.of_estimation(estimated(series, at, names).estimation)
    assert found.noise_sd.mean() == pytest.approx(0.7, abs=0.02)
    np.testing.assert_allclose(found.autoregression.mean(axis=1), [0.35, 0.15], atol=0.025)
    np.testing.assert_allclose(np.sqrt((found.drift_sd**2).mean(axis=1)), DRIFTS, atol=0.04)
    assert found.response_mean.mean() == pytest.approx(0.8, abs=0.02)
    assert found.intensity.mean() == pytest.approx(500, rel=0.01)
    # Of the estimates' spread the noise of the series is a known part.
    own = found.response_sd**2 - (found.estimate_noise * found.response_sd) ** 2
    assert np.sqrt(own.mean()) == pytest.approx(0.5, abs=0.02)


def test_estimates_of_a_noisy_scan_are_as_reliable_as_the_participants_own():
    """Trial noise and series noise add up, estimated again, to the noise model's variance."""
    n_voxels, n_runs, at = 300, 12, timing()
    noise = noise_model(n_voxels, signal_sd=0.6, noise_sd=0.8)
    # What series of this noise give to estimates by this design, in units of 0.5 percent.
    rng = np.random.default_rng(7)
    model = series_model(n_voxels, noise_sd=0.25)
    blank = [run_series(np.zeros((37, n_voxels), np.float32), at, model, rng) for _ in range(4)]
    own = estimated(blank, at, [[f"{r}_{t}" for t in range(37)] for r in range(4)]).estimation
    tau = own.estimate_sd.mean() / 0.5
    assert own.series.estimate_noise_sd.mean() / 0.5 == pytest.approx(tau, rel=0.04)
    model = replace(model, estimate_noise=np.full(n_voxels, tau, dtype=np.float32))
    signal = (0.6 * rng.standard_normal((37, n_voxels))).astype(np.float32)
    share = trial_noise_share(model, noise)
    assert 0.5 < share.mean() < 0.95
    series = [
        run_series(signal + share * noise.noise("calibrated", 37, rng), at, model, rng, noise=noise)
        for _ in range(n_runs)
    ]
    found = estimated(series, at, [[str(t) for t in range(37)]] * n_runs)
    values = (found.values * found.estimation.estimate_sd / 0.5).reshape(n_runs, 37, n_voxels)
    within = values.var(axis=0, ddof=1).mean(axis=0)
    assert np.sqrt(within.mean()) == pytest.approx(0.8, abs=0.02)


def test_without_series_there_is_no_model():
    assert SeriesModel.of_estimation(None) is None
    assert SeriesModel.of_estimation(Estimation("precomputed", (), pd.DataFrame())) is None


def test_a_model_is_read_as_it_was_written_and_says_what_it_is():
    model = series_model(7, hrfs=(CANONICAL, LATE))
    again = SeriesModel.from_arrays(model.to_arrays())
    for name, values in model.to_arrays().items():
        np.testing.assert_array_equal(again.to_arrays()[name], values)
    assert (again.repetition_time, again.n_runs) == (2.0, 4)
    assert again.hrfs == model.hrfs
    assert "2 times to peak from 5 to 6.1 s" in model.summary
    assert "4 of the participant's runs" in model.summary
    np.testing.assert_allclose(evoked_peaks(np.ones((1, 7), np.float32), again), 1.3, rtol=1e-6)
