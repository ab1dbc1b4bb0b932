"""Banded ridge against himalaya's random search over the same candidates, and its split of the variance."""

import numpy as np
import pytest
from himalaya.kernel_ridge import MultipleKernelRidgeCV
from sklearn.model_selection import PredefinedSplit

from bidsapp_synthfmri.encoding.banded import candidate_shares, fit_banded
from bidsapp_synthfmri.encoding.folds import Folds
from bidsapp_synthfmri.encoding.selection import explained
from bidsapp_synthfmri.errors import InputMalformedError

ALPHAS = np.logspace(-2, 4, 13)


@pytest.fixture(scope="module")
def mixed(layered):
    """Layers 0 and 2 drive every voxel, unequally; no stimulus repeats, and folds are equal."""
    mixture = np.zeros((3, 24))
    mixture[0], mixture[2] = np.linspace(0, 2, 24), np.linspace(2, 0, 24)
    problem = layered(mixture, n_images=60)
    kept = np.arange(60)
    return type(problem)(
        problem.features, problem.index[kept], problem.signal, problem.values[kept],
        Folds(kept % 5, "five equal folds"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def shares():
    return candidate_shares(3, 16, np.random.default_rng(3))


def scaled_kernels(problem) -> np.ndarray:
    kernels = []
    for layer in problem.features.layers:
        X = layer.values.astype(np.float64)
        X -= X.mean(axis=0)
        kernels.append(X @ X.T / ((X**2).sum() / len(X)))
    return np.array(kernels)


def test_candidates_are_shares_and_start_with_each_layer_alone(shares):
    np.testing.assert_array_equal(shares[:3], np.eye(3))
    np.testing.assert_allclose(shares[3], 1 / 3)
    assert len(shares) == 20
    assert (shares >= 0).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    # Concentration 0.1 comes first: most of the weight on few layers.
    assert shares[4::2].max(axis=1).mean() > shares[5::2].max(axis=1).mean()


def test_choices_and_predictions_are_himalayas(mixed, shares):
    ours = fit_banded(mixed.training(ALPHAS), shares)
    peer = MultipleKernelRidgeCV(
        kernels="precomputed",
        solver="random_search",
        solver_params={"n_iter": shares, "alphas": ALPHAS, "progress_bar": False},
        fit_intercept=True,
        cv=PredefinedSplit(mixed.folds.labels),
    )
    kernels = scaled_kernels(mixed)
    with np.errstate(divide="ignore"):  # the logarithm of a share of 0
        peer.fit(kernels, mixed.values.astype(np.float64))
    # himalaya's deltas are log(gamma / alpha), the inverse of each layer's penalty.
    penalty = np.exp(-peer.deltas_)
    same = np.isclose(np.nan_to_num(ours.alpha, nan=np.inf), penalty, rtol=1e-3).all(axis=0)
    # Equal folds, so that means of scores rank as pooled errors do; float32 responses may flip a near tie.
    assert same.mean() > 0.95
    dual = ours.dual[0].astype(np.float64)
    fitted = sum(
        kernel @ dual * factor * scale
        for kernel, factor, scale in zip(kernels, ours.factor, scales(mixed), strict=True)
    ) + mixed.values.mean(axis=0)
    np.testing.assert_allclose(fitted[:, same], peer.predict(kernels)[:, same], atol=1e-3)


def scales(problem) -> list[float]:
    return [float(np.var(layer.values, axis=0, dtype=np.float64).sum()) for layer in problem.features.layers]


def test_layers_of_one_alone_score_as_ridge_from_that_layer(mixed, shares):
    training = mixed.training(ALPHAS)
    found = fit_banded(training, shares)
    rows = np.arange(len(mixed.values))
    for layer in range(3):
        decomposition = training.decomposed(training.kernel(layer), rows)
        for scores in training.cross_validated(decomposition, rows, mixed.folds):
            np.testing.assert_allclose(found.cv_r2[layer, scores.voxels], scores.r2, atol=1e-5)


def test_the_split_follows_the_layers_that_drive_a_voxel_and_adds_up(mixed, shares):
    found = fit_banded(mixed.training(ALPHAS), shares)
    r2 = explained(mixed.values, found.out_of_fold)[0]
    # Float32 kernels and predictions: parts of up to 1 add up within 1e-5.
    np.testing.assert_allclose(found.variance_split.sum(axis=0), r2, atol=1e-4)
    assert (found.variance_split[0, -6:] > found.variance_split[2, -6:]).all()
    assert (found.variance_split[2, :6] > found.variance_split[0, :6]).all()
    assert np.abs(found.variance_split[1]).mean() < 0.05


def test_repeats_and_uneven_folds_add_up_too(layered):
    problem = layered(np.full((2, 9), 1.5), n_images=40, n_folds=3)
    found = fit_banded(problem.training((1.0, 10.0)), candidate_shares(2, 3, np.random.default_rng(0)))
    r2 = explained(problem.values, found.out_of_fold)[0]
    np.testing.assert_allclose(found.variance_split.sum(axis=0), r2, atol=1e-4)


def test_nested_shares_of_noise_explain_nothing(layered):
    problem = layered(np.zeros((6, 60)), n_folds=4)
    shares = candidate_shares(6, 10, np.random.default_rng(0))
    found = fit_banded(problem.training(np.logspace(-1, 5, 7)), shares)
    assert found.cv_r2.max(axis=0).mean() > 0
    assert explained(problem.values, found.out_of_fold)[0].mean() < 0


def test_out_of_fold_predictions_are_refits_without_the_fold(mixed):
    """One candidate, one penalty: nothing is chosen, and every fold can be fitted anew."""
    gamma = np.array([[0.6, 0.1, 0.3]])
    found = fit_banded(mixed.training((2.0,)), gamma)
    K = np.tensordot(gamma[0], scaled_kernels(mixed), 1)
    for rows in mixed.folds.rows():
        rest = np.setdiff1d(np.arange(60), rows)
        inner = K[np.ix_(rest, rest)]
        centring = np.eye(len(rest)) - 1 / len(rest)
        mean = mixed.values[rest].mean(axis=0)
        c = np.linalg.solve(centring @ inner @ centring + 2 * np.eye(len(rest)), mixed.values[rest] - mean)
        expected = (K[np.ix_(rows, rest)] - inner.mean(axis=0)) @ centring @ c + mean
        np.testing.assert_allclose(found.out_of_fold[rows], expected, atol=1e-4)


def test_a_layer_that_does_not_vary_is_refused(mixed):
    training = mixed.training((1.0,))
    training.kernels[1] = 0
    with pytest.raises(InputMalformedError, match="same for every training image"):
        fit_banded(training, np.eye(3))
