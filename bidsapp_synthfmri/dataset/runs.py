"""Which files belong to one run."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..errors import InputMalformedError, InputMissingError, UsageError
from .names import (
    HEMISPHERES,
    NATIVE,
    NamedFile,
    entity_key,
    is_brain_mask,
    is_confounds,
    is_preprocessed_bold,
    is_surface,
    is_surface_space,
    natural_key,
    space_of,
)
from .sidecars import applicable, by_folder, specificity
from .structures import RunEvents

_RUN_ENTITIES = ("session", "acquisition", "ceagent", "reconstruction", "direction", "run")
_ECHO_OR_PART = frozenset({"echo", "part"})

RunKey = tuple[str, ...]


@dataclass(frozen=True)
class TaskFiles:
    """One participant's files of one task, in the sessions wanted.

    Attributes
    ----------
    participant, task : labels
    bids_dir : the raw dataset
    derivatives : the derivatives that were searched
    raw, derived : files of the task, and sidecars and events above it
    """

    participant: str
    task: str
    bids_dir: Path
    derivatives: tuple[Path, ...]
    raw: tuple[NamedFile, ...]
    derived: tuple[NamedFile, ...]

    @cached_property
    def events(self) -> dict[Path, list[NamedFile]]:
        """Events, by folder."""
        return by_folder(file for file in self.raw if file.get("suffix") == "events")

    @cached_property
    def raw_sidecars(self) -> dict[Path, list[NamedFile]]:
        """Sidecars of the raw BOLD, by folder."""
        return by_folder(filter(_is_sidecar, self.raw))

    @cached_property
    def own_sidecars(self) -> dict[Path, list[NamedFile]]:
        """Sidecars of the preprocessed BOLD, by folder."""
        return by_folder(filter(_is_sidecar, self.derived))

    @cached_property
    def derived_runs(self) -> dict[RunKey, list[NamedFile]]:
        """Derived files, by run."""
        runs: dict[RunKey, list[NamedFile]] = defaultdict(list)
        for file in self.derived:
            runs[run_key(file)].append(file)
        return dict(runs)

    def is_on_surface(self, space: str) -> bool:
        """Whether BOLD of a space is, or would be, on the surfaces of two hemispheres."""
        surfaces = filter(is_surface, filter(is_preprocessed_bold, self.derived))
        return any(space_of(file) == space for file in surfaces) or is_surface_space(space)


@dataclass(frozen=True)
class ChosenFiles:
    """The files of one run, chosen but not opened.

    Attributes
    ----------
    session, run : labels; ``run`` spells out other entities where it alone does not tell runs apart
    events, bold, bold_right, brain_mask : the run's; either ``bold_right`` or ``brain_mask`` is None
    confounds : None where there is none
    raw_sidecars, own_sidecars : of the raw and of the preprocessed BOLD, from general to specific
    """

    session: str
    run: str
    events: NamedFile
    bold: NamedFile
    bold_right: NamedFile | None
    brain_mask: NamedFile | None
    confounds: NamedFile | None
    raw_sidecars: tuple[NamedFile, ...]
    own_sidecars: tuple[NamedFile, ...]


def choose_space(files: TaskFiles, space: str | None) -> str:
    """The space of the preprocessed BOLD: the one asked for, else the one that all runs share.

    Surfaces are chosen by themselves only where there are no volumes.

    Raises
    ------
    UsageError : all runs are there in several spaces
    InputMissingError : no space has all runs
    """
    series = list(filter(is_preprocessed_bold, files.derived))
    if space is not None or not series:
        return (space or NATIVE).removeprefix("space-")
    spaces: dict[RunKey, set[str]] = defaultdict(set)
    for file in [file for file in series if not is_surface(file)] or series:
        spaces[run_key(file)].add(space_of(file))
    shared = sorted(set.intersection(*spaces.values()))
    if len(shared) > 1:
        raise UsageError(
            f"The preprocessed BOLD of sub-{files.participant} is there in several spaces:"
            f" {', '.join(shared)}",
            "Choose one with --space",
        )
    if not shared:
        raise InputMissingError(
            f"sub-{files.participant}'s {len(spaces)} preprocessed runs share no space; there are:"
            f" {', '.join(sorted(set.union(*spaces.values())))}",
            "Fetch or make the runs that are missing, or choose sessions with --session-label",
        )
    return shared[0]


def known_space(files: TaskFiles, space: str | None, of_masks: Collection[str]) -> str:
    """The space asked for, else the only one that preprocessed BOLD, or that ROI masks, have.

    ``native`` where that leaves it open; ``of_masks`` are the spaces that names of ROI masks state.
    """
    if space is not None:
        return space.removeprefix("space-")
    of_bold = {space_of(file) for file in filter(is_preprocessed_bold, files.derived)}
    return next((next(iter(spaces)) for spaces in (of_bold, of_masks) if len(spaces) == 1), NATIVE)


def collect_runs(files: TaskFiles, space: str) -> tuple[ChosenFiles, ...]:
    """The files of every run of the task, in order of session and run.

    A run is whatever raw BOLD, preprocessed BOLD or events name: one that lacks any of events,
    preprocessed BOLD and brain mask is an error, never left out. The raw BOLD itself is not needed.

    Raises
    ------
    InputMissingError : a run without events, preprocessed BOLD or brain mask, with the file expected
    UsageError : several files for one
    """
    return tuple(_collect(files, key, space, run) for key, run in _labelled(files))


def collect_events(files: TaskFiles) -> tuple[RunEvents, ...]:
    """The events of every run of the task, in order of session and run; no BOLD need be there.

    Raises
    ------
    InputMissingError : a run, named by a BOLD file, without events
    """
    return tuple(
        RunEvents(files.participant, key[0], files.task, run, _only_events(files, key).path)
        for key, run in _labelled(files)
    )


def run_key(file: NamedFile) -> RunKey:
    """Labels of the entities that tell the runs of a task apart."""
    return tuple(file.get(entity) for entity in _RUN_ENTITIES)


def _labelled(files: TaskFiles) -> list[tuple[RunKey, str]]:
    """Every run's key and its label, spelt out where ``run`` alone does not tell runs apart."""
    keys = _run_keys(files)
    shared = Counter((key[0], key[-1]) for key in keys)
    return [(key, key[-1] if shared[key[0], key[-1]] == 1 else _spelt_out(key)) for key in keys]


