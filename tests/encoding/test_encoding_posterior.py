"""The posterior variance of ridge: a dense Gaussian process, true weights of the prior, its file."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import DotProduct

from bidsapp_synthfmri.encoding import Encoder, EncoderFit, Folds, fit_encoder
from bidsapp_synthfmri.encoding.kernels import decompose, linear_kernel
from bidsapp_synthfmri.encoding.left_out_spread import Diagonals, Kernel
from bidsapp_synthfmri.encoding.posterior import Posterior
from bidsapp_synthfmri.encoding.posterior_fit import OVERESTIMATE_BOUND, fit_posterior
from bidsapp_synthfmri.encoding.selection import Selected
from bidsapp_synthfmri.encoding.training import PenaltySearch, TrainingSet, layer_kernels
from bidsapp_synthfmri.errors import UsageError
from bidsapp_synthfmri.structures import Features, LayerFeatures, RoiSet

CPU = torch.device("cpu")
N_TRAINING, N_NEW, N_UNITS = 400, 200, 500


def features_of(rng, n_layers=1):
    """Rectified activations whose spectrum falls, of training and new images."""
    n = N_TRAINING + N_NEW
    layers = []
    for number in range(n_layers):
        shared = rng.standard_normal((n, 60)) / np.arange(1, 61) ** 0.5 @ rng.standard_normal((60, N_UNITS))
        units = np.maximum(shared + rng.standard_normal((n, N_UNITS)), 0)
        layers.append(LayerFeatures(f"layer{number}", (units * 10.0**number).astype(np.float32)))
    return Features(tuple(f"s{image}" for image in range(n)), tuple(layers))


def signal_of_prior(units, scale, n_voxels, rng):
    """(n_images, n_voxels) linear in the units about the training mean, of mean prior variance 1."""
    about = units.astype(np.float64) - units[:N_TRAINING].mean(axis=0)
    return about @ rng.standard_normal((units.shape[1], n_voxels)) / np.sqrt(scale)


def scale_of(units, index):
    """The trial kernel's mean eigenvalue."""
    trials = units[index].astype(np.float64)
    return ((trials - trials.mean(axis=0)) ** 2).sum() / len(index)


@pytest.fixture(scope="module")
def features():
    return features_of(np.random.default_rng(1))


@pytest.fixture(scope="module")
def index():
    """Every stimulus once, a fifth of them three times more."""
    return np.concatenate([np.arange(N_TRAINING), np.repeat(np.arange(0, N_TRAINING, 5), 3)])


def given(features, index, values, alpha):
    """A fit of one layer whose penalties are given, and its training set."""
    rows = np.arange(N_TRAINING)
    layers = tuple(LayerFeatures(layer.name, layer.values) for layer in features.layers)
    training = TrainingSet(
        layers=tuple(layer.name for layer in layers),
        kernels=layer_kernels(layers, rows, CPU),
        index=index,
        values=values,
        folds=Folds(np.arange(len(index)) % 5, "5 folds"),
        penalties=PenaltySearch((1.0,), "exact", CPU, torch.float64, 64),
    )
    units = layers[0].values[index].astype(np.float64)
    about = units - units.mean(axis=0)
    kernel, scale = about @ about.T, scale_of(layers[0].values, index)
    y = values.astype(np.float64) - values.mean(axis=0, dtype=np.float64)
    dual = np.column_stack(
        [np.linalg.solve(kernel + a * scale * np.eye(len(index)), y[:, v]) for v, a in enumerate(alpha)]
    )
    n_voxels = values.shape[1]
    decomposition = decompose(linear_kernel(layers[0].values, rows, CPU), index, torch.float64)
    diagonals, penalty = Diagonals.of(decomposition, alpha), alpha * decomposition.scale
    found = Selected(
        layer_weights=np.ones((1, n_voxels), np.float32),
        alpha=np.asarray(alpha)[None],
        factor=np.ones((1, n_voxels), np.float32),
        dual=dual[None].astype(np.float32),
        edges=(),
        cv_r=np.zeros((1, n_voxels), np.float32),
        cv_r2=np.zeros((1, n_voxels), np.float32),
        out_of_fold=np.zeros_like(values),
        kernels=(Kernel(diagonals, dual.astype(np.float32), penalty, np.ones(n_voxels)),),
    )
    return training, found


