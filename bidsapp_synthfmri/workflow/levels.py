"""One level of the BIDS App: every participant in turn, or the group; errors recorded, others unharmed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import click
import torch

from ..config import RunConfig
from ..dataset.index import list_participants
from ..derivatives.logs import RunLog
from ..derivatives.names import PAGE, Place
from ..derivatives.writer import Writer
from ..errors import MemoryExceededError, ParticipantFailedError, SynthfmriError
from ..reports import failure_page
from .console import LOGGER, logging_to
from .group import run_group
from .participant import run_participant
from .plan import describe_plan
from .runtime import pinned_threads

Result = TypeVar("Result")
_ALLOCATION_FAILED = ("can't allocate memory", "not enough memory", "out of memory")


def run_level(config: RunConfig) -> int:
    """Run what ``config`` asks for.

    Returns
    -------
    the exit code; see errors.py

    Raises
    ------
    SynthfmriError : what concerns the run as a whole, or its only participant
    """
    if config.dry_run:
        click.echo(describe_plan(config))
        return 0
    log = RunLog.create(config)
    with logging_to(log.path, config.verbosity), pinned_threads(config.n_cpus) as threads:
        LOGGER.info("%s", config.command)
        LOGGER.debug("%d threads, record in %s", threads, log.folder)
        if config.level == "group":
            _guarded(partial(run_group, config), log, None)
            return 0
        return _run_participants(config, log)


def _run_participants(config: RunConfig, log: RunLog) -> int:
    participants = _guarded(partial(list_participants, config.bids_dir, config.participant_labels), log, None)
    failed: dict[str, SynthfmriError] = {}
    for participant in participants:
        try:
            _guarded(partial(run_participant, config, participant), log, participant)
        except SynthfmriError as error:
            failed[participant] = error
            LOGGER.error("sub-%s failed: %s", participant, error)
            _write_failure(config, log, participant, error)
    if not failed:
        return 0
    if len(participants) == 1:
        raise next(iter(failed.values()))
    names = ", ".join(f"sub-{label}" for label in failed)
    raise ParticipantFailedError(
        f"{len(failed)} of {len(participants)} participants failed: {names}; the others were finished",
        f"See the crash files in {log.folder}, and run those participants again",
    )


def _guarded(step: Callable[[], Result], log: RunLog, participant: str | None) -> Result:
    """Run a step; anything it raises is recorded with its traceback and leaves as a SynthfmriError."""
    try:
        return step()
    except SynthfmriError as error:
        log.crash(error, participant)
        raise
    except (MemoryError, RuntimeError) as error:
        crash = log.crash(error, participant)
        if _is_out_of_memory(error):
            raise MemoryExceededError(
                f"Memory ran out ({str(error).splitlines()[0] if str(error) else 'no detail'})",
                "Give the run more memory, or fewer --layers, ROIs or sessions",
            ) from error
        raise SynthfmriError(f"Internal error: {error}", f"Report it with {crash}") from error
    except Exception as error:
        crash = log.crash(error, participant)
        raise SynthfmriError(
            f"Internal error ({type(error).__name__}): {error}", f"Report it with {crash}"
        ) from error


def _is_out_of_memory(error: MemoryError | RuntimeError) -> bool:
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    return any(sign in str(error).lower() for sign in _ALLOCATION_FAILED)


def _write_failure(config: RunConfig, log: RunLog, participant: str, error: SynthfmriError) -> None:
    page = failure_page(
        participant, error.problem, error.remedy, str(log.path.relative_to(config.output_dir))
    )
    Writer(config.output_dir, participant).text(PAGE, page.html)
    LOGGER.debug("Wrote %s", PAGE.relative(Place(participant)))
