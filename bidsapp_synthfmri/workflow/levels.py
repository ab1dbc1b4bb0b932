"""One level of the BIDS App: every participant in turn, or the group; errors recorded, others unharmed."""

from __future__ import annotations

import errno
import gc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import TypeVar

import click
import torch

from ..config import RunConfig
from ..dataset.index import list_participants
from ..derivatives.dataset import require_own
from ..derivatives.found import crash_records, tasks_with
from ..derivatives.logs import RunLog
from ..derivatives.names import PAGE, RESOURCES, SUMMARY
from ..derivatives.writer import Writer
from ..errors import (
    MemoryExceededError,
    OutputInUseError,
    OutputUnwritableError,
    ParticipantFailedError,
    SynthfmriError,
)
from ..reports import failure_page
from ..synthesis_config import ImageConfig
from .console import LOGGER, logging_to
from .finished import print_methods, remake_pages, still_to_do
from .group import run_group
from .monitor import monitored
from .participant import run_participant
from .plan import describe_plan
from .runtime import pinned_threads

Result = TypeVar("Result")
_UNWRITABLE = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR, errno.EFBIG}
)
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
    if config.boilerplate_only:
        print_methods(config)
        return 0
    require_own(config.output_dir, besides=[config.work_folder])
    log = open_log(config)
    resources = log.folder / RESOURCES if config.resource_monitor else None
    _require_writable(config)
    with (
        logging_to(log.path, config.verbosity),
        monitored(resources),
        pinned_threads(config.n_cpus) as threads,
    ):
        LOGGER.info("%s", config.command)
        LOGGER.debug("%d threads, record in %s", threads, log.folder)
        if config.reports_only:
            guarded(partial(remake_pages, config), log, config.output_dir, None)
            return 0
        if config.level == "group":
            guarded(partial(run_group, config), log, config.output_dir, None)
            return 0
        return _run_participants(config, log)


def open_log(config: RunConfig | ImageConfig) -> RunLog:
    """The run's record in OUTPUT_DIR.

    Raises
    ------
    OutputUnwritableError : the folder cannot be made or written
    """
    try:
        return RunLog.create(config)
    except OSError as error:
        raise unwritable(error, config.output_dir) from error


def _require_writable(config: RunConfig) -> None:
    """Refuse a work directory that cannot be written before anything is computed; the group needs none."""
    if config.level == "group":
        return
    try:
        config.work_folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=config.work_folder):
            pass
    except OSError as error:
        raise unwritable(error, config.work_folder) from error


def unwritable(error: OSError, output_dir: Path) -> OutputUnwritableError:
    """What an error of the file system says to the user."""
    where = error.filename or output_dir
    return OutputUnwritableError(
        f"{where} cannot be written ({error.strerror})",
        "Give an OUTPUT_DIR and a --work-dir that this user can write to, on a disk with room",
    )


def _run_participants(config: RunConfig, log: RunLog) -> int:
    participants = guarded(
        partial(
            list_participants,
            config.bids_dir,
            config.participant_labels,
            config.exclude_participant_labels,
        ),
        log,
        config.output_dir,
        None,
    )
    failed: dict[str, SynthfmriError] = {}
    to_do = guarded(partial(still_to_do, config, participants), log, config.output_dir, None)
    for participant in to_do:
        # Traced networks refer to themselves: without this the last participant's lives on beside the next's.
        gc.collect()
        try:
            guarded(partial(run_participant, config, participant), log, config.output_dir, participant)
        except SynthfmriError as error:
            failed[participant] = error
            LOGGER.error("sub-%s failed: %s", participant, error)
            _write_failure(config, log, participant, error)
            if config.stop_on_first_crash:
                break
    if not failed:
        return 0
    if len(participants) == 1:
        raise next(iter(failed.values()))
    names = ", ".join(f"sub-{label}" for label in failed)
    undone = to_do[to_do.index(next(iter(failed))) + 1 :] if config.stop_on_first_crash else ()
    others = "the others were finished"
    if undone:
        others = f"{len(undone)} after it were not begun (--stop-on-first-crash)"
    raise ParticipantFailedError(
        f"{len(failed)} of {len(participants)} participants failed: {names}; {others}",
        f"See the crash files in {log.folder}, and run those participants again",
    )


def guarded(step: Callable[[], Result], log: RunLog, output_dir: Path, participant: str | None) -> Result:
    """Run a step; anything it raises is recorded with its traceback and leaves as a SynthfmriError."""
    try:
        return step()
    except SynthfmriError as error:
        _record(error, log, participant)
        raise
    except Exception as error:
        crash = _record(error, log, participant)
        raise _explained(error, output_dir, crash) from error


def _explained(error: Exception, output_dir: Path, crash: str) -> SynthfmriError:
    if _is_out_of_memory(error):
        detail = str(error).splitlines()[0] if str(error) else "no detail"
        return MemoryExceededError(
            f"Memory ran out ({detail})", "Give the run more memory, or fewer --layers, ROIs or sessions"
        )
    if isinstance(error, OSError) and error.errno in _UNWRITABLE:
        return unwritable(error, output_dir)
    return SynthfmriError(f"Internal error ({type(error).__name__}): {error}", f"Report it with {crash}")


def _record(error: Exception, log: RunLog, participant: str | None) -> str:
    """Write a crash file; where that is impossible the log's handler still has the message."""
    try:
        return str(log.crash(error, participant))
    except OSError as unwritten:
        LOGGER.error("no crash file could be written: %s", unwritten)
        LOGGER.debug("the error was", exc_info=error)
        return "the run's log"


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError) and any(sign in said for sign in _ALLOCATION_FAILED)


def _write_failure(config: RunConfig, log: RunLog, participant: str, error: SynthfmriError) -> None:
    """A page that says what went wrong, unless a finished earlier run stands, not yet overwritten."""
    if isinstance(error, OutputInUseError):
        return  # the page is the other run's
    if tasks_with(config.output_dir, participant, SUMMARY):
        LOGGER.warning("sub-%s: the results and the page of its earlier run stand", participant)
        return
    record = str(log.path.relative_to(config.output_dir))
    crashes = crash_records(config.output_dir, participant)
    page = failure_page(participant, error.problem, error.remedy, record, crashes)
    try:
        Writer(config.output_dir, participant).text(PAGE, page.html)
    except OSError as unwritten:
        LOGGER.error("the page of sub-%s could not be written: %s", participant, unwritten)
