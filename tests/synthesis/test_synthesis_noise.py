"""Noise-matched synthetic trials have the reliability and the validity asked for."""

import numpy as np
import pytest

from bidsapp_synthfmri.errors import InputMalformedError
from bidsapp_synthfmri.synthesis.noise import constant_predictions, count_clipped, noise_matched

N_IMAGES = 3000


def columnwise_r(left, right):
    left, right = left - left.mean(0), right - right.mean(0)
    return (left * right).sum(0) / np.sqrt((left**2).sum(0) * (right**2).sum(0))


@pytest.fixture(scope="module")
def prediction():
    rng = np.random.default_rng(1)
    return rng.normal(5.0, 0.3, size=(N_IMAGES, 40)).astype(np.float32)


@pytest.mark.parametrize("r", [0.0, 0.1, 0.5, 1.0])
def test_synthetic_repeats_correlate_at_r(prediction, r):
    voxels = np.ones(40, dtype=np.float32)
    first, second = noise_matched(prediction, r * voxels, 2 * voxels, 2, np.random.default_rng(2))
    # Standard error of one correlation at most 1/sqrt(3000) = .018, of the mean over 40 voxels .003.
    assert columnwise_r(first, second).mean() == pytest.approx(r, abs=0.01)


def test_synthetic_with_real_correlates_at_rho_r(prediction):
    rng = np.random.default_rng(3)
    rho, r = 0.7, 0.4
    standard = (prediction - prediction.mean(0)) / prediction.std(0)
    signal = rho * standard + np.sqrt(1 - rho**2) * rng.standard_normal(prediction.shape)
    real = np.sqrt(r) * signal + np.sqrt(1 - r) * rng.standard_normal(prediction.shape)
    voxels = np.ones(40, dtype=np.float32)
    (synthetic,) = noise_matched(prediction, r * voxels, voxels, 1, rng)
    # Standard error .003, as above.
    assert columnwise_r(synthetic, real).mean() == pytest.approx(rho * r, abs=0.01)


def test_unit_and_mean_are_kept(prediction):
    r = np.linspace(0, 1, 40, dtype=np.float32)
    sd = np.linspace(0.5, 3, 40, dtype=np.float32)
    trials = noise_matched(prediction, r, sd, 4, np.random.default_rng(4)).reshape(-1, 40)
    # A standard deviation from 3000 independent signals is known to 1/sqrt(6000) = 1.3%: four errors.
    np.testing.assert_allclose(trials.std(0), sd, rtol=0.052)
    np.testing.assert_allclose(trials.mean(0), prediction.mean(0), atol=4 * 3 / np.sqrt(N_IMAGES))


def test_constant_prediction_gives_noise_alone():
    prediction = np.full((N_IMAGES, 1), 0.1, dtype=np.float32)
    r, sd = np.array([0.36], np.float32), np.array([2.0], np.float32)
    first, second = noise_matched(prediction, r, sd, 2, np.random.default_rng(5))
    assert constant_predictions(prediction).all()
    assert np.isfinite(first).all()
    assert first.std() == pytest.approx(2 * 0.8, rel=0.052)
    assert abs(columnwise_r(first, second)[0]) < 4 / np.sqrt(N_IMAGES)


def test_reliability_outside_its_range_is_clipped_and_counted(prediction):
    r = np.array([-0.2, 0.0, 0.5, 1.0, 1.3], np.float32)
    sd = np.ones(5, np.float32)
    assert count_clipped(r) == 2
    clipped = noise_matched(prediction[:, :5], np.clip(r, 0, 1), sd, 2, np.random.default_rng(6))
    np.testing.assert_array_equal(
        noise_matched(prediction[:, :5], r, sd, 2, np.random.default_rng(6)), clipped
    )
    np.testing.assert_array_equal(clipped[0, :, 3:], clipped[1, :, 3:])


def test_same_generator_same_trials(prediction):
    r, sd = np.full(40, 0.3, np.float32), np.ones(40, np.float32)
    one = noise_matched(prediction, r, sd, 2, np.random.default_rng(7))
    assert one.dtype == np.float32
    np.testing.assert_array_equal(one, noise_matched(prediction, r, sd, 2, np.random.default_rng(7)))


@pytest.mark.parametrize(
    ("r", "sd", "problem"),
    [
        (np.zeros(3), np.ones(40), "do not fit"),
        (np.full(40, np.nan), np.ones(40), "not all finite"),
        (np.zeros(40), -np.ones(40), "40 standard deviations are negative"),
    ],
)
def test_what_does_not_fit_is_refused(prediction, r, sd, problem):
    with pytest.raises(InputMalformedError, match=problem):
        noise_matched(prediction, r, sd, 1, np.random.default_rng(8))
