"""Units on the workers of a Dask cluster: placed, computed again where a worker was lost, gathered."""

from __future__ import annotations

import logging
import os
import shutil
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from dask.tokenize import tokenize
from distributed import Client, Future, KilledWorker, WorkerPlugin, get_client, wait, worker_client
from threadpoolctl import threadpool_limits

from ..config import RunConfig
from ..errors import MemoryExceededError, SynthfmriError
from .console import LOGGER
from .dask_clusters import opened_client, require_suitable, workers_of
from .executors import Lost, Result, Unit, shared_with
from .runtime import pinned_threads

# Parts of a participant that is under way go before participants that are not.
_FIRST = 10
# New workers are noticed, and it is said where none is left, in so many seconds.
_LOOK_AGAIN_S = 10
_UNITS = "units"


@contextmanager
def opened_dask(config: RunConfig) -> Iterator[DaskExecutor]:
    """An executor on the cluster that the options ask for.

    Raises
    ------
    UsageError : see ``dask_clusters.opened_client`` and ``require_suitable``
    """
    # Removed when no worker of a cluster made here can write to it any more.
    with _scratch(config.work_folder.absolute() / _UNITS) as scratch, opened_client(config) as client:
        LOGGER.info("waiting for Dask workers of %s", client.scheduler.address)
        # A queue may give one job today and the others tomorrow.
        client.wait_for_workers(config.n_workers or 1 if config.cluster == "local" else 1)
        require_suitable(client, config)
        workers = workers_of(client)
        client.register_plugin(Place(config.n_cpus, str(Path.cwd())))
        client.forward_logging(LOGGER.name, logging.DEBUG)
        LOGGER.info("%d Dask workers", len(workers))
        yield DaskExecutor(client, config.n_cpus, scratch)


@contextmanager
def _scratch(parent: Path) -> Iterator[Path]:
    folder = parent / uuid4().hex
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Place(WorkerPlugin):  # type: ignore[misc]
    """Holds a worker's numerical libraries to some threads, in a folder that relative paths start from."""

    name = "synthfmri-place"

    def __init__(self, threads: int | None, folder: str) -> None:
        self._threads = threads
        self._folder = folder

    def setup(self, worker: Any) -> None:  # noqa: ARG002
        """Called by Dask when a worker begins, also one in the place of another that was lost."""
        LOGGER.setLevel(logging.DEBUG)
        os.chdir(self._folder)
        if self._threads is not None:
            torch.set_num_threads(self._threads)
            threadpool_limits(self._threads)


@dataclass(frozen=True)
class DaskExecutor:
    """The executor of the process that the run was started in: a unit a worker, the next when one is done.

    Attributes
    ----------
    client : of the cluster
    threads : of each worker; None for what its machine allows
    scratch, spare : see ``Executor``
    """

    client: Client
    threads: int | None
    scratch: Path
    spare: bool = True

    def map(
        self,
        function: Callable[[Unit], Result],
        units: Sequence[Unit],
        lost: Lost[Unit, Result] | None = None,
    ) -> Generator[Result]:
        """See ``Executor``."""
        waiting = deque(enumerate(units))
        running: dict[Future, tuple[int, str | None]] = {}
        found: dict[int, Result] = {}
        told = 0
        try:
            while told < len(units):
                for address in self._free(running):
                    if waiting:
                        number, unit = waiting.popleft()
                        running[self._begun(function, unit, address)] = number, address
                for future in _finished(running):
                    number, _ = running.pop(future)
                    found[number] = _outcome(future, units[number], lost)
                while told in found:
                    yield found.pop(told)
                    told += 1
        finally:
            if running:
                self.client.cancel(list(running))

    def _free(self, running: dict[Future, tuple[int, str | None]]) -> list[str | None]:
        """Workers without a unit; nobody in particular where there are none and nothing waits for them."""
        workers = workers_of(self.client)
        if not workers:
            LOGGER.warning("no Dask worker is left; waiting for others")
            return [] if running else [None]
        busy = {address for _, address in running.values()}
        return [address for address in workers if address not in busy]

    def _begun(self, function: Callable[[Unit], Result], unit: Unit, address: str | None) -> Future:
        """A unit sent to a worker that is free, or to another if that one is lost."""
        place = {"workers": [address], "allow_other_workers": True} if address is not None else {}
        task = (function, unit, self.threads, self.scratch)
        return self.client.submit(on_worker, *task, key=_key(function, unit), pure=False, **place)


@dataclass(frozen=True)
class SharedByWorkers:
    """The executor of a unit that is itself on a worker: its parts go to all workers, this one among them.

    Attributes
    ----------
    threads, scratch : as of ``DaskExecutor``
    """

    threads: int | None
    scratch: Path

    @property
    def spare(self) -> bool:
        """Whether a worker has nothing to do; where all have a participant each, parts gain nothing."""
        return any(not keys for keys in get_client().processing().values())

    def map(
        self,
        function: Callable[[Unit], Result],
        units: Sequence[Unit],
        lost: Lost[Unit, Result] | None = None,
    ) -> Generator[Result]:
        """See ``Executor``; equal units of several participants are computed once."""
        with worker_client() as client:
            futures = deque(
                client.submit(
                    on_worker,
                    *(function, unit, self.threads, self.scratch),
                    key=_key(function, unit),
                    pure=False,
                    priority=_FIRST,
                )
                for unit in units
            )
            for unit in units:
                yield _outcome(futures.popleft(), unit, lost)


def on_worker(function: Callable[[Unit], Result], unit: Unit, threads: int | None, scratch: Path) -> Result:
    """A unit's result; its parts are shared by all workers."""
    with shared_with(SharedByWorkers(threads, scratch)), pinned_threads(threads):
        return function(unit)


def _key(function: Callable[[Unit], Result], unit: Unit) -> str:
    return f"{function.__name__}-{tokenize(function.__module__, unit)}"


def _outcome(future: Future, unit: Unit, lost: Lost[Unit, Result] | None) -> Result:
    try:
        result: Result = future.result()
    except KilledWorker as error:
        explained = _explained(error)
        if lost is None:
            raise explained from error
        return lost(unit, explained)
    return result


def _explained(error: KilledWorker) -> SynthfmriError:
    return MemoryExceededError(
        f"{error.allowed_failures + 1} Dask workers were lost one after the other on the same work, the last"
        f" at {error.last_worker.address}",
        "Most often their memory ran out: give each more with --mem, or use fewer --n-workers; their logs say"
        " how they ended",
    )


def _finished(running: Iterable[Future]) -> list[Future]:
    """Those that are done; none where that takes longer than it may before workers are looked at again."""
    try:
        return list(wait(list(running), timeout=_LOOK_AGAIN_S, return_when="FIRST_COMPLETED").done)
    except TimeoutError:
        return []
