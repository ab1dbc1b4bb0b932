"""Participants whose category structure, noise and encoder quality are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from bidsapp_synthfmri.decoding import LabelledResponses, ParticipantData
from bidsapp_synthfmri.structures import RoiSet

Simulate = Callable[..., ParticipantData]


@pytest.fixture(scope="session")
def simulate() -> Simulate:
    """Factory of participants: signal linear in latent features, synthetic = shrunk, distorted signal."""
    return _simulate


def _simulate(
    seed: int,
    participant: str = "01",
    n_classes: int = 4,
    n_train: int = 80,
    n_extra: int = 160,
    n_test: int = 24,
    repeats: int = 3,
    n_voxels: int = 60,
    separation: float = 1.0,
    encoder_error: float = 0.5,
) -> ParticipantData:
    rng = np.random.default_rng(seed)
    n_latent = 20
    centres = separation * rng.standard_normal((n_classes, n_latent))
    tuning = rng.standard_normal((n_latent, n_voxels)) / np.sqrt(n_latent * (1 + separation**2))
    reliability = rng.uniform(0.02, 0.5, n_voxels)
    error = encoder_error * rng.standard_normal(tuning.shape) / np.sqrt(n_latent * (1 + separation**2))

    def draw(n: int, prefix: str) -> tuple[list[str], list[str], np.ndarray]:
        labels = np.arange(n) % n_classes
        latent = centres[labels] + rng.standard_normal((n, n_latent))
        names = [f"{prefix}{number:04d}" for number in range(n)]
        return names, [f"class{label}" for label in labels], latent

    def real(latent: np.ndarray) -> np.ndarray:
        noise = rng.standard_normal((len(latent), n_voxels)) * np.sqrt(1 - reliability)
        return (latent @ tuning * np.sqrt(reliability) + noise).astype(np.float32)

    def synthetic(latent: np.ndarray) -> np.ndarray:
        """Shrunk by each voxel's reliability, as a ridge prediction is, plus the error of its weights."""
        return (latent @ (tuning + error) * np.sqrt(reliability) * reliability).astype(np.float32)

    names, labels, latent = draw(n_train, "train")
    x_names, x_labels, x_latent = draw(n_extra, "extra")
    t_names, t_labels, t_latent = draw(n_test, "test")
    half = np.arange(n_voxels) < n_voxels // 2
    return ParticipantData(
        participant,
        LabelledResponses("real", real(latent), tuple(names), tuple(labels)),
        (
            LabelledResponses("synthetic_same", synthetic(latent), tuple(names), tuple(labels)),
            LabelledResponses("synthetic_more", synthetic(x_latent), tuple(x_names), tuple(x_labels)),
        ),
        LabelledResponses(
            "test",
            real(np.repeat(t_latent, repeats, axis=0)),
            tuple(np.repeat(t_names, repeats).tolist()),
            tuple(np.repeat(t_labels, repeats).tolist()),
        ),
        (RoiSet("PPA", half), RoiSet("all", np.ones(n_voxels, dtype=bool))),
    )
