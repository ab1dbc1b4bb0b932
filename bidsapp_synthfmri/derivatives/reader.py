"""Reads what the writer wrote, and refuses what does not fit together."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..decoding.experiments import NO_CONTROL
from ..encoding.storage import read_encoder
from ..errors import InputMalformedError, InputMissingError, NothingMatchedError
from ..structures import (
    BoolArray,
    FloatArray,
    IntArray,
    Json,
    Responses,
    Space,
    SurfaceSpace,
    Synthetic,
    Trials,
    VoxelSpace,
)
from ..synthesis.noise_model import NoiseModel
from . import images, names
from .names import OutputFile, Place
from .results import GroupResults, LeakageResults, ParticipantResults, ReliabilityMaps
from .tables import parse_table

_RUN_PARTICIPANT = "Run the participant level first"
_RUN_AGAIN = "Run the participant level again"
_RUN_GROUP_AGAIN = "Run the group level again"
# What the group level and the page cannot do without.
_SUMMARY_KEYS = {"participant": str, "task": str, "space": str, "notes": list}


@dataclass(frozen=True)
class _Source:
    """Where one participant's, or the group's, files are found."""

    output_dir: Path
    place: Place

    @property
    def remedy(self) -> str:
        return _RUN_GROUP_AGAIN if self.place.participant is None else _RUN_AGAIN

    def path(self, output: OutputFile) -> Path:
        path = output.path(self.output_dir, self.place)
        if not path.is_file():
            raise InputMissingError(f"{path} is not there", self.remedy)
        return path

    def json(self, output: OutputFile) -> Json:
        path = self.path(output)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputMalformedError(f"{path} is not JSON: {error}", self.remedy) from error
        if not isinstance(content, dict):
            raise InputMalformedError(f"{path} holds no JSON object", self.remedy)
        return content

    def table(self, output: OutputFile) -> pd.DataFrame:
        path = self.path(output)
        dictionary = self.json(output.with_extension(".json"))
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise InputMalformedError(f"{path} is not UTF-8: {error}", self.remedy) from error
        return parse_table(text, dictionary, str(path))


def participants_written(output_dir: Path) -> tuple[str, ...]:
    """Labels of the participants whose results are complete, sorted."""
    return names.participants_with(output_dir, names.SUMMARY)


def written_summary(output_dir: Path, participant: str, task: str | None = None) -> Json:
    """The facts of a participant's finished run; parameters and errors as of ``load_participant``."""
    return _summary(_source(output_dir, participant, task))


def load_participant(output_dir: Path, participant: str, task: str | None = None) -> ParticipantResults:
    """What the participant level wrote; matrices are memory-mapped.

    Parameters
    ----------
    output_dir : the BIDS App's OUTPUT_DIR
    participant : label without ``sub-``
    task : label without ``task-``; None means the only one there is

    Raises
    ------
    InputMissingError : the participant level has not been run, or a file of it is gone
    InputMalformedError : files that do not fit together
    NothingMatchedError : several tasks and none chosen, or not the one chosen
    """
    source = _source(output_dir, participant, task)
    place = source.place
    voxels = _voxels(source)
    responses, splits = _responses(source, voxels)
    return ParticipantResults(
        participant=str(place.participant),
        task=str(place.task),
        space=str(place.space),
        voxels=voxels,
        responses=responses,
        splits=splits,
        synthetic=_synthetic(source, voxels, None),
        extra=tuple(_synthetic(source, voxels, name) for name in names.extra_sets(output_dir, place)),
        encoding=source.table(names.ENCODING_SCORES),
        accounting=source.table(names.ACCOUNTING_SCORES),
        reliability=source.table(names.RELIABILITY_SCORES),
        summary=_summary(source),
        card=source.json(names.ENCODER_CARD),
        dropped_trials=_dropped_trials(source),
        leakage=_leakage(source),
    )


def load_reliability_maps(output_dir: Path, participant: str, task: str | None = None) -> ReliabilityMaps:
    """The reliability maps that the participant level wrote, at the voxels that were measured.

    Parameters
    ----------
    output_dir, participant, task : see ``load_participant``

    Raises
    ------
    InputMissingError, NothingMatchedError : see ``load_participant``
    InputMalformedError : a map is no image, or on another grid than the ROI image
    """
    source = _source(output_dir, participant, task)
    selected = names.MEASURED_ROIS.with_extension(".json").path(output_dir, source.place).is_file()
    voxels = _voxels(source, names.MEASURED_ROIS if selected else names.ROIS)
    return ReliabilityMaps(
        voxels=voxels,
        ncsnr=_map(source, names.NCSNR, voxels),
        r=_map(source, names.RELIABILITY, voxels),
        noise_ceiling=_map(source, names.NOISE_CEILING, voxels),
        split_half=_map(source, names.SPLIT_HALF, voxels),
    )


