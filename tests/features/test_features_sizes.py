"""Pictures of another size and shape go through the networks that can take them; others are refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image

from bidsapp_synthfmri.errors import UsageError
from bidsapp_synthfmri.features.backbones import Backbone, load_backbone
from bidsapp_synthfmri.features.extraction import extract, n_units

CPU = torch.device("cpu")


def test_the_policy_is_the_backbones_and_in_its_record(draw: Callable[[int], Image.Image]) -> None:
    layers = ("features.2", "classifier.3")
    backbone = load_backbone("squeezenet1_1", "random", layers, 0, CPU, crop="pad", image_size=96)
    assert (backbone.preprocessing.crop, backbone.preprocessing.size) == ("pad", 96)
    again = Backbone.from_identity(backbone.identity(), None, CPU)
    assert again.preprocessing == backbone.preprocessing
    ((early, logits),) = extract(backbone, [draw(0)])
    assert early.shape[1] == 64 * 23 * 23
    assert logits.shape == (1, 1000)
    expected = backbone.model(
        backbone.preprocessing.standardise(backbone.preprocessing.square(draw(0))[None])
    )
    # The same float32 sums, perhaps in another order.
    np.testing.assert_allclose(logits, expected.numpy(), rtol=0, atol=5e-6 * float(expected.abs().max()))


@pytest.mark.parametrize(("name", "size"), [("alexnet", 128), ("resnet18", 64), ("inception_v3", 120)])
def test_networks_with_adaptive_pooling_take_other_sizes(name: str, size: int) -> None:
    own = n_units(load_backbone(name, "random", (), 0, CPU))
    smaller = n_units(load_backbone(name, "random", (), 0, CPU, image_size=size))
    assert smaller[0] < own[0]
    assert smaller[-1] == own[-1] == 1000


@pytest.mark.parametrize(
    ("name", "size"),
    [("vit_b_32", 256), ("alexnet", 16), ("inception_v3", 40), ("squeezenet1_1", 8)],
)
def test_a_size_that_a_network_cannot_take_is_refused(name: str, size: int) -> None:
    with pytest.raises(UsageError) as caught:
        load_backbone(name, "random", (), 0, CPU, image_size=size)
    assert f"{name} cannot take pictures of {size} px (" in caught.value.problem
    assert "\n" not in caught.value.problem
    assert caught.value.remedy.startswith("Leave out --image-size, for ")


def test_a_layer_before_the_trouble_takes_any_size() -> None:
    backbone = load_backbone("squeezenet1_1", "random", ("features.1",), 0, CPU, image_size=8)
    assert n_units(backbone) == (64 * 3 * 3,)
