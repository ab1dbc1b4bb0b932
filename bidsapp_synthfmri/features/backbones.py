"""Networks of torchvision as feature extractors."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.feature_extraction import create_feature_extractor

from ..errors import InputMalformedError, UsageError, WeightsError
from ..structures import Json
from .architectures import build, default_weights
from .graphs import rectify_in_place
from .nodes import default_layers, node_names, resolve_nodes
from .precision import LEAST_CORRELATION, parity, probe_pictures
from .preprocessing import Preprocessing
from .weights import state_sha256

_KINDS = ("imagenet", "random", "file")
_RECORD_REMEDY = "Copy the card again from where it was made, or fit the encoder again"
_SHOWN = 200
_LOGGER = logging.getLogger(__name__)

# What torch and torchvision raise where a picture's size does not suit a network.
_UNSUITABLE_SIZE = (RuntimeError, AssertionError, ValueError, IndexError, ZeroDivisionError)


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
    autocast : precision of products under automatic mixed precision; None computes in float32
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
    autocast: torch.dtype | None = None

    @cached_property
    def _extractor(self) -> nn.Module:
        extractor = create_feature_extractor(
            self.model, {node: node for node in self.nodes}, suppress_diff_warning=True
        )
        rectify_in_place(extractor)
        module: nn.Module = extractor
        return module

    def activations(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Each layer's activations to a batch, nothing computed beyond the last layer asked for.

        Parameters
        ----------
        pixels : (n_images, 3, size, size) uint8; pinned ones are copied to a GPU while it computes

        Returns
        -------
        per layer (n_images, n_units), C order of (channel, row, column), on ``device``

        Raises
        ------
        UsageError : a node's output is not one set of activations an image
        """
        # TF32 convolutions would move features by a thousandth from one device to another.
        with (
            torch.no_grad(),
            torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False),
            torch.autocast(self.device.type, dtype=self.autocast, enabled=self.autocast is not None),
        ):
            inputs = self.preprocessing.standardise(pixels.to(self.device, non_blocking=True))
            outputs = self._extractor(inputs)
        return tuple(
            _flat(outputs[node], len(pixels), layer)
            for layer, node in zip(self.layers, self.nodes, strict=True)
        )

    @property
    def precision(self) -> str:
        """``float32``, or the type that products are made in."""
        return str(self.autocast or torch.float32).removeprefix("torch.")

    def with_autocast(self, dtype: torch.dtype) -> Backbone:
        """The network in mixed precision, where every layer's features stay the same; else as it is.

        Eight pictures of noise go through both: where a layer's features correlate at .9999 or less
        (``precision.parity``), that is logged and float32 kept for all layers, as one pass gives them all.
        """
        mixed = replace(self, autocast=dtype)
        pixels = probe_pictures(self.preprocessing.size)
        correlations = parity(self.activations(pixels), mixed.activations(pixels))
        failing = [
            f"{layer} (r = {r:.6f})"
            for layer, r in zip(self.layers, correlations, strict=True)
            if not r > LEAST_CORRELATION
        ]
        if not failing:
            return mixed
        _LOGGER.warning(
            "%s computes in float32: in %s these layers differ: %s",
            self.name,
            mixed.precision,
            ", ".join(failing),
        )
        return self

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
            "precision": self.precision,
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
        InputMalformedError : the record is none, or names a file in place of a kind of weights
        """
        name, weights, seed = _recorded(identity)
        if weights == "file" and weights_file is None:
            raise WeightsError(
                f"The backbone's weights were read from a file, {identity['weights_source']}",
                f"Give that file (hash of its weights {identity['weights_sha256'][:12]}) with --weights",
            )
        model, source = build(name, weights if weights_file is None else str(weights_file), seed)
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
        backbone = cls(
            name=name,
            model=_on(device, model),
            layers=layers,
            nodes=resolve_nodes(name, layers, node_names(model)),
            weights=weights,
            weights_sha256=found,
            weights_source=str(identity["weights_source"]),
            preprocessing=Preprocessing.from_dict(identity["preprocessing"]),
            device=device,
            seed=seed,
        )
        return _fastest(backbone)


def load_backbone(
    name: str,
    weights: str,
    layers: Sequence[str],
    seed: int,
    device: torch.device,
    *,
    crop: str = "center",
    image_size: int | None = None,
) -> Backbone:
    """A network with its weights, ready to give features.

    Parameters
    ----------
    name : one of torchvision's classification models
    weights : ``imagenet`` (torchvision's default weights, from its cache or downloaded), ``random``,
        or a ``.safetensors`` or ``.pth`` file
    layers : node or module names; empty means the family's default
    seed : of random weights
    device : where it computes; on a GPU in float16 where that leaves the features as they are
    crop : ``center``, ``squash`` or ``pad``, as in ``Preprocessing``
    image_size : pixels of the network's square input; None means the default weights' own

    Raises
    ------
    UsageError : no such model, no such layer in it, or it cannot take pictures of that size
    WeightsError : the weights cannot be had, read, or put into this model
    """
    model, source = build(name, weights, seed)
    layers = tuple(layers) or default_layers(name, model)
    own = Preprocessing.of_weights(default_weights(name))
    backbone = Backbone(
        name=name,
        model=_on(device, model),
        layers=layers,
        nodes=resolve_nodes(name, layers, node_names(model)),
        weights=weights if weights in ("imagenet", "random") else "file",
        weights_sha256=state_sha256(model),
        weights_source=source,
        preprocessing=own.changed(crop, image_size),
        device=device,
        seed=seed,
    )
    if backbone.preprocessing.size != own.size:
        _require_size(backbone, own.size)
    return _fastest(backbone)


def _recorded(identity: Json) -> tuple[str, str, int]:
    """Model, kind of weights and seed of a record; nothing that it says may lead to a file."""
    try:
        name, weights, seed = identity["name"], identity["weights"], identity["seed"]
        texts = [name, weights, *(identity[key] for key in ("weights_sha256", "weights_source"))]
        texts += [str(identity["torchvision"]), *identity["layers"]]
        sound = all(isinstance(text, str) for text in texts) and type(seed) is int
        sound = sound and weights in _KINDS and isinstance(identity["preprocessing"], dict)
    except (KeyError, TypeError) as error:
        raise InputMalformedError(f"A record of a network lacks {error}", _RECORD_REMEDY) from error
    if not sound:
        raise InputMalformedError(
            f"A record of a network is none that this program writes: {str(identity)[:_SHOWN]!r}",
            _RECORD_REMEDY,
        )
    return name, weights, seed


def _on(device: torch.device, model: nn.Module) -> nn.Module:
    """Weights in the order of memory in which convolutions are fastest, on CPUs and GPUs alike."""
    moved: nn.Module = model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return moved


def _fastest(backbone: Backbone) -> Backbone:
    return backbone.with_autocast(torch.float16) if backbone.device.type == "cuda" else backbone


def _require_size(backbone: Backbone, own: int) -> None:
    """Refuse a size that the network cannot take, before any picture is read."""
    size = backbone.preprocessing.size
    try:
        backbone.activations(torch.zeros((1, 3, size, size), dtype=torch.uint8))
    except _UNSUITABLE_SIZE as error:
        raise UsageError(
            f"{backbone.name} cannot take pictures of {size} px ({str(error).splitlines()[0]})",
            f"Leave out --image-size, for {own} px, give another size, or choose another backbone",
        ) from error


def _flat(output: Any, n_images: int, layer: str) -> Tensor:
    if not isinstance(output, Tensor) or not output.is_floating_point() or len(output) != n_images:
        raise UsageError(f"Layer {layer!r} does not give activations for each image", "Choose another layer")
    return output.flatten(1).float()
