"""Pictures, small networks and the real weights that the tests of this room share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from bidsapp_synthfmri.features.backbones import Backbone, load_backbone
from bidsapp_synthfmri.structures import StimulusSet

CPU = torch.device("cpu")
REAL_WEIGHTS = (
    Path(__file__).resolve().parents[3] / "shared/data/weights/squeezenet1_1_imagenet_fp16.safetensors"
)


@pytest.fixture(scope="session")
def real_weights() -> Path:
    if not REAL_WEIGHTS.exists():
        pytest.skip(f"{REAL_WEIGHTS} is not there")
    return REAL_WEIGHTS


@pytest.fixture(scope="session")
def squeezenet() -> Backbone:
    return load_backbone("squeezenet1_1", "random", ("features.2", "features.12", "classifier.3"), 0, CPU)


@pytest.fixture(scope="session")
def alexnet() -> Backbone:
    return load_backbone("alexnet", "random", (), 0, CPU)


@pytest.fixture(scope="session")
def draw() -> Callable[[int], Image.Image]:
    """Pictures of blurred colour noise, one a seed, none of them square."""

    def drawn(seed: int) -> Image.Image:
        coarse = np.random.default_rng(seed).integers(0, 256, (9, 13, 3), dtype=np.uint8)
        return Image.fromarray(coarse).resize((311 + seed, 263), Image.Resampling.BICUBIC)

    return drawn


@pytest.fixture
def stimuli(tmp_path: Path, draw: Callable[[int], Image.Image]) -> StimulusSet:
    """Six stimuli, the fifth the same picture as the second under another name."""
    folder = tmp_path / "stimuli"
    folder.mkdir()
    paths = []
    for position, seed in enumerate([0, 1, 2, 3, 1, 4]):
        paths.append(folder / f"picture{position}.png")
        draw(seed).save(paths[-1])
    table = pd.DataFrame({"stimulus": [path.name for path in paths], "path": [str(path) for path in paths]})
    return StimulusSet("stimuli", table)
