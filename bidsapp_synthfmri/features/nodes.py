"""Which nodes of a network are its layers: names, checks, defaults per family."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

import numpy as np
from torch import nn
from torchvision.models.feature_extraction import get_graph_node_names

from ..errors import UsageError

# The stages of each family: what follows a pooling or ends a resolution, then the pooled and fully
# connected layers. A module's name stands for its last node.
_STAGES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        r"alexnet",
        (
            "features.2",
            "features.5",
            "features.7",
            "features.9",
            "features.12",
            "classifier.2",
            "classifier.5",
            "classifier.6",
        ),
    ),
    (
        r"squeezenet1_1",
        ("features.2", "features.5", "features.8", "features.10", "features.12", "classifier.3"),
    ),
    (
        r"squeezenet1_0",
        ("features.2", "features.6", "features.9", "features.11", "features.12", "classifier.3"),
    ),
    (r"(wide_)?resne(x)?t.*", ("maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool", "fc")),
    (
        r"densenet.*",
        (
            "features.pool0",
            "features.transition1",
            "features.transition2",
            "features.transition3",
            "relu",
            "classifier",
        ),
    ),
    (
        r"googlenet",
        ("maxpool1", "maxpool2", "maxpool3", "inception4c", "maxpool4", "inception5b", "avgpool", "fc"),
    ),
    (r"inception_v3", ("maxpool1", "maxpool2", "Mixed_5d", "Mixed_6e", "Mixed_7c", "avgpool", "fc")),
    (r"convnext.*", ("features.1", "features.3", "features.5", "features.7", "avgpool", "classifier")),
    (r"swin.*", ("features.1", "features.3", "features.5", "features.7", "avgpool", "head")),
    (
        r"regnet.*",
        (
            "stem",
            "trunk_output.block1",
            "trunk_output.block2",
            "trunk_output.block3",
            "trunk_output.block4",
            "avgpool",
            "fc",
        ),
    ),
    (r"shufflenet.*", ("maxpool", "stage2", "stage3", "stage4", "conv5", "fc")),
    (r"maxvit.*", ("stem", "blocks.0", "blocks.1", "blocks.2", "blocks.3", "classifier")),
)
_MOST_DEFAULTS = 8


def node_names(model: nn.Module) -> tuple[str, ...]:
    """The nodes of the model's graph in evaluation mode, in order of execution."""
    _, names = get_graph_node_names(model, suppress_diff_warning=True)
    return tuple(names)


def default_layers(name: str, model: nn.Module) -> tuple[str, ...]:
    """Layers to use where none are asked for.

    AlexNet: five convolutional layers and three fully connected ones, after ReLU and, where one
    follows, max-pooling. VGG: the same of its five poolings. Other families: the end of each stage,
    the pooled features and the logits (``_STAGES``). Vision transformers: encoder layers evenly
    spaced, and the logits. Anything else: at most eight of the top-level blocks, evenly spaced, the
    last included.
    """
    for family, layers in _STAGES:
        if re.fullmatch(family, name):
            return layers
    if name.startswith("vgg"):
        return _vgg_layers(model)
    if name.startswith("vit"):
        encoder_layers = [child for child, _ in model.get_submodule("encoder.layers").named_children()]
        return (*(f"encoder.layers.{child}" for child in _spread(encoder_layers, 6)), "heads")
    return _spread(_top_level_blocks(model), _MOST_DEFAULTS)


def _vgg_layers(model: nn.Module) -> tuple[str, ...]:
    stages = model.get_submodule("features").named_children()
    pools = [f"features.{child}" for child, module in stages if isinstance(module, nn.MaxPool2d)]
    return (*pools, "classifier.1", "classifier.4", "classifier.6")


def _top_level_blocks(model: nn.Module) -> list[str]:
    """The model's children, sequences replaced by their own, in order, as far as they are nodes."""
    blocks = []
    for child, module in model.named_children():
        inner = [name for name, _ in module.named_children()] if isinstance(module, nn.Sequential) else []
        blocks += [f"{child}.{name}" for name in inner] or [child]
    names = node_names(model)
    return [block for block in blocks if last_node(block, names) is not None]


def _spread(items: Sequence[str], most: int) -> tuple[str, ...]:
    """At most ``most`` of the items, evenly spaced, the last included."""
    n = len(items)
    kept = np.rint(np.linspace(n / min(most, n), n, min(most, n))).astype(int) - 1
    return tuple(items[position] for position in kept)


def last_node(layer: str, nodes: Sequence[str]) -> str | None:
    """The node that a layer's name stands for: itself, or the last one inside the module it names."""
    matching = [node for node in nodes if node == layer or node.startswith(f"{layer}.")]
    return matching[-1] if matching else None


def resolve_nodes(backbone: str, layers: Sequence[str], nodes: Sequence[str]) -> tuple[str, ...]:
    """The node of each layer.

    Raises
    ------
    UsageError : a layer that is neither a node nor a module with nodes, or one named twice
    """
    twice = sorted({layer for layer in layers if list(layers).count(layer) > 1})
    if twice:
        raise UsageError(f"Layers named twice: {', '.join(twice)}", "Name each layer once")
    resolved = []
    for layer in layers:
        node = last_node(layer, nodes)
        if node is None:
            raise _unknown_layer(backbone, layer, nodes)
        resolved.append(node)
    return tuple(resolved)


def _unknown_layer(backbone: str, layer: str, nodes: Sequence[str]) -> UsageError:
    parts = [node.split(".") for node in nodes]
    modules = {".".join(part[:depth]) for part in parts for depth in range(1, len(part) + 1)}
    close = difflib.get_close_matches(layer, sorted(modules), n=5, cutoff=0.5)
    suggestion = f"Did you mean {', '.join(close)}" if close else f"Its nodes include {', '.join(nodes[1:9])}"
    return UsageError(f"{backbone} has no layer {layer!r}", suggestion)
