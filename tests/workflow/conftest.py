"""A small encoder on disk, and pictures for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from bidsapp_synthfmri import Encoder, __version__
from bidsapp_synthfmri.derivatives.results import ParticipantResults
from bidsapp_synthfmri.encoding import (
    Folds,
    Provenance,
    Search,
    TrainingData,
    VoxelChoices,
    model_card,
)
from bidsapp_synthfmri.encoding.posterior import LayerPosterior, Posterior
from bidsapp_synthfmri.encoding.weights import LayerWeights, ScaledMatrix
from bidsapp_synthfmri.features.backbones import Backbone, load_backbone
from bidsapp_synthfmri.features.extraction import n_units
from bidsapp_synthfmri.structures import Responses, Synthetic, Trials, VoxelSpace
from bidsapp_synthfmri.synthesis.noise_model import NoiseModel

N_VOXELS = 12
LAYERS = ("features.2", "features.5")
ROIS = ("LHPPA", "RHPPA", "LHFFA")


@pytest.fixture(scope="session")
def network() -> Backbone:
    return load_backbone("squeezenet1_1", "random", LAYERS, 0, torch.device("cpu"), image_size=64)


@pytest.fixture(scope="session")
def encoder_of(network: Backbone) -> Callable[..., Encoder]:
    """An encoder of given weights, one (n_units, n_voxels) matrix a layer, for voxels in three ROIs."""

    def make(weights: dict[str, np.ndarray], voxels: dict[str, np.ndarray], n_voxels: int) -> Encoder:
        ijk = np.array([[voxel, 0, 1] for voxel in range(n_voxels)])
        membership = np.zeros((len(ROIS), n_voxels), dtype=bool)
        membership[np.arange(n_voxels) * len(ROIS) // n_voxels, np.arange(n_voxels)] = True
        space = VoxelSpace(ijk, np.eye(4), (n_voxels, 2, 2), ROIS, membership, "T1w")
        layers = tuple(
            LayerWeights(name, voxels[name], ScaledMatrix.of(values.astype(np.float32)))
            for name, values in weights.items()
        )
        zeros = np.zeros(n_voxels, dtype=np.float32)
        choices = VoxelChoices(LAYERS, np.zeros(n_voxels, dtype=np.int64), np.ones(n_voxels), zeros, zeros)
        card = model_card(
            data=TrainingData("01", "images", ("a.jpg",), 3, "lss", "z", "Pictures", None),
            folds=Folds(np.array([0, 1, 1]), "2 folds", "session"),
            search=Search("exact", (0.1, 1.0), "voxel", "per voxel, the best", None, ()),
            choices=choices,
            voxels=space,
            backbone=network.identity(),
            provenance=Provenance({"bidsapp_synthfmri": __version__}, 0, "f" * 64),
        )
        return Encoder(layers, zeros, space, card, network, choices)

    return make


@pytest.fixture(scope="session")
def stored_encoder(
    network: Backbone, encoder_of: Callable[..., Encoder], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """An encoder of random weights, half the voxels on either layer; never changed by a test."""
    rng = np.random.default_rng(0)
    voxels = dict(zip(LAYERS, np.split(np.arange(N_VOXELS), 2), strict=True))
    weights = {
        name: rng.standard_normal((units, N_VOXELS // 2)) / np.sqrt(units)
        for name, units in zip(LAYERS, n_units(network), strict=True)
    }
    path = tmp_path_factory.mktemp("encoder") / "sub-01_task-images_desc-encoder_model.safetensors"
    encoder_of(weights, voxels, N_VOXELS).save(path)
    return path


@dataclass(frozen=True)
class Pictures:
    """A folder of small pictures in two categories, in order of their names."""

    folder: Path
    names: tuple[str, ...]


@pytest.fixture
def pictures(tmp_path: Path) -> Callable[[int], Pictures]:
    """Make ``n`` pictures of coloured noise."""

    def make(n: int, folder: str = "pictures") -> Pictures:
        names = tuple(
            sorted(f"{'scenes' if number % 2 else 'faces'}/{number:03d}.png" for number in range(n))
        )
        for number, name in enumerate(names):
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            coarse = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
            Image.fromarray(coarse).resize((80, 70), Image.Resampling.BICUBIC).save(path)
        return Pictures(tmp_path / folder, names)

    return make


@pytest.fixture(scope="session")
def noisy_encoder(stored_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a noise model and a posterior."""
    rng = np.random.default_rng(1)
    encoder = Encoder.load(stored_encoder)

    def ones(n_rows: int = 1) -> np.ndarray:
        return np.ones((n_rows, N_VOXELS) if n_rows > 1 else N_VOXELS, dtype=np.float32)

    factors = np.full((1, N_VOXELS), 0.8, dtype=np.float32)
    noise = NoiseModel(
        centre=np.zeros(N_VOXELS, dtype=np.float32),
        gain=2 * ones(),
        signal_sd=ones(),
        noise_sd=3 * ones(),
        factors=factors,
        unique_sd=np.sqrt(1 - factors[0] ** 2),
        shrinkage=0.1,
        held_out=-1.0,
        held_out_independent=-1.4,
        n_stimuli=20,
        n_trials=60,
        n_searched=40,
    )
    layers = tuple(
        LayerPosterior(
            name=layer.name,
            voxels=layer.voxels,
            basis=ScaledMatrix.of(rng.standard_normal((layer.n_units, 3)).astype(np.float32) / 100),
            eigenvalues=np.array([3.0, 2.0, 1.0]),
            mean=np.zeros(layer.n_units, dtype=np.float32),
            penalty=np.full(len(layer.voxels), 0.5),
            prior=np.full(len(layer.voxels), 1e-6),
            typical=np.full(len(layer.voxels), 1e-6),
        )
        for layer in encoder.weights
    )
    posterior = Posterior(layers, N_VOXELS, n_trials=60, bound=0.05, overestimate=0.01)
    path = tmp_path_factory.mktemp("noisy") / stored_encoder.name
    replace(encoder, noise=noise, posterior=posterior).save(path)
    return path


