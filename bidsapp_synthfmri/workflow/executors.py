"""Who computes the units of a run: this process, one after the other, or workers of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

from ..config import RunConfig
from ..errors import SynthfmriError, UsageError
from .memory import available_bytes
from .runtime import allowed_cpus

Unit = TypeVar("Unit")
Result = TypeVar("Result")
Lost = Callable[[Unit, SynthfmriError], Result]


class Executor(Protocol):
    """Computes units.

    Attributes
    ----------
    scratch : folder that all who compute see, for what units leave to each other; None where nobody shares
        the work
    spare : whether somebody would share it who has nothing to do now; else a step does better uncut
    """

    @property
    def scratch(self) -> Path | None: ...

    @property
    def spare(self) -> bool: ...

    def map(
        self,
        function: Callable[[Unit], Result],
        units: Sequence[Unit],
        lost: Lost[Unit, Result] | None = None,
    ) -> Generator[Result]:
        """Results of the units, in their order; closed early, no more units are begun.

        Parameters
        ----------
        function : of a module, so that another process can import it; gives the same however often it is
            called
        units : small, naming data by path; so are results
        lost : makes the result of a unit that cannot be computed because those who tried were lost; None
            raises that

        Raises
        ------
        what the function raises
        MemoryExceededError : a unit's workers were lost time and again
        """


class InProcess:
    """Each unit when its turn comes, in this process."""

    scratch: Path | None = None
    spare = False

    def map(
        self,
        function: Callable[[Unit], Result],
        units: Sequence[Unit],
        lost: Lost[Unit, Result] | None = None,  # noqa: ARG002
    ) -> Generator[Result]:
        """See ``Executor``; nobody is lost without this process."""
        for unit in units:
            yield function(unit)


IN_PROCESS = InProcess()
_HERE: ContextVar[Executor] = ContextVar("executor", default=IN_PROCESS)


def executor_here() -> Executor:
    """The one that shares the work of the unit that is being computed."""
    return _HERE.get()


@contextmanager
def shared_with(executor: Executor) -> Iterator[None]:
    """Let ``executor_here`` give that one within the block."""
    token = _HERE.set(executor)
    try:
        yield
    finally:
        _HERE.reset(token)


def of_each_worker(config: RunConfig) -> RunConfig:
    """The configuration with what each worker of a cluster may take of the machine, where that is known here.

    The processors and the memory of this machine are shared out evenly; a SLURM job has one processor unless
    the options say otherwise.
    """
    if config.executor != "dask" or config.cluster is None:
        return config
    if config.cluster == "slurm":
        return replace(config, n_cpus=config.n_cpus or 1)
    allowed, available = allowed_cpus(), available_bytes()
    n_workers = config.n_workers or max(1, allowed // (config.n_cpus or 1))
    return replace(
        config,
        n_workers=n_workers,
        n_cpus=config.n_cpus or max(1, allowed // n_workers),
        memory=config.memory or (None if available is None else available // n_workers),
    )


@contextmanager
def opened_executor(config: RunConfig) -> Iterator[Executor]:
    """The executor that the options ask for; its cluster ends with the block.

    Parameters
    ----------
    config : as ``of_each_worker`` gives it

    Raises
    ------
    UsageError : Dask is not installed; see ``dask_clusters.opened_client``
    """
    if config.executor != "dask":
        yield IN_PROCESS
        return
    try:
        from .dask_executor import opened_dask
    except ModuleNotFoundError as error:
        raise UsageError(
            f"--executor dask: {error.name} is not installed", "Run pip install 'bidsapp_synthfmri[scale]'"
        ) from error
    with opened_dask(config) as executor:
        yield executor
