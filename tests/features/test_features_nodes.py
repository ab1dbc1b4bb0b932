"""Layers by torchvision's node names, with defaults for every family."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from bidsapp_synthfmri.errors import UsageError
from bidsapp_synthfmri.features.architectures import skeleton
from bidsapp_synthfmri.features.backbones import Backbone, load_backbone
from bidsapp_synthfmri.features.extraction import n_units
from bidsapp_synthfmri.features.nodes import default_layers, node_names, resolve_nodes

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


LOGITS = {
    "alexnet": "classifier.6",
    "squeezenet": "classifier.3",
    "vgg": "classifier.6",
    "resn": "fc",
    "wide_resnet": "fc",
    "densenet": "classifier",
    "googlenet": "fc",
    "inception": "fc",
    "mobilenet_v2": "classifier.1",
    "mobilenet_v3": "classifier.3",
    "efficientnet": "classifier.1",
    "convnext": "classifier",
    "vit": "heads",
    "swin": "head",
    "shufflenet": "fc",
    "mnasnet": "classifier.1",
    "regnet": "fc",
    "maxvit": "classifier",
}


@pytest.mark.parametrize("name", torchvision.models.list_models(module=torchvision.models))
def test_defaults_exist_in_order_and_end_with_the_logits(name: str) -> None:
    model = skeleton(name).eval()
    layers = default_layers(name, model)
    assert 4 <= len(layers) <= 8
    (logits,) = {layer for family, layer in LOGITS.items() if name.startswith(family)}
    assert layers[-1] == logits
    nodes = node_names(model)
    positions = [nodes.index(node) for node in resolve_nodes(name, layers, nodes)]
    assert positions == sorted(set(positions))


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


def test_nodes_of_functions_and_of_blocks_are_layers_too() -> None:
    names = ("maxpool", "layer1.0.add", "layer2.1.relu_1", "flatten", "fc")
    backbone = load_backbone("resnet18", "random", names, 0, CPU)
    assert backbone.nodes == names
    assert n_units(backbone) == (64 * 56 * 56, 64 * 56 * 56, 128 * 28 * 28, 512, 1000)


def test_layers_come_in_the_order_asked_for() -> None:
    black = torch.zeros((1, 3, 224, 224), dtype=torch.uint8)
    forth = load_backbone("squeezenet1_1", "random", ("features.2", "classifier.3"), 0, CPU)
    back = load_backbone("squeezenet1_1", "random", ("classifier.3", "features.2"), 0, CPU)
    for a, b in zip(forth.activations(black), reversed(back.activations(black)), strict=True):
        assert torch.equal(a, b)


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
