"""Planted copies are found, whatever was done to them, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from bidsapp_synthfmri.errors import InputMalformedError
from bidsapp_synthfmri.features import perceptual
from bidsapp_synthfmri.features.imagenet import imagenet_evidence
from bidsapp_synthfmri.features.perceptual import (
    LEAST_CORRELATION,
    MIRRORED,
    MOST_BITS,
    NEAR,
    SAME_FILE,
    alike_pairs,
    alike_within,
    picture_codes,
)

N_UNRELATED = 40


@pytest.fixture(scope="session")
def training(tmp_path_factory, draw: Callable[[int], Image.Image]) -> list[Path]:
    """Unrelated pictures."""
    folder = tmp_path_factory.mktemp("training")
    paths = [folder / f"{seed}.png" for seed in range(N_UNRELATED)]
    for seed, path in enumerate(paths):
        draw(seed).save(path)
    return paths


def recompressed(picture: Image.Image, path: Path) -> None:
    picture.save(path.with_suffix(".jpg"), quality=30)


def smaller(picture: Image.Image, path: Path) -> None:
    picture.resize((128, 100), Image.Resampling.BILINEAR).save(path)


def brighter(picture: Image.Image, path: Path) -> None:
    ImageEnhance.Brightness(picture).enhance(0.7).save(path)


def trimmed(picture: Image.Image, path: Path) -> None:
    picture.crop((3, 2, picture.width - 3, picture.height - 3)).save(path)


def mirrored(picture: Image.Image, path: Path) -> None:
    ImageOps.mirror(picture).save(path.with_suffix(".jpg"), quality=60)


def turned_by_exif(picture: Image.Image, path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned clockwise by 90 degrees
    turned = picture.transpose(Image.Transpose.ROTATE_90)
    turned.save(path.with_suffix(".jpg"), exif=exif, quality=90)


@pytest.mark.parametrize(
    ("alter", "kind"),
    [
        (recompressed, NEAR),
        (smaller, NEAR),
        (brighter, NEAR),
        (trimmed, NEAR),
        (turned_by_exif, NEAR),
        (mirrored, MIRRORED),
    ],
)
def test_an_altered_copy_is_found_among_unrelated_pictures(tmp_path, training, draw, alter, kind):
    for seed in (3, 11, 27):
        alter(draw(seed), tmp_path / f"{seed:02d}.png")
    draw(N_UNRELATED + 1).save(tmp_path / "99.png")
    test = picture_codes(sorted(tmp_path.iterdir()))
    pairs = list(alike_pairs(test, picture_codes(training)))
    assert [(pair.first, pair.second, pair.kind) for pair in pairs] == [
        (0, 3, kind),
        (1, 11, kind),
        (2, 27, kind),
    ]
    assert all(pair.distance <= MOST_BITS and pair.correlation >= LEAST_CORRELATION for pair in pairs)


def test_equal_files_are_the_same_whatever_their_names(tmp_path, training):
    (tmp_path / "copy.png").write_bytes(training[7].read_bytes())
    (pair,) = alike_pairs(picture_codes([tmp_path / "copy.png"]), picture_codes(training))
    assert (pair.second, pair.kind, pair.distance, pair.correlation) == (7, SAME_FILE, 0, 1.0)


def test_pairs_within_a_set_come_once_and_none_with_itself(tmp_path, training, draw):
    smaller(draw(5), tmp_path / "small.png")
    pairs = list(alike_within(picture_codes([*training, tmp_path / "small.png"])))
    assert [(pair.first, pair.second, pair.kind) for pair in pairs] == [(5, N_UNRELATED, NEAR)]


def test_blocks_change_nothing(training, monkeypatch):
    codes = picture_codes(training)
    twice = codes.take(np.concatenate([np.arange(N_UNRELATED), np.arange(N_UNRELATED)]))
    whole = list(alike_pairs(codes, twice))
    monkeypatch.setattr(perceptual, "_PAIRS_PER_BLOCK", 3 * len(twice))
    assert list(alike_pairs(codes, twice)) == whole
    assert [(pair.first, pair.second) for pair in whole] == [
        (row, row + shift) for row in range(N_UNRELATED) for shift in (0, N_UNRELATED)
    ]


def test_flat_pictures_are_like_none_but_their_own_file(tmp_path, training):
    for name, level in (("a", 128), ("b", 128), ("c", 90)):
        # The size tells the files of equal pictures apart.
        Image.new("RGB", (60 + ord(name), 60), (level, level, level)).save(tmp_path / f"{name}.png")
    (tmp_path / "d.png").write_bytes((tmp_path / "a.png").read_bytes())
    codes = picture_codes([*sorted(tmp_path.iterdir()), *training])
    assert codes.is_flat.tolist() == [True] * 4 + [False] * N_UNRELATED
    pairs = [(pair.first, pair.second, pair.kind) for pair in alike_within(codes)]
    assert pairs == [(0, 3, SAME_FILE)]


def test_no_pictures_are_no_pairs(training):
    none = picture_codes([])
    assert len(none) == 0
    assert list(alike_pairs(none, picture_codes(training[:2]))) == []
    assert list(alike_pairs(picture_codes(training[:2]), none)) == []


def test_a_damaged_picture_is_named(tmp_path):
    path = tmp_path / "broken.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0 no picture")
    with pytest.raises(InputMalformedError, match=r"broken\.jpg"):
        picture_codes([path])


@pytest.mark.parametrize(
    ("stimulus", "source", "evidence"),
    [
        ("n01440764_10026.JPEG", "imagenet", "name"),
        ("pictures/n02930766_24625.jpg", None, "name"),
        ("n01440764/goldfish.jpg", None, "folder"),
        ("ImageNet/goldfish.jpg", None, "folder"),
        ("goldfish.jpg", "ImageNet", "source"),
        ("goldfish.jpg", "scenes", None),
        ("COCO_train2014_000000000036.jpg", "coco", None),
        ("n0144_10026.JPEG", None, None),
        ("n01440764_10026_crop.JPEG", None, None),
        ("ILSVRC2012_val_00000293.JPEG", "imagenet", None),
        ("imagenet.jpg", None, None),
    ],
)
def test_imagenet_is_known_by_name_folder_or_source(stimulus, source, evidence):
    assert imagenet_evidence(stimulus, source) == evidence
