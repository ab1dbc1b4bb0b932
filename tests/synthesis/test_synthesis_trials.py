"""Sampled trials: METHODS' identities on simulated truth, the model's covariance, seeds, refusals."""

from dataclasses import replace

import numpy as np
import pytest

from bidsapp_synthfmri.errors import InputMalformedError, UsageError
from bidsapp_synthfmri.evaluation.reliability import reliability
from bidsapp_synthfmri.synthesis.noise_fit import Spread, fit_noise_model
from bidsapp_synthfmri.synthesis.noise_model import NoiseModel
from bidsapp_synthfmri.synthesis.trials import image_generators, sample_trials

N_VOXELS, N_TEST = 60, 4000


def columnwise_r(left, right):
    left, right = left - left.mean(axis=0), right - right.mean(axis=0)
    return (left * right).sum(axis=0) / np.sqrt((left**2).sum(axis=0) * (right**2).sum(axis=0))


@pytest.fixture(scope="module")
def model():
    """Known: three factors, reliabilities from near 0 to .8."""
    rng = np.random.default_rng(1)
    loadings = 0.45 * rng.standard_normal((3, N_VOXELS))
    loadings *= np.sqrt(0.8 / np.maximum((loadings**2).sum(axis=0), 0.8))
    return NoiseModel(
        centre=rng.standard_normal(N_VOXELS).astype(np.float32),
        gain=rng.uniform(1, 3, N_VOXELS).astype(np.float32),
        signal_sd=rng.uniform(0.1, 1, N_VOXELS).astype(np.float32),
        noise_sd=rng.uniform(0.5, 2, N_VOXELS).astype(np.float32),
        factors=loadings.astype(np.float32),
        unique_sd=np.sqrt(1 - (loadings**2).sum(axis=0)).astype(np.float32),
        shrinkage=0.1,
        held_out=-1.3,
        held_out_independent=-1.4,
        n_stimuli=113,
        n_trials=450,
        n_searched=337,
    )


@pytest.mark.parametrize("kind", ["independent", "calibrated"])
def test_covariance_of_samples_is_the_models(model, kind):
    n = 40_000
    noise = model.noise(kind, n, np.random.default_rng(2)).astype(np.float64)
    correlation = model.factors.T @ model.factors + np.diag(model.unique_sd**2)
    if kind == "independent":
        correlation = np.eye(N_VOXELS)
    expected = correlation * model.noise_sd * model.noise_sd[:, None]
    sampled = noise.T @ noise / n
    # A covariance of n draws has the variance (c_ii c_jj + c_ij^2) / n; 1830 of them stay within 4.5 errors.
    variances = expected.diagonal()
    error = np.sqrt((variances * variances[:, None] + expected**2) / n)
    assert (np.abs(sampled - expected) / error).max() < 4.5
    assert (np.abs(noise.mean(axis=0)) < 4.5 * model.noise_sd / np.sqrt(n)).all()


@pytest.fixture(scope="module")
def truth():
    """A participant: signal, predictions of it at rho, repeats that a noise model is fitted to; three ROIs.

    Voxels of an ROI share r and rho, so that its mean over voxels is known to .005.
    """
    rng = np.random.default_rng(3)
    roi = np.arange(N_VOXELS) % 3
    r, rho = np.array([0.1, 0.3, 0.6])[roi], np.array([0.5, 0.7, 0.3])[roi]
    signal_sd = rng.uniform(0.5, 2, N_VOXELS)
    noise_sd = signal_sd * np.sqrt((1 - r) / r)
    shared = rng.standard_normal((1, N_VOXELS)) * 0.5

    def noise(n):
        return (
            noise_sd
            * (rng.standard_normal((n, 1)) @ shared + rng.standard_normal((n, N_VOXELS)))
            / np.sqrt(1 + (shared**2).sum(axis=0))
        )

    def images(n):
        """Signal, and the shrunken prediction that ridge would make of it: rho times as wide."""
        seen = rng.standard_normal((n, N_VOXELS))
        signal = signal_sd * (rho * seen + np.sqrt(1 - rho**2) * rng.standard_normal((n, N_VOXELS)))
        return signal, (rho * signal_sd * seen + 1).astype(np.float32)

    counts = np.where(np.arange(1500) < 300, 4, 1)
    index = np.repeat(np.arange(1500), counts)
    signal, predicted = images(1500)
    values = (signal[index] + noise(len(index)) + 1).astype(np.float32)
    known = reliability(values, index)
    spread = Spread(predicted.mean(axis=0), predicted.std(axis=0))
    fitted = fit_noise_model(values, index, known.signal_sd, known.noise_sd, spread)
    test_signal, prediction = images(N_TEST)
    real = (test_signal + noise(N_TEST) + 1).astype(np.float32)
    return fitted, prediction, real, roi, r, rho


