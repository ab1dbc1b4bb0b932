"""Layers by torchvision's node names, with defaults for every family."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from bidsapp_synthfmri.errors import UsageError
from bidsapp_synthfmri.features.backbones import Backbone, load_backbone
from bidsapp_synthfmri.features.extraction import n_units
from bidsapp_synthfmri.features.nodes import default_layers, last_node, node_names, resolve_nodes

CPU = torch.device("cpu")


def test_alexnet_defaults_are_the_eight_layers(alexnet: Backbone) -> None:
    assert alexnet.layers == (
        "features.2",
        "features.5",
        "features.7",
        "features.9",
        "features.12",
        "classifier.2",
        "classifier.5",
        "classifier.6",
    )
    assert n_units(alexnet) == (
        64 * 27 * 27,
        192 * 13 * 13,
        384 * 13 * 13,
        256 * 13 * 13,
        256 * 6 * 6,
        4096,
        4096,
        1000,
    )
    assert sum(n_units(alexnet)) == 205_672


@pytest.mark.parametrize(
    ("name", "logits"),
    [
        ("squeezenet1_0", "classifier.3"),
        ("vgg11", "classifier.6"),
        ("resnet18", "fc"),
        ("densenet121", "classifier"),
        ("googlenet", "fc"),
        ("mobilenet_v2", "classifier.1"),
        ("efficientnet_b0", "classifier.1"),
        ("convnext_tiny", "classifier"),
        ("vit_b_16", "heads"),
        ("swin_t", "head"),
        ("shufflenet_v2_x0_5", "fc"),
        ("mnasnet0_5", "classifier.1"),
    ],
)
def test_defaults_exist_and_end_with_the_logits(name: str, logits: str) -> None:
    with torch.device("meta"):  # names need no weights
        options = {"init_weights": False} if name == "googlenet" else {}
        model = torchvision.models.get_model(name, weights=None, **options).eval()
    layers = default_layers(name, model)
    assert 4 <= len(layers) <= 8
    assert layers[-1] == logits
    nodes = node_names(model)
    assert len(set(resolve_nodes(name, layers, nodes))) == len(layers)
    assert [nodes.index(last_node(layer, nodes)) for layer in layers] == sorted(
        nodes.index(last_node(layer, nodes)) for layer in layers
    )


def test_vgg_defaults_are_its_poolings_and_fully_connected_layers() -> None:
    with torch.device("meta"):
        model = torchvision.models.vgg16_bn()
    layers = default_layers("vgg16_bn", model)
    assert all(isinstance(model.get_submodule(layer), nn.MaxPool2d) for layer in layers[:5])
    assert layers[5:] == ("classifier.1", "classifier.4", "classifier.6")


def test_a_module_stands_for_its_last_node() -> None:
    nodes = ("features.3.squeeze", "features.3.cat", "features.30")
    assert resolve_nodes("squeezenet1_1", ("features.3",), nodes) == ("features.3.cat",)
    both = load_backbone("squeezenet1_1", "random", ("features.3", "features.3.cat"), 0, CPU)
    first, second = both.activations(torch.zeros((1, 3, 224, 224), dtype=torch.uint8))
    assert torch.equal(first, second)


def test_unknown_layer_names_close_ones() -> None:
    with pytest.raises(UsageError, match=r"no layer 'feature\.12'.*features\.12"):
        load_backbone("squeezenet1_1", "random", ("feature.12",), 0, CPU)


def test_a_layer_asked_for_twice_is_refused() -> None:
    with pytest.raises(UsageError, match=r"twice: features\.2"):
        load_backbone("squeezenet1_1", "random", ("features.2", "features.2"), 0, CPU)


def test_a_node_without_activations_per_image_is_refused() -> None:
    backbone = load_backbone("shufflenet_v2_x0_5", "random", ("stage2.0.size",), 0, CPU)
    with pytest.raises(UsageError, match="activations for each image"):
        n_units(backbone)
