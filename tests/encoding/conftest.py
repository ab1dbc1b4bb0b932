"""What an encoder's file and card are made of; layers, trials with repeats and responses to fit on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from bidsapp_synthfmri import __version__
from bidsapp_synthfmri.encoding import (
    Folds,
    GridEdge,
    Provenance,
    Search,
    TrainingData,
    VoxelChoices,
    model_card,
)
from bidsapp_synthfmri.encoding.training import PenaltySearch, TrainingSet, layer_kernels
from bidsapp_synthfmri.structures import Features, Json, LayerFeatures, Space, VoxelSpace

ALPHAS = (0.1, 1.0, 10.0)
EDGES = (GridEdge("early", 1, 1, 3), GridEdge("late", 2, 0, 3))


@pytest.fixture(scope="session")
def space() -> Callable[[int], VoxelSpace]:
    """Voxels in a row, every other one in an ROI of both hemispheres."""

    def of_size(n_voxels: int) -> VoxelSpace:
        ijk = np.array([[i, 0, 1] for i in range(n_voxels)])
        member = np.tile(np.arange(n_voxels) % 2 == 0, (2, 1))
        return VoxelSpace(ijk, np.diag([2.0, 2, 2, 1]), (n_voxels, 1, 2), ("LHPPA", "RHPPA"), member, "T1w")

    return of_size


@pytest.fixture(scope="session")
def identity() -> Json:
    """A network as a card names it; no test that takes it rebuilds the network."""
    return {
        "name": "squeezenet1_1",
        "layers": ["early", "late"],
        "weights": "random",
        "weights_sha256": "0" * 64,
        "weights_source": "random seed 0",
        "preprocessing": {"resize": 256, "crop": 224},
        "seed": 0,
        "torchvision": "0.19",
    }


@pytest.fixture(scope="session")
def card() -> Callable[..., Json]:
    """A card of given choices, as the app fills it in."""

    def of(choices: VoxelChoices, voxels: Space, identity: Json, **changed: object) -> Json:
        given: dict[str, object] = {
            "data": TrainingData("01", "images", ("a.jpg", "b.jpg"), 3, "lss", "z", "Pictures", None),
            "folds": Folds(np.array([0, 1, 1]), "2 folds, one a session", "session"),
            "search": Search(
                "exact",
                ALPHAS,
                "voxel",
                "per voxel, the best",
                None,
                (GridEdge("early", 1, 1, 3), GridEdge("late", 2, 0, 3)),
            ),
            "provenance": Provenance({"bidsapp_synthfmri": __version__}, 7, "f" * 64),
        }
        return model_card(choices=choices, voxels=voxels, backbone=identity, **(given | changed))

    return of


@dataclass(frozen=True)
class Layered:
    """Responses to images of which layers are known: ``signal`` plus noise of unit variance."""

    features: Features
    index: np.ndarray
    signal: np.ndarray
    values: np.ndarray
    folds: Folds

    def training(self, alphas: Sequence[float], search: str = "exact") -> TrainingSet:
        device = torch.device("cpu")
        rows = np.arange(len(self.features.stimuli))
        return TrainingSet(
            layers=tuple(layer.name for layer in self.features.layers),
            kernels=layer_kernels(self.features.layers, rows, device),
            index=self.index,
            values=self.values,
            folds=self.folds,
            penalties=PenaltySearch(tuple(alphas), search, device, torch.float64, 64),
        )


@pytest.fixture(scope="session")
def layered() -> Callable[..., Layered]:
    """Make a problem: ``mixture`` (n_layers, n_voxels) is the standard deviation that each layer adds."""

    def make(
        mixture: np.ndarray, n_images: int = 60, n_units: int = 20, n_folds: int = 5, seed: int = 0
    ) -> Layered:
        rng = np.random.default_rng(seed)
        n_layers, n_voxels = mixture.shape
        units = rng.standard_normal((n_layers, n_images, n_units)) * rng.uniform(0.1, 10, (n_layers, 1, 1))
        layers = tuple(
            LayerFeatures(f"layer{number}", (own + 1).astype(np.float32)) for number, own in enumerate(units)
        )
        index = np.concatenate([np.arange(n_images), np.arange(0, n_images, 6)])
        signal = np.zeros((n_images, n_voxels))
        for own, size in zip(units, mixture, strict=True):
            drive = own @ rng.standard_normal((n_units, n_voxels))
            signal += size * drive / drive.std(axis=0)
        values = signal[index] + rng.standard_normal((len(index), n_voxels)) + 3
        return Layered(
            features=Features(tuple(f"s{image}" for image in range(n_images)), layers),
            index=index,
            signal=signal,
            values=values.astype(np.float32),
            folds=Folds(np.arange(n_images)[index] * n_folds // n_images, f"{n_folds} folds"),
        )

    return make
