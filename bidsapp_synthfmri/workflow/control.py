"""The untrained control: the same network with random weights, taken through the same steps."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..config import RunConfig
from ..errors import InputMalformedError
from ..features.backbones import Backbone, load_backbone
from ..features.extraction import extract
from ..structures import FloatArray, Json, Synthetic
from .model import FittedModel

_N_PROBES = 4


@dataclass(frozen=True)
class Control:
    """What is kept of the control: scores and synthetic responses, not its encoder.

    Attributes
    ----------
    layers : names of its candidate layers
    cv_r : (n_layers, n_voxels) cross-validated inside the training set
    synthetic : responses to the dataset's own stimuli, those of training out of fold
    silent_layers : layers of the trained network that say nothing of a picture before training
    weights_source, weights_sha256 : which random weights
    """

    layers: tuple[str, ...]
    cv_r: FloatArray
    synthetic: Synthetic
    silent_layers: tuple[str, ...]
    weights_source: str
    weights_sha256: str

    @classmethod
    def of(cls, model: FittedModel, untrained: Backbone, trained: Backbone) -> Control:
        """What is kept of a model fitted on ``untrained``, the control of ``trained``."""
        return cls(
            layers=model.fit.layers,
            cv_r=model.fit.cv_r,
            synthetic=model.synthetic,
            silent_layers=tuple(layer for layer in trained.layers if layer not in untrained.layers),
            weights_source=untrained.weights_source,
            weights_sha256=untrained.weights_sha256,
        )

    @property
    def prediction(self) -> FloatArray:
        """(n_test_stimuli, n_voxels) in the order of the trained model's test stimuli."""
        return self.synthetic.values[self.synthetic.table["split"] == "test"]

    @property
    def facts(self) -> Json:
        """What the summary says of it."""
        return {
            "layers": list(self.layers),
            "silent_layers": list(self.silent_layers),
            "weights": self.weights_source,
            "weights_sha256": self.weights_sha256,
        }

    @property
    def notes(self) -> list[str]:
        """Sentences that a reader must see."""
        if not self.silent_layers:
            return []
        return [
            f"The untrained control goes without {', '.join(self.silent_layers)}: initial weights make its"
            " output the same for every picture."
        ]


def untrained(config: RunConfig, trained: Backbone) -> Backbone:
    """The network that ``--weights random`` gives, with the trained one's layers and preprocessing.

    Layers that give one output for all pictures before training (the head of a vision transformer, whose
    initial weights are 0) are left out.

    Raises
    ------
    InputMalformedError : no layer is left
    """
    network = load_backbone(trained.name, "random", trained.layers, config.random_seed, trained.device)
    network = replace(network, preprocessing=trained.preprocessing)
    speaks = [bool((units != units[0]).any()) for units in next(extract(network, _probes(), _N_PROBES))]
    if not any(speaks):
        raise InputMalformedError(
            f"No layer of an untrained {trained.name} tells pictures apart",
            "Choose other --layers, or leave out --untrained-control",
        )
    kept = [place for place, says in enumerate(speaks) if says]
    layers, nodes = (tuple(names[place] for place in kept) for names in (network.layers, network.nodes))
    return replace(network, layers=layers, nodes=nodes)


def _probes() -> list[NDArray[np.uint8]]:
    """Pictures of noise, (height, width, 3)."""
    noise = np.random.default_rng(0)
    return [noise.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(_N_PROBES)]
