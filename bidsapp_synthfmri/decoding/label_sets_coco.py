"""Labels of COCO's images from an annotation file that the user has (``instances_train2014.json``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..errors import InputMalformedError
from .label_sets import Reading

SUPERCATEGORIES = (
    "accessory",
    "animal",
    "appliance",
    "electronic",
    "food",
    "furniture",
    "indoor",
    "kitchen",
    "outdoor",
    "person",
    "sports",
    "vehicle",
)
_HEAVY = ("segmentation", "bbox", "flickr_url", "coco_url", "date_captured")
_BARE = "COCO's annotations name no object in the image"
_ABSENT = "the annotation file does not have the image"
_UNMARKED = "the annotation file has no supercategory"
_TIED = "two kinds of object cover the same area of the image"


@dataclass(frozen=True)
class CocoAnnotations:
    """Which objects each image shows, and how much of it they cover.

    Attributes
    ----------
    images : ids of the images that the file covers, with or without an object
    areas : one row an image and category: ``image`` (id), ``category``, ``supercategory`` and ``area``
        (pixels, summed over the category's objects in the image, crowds too)
    supercategories : those that the file annotates
    """

    images: frozenset[int]
    areas: pd.DataFrame
    supercategories: frozenset[str]

    def largest(self, numbers: Sequence[int], level: str) -> list[Reading]:
        """The ``category`` or ``supercategory`` whose objects cover most of each image."""
        rows = self.areas[self.areas["image"].isin(numbers)]
        covered = rows.groupby(["image", level])["area"].sum().reset_index()
        covered = covered[covered["area"].eq(covered.groupby("image")["area"].transform("max"))]
        kinds = covered.groupby("image")[level].agg(list).to_dict()
        return [self._one(number, kinds.get(number, [])) for number in numbers]

    def presence(self, numbers: Sequence[int], supercategory: str) -> list[Reading]:
        """Whether each image shows an object of a supercategory: its name, or ``no`` and its name."""
        if supercategory not in self.supercategories:
            return [Reading(None, f"{_UNMARKED} {supercategory}", _item(number)) for number in numbers]
        rows = self.areas[self.areas["image"].isin(numbers)]
        showing = set(rows["image"][rows["supercategory"].eq(supercategory)])
        return [
            Reading(supercategory if number in showing else f"no {supercategory}")
            if number in self.images
            else Reading(None, _ABSENT, _item(number))
            for number in numbers
        ]

    def _one(self, number: int, kinds: Sequence[str]) -> Reading:
        if len(kinds) == 1:
            return Reading(kinds[0])
        reason = _ABSENT if number not in self.images else _TIED if kinds else _BARE
        return Reading(None, reason, _item(number))


def coco_annotations(parsed: Mapping[str, Any], where: str = "the COCO annotation file") -> CocoAnnotations:
    """What label sets need of a parsed annotation file.

    Parameters
    ----------
    parsed : the JSON object with ``images``, ``annotations`` and ``categories``; objects of
        ``without_outlines`` will do
    where : what messages call the file

    Raises
    ------
    InputMalformedError : it is not a file of instances
    """
    try:
        images = frozenset(int(image["id"]) for image in parsed["images"])
        names = {int(c["id"]): (str(c["name"]), str(c["supercategory"])) for c in parsed["categories"]}
        rows = [
            (int(a["image_id"]), *names[int(a["category_id"])], float(a["area"]))
            for a in parsed["annotations"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise InputMalformedError(
            f"{where} is not a file of COCO's instances ({error!r} is missing or malformed)",
            "Give instances_train2014.json from COCO's 2014 train/val annotations",
        ) from error
    table = pd.DataFrame(rows, columns=["image", "category", "supercategory", "area"])
    keys = ["image", "category", "supercategory"]
    areas = table.groupby(keys)["area"].sum().reset_index()
    return CocoAnnotations(images, areas, frozenset(above for _, above in names.values()))


def without_outlines(parsed: dict[str, Any]) -> dict[str, Any]:
    """A parsed JSON object less the outlines that make up most of an annotation file.

    As ``object_hook`` of ``json.load`` it keeps the memory of instances_train2014.json (450 MB) from
    growing to several times its size.
    """
    return {key: value for key, value in parsed.items() if key not in _HEAVY}


def _item(number: int) -> str:
    return f"{number:012d}"
