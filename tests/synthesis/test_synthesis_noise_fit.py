"""The noise model recovers a correlation that is known, by likelihoods that are the dense ones."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from bidsapp_synthfmri.errors import InputMalformedError
from bidsapp_synthfmri.evaluation.reliability import reliability
from bidsapp_synthfmri.synthesis import noise_fit
from bidsapp_synthfmri.synthesis.factors import Factors, Principal, gram_matrix, log_likelihood
from bidsapp_synthfmri.synthesis.noise_fit import MIN_STIMULI, Spread, fit_noise_model


def true_factors(rank, n_voxels, rng, share=0.4):
    """Loadings of a correlation in which ``share`` of the variance is common."""
    loadings = rng.standard_normal((rank, n_voxels)) * 0.8 ** np.arange(rank)[:, None]
    loadings *= np.sqrt(share * n_voxels / (loadings**2).sum())
    loadings *= np.sqrt(0.9 / np.maximum((loadings**2).sum(axis=0), 0.9))
    return loadings, np.sqrt(1 - (loadings**2).sum(axis=0))


def simulated(loadings, unique, counts, rng, signal=0.7):
    """Trials of stimuli shown so many times, noise of several sizes; and its standard deviations."""
    n_voxels = len(unique)
    index = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    noise = rng.standard_normal((len(index), len(loadings))) @ loadings
    noise += unique * rng.standard_normal((len(index), n_voxels))
    sd = rng.uniform(0.5, 2, n_voxels)
    values = signal * rng.standard_normal((len(counts), n_voxels))[index] + noise * sd
    return values.astype(np.float32), index, sd


def fitted(values, index):
    known = reliability(values, index)
    n_voxels = values.shape[1]
    spread = Spread(np.zeros(n_voxels, np.float32), np.full(n_voxels, 0.1, np.float32))
    return fit_noise_model(values, index, known.signal_sd, known.noise_sd, spread)


def pairs(loadings):
    """Correlations of all pairs of voxels."""
    return (loadings.T @ loadings)[np.triu_indices(loadings.shape[1], 1)]


def test_the_likelihood_is_the_dense_one():
    rng = np.random.default_rng(1)
    loadings, unique = true_factors(3, 12, rng)
    Z = rng.standard_normal((9, 12)).astype(np.float32)
    covariance = loadings.T @ loadings + np.diag(unique**2)
    dense = multivariate_normal(np.zeros(12), covariance).logpdf(Z).sum()
    factors = Factors(loadings.astype(np.float32), unique.astype(np.float32))
    assert log_likelihood(Z, factors) == pytest.approx(dense, rel=1e-5)
    alone = Factors(np.zeros((0, 12), np.float32), np.ones(12, np.float32))
    assert log_likelihood(Z, alone) == pytest.approx(
        multivariate_normal(np.zeros(12)).logpdf(Z).sum(), rel=1e-6
    )


def test_principal_directions_are_those_of_the_covariance():
    rng = np.random.default_rng(2)
    Z = rng.standard_normal((20, 50)).astype(np.float32)
    principal = Principal.of(Z, 5)
    values, vectors = np.linalg.eigh(Z.T.astype(np.float64) @ Z / 20)
    np.testing.assert_allclose(principal.eigenvalues, values[::-1][:5], rtol=1e-4)
    cosines = np.abs((principal.vectors * vectors[:, ::-1][:, :5].T).sum(axis=1))
    np.testing.assert_allclose(cosines, 1, atol=1e-4)
    np.testing.assert_allclose(gram_matrix(Z, step=7), Z.astype(np.float64) @ Z.T, atol=1e-4)


@pytest.mark.parametrize("rank", [1, 5])
@pytest.mark.parametrize("n_voxels", [80, 800])
def test_correlations_between_voxels_are_recovered(rank, n_voxels):
    """120 stimuli shown three or five times: below 500 degrees of freedom, the larger ROI has more voxels."""
    rng = np.random.default_rng(3)
    loadings, unique = true_factors(rank, n_voxels, rng)
    values, index, sd = simulated(loadings, unique, rng.choice([3, 5], 120), rng)
    model = fitted(values, index)
    true, found = pairs(loadings), pairs(model.factors)
    assert np.corrcoef(true, found)[0, 1] > 0.85
    # Shrunk towards 0 by what is not known, but by no more than a third.
    assert 0.67 < (true @ found) / (true @ true) < 1.1
    # A correlation of so many draws has a standard error of .05; the model's are nearer than that.
    assert np.sqrt(np.mean((true - found) ** 2)) < 0.05
    np.testing.assert_allclose(model.noise_sd, sd, rtol=0.2)
    assert model.held_out > model.held_out_independent
    assert rank <= model.rank <= 3 * rank


def test_the_diagonal_is_one():
    rng = np.random.default_rng(4)
    values, index, _ = simulated(*true_factors(4, 100, rng, share=0.8), np.full(60, 3), rng)
    model = fitted(values, index)
    np.testing.assert_allclose((model.factors**2).sum(axis=0) + model.unique_sd**2, 1, atol=1e-6)
    assert model.unique_sd.min() >= 0.1


def test_independent_noise_stays_independent():
    rng = np.random.default_rng(5)
    values, index, _ = simulated(np.zeros((0, 300)), np.ones(300), np.full(100, 4), rng)
    model = fitted(values, index)
    if model.rank:
        assert np.abs(pairs(model.factors)).max() < 0.02
    assert model.held_out == pytest.approx(model.held_out_independent, abs=1e-4)
    # -log(2 pi e) / 2, a draw of a standard normal variable; 90,000 of them know it to .003.
    assert model.held_out == pytest.approx(-1.4189, abs=0.01)


def test_few_stimuli_are_not_searched():
    rng = np.random.default_rng(6)
    values, index, _ = simulated(*true_factors(2, 50, rng), np.full(MIN_STIMULI - 1, 3), rng)
    model = fitted(values, index)
    assert (model.rank, model.n_searched, model.n_stimuli, model.n_trials) == (0, 0, 9, 27)
    assert np.isnan(model.held_out)
    assert "too few" in model.summary


def test_stimuli_shown_once_take_no_part():
    rng = np.random.default_rng(7)
    loadings, unique = true_factors(2, 60, rng)
    values, index, _ = simulated(loadings, unique, np.full(40, 3), rng)
    known = reliability(values, index)
    spread = Spread(np.zeros(60, np.float32), np.ones(60, np.float32))
    alone = np.vstack([values, rng.standard_normal((30, 60)).astype(np.float32)])
    more = np.concatenate([index, np.arange(40, 70)])
    first = fit_noise_model(values, index, known.signal_sd, known.noise_sd, spread)
    second = fit_noise_model(alone, more, known.signal_sd, known.noise_sd, spread)
    np.testing.assert_array_equal(first.factors, second.factors)
    assert (second.n_stimuli, second.n_trials) == (40, 120)


def test_many_stimuli_are_searched_in_part(monkeypatch):
    rng = np.random.default_rng(8)
    values, index, _ = simulated(*true_factors(2, 40, rng), np.full(100, 3), rng)
    monkeypatch.setattr(noise_fit, "_MAX_CONTRASTS", 60)
    model = fitted(values, index)
    assert model.n_searched == 60
    assert (model.n_stimuli, model.n_trials) == (100, 300)


def test_a_voxel_that_does_not_vary_has_no_noise():
    rng = np.random.default_rng(9)
    values, index, _ = simulated(*true_factors(2, 30, rng), np.full(30, 3), rng)
    values[:, 4] = 2
    model = fitted(values, index)
    noise = model.noise("calibrated", 5, rng)
    assert (noise[:, 4] == 0).all()
    assert np.isfinite(noise).all()
    assert model.gain[4] == 0


def test_without_repeats_there_is_no_model():
    with pytest.raises(InputMalformedError, match=r"No stimulus was presented more than once.*without noise"):
        fit_noise_model(
            np.zeros((4, 2), np.float32),
            np.arange(4),
            np.ones(2, np.float32),
            np.ones(2, np.float32),
            Spread(np.zeros(2, np.float32), np.ones(2, np.float32)),
        )


def test_predictions_that_hardly_vary_have_no_gain():
    rng = np.random.default_rng(11)
    values, index, _ = simulated(np.zeros((0, 3)), np.ones(3), np.full(30, 3), rng, signal=2)
    known = reliability(values, index)
    spread = Spread(np.zeros(3, np.float32), np.array([0.5, 1e-7, 0], np.float32))
    model = fit_noise_model(values, index, known.signal_sd, known.noise_sd, spread)
    assert model.gain[0] == pytest.approx(known.signal_sd[0] / 0.5)
    assert (model.gain[1:] == 0).all()
    assert "2 of 3 voxels have no signal" in model.summary