def load_group(output_dir: Path) -> GroupResults:
    """What the group level wrote.

    Raises
    ------
    InputMissingError : the group level has not been run
    InputMalformedError : a file cannot be read
    """
    source = _Source(output_dir, Place())
    if not names.GROUP_SUMMARY.path(output_dir, Place()).is_file():
        raise InputMissingError(f"{output_dir} holds no group results", "Run the group level first")
    summary, every = source.json(names.GROUP_SUMMARY), source.table(names.GROUP_DECODING)
    if "experiment" not in every:
        path = source.path(names.GROUP_DECODING)
        raise InputMalformedError(f"{path} was written by an older version", source.remedy)
    return GroupResults(
        decoding=_main(every, summary),
        contrasts=_main(source.table(names.GROUP_CONTRASTS), summary),
        confusion=_main(source.table(names.GROUP_CONFUSION), summary),
        summary=summary,
        experiments=every,
        decisions=source.table(names.GROUP_DECISIONS),
        identification=_identification(source),
    )


def load_noise_model(output_dir: Path, participant: str, task: str | None = None) -> NoiseModel | None:
    """How a participant's real trials vary; None where no stimulus was repeated.

    Parameters
    ----------
    output_dir, participant, task : see ``load_participant``

    Raises
    ------
    as ``load_participant``, and InputMalformedError for an encoder that does not match its card
    """
    source = _source(output_dir, participant, task)
    return read_encoder(source.path(names.ENCODER)).noise


def _main(table: pd.DataFrame, summary: Json) -> pd.DataFrame:
    """Rows of the experiment that the page speaks of: controls apart, of several sources the first."""
    is_main = table["experiment"] == summary.get("main_experiment")
    own: pd.DataFrame = table[is_main & (table["control"] == NO_CONTROL)]
    if own.empty:
        return own.reset_index(drop=True)
    own = own[own["source"] == own["source"].iloc[0]]
    return own.reset_index(drop=True)


def _source(output_dir: Path, participant: str, task: str | None) -> _Source:
    tasks = names.tasks_with(output_dir, participant, names.SUMMARY)
    if not tasks:
        there = ", ".join(participants_written(output_dir)) or "none"
        problem = f"{output_dir} holds no results of participant {participant} (there: {there})"
        raise InputMissingError(problem, _RUN_PARTICIPANT)
    if (task is None and len(tasks) > 1) or (task is not None and task not in tasks):
        problem = f"Results of participant {participant} are of the tasks {', '.join(tasks)}"
        raise NothingMatchedError(problem, "Choose one of them with --task-label")
    place = Place(participant, task or tasks[0])
    space = _summary(_Source(output_dir, place))["space"]
    return _Source(output_dir, Place(place.participant, place.task, space))


def _summary(source: _Source) -> Json:
    summary = source.json(names.SUMMARY)
    lacking = [key for key, kind in _SUMMARY_KEYS.items() if not isinstance(summary.get(key), kind)]
    if lacking:
        path = names.SUMMARY.path(source.output_dir, source.place)
        raise InputMalformedError(f"{path} does not state {', '.join(lacking)} as it should", _RUN_AGAIN)
    return summary


def _voxels(source: _Source, output: OutputFile = names.ROIS) -> Space:
    if names.on_surface(output).path(source.output_dir, source.place).is_file():
        return _vertices(source, output)
    path = source.path(output)
    image = images.read_volume(path)
    index = np.asarray(image.dataobj).astype(np.int64)
    if index.ndim != 3:
        raise _no_rois(path)
    ijk = np.argwhere(index > 0)
    roi_names, membership = _membership(source, output, path, index[tuple(ijk.T)])
    return VoxelSpace(
        ijk=ijk.astype(np.int64),
        affine=np.asarray(image.affine, dtype=np.float64),
        shape=(index.shape[0], index.shape[1], index.shape[2]),
        roi_names=roi_names,
        membership=membership,
        space=str(source.place.space),
    )


def _vertices(source: _Source, output: OutputFile) -> SurfaceSpace:
    path = source.path(names.on_surface(output))
    matrix = images.read_matrix(path)
    roi_names, membership = _membership(source, output, path, matrix.values[0].astype(np.int64))
    space = images.surface_of(matrix.columns, roi_names, membership, str(source.place.space))
    if space is None:
        raise _no_rois(path)
    return space


def _membership(
    source: _Source, output: OutputFile, path: Path, index: IntArray
) -> tuple[tuple[str, ...], BoolArray]:
    """ROI names, and (n_rois, n_voxels) which voxels lie in each, from (n_voxels,) combinations of ROIs."""
    sidecar = source.json(output.with_extension(".json"))
    table = source.table(output.with_extension(".tsv"))
    roi_names = sidecar.get("Rois")
    if not isinstance(roi_names, list) or list(table.columns) != ["index", "name"]:
        raise _no_rois(path)
    labels = {
        int(value): images.NO_ROI if pd.isna(name) else str(name)
        for value, name in zip(table["index"], table["name"], strict=True)
    }
    unnamed = sorted(set(np.unique(index).tolist()) - set(labels))
    if unnamed:
        raise InputMalformedError(f"{path} has values without a name: {unnamed}", _RUN_AGAIN)
    listed = {images.NO_ROI, *map(str, roi_names)}
    unlisted = sorted({name for label in labels.values() for name in label.split("+")} - listed)
    if unlisted:
        raise InputMalformedError(
            f"The table of {path} names regions that its sidecar does not list: {', '.join(unlisted)}",
            _RUN_AGAIN,
        )
    return tuple(map(str, roi_names)), images.membership_from(index, labels, roi_names)


