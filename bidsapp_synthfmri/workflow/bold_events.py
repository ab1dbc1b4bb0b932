"""Designs of synthetic runs that events files give, their pictures found among the images."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from ..dataset.annex import first_few
from ..dataset.structures import ParticipantEvents, RunEvents
from ..dataset.trials import read_trials
from ..errors import InputMalformedError, InputMissingError, UsageError
from ..synthesis.bold_design import REST_S, PlannedRun
from .console import LOGGER

_ENTITY = r"(?:^|_){key}-([a-zA-Z0-9+]+)(?=_|\.)"


def given_runs(
    paths: Sequence[Path],
    stimuli: Sequence[str],
    *,
    stimulus_column: str,
    repetition_time: float,
    n_volumes: int | None,
) -> tuple[PlannedRun, ...]:
    """The runs that some events files describe.

    Parameters
    ----------
    paths : events.tsv files, one a run; ``ses-`` and ``run-`` of their names are kept, and files without
        ``run-`` are numbered in their order
    stimuli : the images' names; an event names one of them whole, or by its file's name alone where only one
        image has it
    stimulus_column : names the picture
    repetition_time : seconds
    n_volumes : of every run; None means until 22 s after the last trial's onset

    Raises
    ------
    InputMissingError : no such file, or pictures that are not among the images
    InputMalformedError : see ``read_trials``; or names that several images have
    UsageError : two files of one run
    """
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise InputMissingError(f"There are no events {first_few(missing)}", "Check --design")
    runs = tuple(_described(number, path) for number, path in enumerate(paths, start=1))
    labels = [(run.session, run.run) for run in runs]
    if len(set(labels)) < len(labels):
        raise UsageError("Two of the events files are of the same session and run", "Name each run once")
    read = read_trials(ParticipantEvents("synthetic", "synthetic", "", runs, ()), stimulus_column)
    if read.skipped_rows:
        LOGGER.warning("%d event rows name no picture and are not trials", read.skipped_rows)
    table = read.trials.table
    named = _among(tuple(table["stimulus"].unique()), stimuli)
    table = table.assign(stimulus=table["stimulus"].map(named))
    planned = []
    for run in runs:
        trials = table[(table["session"] == run.session) & (table["run"] == run.run)].reset_index(drop=True)
        if not len(trials):
            raise InputMalformedError(f"No row of {run.events} names a picture", "Leave the file out")
        seconds = float(trials["onset"].max()) + REST_S
        volumes = int(np.ceil(seconds / repetition_time)) if n_volumes is None else n_volumes
        planned.append(PlannedRun(run.session, run.run, trials.drop(columns=["session", "run"]), volumes))
    return tuple(planned)


def _described(number: int, path: Path) -> RunEvents:
    session, run = (re.search(_ENTITY.format(key=key), path.name) for key in ("ses", "run"))
    return RunEvents(
        participant="synthetic",
        session=session[1] if session else "",
        task="synthetic",
        run=run[1] if run else f"{number:02d}",
        events=path,
    )


def _among(wanted: Sequence[str], stimuli: Sequence[str]) -> dict[str, str]:
    """The image that each picture named is."""
    whole = set(stimuli)
    by_file: dict[str, list[str]] = defaultdict(list)
    for stimulus in stimuli:
        by_file[PurePosixPath(stimulus).name].append(stimulus)
    found = {name: [name] if name in whole else by_file.get(PurePosixPath(name).name, []) for name in wanted}
    absent = [name for name, images in found.items() if not images]
    if absent:
        raise InputMissingError(
            f"{len(absent)} of {len(found)} pictures of the events are not among the images:"
            f" {first_few(absent)}",
            "Give the folder of images that has them",
        )
    several = [name for name, images in found.items() if len(images) > 1]
    if several:
        raise InputMalformedError(
            f"{len(several)} pictures of the events could be several of the images: {first_few(several)}",
            "Name them in the events with their folder",
        )
    return {name: images[0] for name, images in found.items()}
