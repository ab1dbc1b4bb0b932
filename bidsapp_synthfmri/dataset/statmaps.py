"""BIDS derivatives of single-trial responses: a statmap series, and the table of its trials."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import InputMalformedError, InputMissingError, NothingMatchedError, UsageError
from ..formulas import unmarked
from ..structures import BoolArray, FloatArray, Trials, VoxelSpace
from .cifti import read_dscalar, read_dscalar_values
from .matching import match_table
from .names import NATIVE, natural_key
from .sidecars import read_sidecar
from .structures import Asked, Precomputed, VoxelChoice
from .tables import MISSING, read_tsv
from .trial_voxels import restrict_to_rois
from .volume_series import VolumeFile, n_volumes_of, read_volume_files, require_fetched, voxels_of_series

_ENTITY = re.compile(r"(?:^|_)([a-zA-Z]+)-([a-zA-Z0-9+]+)(?=_)")
_OWN = "singletrial"
_NOT_THERE = "not among the precomputed responses"
_ONE_FILE = "Give the file of one of them with --responses"


@dataclass(frozen=True)
class _Series:
    """A statmap file and the table of its maps."""

    path: Path
    table: Path

    @property
    def is_cifti(self) -> bool:
        return self.path.name.endswith(".dscalar.nii")


def entities_of(path: Path) -> dict[str, str]:
    """A file name's entities, by their keys (``sub``, ``ses``, ...)."""
    return dict(_ENTITY.findall(path.name))


def participant_of(path: Path) -> str | None:
    """Label of the participant whose file it is; None where its name does not say."""
    return entities_of(path).get("sub")


