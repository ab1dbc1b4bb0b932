"""The audit of the split reads back as it was written, columns described."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from bidsapp_synthfmri.derivatives import columns, names, participant
from bidsapp_synthfmri.derivatives.reader import load_participant

PAIRS = pd.DataFrame(
    [("t.jpg", "x.jpg", "train", "near-duplicate", 4, 0.987)], columns=list(columns.PAIR_COLUMNS.known)
)
STIMULI = pd.DataFrame(
    {
        "stimulus": ["t.jpg", "x.jpg"],
        "split": ["test", "train"],
        "source": ["coco", None],
        "imagenet": [None, "name"],
        "alike_in_training": [1, 0],
    }
)
SCORES = pd.DataFrame(
    [("source", "coco", "PPA", "synthetic_real", 0.3, 0.2, np.nan, 12, 45)],
    columns=list(columns.LEAKAGE_SCORE_COLUMNS.known),
)


def test_the_audit_reads_back_exactly(tmp_path: Path, make, write) -> None:
    writer = write(tmp_path, make())
    assert load_participant(tmp_path, "01").leakage is None

    participant.write_leakage(writer, pairs=PAIRS, stimuli=STIMULI, scores=SCORES)

    read = load_participant(tmp_path, "01").leakage
    for name, given in (("pairs", PAIRS), ("stimuli", STIMULI), ("scores", SCORES)):
        pd.testing.assert_frame_equal(getattr(read, name), given, check_exact=True)
    assert [synthetic.table["split"][0] for synthetic in load_participant(tmp_path, "01").extra] == [
        "Objects"
    ]


def test_a_clean_split_has_an_empty_list_of_pairs(tmp_path: Path, make, write) -> None:
    writer = write(tmp_path, make())
    participant.write_leakage(writer, pairs=PAIRS[:0], stimuli=STIMULI, scores=SCORES)
    read = load_participant(tmp_path, "01").leakage
    assert read.pairs.empty
    assert list(read.pairs.columns) == list(PAIRS.columns)


def test_every_column_is_described(tmp_path: Path, make, write) -> None:
    writer = write(tmp_path, make())
    participant.write_leakage(writer, pairs=PAIRS, stimuli=STIMULI, scores=SCORES)
    for output in (names.LEAKAGE_PAIRS, names.LEAKAGE_STIMULI, names.LEAKAGE_SCORES):
        dictionary = json.loads(writer.path(output.with_extension(".json")).read_text())
        header = writer.path(output).read_text().splitlines()[0].split("\t")
        for column in header:
            assert dictionary[column]["Description"] != "Column of the input, as it was there"
