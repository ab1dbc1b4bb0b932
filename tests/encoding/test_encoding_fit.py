"""The encoder of every selection: what it predicts, and what it says of itself."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from bidsapp_synthfmri.encoding import Encoder, fit_encoder
from bidsapp_synthfmri.encoding.selection import explained
from bidsapp_synthfmri.structures import RoiSet, VoxelSpace

N_VOXELS = 12
KINDS = ["voxel", "roi", "stacking", "banded"]


@pytest.fixture(scope="module")
def problem(layered):
    mixture = np.full((3, N_VOXELS), 0.3)
    mixture[0, :6] = mixture[2, 6:] = 1.5
    return layered(mixture, n_images=70)


@pytest.fixture(scope="module")
def told():
    """By kind, the phases of the fit and how far each was told to be."""
    return {kind: [] for kind in KINDS}


@pytest.fixture(scope="module")
def fits(problem, told):
    rois = [RoiSet("A", np.arange(N_VOXELS) < 6), RoiSet("B", np.arange(N_VOXELS) >= 6)]
    shown = problem.index < 60
    folds = type(problem.folds)(
        np.unique(problem.folds.labels[shown], return_inverse=True)[1], "folds of 60 images"
    )
    return {
        kind: fit_encoder(
            problem.features,
            problem.values[shown],
            problem.index[shown],
            folds,
            torch.device("cpu"),
            alphas=tuple(np.logspace(-1, 3, 5)),
            n_voxels_batch=5,
            selection=kind,
            rois=rois,
            search="exact",
            dtype=torch.float64,
            rng=np.random.default_rng(0),
            n_draws=4,
            progress=lambda *said, kind=kind: told[kind].append(said),
        )
        for kind in KINDS
    }


def predicted(fit, features) -> np.ndarray:
    space = VoxelSpace(
        np.zeros((N_VOXELS, 3), dtype=np.int64),
        np.eye(4),
        (1, 1, 1),
        (),
        np.zeros((0, N_VOXELS), bool),
        "T1w",
    )
    return Encoder(fit.weights, fit.intercept, space, {}).predict_features(features)


@pytest.mark.parametrize("kind", ["voxel", "roi", "stacking"])
def test_the_encoder_is_the_weighted_sum_of_ridges(problem, fits, kind):
    fit, shown = fits[kind], problem.index < 60
    Y = problem.values[shown].astype(np.float64)
    expected = np.tile((1 - fit.layer_weights.sum(axis=0)) * Y.mean(axis=0), (70, 1))
    for number, layer in enumerate(problem.features.layers):
        X = layer.values.astype(np.float64)
        scale = np.var(X[problem.index[shown]], axis=0).sum()
        for voxel in np.flatnonzero(fit.layer_weights[number]):
            ridge = Ridge(fit.alpha[number, voxel] * scale).fit(X[problem.index[shown]], Y[:, voxel])
            expected[:, voxel] += fit.layer_weights[number, voxel] * ridge.predict(X)
    # Half precision keeps 11 bits of each weight.
    np.testing.assert_allclose(predicted(fit, problem.features), expected, atol=2e-2)


def test_the_banded_encoder_is_ridge_with_a_penalty_a_layer(problem, fits):
    fit, shown = fits["banded"], problem.index < 60
    Y = problem.values[shown].astype(np.float64)
    got = predicted(fit, problem.features)
    for voxel in range(N_VOXELS):
        blocks = []
        for number, layer in enumerate(problem.features.layers):
            X = layer.values.astype(np.float64)
            if fit.layer_weights[number, voxel] > 0:
                scale = np.var(X[problem.index[shown]], axis=0).sum()
                blocks.append(X / np.sqrt(scale * fit.alpha[number, voxel]))
        X = np.hstack(blocks)
        peer = Ridge(1.0).fit(X[problem.index[shown]], Y[:, voxel])
        np.testing.assert_allclose(got[:, voxel], peer.predict(X), atol=2e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_those_of_the_out_of_fold_predictions(problem, fits, kind):
    fit, shown = fits[kind], problem.index < 60
    assert fit.out_of_fold.shape == (60, N_VOXELS)
    np.testing.assert_array_equal(fit.training_rows, np.arange(60))
    r2, r = explained(problem.values[shown], fit.out_of_fold[problem.index[shown]])
    np.testing.assert_allclose(fit.selected_r2, r2, atol=1e-6)
    np.testing.assert_allclose(fit.selected_r, r, atol=1e-6)
    assert fit.selected_r.min() > 0.3
    unseen = np.corrcoef(predicted(fit, problem.features)[60:].T, problem.signal[60:].T)
    assert np.diagonal(unseen[:N_VOXELS, N_VOXELS:]).mean() > 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_the_layer_that_drives_a_voxel_is_its_best(fits, kind):
    fit = fits[kind]
    assert fit.best_layer.tolist() == [0] * 6 + [2] * 6
    np.testing.assert_array_equal(np.isfinite(fit.alpha), fit.layer_weights > 0)
    assert (fit.variance_split is not None) == (kind in ("stacking", "banded"))
    if fit.variance_split is not None:
        np.testing.assert_allclose(fit.variance_split.sum(axis=0), fit.selected_r2, atol=1e-4)
    assert fit.n_alphas_at_edge == sum(edge.n_first + edge.n_last for edge in fit.grid_edges)


def test_each_selection_says_what_it_did(fits):
    sentences = {fit.selection for fit in fits.values()}
    assert len(sentences) == len(KINDS)
    for kind, word in zip(KINDS, ["a voxel", "a region", "stacking", "banded ridge"], strict=True):
        assert word in fits[kind].selection


def test_arrays_come_from_the_caller(problem):
    asked = []

    def allocate(shape):
        asked.append(shape)
        return np.full(shape, np.nan, dtype=np.float32)

    fit = fit_encoder(
        problem.features, problem.values, problem.index, problem.folds, torch.device("cpu"),
        alphas=(1.0, 10.0), selection="stacking", allocate=allocate,
    )  # fmt: skip
    n = problem.values.shape
    assert sorted(asked) == sorted([(3, 70, 70), (3, *n), (3, *n), n])
    assert np.isfinite(fit.out_of_fold).all()
    assert np.isfinite(fit.intercept).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_voxel_without_variance_is_predicted_as_its_mean(problem, kind):
    values = problem.values.copy()
    values[:, 3] = 2.5
    fit = fit_encoder(
        problem.features, values, problem.index, problem.folds, torch.device("cpu"), alphas=(1.0, 10.0),
        selection=kind, rng=np.random.default_rng(0), n_draws=1,
    )  # fmt: skip
    np.testing.assert_allclose(predicted(fit, problem.features)[:, 3], 2.5, atol=1e-5)
    assert fit.selected_r2[3] == 0
    assert np.isfinite(fit.selected_r2).all()


def test_banded_ridge_needs_a_generator(problem):
    with pytest.raises(ValueError, match="generator"):
        fit_encoder(
            problem.features, problem.values, problem.index, problem.folds, torch.device("cpu"),
            selection="banded",
        )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_phase_is_told_part_by_part_to_its_end(fits, told, kind):
    del fits
    phases = dict.fromkeys(phase for phase, _, _ in told[kind])
    assert "kernels" in phases
    assert len(phases) == 3
    for phase in phases:
        steps = [(done, total) for name, done, total in told[kind] if name == phase]
        total = steps[0][1]
        assert steps == [(done, total) for done in range(1, total + 1)]
