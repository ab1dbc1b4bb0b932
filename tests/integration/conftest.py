"""The app, run whole on simulated datasets: made once a session, copied where a test spoils them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bidsapp_synthfmri.cli.main import run
from bidsapp_synthfmri.derivatives.reader import participants_written
from bidsapp_synthfmri.simulate import SimulatedDataset, SimulationConfig, simulate

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).with_name("synthfmri")


@dataclass(frozen=True)
class Demo:
    """A finished demo: the folder, and what the command printed."""

    folder: Path
    printed: str

    @property
    def output(self) -> Path:
        return self.folder / "output"


@pytest.fixture(scope="session")
def command() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the installed command line with an empty torch cache; what it printed is captured."""

    def call(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(COMMAND), *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **environment},
        )

    return call


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, command) -> Demo:
    """``synthfmri demo``, as a user runs it where ImageNet weights cannot be had."""
    folder = tmp_path_factory.mktemp("demo") / "demo"
    cache = tmp_path_factory.mktemp("empty-cache")
    done = command("demo", folder, TORCH_HOME=str(cache), https_proxy="http://127.0.0.1:9")
    assert done.returncode == 0, done.stderr
    return Demo(folder, done.stdout + done.stderr)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> SimulatedDataset:
    """Two participants, two sessions of one run; never changed by a test."""
    config = SimulationConfig(
        n_sessions=2, n_runs=1, n_repeated=12, n_presentations=3, extra_per_category=6, image_size=64
    )
    return simulate(tmp_path_factory.mktemp("small"), config)


@pytest.fixture
def spoilt(small: SimulatedDataset, tmp_path: Path) -> Path:
    """BIDS_DIR of a copy to spoil."""
    copy = tmp_path / "bids"
    shutil.copytree(small.bids_dir, copy, symlinks=True)
    return copy


@pytest.fixture
def participant_level(tmp_path: Path) -> Callable[..., Result]:
    """The participant level in this process: random SqueezeNet, two layers, one participant by default."""

    def call(bids_dir: Path, *options: object, output: Path | None = None) -> Result:
        chosen = [str(option) for option in options]
        if "--participant-label" not in chosen:
            chosen += ["--participant-label", "01"]
        arguments = [bids_dir, output or tmp_path / "out", "participant", "--weights", "random"]
        model = ["--backbone", "squeezenet1_1", "--layers", "features.3", "features.12"]
        work = ["--work-dir", tmp_path / "work", "--n-cpus", "1"]
        return CliRunner().invoke(run, [str(word) for word in [*arguments, *model, *work, *chosen]])

    return call


@pytest.fixture
def assert_refused(tmp_path: Path) -> Callable[[Result, int, Sequence[str]], None]:
    """Check that a run ended with a code and one sentence that has some words, and wrote no participant."""

    def check(done: Result, code: int, words: Sequence[str]) -> None:
        assert done.exit_code == code, done.output
        message = done.output.splitlines()[-1]
        assert message.startswith("Error: ")
        for word in words:
            assert word in message
        assert "Traceback" not in done.output
        assert participants_written(tmp_path / "out") == ()

    return check
