"""Maps between participants: scikit-learn's ridge, expected errors by simulation, and known truth."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from bidsapp_synthfmri.decoding.transfer import decompose_source, fit_transfer
from bidsapp_synthfmri.errors import InputMalformedError

N_IMAGES, N_LATENT, N_SOURCE, N_TARGET = 240, 8, 20, 15


def two(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    """Synthetic responses of two participants to the same pictures: 8 features, voxels of their own."""
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((N_IMAGES, N_LATENT))
    source = latent @ rng.standard_normal((N_LATENT, N_SOURCE)) + 3
    target = latent @ rng.standard_normal((N_LATENT, N_TARGET)) - 1
    own = 0.3 * rng.standard_normal((N_IMAGES, N_TARGET))  # what the source does not know
    return source.astype(np.float32), (target + own).astype(np.float32), rng


@pytest.mark.parametrize("alpha", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("noisy", [False, True])
def test_the_map_is_scikit_learns_ridge(alpha: float, noisy: bool) -> None:
    source, target, rng = two()
    noise_sd = rng.uniform(0.5, 3, N_SOURCE) if noisy else None
    found = fit_transfer(source, target, noise_sd, [alpha])
    scale = np.ones(N_SOURCE) if noise_sd is None else noise_sd
    x = source.astype(np.float64) / scale
    unit = np.trace(np.cov(x.T, bias=True)) * N_IMAGES / N_SOURCE
    oracle = Ridge(alpha=alpha * unit, solver="svd").fit(x, target.astype(np.float64))
    new = rng.standard_normal((7, N_SOURCE)).astype(np.float32)
    np.testing.assert_allclose(found.apply(new), oracle.predict(new / scale), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("n_images", [200, 30])
def test_what_is_minimised_is_cross_validation_and_what_noise_adds(n_images: int) -> None:
    rng = np.random.default_rng(2)
    source = (rng.standard_normal((n_images, 6)) @ rng.standard_normal((6, 40))).astype(np.float32)
    source += 0.3 * rng.standard_normal(source.shape).astype(np.float32)
    target = (source[:, :12] + 0.5 * rng.standard_normal((n_images, 12))).astype(np.float32)
    noise_sd, alphas, noise = rng.uniform(0.5, 2, 40), (0.01, 0.3, 10.0), 0.25
    (found,) = decompose_source(source, noise_sd).maps(target, [noise], alphas)
    x, y = (part - part.mean(axis=0, dtype=np.float64) for part in (source / noise_sd, target))
    for alpha, error in zip(alphas, found.errors, strict=True):
        inverse = np.linalg.inv(x.T @ x + alpha * (x**2).sum() / 40 * np.eye(40))
        weights = inverse @ x.T @ y
        hat = x @ inverse @ x.T + 1 / n_images
        left_out = ((y - x @ weights) ** 2).sum() / (1 - np.trace(hat) / n_images) ** 2
        added = n_images * noise * (weights**2).sum()
        assert error == pytest.approx((left_out + added) / (y**2).sum(), rel=1e-5)


def test_it_is_the_error_of_noisy_trials_of_new_pictures() -> None:
    source, target, rng = two()
    noise_sd, alphas = rng.uniform(0.5, 2, N_SOURCE), (0.01, 0.3, 10.0)
    found = fit_transfer(source, target, noise_sd, alphas)
    total = ((target - target.mean(axis=0)) ** 2).sum()
    for alpha, error in zip(alphas, found.errors, strict=True):
        missed = 0.0
        for fold in range(20):
            kept = np.arange(N_IMAGES) % 20 != fold
            unit = np.trace(np.cov((source / noise_sd).T, bias=True)) * N_IMAGES / N_SOURCE
            ridge = Ridge(alpha=alpha * unit).fit(source[kept] / noise_sd, target[kept])
            for _ in range(60):
                trials = source[~kept] + noise_sd * rng.standard_normal((12, N_SOURCE))
                missed += ((ridge.predict(trials / noise_sd) - target[~kept]) ** 2).sum() / 60
        # 60 draws of 240 pictures, and the approximation of leaving out by degrees of freedom
        assert error == pytest.approx(missed / total, rel=0.04)


def test_trials_of_one_participant_resemble_the_other_to_the_same_picture() -> None:
    source, target, rng = two()
    train = np.arange(N_IMAGES) < 180
    noise_sd = np.full(N_SOURCE, 1.5)
    found = fit_transfer(source[train], target[train], noise_sd)
    trials = source[~train] + noise_sd * rng.standard_normal((60, N_SOURCE))
    mapped = found.apply(trials.astype(np.float32))
    across = np.array([[np.corrcoef(one, other)[0, 1] for other in target[~train]] for one in mapped])
    own = np.diag(across)
    assert own.mean() > 0.6
    assert (across.argmax(axis=1) == np.arange(60)).mean() > 0.3  # chance is 1 in 60


def test_means_of_repeats_get_a_smaller_penalty_from_the_same_decomposition() -> None:
    source, target, _ = two()
    decomposed = decompose_source(source, np.full(N_SOURCE, 6.0))
    single, mean = decomposed.maps(target, [1.0, 0.25])
    assert mean.alpha < single.alpha
    assert mean.alpha == fit_transfer(source, target, np.full(N_SOURCE, 3.0)).alpha


def test_noise_asks_for_a_larger_penalty_and_earns_it() -> None:
    source, target, rng = two()
    train, noise_sd = np.arange(N_IMAGES) < 180, np.full(N_SOURCE, 6.0)
    quiet = fit_transfer(source[train], target[train])
    noisy = fit_transfer(source[train], target[train], noise_sd)
    assert noisy.alpha > quiet.alpha
    trials = (source[~train] + noise_sd * rng.standard_normal((60, N_SOURCE))).astype(np.float32)
    missed = [((one.apply(trials) - target[~train]) ** 2).mean() for one in (noisy, quiet)]
    assert missed[0] < 0.8 * missed[1]


def test_participants_with_nothing_in_common_get_the_mean() -> None:
    source, _, rng = two()
    target = rng.standard_normal((N_IMAGES, N_TARGET)).astype(np.float32)
    found = fit_transfer(source, target)
    assert found.errors.min() == pytest.approx(1, abs=0.03)
    assert found.apply(source).std(axis=0).max() < 0.1  # of targets whose sd is 1


def test_fewer_pictures_than_voxels_are_no_obstacle() -> None:
    rng = np.random.default_rng(3)
    source = rng.standard_normal((30, 80)).astype(np.float32)
    target = source[:, :10] + 2
    found = fit_transfer(source, target)
    oracle = Ridge(alpha=found.alpha * ((source - source.mean(axis=0)) ** 2).sum() / 80).fit(source, target)
    np.testing.assert_allclose(found.apply(source), oracle.predict(source), atol=2e-3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"target": np.zeros((5, 3), np.float32)}, "240 pictures of one participant, 5 of the other"),
        ({"source": np.zeros((2, 4), np.float32)}, "2 common pictures, and 3 are needed"),
        ({"source": np.full((N_IMAGES, 4), np.nan, np.float32)}, "not all finite"),
        ({"source": np.ones((N_IMAGES, 4), np.float32)}, "do not vary"),
        ({"noise_sd": np.zeros(N_SOURCE)}, "noise is not above zero"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, np.ndarray], said: str) -> None:
    source, target, _ = two()
    with pytest.raises(InputMalformedError, match=said):
        fit_transfer(**{"source": source, "target": target, **change})
