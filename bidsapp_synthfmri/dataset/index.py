"""The index: from a dataset's folders to the files of one participant."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from ..config import RunConfig
from ..errors import InputMissingError, NothingMatchedError
from ..json_objects import read_object
from .annex import require_content
from .confounds import needs_table, no_confounds
from .filter_file import read_filter
from .filters import choose_sessions, choose_task, in_sessions, of_task
from .names import NamedFile, derivative_files, natural_key, raw_files, roi_name, space_of
from .runs import ChosenFiles, TaskFiles, choose_space, collect_events, collect_runs, known_space
from .sidecars import repetition_time, stated
from .structures import ParticipantEvents, ParticipantFiles, RoiFile, RunFiles

_PARTICIPANT = re.compile(r"sub-([a-zA-Z0-9+]+)")


def list_participants(bids_dir: Path, labels: Sequence[str], excluded: Sequence[str] = ()) -> tuple[str, ...]:
    """Labels of the participants asked for, without ``sub-``; none asked for means all but those excluded.

    Raises
    ------
    InputMissingError, InputMalformedError : ``bids_dir`` is not there, or is no BIDS dataset
    NothingMatchedError : no participants at all, or not the ones asked for
    """
    _require_dataset(bids_dir)
    there = sorted(
        (
            match[1]
            for folder in bids_dir.iterdir()
            if (match := _PARTICIPANT.fullmatch(folder.name)) and folder.is_dir()
        ),
        key=natural_key,
    )
    if not there:
        raise NothingMatchedError(f"{bids_dir} has no sub-* folder", "Give the folder of a BIDS dataset")
    wanted = list(dict.fromkeys(label.removeprefix("sub-") for label in labels))
    unknown = [label for label in wanted if label not in there]
    if unknown:
        raise NothingMatchedError(
            f"{bids_dir} has no participant {', '.join(unknown)}; there are: {', '.join(there)}",
            "Choose among them with --participant-label",
        )
    strangers = [label for label in excluded if label not in there]
    if strangers:
        raise NothingMatchedError(
            f"{bids_dir} has no participant {', '.join(strangers)} to leave out;"
            f" there are: {', '.join(there)}",
            "Choose among them with --exclude-participant-label",
        )
    kept = tuple(label for label in wanted or there if label not in excluded)
    if not kept:
        raise NothingMatchedError(
            "--exclude-participant-label leaves no participant", "Leave out fewer participants"
        )
    return kept


def index_participant(config: RunConfig, participant: str) -> ParticipantFiles:
    """The files to read of one participant, all there and all with content.

    Parameters
    ----------
    config : folders and filters
    participant : label, with or without ``sub-``

    Returns
    -------
    runs of one task in one space, and the ROI masks of that space; surfaces have none

    Raises
    ------
    NothingMatchedError : no such participant, session or task
    UsageError : several tasks, spaces or files could be meant
    InputMissingError : a run without events, BOLD, brain mask or the confounds that are needed, or a
        derivative's folder that is not there
    ContentAbsentError : files needed are git-annex links without content
    InputMalformedError : the dataset's description, a sidecar or a header cannot be used

    Notes
    -----
    The index is built in memory each time, from one participant's folders and without reading
    sidecars that no run needs: that takes a second or two, writes nothing and cannot be out of date.
    """
    files, derived = _task_files(config, participant)
    space = choose_space(files, config.space)
    chosen = collect_runs(files, space)
    with_confounds = needs_table(config.confounds, config.fd_threshold)
    if not with_confounds:
        chosen = tuple(replace(run, confounds=None) for run in chosen)
    rois = () if files.is_on_surface(space) else _roi_files(derived, space)
    _require_files(chosen, rois, files.bids_dir)
    runs = tuple(_run_files(files, run) for run in chosen)
    if with_confounds:
        _require_confounds(runs)
    return ParticipantFiles(files.participant, files.task, space, runs, rois)


def index_events(config: RunConfig, participant: str) -> ParticipantEvents:
    """The events of one participant, all with content; and the ROI masks, as they are named.

    Parameters
    ----------
    config : folders and filters
    participant : label, with or without ``sub-``

    Returns
    -------
    runs of one task, and the ROI masks of every space; BOLD, brain masks and confounds need not be there

    Raises
    ------
    NothingMatchedError : no such participant, session or task
    UsageError : several tasks could be meant
    InputMissingError : a run without events, or a derivative's folder that is not there
    ContentAbsentError : events are git-annex links without content
    InputMalformedError : the dataset's description cannot be used, or two events files apply to a run
    """
    files, derived = _task_files(config, participant)
    runs = collect_events(files)
    _require_paths([run.events for run in runs], files.bids_dir)
    rois = sorted(
        (RoiFile(name, file.path, file.get("space")) for file in derived if (name := roi_name(file))),
        key=lambda roi: (roi.name, roi.path),
    )
    space = known_space(files, config.space, {roi.space for roi in rois if roi.space})
    return ParticipantEvents(files.participant, files.task, space, runs, tuple(rois))


def _task_files(config: RunConfig, participant: str) -> tuple[TaskFiles, tuple[NamedFile, ...]]:
    """The participant's files of the task; and all derived ones, ROI masks among them."""
    (label,) = list_participants(config.bids_dir, [participant])
    bids_dir = config.bids_dir.absolute()
    roots = _derivative_roots(config, label)
    raw = raw_files(bids_dir, label)
    sessions = choose_sessions(label, raw, config.session_labels)
    wanted = read_filter(config.bids_filter_file)
    raw = wanted.kept(in_sessions(raw, sessions))
    derived = wanted.kept(
        in_sessions(chain.from_iterable(derivative_files(root, label) for root in roots), sessions)
    )
    task = choose_task(config, label, raw)
    files = TaskFiles(label, task, bids_dir, roots, of_task(raw, task), of_task(derived, task))
    return files, derived


