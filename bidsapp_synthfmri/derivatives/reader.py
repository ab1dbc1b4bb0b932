"""Reads what the writer wrote, and refuses what does not fit together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from ..decoding.experiment_list import NO_CONTROL
from ..encoding.components import PictureComponents
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
from . import found, images, names
from .names import OutputFile, Place
from .results import EncoderMaps, GroupResults, LeakageResults, ParticipantResults, ReliabilityMaps
from .source import RUN_AGAIN, Source

_RUN_PARTICIPANT = "Run the participant level first"
# What the group level and the page cannot do without.
_SUMMARY_KEYS = {"participant": str, "task": str, "space": str, "notes": list}


def participants_written(output_dir: Path) -> tuple[str, ...]:
    """Labels of the participants whose results are complete, sorted."""
    return found.participants_with(output_dir, names.SUMMARY)


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
    synthetic = _synthetic(source, voxels, None)
    return ParticipantResults(
        participant=str(place.participant),
        task=str(place.task),
        space=str(place.space),
        voxels=voxels,
        responses=responses,
        splits=splits,
        synthetic=synthetic,
        extra=tuple(_synthetic(source, voxels, name) for name in found.extra_sets(output_dir, place)),
        encoding=source.table(names.ENCODING_SCORES),
        accounting=source.table(names.ACCOUNTING_SCORES),
        reliability=source.table(names.RELIABILITY_SCORES),
        summary=_summary(source),
        card=source.json(names.ENCODER_CARD),
        dropped_trials=_optional(source, names.DROPPED_TRIALS),
        leakage=_leakage(source),
        unseen=_unseen(source, voxels),
        untrained=_untrained(source, synthetic),
        pictures=_pictures(source, synthetic),
        uncertainty=_optional(source, names.UNCERTAINTY_SCORES),
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


def load_encoder_maps(output_dir: Path, participant: str, task: str | None = None) -> EncoderMaps | None:
    """Accuracy and layer of every voxel; None on surfaces.

    Parameters
    ----------
    output_dir, participant, task : see ``load_participant``

    Raises
    ------
    InputMissingError, NothingMatchedError, InputMalformedError : see ``load_reliability_maps``
    """
    source = _source(output_dir, participant, task)
    voxels = _voxels(source)
    if isinstance(voxels, SurfaceSpace):
        return None
    layers = tuple(str(layer) for layer in _summary(source).get("layers", []))
    best = _map(source, names.BEST_LAYER, voxels).astype(np.int64) - 1
    return EncoderMaps(voxels, _map(source, names.ENCODER_R, voxels), best, layers)


def load_thumbnails(output_dir: Path, participant: str, task: str | None = None) -> bytes | None:
    """The example images' thumbnails, PNG; None where there are none."""
    path = names.THUMBNAILS.path(output_dir, _source(output_dir, participant, task).place)
    return path.read_bytes() if path.is_file() else None


def load_group(output_dir: Path) -> GroupResults:
    """What the group level wrote.

    Raises
    ------
    InputMissingError : the group level has not been run
    InputMalformedError : a file cannot be read
    """
    source = Source(output_dir, Place())
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
        identification=_optional(source, names.GROUP_IDENTIFICATION),
        transfer=_optional(source, names.GROUP_TRANSFER),
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


def _source(output_dir: Path, participant: str, task: str | None) -> Source:
    tasks = found.tasks_with(output_dir, participant, names.SUMMARY)
    if not tasks:
        there = ", ".join(participants_written(output_dir)) or "none"
        problem = f"{output_dir} holds no results of participant {participant} (there: {there})"
        raise InputMissingError(problem, _RUN_PARTICIPANT)
    if (task is None and len(tasks) > 1) or (task is not None and task not in tasks):
        problem = f"Results of participant {participant} are of the tasks {', '.join(tasks)}"
        raise NothingMatchedError(problem, "Choose one of them with --task-label")
    place = Place(participant, task or tasks[0])
    space = _summary(Source(output_dir, place))["space"]
    return Source(output_dir, Place(place.participant, place.task, space))


def _summary(source: Source) -> Json:
    summary = source.json(names.SUMMARY)
    lacking = [key for key, kind in _SUMMARY_KEYS.items() if not isinstance(summary.get(key), kind)]
    if lacking:
        path = names.SUMMARY.path(source.output_dir, source.place)
        raise InputMalformedError(f"{path} does not state {', '.join(lacking)} as it should", RUN_AGAIN)
    return summary


def _voxels(source: Source, output: OutputFile = names.ROIS) -> Space:
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


def _vertices(source: Source, output: OutputFile) -> SurfaceSpace:
    path = source.path(names.on_surface(output))
    matrix = images.read_matrix(path)
    roi_names, membership = _membership(source, output, path, matrix.values[0].astype(np.int64))
    space = images.surface_of(matrix.columns, roi_names, membership, str(source.place.space))
    if space is None:
        raise _no_rois(path)
    return space


