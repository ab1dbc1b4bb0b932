"""Departures from BIDS in the files that a run uses."""

import json
import shutil
from dataclasses import replace

import pandas as pd
import pytest

from bidsapp_synthfmri.dataset.index import index_participant
from bidsapp_synthfmri.dataset.validation import bids_problems


@pytest.fixture
def problems(modern):
    return lambda: bids_problems(modern.root, index_participant(modern.config(), "A1"))


def test_a_good_dataset_has_none(problems):
    assert problems() == ()


def test_a_description_without_a_version_is_named(problems, modern):
    path = modern.root / "dataset_description.json"
    path.write_text(json.dumps({"Name": "x", "BIDSVersion": 3}))
    assert [f"{path} has no BIDSVersion"] == list(problems())


def test_a_name_that_bids_does_not_know_is_named(modern):
    files = index_participant(modern.config(), "A1")
    strange = modern.raw("events.tsv", run="one")
    shutil.copy(modern.raw("events.tsv"), strange)
    first, *others = files.runs
    spoilt = replace(files, runs=(replace(first, events=strange), *others))
    name = strange.relative_to(modern.root)
    assert bids_problems(modern.root, spoilt) == (f"{name} is no name of a BIDS file",)


def test_columns_out_of_order_are_named(problems, modern):
    path = modern.raw("events.tsv")
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    table[["duration", "onset", *table.columns[2:]]].to_csv(path, sep="\t", index=False)
    (found,) = problems()
    assert path.name in found
    assert "onset and duration" in found
