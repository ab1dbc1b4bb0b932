"""Weights in half precision, whole and as basis times coefficients, against float64; the file pair."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.covariance import ledoit_wolf_shrinkage

from bidsapp_synthfmri import Encoder
from bidsapp_synthfmri.encoding import VoxelChoices
from bidsapp_synthfmri.encoding.basis import shrinkage, truncate
from bidsapp_synthfmri.encoding.kernels import decompose, linear_kernel
from bidsapp_synthfmri.encoding.ridge import dual_weights
from bidsapp_synthfmri.encoding.storage import complete_card, encoder_bytes, read_encoder
from bidsapp_synthfmri.encoding.weights import PREDICTION_BOUND, layer_weights
from bidsapp_synthfmri.errors import InputMalformedError, InputMissingError, UsageError
from bidsapp_synthfmri.structures import Features, LayerFeatures, SurfaceSpace

CPU = torch.device("cpu")
N_TRAINING, N_NEW = 200, 150


def layer_of(n_units, rng):
    """Rectified activations with a spectrum that falls as 1 / rank, and a part of each unit's own."""
    n = N_TRAINING + N_NEW
    factors = rng.standard_normal((n, 60)) / np.arange(1, 61) ** 0.5
    shared = factors @ rng.standard_normal((60, n_units))
    return LayerFeatures(
        "layer", np.maximum(shared + 0.5 * rng.standard_normal((n, n_units)), 0).astype(np.float32)
    )


def dual_of(layer, n_voxels, rng, n_noise=20):
    """Dual ridge weights of voxels that share signal and noise, penalties from 1 to 1000 times trace / n."""
    index = np.arange(N_TRAINING)
    units = layer.values[:N_TRAINING].astype(np.float64)
    signal = (units - units.mean(axis=0)) @ rng.standard_normal((units.shape[1], 5))
    parts = np.hstack([signal / signal.std(axis=0), rng.standard_normal((N_TRAINING, n_noise))])
    Y = parts @ rng.standard_normal((parts.shape[1], n_voxels))
    decomposition = decompose(linear_kernel(layer.values, index, CPU), index)
    alpha = torch.from_numpy(10 ** rng.uniform(0, 3, n_voxels))
    dual = dual_weights(decomposition, torch.from_numpy(Y), alpha) / decomposition.scale
    return dual.numpy().astype(np.float32)


def store(layer, dual, **options):
    shown = np.full(N_TRAINING, 1 / N_TRAINING)
    return layer_weights(layer, np.arange(N_TRAINING), dual, shown, np.arange(dual.shape[1]), **options)


def exact(layer, dual):
    """(n, n_voxels) predictions of all images about the training mean, in float64."""
    units = layer.values.astype(np.float64)
    units -= units[:N_TRAINING].mean(axis=0)
    return units @ (units[:N_TRAINING].T @ dual.astype(np.float64))


def predicted(layer, weights, offset, space):
    encoder = Encoder((weights,), -offset.astype(np.float32), space(len(offset)), {})
    return encoder.predict_features(Features(tuple(map(str, range(len(layer.values)))), (layer,)))


def change(found, expected):
    """Root mean square change of each voxel's predictions of new images over their deviation."""
    new = slice(N_TRAINING, None)
    error = np.sqrt(np.mean((found[new] - expected[new]) ** 2, axis=0))
    return error / expected[new].std(axis=0)


def test_half_precision_keeps_the_predictions_of_a_wide_layer(space):
    rng = np.random.default_rng(0)
    layer = layer_of(50_000, rng)
    dual = dual_of(layer, 40, rng)
    weights, offset = store(layer, dual)
    assert weights.mixing is None
    assert weights.readout.values.dtype == np.float16
    # Rounding errors of 2^-12 at most are independent over units; the signal adds up over them.
    assert change(predicted(layer, weights, offset, space), exact(layer, dual)).max() < 2e-4
    assert 0 < weights.change < 2e-4


