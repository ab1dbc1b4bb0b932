"""OUTPUT_DIR says what it is, whoever writes it, and how often."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from bidsapp_synthfmri.config import RunConfig
from bidsapp_synthfmri.derivatives.dataset import (
    bids_uri,
    configuration_hash,
    dataset_links,
    write_dataset_files,
)
from bidsapp_synthfmri.derivatives.logs import RunLog
from bidsapp_synthfmri.errors import InputMalformedError


def description(output_dir: Path) -> dict:
    return json.loads((output_dir / "dataset_description.json").read_text())


def test_seed_and_hash_are_recorded_for_each_level(config: RunConfig) -> None:
    out = config.output_dir
    write_dataset_files(out, config, {"fmriprep": Path("/prep")}, {"Name": "Pictures"})
    group = replace(config, level="group", label_column="label", random_seed=8)
    write_dataset_files(out, group)

    found = description(out)
    assert found["Configuration"]["participant"] == {"Seed": 7, "Hash": config.content_hash()}
    assert found["Configuration"]["group"] == {"Seed": 8, "Hash": group.content_hash()}
    assert found["DatasetLinks"]["fmriprep"] == "file:///prep"
    assert configuration_hash(out) == config.content_hash()
    assert configuration_hash(out, "group") == group.content_hash()
    assert configuration_hash(out.parent) is None


def test_writing_again_changes_nothing(config: RunConfig) -> None:
    write_dataset_files(config.output_dir, config)
    before = {path.name: path.read_bytes() for path in config.output_dir.iterdir()}
    write_dataset_files(config.output_dir, config)
    assert {path.name: path.read_bytes() for path in config.output_dir.iterdir()} == before


def test_image_sets_of_earlier_runs_stay_described(config: RunConfig, tmp_path: Path) -> None:
    write_dataset_files(config.output_dir, config)
    write_dataset_files(config.output_dir, replace(config, images=(("Scenes", tmp_path),)))
    rows = (config.output_dir / "descriptions.tsv").read_text().splitlines()
    ids = [row.split("\t")[0] for row in rows[1:]]
    assert {"desc-singletrial", "desc-syntheticObjects", "desc-syntheticScenes"} <= set(ids)
    assert len(set(ids)) == len(ids)


def test_participants_that_start_at_once_do_not_disturb_each_other(config: RunConfig) -> None:
    with ThreadPoolExecutor(4) as pool:
        for written in [pool.submit(write_dataset_files, config.output_dir, config) for _ in range(20)]:
            written.result()
    assert description(config.output_dir)["DatasetType"] == "derivative"
    assert not list(config.output_dir.glob("*.partial"))


def test_another_program_s_dataset_is_not_overwritten(config: RunConfig) -> None:
    config.output_dir.mkdir()
    path = config.output_dir / "dataset_description.json"
    path.write_text(json.dumps({"Name": "fMRIPrep", "GeneratedBy": [{"Name": "fMRIPrep"}]}))
    before = path.read_bytes()
    with pytest.raises(InputMalformedError, match=r"did not write.*OUTPUT_DIR of its own"):
        write_dataset_files(config.output_dir, config)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"SYNTHFMRI_CONTAINER_TAG": "synthfmri:0.1"}, {"Type": "docker", "Tag": "synthfmri:0.1"}),
        ({"APPTAINER_CONTAINER": "/images/app.sif"}, {"Type": "singularity", "Tag": "app.sif"}),
    ],
)
def test_the_container_is_named_where_there_is_one(config: RunConfig, environment, expected) -> None:
    write_dataset_files(config.output_dir, config, environment=environment)
    assert description(config.output_dir)["GeneratedBy"][0].get("Container") == expected


def test_a_source_is_named_in_its_own_dataset(config: RunConfig, tmp_path: Path) -> None:
    prep = config.bids_dir / "derivatives" / "fmriprep"
    links = dataset_links(config, {"fmriprep": prep})
    assert bids_uri(config.bids_dir / "sub-01" / "a_events.tsv", links) == "bids:raw:sub-01/a_events.tsv"
    assert bids_uri(prep / "sub-01" / "b_bold.nii.gz", links) == "bids:fmriprep:sub-01/b_bold.nii.gz"
    assert bids_uri(tmp_path / "mask.nii.gz", links) == (tmp_path / "mask.nii.gz").as_uri()


def test_a_linked_source_keeps_the_name_it_has_in_the_dataset(config: RunConfig, tmp_path: Path) -> None:
    (config.bids_dir).mkdir()
    link = config.bids_dir / "a_events.tsv"
    link.symlink_to(tmp_path / "annex" / "MD5-x")
    assert bids_uri(link, dataset_links(config, {})) == "bids:raw:a_events.tsv"


def test_a_run_leaves_its_configuration_and_each_crash(config: RunConfig) -> None:
    log = RunLog.create(config)
    try:
        raise MemoryError("no room")
    except MemoryError as error:
        paths = [log.crash(error, "01"), log.crash(error, "01"), log.crash(error)]

    assert RunConfig.from_toml((log.folder / "config.toml").read_text()) == config
    assert log.path.parent == log.folder
    assert [path.name for path in paths] == ["crash-sub-01.txt", "crash-sub-01-2.txt", "crash-run.txt"]
    assert "Traceback" in paths[0].read_text()
    assert "MemoryError: no room" in paths[0].read_text()
    assert RunLog.create(config).folder != log.folder
