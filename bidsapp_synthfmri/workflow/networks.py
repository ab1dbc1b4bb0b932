"""A network as it travels: what it takes to have the same one in another process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from ..config import RunConfig
from ..features.backbones import Backbone


@dataclass(frozen=True)
class NetworkRecipe:
    """How to load a network; its weights are verified by their hash.

    Attributes
    ----------
    identity : of the backbone, as JSON
    weights_file : needed where the weights came from a file
    device : where it computes
    """

    identity: str
    weights_file: Path | None
    device: str

    @classmethod
    def of(cls, backbone: Backbone, config: RunConfig) -> NetworkRecipe:
        """The recipe of a network that the options named, or of its untrained control."""
        file = Path(config.weights) if backbone.weights == "file" else None
        return cls(json.dumps(backbone.identity(), sort_keys=True), file, backbone.device.type)

    def load(self) -> Backbone:
        """The network; that of the last call is kept.

        Raises
        ------
        WeightsError : the weights cannot be had here, or are others
        """
        return _loaded(self)


@lru_cache(maxsize=1)
def _loaded(recipe: NetworkRecipe) -> Backbone:
    device = torch.device(recipe.device)
    return Backbone.from_identity(json.loads(recipe.identity), recipe.weights_file, device)
