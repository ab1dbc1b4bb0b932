"""Stacking weights against scipy's solvers, and what they add up to."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize, nnls

from bidsapp_synthfmri.encoding.folds import Folds
from bidsapp_synthfmri.encoding.layerwise import fit_layerwise
from bidsapp_synthfmri.encoding.nesting import fold_means
from bidsapp_synthfmri.encoding.selection import explained
from bidsapp_synthfmri.encoding.stacking import simplex_weights, stacking_weights


def grams(n: int, k: int, n_rows: int = 50, shared: float = 3.0) -> np.ndarray:
    """Residuals that have most of their variance in common, as those of layers do."""
    rng = np.random.default_rng(k)
    residuals = rng.standard_normal((n, k, n_rows)) * rng.uniform(0.5, 1.5, (n, k, 1))
    residuals += shared * rng.standard_normal((n, 1, n_rows))
    return residuals @ residuals.transpose(0, 2, 1)


@pytest.mark.parametrize(("k", "shared"), [(2, 0.0), (5, 3.0), (9, 10.0), (25, 3.0)])
def test_weights_on_the_simplex_are_nnls(k, shared):
    gram = grams(40, k, shared=shared)
    ours = simplex_weights(torch.from_numpy(gram)).numpy()
    assert (ours >= 0).all()
    np.testing.assert_allclose(ours.sum(axis=1), 1, atol=1e-12)
    for own, found in zip(gram, ours, strict=True):
        root = np.linalg.cholesky(own / np.trace(own)).T
        oracle, _ = nnls(np.vstack([root, np.ones((1, k))]), np.r_[np.zeros(k), 1.0])
        np.testing.assert_allclose(found, oracle / oracle.sum(), atol=1e-8)


def test_weights_on_the_simplex_are_sequential_quadratic_programming():
    for own in grams(5, 6):
        scaled = own / np.trace(own)
        oracle = minimize(
            lambda w, G=scaled: w @ G @ w,
            np.full(6, 1 / 6),
            jac=lambda w, G=scaled: 2 * G @ w,
            method="SLSQP",
            bounds=[(0, None)] * 6,
            constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
            options={"ftol": 1e-15, "maxiter": 500},
        )
        # SLSQP stops where the objective moves by less than 1e-15: the root of that in the weights.
        np.testing.assert_allclose(
            simplex_weights(torch.from_numpy(own[None]))[0].numpy(), oracle.x, atol=1e-5
        )


def test_equal_predictions_share_nothing_and_do_not_stop_the_solver():
    gram = grams(3, 4)
    doubled = gram[:, [0, 1, 1, 2, 3, 3]][:, :, [0, 1, 1, 2, 3, 3]]
    ours = simplex_weights(torch.from_numpy(doubled)).numpy()
    merged = np.stack([ours[:, 0], ours[:, 1] + ours[:, 2], ours[:, 3], ours[:, 4] + ours[:, 5]], axis=1)
    np.testing.assert_allclose(merged, simplex_weights(torch.from_numpy(gram)).numpy(), atol=1e-6)
    assert simplex_weights(torch.zeros((1, 3, 3), dtype=torch.float64)).tolist() == [[1, 0, 0]]


def test_what_predicts_no_better_than_the_mean_has_no_weight():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((60, 50)).astype(np.float32)
    folds = Folds(np.arange(60) % 4, "four")
    noise = (rng.standard_normal((3, 60, 50)) * 2).astype(np.float32)
    truth = (values + rng.standard_normal((60, 50)) * 0.3)[None].astype(np.float32)
    weights = stacking_weights(np.concatenate([noise, truth]), values, folds)
    assert weights[:3].sum(axis=0).mean() < 0.1
    assert weights[3].mean() > 0.8
    assert weights.sum(axis=0).max() <= 1 + 1e-6
    assert stacking_weights(noise, values, folds).sum(axis=0).mean() < 0.3


def test_two_layers_that_add_up_are_both_used_and_split_the_variance(layered):
    mixture = np.zeros((4, 20))
    mixture[0], mixture[2] = 2, 2
    problem = layered(mixture, n_images=150)
    everyone = np.ones((1, 20), dtype=bool)
    alphas = np.logspace(-2, 4, 7)
    stacked = fit_layerwise(problem.training(alphas), "stacking", everyone)
    one = fit_layerwise(problem.training(alphas), "voxel", everyone)
    r2 = explained(problem.values, stacked.out_of_fold)[0]
    assert r2.mean() > explained(problem.values, one.out_of_fold)[0].mean() + 0.1
    assert stacked.layer_weights[[0, 2]].min() > 0.15
    # Float32 predictions of size about 3: the parts add up to R2 within 1e-5.
    np.testing.assert_allclose(stacked.variance_split.sum(axis=0), r2, atol=1e-5)
    assert np.abs(stacked.variance_split[[1, 3]]).max() < 0.08
    assert stacked.variance_split[[0, 2]].mean(axis=1) == pytest.approx([r2.mean() / 2] * 2, abs=0.1)


def test_nested_stacks_of_noise_explain_nothing(layered):
    problem = layered(np.zeros((12, 150)), n_folds=4)
    training = problem.training(np.logspace(-1, 5, 7))
    found = fit_layerwise(training, "stacking", np.ones((1, 150), dtype=bool))
    means = fold_means(problem.values, problem.folds)[problem.folds.labels]
    naive = means + sum(
        weights * (predictions - means)
        for weights, predictions in zip(found.layer_weights, out_of_fold_by_layer(training), strict=True)
    )
    assert explained(problem.values, naive.astype(np.float32))[0].mean() > 0.02
    assert explained(problem.values, found.out_of_fold)[0].mean() < 0


def out_of_fold_by_layer(training):
    rows = np.arange(len(training.values))
    for layer in range(len(training.layers)):
        decomposition = training.decomposed(training.kernel(layer), rows)
        yield np.concatenate(
            [s.out_of_fold for s in training.cross_validated(decomposition, rows, training.folds)], axis=1
        )