@pytest.mark.parametrize("kind", ["independent", "calibrated"])
def test_synthetic_trials_correlate_as_methods_says(truth, kind):
    """r with each other, rho r with real trials, rho sqrt(r) where noiseless: by ROI, within .02."""
    model, prediction, real, roi, r, rho = truth
    trials = sample_trials(prediction, model, 2, image_generators(0, range(N_TEST)), kind=kind)
    rows = (
        (columnwise_r(trials[0], trials[1]), r),
        (columnwise_r(trials[0], real), rho * r),
        (columnwise_r(prediction, real), rho * np.sqrt(r)),
    )
    for found, expected in rows:
        for region in range(3):
            voxels = roi == region
            assert found[voxels].mean() == pytest.approx(expected[voxels].mean(), abs=0.02)


def test_a_sample_has_the_spread_of_a_real_trial(truth):
    model, prediction, real, roi, _, _ = truth
    (trials,) = sample_trials(prediction, model, 1, image_generators(0, range(N_TEST)))
    ratio = trials.std(axis=0) / real.std(axis=0)
    for region in range(3):
        # Noise from 900 degrees of freedom, signal from 1500 stimuli: 2% an ROI.
        assert ratio[roi == region].mean() == pytest.approx(1, abs=0.03)
    np.testing.assert_allclose(trials.mean(axis=0), prediction.mean(axis=0), atol=0.3)


@pytest.mark.parametrize("snr_scale", [0.0, 0.5, 2.0])
def test_the_scale_multiplies_the_signal_and_leaves_the_noise(truth, snr_scale):
    model, prediction, _, roi, r, _ = truth
    rngs = image_generators(0, range(N_TEST))
    first, second = sample_trials(prediction, model, 2, rngs, snr_scale=snr_scale)
    snr = snr_scale**2 * r / (1 - r)
    expected, found = snr / (1 + snr), columnwise_r(first, second)
    for region in range(3):
        voxels = roi == region
        assert found[voxels].mean() == pytest.approx(expected[voxels].mean(), abs=0.02)
    difference = (first - second).std(axis=0) / np.sqrt(2)
    np.testing.assert_allclose(difference, model.noise_sd, rtol=0.06)


def test_a_voxel_without_gain_is_noise_alone(model):
    silent = replace(model, gain=np.where(np.arange(N_VOXELS) == 5, 0, model.gain).astype(np.float32))
    prediction = np.random.default_rng(4).standard_normal((N_TEST, N_VOXELS)).astype(np.float32)
    first, second = sample_trials(prediction, silent, 2, image_generators(0, range(N_TEST)))
    assert abs(columnwise_r(first, second)[5]) < 4 / np.sqrt(N_TEST)
    assert abs(columnwise_r(first, prediction)[5]) < 4 / np.sqrt(N_TEST)
    assert first[:, 5].std() == pytest.approx(silent.noise_sd[5], rel=0.05)
    assert columnwise_r(first, second)[6] > 0.3


def test_without_noise_predictions_are_repeated(model):
    prediction = np.random.default_rng(5).standard_normal((3, N_VOXELS)).astype(np.float32)
    for given in (None, model):
        trials = sample_trials(prediction, given, 2, image_generators(0, range(3)), kind="none")
        np.testing.assert_array_equal(trials, np.stack([prediction, prediction]))


