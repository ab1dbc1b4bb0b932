"""Runs on workers of a Dask cluster: the same bytes as in one process, also where a worker is lost."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from distributed import Client, LocalCluster

from bidsapp_synthfmri.cli.main import run
from bidsapp_synthfmri.derivatives.reader import participants_written

from .test_integration_runs import contents

# They say when and with which command they were made.
_SAY_HOW = ("_summary.json", "summary.json", ".html")


def science(output: Path) -> dict[str, str]:
    return {name: digest for name, digest in contents(output).items() if not name.endswith(_SAY_HOW)}


def group_level(small, output: Path, work: Path, *options: object) -> Result:
    words = [small.bids_dir, output, "group", "--work-dir", work, "--n-cpus", "1", *options]
    return CliRunner().invoke(run, [str(word) for word in words])


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
    """Kills, once, the worker that has a participant whose fit is under way.

    Attributes
    ----------
    killed : process
    """

    def __init__(self, client: Client, work: Path) -> None:
        super().__init__(daemon=True)
        self._client, self._work = client, work
        self.killed: int | None = None

    def run(self) -> None:
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            time.sleep(0.02)
            if any(self._work.glob("units/*/fit-*/layer*.npz")):
                (address, *_) = (
                    address
                    for address, keys in self._client.processing().items()
                    if any(str(key).startswith("participant_outcome") for key in keys)
                )
                pid = self._client.run(os.getpid)[address]
                os.kill(pid, signal.SIGKILL)
                self.killed = pid
                return


def test_a_worker_killed_midway_changes_no_byte(small, participant_level, client, tmp_path):
    alone, shared, work = tmp_path / "alone", tmp_path / "shared", tmp_path / "shared-work"
    both = ("--participant-label", "01", "02", "--images", f"more={small.extra_dir}")
    done = participant_level(small.bids_dir, *both, output=alone)
    assert done.exit_code == 0, done.output
    assert group_level(small, alone, tmp_path / "work").exit_code == 0

    dask = ("--executor", "dask", "--scheduler-address", client.scheduler.address)
    killer = Killer(client, work)
    killer.start()
    done = participant_level(small.bids_dir, *both, "--work-dir", work, *dask, output=shared)
    assert done.exit_code == 0, done.output
    killer.join()
    assert killer.killed is not None
    assert killer.killed not in client.run(os.getpid).values()
    done = group_level(small, shared, work, *dask)
    assert done.exit_code == 0, done.output

    assert science(shared) == science(alone)
    assert list((work / "units").iterdir()) == []
    (log, _) = sorted((shared / "logs").glob("*/run.log"))
    for participant in ("01", "02"):
        assert f"sub-{participant}: done" in log.read_text()


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
