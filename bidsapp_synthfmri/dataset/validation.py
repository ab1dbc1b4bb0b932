"""A check of the dataset's files that a run uses against BIDS; their content is checked by who reads it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bids_validator import BIDSValidator

from ..json_objects import read_object
from .structures import ParticipantEvents
from .tables import read_columns

_REQUIRED = ("Name", "BIDSVersion")
_FIRST_COLUMNS = ("onset", "duration")


def bids_problems(bids_dir: Path, files: ParticipantEvents) -> tuple[str, ...]:
    """A sentence on each departure from BIDS, of the dataset's description and the events.

    Parameters
    ----------
    bids_dir : the dataset, its description readable
    files : what a run uses of one participant; derivatives are not checked

    Notes
    -----
    The whole dataset is for the BIDS Validator, which reads every file.
    """
    validator, root = BIDSValidator(), bids_dir.absolute()
    of_events = (problem for run in files.runs for problem in _of_events(validator, root, run.events))
    return (*_of_description(bids_dir), *of_events)


def _of_description(bids_dir: Path) -> Iterator[str]:
    path = bids_dir / "dataset_description.json"
    content = read_object(path, "Mend or fetch it again")
    for field in _REQUIRED:
        if not isinstance(content.get(field), str) or not content[field]:
            yield f"{path} has no {field}"


def _of_events(validator: BIDSValidator, bids_dir: Path, events: Path) -> Iterator[str]:
    if events.is_relative_to(bids_dir):
        name = events.relative_to(bids_dir).as_posix()
        if not validator.is_bids(f"/{name}"):
            yield f"{name} is no name of a BIDS file"
    columns = read_columns(events)
    if tuple(columns[:2]) != _FIRST_COLUMNS:
        yield f"the first columns of {events.name} are not onset and duration"