@pytest.mark.parametrize("n_units", [190, 600, 4000])
def test_a_basis_keeps_the_predictions_of_new_images(n_units, space):
    rng = np.random.default_rng(n_units)
    layer = layer_of(n_units, rng)
    dual = dual_of(layer, 800, rng)
    weights, offset = store(layer, dual, min_voxels=100)
    assert weights.rank is not None
    assert weights.change <= PREDICTION_BOUND
    found = change(predicted(layer, weights, offset, space), exact(layer, dual))
    # The bound is on the expectation over images; 150 of them scatter about it.
    assert np.median(found) < PREDICTION_BOUND
    assert found.max() < 1.5 * PREDICTION_BOUND


def test_a_basis_makes_the_file_smaller(space):
    rng = np.random.default_rng(1)
    layer = layer_of(2000, rng)
    dual = dual_of(layer, 1000, rng)
    basis, whole = (
        Encoder((store(layer, dual, min_voxels=n)[0],), np.zeros(1000, np.float32), space(1000), {})
        for n in (1000, 1001)
    )
    assert (basis.weights[0].rank, whole.weights[0].rank) != (None, None)
    assert whole.weights[0].mixing is None
    assert len(encoder_bytes(basis)) < 0.5 * len(encoder_bytes(whole))


def test_weights_stay_whole_where_a_basis_saves_nothing():
    rng = np.random.default_rng(2)
    layer = layer_of(150, rng)
    dual = dual_of(layer, 160, rng, n_noise=200)
    assert store(layer, dual, min_voxels=100)[0].mixing is None


def test_the_rank_is_the_least_that_meets_the_bound():
    rng = np.random.default_rng(3)
    layer = layer_of(300, rng)
    dual = dual_of(layer, 250, rng)
    shown = rng.integers(1, 4, N_TRAINING)
    shown = shown / shown.sum()
    units = layer.values[:N_TRAINING].astype(np.float64)
    units -= shown @ units
    parts = truncate(units @ units.T, dual, shown, 300, bound=1e-2)

    scatter = units.T @ (shown[:, None] * units)
    root = np.sqrt(shown)[:, None]
    g = shrinkage(root * (units @ units.T) * root.T, shown, 300)
    metric = np.linalg.cholesky((1 - g) * scatter + g * np.trace(scatter) / 300 * np.eye(300)).T
    W = metric @ units.T @ dual.astype(np.float64)
    sd = np.linalg.norm(W, axis=0)
    left, values, right = np.linalg.svd(W / sd, full_matrices=False)

    def worst(rank):
        return np.linalg.norm((left[:, rank:] * values[rank:]) @ right[rank:], axis=0).max()

    rank = parts.dual.shape[1]
    assert worst(rank) <= 1e-2 < worst(rank - 1)
    best = (left[:, :rank] * values[:rank]) @ right[:rank]
    kept = metric @ units.T @ parts.dual.astype(np.float64) @ parts.mixing / sd
    # Both factors are rounded to float32, 2^-24 each; their products add up over 200 images.
    np.testing.assert_allclose(kept, best, atol=1e-5)


def test_the_shrinkage_is_ledoit_and_wolfs():
    rng = np.random.default_rng(4)
    units = rng.standard_normal((80, 120)) * np.arange(1, 121) ** -0.5
    units -= units.mean(axis=0)
    expected = ledoit_wolf_shrinkage(units, assume_centered=True)
    shown = np.full(80, 1 / 80)
    assert shrinkage(units @ units.T / 80, shown, 120) == pytest.approx(expected, rel=1e-10)
    assert shrinkage(np.zeros((80, 80)), shown, 120) == 1


@pytest.mark.parametrize("min_voxels", [10, 1000])
@pytest.mark.parametrize("size", [1e-25, 1e-6, 1e6, 1e25])
def test_voxels_of_any_size_keep_their_predictions(size, min_voxels, space):
    rng = np.random.default_rng(5)
    layer = layer_of(400, rng)
    dual = dual_of(layer, 300, rng)
    sizes = np.where(np.arange(300) % 2, size, 1).astype(np.float32)
    weights, offset = store(layer, dual * sizes, min_voxels=min_voxels)
    assert (weights.mixing is None) == (min_voxels == 1000)
    found = predicted(layer, weights, offset, space)
    assert np.isfinite(found).all()
    assert change(found, exact(layer, dual * sizes)).max() < 1.5 * PREDICTION_BOUND