def bold5000_names(n: int) -> list[str]:
    """Names as COCO, ImageNet and BOLD5000's scenes spell them, in turn."""
    synsets, scenes = ("n02084071", "n02958343", "n02087046", "n02701002"), ("beach", "kitchen")
    spelt = [
        (f"COCO_train2014_{i:012d}.jpg", f"{synsets[i % 4]}_{i}.JPEG", f"{scenes[i % 2]}{i}.jpg")
        for i in range(n)
    ]
    return [spelt[i // 3][i % 3] for i in range(n)]


@pytest.fixture(scope="session")
def named_results() -> Callable[..., ParticipantResults]:
    """Results with BOLD5000's names: 18 test images of three sources shown twice, 42 for training.

    Synthetic responses are the signal; real ones have noise of a given sd, and show the image itself, or
    with ``mixed`` another test image of the same source. Every source has a mean pattern of its own.
    """

    def make(
        noise: float = 1.0, mixed: bool = False, participant: str = "01", seed: int = 0
    ) -> ParticipantResults:
        rng = np.random.default_rng(seed)
        names, n_test, n_voxels = bold5000_names(60), 18, 24
        centres = 1.5 * np.random.default_rng(99).standard_normal((3, n_voxels))
        signal = rng.standard_normal((60, n_voxels)) + centres[np.arange(60) % 3]
        shown = np.concatenate([np.arange(18).repeat(2), np.arange(18, 60)])
        cause = (shown + 3) % n_test if mixed else shown
        cause = np.where(shown < n_test, cause, shown)
        real = signal[cause] + noise * rng.standard_normal((len(shown), n_voxels))
        space = VoxelSpace(
            np.array([[voxel, 0, 1] for voxel in range(n_voxels)]),
            np.eye(4),
            (n_voxels, 2, 2),
            ("LHPPA", "RHPPA", "LHLOC"),
            np.arange(3)[:, None] == np.arange(n_voxels)[None] // 8,
            "T1w",
        )
        trials = pd.DataFrame({"session": "1", "run": "1", "onset": 5.0 * np.arange(len(shown))})
        trials["stimulus"] = [names[i] for i in shown]
        trials["kind"] = [("a", "b")[i % 2] for i in shown]
        splits = np.where(shown < n_test, "test", "train")
        own = pd.DataFrame({"stimulus": names, "split": ["test"] * n_test + ["train"] * (60 - n_test)})
        own["prediction"] = ["encoder"] * n_test + ["out-of-fold"] * (60 - n_test)
        empty = pd.DataFrame()
        return ParticipantResults(
            participant=participant,
            task="images",
            space="T1w",
            voxels=space,
            responses=Responses(real.astype(np.float32), Trials(trials), space, "lss", "z"),
            splits=splits,
            synthetic=Synthetic(signal.astype(np.float32), own, space),
            extra=(),
            encoding=empty,
            accounting=empty,
            reliability=empty,
            summary={},
            card={},
        )

    return make
