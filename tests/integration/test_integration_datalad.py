"""The app under ``datalad run``: one participant's content fetched, the rest not, outputs saved."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        shutil.which("datalad") is None or shutil.which("git-annex") is None,
        reason="datalad and git-annex are not installed",
    ),
]
COMMAND = Path(sys.executable).with_name("synthfmri")
NETWORK = ("--weights", "random", "--backbone", "squeezenet1_1", "--layers", "features.12")
FAST = ("--responses", "lss", "--no-unseen-categories", "--n-cpus", "1")
Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Call:
    """Run a program as someone whom git knows, without settings of this machine's user."""
    home = tmp_path_factory.mktemp("home")
    someone = {
        f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in IDENTITY.items()
    }

    def run(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            list(map(str, words)),
            cwd=cwd,
            env={**os.environ, **someone, "HOME": str(home), "DATALAD_UI_PROGRESSBAR": "none"},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


IDENTITY = {"NAME": "A. Tester", "EMAIL": "tester@example.org"}


@pytest.fixture(scope="module")
def study(small, call: Call, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DataLad dataset whose subdataset ``inputs`` is a clone without any annexed content."""
    folder = tmp_path_factory.mktemp("datalad")
    origin, super_dataset = folder / "origin", folder / "study"
    steps = [
        (("datalad", "create", "-c", "text2git", origin), folder),
        (("datalad", "create", "-c", "text2git", super_dataset), folder),
    ]
    for words, where in steps:
        done = call(*words, cwd=where)
        assert done.returncode == 0, done.stderr
    shutil.copytree(small.bids_dir, origin, dirs_exist_ok=True)
    for words, where in (
        (("datalad", "save", "-m", "Data"), origin),
        (("datalad", "clone", "-d", ".", origin, "inputs"), super_dataset),
    ):
        done = call(*words, cwd=where)
        assert done.returncode == 0, done.stderr
    return super_dataset


def commit(call: Call, dataset: Path) -> str:
    return call("git", "rev-parse", "HEAD", cwd=dataset).stdout.strip()


def participant_command(label: str, work: Path) -> str:
    words = (COMMAND, "run", "inputs", "outputs", "participant", "--participant-label", label, "-w", work)
    return " ".join(map(str, (*words, *NETWORK, *FAST)))


def run_words(label: str, work: Path) -> list[object]:
    inputs = [f"inputs/sub-{label}", f"inputs/derivatives/*/sub-{label}", "inputs/stimuli"]
    named = [word for path in inputs for word in ("-i", path)]
    return ["datalad", "run", "-m", f"sub-{label}", *named, "-o", "outputs", participant_command(label, work)]


def dangling(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_symlink() and not path.exists()]


def test_participants_one_by_one_as_datalad_runs_them(study: Path, call: Call, tmp_path: Path) -> None:
    images = [path for path in (study / "inputs").rglob("*.nii.gz") if ".git" not in path.parts]
    assert images
    assert all(path.is_symlink() and not path.exists() for path in images)

    done = call(*run_words("01", tmp_path / "work"), cwd=study)
    assert done.returncode == 0, done.stdout + done.stderr
    fetched = study / "inputs" / "derivatives" / "fmriprep"
    assert dangling(fetched / "sub-01") == []
    assert dangling(fetched / "sub-02") != []
    assert call("git", "status", "--porcelain", cwd=study).stdout == ""
    message = call("git", "log", "-1", "--format=%B", cwd=study).stdout
    assert message.startswith("[DATALAD RUNCMD] sub-01")
    assert '"exit": 0' in message
    # A second participant writes into the same dataset, whose files are locked by now.
    encoder = next((study / "outputs" / "sub-01").rglob("*_model.safetensors"))
    assert encoder.is_symlink()
    before = encoder.read_bytes()
    words = [word for word in run_words("02", tmp_path / "work") if word not in ("-o", "outputs")]
    done = call(*words, cwd=study)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list((study / "outputs" / "sub-02").rglob("*_model.safetensors"))
    assert encoder.read_bytes() == before
    assert call("git", "status", "--porcelain", cwd=study).stdout == ""
    # Nothing was written through a link into the annex.
    checked = call("git", "annex", "fsck", "--quiet", cwd=study)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert call("git", "-C", "inputs", "status", "--porcelain", cwd=study).stdout == ""


def test_a_run_that_fails_is_not_saved_and_its_exit_code_is_told(
    study: Path, call: Call, tmp_path: Path
) -> None:
    before = commit(call, study)
    command = participant_command("nobody", tmp_path / "work")
    done = call("datalad", "run", "-m", "nobody", "-o", "outputs", command, cwd=study)
    assert done.returncode != 0
    assert commit(call, study) == before
    # What datalad would save it with has the command's own code; its own is 1 for whatever went wrong.
    assert '"exit": 5' in (study / ".git" / "COMMIT_EDITMSG").read_text(), done.stdout + done.stderr


def test_content_that_is_not_fetched_is_named_with_the_command_that_fetches_it(
    study: Path, call: Call, tmp_path: Path
) -> None:
    call("datalad", "drop", "--reckless", "availability", "inputs/derivatives/fmriprep/sub-02", cwd=study)
    words = participant_command("02", tmp_path / "work").replace(" outputs ", f" {tmp_path / 'out'} ")
    done = call(*words.split(), cwd=study)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "git-annex links whose content is absent" in done.stderr
    assert "datalad get -d" in done.stderr
