"""SIGKILL at random moments: the run that follows ends as one that was left alone, and tidies up."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bidsapp_synthfmri.derivatives.reader import participants_written
from bidsapp_synthfmri.simulate import SimulatedDataset

NETWORK = ("--weights", "random", "--backbone", "squeezenet1_1", "--layers", "features.3", "features.12")
# What a run says of itself: how long each step took.
_TIMES = re.compile(r"<td>[0-9.]+\N{NO-BREAK SPACE}?\s?(s|min|ms|h)</td>")
_LEFT = re.compile(r"\.partial|^runs-|^\.lock$|\.lock$")


def synthfmri(arguments: list[str], said: str) -> None:
    """The command line, what it says going to a file."""
    from bidsapp_synthfmri.cli.main import main

    with Path(said).open("w") as stream:
        os.dup2(stream.fileno(), sys.stdout.fileno())
        os.dup2(stream.fileno(), sys.stderr.fileno())
        main(arguments)


@dataclass(frozen=True)
class Study:
    """One command, over and over, in a place that may be emptied between."""

    data: SimulatedDataset
    folder: Path
    processes: multiprocessing.context.ForkServerContext

    @property
    def output(self) -> Path:
        return self.folder / "out"

    def run(self, level: str, kill_after: float | None = None) -> float | None:
        """Seconds that the level took; None where it was killed after that long."""
        extra = ("--images", f"objects={self.data.extra_dir}", "--n-cpus", "1", "-w", self.folder / "work")
        arguments = ["run", self.data.bids_dir, self.output, level, *NETWORK, *extra]
        said = self.folder / "said.txt"
        process = self.processes.Process(
            target=synthfmri, args=([str(word) for word in arguments], str(said))
        )
        started = time.monotonic()
        process.start()
        process.join(kill_after)
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            return None
        assert process.exitcode == 0, said.read_text()
        return time.monotonic() - started

    def contents(self) -> dict[str, str]:
        """What each file of OUTPUT_DIR holds, but for times."""
        files = [path for path in self.output.rglob("*") if path.is_file()]
        return {
            path.relative_to(self.output).as_posix(): _digest(path)
            for path in sorted(files)
            if "logs" not in path.relative_to(self.output).parts
        }

    def left_over(self) -> list[Path]:
        """Temporary files and locks, wherever they lie."""
        return [path for path in self.folder.rglob("*") if _LEFT.search(path.name)]

    def empty(self) -> None:
        for name in ("out", "work"):
            shutil.rmtree(self.folder / name, ignore_errors=True)


def _digest(path: Path) -> str:
    content = path.read_bytes()
    if path.name.endswith("summary.json"):
        facts = json.loads(content)
        facts.pop("elapsed")
        content = json.dumps(facts).encode()
    elif path.suffix == ".html":
        content = _TIMES.sub("", path.read_text(encoding="utf-8")).encode()
    elif path.name.endswith("manifest.json") and "group" in path.parts:
        # The group's results depend on the participants' summaries, which hold times.
        facts = json.loads(content)
        facts.pop("DependsOn")
        content = json.dumps(facts).encode()
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="module")
def study(small: SimulatedDataset, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Processes are forked from one that has imported what takes seconds to import."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["bidsapp_synthfmri.cli.main", "bidsapp_synthfmri.workflow.levels"])
    return Study(small, tmp_path_factory.mktemp("killed"), processes)


@pytest.fixture(scope="module")
def untouched(study: Study) -> tuple[dict[str, float], dict[str, dict[str, str]]]:
    """Seconds and contents of either level, left alone; the participants' results are kept for the group."""
    seconds, contents = {}, {}
    study.run("participant", kill_after=0.5)  # the first process waits for the imports
    study.empty()
    for level in ("participant", "group"):
        seconds[level] = study.run(level)
        contents[level] = study.contents()
        if level == "participant":
            shutil.copytree(study.output, study.folder / "participants")
    assert study.left_over() == []
    return seconds, contents


@pytest.fixture
def killed(study: Study, untouched) -> Callable[[str, int, int], int]:
    """Kill a level time and again at random moments, each time run it to its end and compare."""
    seconds, contents = untouched

    def kill(level: str, times: int, seed: int) -> int:
        rng, n_killed = random.Random(seed), 0
        for _ in range(times):
            study.empty()
            if level == "group":
                shutil.copytree(study.folder / "participants", study.output)
            n_killed += study.run(level, kill_after=rng.uniform(0.1, seconds[level])) is None
            study.run(level)
            assert study.contents() == contents[level]
            assert study.left_over() == []
        return n_killed

    return kill


@pytest.mark.parametrize("level", ["participant", "group"])
def test_a_killed_run_is_taken_up_to_the_same_bytes(killed, level: str) -> None:
    # A run may outpace its kill when the machine is busy with others.
    assert killed(level, times=2, seed=1) >= 1


@pytest.mark.long
@pytest.mark.parametrize("level", ["participant", "group"])
def test_runs_killed_at_25_moments_of_each_level_end_with_the_same_bytes(killed, level: str) -> None:
    assert killed(level, times=25, seed=2) >= 20


def test_a_run_killed_twice_and_a_participant_finished_between_are_taken_up(study: Study, untouched) -> None:
    seconds, contents = untouched
    study.empty()
    assert study.run("participant", kill_after=0.3 * seconds["participant"]) is None
    study.run("participant", kill_after=0.8 * seconds["participant"])
    done = participants_written(study.output)
    stamps = {label: (study.output / f"sub-{label}.html").stat().st_mtime_ns for label in done[:1]}
    study.run("participant")
    assert study.contents() == contents["participant"]
    assert {label: (study.output / f"sub-{label}.html").stat().st_mtime_ns for label in stamps} == stamps
