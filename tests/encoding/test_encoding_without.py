"""Fits and encoders without groups of trials: refits in float64, and no bit of what was left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from bidsapp_synthfmri.encoding import Encoder, fit_encoder
from bidsapp_synthfmri.encoding.group_deleted import fits_without
from bidsapp_synthfmri.encoding.kernels import decompose
from bidsapp_synthfmri.encoding.layerwise import fit_layerwise
from bidsapp_synthfmri.encoding.without import LeftOut, fit_without
from bidsapp_synthfmri.errors import InputMalformedError

CPU = torch.device("cpu")
MIXTURE = np.array([[2.0, 0.0, 1.0, 0.5], [0.0, 2.0, 1.0, 0.0]])


@pytest.mark.parametrize("few", [None, 1], ids=["by band", "by Cholesky"])
@pytest.mark.parametrize("n_units", [15, 90])
def test_a_fit_without_a_group_is_a_refit(few, n_units):
    """Groups of unequal size, repeated images, more and fewer units than trials, a penalty a voxel."""
    rng = np.random.default_rng(n_units)
    X = rng.standard_normal((50, n_units)) * rng.uniform(0.2, 3, n_units) + 5
    new = rng.standard_normal((12, n_units)) + 4
    index = np.r_[np.arange(50), np.arange(8)]
    Y = rng.standard_normal((58, 5)) + X[index, :5] + 3
    origin = rng.standard_normal(n_units)
    kernel = torch.from_numpy((X - origin) @ (X - origin).T)
    alpha = torch.tensor([0.1, 1.0, 1.0, 10.0, 100.0], dtype=torch.float64)
    group = rng.integers(0, 4, 50)[index]  # the fourth is left out of no fit
    rows = [np.flatnonzero(group == number) for number in range(3)]
    shown = X[index] - X[index].mean(axis=0)
    scale = (shown**2).sum() / len(index)
    found = list(
        fits_without(
            decompose(kernel, index, torch.float64, few),
            torch.from_numpy(Y),
            alpha,
            [torch.from_numpy(own) for own in rows],
        )
    )
    assert len(found) == 3
    for own, fit in zip(rows, found, strict=True):
        rest = np.setdiff1d(np.arange(58), own)
        weights = shown.T @ fit.dual.numpy() / scale
        predicted = fit.mean.numpy() + (new - X[index].mean(axis=0)) @ weights
        assert (fit.dual[own] == 0).all()
        np.testing.assert_allclose(fit.dual.sum(dim=0), 0, atol=1e-8)
        np.testing.assert_allclose(fit.rest, Y[rest].mean(axis=0), atol=1e-12)
        for voxel, penalty in enumerate(alpha.tolist()):
            peer = Ridge(penalty * scale, solver="cholesky").fit(X[index][rest], Y[rest, voxel])
            np.testing.assert_allclose(fit.predicted[:, voxel], peer.predict(X[index][own]), atol=1e-8)
            np.testing.assert_allclose(predicted[:, voxel], peer.predict(new), atol=1e-8)
            np.testing.assert_allclose(weights[:, voxel], peer.coef_, atol=1e-8)


def test_groups_that_overlap_or_take_everything_are_refused():
    X = torch.from_numpy(np.random.default_rng(0).standard_normal((8, 5)))
    decomposition, alpha = decompose(X @ X.T, np.arange(8), torch.float64), torch.ones(2)
    with pytest.raises(InputMalformedError, match="1 training trials belong to two folds"):
        next(fits_without(decomposition, X[:, :2], alpha, [torch.tensor([0, 1]), torch.tensor([1, 2])]))
    with pytest.raises(InputMalformedError, match="holds all training trials"):
        next(fits_without(decomposition, X[:, :2], alpha, [torch.arange(7)]))


def selected(problem, kind, values=None):
    training = replace(
        problem.training((0.1, 1.0, 10.0)), values=problem.values if values is None else values
    )
    members = np.array([[True, True, False, False], [False, False, True, True]])
    return training, fit_layerwise(training, kind, members)


@pytest.mark.parametrize("kind", ["voxel", "roi", "stacking"])
def test_predictions_are_those_of_layers_refitted_and_joined_as_before(layered, kind):
    problem = layered(MIXTURE)
    training, found = selected(problem, kind)
    group = np.random.default_rng(1).integers(-1, 3, 60)
    rows = np.arange(60)
    without = fit_without(training, found, rows, LeftOut(group, new_images=True))
    assert np.isnan(without.predicted[group < 0]).all()
    for number in range(3):
        rest = group[problem.index] != number
        expected = np.tile(problem.values[rest].mean(axis=0, dtype=np.float64), (60, 1))
        mean_rest = expected[0].copy()
        for layer, units in enumerate(problem.features.layers):
            X = units.values.astype(np.float64)
            shown = X[problem.index] - X[problem.index].mean(axis=0)
            scale = (shown**2).sum() / len(problem.index)
            for voxel in np.flatnonzero(found.layer_weights[layer] > 0):
                peer = Ridge(found.alpha[layer, voxel] * scale, solver="cholesky")
                peer.fit(X[problem.index][rest], problem.values[rest, voxel].astype(np.float64))
                expected[:, voxel] += found.layer_weights[layer, voxel] * (peer.predict(X) - mean_rest[voxel])
        left = group == number
        # Kernels, dual weights and predictions are kept in float32.
        np.testing.assert_allclose(without.predicted[left], expected[left], atol=2e-4)
        weights, intercept = without.weights(problem.features, number)
        encoder = Encoder(weights, intercept, range(4), {})
        found_there = encoder.predict_features(problem.features)
        assert np.abs(found_there - expected).max() < 2e-3 * expected.std(axis=0).max()


@pytest.mark.parametrize("kind", ["voxel", "stacking"])
def test_what_a_group_responded_is_not_in_its_predictions_by_a_bit(layered, kind):
    problem = layered(MIXTURE)
    training, found = selected(problem, kind)
    group = np.arange(60) % 4 - 1
    changed = problem.values.copy()
    left = group[problem.index] == 1
    changed[left] = 100 * np.random.default_rng(3).standard_normal(changed[left].shape)
    before, after = (
        fit_without(own, found, np.arange(60), LeftOut(group, new_images=True))
        for own in (training, replace(training, values=changed))
    )
    assert (before.predicted[group == 1] == after.predicted[group == 1]).all()
    assert (before.mean[1] == after.mean[1]).all()
    for one, other in zip(before.layers, after.layers, strict=True):
        assert (one.dual[1] == other.dual[1]).all()
        assert (one.dual[0] != other.dual[0]).any()
    assert (before.predicted[group == 0] != after.predicted[group == 0]).any()


def test_an_encoder_is_fitted_without_groups_where_it_is_asked_for(layered, space):
    problem = layered(MIXTURE)
    group = np.repeat([0, 1, -1], 20)
    fit = fit_encoder(
        problem.features,
        problem.values,
        problem.index,
        problem.folds,
        CPU,
        left_out=LeftOut(group, new_images=True),
    )
    plain = fit_encoder(problem.features, problem.values, problem.index, problem.folds, CPU)
    assert plain.without is None
    np.testing.assert_array_equal(plain.alpha, fit.alpha)
    encoder = Encoder(*fit.without.weights(problem.features, 1), space(4), {})
    own = encoder.predict_features(problem.features.take(np.arange(20, 40)))
    assert np.abs(own - fit.without.predicted[20:40]).max() < 2e-3 * own.std(axis=0).max()
    # Left out, a stimulus is predicted worse than by the encoder that saw it.
    saw = Encoder.of_fit(plain, space(4), {}).predict_features(problem.features.take(np.arange(20, 40)))
    real = problem.values[20:40]
    assert ((own - real) ** 2).mean() > ((saw - real) ** 2).mean()


def test_new_images_cost_nothing_where_there_are_none_and_banded_ridge_is_refused(layered):
    problem = layered(MIXTURE)
    training, found = selected(problem, "voxel")
    group = np.repeat([0, 1], 30)
    without = fit_without(training, found, np.arange(60), LeftOut(group, new_images=False))
    assert without.layers == ()
    assert np.isfinite(without.predicted).all()
    joined = replace(found, layer_weights=np.full_like(found.layer_weights, 0.5))
    with pytest.raises(ValueError, match="one kernel joins the layers"):
        fit_without(training, joined, np.arange(60), LeftOut(group, new_images=False))
