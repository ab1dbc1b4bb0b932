"""The command line: lists as BIDS Apps take them, names, and every refusal with its exit code."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bidsapp_synthfmri import __version__
from bidsapp_synthfmri.cli.lists import repeat_options
from bidsapp_synthfmri.cli.main import main, run
from bidsapp_synthfmri.cli.options import run_config
from bidsapp_synthfmri.config import RunConfig
from bidsapp_synthfmri.errors import UsageError

LISTS = {"--participant-label", "--participant_label", "--roi", "--images"}
POSITIONALS = ["/data", "/out", "participant"]


@pytest.fixture
def parsed(monkeypatch):
    """The configuration that a command line makes, caught before anything runs."""
    caught: list[RunConfig] = []

    def keep(config: RunConfig) -> int:
        caught.append(config)
        return 0

    monkeypatch.setattr("bidsapp_synthfmri.workflow.run_level", keep)

    def parse(*arguments: str) -> RunConfig:
        done = CliRunner().invoke(run, list(arguments))
        assert done.exit_code == 0, done.output
        return caught[-1]

    return parse


@pytest.mark.parametrize(
    "words",
    [
        ["--participant-label", "01", "02"],
        ["--participant-label", "sub-01", "sub-02"],
        ["--participant_label", "01", "--participant-label", "sub-02"],
        ["--participant-label", "01 02"],
        ["--participant-label", "01,02"],
        ["--participant-label=01", "--participant-label=02"],
        ["--participant-label=01", "02"],
        ["--participant-label", "01", "02", "01"],
    ],
)
def test_participants_in_every_spelling(parsed, words):
    assert parsed(*POSITIONALS, *words).participant_labels == ("01", "02")


def test_encoders_without_categories_are_fitted_unless_they_are_declined(parsed):
    assert parsed(*POSITIONALS).unseen_categories
    assert not parsed(*POSITIONALS, "--no-unseen-categories").unseen_categories


def test_a_list_gives_back_the_positionals(parsed):
    config = parsed("--roi", "PPA", "LOC", *POSITIONALS)
    assert config.rois == ("PPA", "LOC")
    assert (str(config.bids_dir), str(config.output_dir), config.level) == tuple(POSITIONALS)


def test_a_list_ends_at_the_next_option(parsed):
    config = parsed(*POSITIONALS, "--roi", "PPA", "LOC", "--responses", "lss", "-v")
    assert (config.rois, config.responses, config.verbosity) == (("PPA", "LOC"), "lss", 1)


@given(st.lists(st.text("abcXYZ019", min_size=1), max_size=6))
def test_repeating_keeps_values_in_order(values):
    rewritten = repeat_options(["--roi", *values, "--end"], LISTS)
    if values and values[-1] in ("participant", "group") and len(values) > 3:
        return
    assert [word for word in rewritten if word not in ("--roi", "--end")] == values
    assert rewritten[-1] == "--end"


def test_names_and_paths(parsed):
    config = parsed(
        *POSITIONALS, "-d", "fmriprep=/a", "spm=/b", "--images", "extra=/c=d", "--session-label", "ses-01"
    )
    assert config.derivatives == (("fmriprep", Path("/a")), ("spm", Path("/b")))
    assert config.images == (("extra", Path("/c=d")),)
    assert config.session_labels == ("01",)


@pytest.mark.parametrize(
    ("words", "confounds"),
    [
        ([], ("acompcor",)),
        (["--confounds", "minimal"], ("minimal",)),
        (["--confounds", "motion24", "csf", "cosine*"], ("motion24", "csf", "cosine*")),
        (["--confounds=X,Y,Z", "RotX"], ("X", "Y", "Z", "RotX")),
        (["--confounds", "none"], ("none",)),
    ],
)
def test_confounds_are_a_strategy_or_columns(parsed, words, confounds):
    assert parsed(*POSITIONALS, *words).confounds == confounds


def test_thresholds(parsed):
    config = parsed(*POSITIONALS, "--fd-threshold", "0.5", "--min-ncsnr", "0")
    assert (config.fd_threshold, config.min_ncsnr) == (0.5, 0)
    config = parsed(*POSITIONALS)
    assert (config.fd_threshold, config.min_ncsnr) == (None, None)


def test_defaults(parsed):
    config = parsed(*POSITIONALS)
    assert (config.backbone, config.weights, config.responses, config.device) == (
        "alexnet",
        "imagenet",
        "hrf-denoise-ridge",
        "auto",
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["/data", "/data", "participant"], "is BIDS_DIR itself"),
        (["/data", "/data/out", "participant"], "lies inside BIDS_DIR"),
        ([*POSITIONALS, "-w", "/data/work"], "--work-dir"),
        ([*POSITIONALS, "--images", "/pictures"], "has no name"),
        ([*POSITIONALS, "--images", "a-b=/pictures"], "not a BIDS label"),
        ([*POSITIONALS, "--images", "a=/x", "a=/y"], "uses a name twice"),
        ([*POSITIONALS, "--images", "train=/x"], "stands for pictures of the dataset itself"),
        ([*POSITIONALS, "--test-fraction", "1.5"], "between 0 and 1"),
        ([*POSITIONALS, "--n-cpus", "0"], "1 or more"),
        ([*POSITIONALS, "--confounds", ""], "names nothing"),
        ([*POSITIONALS, "--fd-threshold", "0"], "more than 0"),
        ([*POSITIONALS, "--fd-threshold", "nan"], "more than 0"),
        ([*POSITIONALS, "--min-ncsnr", "-0.1"], "--min-ncsnr is -0.1"),
        ([*POSITIONALS, "--min-ncsnr", "inf"], "0 or more"),
        ([*POSITIONALS, "--random-seed", "-1"], "0 or more"),
        ([*POSITIONALS, "--participant-label", ""], "names nothing"),
        ([*POSITIONALS, "--roi", " , "], "names nothing"),
        ([*POSITIONALS, "--labels", "a.tsv", "--label-column", "b"], "both given"),
        ([*POSITIONALS, "--responses", "magic"], "and no path that exists"),
        ([*POSITIONALS, "--responses", ""], "no path that exists"),
        (["/data", "/out", "cohort"], "Invalid value"),
        (["/data"], "Missing argument"),
    ],
)
def test_usage_errors_are_one_sentence_and_code_2(words, message):
    done = CliRunner().invoke(run, words)
    assert done.exit_code == 2
    assert message in done.output
    assert "Traceback" not in done.output


def test_an_output_below_derivatives_is_the_bids_apps_custom(parsed):
    assert parsed("/data", "/data/derivatives/synthfmri", "participant").output_dir.name == "synthfmri"


def test_version_and_help():
    for command in (run, main):
        assert __version__ in CliRunner().invoke(command, ["--version"]).output
        assert "--version" in CliRunner().invoke(command, ["--help"]).output
    assert set(main.commands) == {"run", "demo", "simulate", "synthesize", "rank"}


def test_the_demo_does_not_replace_what_it_did_not_make(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    for words in (["demo", str(tmp_path)], ["demo", str(tmp_path), "--overwrite"]):
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 2
        assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_run_config_is_what_the_toml_gives_back():
    config = run_config(
        bids_dir=Path("/data"),
        output_dir=Path("/out"),
        participant_labels=("sub-01",),
        session_labels=(),
        task_label="task-images",
        space=None,
        derivatives=("fmriprep=/prep",),
        images=(),
        rois=("PPA LOC",),
        layers=(),
    )
    assert config.task_label == "images"
    assert RunConfig.from_toml(config.to_toml()) == config


@pytest.mark.parametrize(
    ("words", "name", "file"),
    [
        ([], None, None),
        (["--labels", "animacy.tsv"], None, "animacy.tsv"),
        (["--labels", "tables/animacy"], None, "tables/animacy"),
        (["--labels", "superordinate"], "superordinate", None),
        (["--labels", "column:trial.type"], "column:trial.type", None),
        (["--labels", "labels:animate", "animacy.tsv"], "labels:animate", "animacy.tsv"),
        (["--labels", "animacy.tsv", "--labels", "labels:animate"], "labels:animate", "animacy.tsv"),
    ],
)
def test_labels_are_a_sets_name_or_a_file(parsed, words, name, file):
    config = parsed(*POSITIONALS, *words)
    assert (config.label_set, config.labels) == (name, None if file is None else Path(file))
    assert RunConfig.from_toml(config.to_toml()) == config


def test_a_file_that_is_there_is_the_table_whatever_its_name(parsed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "animacy").write_text("stimulus\tlabel\n")
    config = parsed(*POSITIONALS, "--labels", "animacy", "--coco-annotations", "instances.json")
    assert (config.label_set, config.labels) == (None, Path("animacy"))
    assert config.coco_annotations == Path("instances.json")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--labels", "scene", "source"], "names 2 label sets and 0 files"),
        (["--labels", "a.tsv", "b.tsv"], "names 0 label sets and 2 files"),
        (["--labels", ""], "--labels was given, but names nothing"),
        (["--labels", "scene", "--label-column", "kind"], "--labels and --label-column were both given"),
    ],
)
def test_labels_that_do_not_go_together_are_refused(words, said):
    done = CliRunner().invoke(run, [*POSITIONALS, *words])
    assert done.exit_code == UsageError.exit_code, done.output
    assert said in done.output