def test_it_is_that_of_a_dense_gaussian_process(features, index):
    """scikit-learn's regressor in float64, the intercept's prior next to flat, at each voxel's s^2 and a."""
    rng = np.random.default_rng(2)
    alpha = np.array([0.1, 1.0, 30.0])
    units = features.layers[0].values
    signal = signal_of_prior(units, scale_of(units, index), 3, rng)
    values = (signal[index] + rng.standard_normal((len(index), 3)) + 4).astype(np.float32)
    training, found = given(features, index, values, alpha)
    posterior = fit_posterior(features, np.arange(N_TRAINING), training, found, bound=1e-9)
    new = units[N_TRAINING:]
    ours = posterior.variance({"layer0": new}, CPU)
    trials = units[index].astype(np.float64)
    scale, mean, flat = scale_of(units, index), trials.mean(axis=0), 1e4
    X, new = (trials - mean) / np.sqrt(scale), (new - mean) / np.sqrt(scale)
    for voxel, a in enumerate(alpha):
        process = GaussianProcessRegressor(DotProduct(flat, "fixed"), alpha=a, optimizer=None)
        y = values[:, voxel].astype(np.float64)
        process.fit(X, y - y.mean())
        _, covariance = process.predict(new, return_cov=True)
        # y'Gy with the intercept out: the flat prior leaves it in the orthogonal space alone.
        s2 = (y - y.mean()) @ process.alpha_ / (len(y) - 1)
        # Kernels in float32 and directions in half: 1e-3 of a variance; the intercept's 1 / flat^2 less.
        np.testing.assert_allclose(ours[:, voxel], s2 * covariance.diagonal(), rtol=2e-3)


def test_directions_left_out_enlarge_it_within_the_bound(features, index):
    rng = np.random.default_rng(3)
    units = features.layers[0].values
    signal = signal_of_prior(units, scale_of(units, index), 4, rng)
    values = (signal[index] + rng.standard_normal((len(index), 4))).astype(np.float32)
    training, found = given(features, index, values, np.array([3.0, 10.0, 30.0, 100.0]))
    rows = np.arange(N_TRAINING)
    whole = fit_posterior(features, rows, training, found, bound=1e-9)
    for bound in (OVERESTIMATE_BOUND, 0.2):
        less = fit_posterior(features, rows, training, found, bound=bound)
        assert len(less.layers[0].eigenvalues) < len(whole.layers[0].eigenvalues)
        assert less.overestimate <= bound
        # What new images vary by is estimated (Ledoit & Wolf), a little too low where least is known.
        larger, exact = (part.variance({"layer0": units[N_TRAINING:]}, CPU) for part in (less, whole))
        assert (larger / exact).min() > 1 - 1e-4
        assert (larger.mean(axis=0) / exact.mean(axis=0)).max() <= 1 + 1.5 * bound


@dataclass(frozen=True)
class Truth:
    features: Features
    signal: np.ndarray
    values: np.ndarray
    fit: EncoderFit

    @property
    def new(self) -> Features:
        return self.features.take(np.arange(N_TRAINING, N_TRAINING + N_NEW))


@pytest.fixture(scope="module")
def truth():
    """Voxels whose weights come from the prior of one of two layers, under little noise and much."""
    rng = np.random.default_rng(4)
    features = features_of(rng, n_layers=2)
    index = np.concatenate([np.arange(N_TRAINING), np.arange(0, N_TRAINING, 3)])
    by_layer = [
        signal_of_prior(layer.values, scale_of(layer.values, index), 200, rng) for layer in features.layers
    ]
    signal = np.hstack(by_layer) * rng.uniform(0.5, 2, 400) + rng.standard_normal(400)
    noise = signal.std(axis=0) * np.exp(rng.uniform(-1, 1, 400))
    values = (signal[index] + noise * rng.standard_normal((len(index), 400))).astype(np.float32)
    fit = fit_encoder(features, values, index, Folds(index % 10, "10 folds"), CPU, uncertainty=True)
    return Truth(features, signal, values, fit)


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_intervals_hold_as_much_of_the_true_signal_as_they_say(truth, space, level):
    encoder = Encoder.of_fit(truth.fit, space(400), {})
    error = encoder.predict_features(truth.new) - truth.signal[N_TRAINING:]
    sd = np.sqrt(encoder.variance_of_features(truth.new))
    held = (np.abs(error) < norm.ppf(0.5 + level / 2) * sd).mean()
    # The level holds for given penalties; chosen ones, wrong by a factor of 1.6 or so, cost less than .01.
    assert held == pytest.approx(level, abs=0.02)