@pytest.mark.parametrize("min_voxels", [10, 1000])
def test_voxels_without_weights_predict_their_mean(min_voxels, space):
    rng = np.random.default_rng(6)
    layer = layer_of(400, rng)
    dual = dual_of(layer, 300, rng)
    dual[:, ::3] = 0
    weights, offset = store(layer, dual, min_voxels=min_voxels)
    found = predicted(layer, weights, offset, space)
    assert (found[:, ::3] == 0).all()
    assert (found[:, 1::3].std(axis=0) > 0).all()
    assert (weights.mixing is None) == (min_voxels == 1000)
    assert store(layer, dual * 0, min_voxels=min_voxels)[0].change == 0


def test_single_precision_is_kept_where_half_would_not_do(space):
    rng = np.random.default_rng(7)
    layer = layer_of(500, rng)
    dual = dual_of(layer, 30, rng)
    half, _ = store(layer, dual)
    # What float32 changes against float64 is below this bound, what float16 changes above it.
    single, offset = store(layer, dual, bound=1e-5)
    assert half.readout.values.dtype == np.float16
    assert half.change > 1e-5
    assert single.readout.values.dtype == np.float32
    assert change(predicted(layer, single, offset, space), exact(layer, dual)).max() < 1e-5


def test_brightness_that_no_voxel_follows_does_not_come_in_by_rounding(space):
    """A direction of 100 times the other features' size, to which the weights are orthogonal."""
    rng = np.random.default_rng(7)
    layer = layer_of(500, rng)
    brightness = 100 * rng.standard_normal((N_TRAINING + N_NEW, 1)) * (1 + rng.random(500))
    layer = LayerFeatures("layer", (layer.values + brightness).astype(np.float32))
    dual = dual_of(layer, 30, rng).astype(np.float64)
    shared = np.hstack([np.ones((N_TRAINING, 1)), brightness[:N_TRAINING, :1]])
    dual = (dual - shared @ np.linalg.lstsq(shared, dual)[0]).astype(np.float32)
    weights, offset = store(layer, dual)
    assert change(predicted(layer, weights, offset, space), exact(layer, dual)).max() < PREDICTION_BOUND


@pytest.fixture
def encoder(space, card, identity):
    """Two layers, the first as a basis, the second whole, with some voxels in both."""
    rng = np.random.default_rng(8)
    early, late = (replace_name(layer_of(n, rng), name) for n, name in ((300, "early"), (40, "late")))
    first, _ = store(early, dual_of(early, 200, rng), min_voxels=100)
    second, _ = store(late, dual_of(late, 30, rng))
    choices = VoxelChoices(
        layers=("early", "late"),
        layer=np.repeat([0, 1], [180, 20]),
        alpha=np.tile([0.1, 1.0], 100),
        cv_r=rng.random(200).astype(np.float32),
        cv_r2=np.append(rng.random(199), np.nan).astype(np.float32),
    )
    assert first.rank is not None
    assert second.rank is None
    intercept = rng.standard_normal(200).astype(np.float32)
    described = card(choices, space(200), identity)
    weights = (first, replace(second, voxels=np.arange(170, 200)))
    return Encoder(weights, intercept, space(200), described, None, choices)


def replace_name(layer, name):
    return LayerFeatures(name, layer.values)


@pytest.fixture
def path(encoder, tmp_path):
    path = tmp_path / "model.safetensors"
    encoder.save(path)
    return path


def edit_card(path, **changes):
    beside = path.with_suffix(".json")
    card = {**json.loads(beside.read_text()), **changes}
    beside.write_text(json.dumps({key: value for key, value in card.items() if value is not ...}))


