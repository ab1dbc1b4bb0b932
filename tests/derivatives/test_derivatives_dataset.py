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
    dataset_links,
    generators_of,
    require_own,
    write_dataset_files,
)
from bidsapp_synthfmri.derivatives.found import crash_records
from bidsapp_synthfmri.derivatives.logs import RunLog
from bidsapp_synthfmri.errors import InputMalformedError, UsageError


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


def test_roots_that_other_participants_read_stay_linked(config: RunConfig) -> None:
    write_dataset_files(config.output_dir, config, {"fmriprep": Path("/prep")})
    write_dataset_files(config.output_dir, config, {"masks": Path("/masks")})
    links = description(config.output_dir)["DatasetLinks"]
    assert set(links) == {"raw", "fmriprep", "masks"}
    write_dataset_files(config.output_dir, config, {"fmriprep": Path("/elsewhere")})
    assert description(config.output_dir)["DatasetLinks"]["fmriprep"] == "file:///elsewhere"


def test_crash_files_are_found_by_whom_they_are_of(config: RunConfig) -> None:
    assert crash_records(config.output_dir, "01") == ()
    log = RunLog.create(config)
    crashes = [log.crash(ValueError("a"), label) for label in ("01", "01", "010", None)]
    stranger = config.output_dir / "logs" / "mine"
    stranger.mkdir()
    (stranger / "crash-sub-01.txt").write_text("not ours")
    relative = [path.relative_to(config.output_dir).as_posix() for path in crashes]
    assert crash_records(config.output_dir, "01") == tuple(sorted(relative[:2]))
    assert crash_records(config.output_dir, "010") == (relative[2],)
    assert crash_records(config.output_dir) == (relative[3],)


def test_writing_again_changes_nothing(config: RunConfig) -> None:
    write_dataset_files(config.output_dir, config)
    before = {path.name: path.read_bytes() for path in config.output_dir.iterdir() if path.is_file()}
    write_dataset_files(config.output_dir, config)
    assert {path.name: path.read_bytes() for path in config.output_dir.iterdir() if path.is_file()} == before


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
    for refuse in (require_own, lambda out: write_dataset_files(out, config)):
        with pytest.raises(UsageError, match=r"did not write.*OUTPUT_DIR of its own") as refusal:
            refuse(config.output_dir)
        assert str(path) in refusal.value.problem
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"GeneratedBy": ["fMRIPrep"]}', '{"GeneratedBy": {"Name": "fMRIPrep"}}']
)
def test_a_description_that_names_no_program_is_not_ours(tmp_path: Path, text: str) -> None:
    (tmp_path / "dataset_description.json").write_text(text)
    with pytest.raises(UsageError, match="dataset_description"):
        require_own(tmp_path)


