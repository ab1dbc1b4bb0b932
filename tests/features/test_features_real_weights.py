"""With real ImageNet weights the route from a file to the logits is torchvision's, and sees what is there."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bidsapp_synthfmri.features.backbones import load_backbone
from bidsapp_synthfmri.features.extraction import extract

CPU = torch.device("cpu")
# Made by torchvision's own network and transforms from the half-precision weights, in float32.
STORED = json.loads((Path(__file__).parent / "squeezenet_logits.json").read_text(encoding="utf-8"))
SUFFIXES = frozenset({".jpeg", ".jpg", ".png"})
PICTURES_A_CLASS = 5


def rings(width: int, height: int) -> np.ndarray:
    """Rings and bars in whole numbers, the same on every machine."""
    y, x = np.mgrid[:height, :width].astype(np.int64)
    radius = (x - width // 2) ** 2 + (y - height // 3) ** 2
    planes = (radius // 97 % 256, (x * y) // 53 % 256, (x // 17 + y // 29) % 2 * 200 + 20)
    return np.stack(planes, axis=-1).astype(np.uint8)


def sunset(width: int, height: int) -> np.ndarray:
    """A bright disc over a horizon."""
    y, x = np.mgrid[:height, :width].astype(np.int64)
    sky = np.stack([255 - y * 120 // height, 140 - y * 90 // height, 60 + y * 80 // height], axis=-1)
    sky[y > height * 2 // 3] = (20, 30, 60)
    sky[(x - width // 2) ** 2 + (y - height // 2) ** 2 < (height // 8) ** 2] = (255, 240, 180)
    return sky.astype(np.uint8)


def leaves(width: int, height: int) -> np.ndarray:
    """Green ovals on brown."""
    y, x = np.mgrid[:height, :width].astype(np.int64)
    inside = ((x % 61 - 30) ** 2 * 4 + (y % 83 - 41) ** 2) < 1400
    green = np.stack([30 + x % 40, 120 + y % 90, 25 + (x + y) % 30], axis=-1)
    return np.where(inside[..., None], green, np.array([110, 80, 50])).astype(np.uint8)


PICTURES = {"rings": rings(375, 375), "sunset": sunset(500, 333), "leaves": leaves(280, 420)}


def test_logits_are_the_stored_ones(real_weights: Path, tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.png" for name in STORED]
    for path in paths:
        Image.fromarray(PICTURES[path.stem]).save(path)
    backbone = load_backbone("squeezenet1_1", str(real_weights), ("classifier.3",), 0, CPU)
    ((logits,),) = extract(backbone, paths, n_workers=2)
    for values, stored in zip(logits, STORED.values(), strict=True):
        expected = np.array(stored)
        # Stored to three decimals, of logits up to about 20 that are sums of float32.
        np.testing.assert_allclose(values, expected, rtol=0, atol=1e-3)
        best = expected.argsort()[::-1]
        if expected[best[0]] - expected[best[1]] > 2e-3:
            assert values.argmax() == best[0]


@pytest.mark.skipif(
    "SYNTHFMRI_IMAGENET_VAL" not in os.environ, reason="SYNTHFMRI_IMAGENET_VAL names no folder of pictures"
)
def test_pictures_of_imagenet_are_recognised(real_weights: Path) -> None:
    """A folder a synset, all thousand of them: their order is that of the classes."""
    synsets = sorted(path for path in Path(os.environ["SYNTHFMRI_IMAGENET_VAL"]).iterdir() if path.is_dir())
    assert len(synsets) == 1000, "SYNTHFMRI_IMAGENET_VAL must have a folder for each of the 1,000 synsets"
    chosen = [
        (path, label)
        for label, synset in enumerate(synsets)
        for path in sorted(p for p in synset.iterdir() if p.suffix.lower() in SUFFIXES)[:PICTURES_A_CLASS]
    ]
    backbone = load_backbone("squeezenet1_1", str(real_weights), ("classifier.3",), 0, CPU)
    batches = extract(backbone, [path for path, _ in chosen], n_workers=2)
    found = np.concatenate([logits.argmax(axis=1) for (logits,) in batches])
    assert np.mean(found == [label for _, label in chosen]) > 0.58