def _run_keys(files: TaskFiles) -> list[RunKey]:
    keys = {run_key(file) for file in files.derived if is_preprocessed_bold(file)}
    keys |= {
        run_key(file)
        for file in files.raw
        if file.get("suffix") == "bold" and file.get("extension").startswith(".nii")
    }
    claimed = {file.path for key in keys for file in _events(files, key)}
    keys |= {
        run_key(file)
        for file in files.raw
        if file.get("suffix") == "events" and file.get("subject") and file.path not in claimed
    }
    return sorted(keys, key=lambda key: [natural_key(label) for label in (key[0], key[-1], *key[1:-1])])


def _spelt_out(key: RunKey) -> str:
    extra = zip(_RUN_ENTITIES[1:-1], key[1:-1], strict=True)
    return key[-1] + "".join(f"{entity_key(entity)}{label}" for entity, label in extra if label)


def _collect(files: TaskFiles, key: RunKey, space: str, run: str) -> ChosenFiles:
    events = _only_events(files, key)
    derived = files.derived_runs.get(key, [])
    on_surface = files.is_on_surface(space)
    bold, right = _hemispheres(files, key, space) if on_surface else (_volume(files, key, space), None)
    beside = [file for file in derived if file.root == bold.root]
    confounds = [file for file in beside if is_confounds(file)]
    if len(confounds) > 1:
        raise _several(confounds)
    return ChosenFiles(
        session=key[0],
        run=run,
        events=events,
        bold=bold,
        bold_right=right,
        brain_mask=None if on_surface else _brain_mask(files, key, bold, beside),
        confounds=confounds[0] if confounds else None,
        raw_sidecars=applicable(files.raw_sidecars, _raw_bold(files, key), _ECHO_OR_PART),
        own_sidecars=applicable(files.own_sidecars, bold),
    )


def _volume(files: TaskFiles, key: RunKey, space: str) -> NamedFile:
    return _only(
        list(filter(is_preprocessed_bold, files.derived_runs.get(key, []))),
        space,
        _expected_bold(files, key, space),
        f"{_stem(files, key)} has no preprocessed BOLD",
    )


def _hemispheres(files: TaskFiles, key: RunKey, space: str) -> tuple[NamedFile, NamedFile]:
    series = list(filter(is_preprocessed_bold, files.derived_runs.get(key, [])))
    left, right = (
        _only(
            [file for file in series if file.get("hemi") == side],
            space,
            _expected_surface(files, key, space, side),
            f"{_stem(files, key)} has no preprocessed BOLD of hemisphere {side}",
        )
        for side in HEMISPHERES
    )
    if (left.root, left.get("density")) != (right.root, right.get("density")):
        raise UsageError(
            f"The two hemispheres of {_stem(files, key)} are not of one kind: {left.path} and {right.path}",
            "Name the derivative to use with --derivatives NAME=PATH",
        )
    return left, right