def _membership(
    source: Source, output: OutputFile, path: Path, index: IntArray
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
        raise InputMalformedError(f"{path} has values without a name: {unnamed}", RUN_AGAIN)
    listed = {images.NO_ROI, *map(str, roi_names)}
    unlisted = sorted({name for label in labels.values() for name in label.split("+")} - listed)
    if unlisted:
        raise InputMalformedError(
            f"The table of {path} names regions that its sidecar does not list: {', '.join(unlisted)}",
            RUN_AGAIN,
        )
    return tuple(map(str, roi_names)), images.membership_from(index, labels, roi_names)


def _no_rois(path: Path) -> InputMalformedError:
    return InputMalformedError(f"{path} and the files beside it are no ROI image of ours", RUN_AGAIN)


def _map(source: Source, output: OutputFile, voxels: Space) -> FloatArray:
    """(n_voxels,) values of a map."""
    if isinstance(voxels, SurfaceSpace):
        return np.asarray(_matrix(source, names.on_surface(output), voxels)[0], dtype=np.float32)
    path = source.path(output)
    image = images.read_volume(path)
    values = np.asarray(image.dataobj)
    if values.shape != voxels.shape or not images.same_affine(image.affine, voxels.affine):
        raise InputMalformedError(f"{path} is not on the grid of the ROI image", RUN_AGAIN)
    return np.asarray(values[tuple(voxels.ijk.T)], dtype=np.float32)


def _matrix(source: Source, output: OutputFile, voxels: Space) -> FloatArray:
    path = source.path(output)
    matrix = images.read_matrix(path)
    if not images.are_columns(matrix.columns, voxels):
        problem = f"{path} has {len(matrix.columns)} voxels that are not the {len(voxels)} of the ROI image"
        raise InputMalformedError(problem, RUN_AGAIN)
    return matrix.values


def _rows(source: Source, output: OutputFile, number: str, n_rows: int) -> pd.DataFrame:
    """The table of a matrix's rows, its numbering checked and taken off."""
    table = source.table(output)
    path = output.path(source.output_dir, source.place)
    if len(table) != n_rows:
        raise InputMalformedError(f"{path} has {len(table)} rows for {n_rows} maps", RUN_AGAIN)
    missing = [name for name in (number, "stimulus", "split") if name not in table]
    if missing:
        raise InputMalformedError(f"{path} lacks columns {', '.join(missing)}", RUN_AGAIN)
    if not np.array_equal(table[number], np.arange(1, n_rows + 1)):
        raise InputMalformedError(f"{path} is not in the order of its maps", RUN_AGAIN)
    return table.drop(columns=number)


def _responses(source: Source, voxels: Space) -> tuple[Responses, NDArray[np.str_]]:
    values = _matrix(source, names.RESPONSES, voxels)
    table = _rows(source, names.TRIALS, "trial", len(values))
    sidecar = source.json(names.RESPONSES.with_extension(".json"))
    path = names.RESPONSES.path(source.output_dir, source.place)
    lacking = [key for key in ("Estimator", "ResponseUnit", "DroppedVoxels") if key not in sidecar]
    if lacking:
        raise InputMalformedError(f"The sidecar of {path} lacks {', '.join(lacking)}", RUN_AGAIN)
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


def _leakage(source: Source) -> LeakageResults | None:
    if not names.LEAKAGE_SCORES.path(source.output_dir, source.place).is_file():
        return None
    return LeakageResults(
        pairs=source.table(names.LEAKAGE_PAIRS),
        stimuli=source.table(names.LEAKAGE_STIMULI),
        scores=source.table(names.LEAKAGE_SCORES),
    )


def _optional(source: Source, output: OutputFile) -> pd.DataFrame | None:
    """A table that not every run has."""
    return source.table(output) if output.path(source.output_dir, source.place).is_file() else None


def _untrained(source: Source, synthetic: Synthetic) -> Synthetic | None:
    path = names.UNTRAINED.path(source.output_dir, source.place)
    if not path.is_file():
        return None
    values = _matrix(source, names.UNTRAINED, synthetic.voxels)
    if len(values) != len(synthetic.table):
        raise InputMalformedError(
            f"{path} has {len(values)} rows for {len(synthetic.table)} images", RUN_AGAIN
        )
    return replace(synthetic, values=values)


def _pictures(source: Source, synthetic: Synthetic) -> PictureComponents | None:
    path = names.PICTURES.path(source.output_dir, source.place)
    if not path.is_file():
        return None
    try:
        arrays = load_file(path)
        scores, explained = arrays["scores"], arrays["explained"]
    except (SafetensorError, KeyError) as error:
        raise InputMalformedError(f"{path} holds no components of pictures: {error}", RUN_AGAIN) from error
    if scores.shape != (len(synthetic.table), len(explained)):
        raise InputMalformedError(
            f"{path} has scores of shape {scores.shape} for {len(synthetic.table)} images and"
            f" {len(explained)} components",
            RUN_AGAIN,
        )
    layers = source.json(names.PICTURES.with_extension(".json")).get("Layers", [])
    stimuli = tuple(str(stimulus) for stimulus in synthetic.table["stimulus"])
    return PictureComponents(stimuli, scores, explained, tuple(map(str, layers)))


def _synthetic(source: Source, voxels: Space, name: str | None) -> Synthetic:
    matrix, stimuli = (
        names.of_extra_set(output, name) for output in (names.SYNTHETIC, names.SYNTHETIC_STIMULI)
    )
    return _responses_to_images(source, voxels, matrix, stimuli)


def _unseen(source: Source, voxels: Space) -> Synthetic | None:
    if not names.UNSEEN_STIMULI.path(source.output_dir, source.place).is_file():
        return None
    return _responses_to_images(source, voxels, names.UNSEEN, names.UNSEEN_STIMULI)


def _responses_to_images(source: Source, voxels: Space, matrix: OutputFile, stimuli: OutputFile) -> Synthetic:
    values = _matrix(source, matrix, voxels)
    return Synthetic(values=values, table=_rows(source, stimuli, "image", len(values)), voxels=voxels)
