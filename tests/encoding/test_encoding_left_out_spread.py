"""How widely predictions of unseen images vary: refits that leave out each stimulus, and new images."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from bidsapp_synthfmri.encoding import Encoder, Folds, fit_encoder
from bidsapp_synthfmri.encoding.kernels import decompose, linear_kernel
from bidsapp_synthfmri.encoding.left_out_spread import Diagonals, Kernel, unseen_sd
from bidsapp_synthfmri.encoding.ridge import dual_weights
from bidsapp_synthfmri.structures import Features, LayerFeatures

CPU = torch.device("cpu")
ALPHAS = np.array([0.1, 3.0, 3.0, 100.0])


def left_out(units, index, y, alpha):
    """(n_stimuli,) predictions of each stimulus by a ridge without it, about the mean of the others."""
    deviations = []
    for stimulus in range(len(units)):
        others = index != stimulus
        ridge = Ridge(alpha).fit(units[index[others]], y[others])
        deviations.append(ridge.predict(units[stimulus][None])[0] - y[others].mean())
    return np.array(deviations)


@pytest.mark.parametrize("n_alphas", [1, 20])
@pytest.mark.parametrize("repeated", [False, True])
def test_it_is_that_of_refits_without_each_stimulus(n_alphas, repeated):
    """Both routes to a resolvent; stimuli shown once, twice and four times."""
    rng = np.random.default_rng(1)
    units = (rng.standard_normal((40, 25)) + 1).astype(np.float32)
    more = np.concatenate([np.arange(0, 40, 3), np.repeat(np.arange(0, 40, 9), 2)]) if repeated else []
    index = rng.permutation(np.concatenate([np.arange(40), np.array(more, dtype=int)]))
    values = (units @ rng.standard_normal((25, 4)) + 3 * rng.standard_normal((40, 4)))[index].astype(
        np.float32
    )
    values += rng.standard_normal(values.shape).astype(np.float32)
    decomposition = decompose(linear_kernel(units, np.arange(40), CPU), index, torch.float64, n_alphas)
    dual = dual_weights(decomposition, torch.from_numpy(values).double(), torch.from_numpy(ALPHAS)).numpy()
    penalty = ALPHAS * decomposition.scale
    weight = np.array([1.0, 1.0, 0.0, 0.4])
    kernel = Kernel(Diagonals.of(decomposition, ALPHAS), dual / decomposition.scale, penalty, weight)
    found = unseen_sd([kernel, kernel], values, index)
    for voxel in range(4):
        alone = left_out(units.astype(np.float64), index, values[:, voxel].astype(np.float64), penalty[voxel])
        assert found[voxel] == pytest.approx(2 * weight[voxel] * alone.std(ddof=1), rel=1e-5)


@pytest.mark.parametrize("selection", ["voxel", "roi", "stacking", "banded"])
def test_it_is_that_of_predictions_of_new_images(selection, space):
    """However the layers were chosen, and though three folds leave out a third of the trials."""
    rng = np.random.default_rng(2)
    n_training, n_new, n_voxels = 300, 1500, 60
    n = n_training + n_new
    shared = rng.standard_normal((2, n, 40)) / np.arange(1, 41) ** 0.5
    units = np.maximum(shared @ rng.standard_normal((2, 40, 200)) + rng.standard_normal((2, n, 200)), 0)
    layers = tuple(LayerFeatures(f"layer{i}", own.astype(np.float32)) for i, own in enumerate(units))
    features = Features(tuple(map(str, range(n))), layers)
    signal = np.hstack([own @ rng.standard_normal((200, n_voxels // 2)) for own in units])
    values = signal[:n_training] / signal.std(axis=0) + 1.5 * rng.standard_normal((n_training, n_voxels))
    fit = fit_encoder(
        features,
        values.astype(np.float32),
        np.arange(n_training),
        Folds(np.arange(n_training) % 3, "3 folds"),
        CPU,
        selection=selection,
        rng=rng,
        n_draws=4,
    )
    encoder = Encoder.of_fit(fit, space(n_voxels), {})
    new = encoder.predict_features(features.take(np.arange(n_training, n))).std(axis=0)
    # Over 300 stimuli that all voxels share, a standard deviation is known to 4%.
    assert np.median(fit.unseen_sd / new) == pytest.approx(1, abs=0.04)


def test_a_constant_voxel_is_predicted_as_constant(layered):
    problem = layered(np.ones((1, 3)))
    values = problem.values.copy()
    values[:, 1] = 4
    fit = fit_encoder(problem.features, values, problem.index, problem.folds, CPU)
    assert fit.unseen_sd[1] == 0
    assert (fit.unseen_sd[[0, 2]] > 0.1).all()
