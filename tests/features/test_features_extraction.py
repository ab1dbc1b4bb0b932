"""Features equal what forward hooks see in torchvision's plain model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from sklearn.datasets import load_sample_images

from bidsapp_synthfmri.errors import InputMalformedError
from bidsapp_synthfmri.features.backbones import Backbone, load_backbone
from bidsapp_synthfmri.features.extraction import extract, n_units

CPU = torch.device("cpu")


def stacked(backbone: Backbone, images: list, **options: int) -> list[np.ndarray]:
    batches = list(extract(backbone, images, **options))
    return [np.concatenate(layer) for layer in zip(*batches, strict=True)]


def hooked(model: torch.nn.Module, images: list[Image.Image], transforms: Callable) -> dict[str, np.ndarray]:
    """Copies of every submodule's output, taken before anything after it can overwrite them."""
    seen: dict[str, np.ndarray] = {}

    def hook(name: str) -> Callable:
        def keep(_module: object, _inputs: object, output: torch.Tensor) -> None:
            seen[name] = output.flatten(1).clone().numpy()

        return keep

    handles = [module.register_forward_hook(hook(name)) for name, module in model.named_modules()]
    with torch.no_grad():
        model.eval()(torch.stack([transforms(image) for image in images]))
    for handle in handles:
        handle.remove()
    return seen


@pytest.mark.parametrize("name", ["squeezenet1_1", "resnet18"])
def test_every_named_module_matches_hooks_on_the_plain_model(
    name: str, draw: Callable[[int], Image.Image]
) -> None:
    images = [draw(seed) for seed in range(2)]
    backbone = load_backbone(name, "random", (), 3, CPU)
    plain = torchvision.models.get_model(name, weights=None)  # its ReLUs work in place
    plain.load_state_dict(backbone.model.state_dict())
    truth = hooked(plain, images, torchvision.models.get_model_weights(name).DEFAULT.transforms())
    layers = tuple(
        layer
        for layer, module in plain.named_modules()
        if layer in truth and not list(module.children()) and "relu" not in layer and "drop" not in layer
    )[::3]
    ours = stacked(load_backbone(name, "random", layers, 3, CPU), list(images))
    for layer, values in zip(layers, ours, strict=True):
        assert values.dtype == np.float32
        # Sums of float32 in another order of memory: some 1e-7 of the largest activation, layer after layer.
        np.testing.assert_allclose(values, truth[layer], rtol=0, atol=5e-6 * np.abs(truth[layer]).max())


def test_relu_does_not_overwrite_what_it_reads(draw: Callable[[int], Image.Image]) -> None:
    for name, before, after in (
        ("squeezenet1_1", "features.0", "features.1"),
        ("densenet121", "features.norm5", "relu"),  # a functional ReLU, in place
    ):
        backbone = load_backbone(name, "random", (before, after), 0, CPU)
        ((convolved, rectified),) = extract(backbone, [draw(0)])
        assert convolved.min() < 0
        assert np.array_equal(np.maximum(convolved, 0), rectified)


def test_which_layers_are_asked_for_does_not_change_them(draw: Callable[[int], Image.Image]) -> None:
    """Where only a ReLU reads a convolution's result it may be overwritten, and nowhere else."""
    for name, layers in (
        ("alexnet", ("features.0", "features.1", "features.2", "classifier.1", "classifier.2")),
        ("resnet18", ("conv1", "layer1.0.bn1", "layer1.0.relu", "layer1.0.add", "layer1.0.relu_1")),
    ):
        together = next(extract(load_backbone(name, "random", layers, 0, CPU), [draw(0)]))
        for layer, values in zip(layers, together, strict=True):
            ((alone,),) = extract(load_backbone(name, "random", (layer,), 0, CPU), [draw(0)])
            assert np.array_equal(alone, values), layer
        assert together[0].min() < 0


def test_units_are_counted_without_pictures(squeezenet: Backbone, draw: Callable[[int], Image.Image]) -> None:
    ((*layers,),) = extract(squeezenet, [draw(0)])
    assert n_units(squeezenet) == tuple(layer.shape[1] for layer in layers) == (193_600, 86_528, 1000)


