"""The options of a synthetic scan: what they make, what they share with synthesize, and what is refused."""

import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from bidsapp_synthfmri.cli.bold_options import bold_options, take_bold_config
from bidsapp_synthfmri.cli.main import main
from bidsapp_synthfmri.cli.synthesis_options import image_arguments, image_options, trial_options
from bidsapp_synthfmri.errors import InputMissingError, UsageError
from bidsapp_synthfmri.workflow.bold_options import BoldOptions


def taken(*words):
    """What a command like synthesize makes of some words; None where that is no scan."""
    caught = []

    @click.command()
    @image_arguments
    @trial_options
    @bold_options
    @image_options
    def command(**options):
        caught.append(options)

    done = CliRunner().invoke(command, ["model.safetensors", "pictures", "out", *words])
    assert done.exit_code == 0, done.output
    return take_bold_config(caught[0])


def test_without_the_switch_there_is_no_scan():
    assert taken("--noise", "calibrated") is None


def test_the_switch_alone_asks_for_a_slow_design_with_the_participants_noise():
    config = taken("--bold")
    assert config.bold == BoldOptions(design="slow", series_noise="calibrated", noise="none")
    assert (config.encoder, config.source) == (Path("model.safetensors"), Path("pictures"))


def test_every_option_reaches_its_field():
    words = ["--bold", "--design", "rapid", "--repetition-time", "1.5", "--runs", "4", "--volumes", "300"]
    words += ["--bold-noise", "independent", "--stimulus-column", "picture", "--repeats", "3"]
    words += ["--noise", "calibrated", "--snr-scale", "0.5", "--random-seed", "7", "--batch-size", "8"]
    config = taken(*words, "--device", "cpu", "--dataset", "d", "--require-labels")
    assert config.bold == BoldOptions(
        design="rapid",
        repetition_time=1.5,
        n_runs=4,
        n_volumes=300,
        series_noise="independent",
        stimulus_column="picture",
        repeats=3,
        noise="calibrated",
        snr_scale=0.5,
        seed=7,
        batch_size=8,
    )
    assert (config.device, config.dataset, config.require_labels, config.random_seed) == ("cpu", "d", True, 7)


def test_the_record_of_a_scan_has_its_options():
    config = taken("--bold", "--design", "a_events.tsv", "--repetition-time", "1.5")
    record = tomllib.loads(config.to_toml())
    assert record["events"] == ["a_events.tsv"]
    assert (record["repetition_time"], record["series_noise"]) == (1.5, "calibrated")
    assert config.content_hash() != taken("--bold", "--repetition-time", "1.5").content_hash()


def test_events_are_files_or_those_of_a_folder(tmp_path):
    for name in ("b_events.tsv", "a_events.tsv", "notes.tsv"):
        (tmp_path / name).write_text("onset\n")
    config = taken("--bold", "--design", "x.tsv", "--design", str(tmp_path))
    assert config.bold.events == (Path("x.tsv"), tmp_path / "a_events.tsv", tmp_path / "b_events.tsv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputMissingError, match="holds no"):
        taken("--bold", "--design", str(tmp_path / "empty"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--runs", "3"], "--runs is of a synthetic scan"),
        (["--design", "slow"], "--design is of a synthetic scan"),
        (["--bold-noise", "none"], "--bold-noise is of a synthetic scan"),
        (["--bold", "--design", "slow", "--design", "rapid"], "names slow, rapid"),
        (["--bold", "--design", "a.tsv", "--design", "rapid"], r"names a\.tsv, rapid"),
        (["--bold", "--runs", "0"], "--runs is 0"),
        (["--bold", "--shard-size", "5"], "--shard-size says nothing of a synthetic scan"),
        (["--bold", "--uncertainty"], "--uncertainty says nothing of a synthetic scan"),
        (["--bold", "--name", "val"], "--name says nothing of a synthetic scan"),
    ],
)
def test_what_does_not_go_together_is_refused(words, said):
    with pytest.raises(UsageError, match=said):
        taken(*words)


def test_synthesize_knows_the_options_and_refuses_before_it_reads(tmp_path):
    arguments = ["synthesize", str(tmp_path / "e"), str(tmp_path / "i"), str(tmp_path / "o")]
    done = CliRunner().invoke(main, [*arguments, "--runs", "2"])
    assert done.exit_code == 2
    assert "Give --bold too" in done.output
    assert "--bold-noise" in CliRunner().invoke(main, ["synthesize", "--help"]).output
