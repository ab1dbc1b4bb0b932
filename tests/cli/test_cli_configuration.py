"""A configuration file with the command line over it, sizes, and what BIDS Apps' users type from habit."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from bidsapp_synthfmri.cli.main import main, run
from bidsapp_synthfmri.config import RunConfig

POSITIONALS = ["/data", "/out", "participant"]


@pytest.fixture
def stored(tmp_path) -> Path:
    """config.toml of a run with options of every type."""
    config = RunConfig(
        Path("/data"),
        Path("/out"),
        level="group",
        rois=("PPA", "LOC"),
        images=(("extra", Path("/pictures")),),
        test_fraction=0.2,
        random_seed=7,
        untrained_control=True,
        label_set="scene",
        memory=2_000_000_000,
        work_dir=Path("/work dir"),
        command="synthfmri run",
    )
    path = tmp_path / "config.toml"
    path.write_text(config.to_toml())
    return path


def test_a_runs_own_file_gives_the_run_back(parsed, stored):
    again, first = parsed("--config-file", str(stored)), RunConfig.from_toml(stored.read_text())
    assert again.to_dict() | {"command": ""} == first.to_dict() | {"command": ""}
    assert again.content_hash() == first.content_hash()


def test_the_command_line_wins(parsed, stored):
    words = ["--random-seed", "0", "--roi", "OPA", "--labels", "t.tsv", "--images", "own=/b"]
    config = parsed("/elsewhere", "/there", "participant", "--config-file", str(stored), *words)
    assert (config.bids_dir, config.level) == (Path("/elsewhere"), "participant")
    assert (config.random_seed, config.rois) == (0, ("OPA",))
    assert (config.labels, config.label_set) == (Path("t.tsv"), None)
    assert config.images == (("own", Path("/b")),)
    assert (config.test_fraction, config.memory) == (0.2, 2_000_000_000)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('colour = "red"', "unknown key 'colour'"),
        ("random-seed = 3", "Write random_seed"),
        ('random_seed = "three"', "random_seed is 'three'"),
        ("random_seed = true", "random_seed is True"),
        ("rois = [1, 2]", "rois is [1, 2]"),
        ('images = ["a=/b"]', "images is ['a=/b']"),
        ("random_seed = ", "is not TOML"),
        ('crop = "oval"', "--crop cannot be 'oval'"),
    ],
)
def test_a_strange_file_is_refused_by_name_and_key(tmp_path, text, message):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    done = CliRunner().invoke(run, [*POSITIONALS, "--config-file", str(path)])
    assert done.exit_code == 2, done.output
    assert message in done.output
    assert "Traceback" not in done.output


def test_a_file_that_is_not_there_is_missing_input(tmp_path):
    done = CliRunner().invoke(run, [*POSITIONALS, "--config-file", str(tmp_path / "none.toml")])
    assert done.exit_code == 3
    assert "none.toml is not there" in done.output


def test_arguments_that_neither_has_are_named(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('bids_dir = "/data"')
    done = CliRunner().invoke(run, ["--config-file", str(path)])
    assert done.exit_code == 2
    assert "Missing argument OUTPUT_DIR" in done.output


@pytest.mark.parametrize(
    ("size", "n_bytes"),
    [("16GB", 16e9), ("16G", 16e9), ("16GiB", 16 * 2**30), ("512MB", 512e6), ("1.5 g", 1.5e9), ("2TB", 2e12)],
)
def test_memory_has_a_unit(parsed, size, n_bytes):
    assert parsed(*POSITIONALS, "--mem", size).memory == int(n_bytes)


@pytest.mark.parametrize("size", ["16", "lots", "-3GB", "16 XB", ""])
def test_memory_without_a_unit_is_refused(size):
    done = CliRunner().invoke(run, [*POSITIONALS, "--mem", size])
    assert done.exit_code == 2
    assert "no unit that is known" in done.output


def test_all_that_is_wrong_is_said_at_once():
    words = ["--test-fraction", "2", "--n-cpus", "0", "--strict", "--skip-bids-validation"]
    done = CliRunner().invoke(run, [*POSITIONALS, *words])
    assert done.exit_code == 2
    for part in ("3 things", "--test-fraction is 2.0", "--n-cpus is 0", "--strict and --skip"):
        assert part in done.output


def test_options_of_other_bids_apps_are_taken(parsed):
    plain = parsed(*POSITIONALS)
    same = parsed(*POSITIONALS, "--notrack", "--bids-database-dir", "/db", "--reset-database")
    assert same.to_dict() | {"command": ""} == plain.to_dict() | {"command": ""}
    config = parsed(*POSITIONALS, "--nprocs", "3", "--exclude-participant-label", "sub-02", "03")
    assert (config.n_cpus, config.exclude_participant_labels) == (3, ("02", "03"))


def test_a_participant_cannot_be_asked_for_and_left_out():
    words = ["--participant-label", "01", "02", "--exclude-participant-label", "02"]
    done = CliRunner().invoke(run, [*POSITIONALS, *words])
    assert done.exit_code == 2
    assert "both name 02" in done.output


def test_a_misspelt_option_is_told_the_right_one():
    done = CliRunner().invoke(run, [*POSITIONALS, "--particpant-label", "01"])
    assert done.exit_code == 2
    assert "--participant-label" in done.output


def test_help_groups_options_on_a_screen_each():
    lines = CliRunner().invoke(run, ["--help"], terminal_width=100).output.splitlines()
    titles = [number for number, line in enumerate(lines) if line and line[0] != " " and line.endswith(":")]
    names = [lines[number] for number in titles]
    assert {"What to read:", "Machine:", "Run:"} <= set(names)
    assert max(b - a for a, b in zip(titles, [*titles[1:], len(lines)], strict=True)) <= 50
    options = {word for line in lines for word in line.replace(",", " ").split() if word.startswith("--")}
    assert options >= {name for option in run.params for name in option.opts if name.startswith("--")}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_of_the_shell(shell):
    done = CliRunner().invoke(main, ["completion", shell])
    assert done.exit_code == 0
    assert "_SYNTHFMRI_COMPLETE" in done.output