def with_tables(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The statmaps that have a table of trials beside them: series of single-trial responses."""
    tables = _tables(paths)
    return tuple(path for path in paths if _is_statmap(path) and _applicable(path, tables))


def open_statmaps(paths: Sequence[Path], asked: Asked) -> Precomputed:
    """Responses of one series, in one file or in one a session or run, matched by their tables of trials.

    Parameters
    ----------
    paths : one participant's statmaps and tables of trials
    asked : the trials, the space and the ROIs

    Returns
    -------
    Precomputed of the trials that the tables have; the others are counted in its notes. Among several series
    that of the task and space asked for, CIFTI rather than NIfTI, and ``desc-singletrial`` rather than others

    Raises
    ------
    UsageError : several series could be meant, or several tables for one file
    InputMissingError : no statmap with a table
    InputMalformedError : a table without the columns needed, another number of maps than rows, or the
        first row that is no trial of the events or out of their order
    """
    series = _choose(paths, asked)
    require_fetched([path for file in series for path in (file.path, file.table)])
    space = entities_of(series[0].path).get("space", NATIVE)
    asked = replace(asked, files=replace(asked.files, space=space))
    tables = [_read_table(file) for file in series]
    kept = [_of_sessions(table, asked) for table in tables]
    table = pd.concat([table[rows] for table, rows in zip(tables, kept, strict=True)], ignore_index=True)
    positions = match_table(table, asked.trials)
    present = np.isin(np.arange(len(asked.trials)), positions)
    files = [
        VolumeFile(file.path, np.flatnonzero(rows).astype(np.int64))
        for file, rows in zip(series, kept, strict=True)
    ]
    choice = _voxels(series[0], asked)
    read = _read_cifti if series[0].is_cifti else read_volume_files
    return Precomputed(
        trials=asked.trials.take(positions),
        voxels=choice.voxels,
        files=tuple(path for file in series for path in (file.path, file.table)),
        masks=choice.masks,
        source=_source(series),
        notes=(*_trial_notes(asked, present, sum(int((~rows).sum()) for rows in kept)), *choice.notes),
        missing=_missing(asked.trials, ~present),
        read=partial(read, files, choice.voxels),
    )


def _is_statmap(path: Path) -> bool:
    return "_statmap." in path.name


def _tables(paths: Sequence[Path]) -> dict[Path, list[Path]]:
    folders: dict[Path, list[Path]] = defaultdict(list)
    for path in paths:
        if path.name.endswith("_trials.tsv"):
            folders[path.parent].append(path)
    return folders


def _applicable(path: Path, tables: Mapping[Path, Sequence[Path]]) -> list[Path]:
    """Tables in the file's folder whose every entity its name has too, the most specific last."""
    own = entities_of(path).items()
    found = [table for table in tables.get(path.parent, ()) if entities_of(table).items() <= own]
    return sorted(found, key=lambda table: len(entities_of(table)))


def _choose(paths: Sequence[Path], asked: Asked) -> list[_Series]:
    """The files of one series, in order of session and run."""
    tables = _tables(paths)
    statmaps = [path for path in with_tables(paths) if _fits(entities_of(path), asked)]
    if not statmaps:
        there = ", ".join(sorted(path.name for path in paths if _is_statmap(path))) or "none"
        raise InputMissingError(
            f"No statmap of sub-{asked.files.participant}, task {asked.files.task}"
            f"{f', space {asked.space}' if asked.space else ''}, has a table of trials beside it;"
            f" statmaps there: {there}",
            "Put the table beside it: the same name as far as it goes, ending in _trials.tsv",
        )
    groups: dict[tuple[tuple[str, str], ...], list[Path]] = defaultdict(list)
    for path in statmaps:
        groups[_identity(path)].append(path)
    own = [key for key in groups if ("desc", _OWN) in key] or list(groups)
    cifti = [key for key in own if ("", ".dscalar.nii") in key] or own
    if len(cifti) > 1:
        named = ", ".join(sorted(groups[key][0].name for key in cifti))
        raise UsageError(
            f"Several series of responses could be meant: {named}", f"{_ONE_FILE}, or use --space"
        )
    chosen = sorted(groups[cifti[0]], key=lambda path: natural_key(path.name))
    if len({tuple(sorted(entities_of(path).items())) for path in chosen}) < len(chosen):
        raise UsageError(f"Several files could be meant: {', '.join(map(str, chosen))}", _ONE_FILE)
    return [_Series(path, _only_table(path, _applicable(path, tables))) for path in chosen]


def _fits(entities: Mapping[str, str], asked: Asked) -> bool:
    task = entities.get("task", asked.files.task) == asked.files.task
    return task and (asked.space is None or entities.get("space", NATIVE) == asked.space)


def _identity(path: Path) -> tuple[tuple[str, str], ...]:
    """What the files of one series share: all but session and run."""
    entities = {key: label for key, label in entities_of(path).items() if key not in ("ses", "run")}
    kind = ".dscalar.nii" if path.name.endswith(".dscalar.nii") else ".nii"
    return (*sorted(entities.items()), ("", kind))


def _only_table(path: Path, tables: Sequence[Path]) -> Path:
    if len(tables) > 1 and len(entities_of(tables[-1])) == len(entities_of(tables[-2])):
        raise UsageError(
            f"Two tables of trials apply to {path}: {tables[-2].name} and {tables[-1].name}",
            "Keep one of them",
        )
    return tables[-1]


def _read_table(series: _Series) -> pd.DataFrame:
    """``session``, ``run``, ``onset`` and ``stimulus`` of each map, and ``where`` its row stands."""
    table = read_tsv(series.table)
    lacking = [name for name in ("onset", "stimulus") if name not in table]
    if lacking:
        raise InputMalformedError(
            f"{series.table} has no column {' and '.join(lacking)}; its columns are"
            f" {', '.join(map(str, table.columns))}",
            "Add session, run, onset (seconds) and stimulus of each map",
        )
    n_maps = len(read_dscalar(series.path).rows) if series.is_cifti else n_volumes_of(series.path)
    if len(table) != n_maps:
        raise InputMalformedError(
            f"{series.table} has {len(table)} rows, and {series.path.name} has {n_maps} maps",
            "Give the table of these maps, one row a map",
        )
    onset = pd.to_numeric(table["onset"], errors="coerce")
    if onset.isna().any():
        row = int(np.flatnonzero(onset.isna())[0])
        raise InputMalformedError(
            f"{series.table}: onset in row {row + 1} is {table['onset'][row]!r}", "Write onset in seconds"
        )
    entities = entities_of(series.path)
    return pd.DataFrame(
        {
            "session": _labels(table, "session", "ses", entities),
            "run": _labels(table, "run", "run", entities),
            "onset": onset.astype(float),
            "stimulus": table["stimulus"].map(unmarked),
            "where": [f"Row {row + 1} of {series.table}" for row in range(len(table))],
        }
    )


def _labels(table: pd.DataFrame, column: str, key: str, entities: Mapping[str, str]) -> pd.Series[str]:
    if column not in table:
        return pd.Series(entities.get(key, ""), index=table.index, dtype=str)
    labels = table[column].str.strip().str.removeprefix(f"{key}-")
    return labels.mask(labels.isin(MISSING), "")


def _of_sessions(table: pd.DataFrame, asked: Asked) -> BoolArray:
    """(n_rows,) which rows are of the sessions asked for; all where none were asked for by name."""
    if not asked.sessions:
        return np.ones(len(table), dtype=np.bool_)
    wanted = {session.lstrip("0") for session in asked.trials.table["session"]}
    return np.asarray(table["session"].str.lstrip("0").isin(wanted), dtype=np.bool_)


def _voxels(series: _Series, asked: Asked) -> VoxelChoice:
    if not series.is_cifti:
        return voxels_of_series(series.path, asked)
    return restrict_to_rois(series.path, read_dscalar(series.path), asked)


def _read_cifti(files: Sequence[VolumeFile], voxels: VoxelSpace) -> FloatArray:
    """(n_trials, n_voxels) of all files, in the order of ``voxels``."""
    return np.concatenate([read_dscalar_values(file.path, file.volumes, voxels) for file in files])


def _trial_notes(asked: Asked, present: BoolArray, n_other: int) -> list[str]:
    notes = []
    if n_missing := int((~present).sum()):
        notes.append(
            f"{n_missing} of {len(present)} trials of the events are not among the precomputed responses and"
            " were left out."
        )
    if n_other:
        notes.append(f"{n_other} precomputed responses are of sessions that were not asked for.")
    if not present.any():
        raise NothingMatchedError(
            f"No precomputed response of sub-{asked.files.participant} is of a session asked for",
            "Choose other sessions with --session-label",
        )
    return notes


def _missing(trials: Trials, absent: BoolArray) -> pd.DataFrame:
    columns = ["session", "run", "onset", "stimulus"]
    return trials.table.loc[absent, columns].assign(reason=_NOT_THERE).reset_index(drop=True)


def _source(series: Sequence[_Series]) -> str:
    """The first file's name, how many there are, and the estimator that its sidecar names."""
    first = series[0].path
    more = f" and {len(series) - 1} more" if len(series) > 1 else ""
    sidecar = first.with_name(f"{first.name.split('.')[0]}.json")
    estimator = read_sidecar(sidecar).get("Estimator") if sidecar.is_file() else None
    by = f", estimated by {estimator}" if isinstance(estimator, str) else ""
    return f"{first.name}{more}{by}"
