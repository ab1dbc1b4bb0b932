"""What the participant level writes, one function a result.

The summary goes last: a participant counts as written when it is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors.numpy import save

from ..encoding.components import PictureComponents
from ..errors import SynthfmriError
from ..structures import Estimation, FloatArray, IntArray, Json, Responses, Space, Synthetic
from . import columns, images, names
from .found import extra_sets
from .names import OutputFile
from .writer import Writer

NO_HUMAN = "No human was scanned for these data."
_UNITS = {"percent": "percent", "z": "arbitrary"}
_SCALES = {"percent": "percent signal change", "z": "z score within session"}


def begin_participant(writer: Writer) -> None:
    """Withdraw what must not be read beside new results.

    That is an earlier run's summary and manifest, so that a participant whose files are half old and half new
    does not count as written; its page; and what the new run may not have: extra image sets, voxels and
    trials left out, what an estimator chose, the untrained control, responses to unseen categories.
    """
    for output in (names.SUMMARY, names.MANIFEST, names.PAGE):
        writer.withdraw(output)
    for kind in (names.MEASURED_ROIS, names.TIME_TO_PEAK, names.RIDGE_FRACTION, names.DROPPED_TRIALS):
        for output in names.with_companions(kind):
            writer.withdraw(output)
    for output in (names.UNTRAINED, names.PICTURES, names.UNSEEN, names.UNSEEN_STIMULI):
        writer.withdraw(output)
    for figure in (
        names.ESTIMATION_FIGURE,
        names.CONTROL_FIGURE,
        names.CONTROL_LAYERS_FIGURE,
        names.UNCERTAINTY_FIGURE,
    ):
        writer.withdraw(names.figure(figure))
    for name in extra_sets(writer.output_dir, writer.place):
        for output in (
            names.SYNTHETIC,
            names.SYNTHETIC_STIMULI,
            names.SYNTHETIC_SD,
            names.SYNTHETIC_MANIFEST,
        ):
            writer.withdraw(names.of_extra_set(output, name))


def write_responses(
    writer: Writer, responses: Responses, splits: NDArray[np.str_], sources: Sequence[str] = ()
) -> None:
    """Write single-trial responses and the table of their trials.

    Parameters
    ----------
    writer : the participant's
    responses : what was estimated
    splits : (n_trials,) ``train`` or ``test``
    sources : BIDS URIs of the files that were read
    """
    trials = responses.trials.table
    leading = pd.DataFrame({"trial": np.arange(1, len(trials) + 1)}, index=trials.index)
    own = trials[[name for name in columns.TRIAL_ORDER if name in trials]]
    split = pd.Series(np.asarray(splits, dtype=object), index=trials.index, name="split")
    other = trials.drop(columns=list(own.columns)).rename(
        columns={n: f"events_{n}" for n in ("trial", "split")}
    )
    table = pd.concat([leading, own, split, other], axis=1)
    sidecar = {
        **unit_keys(responses.unit),
        "Estimator": responses.estimator,
        **_estimation_keys(responses.estimation),
        "DroppedVoxels": responses.dropped_voxels,
        "Rows": writer.uri(names.TRIALS),
        **_sources(sources),
    }
    writer.matrix(names.RESPONSES, responses.values, _trial_names(trials), responses.voxels, sidecar)
    writer.table(names.TRIALS, table, columns.TRIAL_COLUMNS)
    if responses.estimation is not None and len(responses.estimation.dropped_trials):
        dropped = responses.estimation.dropped_trials[list(columns.DROPPED_COLUMNS.known)]
        writer.table(names.DROPPED_TRIALS, dropped.reset_index(drop=True), columns.DROPPED_COLUMNS)


def write_synthetic(
    writer: Writer,
    synthetic: Synthetic,
    extra_name: str | None = None,
    *,
    unit: str,
    sources: Sequence[str] = (),
    encoder_uri: str | None = None,
    encoder_sha256: str | None = None,
    shard: int | None = None,
    facts: Json | None = None,
) -> tuple[Path, ...]:
    """Write synthetic responses and the table of their images; gives the paths, the sidecars' too.

    Parameters
    ----------
    writer : the participant's
    synthetic : responses to the dataset's own stimuli, or to an extra image set
    extra_name : that set's name; None for the dataset's own
    unit : of the responses that the encoder was fitted on
    sources : BIDS URIs of files that were read, beside the encoder
    encoder_uri : of the encoder's file; None means the one written here
    encoder_sha256 : of that file's bytes
    shard : number of the part of the set that these are, from 1; None where they are all of it
    facts : more keys of the sidecar
    """
    encoder = writer.uri(names.ENCODER) if encoder_uri is None else encoder_uri
    matrix, stimuli = (
        names.of_shard(names.of_extra_set(output, extra_name), shard)
        for output in (names.SYNTHETIC, names.SYNTHETIC_STIMULI)
    )
    table = synthetic.table.reset_index(drop=True)
    own = table[[name for name in columns.STIMULUS_ORDER if name in table]]
    other = table.drop(columns=list(own.columns)).rename(columns={"image": "stimuli_image"})
    numbered = pd.concat(
        [pd.DataFrame({"image": np.arange(1, len(table) + 1)}, index=table.index), own, other], axis=1
    )
    sidecar = {
        "Description": f"{matrix.description}. {NO_HUMAN} An encoding model predicted them from the images.",
        **unit_keys(unit),
        "Synthetic": True,
        "Encoder": encoder,
        **({} if encoder_sha256 is None else {"EncoderSHA256": encoder_sha256}),
        "Rows": writer.uri(stimuli),
        **(facts or {}),
        **_sources([encoder, *sources]),
    }
    rows = [str(stimulus) for stimulus in table["stimulus"]]
    writer.matrix(matrix, synthetic.values, rows, synthetic.voxels, sidecar)
    writer.table(stimuli, numbered, columns.STIMULUS_COLUMNS)
    outputs = (matrix, stimuli)
    return tuple(writer.path(part) for output in outputs for part in (output, output.with_extension(".json")))


def write_untrained(writer: Writer, synthetic: Synthetic, *, unit: str, facts: Json) -> None:
    """Write the untrained network's synthetic responses, rows as in the table of the trained one's.

    Parameters
    ----------
    writer : the participant's
    synthetic : responses to the dataset's own stimuli
    unit : of the responses that the encoder was fitted on
    facts : which network it was
    """
    sidecar = {
        "Description": f"{names.UNTRAINED.description}. {NO_HUMAN}",
        **unit_keys(unit),
        "Synthetic": True,
        "UntrainedNetwork": facts,
        "Rows": writer.uri(names.SYNTHETIC_STIMULI),
        **_sources([writer.uri(names.RESPONSES)]),
    }
    rows = [str(stimulus) for stimulus in synthetic.table["stimulus"]]
    writer.matrix(names.UNTRAINED, synthetic.values, rows, synthetic.voxels, sidecar)


def write_pictures(writer: Writer, pictures: PictureComponents, stimuli: Sequence[str]) -> None:
    """Write the pictures' components, rows as in the table of the synthetic responses.

    Parameters
    ----------
    writer : the participant's
    pictures : of these stimuli, and maybe others, which are not written
    stimuli : in order of the table's rows
    """
    arrays = {"scores": pictures.scores[pictures.rows_of(stimuli)], "explained": pictures.explained}
    writer.bytes(names.PICTURES, save(arrays))
    sidecar = {
        "Description": f"{names.PICTURES.description}. They are the training pictures' components, each"
        " layer counting the same; 'scores' has a row a picture, 'explained' each component's share of the"
        " training pictures' variance.",
        "Layers": list(pictures.layers),
        "ExplainedVariance": round(float(pictures.explained.sum(dtype=np.float64)), 6),
        "Rows": writer.uri(names.SYNTHETIC_STIMULI),
    }
    writer.json(names.PICTURES.with_extension(".json"), sidecar)


def write_uncertainty(
    writer: Writer,
    sd: FloatArray,
    table: pd.DataFrame,
    voxels: Space,
    extra_name: str,
    *,
    unit: str,
    shard: int | None = None,
    facts: Json | None = None,
) -> tuple[Path, ...]:
    """Write the encoder's own uncertainty of its predictions; gives the paths.

    Parameters
    ----------
    writer : the participant's
    sd : (n_images, n_voxels) posterior standard deviation
    table : the images, with ``stimulus``
    voxels, extra_name, unit, shard, facts : as in ``write_synthetic``
    """
    output, stimuli = (
        names.of_shard(names.of_extra_set(part, extra_name), shard)
        for part in (names.SYNTHETIC_SD, names.SYNTHETIC_STIMULI)
    )
    sidecar = {
        "Description": f"{output.description}. {NO_HUMAN}",
        **unit_keys(unit),
        "Synthetic": True,
        "Rows": writer.uri(stimuli),
        "RowsOf": "the images, each once: the rows with repeat 1 where there are several",
        **(facts or {}),
    }
    writer.matrix(output, sd, [str(stimulus) for stimulus in table["stimulus"]], voxels, sidecar)
    return writer.path(output), writer.path(output.with_extension(".json"))


def write_roi_dseg(
    writer: Writer, voxels: Space, sources: Sequence[str] = (), output: OutputFile = names.ROIS
) -> None:
    """Write which voxel lies in which ROIs, overlaps and voxels without any kept."""
    index, combinations = images.roi_combinations(voxels)
    sidecar = {"Rois": list(voxels.roi_names), **_sources(sources)}
    writer.dseg(output, index, combinations, voxels, sidecar)


def write_reliability_maps(
    writer: Writer,
    voxels: Space,
    *,
    ncsnr: FloatArray,
    r: FloatArray,
    noise_ceiling: FloatArray,
    split_half: FloatArray,
    rois: OutputFile = names.ROIS,
) -> None:
    """Write one image each of how far repeats agree in every voxel measured.

    Parameters
    ----------
    writer : the participant's
    voxels : where the values lie: all that were measured, those left out for their ncsnr too
    ncsnr, r, noise_ceiling, split_half : (n_voxels,)
    rois : the file that holds ``voxels``
    """
    sidecar = {
        "Units": "arbitrary",
        "Voxels": writer.uri(rois),
        **_sources([writer.uri(names.RESPONSES)]),
    }
    for output, values in (
        (names.NCSNR, ncsnr),
        (names.RELIABILITY, r),
        (names.NOISE_CEILING, noise_ceiling),
        (names.SPLIT_HALF, split_half),
    ):
        writer.volume(output, np.asarray(values, dtype=np.float32), voxels, sidecar)


def write_estimation_maps(
    writer: Writer, voxels: Space, estimation: Estimation, rois: OutputFile = names.ROIS
) -> None:
    """Write one image each of what the estimator chose in every voxel, where it chose.

    Parameters
    ----------
    writer : the participant's
    voxels : where the choices lie: all that have responses, those left out for their ncsnr too
    estimation : the choices, of ``voxels``
    rois : the file that holds ``voxels``
    """
    sidecar = {"Voxels": writer.uri(rois), **_sources([writer.uri(names.RESPONSES)])}
    if estimation.hrf_index is not None:
        peaks = np.asarray(estimation.hrf_peaks, dtype=np.float32)
        known = {"Units": "s", "LibraryTimesToPeak": list(estimation.hrf_peaks)}
        writer.volume(names.TIME_TO_PEAK, peaks[estimation.hrf_index], voxels, known | sidecar)
    if estimation.fraction is not None:
        writer.volume(names.RIDGE_FRACTION, estimation.fraction, voxels, {"Units": "arbitrary"} | sidecar)


def write_maps(
    writer: Writer,
    voxels: Space,
    *,
    encoder_r: FloatArray,
    best_layer: IntArray,
    layers: Sequence[str],
) -> None:
    """Write one image each of what the encoder does in every voxel.

    Parameters
    ----------
    writer : the participant's
    voxels : where the values lie
    encoder_r : (n_voxels,) correlation of predictions with real responses to test stimuli
    best_layer : (n_voxels,) position in ``layers``
    layers : names in torchvision
    """
    both = _sources([writer.uri(names.RESPONSES), writer.uri(names.ENCODER)])
    values = np.asarray(encoder_r, dtype=np.float32)
    writer.volume(names.ENCODER_R, values, voxels, {"Units": "arbitrary", **both})
    writer.dseg(names.BEST_LAYER, np.asarray(best_layer) + 1, layers, voxels, both)


def write_scores(
    writer: Writer,
    *,
    encoding: pd.DataFrame | None = None,
    accounting: pd.DataFrame | None = None,
    reliability: pd.DataFrame | None = None,
    uncertainty: pd.DataFrame | None = None,
) -> None:
    """Write the long-form tables of scores that are given."""
    tables: tuple[tuple[OutputFile, pd.DataFrame | None, columns.Columns], ...] = (
        (names.ENCODING_SCORES, encoding, columns.ENCODING_COLUMNS),
        (names.ACCOUNTING_SCORES, accounting, columns.ACCOUNTING_COLUMNS),
        (names.RELIABILITY_SCORES, reliability, columns.RELIABILITY_COLUMNS),
        (names.UNCERTAINTY_SCORES, uncertainty, columns.UNCERTAINTY_COLUMNS),
    )
    for output, table, known in tables:
        if table is not None:
            writer.table(output, table, known)


def write_leakage(
    writer: Writer, *, pairs: pd.DataFrame, stimuli: pd.DataFrame, scores: pd.DataFrame
) -> None:
    """Write the audit of the split: pictures that show the same, the stimuli, scores of subsets of them."""
    writer.table(names.LEAKAGE_PAIRS, pairs, columns.PAIR_COLUMNS)
    writer.table(names.LEAKAGE_STIMULI, stimuli, columns.LEAKAGE_STIMULUS_COLUMNS)
    writer.table(names.LEAKAGE_SCORES, scores, columns.LEAKAGE_SCORE_COLUMNS)


def write_summary(writer: Writer, summary: Json) -> None:
    """Write the facts of the run, after everything else: it marks the participant as written.

    Raises
    ------
    SynthfmriError : ``summary`` names another participant, task or space than the writer
    """
    place = {key: getattr(writer.place, key) for key in ("participant", "task", "space")}
    for key, value in place.items():
        if summary.get(key, value) != value:
            raise SynthfmriError(f"The summary's {key} is {summary[key]}, not {value}", "Report this defect")
    writer.json(names.SUMMARY, {**place, **summary})


def unit_keys(unit: str) -> Json:
    """What a sidecar says of the unit of responses.

    Raises
    ------
    SynthfmriError : a unit that no estimator has
    """
    if unit not in _UNITS:
        raise SynthfmriError(f"Responses are in an unknown unit {unit!r}", "Report this defect")
    return {"Units": _UNITS[unit], "Scale": _SCALES[unit], "ResponseUnit": unit}


def _estimation_keys(estimation: Estimation | None) -> Json:
    """What the estimator was told, chose and left out; keys of what it did not do are left out."""
    if estimation is None:
        return {}
    known = (
        ("EstimatorAsked", estimation.asked, True),
        ("NoiseComponents", estimation.n_components, estimation.n_components is not None),
        ("TuningStimuli", estimation.n_tuning_stimuli, estimation.n_tuning_stimuli > 0),
        ("TuningTrials", estimation.n_tuning_trials, estimation.n_tuning_stimuli > 0),
        ("Optimism", estimation.optimism, estimation.optimism is not None),
        ("DroppedTrials", len(estimation.dropped_trials), True),
        ("CensoredVolumes", estimation.n_censored, estimation.n_volumes > 0),
    )
    return {key: value for key, value, said in known if said}


def _sources(uris: Sequence[str]) -> Json:
    return {"Sources": list(uris)} if uris else {}


def _trial_names(trials: pd.DataFrame) -> list[str]:
    rows = zip(trials["session"], trials["run"], trials["stimulus"], strict=True)
    return [
        " ".join(part for part in (session and f"ses-{session}", run and f"run-{run}", str(stimulus)) if part)
        for session, run, stimulus in rows
    ]
