"""Inputs equal those of the weights' own transforms, and the policy is on record."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from PIL import Image
from torchvision.models import get_model_weights, list_models
from torchvision.transforms import functional

from bidsapp_synthfmri.features.preprocessing import Preprocessing

ALEXNET = Preprocessing.of_weights(get_model_weights("alexnet").DEFAULT)


# Crops and filters differ: bilinear 256/224, bilinear 232/224, bicubic 320/300, bicubic 518/518.
@pytest.mark.parametrize("name", ["alexnet", "resnet50", "efficientnet_b3", "vit_h_14"])
def test_equals_the_weights_transforms_bit_for_bit(name: str, draw: Callable[[int], Image.Image]) -> None:
    weights = get_model_weights(name).DEFAULT
    ours, theirs = Preprocessing.of_weights(weights), weights.transforms()
    pictures = [
        draw(0),
        draw(1).rotate(90, expand=True),
        draw(2).resize((90, 61)),
        draw(3).resize((1300, 700)),
    ]
    batch = ours.standardise(torch.stack([ours.square(picture) for picture in pictures]))
    assert torch.equal(batch, torch.stack([theirs(picture) for picture in pictures]))


def test_every_classification_model_has_a_policy() -> None:
    import torchvision.models

    for name in list_models(module=torchvision.models):
        assert Preprocessing.of_weights(get_model_weights(name).DEFAULT).size >= 224


def test_the_sentence_names_the_policy() -> None:
    for part in ("shorter side to 256 px (bilinear)", "centre crop 224 px", "0.485", "EXIF"):
        assert part in ALEXNET.sentence


def test_survives_json_and_keeps_its_key() -> None:
    again = Preprocessing.from_dict(json.loads(json.dumps(ALEXNET.to_dict())))
    assert again == ALEXNET
    assert again.key == ALEXNET.key
    assert replace(ALEXNET, resize=232).key != ALEXNET.key


def test_a_picture_smaller_than_the_crop_is_enlarged() -> None:
    pixels = ALEXNET.square(Image.new("RGB", (20, 30), "red"))
    assert pixels.shape == (3, 224, 224)
    assert torch.equal(pixels, functional.pil_to_tensor(Image.new("RGB", (224, 224), "red")))
