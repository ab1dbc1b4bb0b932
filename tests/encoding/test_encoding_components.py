"""Components of pictures against the singular vectors of all layers' scaled features side by side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from bidsapp_synthfmri.encoding import kernels
from bidsapp_synthfmri.encoding.components import picture_components
from bidsapp_synthfmri.encoding.fit import fit_encoder
from bidsapp_synthfmri.encoding.kernels import cross_kernel
from bidsapp_synthfmri.encoding.training import layer_kernels
from bidsapp_synthfmri.structures import Features, LayerFeatures

CPU = torch.device("cpu")
TRAINING = np.r_[0:20, 25:45]
OTHERS = np.setdiff1d(np.arange(50), TRAINING)


@pytest.fixture(scope="module")
def features() -> Features:
    """50 pictures; a layer of 60 units, and one of 8 whose units vary a thousand times as much."""
    rng = np.random.default_rng(0)
    layers = (rng.standard_normal((50, 60)) + 3, 1000 * rng.standard_normal((50, 8)))
    return Features(
        tuple(f"p{number}" for number in range(50)),
        tuple(LayerFeatures(name, x.astype(np.float32)) for name, x in zip("ab", layers, strict=True)),
    )


def _components(features: Features, n: int = 512):
    return picture_components(
        features, TRAINING, layer_kernels(features.layers, TRAINING, CPU), CPU, n_components=n
    )


def test_they_are_principal_components_of_the_training_pictures(features: Features) -> None:
    parts = []
    for layer in features.layers:
        x = layer.values.astype(np.float64)
        x = x - x[TRAINING].mean(axis=0)
        parts.append(x / np.sqrt((x[TRAINING] ** 2).sum() / len(TRAINING)))
    joint = np.concatenate(parts, axis=1)
    _, s, vt = np.linalg.svd(joint[TRAINING], full_matrices=False)
    expected = joint @ vt[:39].T
    found = _components(features)
    assert found.layers == ("a", "b")
    assert found.scores.shape == (50, 39)  # one less than pictures: about their mean
    np.testing.assert_allclose(found.explained, s[:39] ** 2 / (s**2).sum(), rtol=1e-4)
    signs = np.sign((found.scores * expected).sum(axis=0))
    # Kernels are in float32; the last components hold a thousandth of the first one's variance.
    np.testing.assert_allclose(found.scores * signs, expected, atol=2e-4)
    first = _components(features, 5)
    np.testing.assert_allclose(np.abs(first.scores), np.abs(found.scores[:, :5]), atol=1e-5)


def test_layers_count_the_same(features: Features) -> None:
    louder = replace(features.layers[1], values=features.layers[1].values * 10)
    found = _components(replace(features, layers=(features.layers[0], louder)))
    np.testing.assert_allclose(np.abs(found.scores), np.abs(_components(features).scores), atol=2e-4)


def test_pictures_that_are_not_of_training_take_no_part(features: Features) -> None:
    changed = tuple(LayerFeatures(layer.name, layer.values.copy()) for layer in features.layers)
    for layer in changed:
        layer.values[OTHERS] = 7
    found, before = _components(replace(features, layers=changed)), _components(features)
    np.testing.assert_array_equal(found.scores[TRAINING], before.scores[TRAINING])
    assert np.abs(found.scores[OTHERS] - before.scores[OTHERS]).max() > 0.1


def test_fewer_dimensions_than_pictures_give_as_many_components(features: Features) -> None:
    narrow = replace(features, layers=features.layers[1:])
    assert _components(narrow).scores.shape == (50, 8)
    assert _components(narrow).explained.sum() == pytest.approx(1, abs=1e-5)


def test_a_fit_gives_them_if_asked(layered) -> None:
    problem = layered(np.ones((2, 3)))
    rows = np.flatnonzero(problem.index < 50)
    folds = replace(problem.folds, labels=problem.folds.labels[rows])
    given = (problem.features, problem.values[rows], problem.index[rows], folds, CPU)
    assert fit_encoder(*given).pictures is None
    found = fit_encoder(*given, n_components=4).pictures
    assert found is not None
    assert found.scores.shape == (60, 4)
    assert found.stimuli == problem.features.stimuli
    np.testing.assert_allclose(found.scores[:50].mean(axis=0), 0, atol=1e-5)
    assert found.layers == ("layer0", "layer1")


def test_a_cross_kernel_is_about_the_mean_of_its_second_pictures(monkeypatch) -> None:
    monkeypatch.setattr(kernels, "_UNITS_A_BLOCK", 7)
    X = np.random.default_rng(1).standard_normal((30, 50)).astype(np.float32) + 2
    images, others = np.arange(20), np.array([25, 21])
    centred = X.astype(np.float64) - X[images].mean(axis=0)
    before = X.copy()
    found = cross_kernel(X, others, images, CPU).numpy()
    np.testing.assert_allclose(found, centred[others] @ centred[images].T, atol=1e-4)
    np.testing.assert_array_equal(X, before)
