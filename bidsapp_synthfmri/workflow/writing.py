"""What a participant's results are, file by file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..config import RunConfig
from ..derivatives import names
from ..derivatives import participant as written
from ..derivatives.dataset import RAW, bids_uri, dataset_links, generators_of, write_dataset_files
from ..derivatives.unseen import write_unseen
from ..derivatives.writer import Writer
from ..encoding.storage import complete_card, encoder_bytes
from ..errors import InputMalformedError
from ..structures import FloatArray, Json
from .console import LOGGER
from .model import FittedModel
from .runtime import dataset_description
from .selection import Measured
from .summary import Computed

_LINK = re.compile(r"[A-Za-z0-9._-]+")


def write_results(config: RunConfig, writer: Writer, computed: Computed) -> None:
    """Everything but the summary, which marks the participant as written."""
    responses, model = computed.responses, computed.model
    given = computed.inputs.precomputed
    recorded = [path for run in computed.inputs.recorded_runs for path in run.bold_files]
    data = given.files if given else recorded
    roots = _roots_read(config, [*data, *computed.inputs.masks])
    derivatives = {**_named(roots), **_responses_root(config), **dict(config.derivatives)}
    write_dataset_files(
        config.output_dir,
        config,
        derivatives,
        dataset_description(config.bids_dir),
        pipelines=_pipelines(roots),
    )
    written.begin_participant(writer)
    links = dataset_links(config, derivatives)
    sources = [bids_uri(path, links) for path in data]
    masks = [bids_uri(path, links) for path in computed.inputs.masks]
    written.write_responses(writer, responses, np.array(computed.held_out.labels), sources)
    written.write_roi_dseg(writer, responses.voxels, masks)
    _write_measured(writer, computed.measured, masks)
    _write_encoder(writer, model)
    written.write_synthetic(writer, model.synthetic, unit=responses.unit)
    if model.fit.pictures is not None:
        written.write_pictures(writer, model.fit.pictures, tuple(model.synthetic.table["stimulus"]))
    if computed.control is not None:
        control = computed.control
        written.write_untrained(writer, control.synthetic, unit=responses.unit, facts=control.facts)
    for images, synthetic in zip(computed.inputs.extra, computed.extra, strict=True):
        written.write_synthetic(writer, synthetic, images.name, unit=responses.unit)
    if model.unseen is not None:
        write_unseen(writer, model.unseen, unit=responses.unit, facts=computed.unseen.facts)
    _write_maps(writer, computed)
    found = computed.leakage
    written.write_leakage(writer, pairs=found.pairs, stimuli=found.stimuli, scores=found.scores)
    written.write_scores(
        writer,
        encoding=computed.evaluation.encoding_table,
        accounting=computed.evaluation.accounting.scores,
        reliability=computed.evaluation.reliability_table,
        uncertainty=computed.evaluation.uncertainty_table,
    )


def _roots_read(config: RunConfig, read: Sequence[Path]) -> list[Path]:
    """Folders of the derivatives that some of the files lie in."""
    folder = config.bids_dir / "derivatives"
    given = [path for _, path in config.derivatives]
    roots = given or (sorted(folder.iterdir()) if folder.is_dir() else [])
    return [root for root in roots if any(path.is_relative_to(root.absolute()) for path in read)]


def _named(roots: Sequence[Path]) -> dict[str, Path]:
    """Roots by their folders' names, where a BIDS URI holds them; others lie below BIDS_DIR."""
    return {root.name: root for root in roots if _LINK.fullmatch(root.name) and root.name != RAW}


def _pipelines(roots: Sequence[Path]) -> list[Json]:
    """What made the derivatives; where one's description cannot be read, that is said and it is left out."""
    found: list[Json] = []
    for root in roots:
        try:
            found += generators_of(root)
        except InputMalformedError as error:
            LOGGER.warning("%s; what made these data is not recorded", error.problem)
    return found


def _responses_root(config: RunConfig) -> dict[str, Path]:
    """The folder of precomputed responses, by the name that BIDS URIs use for it."""
    path = config.precomputed
    if path is None:
        return {}
    return {"responses": path if path.is_dir() else path.absolute().parent}


def _write_encoder(writer: Writer, model: FittedModel) -> None:
    data = encoder_bytes(model.encoder)
    # The card carries the data's hash: were a run stopped between the two, loading would refuse the pair.
    writer.bytes(names.ENCODER, data)
    writer.json(names.ENCODER_CARD, complete_card(model.encoder, data))


def _write_measured(writer: Writer, measured: Measured, masks: Sequence[str]) -> None:
    known, halves = measured.reliability, measured.split_half
    undefined: FloatArray = np.full(len(measured.voxels), np.nan, dtype=np.float32)
    rois = names.ROIS if measured.kept.all() else names.MEASURED_ROIS
    if rois is names.MEASURED_ROIS:
        written.write_roi_dseg(writer, measured.voxels, masks, rois)
    written.write_reliability_maps(
        writer,
        measured.voxels,
        ncsnr=undefined if known is None else known.ncsnr,
        r=undefined if known is None else known.r,
        noise_ceiling=undefined if known is None else known.noise_ceiling,
        split_half=undefined if halves is None else halves,
        rois=rois,
    )
    if measured.estimation is not None:
        written.write_estimation_maps(writer, measured.voxels, measured.estimation, rois)


def _write_maps(writer: Writer, computed: Computed) -> None:
    written.write_maps(
        writer,
        computed.responses.voxels,
        encoder_r=computed.evaluation.accounting.voxels.synthetic_real,
        best_layer=computed.model.fit.best_layer,
        layers=computed.model.fit.layers,
    )
