"""The participant level: the steps in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from ..config import UPPER_RUNGS, RunConfig
from ..derivatives import names
from ..derivatives import participant as written
from ..derivatives.occupied import sole_writer
from ..derivatives.whole import write_manifest
from ..derivatives.writer import Writer
from ..encoding import Encoder
from ..encoding.components import N_COMPONENTS
from ..encoding.split import HeldOut, choose_test_set
from ..errors import InputMalformedError
from ..features.backbones import Backbone, load_backbone
from ..features.cache import cached_features
from ..features.extraction import n_units
from ..responses import PRECOMPUTED, estimate_responses, standardise_precomputed
from ..structures import BoolArray, Estimation, Responses, StimulusSet, Synthetic
from .console import LOGGER, Stopwatch, heard_warnings
from .control import Control, untrained
from .fingerprint import pictures, recorded
from .finished import depends_on, is_kept
from .inputs import ParticipantInputs, read_inputs
from .leakage import audit, without_pictures
from .memory import array_budget, fit_bytes, memory_budget, require_memory
from .model import FittedModel, fit_model, of_set, selection_of, synthesise_set, with_noise
from .pages import write_participant_page
from .preflight import FEATURE_CACHE, check_bids, needs_of, require_disk
from .progress import told_images, told_phases
from .runtime import choose_device, generator
from .scores import evaluate
from .selection import measure, require_repeats
from .sources import image_sources
from .steps import Step, keep_responses, kept_responses, step_of
from .streaming import allocate, stays_in_memory
from .summary import Computed, summary
from .unseen import NOTHING_UNSEEN, UnseenPlan, plan_unseen, predict_unseen
from .writing import write_results

_SCRATCH = "responses"


def run_participant(config: RunConfig, participant: str) -> None:
    """From one participant's files to its derivatives and page.

    Raises
    ------
    OutputInUseError : another run is writing this participant's files
    SynthfmriError : what the readers, the estimators and the backbone refuse
    """
    with sole_writer(config.output_dir, participant):
        if not is_kept(config, participant):
            _run_participant(config, participant)


def _run_participant(config: RunConfig, participant: str) -> None:
    watch = Stopwatch(f"sub-{participant}")
    with heard_warnings() as warnings:
        computed = _compute(config, participant, watch)
        writer = Writer(
            config.output_dir, participant, computed.inputs.files.task, computed.inputs.files.space
        )
        with watch.step("writing derivatives"):
            write_results(config, writer, computed)
            write_manifest(writer, names.MANIFEST, computed.depends_on)
            facts = summary(config, computed, watch.elapsed)
            written.write_summary(writer, {**facts, "warnings": warnings})
            for images in computed.inputs.extra:
                _step_of_set(config, participant, images).forget()
    with watch.step("writing the page"):
        write_participant_page(config.output_dir, participant, writer.place.task, computed.inputs.stimuli)
    LOGGER.info("sub-%s: done, see %s", participant, writer.path(names.PAGE))


def _compute(config: RunConfig, participant: str, watch: Stopwatch) -> Computed:
    with watch.step("loading the network"):
        device = choose_device(config.device)
        backbone = load_backbone(
            config.backbone,
            config.weights,
            config.layers,
            config.random_seed,
            device,
            crop=config.crop,
            image_size=config.image_size,
        )
    with watch.step("reading the dataset"):
        units = n_units(backbone)
        inputs, held_out, n_leaked, made_of = _read(config, participant, units)
        require_disk(needs_of(config, inputs, backbone, units).disk)
    responses = _responses(config, inputs, device, watch)
    held_out = held_out.take(_kept(inputs, responses))
    with watch.step("measuring reliability"):
        measured = measure(config, participant, responses)
        if not measured.kept.all():
            responses = responses.take_voxels(measured.kept)
    # First, because hardly anything of it is kept: nothing of the trained model waits in memory meanwhile.
    control = _control(config, inputs, responses, held_out, backbone, watch)
    plan = plan_unseen(config, participant, responses.trials, held_out, inputs.extra)
    model = _fit(config, inputs, responses, held_out, backbone, watch, plan=plan)
    with watch.step("modelling the noise of single trials"):
        model = with_noise(model, responses, measured.of_kept)
    extra = []
    for images in inputs.extra:
        with watch.step(f"synthesising responses to {len(images)} images of {images.name}"):
            extra.append(_synthesised(config, inputs, model.encoder, images))
    with watch.step("accounting"):
        scores = evaluate(
            config,
            participant,
            responses,
            measured,
            held_out,
            model.synthetic,
            model.fit,
            control,
            model.test_variance,
        )
    with watch.step("auditing leakage"):
        weights, pictures = backbone.weights, inputs.stimuli
        leakage = audit(
            config, participant, pictures, inputs.extra, responses, held_out, model.synthetic, weights
        )
    return Computed(
        inputs=inputs,
        responses=responses,
        measured=measured,
        held_out=held_out,
        backbone=backbone,
        model=model,
        extra=tuple(extra),
        evaluation=scores,
        n_leaked=n_leaked,
        leakage=leakage,
        control=control,
        unseen=plan,
        depends_on=made_of,
    )


def _estimate(config: RunConfig, inputs: ParticipantInputs, device: torch.device) -> Responses:
    """Single-trial responses; the upper rungs read the runs several times, from scratch files."""
    several = config.responses in UPPER_RUNGS
    scratch = config.work_folder / _SCRATCH
    with inputs.runs(with_pool=several, scratch=scratch if several else None) as runs:
        return estimate_responses(
            runs,
            inputs.trials,
            inputs.voxels,
            config.responses,
            device=device,
            allocate=partial(allocate, scratch, array_budget(config)),
        )


def _kept_or_estimated(config: RunConfig, inputs: ParticipantInputs, device: torch.device) -> Responses:
    """Responses that a killed run estimated from the same files by the same means, or new ones."""
    depends_on = (recorded(inputs), config.responses, device.type, torch.get_num_threads())
    step = step_of(config, inputs.files.participant, "responses", *depends_on)
    found = kept_responses(step, inputs.trials, inputs.voxels)
    if found is not None:
        LOGGER.info("sub-%s: responses estimated before are used", inputs.files.participant)
        return found
    responses = _estimate(config, inputs, device)
    keep_responses(step, responses, inputs.voxels)
    return responses


def _step_of_set(config: RunConfig, participant: str, images: StimulusSet, *depends_on: object) -> Step:
    return step_of(config, participant, f"set-{images.name}", *depends_on)


def _synthesised(
    config: RunConfig, inputs: ParticipantInputs, encoder: Encoder, images: StimulusSet
) -> Synthetic:
    """Responses to an extra image set, those that a killed run made with the same encoder, or new ones."""
    known = (recorded(inputs), pictures(inputs.stimuli), pictures(images), config.content_hash())
    participant = inputs.files.participant
    place = (str(choose_device(config.device)), torch.get_num_threads())
    step = _step_of_set(config, participant, images, *known, *place)
    found = step.read()
    if found is not None:
        LOGGER.info("sub-%s: responses to %s made before are used", participant, images.name)
        return of_set(found[0], encoder, images)
    made = synthesise_set(encoder, images)
    step.keep(made.values, {}, {})
    return made


def _kept(inputs: ParticipantInputs, responses: Responses) -> BoolArray:
    """(n_trials,) the trials that have a response."""
    kept = np.ones(len(inputs.trials), dtype=bool)
    if inputs.precomputed is None and responses.estimation is not None:
        kept[responses.estimation.dropped_trials.index] = False
    return kept


def _responses(
    config: RunConfig, inputs: ParticipantInputs, device: torch.device, watch: Stopwatch
) -> Responses:
    """Precomputed responses, or those estimated from BOLD."""
    given = inputs.precomputed
    if given is None:
        with watch.step("estimating single-trial responses"):
            return _kept_or_estimated(config, inputs, device)
    with watch.step("reading precomputed responses"):
        estimation = Estimation(PRECOMPUTED, given.notes, given.missing)
        return standardise_precomputed(given.read(), inputs.trials, inputs.voxels, estimation)


def _fit(
    config: RunConfig,
    inputs: ParticipantInputs,
    responses: Responses,
    held_out: HeldOut,
    backbone: Backbone,
    watch: Stopwatch,
    kind: str = "",
    plan: UnseenPlan = NOTHING_UNSEEN,
) -> FittedModel:
    """Features and encoder, and what needs both; the features' mapping ends here."""
    with (
        watch.step(f"extracting {kind}features of {len(inputs.stimuli)} images"),
        told_images(f"{kind}features", len(inputs.stimuli)) as told,
    ):
        # In one order for all participants, so that those who saw the same images share the cache.
        features = cached_features(
            backbone,
            inputs.stimuli.sorted(),
            config.work_folder / FEATURE_CACHE,
            progress=told,
            max_bytes=config.cache_bytes,
        )
    with watch.step(f"fitting the {kind}encoder"), told_phases(f"{kind}encoder") as told_part:
        left_out, n_components = plan.left_out(features), 0 if kind else N_COMPONENTS
        model = fit_model(
            config,
            inputs.files,
            responses,
            held_out,
            features,
            backbone,
            left_out,
            n_components,
            told_part,
        )
    without = model.fit.without
    if without is None:
        return model
    with watch.step(
        f"synthesising responses to {len(plan.folds.classes)} categories by encoders without them"
    ):
        unseen = predict_unseen(plan, without, model.encoder, features, responses.trials.stimuli)
    return replace(model, fit=replace(model.fit, without=None), unseen=unseen)


