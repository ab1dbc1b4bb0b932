"""The list of experiments, run by the group level on what the demo's participant level wrote."""

from __future__ import annotations

import json
import shutil

import pytest
from click.testing import CliRunner

from bidsapp_synthfmri.cli.main import run
from bidsapp_synthfmri.derivatives.columns import Columns
from bidsapp_synthfmri.derivatives.reader import load_group, load_participant

EXPERIMENTS = """
[[experiment]]
name = "sampled"
training = ["real", "synthetic_same", "synthetic_nowhere"]
noise = "calibrated"
repeats = 2
sizes = [0.5]
rois = ["PPA"]
classifier = "lda"
controls = ["image_features", "shuffled_encoder"]
refits = 9
"""


def test_the_default_list_decides_each_claim(demo):
    results = load_group(demo.output)
    decisions = results.decisions.set_index(["experiment", "claim", "training"])["verdict"]
    assert decisions["main", "reads", "synthetic_same"] == "supported"
    assert decisions["main", "needs_encoder", "synthetic_same"] == "supported"
    assert {"main", "means", "lda", "mixed", "unseen"} == set(results.experiments["experiment"])
    assert set(results.decoding["experiment"]) == {"main"}
    assert set(results.decoding["control"]) == {"none"}
    dictionary = json.loads((demo.output / "group" / "decisions.json").read_text())
    assert set(dictionary["verdict"]["Levels"]) == {"supported", "not supported", "cannot say"}
    for name in ("decoding_scores", "contrast_scores", "confusion_scores", "decisions"):
        dictionary = json.loads((demo.output / "group" / f"{name}.json").read_text())
        columns = (demo.output / "group" / f"{name}.tsv").read_text().partition("\n")[0].split("\t")
        assert all(dictionary[column]["Description"] != Columns({}).other for column in columns)
    page = (demo.output / "group.html").read_text(encoding="utf-8")
    assert "Claims and verdicts" in page
    assert "no source control, because the pictures&#39; source is their category" in page


def test_categories_that_no_encoder_saw_are_predicted_and_decoded(demo):
    """By the demo's default options: eight categories in four folds, and an extra set with the same ones."""
    unseen = load_participant(demo.output, "01").unseen
    assert unseen is not None
    assert set(unseen.table["split"]) == {"train", "extra"}
    facts = load_participant(demo.output, "01").summary["unseen_categories"]
    assert (facts["n_categories"], facts["n_folds"]) == (8, 4)
    members = [tuple(own["categories"]) for own in facts["folds"]]
    assert members == [tuple(sorted(set(own["label"]))) for _, own in unseen.table.groupby("fold", sort=True)]
    assert members == [
        tuple(own["categories"])
        for own in load_participant(demo.output, "02").summary["unseen_categories"]["folds"]
    ]
    table = load_group(demo.output).experiments
    rows = table[(table["experiment"] == "unseen") & (table["control"] == "none") & (table["roi"] == "all")]
    pooled = rows[rows["participant"] == "group"].set_index("training")
    assert set(pooled.index) == {"real", "synthetic_same", "synthetic_extra"}
    assert (pooled["chance"] - 0.5).abs().max() < 0.05
    assert pooled.loc["synthetic_same", "accuracy"] > 0.5
    page = (demo.output / "group.html").read_text(encoding="utf-8")
    assert "categories that no encoder and no decoder saw" in page
    assert "8 categories in 4 folds" in page


def test_the_default_list_shows_the_ceiling_of_features(demo):
    results = load_group(demo.output)
    cells = results.experiments[results.experiments["experiment"] == "main"]
    ceiling = cells[cells["control"] == "image_features"].set_index("participant")
    assert set(ceiling.index) == {"01", "02", "group"}
    assert set(ceiling["roi"]) == {"all"}
    real = cells[(cells["training"] == "real") & cells["full"] & (cells["roi"] == "all")]
    real = real[real["control"] == "none"].set_index("participant")
    for column in ("n_training", "n_test_trials", "n_test_stimuli"):
        assert (ceiling[column] == real[column]).all()
    assert ceiling.loc["group", "accuracy"] > 0.5  # chance is 1/8; untrained features, 32 test pictures
    assert set(cells.loc[cells["control"] == "none", "permuted_within"]) == {"nothing"}
    page = " ".join((demo.output / "group.html").read_text(encoding="utf-8").split())
    assert "The pictures’ features themselves, without any response, give" in page
    assert "Dotted: what the pictures’ features themselves give" in page
    # Said once, whatever the number of participants and experiments.
    said = [sentence for sentence in results.summary["skipped"] if "untrained" in sentence]
    assert said == [
        "The untrained network's decoder is left out: the participant level ran without --untrained-control."
    ]


def test_a_list_of_ones_own_with_one_participant_damaged(demo, tmp_path):
    output, experiments = tmp_path / "out", tmp_path / "list.toml"
    shutil.copytree(demo.output, output)
    next(output.glob("sub-02/func/*desc-singletrial_stat-effect_statmap.dscalar.nii")).unlink()
    experiments.write_text(EXPERIMENTS)
    words = [tmp_path / "not-mounted", output, "group", "--experiments", experiments]
    done = CliRunner().invoke(run, [str(word) for word in words])
    assert done.exit_code == 8, done.output
    assert "1 of 2 participants were left out: sub-02" in done.output
    results = load_group(output)
    cells = results.experiments
    assert set(cells["participant"]) == {"01", "group"}
    assert set(cells["roi"]) == {"PPA", "all"}
    assert set(zip(cells["training"], cells["control"], strict=True)) == {
        ("real", "none"),
        ("synthetic_same", "none"),
        ("synthetic_same", "shuffled_encoder"),
        ("image_features", "image_features"),
    }
    assert set(cells[["noise", "repeats", "classifier"]].itertuples(index=False, name=None)) == {
        ("calibrated", 2, "lda")
    }
    found = cells[(cells["control"] == "none") & cells["full"]].set_index(["participant", "training"])
    assert found.loc[("01", "synthetic_same"), "accuracy"] > 0.3  # chance is 1/8
    skipped = " ".join(results.summary["skipped"])
    assert "Participant 02 was left out" in skipped
    assert "no training set 'synthetic_nowhere'" in skipped
    whole = cells[cells["full"] & (cells["control"] == "none") & (cells["participant"] == "01")]
    assert (whole["p_refit"] == 1 / 10).all()


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (None, 3, "is not there"),
        ("[[experiment]]\nname = 'a'\nclassifer = 'lda'", 4, "unknown key 'classifer'"),
    ],
)
def test_a_list_that_cannot_be_used_is_named_before_anything_is_decoded(demo, tmp_path, text, code, said):
    output, experiments = tmp_path / "out", tmp_path / "list.toml"
    shutil.copytree(demo.output, output)
    if text is not None:
        experiments.write_text(text)
    page = (output / "group.html").read_bytes()
    words = [tmp_path / "not-mounted", output, "group", "--experiments", experiments]
    done = CliRunner().invoke(run, [str(word) for word in words])
    assert done.exit_code == code, done.output
    assert said in done.output
    assert (output / "group.html").read_bytes() == page
