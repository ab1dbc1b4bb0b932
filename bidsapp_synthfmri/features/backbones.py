"""Networks of torchvision as feature extractors."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.feature_extraction import create_feature_extractor

from ..errors import UsageError, WeightsError
from ..structures import Json
from .nodes import default_layers, node_names, resolve_nodes
from .preprocessing import Preprocessing
from .weights import file_state, load_state, pretrained_state, state_sha256


@dataclass(frozen=True, eq=False)
class Backbone:
    """A network, its weights, and the layers to take from it.

    Attributes
    ----------
    name : torchvision's name of the model
    model : in evaluation mode on ``device``, nothing computed in place
    layers : nodes of torchvision's feature extraction; a module's name stands for its last node
    nodes : the node of each layer
    weights : ``imagenet``, ``random`` or ``file``
    weights_sha256 : hash over all parameters and buffers as float32
    weights_source : torchvision's name of the weights, the file's name, or ``random seed N``
    preprocessing : from a picture to the network's input
    device : where it computes
    seed : of random weights
    """

    name: str
    model: nn.Module
    layers: tuple[str, ...]
    nodes: tuple[str, ...]
    weights: str
    weights_sha256: str
    weights_source: str
    preprocessing: Preprocessing
    device: torch.device
    seed: int

    @cached_property
    def _extractor(self) -> nn.Module:
        extractor = create_feature_extractor(
            self.model, {node: node for node in self.nodes}, suppress_diff_warning=True
        )
        for node in extractor.graph.nodes:
            if node.kwargs.get("inplace"):
                node.update_kwarg("inplace", False)
        extractor.recompile()
        module: nn.Module = extractor
        return module

    def activations(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Each layer's activations to a batch, nothing computed beyond the last layer asked for.

        Parameters
        ----------
        pixels : (n_images, 3, crop, crop) uint8

        Returns
        -------
        per layer (n_images, n_units), C order of (channel, row, column), on ``device``

        Raises
        ------
        UsageError : a node's output is not one set of activations an image
        """
        # TF32 convolutions would move features by a thousandth from one device to another.
        with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            outputs = self._extractor(self.preprocessing.standardise(pixels.to(self.device)))
        return tuple(
            _flat(outputs[node], len(pixels), layer)
            for layer, node in zip(self.layers, self.nodes, strict=True)
        )

    def identity(self) -> Json:
        """What a model card needs to say which network this is, and to rebuild it."""
        return {
            "name": self.name,
            "layers": list(self.layers),
            "weights": self.weights,
            "weights_sha256": self.weights_sha256,
            "weights_source": self.weights_source,
            "preprocessing": self.preprocessing.to_dict(),
            "seed": self.seed,
            "torchvision": torchvision.__version__,
        }

    @classmethod
    def from_identity(cls, identity: Json, weights_file: Path | None, device: torch.device) -> Backbone:
        """Rebuild the network that ``identity`` describes.

        Parameters
        ----------
        identity : what ``identity`` gave, also after a way through JSON
        weights_file : needed where the weights came from a file; replaces the download where not
        device : where it computes

        Raises
        ------
        WeightsError : the weights cannot be had, or are not those of the record
        """
        name, weights, seed = str(identity["name"]), str(identity["weights"]), int(identity["seed"])
        if weights == "file" and weights_file is None:
            raise WeightsError(
                f"The backbone's weights were read from a file, {identity['weights_source']}",
                f"Give that file (hash of its weights {identity['weights_sha256'][:12]}) with --weights",
            )
        model, source = _model(name, weights if weights_file is None else str(weights_file), seed)
        found = state_sha256(model)
        if found != identity["weights_sha256"]:
            raise WeightsError(
                f"{source} for {name} has hash {found[:12]}, the record says "
                f"{identity['weights_sha256'][:12]} ({identity['weights_source']})",
                "Give the weights file that was used"
                if weights != "random"
                else f"Use torchvision {identity['torchvision']} and its torch, which drew them",
            )
        layers = tuple(identity["layers"])
        return cls(
            name=name,
            model=model.to(device),
            layers=layers,
            nodes=resolve_nodes(name, layers, node_names(model)),
            weights=weights,
            weights_sha256=found,
            weights_source=str(identity["weights_source"]),
            preprocessing=Preprocessing.from_dict(identity["preprocessing"]),
            device=device,
            seed=seed,
        )


def load_backbone(
    name: str, weights: str, layers: Sequence[str], seed: int, device: torch.device
) -> Backbone:
    """A network with its weights, ready to give features.

    Parameters
    ----------
    name : one of torchvision's classification models
    weights : ``imagenet`` (torchvision's default weights, from its cache or downloaded), ``random``,
        or a ``.safetensors`` or ``.pth`` file
    layers : node or module names; empty means the family's default
    seed : of random weights
    device : where it computes

    Raises
    ------
    UsageError : no such model, or no such layer in it
    WeightsError : the weights cannot be had, read, or put into this model
    """
    model, source = _model(name, weights, seed)
    layers = tuple(layers) or default_layers(name, model)
    return Backbone(
        name=name,
        model=model.to(device),
        layers=layers,
        nodes=resolve_nodes(name, layers, node_names(model)),
        weights=weights if weights in ("imagenet", "random") else "file",
        weights_sha256=state_sha256(model),
        weights_source=source,
        preprocessing=Preprocessing.of_weights(_default_weights(name)),
        device=device,
        seed=seed,
    )


def _flat(output: Any, n_images: int, layer: str) -> Tensor:
    if not isinstance(output, Tensor) or not output.is_floating_point() or len(output) != n_images:
        raise UsageError(f"Layer {layer!r} does not give activations for each image", "Choose another layer")
    return output.flatten(1).float()


def _default_weights(name: str) -> Any:
    return torchvision.models.get_model_weights(name).DEFAULT


def _model(name: str, weights: str, seed: int) -> tuple[nn.Module, str]:
    """The network in evaluation mode on the CPU, and where its weights come from."""
    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        close = difflib.get_close_matches(name, known, n=5)
        raise UsageError(
            f"torchvision has no classification model {name!r}",
            f"Did you mean {', '.join(close)}" if close else f"Choose one of {', '.join(known)}",
        )
    if weights == "random":
        model, source = _random_model(name, seed), f"random seed {seed}"
    else:
        model, source = _trained_model(name, weights)
    for module in model.modules():
        if hasattr(module, "inplace"):
            module.__dict__["inplace"] = False
    return model.eval().requires_grad_(False), source


def _random_model(name: str, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return _architecture(name, init_weights=True)


def _trained_model(name: str, weights: str) -> tuple[nn.Module, str]:
    if weights == "imagenet":
        enumerated = _default_weights(name)
        state, source = pretrained_state(enumerated), str(enumerated)
    else:
        state, source = file_state(Path(weights)), Path(weights).name
    # On the meta device nothing is initialised only to be overwritten: that takes AlexNet a second.
    # RegNets compute their widths with tensors and need a real one.
    with torch.device("cpu" if name.startswith("regnet") else "meta"):
        model = _architecture(name, init_weights=False)
    load_state(model, state, source)
    return model, source


def _architecture(name: str, init_weights: bool) -> nn.Module:
    """The network as the default weights want it: input rescaling, input size, no auxiliary outputs."""
    options: dict[str, Any] = {}
    if name in ("googlenet", "inception_v3"):
        options = {"transform_input": True, "aux_logits": False, "init_weights": init_weights}
    elif name.startswith("vit"):
        options = {"image_size": _default_weights(name).meta["min_size"][0]}
    model: nn.Module = torchvision.models.get_model(name, weights=None, **options)
    return model
