"""The encoder: primal equals dual, layers by voxel, its file, and prediction from pictures."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bidsapp_synthfmri import Encoder
from bidsapp_synthfmri.encoding import VoxelChoices
from bidsapp_synthfmri.encoding.fit import fit_encoder
from bidsapp_synthfmri.encoding.folds import Folds
from bidsapp_synthfmri.encoding.kernels import decompose, linear_kernel
from bidsapp_synthfmri.encoding.ridge import DEFAULT_ALPHAS, dual_weights
from bidsapp_synthfmri.encoding.storage import read_encoder
from bidsapp_synthfmri.errors import InputMalformedError, UsageError, WeightsError
from bidsapp_synthfmri.features.backbones import load_backbone
from bidsapp_synthfmri.features.extraction import extract
from bidsapp_synthfmri.structures import Features, LayerFeatures

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


def test_each_voxel_gets_the_layer_that_drives_it(trained):
    fit = trained[-1]
    assert fit.best_layer.tolist() == [0, 1] * (N_VOXELS // 2)
    assert (fit.cv_r2[0, ::2] > fit.cv_r2[1, ::2]).all()
    assert [layer.voxels.tolist() for layer in fit.weights] == [[0, 2, 4, 6], [1, 3, 5, 7]]


def test_primal_prediction_equals_the_dual_one(features, trained, space):
    index, Y, _, fit = trained
    predicted = Encoder(fit.weights, fit.intercept, space(N_VOXELS), {}).predict_features(features)
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


def test_unseen_images_are_predicted_and_shuffled_stimuli_are_not(features, trained, space):
    index, Y, folds, fit = trained
    encoder = Encoder(fit.weights, fit.intercept, space(N_VOXELS), {})
    rng = np.random.default_rng(1)
    shuffled = fit_encoder(features, Y, rng.permutation(50)[index], folds, CPU)
    assert fit.cv_r[fit.best_layer, np.arange(N_VOXELS)].min() > 0.6
    assert shuffled.cv_r[shuffled.best_layer, np.arange(N_VOXELS)].mean() < 0.3
    assert encoder.predict_features(features.take(np.arange(50, 60))).std(axis=0).min() > 0


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(3)
    return [
        Image.fromarray(rng.integers(0, 255, (80 + i, 100, 3), dtype=np.uint8)).resize((240, 230))
        for i in range(12)
    ]


@pytest.fixture(scope="module")
def made(pictures, space, card):
    """An encoder of random SqueezeNet features, and those."""
    backbone = load_backbone("squeezenet1_1", "random", ["features.3", "features.12"], 7, CPU)
    batches = list(extract(backbone, pictures))
    layers = tuple(
        LayerFeatures(name, np.concatenate([batch[number] for batch in batches]))
        for number, name in enumerate(backbone.layers)
    )
    shown = Features(tuple(map(str, range(len(pictures)))), layers)
    rng = np.random.default_rng(4)
    Y = rng.standard_normal((len(pictures), N_VOXELS)).astype(np.float32)
    folds = Folds(np.arange(len(pictures)) % 3, "3")
    fit = fit_encoder(shown, Y, np.arange(len(pictures)), folds, CPU)
    described = card(VoxelChoices.of_fit(fit), space(N_VOXELS), backbone.identity())
    encoder = Encoder.of_fit(fit, space(N_VOXELS), described, backbone)
    return encoder, shown


@pytest.fixture
def on_disk(tmp_path, made):
    """The encoder, saved."""
    encoder, shown = made
    path = tmp_path / "sub-01_task-images_desc-encoder_model.safetensors"
    encoder.save(path)
    return path, encoder, shown


def test_predict_from_pictures_equals_predict_from_features(on_disk, pictures):
    _, encoder, shown = on_disk
    np.testing.assert_allclose(encoder.predict(pictures), encoder.predict_features(shown), atol=1e-5)
    # Which images share a batch moves float32 rounding only.
    np.testing.assert_allclose(
        encoder.predict(pictures, batch_size=5), encoder.predict_features(shown), atol=1e-3
    )


def test_predictions_come_in_the_order_of_the_pictures(on_disk, pictures):
    _, encoder, _ = on_disk
    order = np.random.default_rng(5).permutation(len(pictures))
    forward = encoder.predict(pictures)
    shuffled = encoder.predict([pictures[number] for number in order])
    # Rows move within a batch, which moves float32 rounding only; pictures differ by far more.
    np.testing.assert_allclose(shuffled, forward[order], atol=1e-3)
    assert np.abs(np.diff(forward, axis=0)).max() > 0.1


def test_batches_are_the_whole_in_parts(on_disk, pictures):
    _, encoder, _ = on_disk
    batches = list(encoder.predict_batches(pictures, 5))
    assert [len(batch) for batch in batches] == [5, 5, 2]
    np.testing.assert_array_equal(np.concatenate(batches), encoder.predict(pictures, 5))


def test_load_predicts_the_same_without_the_dataset(on_disk, pictures):
    path, encoder, _ = on_disk
    loaded = Encoder.load(path)
    np.testing.assert_array_equal(loaded.predict(pictures), encoder.predict(pictures))
    assert loaded.voxels.roi_names == ("LHPPA", "RHPPA")
    np.testing.assert_array_equal(loaded.voxels.membership, encoder.voxels.membership)
    assert Encoder.load(str(path)).predict([]).shape == (0, N_VOXELS)


def test_a_copied_pair_predicts_in_a_fresh_process(on_disk, pictures, tmp_path):
    path, encoder, _ = on_disk
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for file in (path, path.with_suffix(".json")):
        shutil.move(file, elsewhere / file.name)
    np.save(elsewhere / "pictures.npy", np.stack([np.asarray(picture) for picture in pictures]))
    program = (
        "import numpy, sys, bidsapp_synthfmri; "
        "encoder = bidsapp_synthfmri.Encoder.load(sys.argv[1]); "
        "numpy.save('predicted.npy', encoder.predict(list(numpy.load('pictures.npy'))))"
    )
    subprocess.run([sys.executable, "-c", program, path.name], cwd=elsewhere, check=True)
    # Another process may use another number of threads, which moves float32 rounding only.
    np.testing.assert_allclose(
        np.load(elsewhere / "predicted.npy"), encoder.predict(pictures), rtol=1e-4, atol=1e-4
    )


def test_what_each_voxel_chose_is_stored(on_disk):
    path, encoder, _ = on_disk
    loaded = Encoder.load(path)
    for name in ("alpha", "layer", "cv_r", "cv_r2"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(encoder, name))
        assert getattr(loaded, name).shape == (N_VOXELS,)
    assert set(loaded.layer) <= {"features.3", "features.12"}
    assert set(loaded.alpha) <= set(DEFAULT_ALPHAS)
    for layer in loaded.weights:
        assert (loaded.layer[layer.voxels] == layer.name).all()


def test_choices_are_those_of_each_voxels_layer(trained, space):
    fit = trained[-1]
    encoder = Encoder.of_fit(fit, space(N_VOXELS), {})
    assert encoder.layer.tolist() == ["early", "late"] * (N_VOXELS // 2)
    np.testing.assert_array_equal(encoder.cv_r2, fit.selected_r2)
    np.testing.assert_array_equal(encoder.cv_r, fit.selected_r)
    np.testing.assert_array_equal(encoder.alpha, fit.alpha[fit.best_layer, np.arange(N_VOXELS)])


def test_an_encoder_without_choices_says_so(trained, space):
    fit = trained[-1]
    encoder = Encoder(fit.weights, fit.intercept, space(N_VOXELS), {})
    with pytest.raises(UsageError, match="without the choices"):
        _ = encoder.alpha


def test_layers_of_a_voxel_add_up(features, trained, space):
    fit = trained[-1]
    early, late = fit.weights
    both = replace(late, voxels=early.voxels)
    intercept = np.zeros(N_VOXELS, dtype=np.float32)
    one, other, joint = (
        Encoder(weights, intercept, space(N_VOXELS), {}).predict_features(features)
        for weights in ((early,), (both,), (early, both))
    )
    # Float32 sums in another order.
    np.testing.assert_allclose(joint, one + other, rtol=1e-5, atol=1e-5)
    assert (other[:, early.voxels].std(axis=0) > 0.1).all()


def test_layers_are_found_by_name_and_extra_ones_ignored(features, trained, space):
    fit = trained[-1]
    encoder = Encoder(fit.weights, fit.intercept, space(N_VOXELS), {})
    extra = LayerFeatures("fc", np.full((N_IMAGES, 3), np.nan, dtype=np.float32))
    turned = Features(features.stimuli, (extra, *features.layers[::-1]))
    np.testing.assert_array_equal(encoder.predict_features(turned), encoder.predict_features(features))


def test_features_without_a_layer_are_refused_by_its_name(features, trained, space):
    fit = trained[-1]
    encoder = Encoder(fit.weights, fit.intercept, space(N_VOXELS), {})
    with pytest.raises(UsageError, match=r"lack late.*Give all of early, late"):
        encoder.predict_features(Features(features.stimuli, features.layers[:1]))


def test_features_of_another_width_are_refused_by_number(features, trained, space):
    fit = trained[-1]
    encoder = Encoder(fit.weights, fit.intercept, space(N_VOXELS), {})
    narrow = LayerFeatures("late", features.layers[1].values[:, :5])
    with pytest.raises(InputMalformedError, match="late has 5 units, the encoder's has 12"):
        encoder.predict_features(Features(features.stimuli, (features.layers[0], narrow)))


@pytest.mark.parametrize("one", ["a.jpg", Path("a.jpg"), np.zeros((9, 9, 3), dtype=np.uint8)])
def test_one_picture_instead_of_a_list_is_refused(on_disk, one):
    _, encoder, _ = on_disk
    with pytest.raises(UsageError, match=r"Write predict\(\[image\]\)"):
        encoder.predict(one)


def test_no_picture_a_batch_is_refused(on_disk, pictures):
    _, encoder, _ = on_disk
    with pytest.raises(UsageError, match="batch_size is 0"):
        encoder.predict(pictures, batch_size=0)


def test_an_encoder_without_its_network_says_so(on_disk, pictures):
    path, *_ = on_disk
    with pytest.raises(UsageError, match="no network at hand"):
        read_encoder(path).predict(pictures)


def test_it_shows_itself_in_a_line(on_disk):
    _, encoder, _ = on_disk
    line = repr(encoder)
    for word in ("sub-01", f"{N_VOXELS} voxels in T1w", "squeezenet1_1 (random)", "cross-validated r"):
        assert word in line
    assert "\n" not in line


def test_other_network_weights_are_refused(on_disk):
    path, *_ = on_disk
    card = json.loads(path.with_suffix(".json").read_text())
    card["backbone"]["seed"] = 8
    path.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(WeightsError, match="hash"):
        Encoder.load(path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused(on_disk):
    path, *_ = on_disk
    with pytest.raises(UsageError, match="no CUDA GPU"):
        Encoder.load(path, device="cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_predicts_what_the_processor_does(on_disk, pictures):
    path, encoder, shown = on_disk
    on_gpu = Encoder.load(path, device="cuda")
    # Features at hand: the same numbers go in, and only the order of float32 sums differs.
    np.testing.assert_allclose(
        on_gpu.predict_features(shown), encoder.predict_features(shown), rtol=1e-4, atol=1e-4
    )
    # From pictures the network's rounding differs too, by layer at most what r = .9999 allows.
    expected = encoder.predict(pictures)
    error = np.sqrt(np.mean((on_gpu.predict(pictures) - expected) ** 2, axis=0))
    assert (error < 0.05 * expected.std(axis=0)).all()


def test_predictions_are_float32_proper_whatever_torch_is_set_to(on_disk):
    _, encoder, shown = on_disk
    expected = encoder.predict_features(shown)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        np.testing.assert_array_equal(encoder.predict_features(shown), expected)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


def test_the_documented_python_runs(on_disk, pictures, monkeypatch, capsys):
    path, encoder, _ = on_disk
    monkeypatch.chdir(path.parent)
    for name, picture in zip(("beach.png", "kitchen.png"), pictures, strict=False):
        picture.save(name)
    page = (Path(__file__).parents[2] / "docs" / "encoder.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(block, names)
    np.testing.assert_array_equal(names["responses"], encoder.predict(pictures[:2]))
    np.testing.assert_allclose(names["again"], names["responses"], atol=1e-5)
    assert "median cross-validated r" in capsys.readouterr().out
