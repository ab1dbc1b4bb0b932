"""Labels by the options of a run: default, names of sets, tables, COCO's file; and extra image sets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bidsapp_synthfmri.config import RunConfig
from bidsapp_synthfmri.derivatives.results import ParticipantResults
from bidsapp_synthfmri.errors import InputMalformedError, InputMissingError, UsageError
from bidsapp_synthfmri.structures import Synthetic
from bidsapp_synthfmri.workflow.label_choice import (
    chosen_labels,
    label_facts,
    label_notes,
    label_source,
    labels_of,
    labels_of_images,
)

Results = Callable[..., ParticipantResults]


@pytest.fixture
def options(tmp_path: Path) -> Callable[..., RunConfig]:
    return lambda **given: RunConfig(tmp_path / "bids", tmp_path / "out", "group", **given)


@pytest.fixture
def table(tmp_path: Path, named_results: Results) -> Path:
    """All stimuli but the first, labelled even and odd; and by another column."""
    stimuli = named_results().responses.trials.stimuli
    rows = [(name, ("even", "odd")[i % 2], f"of{i % 5}") for i, name in enumerate(stimuli)][1:]
    path = tmp_path / "labels.tsv"
    pd.DataFrame(rows, columns=["stimulus", "label", "five"]).to_csv(path, sep="\t", index=False)
    return path


def extra(results: ParticipantResults, stimuli: list[str], labels: list[str] | None) -> Synthetic:
    images = pd.DataFrame({"stimulus": stimuli, "split": "more", "prediction": "encoder"})
    if labels is not None:
        images["label"] = labels
    values = np.zeros((len(stimuli), len(results.voxels)), dtype=np.float32)
    return Synthetic(values, images, results.voxels)


def test_without_a_name_the_options_decide_as_before(options, table, named_results: Results) -> None:
    results = named_results()
    assert labels_of(results, None, options()).origin.startswith("Labels come from the stimuli's names")
    column = labels_of(results, None, options(label_column="kind"))
    assert column.labels == labels_of(results, "column:kind", options()).labels
    assert dict(column.counts) == {"a": 30, "b": 30}
    given = labels_of(results, None, options(labels=table))
    assert given.labels[:4] == (None, "odd", "even", "odd")
    assert (given.n_labelled, given.n_gaps) == (59, 1)
    assert given.origin == "Labels come from the table given with --labels."
    assert chosen_labels(options(label_set="scene", labels=table)) == "scene"


def test_a_name_wins_over_the_options_default(options, table, named_results: Results) -> None:
    results = named_results()
    config = options(label_set="source", labels=table)
    assert dict(labels_of(results, None, config).counts) == {"coco": 20, "imagenet": 20, "scenes": 20}
    assert dict(labels_of(results, "scene", config).counts) == {"beach": 10, "kitchen": 10}
    five = labels_of(results, "labels:five", config)
    assert five.labels[1:6] == ("of1", "of2", "of3", "of4", "of0")


def test_a_set_within_a_source_says_who_takes_no_part(options, named_results: Results) -> None:
    sets = {name: labels_of(named_results(), "scene", options()) for name in ("01", "02")}
    facts = label_facts(sets["01"])
    assert (facts["within"], facts["n_labelled"], facts["n_outside"]) == ("scenes", 20, 40)
    assert facts["counts"] == {"beach": 10, "kitchen": 10}
    json.dumps(facts)
    assert label_notes(sets) == [
        "Participants 01, 02: Label set 'scene': 20 of 20 stimuli of source scenes have one of 2 labels.",
        "Participants 01, 02: Label set 'scene': 40 stimuli of other sources take no part.",
    ]
    assert label_source(sets["01"]).startswith("Labels are those of the set 'scene': scene category. ")
    assert label_source(sets["01"]).endswith(".")


def test_cocos_labels_come_from_the_file_given(options, tmp_path: Path, named_results: Results) -> None:
    results = named_results()
    with pytest.raises(InputMissingError, match="--coco-annotations"):
        labels_of(results, "coco_has_person", options())
    path = tmp_path / "instances.json"
    with pytest.raises(InputMissingError, match=r"instances\.json is not there"):
        labels_of(results, "coco_has_person", options(coco_annotations=path))
    path.write_text("[1, 2", encoding="utf-8")
    with pytest.raises(InputMalformedError, match="is not JSON"):
        labels_of(results, "coco_has_person", options(coco_annotations=path))
    people = {"id": 1, "name": "person", "supercategory": "person"}
    path.write_text(
        json.dumps(
            {
                "images": [{"id": i} for i in range(18)],
                "categories": [people],
                "annotations": [{"image_id": i, "category_id": 1, "area": 1.0} for i in range(6)],
            }
        ),
        encoding="utf-8",
    )
    found = labels_of(results, "coco_has_person", options(coco_annotations=path))
    assert dict(found.counts) == {"person": 6, "no person": 12}
    assert (found.n_gaps, found.n_outside) == (2, 40)


def test_an_unknown_name_and_a_missing_table_are_refused(options, tmp_path, named_results: Results) -> None:
    with pytest.raises(UsageError, match=r"no label set 'animals'.*superordinate"):
        labels_of(named_results(), "animals", options())
    with pytest.raises(InputMissingError, match=r"nowhere\.tsv is not there"):
        labels_of(named_results(), None, options(labels=tmp_path / "nowhere.tsv"))
    with pytest.raises(InputMissingError, match="needs a table"):
        labels_of(named_results(), "labels:five", options())
    with pytest.raises(InputMalformedError, match="no column 'colour'"):
        labels_of(named_results(), "column:colour", options())


def test_an_extra_set_is_read_by_the_same_names(options, named_results: Results) -> None:
    results = named_results()
    own = labels_of(results, "scene", options())
    images = extra(results, ["beach900.jpg", "zoo1.jpg", "n02084071_1.JPEG"], ["x", "y", "z"])
    found = labels_of_images(images.table, own, options())
    assert found.labels[0] == "beach"
    assert found.labels[2] is None


def test_folders_called_as_labels_are_labels_where_names_say_nothing(options, named_results: Results) -> None:
    results = named_results()
    own = labels_of(results, "scene", options())
    images = extra(results, ["p1.jpg", "p2.jpg", "p3.jpg"], ["beach", "kitchen", "moon"])
    found = labels_of_images(images.table, own, options())
    assert found.labels == ("beach", "kitchen", None)
    assert [(gap.items, gap.n_stimuli) for gap in found.gaps] == [(("moon",), 1)]


def test_folders_come_first_for_a_users_labels(options, table, named_results: Results) -> None:
    results = named_results()
    config = options(labels=table)
    own = labels_of(results, None, config)
    foldered = extra(results, ["p1.jpg", "p2.jpg"], ["even", "odd"])
    assert labels_of_images(foldered.table, own, config).labels == ("even", "odd")
    known = list(results.responses.trials.stimuli[1:3])
    assert labels_of_images(extra(results, known, None).table, own, config).labels == ("odd", "even")
    strange = extra(results, ["cat_1.jpg", "dog_2.jpg"], None)
    assert labels_of_images(strange.table, own, config).labels == ("cat", "dog")
    column = labels_of(results, "column:kind", options())
    images = extra(results, ["p1.jpg"], ["even"])
    images.table["kind"] = "b"
    assert labels_of_images(images.table, column, options()).labels == ("b",)