def test_the_same_list_gives_the_same_bits_with_and_without_threads(
    squeezenet: Backbone, draw: Callable[[int], Image.Image]
) -> None:
    images = [draw(seed) for seed in range(7)]
    once = stacked(squeezenet, images, batch_size=3)
    for n_workers in (0, 1, 4):
        again = stacked(squeezenet, images, batch_size=3, n_workers=n_workers)
        assert all(np.array_equal(a, b) for a, b in zip(once, again, strict=True))


def test_batch_companions_matter_only_by_rounding(
    squeezenet: Backbone, draw: Callable[[int], Image.Image]
) -> None:
    images = [draw(seed) for seed in range(5)]
    together, alone = (stacked(squeezenet, images, batch_size=size) for size in (5, 1))
    for a, b in zip(together, alone, strict=True):
        # 26 layers of float32 sums, each good to about 1e-7 of the layer's largest activation.
        np.testing.assert_allclose(a, b, rtol=0, atol=5e-6 * np.abs(a).max())


def test_batches_keep_order_and_size(squeezenet: Backbone, draw: Callable[[int], Image.Image]) -> None:
    images = [draw(seed) for seed in range(5)]
    batches = list(extract(squeezenet, images, batch_size=2, n_workers=2))
    assert [len(layers[-1]) for layers in batches] == [2, 2, 1]
    assert list(extract(squeezenet, [], n_workers=2)) == []


@pytest.mark.parametrize("n_workers", [0, 2])
def test_a_bad_picture_is_named(squeezenet: Backbone, tmp_path: Path, n_workers: int) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"nothing")
    with pytest.raises(InputMalformedError, match=r"bad\.jpg"):
        list(extract(squeezenet, [Image.new("RGB", (9, 9)), bad], batch_size=1, n_workers=n_workers))


def test_real_weights_see_what_is_in_the_picture(real_weights: Path) -> None:
    temple = load_sample_images().images[0]
    backbone = load_backbone("squeezenet1_1", str(real_weights), ("classifier.3",), 0, CPU)
    ((logits,),) = extract(backbone, [temple])
    categories = torchvision.models.SqueezeNet1_1_Weights.DEFAULT.meta["categories"]
    best = {categories[index] for index in logits[0].argsort()[-5:]}
    # A Chinese temple: of 1000 categories, three of the best five are buildings of that kind.
    assert len(best & {"stupa", "dome", "palace", "bell cote", "monastery"}) >= 3


class Cramped:
    """A backbone on a device that holds few pictures' activations."""

    def __init__(self, backbone: Backbone, most: int) -> None:
        self._backbone, self._most = backbone, most
        self.device, self.preprocessing = backbone.device, backbone.preprocessing
        self.sizes: list[int] = []

    def activations(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        self.sizes.append(len(pixels))
        if len(pixels) > self._most:
            raise torch.OutOfMemoryError("no memory")
        return self._backbone.activations(pixels)


def test_where_the_devices_memory_runs_out_smaller_batches_give_the_same(
    draw: Callable[[int], Image.Image], caplog: pytest.LogCaptureFixture
) -> None:
    backbone = load_backbone("squeezenet1_1", "random", ("features.3", "features.12"), 3, CPU)
    images = [draw(seed) for seed in range(7)]
    cramped = Cramped(backbone, 2)
    with caplog.at_level("WARNING"):
        found = stacked(cramped, images, batch_size=5)
    for ours, plain in zip(found, stacked(backbone, images, batch_size=5), strict=True):
        # Another batch size is another order of float32 sums.
        np.testing.assert_allclose(ours, plain, rtol=1e-4, atol=1e-4)
    # Found out once, and kept to for the second batch.
    assert cramped.sizes == [5, 3, 2, 2, 1, 2]
    assert ["2 are computed together" in message for message in caplog.messages] == [False, True]


def test_a_device_that_does_not_hold_one_picture_is_an_error(draw: Callable[[int], Image.Image]) -> None:
    backbone = load_backbone("squeezenet1_1", "random", ("features.3",), 3, CPU)
    with pytest.raises(torch.OutOfMemoryError):
        stacked(Cramped(backbone, 0), [draw(0), draw(1)])