@pytest.mark.parametrize("kind", ["none", "independent", "calibrated"])
def test_uncertainty_is_drawn_once_an_image(model, kind):
    n = 3000
    prediction = np.zeros((n, N_VOXELS), dtype=np.float32) + model.centre
    variance = np.full((n, N_VOXELS), 0.49, dtype=np.float32) * np.linspace(0, 4, N_VOXELS, dtype=np.float32)
    rngs = image_generators(0, range(n))
    plain = replace(model, gain_drawn=np.ones(N_VOXELS, np.float32))
    first, second = sample_trials(prediction, plain, 2, rngs, kind=kind, variance=variance)
    shared = ((first - first.mean(axis=0)) * (second - second.mean(axis=0))).mean(axis=0)
    noise = model.noise_sd**2 if kind != "none" else 0
    # A covariance of n pairs has an error of at most its variances' mean / sqrt(n), times sqrt(2).
    error = (variance[0] + noise) * np.sqrt(2 / n)
    assert (np.abs(shared - variance[0]) < 4.5 * error + 1e-9).all()
    apart = np.corrcoef(first[:, -20:].T)[np.triu_indices(20, 1)]
    if kind != "calibrated":
        assert np.abs(apart).max() < 4.5 / np.sqrt(n)


@pytest.mark.parametrize("kind", ["independent", "calibrated"])
def test_samples_depend_on_seed_and_position_alone(model, kind):
    prediction = np.random.default_rng(6).standard_normal((7, N_VOXELS)).astype(np.float32)
    variance = np.ones_like(prediction)
    options = {"kind": kind, "snr_scale": 1.5}
    whole = sample_trials(prediction, model, 3, image_generators(9, range(7)), variance=variance, **options)
    parts = [
        sample_trials(
            prediction[rows],
            model,
            3,
            image_generators(9, range(7)[rows]),
            variance=variance[rows],
            **options,
        )
        for rows in (slice(0, 2), slice(2, 7))
    ]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)
    fewer = sample_trials(prediction, model, 2, image_generators(9, range(7)), variance=variance, **options)
    np.testing.assert_array_equal(fewer, whole[:2])
    spawned = np.random.default_rng(9).spawn(7)
    again = sample_trials(prediction, model, 3, spawned, variance=variance, **options)
    np.testing.assert_array_equal(again, whole)
    other = sample_trials(prediction, model, 3, image_generators(10, range(7)), variance=variance, **options)
    assert (other != whole).mean() > 0.99


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"kind": "pink"}, r"cannot be 'pink'.*none, independent, calibrated"),
        ({"repeats": 0}, "0 repeats"),
        ({"snr_scale": -1.0}, "scale is -1"),
        ({"snr_scale": np.nan}, "scale is nan"),
        ({"snr_scale": 2.0, "kind": "none"}, "there is no noise"),
        ({"model": None}, r"no noise model.*more than once.*fit the encoder again"),
    ],
)
def test_what_cannot_be_sampled_is_refused(model, options, problem):
    given = {"model": model, "repeats": 2, **options}
    with pytest.raises(UsageError, match=problem):
        sample_trials(np.zeros((1, N_VOXELS), np.float32), rngs=image_generators(0, [0]), **given)


def test_what_does_not_fit_is_refused(model):
    prediction = np.zeros((3, N_VOXELS), np.float32)
    with pytest.raises(InputMalformedError, match="2 generators"):
        sample_trials(prediction, model, 1, image_generators(0, range(2)))
    with pytest.raises(InputMalformedError, match="Variances of shape"):
        sample_trials(prediction, model, 1, image_generators(0, range(3)), variance=prediction[:2])
    with pytest.raises(InputMalformedError, match="do not fit a noise model of 60 voxels"):
        sample_trials(prediction[:, 1:], model, 1, image_generators(0, range(3)))
