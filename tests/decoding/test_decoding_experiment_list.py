"""The list of experiments: what a file may say, and what is refused with its place and a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from bidsapp_synthfmri.decoding.experiment_list import (
    CONTROLS,
    DEFAULT_EXPERIMENTS,
    Experiment,
    control_of,
    parse_experiments,
)
from bidsapp_synthfmri.decoding.training_sets import STEPS
from bidsapp_synthfmri.errors import InputMalformedError, UsageError

WHERE = "--experiments list.toml"


def test_every_key_is_read() -> None:
    text = """
    [[experiment]]
    name = "sampled"
    labels = "superordinate"
    training = ["real", "synthetic", "mixed"]
    noise = "calibrated"
    repeats = 4
    sizes = [0.5, 1]
    rois = ["PPA", "LOC"]
    classifier = "logistic"
    test = "means"
    within_source = true
    controls = ["source", "shuffled_encoder", "untrained_network", "image_features"]
    refits = 100

    [[experiment]]
    name = "plain"
    """
    first, second = parse_experiments(text, WHERE)
    assert first == Experiment(
        "sampled",
        "superordinate",
        ("real", "synthetic", "mixed"),
        "calibrated",
        4,
        (0.5, 1.0),
        ("PPA", "LOC"),
        "logistic",
        "means",
        True,
        ("source", "shuffled_encoder", "untrained_network", "image_features"),
        100,
    )
    assert second == Experiment("plain")
    assert second.sizes == STEPS


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = ", "is not TOML"),
        ("", "has no experiment"),
        ("experiment = 3", "has no experiment"),
        ("[[experiments]]\nname = 'a'", "unknown key 'experiments'"),
        ("[[experiment]]\nlabels = 'scene'", "without a name"),
        ("[[experiment]]\nname = 'a'\nclasifier = 'lda'", "experiment 'a' has the unknown key 'clasifier'"),
        (
            "[[experiment]]\nname = 'a'\nclassifier = 'svm'",
            "classifier cannot be 'svm'.*ridge, lda, logistic",
        ),
        ("[[experiment]]\nname = 'a'\ntraining = ['fake']", "training cannot be 'fake'"),
        ("[[experiment]]\nname = 'a'\nrepeats = 2", "repeats is 2"),
        ("[[experiment]]\nname = 'a'\nrepeats = true", "repeats is True. Give a whole number"),
        ("[[experiment]]\nname = 'a'\nrefits = -1", "refits is -1. Give 0 or more"),
        ("[[experiment]]\nname = 'a'\nsizes = [0]", "sizes holds one that is not above 0"),
        ("[[experiment]]\nname = 'a'\nsizes = ['1']", "Give a list of numbers"),
        ("[[experiment]]\nname = 'a'\nrois = 'PPA'", "Give a list of names"),
        ("[[experiment]]\nname = 'a b'", "is called 'a b'"),
        ("[[experiment]]\nname = 'a'\n[[experiment]]\nname = 'a'", "uses a name twice: a, a"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_file_and_a_remedy(text: str, said: str) -> None:
    with pytest.raises(InputMalformedError, match=said) as refused:
        parse_experiments(text, WHERE)
    assert WHERE in str(refused.value)


def test_the_default_list_is_led_by_todays_ridge_on_single_trials() -> None:
    first = DEFAULT_EXPERIMENTS[0]
    assert (first.labels, first.classifier, first.test, first.sizes) == (None, "ridge", "trials", STEPS)
    assert len({experiment.name for experiment in DEFAULT_EXPERIMENTS}) == len(DEFAULT_EXPERIMENTS)
    assert set(first.controls) == set(CONTROLS)
    assert "lda" in {experiment.classifier for experiment in DEFAULT_EXPERIMENTS}


def test_the_example_of_the_docs_is_a_list() -> None:
    page = (Path(__file__).parents[2] / "docs" / "experiments.md").read_text(encoding="utf-8")
    example = page.split("```toml")[1].split("```")[0]
    assert [one.name for one in parse_experiments(example, WHERE)] == ["superordinate", "sampled"]
    for experiment in DEFAULT_EXPERIMENTS:
        assert f"| `{experiment.name}` |" in page


def test_sets_that_take_part() -> None:
    every, extra = Experiment("a"), Experiment("b", training=("real", "synthetic"))
    assert [every.takes(n) for n in ("real", "synthetic_same", "synthetic_x", "mixed")] == [True] * 3 + [
        False
    ]
    assert [extra.takes(n) for n in ("real", "synthetic_same", "synthetic_x", "mixed")] == [
        True,
        False,
        True,
        False,
    ]


def test_the_source_control_has_no_controls_or_curve_of_its_own() -> None:
    control = control_of(Experiment("a", labels="scene", controls=("source", "shuffled_encoder"), refits=9))
    assert control.refits == 0
    assert (control.name, control.labels, control.controls, control.sizes) == ("a", None, (), ())
    with pytest.raises(UsageError, match="controls cannot be 'none'"):
        Experiment("a", controls=("none",))
