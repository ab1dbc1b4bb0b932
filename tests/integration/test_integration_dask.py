"""Runs on workers of a Dask cluster: the same bytes as in one process, also where a worker is lost."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from distributed import Client, LocalCluster

from bidsapp_synthfmri.cli.main import run
from bidsapp_synthfmri.derivatives.reader import participants_written

from .test_integration_runs import contents

# They say when and with which command they were made.
_SAY_HOW = ("_summary.json", "summary.json", ".html")


def science(output: Path) -> dict[str, str]:
    return {name: digest for name, digest in contents(output).items() if not name.endswith(_SAY_HOW)}


@pytest.fixture(scope="module")
def client(tmp_path_factory) -> Iterator[Client]:
    """Two workers that are there before a run begins."""
    folder = str(tmp_path_factory.mktemp("dask"))
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", local_directory=folder
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


class Killer(threading.Thread):
    """Kills, once, a worker that has some unit to compute, as soon as some file is there.

    Attributes
    ----------
    killed : process
    """

    def __init__(self, client: Client, function: str, work: Path, pattern: str) -> None:
        super().__init__(daemon=True)
        self._client, self._function, self._work, self._pattern = client, function, work, pattern
        self.killed: int | None = None

    def run(self) -> None:
        deadline = time.monotonic() + 300
        while self.killed is None and time.monotonic() < deadline:
            time.sleep(0.02)
            if any(self._work.glob(self._pattern)):
                processes = self._client.run(os.getpid)
                for address, keys in self._client.processing().items():
                    if any(str(key).startswith(self._function) for key in keys) and self.killed is None:
                        self.killed = processes[address]
                        os.kill(self.killed, signal.SIGKILL)

    def has_killed(self) -> bool:
        """Whether it did, and the worker is gone."""
        self.join()
        return self.killed is not None and self.killed not in self._client.run(os.getpid).values()


@pytest.fixture(scope="module")
def alone(small, tmp_path_factory) -> Path:
    """OUTPUT_DIR of both levels in one process."""
    folder = tmp_path_factory.mktemp("alone")
    both_levels(small, folder, "--participant-label", "01", "02")
    return folder / "out"


def both_levels(small, folder: Path, *options: object) -> None:
    words = ["--work-dir", folder / "work", "--n-cpus", "1", *options]
    model = ["--weights", "random", "--backbone", "squeezenet1_1", "--layers", "features.3", "features.12"]
    for level in (["participant", *model, "--images", f"more={small.extra_dir}"], ["group"]):
        arguments = [small.bids_dir, folder / "out", *level, *words]
        done = CliRunner().invoke(run, [str(word) for word in arguments])
        assert done.exit_code == 0, done.output


def test_a_participant_whose_worker_is_killed_has_the_same_bytes(small, alone, client, tmp_path):
    dask = ("--executor", "dask", "--scheduler-address", client.scheduler.address)
    killer = Killer(client, "participant_outcome", tmp_path / "work", "features/squeezenet*")
    killer.start()
    both_levels(small, tmp_path, "--participant-label", "01", "02", *dask)
    assert killer.has_killed()
    assert science(tmp_path / "out") == science(alone)
    assert list((tmp_path / "work" / "units").iterdir()) == []
    log = min((tmp_path / "out" / "logs").glob("*/run.log"))
    for participant in ("01", "02"):
        assert f"sub-{participant}: done" in log.read_text()


def test_parts_of_a_participant_whose_worker_is_killed_have_the_same_bytes(
    small, participant_level, alone, client, tmp_path
):
    # With one participant on two workers, all steps are cut into units.
    dask = ("--executor", "dask", "--scheduler-address", client.scheduler.address)
    killer = Killer(client, "make_ridge", tmp_path / "work", "units/*/fit-*/layer*.npz")
    killer.start()
    done = participant_level(small.bids_dir, "--images", f"more={small.extra_dir}", *dask)
    assert done.exit_code == 0, done.output
    assert killer.has_killed()
    own = science(alone)
    for name, digest in science(tmp_path / "out").items():
        if name.startswith("sub-01"):
            assert digest == own[name], name


def test_a_participant_that_fails_on_a_worker_harms_no_other(spoilt, participant_level, tmp_path):
    for table in (spoilt / "sub-01").rglob("*_events.tsv"):
        table.write_text("nonsense\n1\n")
    dask = ("--executor", "dask", "--cluster", "local", "--n-workers", "2")
    done = participant_level(spoilt, "--participant-label", "01", "02", *dask)
    assert done.exit_code == 8, done.output
    output = tmp_path / "out"
    assert participants_written(output) == ("02",)
    (log,) = (output / "logs").iterdir()
    crash = (log / "crash-sub-01.txt").read_text()
    assert "Traceback" in crash
    assert "InputMalformedError" in crash
    assert "sub-01 failed: " in (log / "run.log").read_text()
    assert "stim_file" in (output / "sub-01.html").read_text()