def _no_rois(path: Path) -> InputMalformedError:
    return InputMalformedError(f"{path} and the files beside it are no ROI image of ours", _RUN_AGAIN)


def _map(source: _Source, output: OutputFile, voxels: Space) -> FloatArray:
    """(n_voxels,) values of a map."""
    if isinstance(voxels, SurfaceSpace):
        return np.asarray(_matrix(source, names.on_surface(output), voxels)[0], dtype=np.float32)
    path = source.path(output)
    image = images.read_volume(path)
    values = np.asarray(image.dataobj)
    if values.shape != voxels.shape or not images.same_affine(image.affine, voxels.affine):
        raise InputMalformedError(f"{path} is not on the grid of the ROI image", _RUN_AGAIN)
    return np.asarray(values[tuple(voxels.ijk.T)], dtype=np.float32)


def _matrix(source: _Source, output: OutputFile, voxels: Space) -> FloatArray:
    path = source.path(output)
    matrix = images.read_matrix(path)
    if not images.are_columns(matrix.columns, voxels):
        problem = f"{path} has {len(matrix.columns)} voxels that are not the {len(voxels)} of the ROI image"
        raise InputMalformedError(problem, _RUN_AGAIN)
    return matrix.values


def _rows(source: _Source, output: OutputFile, number: str, n_rows: int) -> pd.DataFrame:
    """The table of a matrix's rows, its numbering checked and taken off."""
    table = source.table(output)
    path = output.path(source.output_dir, source.place)
    if len(table) != n_rows:
        raise InputMalformedError(f"{path} has {len(table)} rows for {n_rows} maps", _RUN_AGAIN)
    missing = [name for name in (number, "stimulus", "split") if name not in table]
    if missing:
        raise InputMalformedError(f"{path} lacks columns {', '.join(missing)}", _RUN_AGAIN)
    if not np.array_equal(table[number], np.arange(1, n_rows + 1)):
        raise InputMalformedError(f"{path} is not in the order of its maps", _RUN_AGAIN)
    return table.drop(columns=number)


def _responses(source: _Source, voxels: Space) -> tuple[Responses, NDArray[np.str_]]:
    values = _matrix(source, names.RESPONSES, voxels)
    table = _rows(source, names.TRIALS, "trial", len(values))
    sidecar = source.json(names.RESPONSES.with_extension(".json"))
    path = names.RESPONSES.path(source.output_dir, source.place)
    lacking = [key for key in ("Estimator", "ResponseUnit", "DroppedVoxels") if key not in sidecar]
    if lacking:
        raise InputMalformedError(f"The sidecar of {path} lacks {', '.join(lacking)}", _RUN_AGAIN)
    labels = {name: table[name].fillna("").astype(str) for name in ("session", "run") if name in table}
    trials = Trials(table.drop(columns="split").assign(**labels))
    responses = Responses(
        values=values,
        trials=trials,
        voxels=voxels,
        estimator=str(sidecar["Estimator"]),
        unit=str(sidecar["ResponseUnit"]),
        dropped_voxels=int(sidecar["DroppedVoxels"]),
    )
    return responses, np.asarray(table["split"], dtype=np.str_)


def _dropped_trials(source: _Source) -> pd.DataFrame | None:
    if not names.DROPPED_TRIALS.path(source.output_dir, source.place).is_file():
        return None
    return source.table(names.DROPPED_TRIALS)


def _leakage(source: _Source) -> LeakageResults | None:
    if not names.LEAKAGE_SCORES.path(source.output_dir, source.place).is_file():
        return None
    return LeakageResults(
        pairs=source.table(names.LEAKAGE_PAIRS),
        stimuli=source.table(names.LEAKAGE_STIMULI),
        scores=source.table(names.LEAKAGE_SCORES),
    )


def _identification(source: _Source) -> pd.DataFrame | None:
    if not names.GROUP_IDENTIFICATION.path(source.output_dir, source.place).is_file():
        return None
    return source.table(names.GROUP_IDENTIFICATION)


def _synthetic(source: _Source, voxels: Space, name: str | None) -> Synthetic:
    values = _matrix(source, names.of_extra_set(names.SYNTHETIC, name), voxels)
    table = _rows(source, names.of_extra_set(names.SYNTHETIC_STIMULI, name), "image", len(values))
    return Synthetic(values=values, table=table, voxels=voxels)
