"""The encoder: primal equals dual, layers by voxel, its file, and prediction from pictures."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from bidsapp_synthfmri import Encoder
from bidsapp_synthfmri.encoding.fit import fit_encoder
from bidsapp_synthfmri.encoding.folds import Folds
from bidsapp_synthfmri.encoding.kernels import decompose, linear_kernel
from bidsapp_synthfmri.encoding.ridge import dual_weights
from bidsapp_synthfmri.encoding.storage import complete_card, encoder_bytes, read_encoder
from bidsapp_synthfmri.errors import InputMalformedError, InputMissingError, WeightsError
from bidsapp_synthfmri.features.backbones import load_backbone
from bidsapp_synthfmri.features.extraction import extract
from bidsapp_synthfmri.structures import Features, LayerFeatures, SurfaceSpace, VoxelSpace

CPU = torch.device("cpu")
N_IMAGES, N_VOXELS = 60, 8


@pytest.fixture
def features():
    rng = np.random.default_rng(0)
    layers = tuple(
        LayerFeatures(name, (rng.standard_normal((N_IMAGES, units)) * scale + 1).astype(np.float32))
        for name, units, scale in (("early", 30, 5.0), ("late", 12, 0.1))
    )
    return Features(tuple(f"s{i}" for i in range(N_IMAGES)), layers)


@pytest.fixture
def trained(features):
    """Even voxels follow the early layer, odd ones the late; images 50-59 are never shown."""
    rng = np.random.default_rng(1)
    index = np.concatenate([np.arange(50), np.arange(20)])
    Y = np.empty((len(index), N_VOXELS), dtype=np.float32)
    for voxel in range(N_VOXELS):
        units = features.layers[voxel % 2].values
        signal = (units - units.mean(axis=0)) @ rng.standard_normal(units.shape[1])
        Y[:, voxel] = (signal / signal.std())[index] + rng.standard_normal(len(index)) * 0.4 + voxel
    folds = Folds(np.arange(50)[index] % 5, "five folds")
    return index, Y, folds, fit_encoder(features, Y, index, folds, CPU)


def space() -> VoxelSpace:
    ijk = np.array([[i, 0, 1] for i in range(N_VOXELS)])
    member = np.tile([True, False], (2, N_VOXELS // 2))
    return VoxelSpace(ijk, np.diag([2.0, 2, 2, 1]), (N_VOXELS, 1, 2), ("LHPPA", "RHPPA"), member, "T1w")


def test_each_voxel_gets_the_layer_that_drives_it(trained):
    fit = trained[-1]
    assert fit.best_layer.tolist() == [0, 1] * (N_VOXELS // 2)
    assert (fit.cv_r2[0, ::2] > fit.cv_r2[1, ::2]).all()
    assert [layer.voxels.tolist() for layer in fit.weights] == [[0, 2, 4, 6], [1, 3, 5, 7]]


def test_primal_prediction_equals_the_dual_one(features, trained):
    index, Y, _, fit = trained
    predicted = Encoder(fit.weights, fit.intercept, space(), {}).predict_features(features)
    for layer_number, layer in enumerate(features.layers):
        voxels = np.flatnonzero(fit.best_layer == layer_number)
        decomposition = decompose(linear_kernel(layer.values, np.arange(50), CPU), index)
        alpha = torch.from_numpy(fit.alpha[layer_number, voxels])
        c = dual_weights(decomposition, torch.from_numpy(Y[:, voxels]).double(), alpha).numpy()
        shown = layer.values[index].astype(np.float64)
        centred = layer.values - shown.mean(axis=0)
        expected = centred @ ((shown - shown.mean(axis=0)).T @ c) / decomposition.scale + Y[:, voxels].mean(0)
        # Half precision keeps 11 bits of each weight; over 30 units the errors average to about 2e-3.
        np.testing.assert_allclose(predicted[:, voxels], expected, atol=1e-2)


def test_out_of_fold_predictions_do_not_know_their_trials(features, trained):
    index, Y, folds, fit = trained
    spoilt = Y.copy()
    rows = folds.rows()[0]
    spoilt[rows] += np.random.default_rng(2).standard_normal((len(rows), N_VOXELS)).astype(np.float32) * 50
    again = fit_encoder(features, spoilt, index, folds, CPU, alphas=(float(fit.alpha[0, 0]),))
    before = fit_encoder(features, Y, index, folds, CPU, alphas=(float(fit.alpha[0, 0]),))
    same_layer = again.best_layer == before.best_layer
    assert same_layer.any()
    held_out = np.isin(before.training_rows, index[rows])
    np.testing.assert_allclose(
        again.out_of_fold[np.ix_(held_out, same_layer)],
        before.out_of_fold[np.ix_(held_out, same_layer)],
        atol=1e-4,
    )
    assert not np.allclose(again.out_of_fold[~held_out], before.out_of_fold[~held_out], atol=0.1)


def test_unseen_images_are_predicted_and_shuffled_stimuli_are_not(features, trained):
    index, Y, folds, fit = trained
    encoder = Encoder(fit.weights, fit.intercept, space(), {})
    rng = np.random.default_rng(1)
    shuffled = fit_encoder(features, Y, rng.permutation(50)[index], folds, CPU)
    assert fit.cv_r[fit.best_layer, np.arange(N_VOXELS)].min() > 0.6
    assert shuffled.cv_r[shuffled.best_layer, np.arange(N_VOXELS)].mean() < 0.3
    assert encoder.predict_features(features.take(np.arange(50, 60))).std(axis=0).min() > 0


@pytest.fixture
def pictures():
    rng = np.random.default_rng(3)
    return [
        Image.fromarray(rng.integers(0, 255, (80 + i, 100, 3), dtype=np.uint8)).resize((240, 230))
        for i in range(12)
    ]


@pytest.fixture
def on_disk(tmp_path, pictures):
    """An encoder of random SqueezeNet features, written as the app writes it."""
    backbone = load_backbone("squeezenet1_1", "random", ["features.3", "features.12"], 7, CPU)
    batches = list(extract(backbone, pictures))
    layers = tuple(
        LayerFeatures(name, np.concatenate([batch[number] for batch in batches]))
        for number, name in enumerate(backbone.layers)
    )
    shown = Features(tuple(map(str, range(len(pictures)))), layers)
    rng = np.random.default_rng(4)
    Y = rng.standard_normal((len(pictures), N_VOXELS)).astype(np.float32)
    fit = fit_encoder(shown, Y, np.arange(len(pictures)), Folds(np.arange(len(pictures)) % 3, "3"), CPU)
    encoder = Encoder(
        fit.weights, fit.intercept, space(), {"backbone": backbone.identity(), "unit": "z"}, backbone
    )
    path = tmp_path / "sub-01_task-images_desc-encoder_model.safetensors"
    data = encoder_bytes(encoder)
    path.write_bytes(data)
    path.with_suffix(".json").write_text(json.dumps(complete_card(encoder, data)))
    return path, encoder, shown


def test_predict_from_pictures_equals_predict_from_features(on_disk, pictures):
    _, encoder, shown = on_disk
    np.testing.assert_allclose(encoder.predict(pictures), encoder.predict_features(shown), atol=1e-5)
    # Which images share a batch moves float32 rounding only.
    np.testing.assert_allclose(
        encoder.predict(pictures, batch_size=5), encoder.predict_features(shown), atol=1e-3
    )


def test_load_predicts_the_same_without_the_dataset(on_disk, pictures):
    path, encoder, _ = on_disk
    loaded = Encoder.load(path)
    np.testing.assert_array_equal(loaded.predict(pictures), encoder.predict(pictures))
    assert loaded.voxels.roi_names == ("LHPPA", "RHPPA")
    np.testing.assert_array_equal(loaded.voxels.membership, encoder.voxels.membership)
    assert Encoder.load(str(path)).predict([]).shape == (0, N_VOXELS)


def test_the_same_encoder_gives_the_same_bytes(on_disk):
    path, encoder, _ = on_disk
    assert encoder_bytes(encoder) == path.read_bytes()
    assert encoder_bytes(read_encoder(path)) == path.read_bytes()


def test_a_damaged_file_is_refused(on_disk):
    path, *_ = on_disk
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputMalformedError, match="does not match the hash"):
        Encoder.load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 99}, "encoder format 99"),
        ({"sha256": None}, "does not match the hash"),
        ({"backbone": ...}, "not an encoder's model card"),
    ],
)
def test_a_foreign_card_is_refused(on_disk, change, message):
    path, *_ = on_disk
    card = json.loads(path.with_suffix(".json").read_text())
    for key, value in change.items():
        if value is ...:
            del card[key]
        else:
            card[key] = value
    path.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(InputMalformedError, match=message):
        Encoder.load(path)


def test_missing_files_are_named(on_disk):
    path, *_ = on_disk
    path.with_suffix(".json").unlink()
    with pytest.raises(InputMissingError, match=r"model\.json is not there"):
        Encoder.load(path)


def test_other_network_weights_are_refused(on_disk):
    path, *_ = on_disk
    card = json.loads(path.with_suffix(".json").read_text())
    card["backbone"]["seed"] = 8
    path.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(WeightsError, match="hash"):
        Encoder.load(path)


def test_an_encoder_on_surfaces_keeps_its_vertices(on_disk, pictures):
    path, encoder, _ = on_disk
    is_right = np.arange(N_VOXELS) >= N_VOXELS // 2
    vertices = np.arange(N_VOXELS) * 3 % 10
    surface = SurfaceSpace(
        vertices, is_right, (12, 11), (), np.zeros((0, N_VOXELS), dtype=bool), "fsaverage5"
    )
    on_surface = Encoder(encoder.weights, encoder.intercept, surface, encoder.card, encoder.backbone)
    data = encoder_bytes(on_surface)
    path.write_bytes(data)
    path.with_suffix(".json").write_text(json.dumps(complete_card(on_surface, data)))

    loaded = Encoder.load(path)

    np.testing.assert_array_equal(loaded.predict(pictures), encoder.predict(pictures))
    np.testing.assert_array_equal(loaded.voxels.vertices, vertices)
    np.testing.assert_array_equal(loaded.voxels.is_right, is_right)
    assert loaded.voxels.n_vertices == (12, 11)
    assert loaded.voxels.space == "fsaverage5"
    assert len(loaded.voxels) == N_VOXELS
    assert encoder_bytes(loaded) == data
