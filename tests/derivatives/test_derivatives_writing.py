"""The same content gives the same bytes, and a file is there whole or not at all."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bidsapp_synthfmri import atomic
from bidsapp_synthfmri.derivatives import columns, names, participant
from bidsapp_synthfmri.derivatives.descriptions import DESCRIPTIONS
from bidsapp_synthfmri.derivatives.outputs import OUTPUTS
from bidsapp_synthfmri.derivatives.writer import Writer
from bidsapp_synthfmri.errors import SynthfmriError, UsageError


def hashes(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_every_file_has_the_same_bytes_twice(tmp_path: Path, make, write) -> None:
    write(tmp_path / "one", make(2))
    write(tmp_path / "another", make(2))
    write(tmp_path / "one", make(2))

    assert hashes(tmp_path / "one") == hashes(tmp_path / "another")


def test_compressed_images_carry_neither_time_nor_name(tmp_path: Path, make, write) -> None:
    writer = write(tmp_path, make())
    head = writer.path(names.NCSNR).read_bytes()[:10]

    assert head[3] == 0  # FLG: no FNAME
    assert head[4:8] == b"\0\0\0\0"  # MTIME
    assert gzip.decompress(writer.path(names.NCSNR).read_bytes())[344:347] == b"n+1"


def test_what_was_written_is_registered(tmp_path: Path, make, write) -> None:
    writer = write(tmp_path, make())
    assert sorted(path.name for path in writer.written) == files_in(tmp_path)


def test_every_table_and_image_has_a_sidecar_of_its_every_column(output_tree: Path) -> None:
    for path in output_tree.rglob("*.tsv"):
        sidecar = json.loads(path.with_suffix(".json").read_text())
        for column in path.read_text().splitlines()[0].split("\t"):
            assert {"Description", "Format"} <= set(sidecar[column]), (path, column)
    for path in output_tree.rglob("*.nii*"):
        sidecar = json.loads(path.with_name(path.name.split(".")[0] + ".json").read_text())
        assert {"Description", "SpatialReference", "SkullStripped"} <= set(sidecar)


def test_synthetic_responses_say_that_no_human_was_scanned(tmp_path: Path, make, write) -> None:
    writer = write(tmp_path, make())
    for name in (None, "Objects"):
        sidecar = names.of_extra_set(names.SYNTHETIC, name).with_extension(".json")
        content = json.loads(writer.path(sidecar).read_text())
        assert participant.NO_HUMAN in content["Description"]
        assert content["Encoder"] == f"bids::{names.ENCODER.relative(writer.place)}"
        assert content["Encoder"] in content["Sources"]


def test_synthetic_responses_of_an_encoder_from_elsewhere_name_it(tmp_path: Path, make) -> None:
    writer = Writer(tmp_path, "01", "scenes", "T1w")
    uri = "file:///results/sub-01_model.safetensors"
    participant.write_synthetic(
        writer, make().extra, "Objects", unit="z", encoder_uri=uri, encoder_sha256="ab" * 32
    )
    sidecar = names.of_extra_set(names.SYNTHETIC, "Objects").with_extension(".json")
    content = json.loads(writer.path(sidecar).read_text())
    assert content["Encoder"] == uri
    assert content["Sources"] == [uri]
    assert content["EncoderSHA256"] == "ab" * 32


def test_a_write_that_fails_half_way_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "file.tsv"
    atomic.write_bytes(path, b"old")

    def write_half() -> None:
        with atomic.replacing(path) as stream:
            stream.write(b"ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()

    assert path.read_bytes() == b"old"
    assert files_in(tmp_path) == ["file.tsv"]


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file.tsv"
    atomic.write_bytes(path, b"old")
    with atomic.replacing(path) as stream:
        stream.write(b"new")
        stream.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


def test_a_file_has_the_mode_that_the_umask_asks_for(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        atomic.write_bytes(tmp_path / "file", b"content")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_an_image_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, make, write) -> None:
    given = make()
    writer = write(tmp_path, given)
    before = hashes(tmp_path)

    with pytest.raises(SynthfmriError, match="12 rows and 40 voxels"):
        participant.write_responses(
            writer, replace(given.responses, values=np.ones((3, 40), np.float32)), given.splits
        )
    with pytest.raises(SynthfmriError, match="40 voxels"):
        writer.volume(names.NCSNR, np.ones(3, np.float32), given.voxels)

    assert hashes(tmp_path) == before


def test_a_layer_out_of_range_is_refused(tmp_path: Path, make) -> None:
    given = make()
    maps = given.maps | {"best_layer": np.full(40, 3)}
    with pytest.raises(SynthfmriError, match="leave 1 to 3"):
        participant.write_maps(Writer(tmp_path, "01", "x", "T1w"), given.voxels, **maps, layers=given.layers)


def test_a_summary_of_another_participant_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SynthfmriError, match="participant is 02, not 01"):
        participant.write_summary(Writer(tmp_path, "01", "x", "T1w"), {"participant": "02"})


def test_text_that_would_break_a_table_is_refused(tmp_path: Path) -> None:
    table = pd.DataFrame({"stimulus": ["a\tb"]})
    with pytest.raises(SynthfmriError, match="tab or line break"):
        Writer(tmp_path, "01", "x").table(names.TRIALS, table, columns.TRIAL_COLUMNS)
    assert files_in(tmp_path) == []


def test_not_a_number_is_null_in_json(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    path = writer.json(names.GROUP_SUMMARY, {"a": np.float32("nan"), "b": (np.int64(1), Path("c")), "d": "é"})
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": None, "b": [1, "c"], "d": "é"}


def test_names_are_distinct_and_in_the_order_of_bids_entities() -> None:
    place = names.Place("01", "scenes", "T1w")
    paths = [output.relative(place) for output in OUTPUTS]
    assert len(set(paths)) == len(paths)
    assert names.RESPONSES.relative(place) == (
        "sub-01/func/sub-01_task-scenes_space-T1w_desc-singletrial_stat-effect_statmap.dscalar.nii"
    )
    assert names.PAGE.relative(place) == "sub-01.html"
    assert names.GROUP_PAGE.relative(names.Place()) == "group.html"
    described = {f"{output.desc}" for output in OUTPUTS if output.desc}
    assert described == set(DESCRIPTIONS)


@pytest.mark.parametrize("label", ["../01", "0_1", "", None])
def test_a_label_that_bids_does_not_allow_is_refused(tmp_path: Path, label: str | None) -> None:
    with pytest.raises(UsageError, match="letters and digits"):
        Writer(tmp_path, label, "scenes").path(names.TRIALS)
