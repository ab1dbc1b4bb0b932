"""Label sets by name: what BOLD5000's stimuli get, and gaps that are counted and never filled."""

from __future__ import annotations

import configparser
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from bidsapp_synthfmri.decoding.label_sets import Gap
from bidsapp_synthfmri.decoding.label_sets_names import (
    coco_number,
    image_source,
    scene_category,
    scene_settings,
    synset_labels,
    synset_of,
)
from bidsapp_synthfmri.decoding.label_sets_registry import SCHEMES, LabelInputs, label_set
from bidsapp_synthfmri.errors import InputMalformedError, InputMissingError, UsageError

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared" / "data" / "ds001499"


@pytest.mark.parametrize(
    ("stimulus", "source", "synset", "number", "scene"),
    [
        ("n01930112_19568.JPEG", "imagenet", "n01930112", None, None),
        ("n99999999_1.JPEG", "imagenet", "n99999999", None, None),
        ("train/n02084071/a.jpg", "imagenet", "n02084071", None, None),
        ("val/n02084071/ILSVRC2012_val_00000293.JPEG", "imagenet", "n02084071", None, None),
        ("COCO_train2014_000000420713.jpg", "coco", None, 420713, None),
        ("COCO\\COCO_val2014_000000000042.jpg", "coco", None, 42, None),
        ("airplanecabin3.jpg", "scenes", None, None, "airplanecabin"),
        ("minigolf.jpg", "scenes", None, None, "minigolf"),
        ("glaciers_outdoor2.jpeg", "scenes", None, None, "glaciers_outdoor"),
        ("places/beach/0001.jpg", "scenes", None, None, "beach"),
        ("000000420713.jpg", None, None, None, None),
        ("n0193011_1.jpg", None, None, None, None),
        ("spaceship1.jpg", None, None, None, None),
        ("BEACH1.jpg", None, None, None, None),
    ],
)
def test_names_say_source_synset_number_and_scene(
    stimulus: str, source: str | None, synset: str | None, number: int | None, scene: str | None
) -> None:
    assert image_source(stimulus) == source
    assert synset_of(stimulus) == synset
    assert coco_number(stimulus) == number
    assert scene_category(stimulus) == scene


STIMULI = (
    "n02099601_1.JPEG",  # golden retriever
    "n02012849_2.JPEG",  # crane, the bird
    "n03126707_3.JPEG",  # crane, the machine
    "n06596364_4.JPEG",  # comic book
    "n00000001_5.JPEG",
    "COCO_train2014_000000420713.jpg",
    "beach1.jpg",
    "church2.jpg",
    "picture.png",
)


@pytest.mark.parametrize(
    ("name", "labels", "within", "n_outside"),
    [
        ("source", ["imagenet"] * 5 + ["coco", "scenes", "scenes", None], None, 0),
        (
            "synset",
            ["golden retriever", "crane (n02012849)", "crane (n03126707)", "comic book", None] + [None] * 4,
            "imagenet",
            4,
        ),
        (
            "lexicographer",
            ["noun.animal", "noun.animal", "noun.artifact", "noun.communication", None] + [None] * 4,
            "imagenet",
            4,
        ),
        ("superordinate", ["dog", "bird", None, None, None] + [None] * 4, "imagenet", 4),
        ("scene", [None] * 6 + ["beach", "church", None], "scenes", 7),
        ("setting", [None] * 6 + ["outdoor", None, None], "scenes", 7),
    ],
)
def test_each_set_labels_its_own_source_alone(
    name: str, labels: list[str | None], within: str | None, n_outside: int
) -> None:
    found = label_set(name, STIMULI)
    assert found.labels == tuple(labels)
    assert found.within == within
    assert found.n_outside == n_outside
    assert found.n_labelled + found.n_gaps + found.n_outside == len(STIMULI)


def test_an_unknown_synset_is_a_gap_with_its_name_and_its_own_reason() -> None:
    found = label_set("superordinate", [*STIMULI, "n00000001_7.JPEG"])
    chosen, unknown = found.gaps
    assert chosen == Gap("the synset belongs to none of the chosen classes", ("n03126707", "n06596364"), 2)
    assert unknown == Gap("the synset is none of ILSVRC's 1,000", ("n00000001",), 2)
    assert found.sentences == (
        "Label set 'superordinate': 2 of 6 stimuli of source imagenet have one of 2 labels.",
        "Label set 'superordinate': 2 stimuli have no label: the synset belongs to none of the chosen "
        "classes (n03126707, n06596364).",
        "Label set 'superordinate': 2 stimuli have no label: the synset is none of ILSVRC's 1,000 "
        "(n00000001).",
        "Label set 'superordinate': 4 stimuli of other sources take no part.",
    )


def test_counts_are_sorted_by_number_then_name() -> None:
    assert label_set("source", STIMULI).counts == (("imagenet", 5), ("scenes", 2), ("coco", 1))


