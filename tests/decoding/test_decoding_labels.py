"""Labels from a table, a column or a name; what has none is counted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bidsapp_synthfmri.decoding import label_stimuli
from bidsapp_synthfmri.decoding.labels import label_from_name
from bidsapp_synthfmri.errors import InputMalformedError


@pytest.mark.parametrize(
    ("stimulus", "label"),
    [
        ("COCO_train2014_000000420713.jpg", "COCO_train2014"),
        ("n01930112_19568.JPEG", "n01930112"),
        ("airplanehangar3.jpg", "airplanehangar"),
        ("badlands_12.jpg", "badlands"),
        ("living room - 7.png", "living room"),
        ("bench.jpeg", "bench"),
        ("cat/0001.jpg", "cat"),
        ("animal/cat/0001.jpg", "animal"),
        ("./cat_1.jpg", "cat"),
        ("000012.jpg", None),
    ],
)
def test_name_gives_folder_else_name_without_number(stimulus: str, label: str | None) -> None:
    assert label_from_name(stimulus) == label


@pytest.mark.parametrize("spelling", ["./x/cat1.jpg", "x//cat1.jpg", "x\\cat1.jpg", " x/cat1.jpg"])
def test_a_table_may_spell_a_path_in_another_way(spelling: str) -> None:
    labels = pd.DataFrame({"stimulus": [spelling], "label": ["feline"]})
    assert label_stimuli(["x/cat1.jpg"], labels=labels).names == ("feline",)


def test_errors_name_the_table_and_the_set_it_was_asked_for() -> None:
    labels = pd.DataFrame({"stimulus": ["a", "a"], "label": ["x", "y"]})
    options = {"where": "/data/Labels.tsv", "of": "image set Objects"}
    with pytest.raises(InputMalformedError, match=r"none of the 2 stimuli of image set Objects") as caught:
        label_stimuli(["b", "c"], labels=labels[:1], **options)
    assert "/data/Labels.tsv" in caught.value.problem
    with pytest.raises(InputMalformedError, match=r"more than one label .*/data/Labels\.tsv"):
        label_stimuli(["a"], labels=labels, **options)
    with pytest.raises(InputMalformedError, match=r"no column 'label' in /data/Labels\.tsv"):
        label_stimuli(["a"], labels=labels[["stimulus"]], **options)


def test_names_stand_in_for_a_table_that_knows_nothing_only_where_asked_and_said() -> None:
    labels = pd.DataFrame({"stimulus": ["cat1.jpg"], "label": ["feline"]})
    found = label_stimuli(["dog1.jpg", "7.jpg"], labels=labels, fallback_to_names=True)
    assert found.names == ("dog", None)
    assert found.n_unlabelled == 1
    assert "--labels has none of these" in found.source
    assert "names" in found.source

    partly = label_stimuli(["dog1.jpg", "cat1.jpg"], labels=labels, fallback_to_names=True)
    assert partly.names == (None, "feline")
    assert partly.source == "Labels come from the table given with --labels."


def test_stimuli_without_a_label_are_counted_and_not_guessed() -> None:
    found = label_stimuli(["cat1.jpg", "0001.jpg"])
    assert found.names == ("cat", None)
    assert found.n_unlabelled == 1
    assert "name" in found.source


def test_column_labels_ignore_missing_cells_and_keep_whole_numbers() -> None:
    trials = pd.DataFrame({"stimulus": ["a", "b", "a", "c"], "kind": [1.0, 2.0, np.nan, np.nan]})
    found = label_stimuli(["a", "b", "c"], trials=trials, column="kind")
    assert found.names == ("1", "2", None)
    assert found.n_unlabelled == 1
    assert "'kind'" in found.source


def test_presentations_that_disagree_are_refused_by_name_and_values() -> None:
    trials = pd.DataFrame({"stimulus": ["a", "b", "a"], "kind": ["cat", "dog", "cow"]})
    with pytest.raises(InputMalformedError, match=r"'a'.*'cat' and 'cow'"):
        label_stimuli(["a", "b"], trials=trials, column="kind")


def test_table_takes_precedence_and_leaves_unknown_stimuli_unlabelled() -> None:
    labels = pd.DataFrame({"stimulus": ["cat1.jpg", "dog1.jpg"], "label": ["feline", "n/a"]})
    found = label_stimuli(["cat1.jpg", "dog1.jpg", "cow1.jpg"], labels=labels)
    assert found.names == ("feline", None, None)
    assert found.n_unlabelled == 2


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (pd.DataFrame({"stimulus": ["a"], "category": ["x"]}), "no column 'label'"),
        (pd.DataFrame({"stimulus": ["z"], "label": ["x"]}), "none of the 1 stimuli"),
        (pd.DataFrame({"stimulus": ["a", "a"], "label": ["x", "y"]}), "more than one label"),
    ],
)
def test_unusable_tables_are_refused(labels: pd.DataFrame, message: str) -> None:
    with pytest.raises(InputMalformedError, match=message):
        label_stimuli(["a"], labels=labels)
