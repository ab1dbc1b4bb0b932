"""The options of a synthetic scan: what they make, what they share with synthesize, and what is refused."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from bidsapp_synthfmri.cli.bold_options import bold_options, take_bold_options
from bidsapp_synthfmri.cli.main import main
from bidsapp_synthfmri.errors import InputMissingError, UsageError
from bidsapp_synthfmri.workflow.bold_options import BoldOptions


def taken(*words, **shared):
    """What the group makes of some words; and the options that are left to the command."""
    caught = []

    @click.command()
    @bold_options
    def command(**options):
        caught.append(options)

    done = CliRunner().invoke(command, list(words))
    assert done.exit_code == 0, done.output
    options = {**caught[0], **shared}
    return take_bold_options(options), options


def test_without_the_switch_there_is_no_scan_and_nothing_is_left_behind():
    assert taken(encoder="e") == (None, {"encoder": "e"})


def test_the_switch_alone_asks_for_a_slow_design_with_the_participants_noise():
    assert taken("--bold") == (BoldOptions(), {})


def test_every_option_reaches_its_field():
    words = ["--bold", "--design", "rapid", "--repetition-time", "1.5", "--runs", "4", "--volumes", "300"]
    words += ["--bold-noise", "independent", "--stimulus-column", "picture"]
    found, left = taken(
        *words, repeats=3, noise="calibrated", snr_scale=0.5, random_seed=7, batch_size=8, device="cpu"
    )
    assert found == BoldOptions(
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
    assert left["device"] == "cpu"


def test_events_are_files_or_those_of_a_folder(tmp_path):
    for name in ("b_events.tsv", "a_events.tsv", "notes.tsv"):
        (tmp_path / name).write_text("onset\n")
    found, _ = taken("--bold", "--design", "x.tsv", "--design", str(tmp_path))
    assert found.events == (Path("x.tsv"), tmp_path / "a_events.tsv", tmp_path / "b_events.tsv")
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
