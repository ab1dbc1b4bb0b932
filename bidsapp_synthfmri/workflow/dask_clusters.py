"""Dask clusters of one-slot workers: those that are made for a run, and those that are there already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import dask
from distributed import Client, LocalCluster

from .. import __version__
from ..config import RunConfig
from ..errors import UsageError

_CONNECT_S = 30
_LIBRARIES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# A worker that holds a participant's arrays is no reason to stop it or to write them out: only what is about
# to take the machine down is ended.
_SETTINGS = {
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 0.95,
    "distributed.scheduler.work-stealing": True,
}


@contextmanager
def opened_client(config: RunConfig) -> Iterator[Client]:
    """A client of the cluster that the options ask for; a cluster made here ends with the block.

    Raises
    ------
    UsageError : no scheduler answers, SLURM's commands are not there, or a worker does not suit: see
        ``require_suitable``
    """
    with dask.config.set({**_SETTINGS, "distributed.nanny.pre-spawn-environ": _environment(config)}):
        if config.scheduler_address is not None:
            with _connected(config.scheduler_address) as client:
                yield client
            return
        with slurm_cluster(config) if config.cluster == "slurm" else local_cluster(config) as cluster:
            if config.cluster == "slurm":
                # Jobs that end, by their time limit or with their node, are asked for again.
                cluster.adapt(minimum=config.n_workers, maximum=config.n_workers)
            with Client(cluster) as client:
                yield client


def local_cluster(config: RunConfig) -> LocalCluster:
    """Worker processes of this machine."""
    return LocalCluster(
        n_workers=config.n_workers,
        threads_per_worker=1,
        processes=True,
        memory_limit=config.memory or "auto",
        dashboard_address="127.0.0.1:0",
        local_directory=str(config.work_folder / "dask"),
        silence_logs="ERROR",
    )


def slurm_cluster(config: RunConfig) -> Any:
    """SLURM jobs of one worker each; queue, account and time limit are those of Dask's configuration.

    Raises
    ------
    UsageError : dask-jobqueue is not installed
    """
    try:
        from dask_jobqueue import SLURMCluster
    except ModuleNotFoundError as error:
        raise UsageError(
            f"--cluster slurm: {error.name} is not installed", "Run pip install 'bidsapp_synthfmri[scale]'"
        ) from error
    settings = {f"DASK_{key.replace('.', '__').upper()}": value for key, value in _SETTINGS.items()}
    exported = {**_environment(config), **settings}
    return SLURMCluster(
        cores=1,
        processes=1,
        job_cpu=config.n_cpus,
        memory=f"{config.memory} B",
        job_name="synthfmri",
        local_directory=str(config.work_folder / "dask"),
        log_directory=str(config.work_folder / "dask"),
        job_script_prologue=[f"export {name}={value}" for name, value in exported.items()],
    )


def require_suitable(client: Client, config: RunConfig) -> None:
    """Refuse workers that would compute something else, or see other files.

    Raises
    ------
    UsageError : another version of this program, several slots in a worker, or a work directory that a
        worker does not see
    """
    slots = {address: facts["nthreads"] for address, facts in workers_of(client).items()}
    several = [address for address, n in slots.items() if n != 1]
    if several:
        raise UsageError(
            f"Dask worker {several[0]} would compute {slots[several[0]]} units at a time",
            "Start each with `dask worker ADDRESS --nthreads 1`, and several where there is room",
        )
    for address, found in client.run(_version, on_error="return").items():
        if found != __version__:
            has = "no bidsapp_synthfmri" if isinstance(found, Exception) else f"bidsapp_synthfmri {found}"
            raise UsageError(
                f"Dask worker {address} has {has}, this run is of {__version__}",
                "Start workers in the environment that this run is in",
            )
    token = config.work_folder / f".seen-{uuid4().hex}"
    token.touch()
    try:
        seen = client.run(_sees, str(token.absolute()))
    finally:
        token.unlink()
    blind = [address for address, sees in seen.items() if not sees]
    if blind:
        raise UsageError(
            f"Dask worker {blind[0]} does not see the work directory {config.work_folder.absolute()}",
            "Give folders that all workers see under one path as BIDS_DIR, OUTPUT_DIR and --work-dir",
        )


def workers_of(client: Client) -> dict[str, Any]:
    """What the scheduler knows of each worker, by address."""
    return dict(client.scheduler_info(n_workers=-1)["workers"])


@contextmanager
def _connected(address: str) -> Iterator[Client]:
    try:
        client = Client(address, timeout=_CONNECT_S)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"No Dask scheduler answers at --scheduler-address {address} ({error})",
            "Start one with `dask scheduler` and workers for it, or use --cluster",
        ) from error
    with client:
        yield client


def _environment(config: RunConfig) -> dict[str, str]:
    """What a worker's process must find before it loads numerical libraries."""
    # Progress bars of several processes would overwrite each other.
    return {**dict.fromkeys(_LIBRARIES, str(config.n_cpus or 1)), "TTY_COMPATIBLE": "0"}


def _version() -> str:
    return __version__


def _sees(path: str) -> bool:
    # A folder listed anew: network file systems keep what they knew of it for a while.
    folder, name = Path(path).parent, Path(path).name
    return any(entry.name == name for entry in folder.iterdir())