def test_what_is_read_is_what_was_written(encoder, path):
    read = read_encoder(path)
    assert encoder_bytes(read) == encoder_bytes(encoder) == path.read_bytes()
    assert complete_card(read, path.read_bytes()) == json.loads(path.with_suffix(".json").read_text())
    for name in ("alpha", "layer", "cv_r", "cv_r2"):
        np.testing.assert_array_equal(getattr(read, name), getattr(encoder, name))
    rng = np.random.default_rng(9)
    units = [(layer.name, layer.n_units) for layer in encoder.weights]
    layers = tuple(LayerFeatures(n, rng.random((5, p)).astype(np.float32)) for n, p in units)
    features = Features(tuple("abcde"), layers)
    np.testing.assert_array_equal(read.predict_features(features), encoder.predict_features(features))


def test_an_encoder_on_surfaces_keeps_its_vertices(encoder, path):
    is_right, vertices = np.arange(200) >= 90, np.arange(200) * 3 % 101
    membership = np.zeros((0, 200), dtype=bool)
    surface = SurfaceSpace(vertices, is_right, (120, 110), (), membership, "fsaverage5")
    replace(encoder, voxels=surface).save(path)

    read = read_encoder(path)

    np.testing.assert_array_equal(read.voxels.vertices, vertices)
    np.testing.assert_array_equal(read.voxels.is_right, is_right)
    assert read.voxels.n_vertices == (120, 110)
    assert read.voxels.space == "fsaverage5"
    assert encoder_bytes(read) == path.read_bytes()


def test_saving_again_replaces_the_pair(encoder, path):
    other = replace(encoder, intercept=encoder.intercept + 1)
    other.save(path)
    np.testing.assert_array_equal(read_encoder(path).intercept, other.intercept)
    assert sorted(file.name for file in path.parent.iterdir()) == ["model.json", "model.safetensors"]


def test_arrays_of_another_save_than_the_card_are_refused(encoder, path):
    path.write_bytes(encoder_bytes(replace(encoder, intercept=encoder.intercept + 1)))
    with pytest.raises(InputMalformedError, match="does not match the hash"):
        read_encoder(path)


def test_a_card_that_could_not_be_read_again_is_not_saved(encoder, tmp_path):
    card = {key: value for key, value in encoder.card.items() if key != "folds"}
    with pytest.raises(UsageError, match=r"lacks folds.*encoding\.model_card"):
        replace(encoder, card=card).save(tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_is_refused(path):
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputMalformedError, match="does not match the hash"):
        read_encoder(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sha256": None}, "does not match the hash"),
        ({"backbone": ...}, "lacks backbone"),
        ({"data": {"n_trials": 3}}, r"lacks data\.dataset, data\.doi, data\.n_stimuli, data\.stimuli"),
        ({"format_version": ...}, "no format_version"),
        ({"format_version": "2"}, "no format_version"),
    ],
)
def test_a_foreign_card_is_refused(path, changes, message):
    edit_card(path, **changes)
    with pytest.raises(InputMalformedError, match=message):
        read_encoder(path)


@pytest.mark.parametrize(
    ("version", "remedy"),
    [(99, r"Update synthfmri to 9\.1 or newer"), (1, r"or read it with synthfmri 9\.1")],
)
def test_another_version_names_the_program_that_wrote_it(path, version, remedy):
    edit_card(path, format_version=version, software={"bidsapp_synthfmri": "9.1"})
    with pytest.raises(InputMalformedError, match=rf"encoder format {version}.*synthfmri 9\.1.*{remedy}"):
        read_encoder(path)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null"])
def test_a_card_that_is_no_card_is_refused(path, text):
    path.with_suffix(".json").write_text(text)
    with pytest.raises(InputMalformedError, match=r"model\.json"):
        read_encoder(path)


def test_missing_files_are_named(path):
    path.with_suffix(".json").unlink()
    with pytest.raises(InputMissingError, match=r"model\.json is not there"):
        read_encoder(path)


def test_the_card_instead_of_the_arrays_is_refused(path, encoder):
    for act in (read_encoder, encoder.save):
        with pytest.raises(UsageError, match=r"model\.json is no \.safetensors file"):
            act(path.with_suffix(".json"))
