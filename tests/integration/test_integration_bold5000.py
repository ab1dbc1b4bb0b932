"""The real thing: BOLD5000's own events, sidecars and ROI masks, volumes simulated on their grid."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from bidsapp_synthfmri.cli.main import run
from bidsapp_synthfmri.derivatives.reader import load_group, load_participant
from bidsapp_synthfmri.simulate import write_bold5000_tree

SHARED = Path(__file__).parents[3] / "shared" / "data" / "ds001499"
PUBLISHED = {"EarlyVis": 495, "LOC": 342, "OPA": 288, "PPA": 331, "RSC": 229}

pytestmark = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the real BOLD5000 events and masks are not at hand"
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Two sessions of two runs, four of whose pictures repeat: the most that any such choice has."""
    return write_bold5000_tree(SHARED, tmp_path_factory.mktemp("bold5000"), sessions=("09", "14"))


@pytest.fixture(scope="module")
def output(tree, tmp_path_factory, command):
    folder = tmp_path_factory.mktemp("out")
    labels = folder / "labels.tsv"
    table = pd.DataFrame({"stimulus": tree.stimuli, "label": tree.sources})
    table.to_csv(labels, sep="\t", index=False)
    out = folder / "out"
    common = ("--participant-label", "CSI1", "--work-dir", folder / "work")
    model = (
        "--stimuli-dir",
        tree.stimuli_dir,
        "--weights",
        "random",
        "--layers",
        "features.5",
        "features.12",
    )
    participant = command("run", tree.bids_dir, out, "participant", *common, *model)
    assert participant.returncode == 0, participant.stderr
    group = command("run", tree.bids_dir, out, "group", *common, "--labels", labels)
    assert group.returncode == 0, group.stderr
    return out


def test_masks_have_the_published_sizes(output):
    results = load_participant(output, "CSI1")
    sizes = {roi.name: int(roi.voxels.sum()) for roi in results.voxels.roi_sets()}
    distinct = sizes.pop("all")
    assert sizes == PUBLISHED
    assert distinct < sum(PUBLISHED.values())
    assert results.summary["dropped_voxels"] == 0


def test_trials_are_the_real_events(output, tree):
    results = load_participant(output, "CSI1")
    expected = []
    for events in sorted(tree.bids_dir.glob("sub-CSI1/ses-*/func/*5000scenes*_events.tsv")):
        expected += pd.read_csv(events, sep="\t")["stim_file"].str.strip().tolist()
    assert results.responses.trials.table["stimulus"].tolist() == expected
    assert len(expected) == 4 * 37
    assert (results.responses.trials.table["onset"] % 1 > 0).any()


def test_too_few_repeats_are_filled_up_and_said(output):
    summary = load_participant(output, "CSI1").summary
    assert summary["n_repeated_stimuli"] == 4
    assert summary["n_test_stimuli"] > 4
    assert "besides the 4 presented at least twice" in summary["test_rule"]


def test_responses_follow_the_simulated_signal(output, tree):
    results = load_participant(output, "CSI1")
    column = {tuple(ijk): number for number, ijk in enumerate(tree.ijk.tolist())}
    signal = tree.signal[:, [column[tuple(ijk)] for ijk in results.voxels.ijk.tolist()]]
    row = {stimulus: number for number, stimulus in enumerate(tree.stimuli)}
    shown = signal[[row[stimulus] for stimulus in results.responses.trials.table["stimulus"]]]
    real = np.asarray(results.responses.values)
    correlation = ((shown - shown.mean(0)) * (real - real.mean(0))).mean(0) / (shown.std(0) * real.std(0))
    columns = [column[tuple(ijk)] for ijk in results.voxels.ijk.tolist()]
    expected = np.sqrt(tree.reliability[columns])
    # Signal with one presentation correlates at sqrt(r); 148 trials give a standard error of .08 a voxel,
    # about .01 for the mean of 1,666 correlated voxels; z-scores within session cost another .01.
    assert correlation.mean() == pytest.approx(expected.mean(), abs=0.05)


def test_decoding_reads_the_labels_file(output):
    results = load_group(output)
    assert "--labels" in results.summary["label_source"]
    assert set(results.summary["classes"]) <= {"coco", "imagenet", "scenes"}
    assert len(results.decoding) > 0
    assert (output / "group.html").is_file()


def test_images_are_identified_within_the_sources_that_their_names_tell(output, tree):
    table = load_group(output).identification
    within = table[(table["candidates"] == "coco") & table["whole"]]
    assert set(within["n_candidates"]) == {sum(source == "coco" for source in tree.sources)}
    assert set(table["candidates"]) <= {"all", "same_source", "coco", "imagenet", "scenes"}
    assert set(table["roi"]) == {*PUBLISHED, "all"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--labels", "animals"], 2, "no label set 'animals'"),
        (["--labels", "coco_category"], 3, "--coco-annotations"),
    ],
)
def test_a_label_set_that_is_not_there_is_refused_before_anything_is_written(output, tree, words, code, said):
    before = load_group(output)
    done = CliRunner().invoke(run, [str(tree.bids_dir), str(output), "group", *words])
    assert done.exit_code == code, done.output
    assert said in done.output.splitlines()[-1]
    pd.testing.assert_frame_equal(load_group(output).decoding, before.decoding)


def test_the_label_set_of_sources_decodes_as_a_table_of_the_same_labels_does(output, tree, tmp_path):
    copy = tmp_path / "out"
    shutil.copytree(output, copy)
    done = CliRunner().invoke(run, [str(tree.bids_dir), str(copy), "group", "--labels", "source"])
    assert done.exit_code == 0, done.output
    named, table = load_group(copy), load_group(output)
    assert set(named.decoding["labels"]) == {"source"}
    pd.testing.assert_frame_equal(
        named.decoding.drop(columns="labels"), table.decoding.drop(columns="labels")
    )
    facts = named.summary["labels"]["CSI1"]
    assert (facts["name"], sum(facts["counts"].values())) == ("source", len(tree.stimuli))
    assert "Label set &#39;source&#39;" in (copy / "group.html").read_text(encoding="utf-8")


def test_sources_are_uris_into_the_old_derivatives(output):
    sidecar = next(output.glob("sub-CSI1/func/*desc-singletrial*_statmap.json"))
    sources = json.loads(sidecar.read_text())["Sources"]
    assert len(sources) == 4
    assert all("preproc.nii.gz" in source for source in sources)
