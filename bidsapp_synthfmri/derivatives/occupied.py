"""Who writes in OUTPUT_DIR: one run at a time a participant's files, and all runs in turn what is common."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from ..errors import OutputInUseError
from ..locks import LockHeldError, locked
from . import names

_LOGGER = logging.getLogger(__name__)
_SHARED = "dataset"


@contextmanager
def sole_writer(output_dir: Path, participant: str | None) -> Iterator[None]:
    """Be the only run that writes a participant's files, or the group's for None.

    What a killed run left half written of them is removed.

    Raises
    ------
    OutputInUseError : another run writes them
    """
    whom = names.subject(participant)
    with _held(output_dir, whom):
        _remove_partials(_files_of(output_dir, whom))
        yield


@contextmanager
def writer_of_set(output_dir: Path, participant: str, name: str) -> Iterator[None]:
    """Be the only run that writes an image set of a participant, while no run writes the participant's files.

    Raises
    ------
    OutputInUseError : another run writes them
    """
    whom = names.subject(participant)
    with _held(output_dir, whom, shared=True), _held(output_dir, f"{whom}-{name}"):
        yield


@contextmanager
def shared_files(output_dir: Path) -> Iterator[None]:
    """Write files that belong to all runs; waits until another run has written its own.

    What killed runs left half written of such files is removed.
    """
    with locked(output_dir / names.LOGS / names.LOCK.format(what=_SHARED), _about(), wait=True):
        _remove_partials(_files_of_all(output_dir))
        yield


@contextmanager
def _held(output_dir: Path, whom: str, shared: bool = False) -> Iterator[None]:
    path = output_dir / names.LOGS / names.LOCK.format(what=whom)
    try:
        with locked(path, _about(), shared=shared) as supported:
            if not supported:
                _LOGGER.warning(
                    "The file system of %s knows no locks: make sure that no other run writes %s there",
                    output_dir,
                    whom,
                )
            yield
    except LockHeldError as error:
        raise OutputInUseError(
            f"Another run is writing {whom} in {output_dir} ({error or 'it does not say which'})",
            "Wait until it has ended, or end it",
        ) from error


def _about() -> str:
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    return f"process {os.getpid()} on {socket.gethostname()}, since {now}"


def _files_of(output_dir: Path, whom: str) -> Iterator[Path]:
    yield from (output_dir / whom).rglob(names.PARTIAL_FILES)
    page = f".{whom}.html."
    yield from (path for path in output_dir.glob(names.PARTIAL_FILES) if path.name.startswith(page))


def _files_of_all(output_dir: Path) -> Iterator[Path]:
    for path in output_dir.glob(names.PARTIAL_FILES):
        if not names.is_page(path.name.removeprefix(".").rsplit(".", 2)[0]):
            yield path
    yield from (output_dir / names.LOGS).glob(f"*/{names.PARTIAL_FILES}")


def _remove_partials(paths: Iterator[Path]) -> None:
    for path in list(paths):
        if names.is_partial(path.name):
            path.unlink(missing_ok=True)
