"""Inputs equal those of the weights' own transforms, and the policy is on record."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
import torchvision.models
from PIL import Image
from torchvision.models import get_model_weights, list_models
from torchvision.transforms import functional

from bidsapp_synthfmri.errors import InputMalformedError, UsageError
from bidsapp_synthfmri.features.preprocessing import CROPS, Preprocessing

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


def halves(width: int, height: int) -> Image.Image:
    """Red above, blue below."""
    picture = Image.new("RGB", (width, height), "red")
    picture.paste("blue", (0, height // 2, width, height))
    return picture


def test_squash_shows_the_whole_picture_stretched() -> None:
    policy = ALEXNET.changed("squash")
    pixels = policy.square(halves(400, 100))
    assert pixels.shape == (3, 224, 224)
    assert pixels[:, 0, 0].tolist() == pixels[:, 0, -1].tolist() == [255, 0, 0]
    assert pixels[:, -1, 0].tolist() == pixels[:, -1, -1].tolist() == [0, 0, 255]
    assert torch.equal(pixels[..., :1].expand_as(pixels), pixels)


@pytest.mark.parametrize(("width", "height"), [(400, 100), (100, 400), (7, 3), (3000, 1)])
def test_pad_keeps_proportions_and_fills_with_the_mean(width: int, height: int) -> None:
    policy = ALEXNET.changed("pad")
    pixels = policy.square(Image.new("RGB", (width, height), "white"))
    assert pixels.shape == (3, 224, 224)
    white = (pixels == 255).all(dim=0)
    shown = white.any(dim=1).sum().item(), white.any(dim=0).sum().item()
    assert shown == (max(1, round(224 * min(1, height / width))), max(1, round(224 * min(1, width / height))))
    assert white.sum() == shown[0] * shown[1]
    border = policy.standardise(pixels[None])[0][:, ~white]
    # The mean colour to the nearest of 256 levels, over an SD of at least .224.
    assert border.abs().max() <= 0.5 / 255 / 0.224 + 1e-6
    rows = torch.nonzero(white.any(dim=1))[:, 0]
    assert abs(int(rows[0]) - (223 - int(rows[-1]))) <= 1  # in the middle


def test_square_pictures_are_squashed_and_padded_alike(draw: Callable[[int], Image.Image]) -> None:
    picture = draw(0).resize((300, 300))
    assert torch.equal(ALEXNET.changed("squash").square(picture), ALEXNET.changed("pad").square(picture))


def test_another_size_resizes_in_proportion(draw: Callable[[int], Image.Image]) -> None:
    assert ALEXNET.changed() == ALEXNET.changed("center", 224) == ALEXNET
    double = ALEXNET.changed("center", 448)
    assert (double.resize, double.size) == (512, 448)
    assert ALEXNET.changed("center", 100).resize == 114
    same_part = double.square(draw(0)).float().reshape(3, 224, 2, 224, 2).mean(dim=(2, 4))
    # The same part of the picture, of the smoothest kind, resized in two ways: a grey level or two.
    assert (same_part - ALEXNET.square(draw(0)).float()).abs().mean() < 2
    for crop in CROPS:
        assert ALEXNET.changed(crop, 64).square(draw(1)).shape == (3, 64, 64)


def test_policies_differ_in_key_and_sentence_and_survive_json() -> None:
    policies = [ALEXNET.changed(crop, size) for crop in CROPS for size in (None, 128)]
    assert len({policy.key for policy in policies}) == len({policy.sentence for policy in policies}) == 6
    for policy in policies:
        assert Preprocessing.from_dict(json.loads(json.dumps(policy.to_dict()))) == policy
        assert f"{policy.size} px" in policy.sentence


def test_records_of_before_there_were_policies_are_centre_crops() -> None:
    old = {key: value for key, value in ALEXNET.to_dict().items() if key != "size"} | {"crop": 224}
    assert Preprocessing.from_dict(old) == ALEXNET


@pytest.mark.parametrize("change", [{"crop": "tile"}, {"zoom": 2}, {"mean": None}])
def test_records_of_another_kind_are_refused(change: dict) -> None:
    with pytest.raises(InputMalformedError, match="known here"):
        Preprocessing.from_dict(ALEXNET.to_dict() | change)


def test_policies_that_do_not_exist_are_refused() -> None:
    with pytest.raises(UsageError, match=r"--crop cannot be 'tile'.*center, squash, pad"):
        ALEXNET.changed("tile")
    with pytest.raises(UsageError, match="--image-size is 0"):
        ALEXNET.changed("center", 0)


@pytest.mark.parametrize("crop", CROPS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 20_000), (20_000, 1)])
def test_pictures_of_any_shape_become_squares(crop: str, shape: tuple[int, int]) -> None:
    pixels = ALEXNET.changed(crop).square(Image.new("RGB", shape, (10, 20, 30)))
    shown = (pixels == torch.tensor([10, 20, 30])[:, None, None]).all(dim=0)
    assert shown.any() if crop == "pad" else shown.all()


def test_a_ribbon_shows_its_middle() -> None:
    ribbon = np.zeros((4, 4000, 3), dtype=np.uint8)
    ribbon[:, 1990:2010] = 255
    assert (ALEXNET.square(Image.fromarray(ribbon)) == 255).all()
