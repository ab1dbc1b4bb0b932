"""What the app writes: valid, reproducible to the byte, with pages that need nothing else."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from bidsapp_synthfmri.config import ESTIMATORS, RunConfig
from bidsapp_synthfmri.encoding.card import card_schema
from bidsapp_synthfmri.encoding.weights import PREDICTION_BOUND

VALIDATOR = Path(sys.executable).with_name("bids-validator-deno")
EXACT = (".nii", ".nii.gz", ".tsv", ".safetensors")


# Warnings of the validator that stand, and why.
EXPLAINED = {
    "TOO_FEW_AUTHORS": "who the authors of a derivative are is for those to say who publish it",
}


def issues_in(folder: Path) -> dict[str, set[str]]:
    """Codes of the validator's issues by severity."""
    done = subprocess.run(
        [str(VALIDATOR), str(folder), "--json"], capture_output=True, text=True, check=False
    )
    found: dict[str, set[str]] = {"error": set(), "warning": set()}
    for issue in json.loads(done.stdout)["issues"]["issues"]:
        found.setdefault(issue["severity"], set()).add(issue["code"])
    return found


def expected(name: str) -> set[str]:
    return set((Path(__file__).parent / "expected" / f"{name}.txt").read_text().split())


def digests(output: Path) -> dict[str, str]:
    files = [path for path in sorted(output.rglob("*")) if path.name.endswith(EXACT)]
    return {str(path.relative_to(output)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_outputs_and_simulated_input_are_valid_bids(demo):
    found = issues_in(demo.output)
    assert found["error"] == set()
    assert found["warning"] <= set(EXPLAINED)
    assert issues_in(demo.folder / "bids")["error"] == set()


def test_every_file_is_expected_and_every_expected_file_is_there(demo):
    files = {path.relative_to(demo.output).as_posix() for path in demo.output.rglob("*") if path.is_file()}
    runs = {re.sub(r"^logs/[^/]+/", "logs/RUN/", name) for name in files}
    for label in ("01", "02"):
        own = {name for name in files if name.startswith(f"sub-{label}")}
        there = {name.replace(f"sub-{label}", "sub-X") for name in own}
        missing, unexpected = expected("participant") - there, there - expected("participant")
        assert (missing, unexpected) == (set(), set()), f"sub-{label}"
        runs -= own
    missing, unexpected = expected("group") - runs, runs - expected("group")
    assert (missing, unexpected) == (set(), set())


def test_the_tree_is_the_documented_one(demo):
    func = {path.name for path in (demo.output / "sub-01" / "func").iterdir()}
    for name in (
        "sub-01_task-images_space-T1w_desc-singletrial_stat-effect_statmap.dscalar.nii",
        "sub-01_task-images_desc-singletrial_trials.tsv",
        "sub-01_task-images_space-T1w_desc-roi_dseg.nii.gz",
        "sub-01_task-images_space-T1w_desc-roi_dseg.tsv",
        "sub-01_task-images_space-T1w_desc-encoder_stat-r_statmap.nii.gz",
        "sub-01_task-images_space-T1w_desc-bestlayer_dseg.nii.gz",
        "sub-01_task-images_space-T1w_desc-synthetic_stat-effect_statmap.dscalar.nii",
        "sub-01_task-images_desc-synthetic_stimuli.tsv",
        "sub-01_task-images_space-T1w_desc-syntheticextra_stat-effect_statmap.dscalar.nii",
        "sub-01_task-images_desc-encoding_scores.tsv",
        "sub-01_task-images_desc-leakage_pairs.tsv",
        "sub-01_task-images_desc-leakage_stimuli.tsv",
        "sub-01_task-images_desc-leakage_scores.tsv",
        "sub-01_task-images_desc-encoder_model.safetensors",
        "sub-01_task-images_desc-pictures_components.safetensors",
    ):
        assert name in func
        stem = name.split(".")[0]
        assert f"{stem}.json" in func
    for name in (
        "dataset_description.json",
        "README.md",
        "CITATION.md",
        "CITATION.bib",
        "descriptions.tsv",
        ".bidsignore",
        "sub-01.html",
        "group.html",
        "group/decoding_scores.tsv",
        "group/identification_scores.tsv",
    ):
        assert (demo.output / name).stat().st_size > 0
    assert list((demo.output / "sub-01" / "figures").glob("*.svg"))
    assert not list(demo.output.rglob("*.partial"))


def test_the_description_names_sources_seed_and_configuration(demo):
    description = json.loads((demo.output / "dataset_description.json").read_text())
    assert description["DatasetType"] == "derivative"
    assert description["GeneratedBy"][0]["Name"] == "bidsapp_synthfmri"
    assert description["SourceDatasets"]
    assert description["Configuration"]["participant"]["Seed"] == 0
    configuration = next(demo.output.glob("logs/*/config.toml")).read_text()
    assert RunConfig.from_toml(configuration).content_hash() in json.dumps(description)


def test_synthetic_data_say_that_no_human_was_scanned(demo):
    sidecars = list(demo.output.glob("sub-*/func/*desc-synthetic*_statmap.json"))
    assert len(sidecars) == 4
    for sidecar in sidecars:
        assert "No human was scanned" in sidecar.read_text()


def test_pages_need_no_network(demo):
    for page in demo.output.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert "<script src" not in text
        assert 'src="http' not in text
        assert not re.search(r"<link[^>]+href=\"(?!data:)", text)


def test_the_same_seed_gives_the_same_bytes(small, tmp_path, participant_level, command):
    runs = []
    for name in ("first", "second"):
        output, work = tmp_path / name, tmp_path / f"work-{name}"
        done = participant_level(
            small.bids_dir,
            "--participant-label=01 02",
            "--images",
            f"more={small.extra_dir}",
            "--work-dir",
            work,
            output=output,
        )
        assert done.exit_code == 0, done.output
        group = command("run", small.bids_dir, output, "group", "--work-dir", work)
        assert group.returncode == 0, group.stderr
        runs.append(digests(output))
    assert runs[0] == runs[1]
    for kind in ("_model.safetensors", "_components.safetensors"):
        assert sum(name.endswith(kind) for name in runs[0]) == 2
    assert "group/decoding_scores.tsv" in runs[0]


def test_another_seed_gives_other_weights(small, tmp_path, participant_level):
    for seed in (0, 1):
        done = participant_level(small.bids_dir, "--random-seed", seed, output=tmp_path / str(seed))
        assert done.exit_code == 0, done.output
    first, second = digests(tmp_path / "0"), digests(tmp_path / "1")
    encoder = next(name for name in first if name.endswith("_model.safetensors"))
    assert first[encoder] != second[encoder]


def test_group_reads_the_output_alone(small, tmp_path, participant_level, command):
    done = participant_level(small.bids_dir)
    assert done.exit_code == 0, done.output
    nowhere = tmp_path / "not-mounted"
    group = command("run", nowhere, tmp_path / "out", "group")
    assert group.returncode == 0, group.stderr
    assert (tmp_path / "out" / "group.html").is_file()


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_estimator_runs(small, tmp_path, participant_level, estimator):
    done = participant_level(small.bids_dir, "--responses", estimator)
    assert done.exit_code == 0, done.output
    summary = next((tmp_path / "out").glob("sub-01/func/*_summary.json"))
    assert json.loads(summary.read_text())["responses"] == estimator  # its repeats are enough for all rungs


def test_the_input_is_left_alone(spoilt, participant_level):
    before = sorted((str(path), path.stat().st_mtime_ns) for path in spoilt.rglob("*"))
    done = participant_level(spoilt)
    assert done.exit_code == 0, done.output
    assert sorted((str(path), path.stat().st_mtime_ns) for path in spoilt.rglob("*")) == before


def test_synthesize_writes_a_valid_dataset(demo, tmp_path, command):
    encoder = next(demo.output.glob("sub-01/func/*_model.safetensors"))
    images = demo.folder / "extra" / "tree"
    done = command("synthesize", encoder, images, tmp_path / "synthetic")
    assert done.returncode == 0, done.stderr
    assert issues_in(tmp_path / "synthetic")["error"] == set()
    table = next((tmp_path / "synthetic").glob("sub-01/func/*_stimuli.tsv")).read_text().splitlines()
    assert len(table) == 1 + len(list(images.iterdir()))


def test_every_encoders_card_fits_its_schema(demo):
    cards = sorted(demo.output.glob("sub-*/func/*_model.json"))
    assert len(cards) == 2
    for path in cards:
        card = json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)
        jsonschema.Draft202012Validator(card_schema()).validate(card)
        assert card["participant"] == path.name.split("_")[0].removeprefix("sub-")
        assert card["data"]["dataset"]
        assert card["storage"]["prediction_change"] <= PREDICTION_BOUND
        assert card["scores"]["cv_r"]["median"] > 0