def test_user_columns_and_tables_are_label_sets_too() -> None:
    trials = pd.DataFrame({"stimulus": ["a1", "b2", "a1"], "kind": ["x", "n/a", "x"]})
    table = pd.DataFrame({"stimulus": ["a1", "b2"], "label": ["p", "q"], "size": ["big", ""]})
    inputs = LabelInputs(trials=trials, table=table)
    column = label_set("column:kind", ["a1", "b2"], inputs)
    assert column.labels == ("x", None)
    assert column.gaps == (Gap("there is no value for it", ("b2",), 1),)
    assert column.within is None
    assert label_set("labels", ["a1", "b2"], inputs).labels == ("p", "q")
    assert label_set("labels:size", ["a1", "b2"], inputs).labels == ("big", None)
    assert "'size'" in label_set("labels:size", ["a1", "b2"], inputs).origin
    assert label_set("names", ["a1", "7"]).labels == ("a", None)


def test_what_cannot_be_applied_is_refused_with_what_to_do() -> None:
    with pytest.raises(UsageError, match=r"no label set 'animacy'.*superordinate.*column:NAME"):
        label_set("animacy", STIMULI)
    with pytest.raises(InputMissingError, match="--labels"):
        label_set("labels", STIMULI)
    with pytest.raises(InputMissingError, match="trials"):
        label_set("column:kind", STIMULI)
    with pytest.raises(InputMissingError, match="--coco-annotations"):
        label_set("coco_category", STIMULI)
    with pytest.raises(InputMalformedError, match="no column 'size' in T"):
        label_set("labels:size", ["a"], LabelInputs(table=pd.DataFrame({"stimulus": ["a"]}), where="T"))


def test_tables_have_one_label_a_synset_and_a_setting_that_a_source_gives() -> None:
    lemmas, superordinates = synset_labels("lemma"), synset_labels("superordinate")
    assert len(lemmas) == len(set(lemmas.values())) == 1000
    assert None not in lemmas.values()
    # Classes 151 to 268 in the order of ILSVRC 2012 are its breeds of dog.
    assert Counter(superordinates.values())["dog"] == 118
    assert synset_labels("lexicographer")["n07873807"] == "noun.food"  # pizza
    settings = scene_settings()
    assert len(settings) == 250
    assert Counter(settings.values()) == {"indoor": 48, "outdoor": 48, None: 154}
    assert settings["beach"] == settings["waterfall_outdoor"] == "outdoor"
    assert settings["kitchen"] == settings["mallindoor"] == "indoor"
    assert settings["church"] is settings["museum"] is None  # Places365 has both


def test_tables_and_licence_are_installed_with_the_package() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    package = ROOT / "bidsapp_synthfmri"
    patterns = setup["options.package_data"]["bidsapp_synthfmri"].split()
    shipped = {path for pattern in patterns for path in package.glob(pattern)}
    data = set((package / "decoding" / "data").iterdir())
    assert len(data) == 4
    assert data <= shipped
    licence = "bidsapp_synthfmri/decoding/data/WORDNET_LICENSE.txt"
    assert licence in setup["metadata"]["license_files"].split()
    assert "WordNet 3.0 Copyright 2006 by Princeton University" in (ROOT / licence).read_text("utf-8")


def test_the_page_on_labels_names_every_set() -> None:
    page = (ROOT / "docs" / "labels.md").read_text(encoding="utf-8")
    named = [name for name in SCHEMES if not name.startswith("coco_has_")]
    assert [
        name for name in [*named, "coco_has_", "column:", "labels:", "names"] if f"`{name}" not in page
    ] == []


@pytest.fixture(scope="module")
def events() -> pd.DataFrame:
    files = sorted(REAL.glob("sub-*/ses-*/func/*_task-5000scenes_*_events.tsv"))
    if not files:
        pytest.skip("ds001499's real files are not here")
    return pd.concat([pd.read_csv(file, sep="\t") for file in files])


def test_the_source_of_every_real_stimulus_is_the_one_its_events_name(events: pd.DataFrame) -> None:
    table = events.drop_duplicates("stim_file")
    found = label_set("source", tuple(table["stim_file"]))
    assert found.labels == tuple(table["ImgType"].str.removeprefix("rep_"))
    assert dict(found.counts) == {"coco": 2000, "imagenet": 1916, "scenes": 1000}


def test_every_real_imagenet_picture_has_a_class(events: pd.DataFrame) -> None:
    stimuli = tuple(events["stim_file"].unique())
    synsets = label_set("synset", stimuli)
    assert synsets.gaps == ()
    assert {n for _, n in synsets.counts} == {2}
    assert len(synsets.counts) == 958
    files = label_set("lexicographer", stimuli)
    assert files.gaps == ()
    assert files.n_outside == 3000
    assert dict(files.counts) == {
        "noun.artifact": 1014,
        "noun.animal": 736,
        "noun.food": 96,
        "noun.plant": 30,
        "noun.object": 22,
        "noun.communication": 10,
        "noun.person": 6,
        "noun.substance": 2,
    }
    chosen = label_set("superordinate", stimuli)
    assert (chosen.n_labelled, chosen.n_gaps, len(chosen.counts)) == (1228, 688, 23)
    assert min(n for _, n in chosen.counts) == 16


def test_every_real_scene_has_one_of_250_categories(events: pd.DataFrame) -> None:
    stimuli = tuple(events["stim_file"].unique())
    scenes = label_set("scene", stimuli)
    assert scenes.gaps == ()
    assert len(scenes.counts) == 250
    assert {n for _, n in scenes.counts} == {4}
    settings = label_set("setting", stimuli)
    assert dict(settings.counts) == {"indoor": 192, "outdoor": 192}
    assert settings.n_gaps == 616
