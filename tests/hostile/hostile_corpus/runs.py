"""Participants of a case each, runs over them, and what is left behind."""

from __future__ import annotations

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner, Result

from bidsapp_synthfmri import errors
from bidsapp_synthfmri.cli.main import run

from .case import Case, Place
from .watching import Watched

NETWORK = ("--weights", "random", "--backbone", "squeezenet1_1", "--layers", "features.3")
QUICK = ("--responses", "tr34", "--confounds", "minimal", "--n-cpus", "1")
_CODES = {
    name: made.exit_code
    for name, made in vars(errors).items()
    if isinstance(made, type) and issubclass(made, errors.SynthfmriError)
}


def snapshot(folder: Path) -> dict[str, str]:
    """What is below a folder, by path: a link's target, a file's hash and time, or the kind of thing."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"link to {path.readlink()}"
        elif path.is_file():
            status = path.stat()
            small = status.st_size < 2**24
            content = hashlib.sha256(path.read_bytes()).hexdigest() if small else str(status.st_size)
            found[name] = f"{content} {status.st_mtime_ns} {status.st_mode}"
        else:
            found[name] = "folder" if path.is_dir() else "special"
    return found


def add_participant(bids: Path, plain: Path, label: str) -> Place:
    """The files of ``plain``'s participant 01 as another participant's."""
    for source in plain.rglob("sub-01*"):
        name = re.sub(r"sub-01(?=[_/]|$)", f"sub-{label}", source.relative_to(plain).as_posix())
        if source.is_file():
            (bids / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, bids / name)
    for source in plain.rglob("sub-01/**/*"):
        name = re.sub(r"sub-01(?=[_/]|$)", f"sub-{label}", source.relative_to(plain).as_posix())
        if source.is_file():
            (bids / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, bids / name)
    return Place(bids, label)


def label_of(case: Case) -> str:
    """A participant's label for a case."""
    return "x" + re.sub("[^a-zA-Z0-9]", "", case.name)


def call(bids: Path, output: Path, *options: object) -> Result:
    """The participant level in this process, on a small untrained network."""
    where = [bids, output, "participant", "--work-dir", output.with_name(f"{output.name}-work")]
    return CliRunner().invoke(run, [str(word) for word in (*where, *NETWORK, *QUICK, *options)])


@dataclass(frozen=True)
class Refusal:
    """How a participant's run ended: the error's class and exit code, and its sentence."""

    name: str
    code: int
    message: str


def refusals_of(output: Path) -> dict[str, Refusal]:
    """By participant, what the crash files say."""
    found = {}
    for path in output.glob("logs/*/crash-sub-*.txt"):
        last = path.read_text(encoding="utf-8").rstrip("\n").rpartition("\nbidsapp_synthfmri.errors.")[2]
        name, _, message = last.partition(": ")
        found[path.stem.removeprefix("crash-sub-")] = Refusal(name, _CODES.get(name, 1), message)
    return found


@dataclass(frozen=True)
class CorpusRun:
    """A run over many spoilt participants and one that is not.

    Attributes
    ----------
    cases : those that ran
    output : OUTPUT_DIR
    done : the command's end
    refusals : by participant
    before, after : snapshots of all that lies around OUTPUT_DIR and the work directory
    watched : what the process did
    """

    cases: tuple[Case, ...]
    output: Path
    done: Result
    refusals: dict[str, Refusal]
    before: dict[str, str]
    after: dict[str, str]
    watched: Watched
