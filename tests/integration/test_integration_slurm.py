"""The example for SLURM on a cluster of one node that the test starts: an array, and a group level."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bidsapp_synthfmri.derivatives.reader import participants_written

_PROGRAMS = ("slurmctld", "slurmd", "sbatch", "scontrol")
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        any(shutil.which(name) is None for name in _PROGRAMS) or os.getuid() != 0,
        reason="SLURM is not installed, or cannot be started by this user",
    ),
]
SUBMIT = Path(__file__).parents[2] / "containers" / "slurm" / "submit.sh"
OPTIONS = ("--weights", "random", "--backbone", "squeezenet1_1", "--layers", "features.12")
OPTIONS += ("--responses", "lss", "--no-unseen-categories")
SECONDS_TO_START = 30
SECONDS_OF_A_JOB = 1500

# Nothing of it is for a real cluster: no authentication, no control groups, ports of the loopback.
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthType=auth/none
CredType=cred/none
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
MpiDefault=none
ReturnToService=1
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=8000 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES State=UP
"""
Slurm = Callable[..., str]


def free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as two:
        for taken in (one, two):
            taken.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """Run a program of SLURM on a cluster of this machine alone."""
    folder = tmp_path_factory.mktemp("slurm")
    for name in ("state", "spool"):
        (folder / name).mkdir()
    (folder / "slurm.conf").write_text(
        CONFIGURATION.format(
            host=socket.gethostname().partition(".")[0],
            ports=free_ports(),
            folder=folder,
            cpus=len(os.sched_getaffinity(0)),
        )
    )
    (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nConstrainCores=no\nConstrainRAMSpace=no\n")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf"), "PATH": path}

    def call(*words: object, cwd: Path | None = None, **variables: str) -> str:
        done = subprocess.run(
            list(map(str, words)),
            cwd=cwd,
            env={**environment, **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    with (folder / "daemons.log").open("w") as log:
        daemons = [
            subprocess.Popen([name, "-D"], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            for name in ("slurmctld", "slurmd")
        ]
        try:
            if not is_up(environment):
                pytest.skip(f"SLURM does not start here: {(folder / 'daemons.log').read_text()[-500:]}")
            yield call
        finally:
            for daemon in reversed(daemons):
                daemon.terminate()
                daemon.wait(timeout=60)


def is_up(environment: dict[str, str]) -> bool:
    """Whether the node is ready before long."""
    end = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < end:
        try:
            done = subprocess.run(
                ["sinfo", "-h", "-o", "%T"],
                env=environment,
                capture_output=True,
                text=True,
                timeout=5,
                check=False,
            )
        except subprocess.TimeoutExpired:
            continue
        if done.stdout.strip() == "idle":
            return True
        time.sleep(0.5)
    return False


def ended(slurm: Slurm, job: str) -> list[tuple[str, str]]:
    """State and exit code of each task of a job, once all have ended."""
    end = time.monotonic() + SECONDS_OF_A_JOB
    while time.monotonic() < end:
        told = slurm("scontrol", "show", "job", job)
        states = re.findall(r"JobState=(\S+)", told)
        if not set(states) & {"PENDING", "RUNNING", "COMPLETING", "CONFIGURING"}:
            return list(zip(states, re.findall(r"\bExitCode=(\S+)", told), strict=True))
        time.sleep(1)
    raise AssertionError(f"Job {job} did not end: {told}")


def submit(slurm: Slurm, folder: Path, *words: object) -> tuple[str, str]:
    printed = slurm(SUBMIT, *words, cwd=folder, SBATCH_OPTIONS="--cpus-per-task=1 --mem=3G --export=ALL")
    array, group = printed.split()
    return array, group


def test_an_array_of_participants_and_the_group_level_after_it(slurm: Slurm, small, tmp_path: Path) -> None:
    array, group = submit(slurm, tmp_path, small.bids_dir, tmp_path / "out", *OPTIONS)
    logs = lambda: "\n".join(path.read_text() for path in tmp_path.glob("*.log"))  # noqa: E731
    assert ended(slurm, array) == [("COMPLETED", "0:0")] * 2, logs()
    assert ended(slurm, group) == [("COMPLETED", "0:0")], logs()
    assert participants_written(tmp_path / "out") == ("01", "02")
    assert (tmp_path / "out" / "group.html").is_file()


def test_a_participant_s_exit_code_reaches_slurm_and_no_group_level_follows(
    slurm: Slurm, small, tmp_path: Path
) -> None:
    array, group = submit(
        slurm, tmp_path, small.bids_dir, tmp_path / "out", "--task-label", "other", *OPTIONS
    )
    assert ended(slurm, array) == [("FAILED", "5:0")] * 2
    assert ended(slurm, group) == [("CANCELLED", "0:0")]
    assert participants_written(tmp_path / "out") == ()


def test_a_folder_without_participants_is_refused(tmp_path: Path) -> None:
    done = subprocess.run([str(SUBMIT), str(tmp_path), "out"], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "has no folder sub-*" in done.stderr
