"""COCO's labels from an annotation file like its own."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from bidsapp_synthfmri.decoding.label_sets import Gap
from bidsapp_synthfmri.decoding.label_sets_coco import coco_annotations, without_outlines
from bidsapp_synthfmri.decoding.label_sets_registry import LabelInputs, label_set
from bidsapp_synthfmri.errors import InputMalformedError


def _annotation(image: int, category: int, area: float) -> dict[str, Any]:
    outline = [[0.0, 0.0, 1.0, 1.0]]
    return {"image_id": image, "category_id": category, "area": area, "segmentation": outline, "iscrowd": 0}


FILE = {
    "images": [{"id": number, "file_name": f"COCO_train2014_{number:012d}.jpg"} for number in (1, 2, 3, 4)],
    "categories": [
        {"id": 1, "name": "person", "supercategory": "person"},
        {"id": 17, "name": "cat", "supercategory": "animal"},
        {"id": 18, "name": "dog", "supercategory": "animal"},
        {"id": 3, "name": "car", "supercategory": "vehicle"},
    ],
    "annotations": [
        # the largest object is a person, most is covered by people; animals together cover more
        _annotation(1, 1, 30.0),
        _annotation(1, 1, 25.0),
        _annotation(1, 17, 40.0),
        _annotation(1, 18, 20.0),
        _annotation(2, 3, 10.0),
        _annotation(2, 1, 10.0),
        _annotation(4, 18, 5.0),
    ],
}
STIMULI = (*(f"COCO_train2014_{number:012d}.jpg" for number in (1, 2, 3, 4, 5)), "beach1.jpg")


@pytest.fixture(scope="module")
def inputs() -> LabelInputs:
    return LabelInputs(coco=coco_annotations(FILE))


def test_the_kind_that_covers_most_names_the_image_and_the_rest_are_gaps(inputs: LabelInputs) -> None:
    categories = label_set("coco_category", STIMULI, inputs)
    assert categories.labels == ("person", None, None, "dog", None, None)
    assert categories.within == "coco"
    assert categories.n_outside == 1
    assert categories.gaps == (
        Gap("two kinds of object cover the same area of the image", ("000000000002",), 1),
        Gap("COCO's annotations name no object in the image", ("000000000003",), 1),
        Gap("the annotation file does not have the image", ("000000000005",), 1),
    )
    above = label_set("coco_supercategory", STIMULI, inputs)
    assert above.labels == ("animal", None, None, "animal", None, None)


def test_presence_is_said_of_every_annotated_image_and_of_no_other(inputs: LabelInputs) -> None:
    people = label_set("coco_has_person", STIMULI, inputs)
    assert people.labels == ("person", "person", "no person", "no person", None, None)
    assert people.n_gaps == 1


def test_a_supercategory_that_the_file_does_not_mark_is_no_absence(inputs: LabelInputs) -> None:
    food = label_set("coco_has_food", STIMULI, inputs)
    assert food.labels == (None,) * 6
    assert food.gaps[0].reason == "the annotation file has no supercategory food"
    assert food.n_gaps == 5


def test_outlines_are_not_needed(inputs: LabelInputs) -> None:
    light = json.load(io.StringIO(json.dumps(FILE)), object_hook=without_outlines)
    assert all("segmentation" not in annotation for annotation in light["annotations"])
    again = label_set("coco_category", STIMULI, LabelInputs(coco=coco_annotations(light)))
    assert again == label_set("coco_category", STIMULI, inputs)


@pytest.mark.parametrize(
    "broken",
    [
        {**FILE, "annotations": [{"image_id": 1, "caption": "two cats"}]},
        {key: FILE[key] for key in ("images", "annotations")},
        {**FILE, "annotations": [_annotation(1, 99, 1.0)]},
        {**FILE, "images": [1, 2]},
    ],
)
def test_another_file_of_coco_is_refused_with_the_one_to_give(broken: dict[str, Any]) -> None:
    with pytest.raises(InputMalformedError, match=r"captions\.json is not .*instances_train2014"):
        coco_annotations(broken, "captions.json")
