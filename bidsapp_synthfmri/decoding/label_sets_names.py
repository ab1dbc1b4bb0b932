"""What a stimulus' name says: its image source, ImageNet synset, COCO number and scene category."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath

import pandas as pd

IMAGENET, COCO, SCENES = "imagenet", "coco", "scenes"

_IMAGENET_STEM = re.compile(r"(n\d{8})_\d+")
_SYNSET = re.compile(r"n\d{8}")
_COCO_STEM = re.compile(r"COCO_(?:train|val|test)\d{4}_(\d{12})")
_NUMBER = re.compile(r"[\s_.-]*\d+$")


def image_source(stimulus: str) -> str | None:
    """``imagenet``, ``coco`` or ``scenes``; None where the name does not say.

    Notes
    -----
    Names are as ImageNet and COCO spell their files. A scene's name less its number is one of BOLD5000's
    250 categories: a name outside this list is not taken for a scene.
    """
    if synset_of(stimulus) is not None:
        return IMAGENET
    if coco_number(stimulus) is not None:
        return COCO
    return None if scene_category(stimulus) is None else SCENES


def synset_of(stimulus: str) -> str | None:
    """WordNet id in the file's name, else of the nearest folder named after one."""
    path = _path(stimulus)
    match = _IMAGENET_STEM.fullmatch(path.stem)
    if match:
        return match[1]
    return next((part for part in reversed(path.parts[:-1]) if _SYNSET.fullmatch(part)), None)


def coco_number(stimulus: str) -> int | None:
    """COCO's id of the image, the twelve digits in its file's name."""
    match = _COCO_STEM.fullmatch(_path(stimulus).stem)
    return int(match[1]) if match else None


def scene_category(stimulus: str) -> str | None:
    """One of BOLD5000's 250: the file's name less its number, else the nearest folder of that name."""
    path, known = _path(stimulus), scene_settings()
    spelt = (_NUMBER.sub("", path.stem), *reversed(path.parts[:-1]))
    return next((part for part in spelt if part in known), None)


@cache
def synset_labels(column: str) -> dict[str, str | None]:
    """``lemma``, ``lexicographer`` or ``superordinate`` of ILSVRC's 1,000 synsets by id; None for none.

    A lemma that two synsets share (crane, maillot) has the id behind it.
    """
    table = _read("imagenet_synsets.tsv")
    shared = table["lemma"].duplicated(keep=False)
    table["lemma"] = table["lemma"].where(~shared, table["lemma"] + " (" + table["synset"] + ")")
    return dict(zip(table["synset"], table[column], strict=True))


@cache
def scene_settings() -> dict[str, str | None]:
    """``indoor``, ``outdoor`` or None of each of BOLD5000's 250 scene categories."""
    table = _read("scene_categories.tsv")
    return dict(zip(table["category"], table["setting"], strict=True))


def _read(name: str) -> pd.DataFrame:
    resource = files(__package__).joinpath("data", name)
    with resource.open(encoding="utf-8") as lines:
        table = pd.read_csv(lines, sep="\t", dtype=object, keep_default_na=False)
    return table.replace("n/a", None)


def _path(stimulus: str) -> PurePosixPath:
    return PurePosixPath(stimulus.strip().replace("\\", "/"))
