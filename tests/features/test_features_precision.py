"""Half precision is used where it leaves every layer's features as they are, and only there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from bidsapp_synthfmri.features.backbones import Backbone, load_backbone
from bidsapp_synthfmri.features.cache import cached_features
from bidsapp_synthfmri.features.extraction import extract
from bidsapp_synthfmri.features.precision import LEAST_CORRELATION, parity, probe_pictures
from bidsapp_synthfmri.structures import StimulusSet

CPU = torch.device("cpu")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


def test_parity_is_the_correlation_of_what_differs_between_pictures() -> None:
    rng = np.random.default_rng(0)
    exact = rng.standard_normal((8, 50)) + 100 * rng.standard_normal(50)
    other = exact + 0.5 * rng.standard_normal((8, 50))
    centred = [(values - values.mean(axis=0)).ravel() for values in (exact, other)]
    truth = float(np.corrcoef(*centred)[0, 1])
    (r,) = parity([torch.from_numpy(exact)], [torch.from_numpy(other)])
    assert r == pytest.approx(truth, abs=1e-12)
    assert np.corrcoef(exact.ravel(), other.ravel())[0, 1] > LEAST_CORRELATION > r


def test_parity_of_what_does_not_vary_or_is_not_finite() -> None:
    constant, varied = torch.ones((3, 2)), torch.arange(6.0).reshape(3, 2)
    overflown = torch.tensor([[1.0, 2.0], [3.0, torch.inf], [5.0, 6.0]])
    assert parity([constant, constant, varied], [constant, constant + 1, overflown]) == (1.0, 0.0, 0.0)


def test_probe_pictures_are_varied_and_always_the_same() -> None:
    pictures = probe_pictures(224)
    assert pictures.shape == (8, 3, 224, 224)
    assert pictures.dtype == torch.uint8
    assert torch.equal(pictures, probe_pictures(224))
    assert pictures.amin((1, 2, 3)).eq(0).all()
    assert pictures.amax((1, 2, 3)).eq(255).all()
    flat = np.corrcoef(pictures.flatten(1).numpy())
    assert np.abs(flat - np.eye(8)).max() < 0.9


def test_mixed_precision_is_kept_where_layers_agree(real_weights: Path) -> None:
    exact = load_backbone("squeezenet1_1", str(real_weights), (), 0, CPU)
    mixed = exact.with_autocast(torch.float16)
    assert (exact.precision, mixed.precision) == ("float32", "float16")
    assert mixed.identity()["precision"] == "float16"
    pixels = probe_pictures(224)[:2]
    for a, b in zip(exact.activations(pixels), mixed.activations(pixels), strict=True):
        assert b.dtype == torch.float32
        assert not torch.equal(a, b)
        assert np.corrcoef(a.flatten(), b.flatten())[0, 1] > LEAST_CORRELATION


def test_it_is_switched_off_and_logged_where_one_layer_differs(
    squeezenet: Backbone, caplog: pytest.LogCaptureFixture
) -> None:
    """A deep layer of activations beyond float16's 65,504; the early one is as exact as ever."""
    model = load_backbone("squeezenet1_1", "random", squeezenet.layers, 0, CPU).model
    model.get_submodule("features.12.squeeze").weight.data *= 1e7
    exact = replace(squeezenet, model=model)
    assert exact.with_autocast(torch.float16) is exact
    assert (
        "squeezenet1_1 computes in float32: in float16 these layers differ: features.12 (r = " in caplog.text
    )
    assert "features.2 (" not in caplog.text


def test_the_cache_keeps_precisions_apart(tmp_path: Path, squeezenet: Backbone, stimuli: StimulusSet) -> None:
    exact = cached_features(squeezenet, stimuli, tmp_path / "cache")
    mixed = cached_features(replace(squeezenet, autocast=torch.bfloat16), stimuli, tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2 * len(squeezenet.layers)
    assert not np.array_equal(exact.layers[0].values, mixed.layers[0].values)


@needs_gpu
@pytest.mark.parametrize("name", ["alexnet", "squeezenet1_1", "resnet18", "vit_b_32"])
def test_every_layer_on_a_gpu_agrees_with_the_processors(
    name: str, draw: Callable[[int], Image.Image]
) -> None:
    pictures = [draw(seed) for seed in range(16)]
    layers = []
    for device in (CPU, torch.device("cuda")):
        backbone = load_backbone(name, "random", (), 0, device)
        batches = list(extract(backbone, pictures, batch_size=5, n_workers=2))
        layers.append([np.concatenate(layer) for layer in zip(*batches, strict=True)])
    for ours, theirs in zip(*layers, strict=True):
        (r,) = parity([torch.from_numpy(ours)], [torch.from_numpy(theirs)])
        assert r > LEAST_CORRELATION


@needs_gpu
def test_float32_on_a_gpu_is_float32(draw: Callable[[int], Image.Image]) -> None:
    pictures = [draw(seed) for seed in range(4)]
    on_gpu = replace(load_backbone("squeezenet1_1", "random", (), 0, torch.device("cuda")), autocast=None)
    on_cpu = load_backbone("squeezenet1_1", "random", (), 0, CPU)
    for gpu, cpu in zip(next(extract(on_gpu, pictures)), next(extract(on_cpu, pictures)), strict=True):
        # Without TF32, whose products are good to a thousandth.
        np.testing.assert_allclose(gpu, cpu, rtol=0, atol=1e-5 * np.abs(cpu).max())


@needs_gpu
def test_batches_from_a_gpu_keep_their_order(tmp_path: Path, draw: Callable[[int], Image.Image]) -> None:
    paths = []
    for seed in range(7):
        paths.append(tmp_path / f"{seed}.png")
        draw(seed).save(paths[-1])
    table = pd.DataFrame({"stimulus": [p.name for p in paths], "path": map(str, paths)})
    backbone = load_backbone("squeezenet1_1", "random", ("features.2",), 0, torch.device("cuda"))
    (layer,) = cached_features(backbone, StimulusSet("s", table), tmp_path / "cache", batch_size=2).layers
    for row, path in enumerate(paths):
        ((alone,),) = extract(backbone, [path])
        assert np.corrcoef(alone[0], layer.values[row])[0, 1] > LEAST_CORRELATION
