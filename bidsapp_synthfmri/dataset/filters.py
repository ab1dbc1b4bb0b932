"""Which sessions and which task of a participant are used."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..config import RunConfig
from ..errors import InputMissingError, NothingMatchedError, UsageError
from .annex import require_content
from .names import NamedFile, natural_key
from .tables import read_columns
from .trials import no_stimulus_column


def choose_sessions(
    participant: str, raw: Iterable[NamedFile], labels: Sequence[str]
) -> frozenset[str] | None:
    """The sessions asked for; None means all.

    Raises
    ------
    NothingMatchedError : a session that has no functional files
    """
    if not labels:
        return None
    wanted = frozenset(label.removeprefix("ses-") for label in labels)
    there = {file.get("session") for file in raw if file.get("session")}
    unknown = sorted(wanted - there)
    if unknown:
        raise NothingMatchedError(
            f"sub-{participant} has no functional session {', '.join(unknown)}; there are:"
            f" {', '.join(sorted(there, key=natural_key)) or 'none'}",
            "Choose among them with --session-label, spelt as in the file names",
        )
    return wanted


def in_sessions(files: Iterable[NamedFile], sessions: frozenset[str] | None) -> tuple[NamedFile, ...]:
    """Files of some sessions, and those that belong to none."""
    return tuple(file for file in files if sessions is None or file.get("session") in {*sessions, ""})


def of_task(files: Iterable[NamedFile], task: str) -> tuple[NamedFile, ...]:
    """Files of a task, and those that belong to none."""
    return tuple(file for file in files if file.get("task") in (task, ""))


def choose_task(config: RunConfig, participant: str, raw: Sequence[NamedFile]) -> str:
    """The task asked for, else the one whose events have the column that names pictures.

    Raises
    ------
    NothingMatchedError : no functional runs, or none of that task
    UsageError : several tasks show pictures
    InputMissingError, InputMalformedError : there are no events, or none names pictures
    """
    there = sorted({file.get("task") for file in raw if file.get("task") and file.get("subject")})
    if not there:
        raise NothingMatchedError(
            f"sub-{participant} has no functional runs in the sessions asked for",
            "Choose another participant or session",
        )
    if config.task_label is None:
        return _task_with_pictures(config, participant, raw)
    wanted = config.task_label.removeprefix("task-")
    if wanted not in there:
        raise NothingMatchedError(
            f"sub-{participant} has no runs of task {wanted}; there are: {', '.join(there)}",
            "Choose among them with --task-label",
        )
    return wanted


def _task_with_pictures(config: RunConfig, participant: str, raw: Sequence[NamedFile]) -> str:
    events = [file for file in raw if file.get("suffix") == "events"]
    if not events:
        raise InputMissingError(
            f"sub-{participant} has functional runs but no events.tsv", "Fetch or make the events"
        )
    require_content([file.path for file in events], config.bids_dir.absolute())
    columns = [read_columns(file.path) for file in events]
    tasks = sorted(
        {
            file.get("task")
            for file, names in zip(events, columns, strict=True)
            if config.stimulus_column in names
        }
    )
    if not tasks:
        raise no_stimulus_column(events[0].path, columns[0], config.stimulus_column)
    if len(tasks) > 1:
        raise UsageError(
            f"Several tasks of sub-{participant} show pictures: {', '.join(tasks)}",
            "Choose one with --task-label",
        )
    return tasks[0]