def _brain_mask(files: TaskFiles, key: RunKey, bold: NamedFile, beside: Sequence[NamedFile]) -> NamedFile:
    return _only(
        [file for file in beside if is_brain_mask(file) and file.get("res") == bold.get("res")],
        space_of(bold),
        _expected_mask(bold),
        f"{_stem(files, key)} has no brain mask",
    )


def _only(found: Sequence[NamedFile], space: str, expected: str, problem: str) -> NamedFile:
    in_space = [file for file in found if space_of(file) == space]
    if len(in_space) > 1:
        raise _several(in_space)
    if not in_space:
        others = sorted({space_of(file) for file in found})
        there = f" (there is one in space {', '.join(others)})" if others else ""
        where = f" in space {space}" if others or space != NATIVE else ""
        raise InputMissingError(
            f"{problem}{where}{there}; expected {expected}",
            "Fetch or make it, name its folder with --derivatives NAME=PATH, choose another --space,"
            " or leave the run's session out with --session-label",
        )
    return in_space[0]


def _several(found: Sequence[NamedFile]) -> UsageError:
    return UsageError(
        f"Several files could be meant: {', '.join(str(file.path) for file in found)}",
        "Name the derivative to use with --derivatives NAME=PATH",
    )


def _only_events(files: TaskFiles, key: RunKey) -> NamedFile:
    events = _events(files, key)
    if not events:
        expected = _func_folder(files.bids_dir, files, key) / f"{_stem(files, key)}_events.tsv"
        raise InputMissingError(
            f"{_stem(files, key)} has no events; expected {expected}",
            "Fetch or make it, or leave the run's session out with --session-label",
        )
    if len(events) > 1 and specificity(events[-1]) == specificity(events[-2]):
        raise InputMalformedError(
            f"Two events files apply to {_stem(files, key)}: {events[-2].path} and {events[-1].path}",
            "Keep one of them",
        )
    return events[-1]


def _events(files: TaskFiles, key: RunKey) -> tuple[NamedFile, ...]:
    return applicable(files.events, _raw_bold(files, key), _ECHO_OR_PART)


def _is_sidecar(file: NamedFile) -> bool:
    return file.get("suffix") == "bold" and file.get("extension") == ".json"


def _raw_bold(files: TaskFiles, key: RunKey) -> NamedFile:
    """The raw BOLD as it would be named; it need not be there."""
    entities = {"subject": files.participant, "task": files.task}
    entities |= {entity: label for entity, label in zip(_RUN_ENTITIES, key, strict=True) if label}
    path = _func_folder(files.bids_dir, files, key) / f"{_stem(files, key)}_bold.nii.gz"
    return NamedFile(path, files.bids_dir, entities)


def _stem(files: TaskFiles, key: RunKey) -> str:
    session, *others = (
        f"_{entity_key(entity)}-{label}" if label else ""
        for entity, label in zip(_RUN_ENTITIES, key, strict=True)
    )
    return f"sub-{files.participant}{session}_task-{files.task}{''.join(others)}"


def _func_folder(root: Path, files: TaskFiles, key: RunKey) -> Path:
    folder = root / f"sub-{files.participant}"
    return (folder / f"ses-{key[0]}" if key[0] else folder) / "func"


def _expected_surface(files: TaskFiles, key: RunKey, space: str, side: str) -> str:
    return f"{_derived_stem(files, key)}_hemi-{side}_space-{space}_bold.func.gii"


def _derived_stem(files: TaskFiles, key: RunKey) -> Path:
    with_bold = [file.root for file in files.derived if is_preprocessed_bold(file)]
    root = next(iter((*with_bold, *files.derivatives)), files.bids_dir / "derivatives" / "fmriprep")
    return _func_folder(root, files, key) / _stem(files, key)


def _expected_bold(files: TaskFiles, key: RunKey, space: str) -> str:
    stem = _derived_stem(files, key)
    in_space = "" if space == NATIVE else f"_space-{space}"
    return f"{stem}{in_space}_desc-preproc_bold.nii.gz (before 2018: *_bold{in_space}_preproc.nii.gz)"


def _expected_mask(bold: NamedFile) -> str:
    name = bold.path.name.replace(f"_desc-{bold.get('desc')}_bold.", "_desc-brain_mask.")
    return str(bold.path.with_name(name.replace("_preproc.", "_brainmask.")))