def test_an_absent_an_empty_and_an_own_folder_may_be_written_into(output_tree: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    before = sorted(tmp_path.rglob("*"))
    for folder in (output_tree, tmp_path / "absent" / "too", tmp_path / "empty"):
        require_own(folder)
    assert sorted(tmp_path.rglob("*")) == before


def leave_a_failed_run(config: RunConfig) -> None:
    """What is there when a run fails before it has anything to describe, or is killed."""
    RunLog.create(config)
    (config.output_dir / "sub-01.html").write_text("failed")
    (config.output_dir / f".dataset_description.json.{'0a' * 16}.partial").write_text("{")


def test_what_failed_runs_and_datalad_leave_may_stay(config: RunConfig) -> None:
    leave_a_failed_run(config)
    for name in (".git", ".datalad"):
        (config.output_dir / name).mkdir()
    (config.output_dir / ".gitattributes").write_text("* annex.largefiles=anything")
    before = sorted(config.output_dir.rglob("*"))
    require_own(config.output_dir)
    assert sorted(config.output_dir.rglob("*")) == before


@pytest.mark.parametrize(
    "foreign",
    ["notes.txt", "sub-01/func/bold.nii.gz", "logs/CITATION.md", "group.html", ".bidsignore", "sub-01.txt"],
)
def test_files_of_others_are_named_and_stay(config: RunConfig, foreign: str) -> None:
    leave_a_failed_run(config)
    path = config.output_dir / foreign
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("of another")
    with pytest.raises(UsageError, match=r"did not write.*OUTPUT_DIR of its own") as refusal:
        require_own(config.output_dir)
    assert f": {foreign.split('/')[0]}" in refusal.value.problem
    assert refusal.value.exit_code == 2
    assert path.read_text() == "of another"


def test_pages_without_our_logs_are_of_others(tmp_path: Path) -> None:
    (tmp_path / "sub-01.html").write_text("")
    with pytest.raises(UsageError, match=r"sub-01\.html"):
        require_own(tmp_path)


def test_the_work_directory_may_lie_within(config: RunConfig) -> None:
    leave_a_failed_run(config)
    work = config.output_dir / "scratch" / "work"
    work.mkdir(parents=True)
    with pytest.raises(UsageError, match="scratch"):
        require_own(config.output_dir)
    require_own(config.output_dir, besides=[work])


def test_a_file_or_a_dead_link_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("nowhere")
    for path, words in (("file", "is a file"), ("file/below", "is a file"), ("link", "leads nowhere")):
        with pytest.raises(UsageError, match=words):
            require_own(tmp_path / path)


def test_a_write_stopped_half_way_leaves_a_folder_that_is_known_as_ours(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bidsapp_synthfmri.derivatives.dataset.citation_markdown", full)
    with pytest.raises(OSError, match="No space"):
        write_dataset_files(config.output_dir, config)
    require_own(config.output_dir)


def test_synthesis_into_results_leaves_their_description_alone(config: RunConfig, tmp_path: Path) -> None:
    out = config.output_dir
    write_dataset_files(out, config, {"fmriprep": Path("/prep")}, {"Name": "Pictures"})
    before = description(out)
    images = replace(config, bids_dir=tmp_path / "images", random_seed=9)
    write_dataset_files(out, images, level="synthesize")

    after = description(out)
    assert after["Configuration"].pop("synthesize") == {"Seed": 9, "Hash": images.content_hash()}
    assert after == before


def test_synthesis_alone_names_no_source_and_results_that_follow_name_theirs(config: RunConfig) -> None:
    out = config.output_dir
    write_dataset_files(out, replace(config, bids_dir=out.parent / "images"), level="synthesize")
    found = description(out)
    assert "SourceDatasets" not in found
    assert found["DatasetLinks"] == {}
    assert list(found["Configuration"]) == ["synthesize"]

    write_dataset_files(out, config, {}, {"Name": "Pictures"})
    found = description(out)
    assert found["SourceDatasets"] == [{"URL": config.bids_dir.as_uri()}]
    assert set(found["Configuration"]) == {"synthesize", "participant"}


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


def test_what_made_the_inputs_follows_this_program_once(tmp_path):
    prep = {"Name": "fMRIPrep", "Version": "23.1", "CodeURL": "https://x", "Secret": "not taken"}
    texts = {
        "prep": json.dumps({"GeneratedBy": [prep, {"Version": "nameless"}, "fMRIPrep"]}),
        "again": json.dumps({"GeneratedBy": [prep]}),
        "rois": json.dumps({"GeneratedBy": [{"Name": "SPM"}]}),
        "old": json.dumps({"GeneratedBy": {"Name": "an object"}}),
        "list": "[]",
        "damaged": "{",
    }
    for name, text in texts.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "dataset_description.json").write_text(text)
    with pytest.raises(InputMalformedError, match="damaged"):
        generators_of(tmp_path / "damaged")
    roots = [tmp_path / name for name in (*texts, "none") if name != "damaged"]
    found = [entry for root in roots for entry in generators_of(root)]
    assert found[0] == {"Name": "fMRIPrep", "Version": "23.1", "CodeURL": "https://x"}
    assert [entry["Name"] for entry in found] == ["fMRIPrep", "fMRIPrep", "SPM"]
    config = RunConfig(tmp_path / "in", tmp_path / "out")
    write_dataset_files(config.output_dir, config, pipelines=found)
    chain = description(config.output_dir)["GeneratedBy"]
    assert [entry["Name"] for entry in chain] == ["bidsapp_synthfmri", "fMRIPrep", "SPM"]
    write_dataset_files(config.output_dir, replace(config, level="group"))
    assert description(config.output_dir)["GeneratedBy"] == chain
