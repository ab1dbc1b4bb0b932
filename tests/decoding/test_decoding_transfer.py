"""Transfer between participants: scikit-learn's ridge, expected errors by simulation, and known truth."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from bidsapp_synthfmri.decoding.transfer import fit_transfer
from bidsapp_synthfmri.errors import InputMalformedError

N_IMAGES, N_LATENT, N_SOURCE, N_TARGET = 240, 8, 20, 15
FOLDS = np.arange(N_IMAGES) % 5


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
    found = fit_transfer(source, target, FOLDS, noise_sd, [alpha])
    scale = np.ones(N_SOURCE) if noise_sd is None else noise_sd
    x = source.astype(np.float64) / scale
    unit = np.trace(np.cov(x.T, bias=True)) * N_IMAGES / N_SOURCE
    oracle = Ridge(alpha=alpha * unit, solver="svd").fit(x, target.astype(np.float64))
    new = rng.standard_normal((7, N_SOURCE)).astype(np.float32)
    np.testing.assert_allclose(found.apply(new), oracle.predict(new / scale), rtol=1e-4, atol=1e-4)


def test_what_is_minimised_is_the_error_of_noisy_trials_refitted_fold_by_fold() -> None:
    source, target, rng = two()
    noise_sd = rng.uniform(0.5, 2, N_SOURCE)
    alphas = (0.01, 0.3, 10.0)
    found = fit_transfer(source, target, FOLDS, noise_sd, alphas)
    total = ((target - target.mean(axis=0)) ** 2).sum()
    for alpha, error in zip(alphas, found.errors, strict=True):
        missed = 0.0
        for fold in range(5):
            kept, out = fold != FOLDS, fold == FOLDS
            x = source[kept].astype(np.float64) / noise_sd
            unit = np.linalg.eigvalsh(np.cov(x.T, bias=True) * kept.sum()).mean()
            ridge = Ridge(alpha=alpha * unit).fit(x, target[kept].astype(np.float64))
            for _ in range(60):
                trials = source[out] + noise_sd * rng.standard_normal((out.sum(), N_SOURCE))
                missed += ((ridge.predict(trials / noise_sd) - target[out]) ** 2).sum() / 60
        # 60 draws of 240 pictures: the mean of 14,400 squared errors
        assert error == pytest.approx(missed / total, rel=0.03)


def test_trials_of_one_participant_resemble_the_other_to_the_same_picture() -> None:
    source, target, rng = two()
    train = np.arange(N_IMAGES) < 180
    noise_sd = np.full(N_SOURCE, 1.5)
    found = fit_transfer(source[train], target[train], FOLDS[train], noise_sd)
    trials = source[~train] + noise_sd * rng.standard_normal((60, N_SOURCE))
    mapped = found.apply(trials.astype(np.float32))
    across = np.array([[np.corrcoef(one, other)[0, 1] for other in target[~train]] for one in mapped])
    own = np.diag(across)
    assert own.mean() > 0.6
    assert (across.argmax(axis=1) == np.arange(60)).mean() > 0.3  # chance is 1 in 60


def test_noise_asks_for_a_larger_penalty_and_earns_it() -> None:
    source, target, rng = two()
    train, noise_sd = np.arange(N_IMAGES) < 180, np.full(N_SOURCE, 6.0)
    quiet = fit_transfer(source[train], target[train], FOLDS[train])
    noisy = fit_transfer(source[train], target[train], FOLDS[train], noise_sd)
    assert noisy.alpha > quiet.alpha
    trials = (source[~train] + noise_sd * rng.standard_normal((60, N_SOURCE))).astype(np.float32)
    missed = [((one.apply(trials) - target[~train]) ** 2).mean() for one in (noisy, quiet)]
    assert missed[0] < 0.8 * missed[1]


def test_participants_with_nothing_in_common_get_the_mean() -> None:
    source, _, rng = two()
    target = rng.standard_normal((N_IMAGES, N_TARGET)).astype(np.float32)
    found = fit_transfer(source, target, FOLDS)
    assert found.errors.min() == pytest.approx(1, abs=0.03)
    assert found.apply(source).std(axis=0).max() < 0.1  # of targets whose sd is 1


def test_fewer_pictures_than_voxels_are_no_obstacle() -> None:
    rng = np.random.default_rng(3)
    source = rng.standard_normal((30, 80)).astype(np.float32)
    target = source[:, :10] + 2
    found = fit_transfer(source, target, np.arange(30) % 3)
    assert np.isfinite(found.weights).all()
    assert found.errors.min() < 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"target": np.zeros((5, 3), np.float32)}, "240 pictures of one participant, 5 of the other"),
        ({"folds": np.zeros(N_IMAGES, dtype=np.int64)}, "are in 1 folds, and two are needed"),
        ({"source": np.full((N_IMAGES, 4), np.nan, np.float32)}, "not all finite"),
        ({"noise_sd": np.zeros(N_SOURCE)}, "noise is not above zero"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, np.ndarray], said: str) -> None:
    source, target, _ = two()
    with pytest.raises(InputMalformedError, match=said):
        fit_transfer(**{"source": source, "target": target, "folds": FOLDS, **change})
