"""Files that do not fit together are refused, with the file and the remedy."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bidsapp_synthfmri.derivatives import names, participant
from bidsapp_synthfmri.derivatives.reader import load_group, load_participant
from bidsapp_synthfmri.derivatives.writer import Writer
from bidsapp_synthfmri.errors import (
    InputMalformedError,
    InputMissingError,
    NothingMatchedError,
    SynthfmriError,
)


def truncate(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - 100])


def drop_row(path: Path) -> None:
    path.write_text(
        "".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[:-1]), encoding="utf-8"
    )


def swap_rows(path: Path) -> None:
    head, one, two, *rest = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join([head, two, one, *rest]), encoding="utf-8")


def drop_label(path: Path) -> None:
    drop_row(path)


def garble(path: Path) -> None:
    path.write_bytes(b"\xff{")


def empty_list(path: Path) -> None:
    path.write_text("[]")


def set_key(key: str, value: object) -> Callable[[Path], None]:
    def put(path: Path) -> None:
        path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))

    return put


def remove_key(key: str) -> Callable[[Path], None]:
    def remove(path: Path) -> None:
        content = json.loads(path.read_text())
        del content[key]
        path.write_text(json.dumps(content))

    return remove


ROI_TABLE = names.ROIS.with_extension(".tsv")
ROI_SIDECAR = names.ROIS.with_extension(".json")
RESPONSES_SIDECAR = names.RESPONSES.with_extension(".json")


@pytest.mark.parametrize(
    ("output", "damage", "problem"),
    [
        (names.RESPONSES, truncate, "cannot be read as CIFTI-2"),
        (names.RESPONSES, garble, "cannot be read as CIFTI-2"),
        (names.ROIS, truncate, "cannot be read as an image"),
        (names.TRIALS, drop_row, "11 rows for 12 maps"),
        (names.TRIALS, swap_rows, "not in the order of its maps"),
        (names.TRIALS, garble, "not UTF-8"),
        (names.SYNTHETIC_STIMULI, drop_row, "7 rows for 8 maps"),
        (ROI_TABLE, drop_label, "values without a name"),
        (ROI_SIDECAR, remove_key("Rois"), "no ROI image"),
        (RESPONSES_SIDECAR, remove_key("ResponseUnit"), "lacks ResponseUnit"),
        (ROI_SIDECAR, set_key("Rois", ["LHPPA", "RHPPA"]), "sidecar does not list: LHRSC"),
        (names.SUMMARY, remove_key("space"), "does not state space"),
        (names.SUMMARY, remove_key("notes"), "does not state notes"),
        (names.SUMMARY, set_key("notes", None), "does not state notes"),
        (names.SUMMARY, empty_list, "holds no JSON object"),
        (names.SUMMARY, garble, "is not JSON"),
        (names.ENCODER_CARD, garble, "is not JSON"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, make, write, output, damage, problem: str) -> None:
    path = write(tmp_path, make()).path(output)
    damage(path)

    with pytest.raises(InputMalformedError, match=problem) as refusal:
        load_participant(tmp_path, "01")

    assert path.name.split(".")[0] in refusal.value.problem
    assert "again" in refusal.value.remedy
    if output == names.SUMMARY:
        assert refusal.value.remedy == "Run the participant level again"


@pytest.mark.parametrize(
    "output", [names.RESPONSES, names.TRIALS, names.ROIS, names.ENCODER_CARD, RESPONSES_SIDECAR]
)
def test_a_file_that_is_gone_is_named(tmp_path: Path, make, write, output) -> None:
    path = write(tmp_path, make()).path(output)
    path.unlink()
    with pytest.raises(InputMissingError, match=path.name):
        load_participant(tmp_path, "01")


def test_responses_of_other_voxels_are_refused(tmp_path: Path, make, write) -> None:
    given = make()
    writer = write(tmp_path, given)
    keep = np.arange(40) > 0
    fewer = replace(given.synthetic, values=given.synthetic.values[:, keep], voxels=given.voxels.take(keep))
    participant.write_synthetic(writer, fewer, unit="z")

    with pytest.raises(InputMalformedError, match="39 voxels that are not the 40 of the ROI image"):
        load_participant(tmp_path, "01")


def test_the_group_level_before_the_participant_level(tmp_path: Path) -> None:
    with pytest.raises(
        InputMissingError, match=r"no results of participant 01 \(there: none\).*participant level first"
    ):
        load_participant(tmp_path, "01")
    with pytest.raises(InputMissingError, match="group level first"):
        load_group(tmp_path)


def test_several_tasks_ask_for_a_choice(tmp_path: Path, make, write) -> None:
    write(tmp_path, make())
    participant.write_summary(Writer(tmp_path, "01", "objects", "T1w"), {})

    with pytest.raises(NothingMatchedError, match=r"objects, scenes.*--task-label"):
        load_participant(tmp_path, "01")
    assert load_participant(tmp_path, "01", "scenes").task == "scenes"
    with pytest.raises(NothingMatchedError):
        load_participant(tmp_path, "01", "localizer")


def test_an_unknown_unit_is_refused(tmp_path: Path, make) -> None:
    given = make()
    with pytest.raises(SynthfmriError, match="unknown unit 'beta'"):
        participant.write_synthetic(Writer(tmp_path, "01", "x", "T1w"), given.synthetic, unit="beta")