def test_it_grows_where_less_is_known(truth, space):
    """Less of the prior is left near training images than far from them; noise leaves more."""
    encoder = Encoder.of_fit(truth.fit, space(400), {})
    far = Features(
        truth.new.stimuli, tuple(LayerFeatures(layer.name, 3 * layer.values) for layer in truth.new.layers)
    )
    variance = encoder.variance_of_features(truth.new)
    known = encoder.variance_of_features(truth.features.take(np.arange(N_TRAINING)))
    assert (encoder.variance_of_features(far) > variance).all()
    assert (known.mean(axis=0) < variance.mean(axis=0)).all()


def test_what_new_images_have_on_average_is_foreseen(truth, space):
    encoder = Encoder.of_fit(truth.fit, space(400), {})
    mean = encoder.variance_of_features(truth.new).mean(axis=0)
    # Over 400 stimuli and 200 new images.
    np.testing.assert_allclose(truth.fit.posterior.typical_variance, mean, rtol=0.1)


def test_a_voxel_that_does_not_vary_is_certain(space):
    rng = np.random.default_rng(5)
    features = features_of(rng)
    values = rng.standard_normal((N_TRAINING, 3)).astype(np.float32)
    values[:, 1] = 0.25
    index = np.arange(N_TRAINING)
    fit = fit_encoder(features, values, index, Folds(index % 4, "4 folds"), CPU, uncertainty=True)
    variance = Encoder.of_fit(fit, space(3), {}).variance_of_features(features)
    assert (variance[:, 1] == 0).all()
    assert (variance[:, [0, 2]] > 0).all()


def test_a_layer_for_a_region_serves_as_well(truth, space):
    """Voxels that got the same layer and penalty by themselves have the same variance."""
    index = np.concatenate([np.arange(N_TRAINING), np.arange(0, N_TRAINING, 3)])
    halves = [RoiSet(name, np.arange(400) // 200 == number) for number, name in enumerate(("A", "B"))]
    folds = Folds(index % 10, "10 folds")
    fit = fit_encoder(
        truth.features, truth.values, index, folds, CPU, selection="roi", rois=halves, uncertainty=True
    )
    assert fit.best_layer.tolist() == 200 * [0] + 200 * [1]
    same = (truth.fit.best_layer == fit.best_layer) & (
        np.nanmax(truth.fit.alpha, axis=0) == np.nanmax(fit.alpha, axis=0)
    )
    assert same.sum() > 300
    ours, theirs = (
        Encoder.of_fit(made, space(400), {}).variance_of_features(truth.new) for made in (fit, truth.fit)
    )
    # Other penalties in use may cut the directions elsewhere, each within its bound.
    np.testing.assert_allclose(ours[:, same], theirs[:, same], rtol=3 * OVERESTIMATE_BOUND)


def test_voxels_in_several_layers_are_refused(truth):
    rows = np.arange(N_TRAINING)
    index = np.concatenate([rows, np.arange(0, N_TRAINING, 3)])
    with pytest.raises(ValueError, match="one layer a voxel"):
        fit_encoder(
            truth.features,
            truth.values,
            index,
            Folds(index % 2, "2 folds"),
            CPU,
            selection="stacking",
            uncertainty=True,
        )


def test_what_is_stored_is_what_was_fitted(truth):
    posterior = truth.fit.posterior
    read = Posterior.from_arrays(posterior.to_arrays())
    units = {layer.name: layer.values for layer in truth.new.layers}
    np.testing.assert_array_equal(read.variance(units, CPU), posterior.variance(units, CPU))
    assert read.summary == posterior.summary
    assert all(layer.basis.values.dtype == np.float16 for layer in read.layers)


def test_an_encoder_fitted_without_it_says_so(truth, space):
    encoder = replace(Encoder.of_fit(truth.fit, space(400), {}), posterior=None)
    with pytest.raises(UsageError, match=r"without its uncertainty.*--uncertainty"):
        encoder.variance_of_features(truth.new)