def _control(
    config: RunConfig,
    inputs: ParticipantInputs,
    responses: Responses,
    held_out: HeldOut,
    backbone: Backbone,
    watch: Stopwatch,
) -> Control | None:
    """What the same network predicts with random weights; None unless it is asked for."""
    if not config.untrained_control:
        return None
    network, plain = untrained(config, backbone), replace(config, uncertainty=False)
    return Control.of(
        _fit(plain, inputs, responses, held_out, network, watch, "untrained "), network, backbone
    )


def _read(
    config: RunConfig, participant: str, units: Sequence[int]
) -> tuple[ParticipantInputs, HeldOut, int, str]:
    """Inputs, test set, how many extra pictures were test pictures, and what all depends on; or refused."""
    inputs = read_inputs(config, participant)
    made_of = depends_on(config, inputs)
    check_bids(config, participant, inputs)
    require_repeats(config, participant, inputs.trials)
    image_sources(inputs.trials, config.source_column)  # hours before the audit, a wrong column is refused
    held_out = choose_test_set(inputs.trials, config.test_fraction, generator(config, participant, "split"))
    inputs, n_leaked = _without_test_pictures(inputs, held_out)
    plan = plan_unseen(config, participant, inputs.trials, held_out, inputs.extra)
    _report_inputs(participant, inputs, held_out)
    available = memory_budget(config)
    n_training = int((~held_out.is_test).sum())
    needed = fit_bytes(
        n_training,
        len(inputs.voxels),
        units,
        selection_of(config),
        available,
        config.uncertainty,
        plan.n_encoders,
    )
    control = 4 * len(inputs.stimuli) * len(inputs.voxels)  # its responses wait while the encoder is fitted
    if config.untrained_control and stays_in_memory(control, available):
        needed += control
    require_memory(needed, available, f"sub-{participant}: fitting {len(inputs.voxels)} voxels")
    return inputs, held_out, n_leaked, made_of


def _without_test_pictures(inputs: ParticipantInputs, held_out: HeldOut) -> tuple[ParticipantInputs, int]:
    """The inputs, no extra picture being a test picture; and how many were."""
    tested = set(inputs.trials.table["stimulus"][held_out.is_test])
    pictures = inputs.stimuli.table["path"][inputs.stimuli.table["stimulus"].isin(tested)]
    kept = tuple(without_pictures(images, pictures) for images in inputs.extra)
    for before, after in zip(inputs.extra, kept, strict=True):
        if len(after) == 0:
            raise InputMalformedError(
                f"All {len(before)} images of --images {before.name} are test pictures",
                "Give pictures that the participant was not tested with",
            )
    return replace(inputs, extra=kept), sum(map(len, inputs.extra)) - sum(map(len, kept))


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