def _require_dataset(bids_dir: Path) -> None:
    remedy = "Give the folder of a BIDS dataset as BIDS_DIR"
    if not bids_dir.is_dir():
        raise InputMissingError(f"BIDS_DIR {bids_dir} is not there or is no folder", remedy)
    description = bids_dir / "dataset_description.json"
    require_content([description], bids_dir)
    if not description.is_file():
        raise InputMissingError(f"{bids_dir} is no BIDS dataset: it has no {description.name}", remedy)
    read_object(description, "Mend or fetch it again")


def _derivative_roots(config: RunConfig, participant: str) -> tuple[Path, ...]:
    for name, path in config.derivatives:
        if not path.is_dir():
            raise InputMissingError(
                f"Derivative {name}: there is no folder {path}", "Give its folder with --derivatives"
            )
    if config.derivatives:
        return tuple(path.absolute() for _, path in config.derivatives)
    folder = config.bids_dir.absolute() / "derivatives"
    if not folder.is_dir():
        return ()
    output = config.output_dir.resolve()
    return tuple(
        root
        for root in sorted(folder.iterdir())
        if (root / f"sub-{participant}").is_dir() and root.resolve() != output
    )


def _roi_files(derived: Sequence[NamedFile], space: str) -> tuple[RoiFile, ...]:
    rois = [
        RoiFile(name, file.path)
        for file in derived
        if (name := roi_name(file)) and (not file.get("space") or space_of(file) == space)
    ]
    return tuple(sorted(rois, key=lambda roi: (roi.name, roi.path)))


def _require_files(chosen: Sequence[ChosenFiles], rois: Sequence[RoiFile], bids_dir: Path) -> None:
    named = chain.from_iterable(
        (
            *(run.events, run.bold, run.bold_right, run.brain_mask, run.confounds),
            *(*run.raw_sidecars, *run.own_sidecars),
        )
        for run in chosen
    )
    _require_paths([*(file.path for file in named if file), *(roi.path for roi in rois)], bids_dir)


def _require_paths(named: Sequence[Path], bids_dir: Path) -> None:
    paths = list(dict.fromkeys(named))
    require_content(paths, bids_dir)
    dangling = [path for path in paths if not path.is_file()]
    if dangling:
        raise InputMissingError(
            f"{len(dangling)} of {len(paths)} files needed are links that lead nowhere: {dangling[0]}",
            "Mend the links, or mount the folder that they lead to",
        )


def _run_files(files: TaskFiles, run: ChosenFiles) -> RunFiles:
    return RunFiles(
        participant=files.participant,
        session=run.session,
        task=files.task,
        run=run.run,
        events=run.events.path,
        bold=run.bold.path,
        brain_mask=run.brain_mask.path if run.brain_mask else None,
        confounds=run.confounds.path if run.confounds else None,
        repetition_time=repetition_time(run.bold.path, (*run.raw_sidecars, *run.own_sidecars)),
        start_time=stated(run.own_sidecars, "StartTime") or 0.0,
        bold_right=run.bold_right.path if run.bold_right else None,
    )


def _require_confounds(runs: Sequence[RunFiles]) -> None:
    for run in runs:
        if run.confounds is None:
            raise no_confounds(run)
