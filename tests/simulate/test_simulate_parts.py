from __future__ import annotations

import numpy as np
import pytest
from nilearn.glm.first_level import compute_regressor

from bidsapp_synthfmri.simulate import CATEGORIES, TemporalNoise, draw_picture, simulate_bold
from bidsapp_synthfmri.simulate.haemodynamics import cosine_drifts, lsa_weights, trial_regressors
from bidsapp_synthfmri.simulate.noise import calibrate, trial_noise, variance_gain
from bidsapp_synthfmri.simulate.tuning import gabor_energy

_TIMES = np.arange(60) * 2.0


def test_regressor_peaks_at_one_and_has_the_shape_of_spm_s() -> None:
    onset, duration = 6.03, 0.98
    fine = np.arange(0, 60, 0.05)
    ours = trial_regressors(np.array([onset]), np.array([duration]), fine)[:, 0]
    theirs, _ = compute_regressor(
        np.array([[onset], [duration], [1.0]]), "spm", fine, oversampling=4, min_onset=0
    )
    assert ours.max() == pytest.approx(1.0, abs=1e-3)
    assert ours[fine < onset].max() == 0
    # nilearn's response is sampled every 12.5 ms and shifted by a sample
    np.testing.assert_allclose(ours, theirs[:, 0] / theirs.max(), atol=0.01)


def test_noiseless_bold_gives_responses_back() -> None:
    rng = np.random.default_rng(3)
    onsets, durations = 4.0 + 10 * np.arange(10) + rng.uniform(0, 0.04, 10), np.full(10, 1.0)
    responses = rng.normal(1, 1, (10, 5))
    drifts = cosine_drifts(len(_TIMES), 2.0)
    bold = simulate_bold(
        responses, onsets, durations, _TIMES, np.zeros(5), TemporalNoise(), rng, nuisance=drifts
    )
    weights = lsa_weights(trial_regressors(onsets, durations, _TIMES), drifts)
    np.testing.assert_allclose(weights @ bold, responses, atol=1e-9)


def test_temporal_noise_has_the_covariance_it_states() -> None:
    noise = TemporalNoise(autocorrelation=0.5, white_share=0.4)
    drawn = noise.draw(6, 200_000, np.random.default_rng(0))
    # 200,000 draws: an entry's sampling SD is about .003
    np.testing.assert_allclose(np.cov(drawn), noise.covariance(6), atol=0.015)


def test_calibration_splits_noise_as_asked() -> None:
    noise = TemporalNoise()
    onsets = 4.0 + 10 * np.arange(10)
    weights = lsa_weights(trial_regressors(onsets, np.ones(10), _TIMES), cosine_drifts(60, 2.0))
    gain = variance_gain([weights], noise)
    levels = calibrate(np.array([0.2, 0.5]), gain, trial_share=0.6)
    total = levels.trial_sd**2 + levels.temporal_sd**2 * gain
    np.testing.assert_allclose(total, [4.0, 1.0])
    np.testing.assert_allclose(levels.trial_sd**2 / total, 0.6)


def test_trial_noise_is_partly_shared() -> None:
    drawn = trial_noise(np.full(40, 2.0), 20_000, 0.5, np.random.default_rng(0))
    # 20,000 trials: a variance of 4 has a sampling SD of .04
    np.testing.assert_allclose(drawn.var(axis=0), 4.0, rtol=0.05)
    correlations = np.corrcoef(drawn.T)[np.triu_indices(40, 1)]
    assert np.abs(correlations).mean() > 0.1


def test_left_voxels_see_the_right_half_of_the_picture() -> None:
    rng = np.random.default_rng(0)
    left_half = np.zeros((20, 64, 64))
    left_half[:, :, :24] = rng.standard_normal((20, 64, 24))
    pictures = left_half.reshape(20, -1)
    seen_by_right = gabor_energy(pictures, "RH", 30, np.random.default_rng(1))
    seen_by_left = gabor_energy(pictures, "LH", 30, np.random.default_rng(1))
    # fields end softly, so those near the midline see a little of the other half
    assert np.median(seen_by_left) < 0.05 * np.median(seen_by_right)


@pytest.mark.parametrize("category", CATEGORIES)
def test_pictures_vary_but_not_between_equal_seeds(category: str) -> None:
    first, again, other = (
        np.asarray(draw_picture(category, 48, np.random.default_rng(seed)), dtype=float) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).mean() > 10
    assert first.std() > 10
