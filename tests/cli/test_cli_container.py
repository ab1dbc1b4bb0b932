"""``synthfmri-docker``: every path of a command line is mounted, and the engine gets what it needs."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bidsapp_synthfmri.cli.container import container_call, synthfmri_docker
from bidsapp_synthfmri.cli.engines import ENGINES, Call
from bidsapp_synthfmri.cli.main import main, run
from bidsapp_synthfmri.cli.mounts import Mount
from bidsapp_synthfmri.cli.paths import LabelsWord, NamedPath, NameOrPath, WrittenPath, split_path
from bidsapp_synthfmri.errors import InputMissingError, UsageError

# A fake engine: it records what it is called with, and ends as the container would.
ENGINE = """#!{python}
import json, pathlib, sys
pathlib.Path({record!r}).write_text(json.dumps(sys.argv))
sys.exit({code})
"""
NAMES = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\0*?[{"), min_size=1, max_size=12
).filter(lambda name: name not in (".", "..") and len(os.fsencode(name)) < 200)


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, with a dataset, pictures and a file of weights."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bids" / "stimuli").mkdir(parents=True)
    (tmp_path / "extra pictures").mkdir()
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "alexnet.pth").touch()
    return tmp_path


def call_of(*words: str, gpu: bool | None = None, torch_home: Path | None = None) -> Call:
    return container_call([str(word) for word in words], "synthfmri", gpu, torch_home)


def outside(call: Call, word: str) -> Path:
    """The path of this machine that the container sees under a name."""
    inside = Path(word)
    mount = next(mount for mount in call.mounts if inside.is_relative_to(mount.target))
    return mount.source / inside.relative_to(mount.target)


def is_writable(call: Call, word: str) -> bool:
    return next(mount.writable for mount in call.mounts if Path(word).is_relative_to(mount.target))


def option(call: Call, name: str) -> str:
    return next(word.partition("=")[2] for word in call.words if word.startswith(f"{name}="))


def test_input_is_mounted_read_only_and_output_and_work_are_written(dataset: Path) -> None:
    call = call_of("bids", "out", "participant", "--weights", "random")
    command, bids, out, level, *_ = call.words
    assert (command, level) == ("run", "participant")
    assert (outside(call, bids), is_writable(call, bids)) == (dataset / "bids", False)
    assert (outside(call, out), is_writable(call, out)) == (dataset / "out", True)
    work = option(call, "--work-dir")
    assert (outside(call, work), is_writable(call, work)) == (dataset / "work", True)
    assert (dataset / "out").is_dir()
    assert (dataset / "work").is_dir()


@pytest.mark.usefixtures("dataset")
def test_words_that_are_no_paths_stay_as_they_are() -> None:
    call = call_of(
        *("bids", "out", "participant", "--participant-label", "01", "02", "--responses", "lss"),
        *("--labels", "superordinate", "--no-unseen-categories", "-vv", "--random-seed", "3"),
    )
    for word in ("--participant-label=01", "--participant-label=02", "--responses=lss", "--random-seed=3"):
        assert word in call.words
    assert "--labels=superordinate" in call.words
    assert "--no-unseen-categories" in call.words
    assert call.words.count("--verbose") == 2
    assert len(call.mounts) == 3


def test_paths_within_words_are_mounted(dataset: Path) -> None:
    call = call_of(
        *(
            "bids",
            "out",
            "participant",
            "--images",
            "extra=extra pictures",
            "--weights",
            "weights/alexnet.pth",
        ),
    )
    name, _, path = option(call, "--images").partition("=")
    assert (name, outside(call, path)) == ("extra", dataset / "extra pictures")
    weights = option(call, "--weights")
    assert (outside(call, weights), is_writable(call, weights)) == (dataset / "weights/alexnet.pth", False)


@pytest.mark.usefixtures("dataset")
def test_what_lies_in_a_mounted_folder_needs_no_mount_of_its_own() -> None:
    call = call_of("bids", "out", "participant", "--stimuli-dir", "bids/stimuli")
    assert option(call, "--stimuli-dir") == f"{call.words[1]}/stimuli"


def test_an_output_folder_within_the_dataset_is_writable(dataset: Path) -> None:
    call = call_of("bids", "bids/derivatives/synthfmri", "participant", "-w", "work")
    assert is_writable(call, call.words[2])
    assert outside(call, call.words[2]) == dataset / "bids/derivatives/synthfmri"
    assert not is_writable(call, call.words[1])


def test_annexed_files_come_with_the_repository_that_their_links_lead_into(dataset: Path) -> None:
    store = dataset / "pictures" / ".git" / "annex" / "objects"
    store.mkdir(parents=True)
    (dataset / "pictures" / "sub").mkdir()
    link = dataset / "pictures" / "sub" / "labels.tsv"
    link.symlink_to("../.git/annex/objects/content")
    call = call_of("bids", "out", "group", "--labels", "pictures/sub/labels.tsv")
    found = outside(call, option(call, "--labels"))
    assert found == link
    assert Mount(dataset / "pictures", Path("/data/labels")) in call.mounts


def test_a_subdataset_comes_with_the_dataset_that_keeps_its_annex(dataset: Path) -> None:
    (dataset / "study" / ".git" / "modules" / "inputs" / "annex").mkdir(parents=True)
    inputs = dataset / "study" / "inputs"
    inputs.mkdir()
    (inputs / ".git").symlink_to("../.git/modules/inputs")
    call = call_of("study/inputs", "out", "participant")
    assert call.words[1] == "/data/bids-dir/inputs"
    assert call.mounts[0] == Mount(dataset / "study", Path("/data/bids-dir"))


def test_an_annex_elsewhere_brings_no_more_than_the_repository(dataset: Path) -> None:
    (dataset / "elsewhere" / "annex").mkdir(parents=True)
    (dataset / "bids" / ".git").mkdir()
    (dataset / "bids" / ".git" / "annex").symlink_to(dataset / "elsewhere" / "annex")
    call = call_of("bids", "out", "participant")
    assert call.mounts[0] == Mount(dataset / "bids", Path("/data/bids-dir"))


def test_a_link_out_of_its_folder_is_followed(dataset: Path) -> None:
    (dataset / "here").mkdir()
    (dataset / "here" / "w.pth").symlink_to(dataset / "weights" / "alexnet.pth")
    call = call_of("bids", "out", "participant", "--weights", "here/w.pth")
    assert outside(call, option(call, "--weights")) == dataset / "weights" / "alexnet.pth"


def test_a_path_that_is_not_there_is_refused_and_not_made(dataset: Path) -> None:
    with pytest.raises(InputMissingError, match="nowhere is not there"):
        call_of("nowhere", "out", "participant")
    assert not (dataset / "nowhere").exists()


@pytest.mark.usefixtures("dataset")
def test_words_that_the_program_refuses_never_reach_an_engine() -> None:
    with pytest.raises(click.UsageError, match="sideways"):
        call_of("bids", "out", "sideways")


def test_paths_of_a_configuration_file_are_mounted_too(dataset: Path) -> None:
    (dataset / "labels.tsv").touch()
    (dataset / "run.toml").write_text(
        f'bids_dir = "bids"\noutput_dir = "out"\nlevel = "participant"\nresponses = "lss"\nwork_dir = "wd"\n'
        f'images = [["extra", "{dataset}/extra pictures"]]\nweights = "weights/alexnet.pth"\n'
        'labels = "labels.tsv"\nlabel_set = "scene"\ntest_fraction = 0.2\n'
    )
    call = call_of("--config-file", "run.toml", "--weights", "random")
    assert call.words[3] == "participant"
    assert outside(call, call.words[1]) == dataset / "bids"
    assert outside(call, option(call, "--images").partition("=")[2]) == dataset / "extra pictures"
    assert outside(call, option(call, "--config-file")) == dataset / "run.toml"
    assert outside(call, option(call, "--work-dir")) == dataset / "wd"
    assert option(call, "--weights") == "random"
    labels = [word.partition("=")[2] for word in call.words if word.startswith("--labels=")]
    assert labels[0] == "scene"
    assert outside(call, labels[1]) == dataset / "labels.tsv"


def test_other_commands_are_called_by_their_name(dataset: Path) -> None:
    (dataset / "sub-01_model.safetensors").touch()
    (dataset / "shard-0.tar").touch()
    call = call_of("synthesize", "sub-01_model.safetensors", "shard-*.tar", "new", "--repeats", "2")
    assert call.words[0] == "synthesize"
    assert outside(call, call.words[1]) == dataset / "sub-01_model.safetensors"
    assert outside(call, call.words[2]) == dataset / "shard-*.tar"
    assert (outside(call, call.words[3]), is_writable(call, call.words[3])) == (dataset / "new", True)


def test_there_is_a_network_only_to_fetch_weights_into_the_cache(dataset: Path) -> None:
    words = ("bids", "out", "participant")
    cache = dataset / "torch"
    assert not call_of(*words).network
    fetching = call_of(*words, torch_home=cache)
    assert fetching.network
    assert Mount(cache, Path("/opt/torch"), writable=True) in fetching.mounts
    assert not call_of(*words, "--weights", "random", torch_home=cache).network
    (cache / "hub" / "checkpoints").mkdir(parents=True)
    (cache / "hub" / "checkpoints" / "alexnet-owt-7be5be79.pth").touch()
    cached = call_of(*words, torch_home=cache)
    assert not cached.network
    assert Mount(cache, Path("/opt/torch")) in cached.mounts
    assert call_of(*words, "--backbone", "resnet18", torch_home=cache).network


@pytest.mark.usefixtures("dataset")
@pytest.mark.parametrize(
    ("engine", "word"), [("docker", "--gpus"), ("podman", "--device"), ("apptainer", "--nv")]
)
def test_gpus_are_given_where_they_are_asked_for(engine: str, word: str) -> None:
    words = ("bids", "out", "participant")
    asked = call_of(*words, "--device", "cuda")
    assert word in ENGINES[engine](asked)
    assert word not in ENGINES[engine](call_of(*words))
    assert word in ENGINES[engine](call_of(*words, gpu=True))
    assert word not in ENGINES[engine](call_of(*words, "--device", "cuda", gpu=False))


def mounts_in(arguments: list[str]) -> list[tuple[str, str, bool]]:
    """Mounts as the engines read them: fields of a line of CSV."""
    lines = [after for word, after in pairwise(arguments) if word == "--mount"]
    found = []
    for fields in csv.reader(lines):
        values = dict(part.partition("=")[::2] for part in fields)
        found.append((values["source"], values["destination"], "ro" not in values))
    return found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    names=st.lists(NAMES, min_size=4, max_size=4, unique_by=str.casefold),
    engine=st.sampled_from(sorted(ENGINES)),
)
def test_any_name_of_a_folder_reaches_the_engine_whole(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], engine: str
) -> None:
    top = tmp_path_factory.mktemp("any")
    bids, out, pictures, work = (top / name for name in names)
    bids.mkdir()
    pictures.mkdir()
    call = call_of(str(bids), str(out), "participant", "--images", f"x={pictures}", "--work-dir", str(work))
    mounted = mounts_in(ENGINES[engine](call))
    assert {(source, writable) for source, _, writable in mounted} == {
        (str(bids), False),
        (str(pictures), False),
        (str(out), True),
        (str(work), True),
    }
    assert len({target for _, target, _ in mounted}) == 4
    assert not any(set(target) & set(' ,"') for _, target, _ in mounted)
    # What is printed can be given to a shell.
    assert shlex.split(shlex.join(ENGINES[engine](call))) == ENGINES[engine](call)


def test_every_option_that_takes_a_path_says_so_by_its_type() -> None:
    """A path in the words for people that no type tells of would never be mounted."""
    told = ("FILE", "PATH", "DIR", ".tsv", "IMAGES", "OUT", "ENCODER")
    kinds = (click.Path, NamedPath, NameOrPath, LabelsWord)
    n_typed = 0
    for name, command in main.commands.items():
        for parameter in command.params:
            is_typed = isinstance(parameter.type, kinds)
            n_typed += is_typed
            if any(word in (parameter.metavar or "") for word in told):
                assert is_typed, f"{name} {parameter.name}"
    assert n_typed >= 20


def test_what_is_written_is_what_a_run_makes() -> None:
    written = {str(parameter.name) for parameter in run.params if isinstance(parameter.type, WrittenPath)}
    assert written == {"output_dir", "work_dir"}


@pytest.mark.parametrize(
    ("kind", "word", "expected"),
    [
        (click.Path(), "a b", ("", "a b")),
        (NamedPath(), "x=/a=b", ("x=", "/a=b")),
        (NamedPath(), "x", ("x", None)),
        (NameOrPath(("lss",)), "lss", ("lss", None)),
        (NameOrPath(("lss",)), "betas", ("", "betas")),
        (LabelsWord(), "labels:scene", ("labels:scene", None)),
        (LabelsWord(), "t/labels.tsv", ("", "t/labels.tsv")),
        (click.INT, "3", ("3", None)),
    ],
)
def test_paths_are_told_from_words(
    kind: click.ParamType, word: str, expected: tuple[str, str | None]
) -> None:
    assert split_path(kind, word) == expected


def fake_engine(folder: Path, name: str, code: int = 0) -> Path:
    """A program of an engine's name that records its arguments; the record's path."""
    folder.mkdir(exist_ok=True)
    record = folder / f"{name}.json"
    program = folder / name
    program.write_text(ENGINE.format(python=sys.executable, record=str(record), code=code))
    program.chmod(0o755)
    return record


def wrapper(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The installed command's function, in a process of its own that the engine replaces."""
    start = "from bidsapp_synthfmri.cli.container import synthfmri_docker as start; start(prog_name='d')"
    return subprocess.run(
        [sys.executable, "-c", start, *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": str(folder)},
    )


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_the_engine_s_exit_status_is_the_command_s(dataset: Path, engine: str) -> None:
    record = fake_engine(dataset / "bin", engine, code=8)
    done = wrapper(dataset / "bin", "--image", "img", "bids", "out", "participant")
    assert done.returncode == 8, done.stderr
    arguments = json.loads(record.read_text())
    assert arguments[1] == ("exec" if engine == "apptainer" else "run")
    after = arguments[arguments.index("img") + 1 :]
    own = ["synthfmri", "run"] if engine == "apptainer" else ["run"]
    assert after == [*own, "/data/bids-dir", "/data/output-dir", "participant", "--work-dir=/data/work-dir"]
    assert {source for source, _, _ in mounts_in(arguments)} == {
        str(dataset / name) for name in ("bids", "out", "work")
    }


@pytest.mark.usefixtures("dataset")
def test_the_container_runs_as_the_caller_without_network_on_a_read_only_root() -> None:
    for engine in ("docker", "podman"):
        arguments = ENGINES[engine](call_of("bids", "out", "participant"))
        text = shlex.join(arguments)
        assert f"--user {os.getuid()}:{os.getgid()}" in text
        assert "--network none" in text
        assert "--read-only" in arguments
        assert arguments[arguments.index("--entrypoint") + 1 :][:2] == ["synthfmri", "synthfmri"]


def test_the_first_engine_that_is_there_is_taken(dataset: Path) -> None:
    fake_engine(dataset / "bin", "podman")
    done = wrapper(dataset / "bin", "--print-command", "bids", "out", "participant")
    assert shlex.split(done.stdout)[:2] == ["podman", "run"]
    assert not (dataset / "bin" / "podman.json").exists()


def test_without_an_engine_the_remedy_is_named(dataset: Path) -> None:
    (dataset / "bin").mkdir()
    done = wrapper(dataset / "bin", "bids", "out", "participant")
    assert done.returncode == 2
    assert done.stderr.startswith("Error: None of docker, podman, apptainer is on PATH. Install one of them")
    named = wrapper(dataset / "bin", "--engine", "podman", "bids", "out", "participant")
    assert "podman is not on PATH" in named.stderr


def test_the_wrapper_s_own_options_come_first_and_those_of_the_program_are_its_own(dataset: Path) -> None:
    fake_engine(dataset / "bin", "docker")
    done = wrapper(
        dataset / "bin", "--print-command", "--participant-label", "01", "--", "bids", "out", "group"
    )
    words = shlex.split(done.stdout)
    assert "--participant-label=01" in words, done.stderr
    helped = CliRunner().invoke(synthfmri_docker, ["--help"])
    assert "Options of synthfmri-docker come first" in " ".join(helped.output.split())


def test_the_documentation_has_every_option_and_every_argument_of_the_build() -> None:
    root = Path(__file__).parents[2]
    page = (root / "docs" / "containers.md").read_text(encoding="utf-8")
    spelt = [name for made in synthfmri_docker.params for name in (*made.opts, *made.secondary_opts)]
    for name in spelt:
        if name.startswith("--") and name != "--version":
            assert re.search(rf"`{name}\b", page), name
    for name in re.findall(r"^ARG (\w+)", (root / "Dockerfile").read_text(), flags=re.MULTILINE):
        assert f"`{name}`" in page, name


def test_a_configuration_file_that_is_none_is_refused_before_any_engine(dataset: Path) -> None:
    with pytest.raises(InputMissingError, match=r"run\.toml is not there"):
        call_of("--config-file", "run.toml")
    (dataset / "run.toml").write_bytes(b"\xff")
    with pytest.raises(UsageError, match=r"run\.toml cannot be read"):
        call_of("--config-file", "run.toml")


def test_the_wrapper_starts_without_what_computes() -> None:
    heavy = "{'torch', 'numpy', 'pandas', 'nibabel', 'bids'} & set(sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, bidsapp_synthfmri.cli.container; print({heavy} or 'light')"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "light"
