"""What an encoder's file and card are made of, for the tests that write them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from bidsapp_synthfmri import __version__
from bidsapp_synthfmri.encoding import (
    Folds,
    Provenance,
    Search,
    TrainingData,
    VoxelChoices,
    grid_edges,
    model_card,
)
from bidsapp_synthfmri.structures import Json, Space, VoxelSpace

ALPHAS = (0.1, 1.0, 10.0)


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
                "exact", ALPHAS, "voxel", "per voxel, the best", None, grid_edges(choices, ALPHAS)
            ),
            "provenance": Provenance({"bidsapp_synthfmri": __version__}, 7, "f" * 64),
        }
        return model_card(choices=choices, voxels=voxels, backbone=identity, **(given | changed))

    return of
