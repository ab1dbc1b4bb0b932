"""Disks that are full or read-only, permissions that are denied, files that cannot be opened any more."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hostile_corpus.runs import NETWORK, QUICK, call, snapshot

from bidsapp_synthfmri.derivatives.reader import participants_written

MEGABYTE = 2**20
# Root without these is held to the permissions of files as everyone is.
ALL_FILES = "-dac_override,-dac_read_search"
# Runs each line of its input as a command's words.
EACH_LINE = """
import json, sys
from click.testing import CliRunner
from bidsapp_synthfmri.cli.main import run
for line in sys.stdin:
    done = CliRunner().invoke(run, json.loads(line))
    print(json.dumps([done.exit_code, done.output]))
"""


@contextmanager
def mounted(folder: Path, size: int, *options: str) -> Iterator[Path]:
    """A file system of its own on a folder."""
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", ",".join([f"size={size}", *options]), "tmpfs", str(folder)]
    if shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def check(done, code: int, *words: str) -> None:
    assert done.exit_code == code, done.output[-2000:]
    for word in words:
        assert word in done.output.splitlines()[-1]
    for word in ("Traceback", "Internal error"):
        assert word not in done.output


@pytest.fixture
def unforeseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The room is not looked at beforehand, as where others fill the disk meanwhile."""
    monkeypatch.setattr("bidsapp_synthfmri.workflow.participant.require_disk", lambda _: None)


def test_a_disk_that_is_too_small_is_refused_beforehand(plain, tmp_path):
    with mounted(tmp_path / "disk", MEGABYTE) as disk:
        done = call(plain, disk / "out", "--participant-label", "02", "--work-dir", tmp_path / "work")
        check(done, 9, "The run needs about", str(disk))


@pytest.mark.parametrize("size", [4 * 1024, MEGABYTE // 4])
@pytest.mark.usefixtures("unforeseen")
def test_a_full_output_disk_has_its_own_code_and_leaves_no_half_file(plain, tmp_path, size):
    with mounted(tmp_path / "disk", size) as disk:
        output = disk / "out"
        done = call(plain, output, "--participant-label", "02", "--work-dir", tmp_path / "work")
        check(done, 9, "cannot be written", "No space left")
        assert participants_written(output) == ()
        assert list(output.rglob("*.partial")) == []


@pytest.mark.parametrize("size", [64 * 1024, 4 * MEGABYTE])
@pytest.mark.usefixtures("unforeseen")
def test_a_full_work_disk_has_its_own_code(plain, tmp_path, size):
    with mounted(tmp_path / "disk", size) as disk:
        done = call(plain, tmp_path / "out", "--participant-label", "02", "--work-dir", disk / "work")
        check(done, 9, "work directory", "No space left")


def test_a_read_only_output_has_its_own_code(plain, tmp_path):
    with mounted(tmp_path / "disk", MEGABYTE, "ro") as disk:
        done = call(plain, disk / "out", "--participant-label", "02", "--work-dir", tmp_path / "work")
        check(done, 9, "Read-only file system", str(disk))


def test_a_read_only_work_directory_has_its_own_code(plain, tmp_path):
    with mounted(tmp_path / "disk", MEGABYTE, "ro") as disk:
        done = call(plain, tmp_path / "out", "--participant-label", "02", "--work-dir", disk / "work")
        check(done, 9, "Read-only file system", str(disk))


def test_a_read_only_dataset_is_all_that_is_needed(plain, tmp_path):
    with mounted(tmp_path / "disk", 64 * MEGABYTE) as disk:
        shutil.copytree(plain, disk / "bids", symlinks=True)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        before = snapshot(disk)
        done = call(disk / "bids", tmp_path / "out", "--participant-label", "02")
        assert done.exit_code == 0, done.output[-2000:]
        assert snapshot(disk) == before


@contextmanager
def open_files(more: int) -> Iterator[None]:
    """No more files than a few beyond those that are open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1 + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("more", [3, *(pytest.param(n, marks=pytest.mark.long) for n in (1, 2, 4, 5, 6, 7))])
def test_too_few_open_files_are_said_and_not_taken_for_damage(plain, tmp_path, more):
    with open_files(more):
        done = call(plain, tmp_path / "out", "--participant-label", "02")
    assert done.exit_code in (0, 7, 9), done.output[-2000:]
    assert "Traceback" not in done.output
    assert "Internal error" not in done.output
    if done.exit_code:
        assert "oo many" in done.output.splitlines()[-1]
        assert participants_written(tmp_path / "out") == ()


@pytest.fixture(scope="module")
def denied(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """Exit code and output of runs that may not read or write something."""
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("without setpriv, root cannot give up reading everything")
    commands = {}
    for name, pattern in _FORBIDDEN.items():
        folder = tmp_path_factory.mktemp(f"hostile-denied-{name}")
        shutil.copytree(plain, folder / "bids", symlinks=True)
        (folder / "out").mkdir()
        bids = folder / "bids"
        closed = folder / "out" if pattern is None else next(bids.glob(pattern), bids)
        closed.chmod(0o555 if pattern is None else 0)
        words = [folder / "bids", folder / "out", "participant", "--work-dir", folder / "work"]
        commands[name] = [*map(str, words), *NETWORK, *QUICK, "--participant-label", "01"]
    rights = ["setpriv", f"--bounding-set={ALL_FILES}"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*rights, sys.executable, "-c", EACH_LINE],
        input="\n".join(map(json.dumps, commands.values())),
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(commands, map(json.loads, done.stdout.splitlines()), strict=True))


# What may not be read, of participant 01; None: OUTPUT_DIR may not be written.
_FORBIDDEN = {
    "output": None,
    "events": "sub-01/ses-01/func/*_events.tsv",
    "sidecar": "sub-01/ses-01/func/*_bold.json",
    "bold": "derivatives/fmriprep/sub-01/ses-01/func/*_bold.nii.gz",
    "confounds": "derivatives/fmriprep/sub-01/ses-01/func/*_timeseries.tsv",
    "session": "sub-01/ses-01",
    "derivative": "derivatives/fmriprep/sub-01/ses-02/func",
    "description": "dataset_description.json",
    "dataset": "nothing, and so the dataset",
    "pictures": "stimuli",
}


@pytest.mark.parametrize("name", _FORBIDDEN)
def test_what_may_not_be_read_or_written_is_named(denied, name):
    code, output = denied[name]
    assert code == {"output": 9, "dataset": 2}.get(name, 3), output[-2000:]
    message = output.splitlines()[-1]
    assert message.startswith("Error: ")
    for word in ("Traceback", "Internal error"):
        assert word not in output
