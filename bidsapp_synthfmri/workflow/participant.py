"""The participant level: the steps in order."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..config import RunConfig
from ..derivatives import names
from ..derivatives import participant as written
from ..derivatives.dataset import bids_uri, dataset_links, write_dataset_files
from ..derivatives.reader import load_participant
from ..derivatives.writer import Writer
from ..encoding.split import HeldOut, choose_test_set
from ..encoding.storage import complete_card, encoder_bytes
from ..features.backbones import Backbone, load_backbone
from ..features.cache import cached_features
from ..reports import Page, participant_page
from ..responses import estimate_responses
from ..structures import FloatArray, Json, Responses, Synthetic
from .console import LOGGER, Stopwatch
from .inputs import ParticipantInputs, read_inputs
from .model import FittedModel, fit_model, synthesise_set
from .runtime import choose_device, generator, software
from .scores import Evaluation, evaluate

_FEATURE_CACHE = "features"


@dataclass(frozen=True)
class _Computed:
    """All results of a participant."""

    inputs: ParticipantInputs
    responses: Responses
    confounds: tuple[str, ...]
    held_out: HeldOut
    backbone: Backbone
    model: FittedModel
    extra: tuple[Synthetic, ...]
    evaluation: Evaluation


def run_participant(config: RunConfig, participant: str) -> None:
    """From one participant's files to its derivatives and page.

    Raises
    ------
    SynthfmriError : what the readers, the estimators and the backbone refuse
    """
    watch = Stopwatch(f"sub-{participant}")
    computed = _compute(config, participant, watch)
    writer = Writer(config.output_dir, participant, computed.inputs.files.task, computed.inputs.files.space)
    with watch.step("writing derivatives"):
        _write(config, writer, computed)
        written.write_summary(writer, _summary(config, computed, watch.elapsed))
    with watch.step("writing the page"):
        write_page(
            writer, participant_page(load_participant(config.output_dir, participant, writer.place.task))
        )
    LOGGER.info("sub-%s: done, see %s", participant, writer.path(names.PAGE))


def write_page(writer: Writer, page: Page) -> None:
    """Write a page and its figures; the participant's, or the group's where the writer has none."""
    group = writer.place.participant is None
    for figure in page.figures:
        writer.text(names.figure(figure.name, group), figure.svg)
    writer.text(names.GROUP_PAGE if group else names.PAGE, page.html)


def _compute(config: RunConfig, participant: str, watch: Stopwatch) -> _Computed:
    with watch.step("reading the dataset"):
        inputs = read_inputs(config, participant)
        held_out = choose_test_set(
            inputs.trials, config.test_fraction, generator(config, participant, "split")
        )
        _report_inputs(participant, inputs, held_out)
    with watch.step("loading the network"):
        device = choose_device(config.device)
        backbone = load_backbone(config.backbone, config.weights, config.layers, config.random_seed, device)
    with watch.step("estimating single-trial responses"):
        confounds: dict[str, None] = {}
        responses = estimate_responses(inputs.runs(confounds), inputs.trials, inputs.voxels, config.responses)
    with watch.step(f"extracting features of {len(inputs.stimuli)} images"):
        # In one order for all participants, so that those who saw the same images share the cache.
        features = cached_features(backbone, inputs.stimuli.sorted(), config.work_folder / _FEATURE_CACHE)
    with watch.step("fitting the encoder"):
        model = fit_model(config, participant, inputs.files.task, responses, held_out, features, backbone)
    extra = []
    for images in inputs.extra:
        with watch.step(f"synthesising responses to {len(images)} images of {images.name}"):
            extra.append(synthesise_set(model.encoder, images))
    with watch.step("accounting"):
        scores = evaluate(config, participant, responses, held_out, model.synthetic, model.fit)
    return _Computed(inputs, responses, tuple(confounds), held_out, backbone, model, tuple(extra), scores)


def _report_inputs(participant: str, inputs: ParticipantInputs, held_out: HeldOut) -> None:
    LOGGER.info(
        "sub-%s: %d trials of %d stimuli in %d runs, %d voxels; test set: %s",
        participant,
        len(inputs.trials),
        len(inputs.stimuli),
        len(inputs.files.runs),
        len(inputs.voxels),
        held_out.rule,
    )


def _write(config: RunConfig, writer: Writer, computed: _Computed) -> None:
    files, responses, model = computed.inputs.files, computed.responses, computed.model
    derivatives = dict(config.derivatives)
    write_dataset_files(config.output_dir, config, derivatives, _description_of(config.bids_dir))
    written.begin_participant(writer)
    links = dataset_links(config, derivatives)
    bold = [bids_uri(run.bold, links) for run in files.runs]
    masks = [bids_uri(roi.path, links) for roi in files.rois]
    written.write_responses(writer, responses, np.array(computed.held_out.labels), bold)
    written.write_roi_dseg(writer, responses.voxels, masks)
    _write_encoder(writer, model)
    written.write_synthetic(writer, model.synthetic, unit=responses.unit)
    for images, synthetic in zip(computed.inputs.extra, computed.extra, strict=True):
        written.write_synthetic(writer, synthetic, images.name, unit=responses.unit)
    _write_maps(writer, computed)
    written.write_scores(
        writer,
        encoding=computed.evaluation.encoding_table,
        accounting=computed.evaluation.accounting.scores,
        reliability=computed.evaluation.reliability_table,
    )


def _write_encoder(writer: Writer, model: FittedModel) -> None:
    data = encoder_bytes(model.encoder)
    # The card carries the data's hash: were a run stopped between the two, loading would refuse the pair.
    writer.bytes(names.ENCODER, data)
    writer.json(names.ENCODER_CARD, complete_card(model.encoder, data))


def _write_maps(writer: Writer, computed: _Computed) -> None:
    known, voxels = computed.evaluation.reliability, computed.responses.voxels
    undefined: FloatArray = np.full(len(voxels), np.nan, dtype=np.float32)
    written.write_maps(
        writer,
        voxels,
        ncsnr=undefined if known is None else known.ncsnr,
        r=undefined if known is None else known.r,
        encoder_r=computed.evaluation.accounting.voxels.synthetic_real,
        best_layer=computed.model.fit.best_layer,
        layers=computed.model.fit.layers,
    )


def _description_of(bids_dir: Path) -> Json:
    path = bids_dir / "dataset_description.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _summary(config: RunConfig, computed: _Computed, elapsed: dict[str, float]) -> Json:
    inputs, responses, model = computed.inputs, computed.responses, computed.model
    table = responses.trials.table
    counts = table["stimulus"].value_counts()
    is_test = model.synthetic.table["split"] == "test"
    return {
        "participant": inputs.files.participant,
        "task": inputs.files.task,
        "space": inputs.files.space,
        "sessions": [session for session in table["session"].unique() if session],
        "n_runs": len(inputs.files.runs),
        "n_trials": len(table),
        "n_stimuli": len(counts),
        "n_repeated_stimuli": int((counts > 1).sum()),
        "n_train_stimuli": int((~is_test).sum()),
        "n_test_stimuli": int(is_test.sum()),
        "test_rule": computed.held_out.rule,
        "n_voxels": len(responses.voxels),
        "dropped_voxels": responses.dropped_voxels,
        "rois": {roi.name: int(roi.voxels.sum()) for roi in responses.voxels.roi_sets()},
        "skipped_event_rows": inputs.skipped_rows,
        "responses": responses.estimator,
        "unit": responses.unit,
        "confounds": list(computed.confounds),
        "backbone": computed.backbone.name,
        "layers": list(model.fit.layers),
        "weights": computed.backbone.weights,
        "weights_sha256": computed.backbone.weights_sha256,
        "preprocessing": computed.backbone.preprocessing.sentence,
        "device": str(computed.backbone.device),
        "seed": config.random_seed,
        "folds": model.folds.description,
        "alphas_at_edge": model.fit.n_alphas_at_edge,
        "extra_sets": {images.name: len(images) for images in inputs.extra},
        "notes": _notes(computed),
        "elapsed": elapsed,
        "software": software(),
        "command": config.command,
    }


def _notes(computed: _Computed) -> list[str]:
    """Plain sentences that a reader of the page must see."""
    notes = []
    if computed.backbone.weights == "random":
        notes.append(
            "The network's weights are random (--weights random): its features are those of an untrained "
            "network, and scores say nothing about features learnt from ImageNet."
        )
    if computed.evaluation.reliability is None:
        notes.append(
            "No stimulus was presented twice: reliability, ceiling and the rows that need repeats are n/a."
        )
    if computed.responses.dropped_voxels:
        notes.append(
            f"{computed.responses.dropped_voxels} of {len(computed.inputs.voxels)} voxels of the masks were "
            "left out because they are constant, zero or not finite in at least one run."
        )
    if computed.inputs.skipped_rows:
        notes.append(f"{computed.inputs.skipped_rows} event rows name no picture and are not trials.")
    n_sessions = computed.responses.trials.table["session"].nunique()
    if n_sessions == 1:
        notes.append("There is one session: folds are not over sessions, so scores may share its noise.")
    if computed.model.fit.n_alphas_at_edge:
        notes.append(
            f"{computed.model.fit.n_alphas_at_edge} of {len(computed.responses.voxels)} voxels chose a ridge "
            "penalty at the edge of the grid, most of them because nothing predicts them."
        )
    return notes
