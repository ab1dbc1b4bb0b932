"""The facts of a participant's run, and the sentences that a reader must see."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from ..config import RunConfig
from ..derivatives.dataset import container_of
from ..encoding.split import HeldOut
from ..features.backbones import Backbone
from ..structures import Json, Responses, Synthetic
from .chosen import estimation_facts
from .control import Control
from .inputs import ParticipantInputs
from .leakage import Leakage, leakage_notes
from .model import FittedModel, selection_of
from .notes import censoring_notes, grid_edge_notes, selection_notes
from .runtime import software
from .scores import Evaluation
from .selection import Measured
from .unseen import NOTHING_UNSEEN, UnseenPlan


@dataclass(frozen=True)
class Computed:
    """All results of a participant; ``n_leaked`` extra images were test pictures and left out.

    ``depends_on`` is the fingerprint of all that was read, and the options.
    """

    inputs: ParticipantInputs
    responses: Responses
    measured: Measured
    held_out: HeldOut
    backbone: Backbone
    model: FittedModel
    extra: tuple[Synthetic, ...]
    evaluation: Evaluation
    n_leaked: int
    leakage: Leakage
    control: Control | None = None
    unseen: UnseenPlan = NOTHING_UNSEEN
    depends_on: str = ""


def summary(config: RunConfig, computed: Computed, elapsed: dict[str, float]) -> Json:
    """The facts that the page and the group level read; ``elapsed`` is seconds by step."""
    inputs, responses, model = computed.inputs, computed.responses, computed.model
    table = responses.trials.table
    counts = table["stimulus"].value_counts()
    is_test = model.synthetic.table["split"] == "test"
    return {
        "participant": inputs.files.participant,
        "task": inputs.files.task,
        "space": inputs.files.space,
        "sessions": [session for session in table["session"].unique() if session],
        "n_runs": len(np.unique(responses.trials.run_index)),
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
        **_precomputed(computed),
        **estimation_facts(computed.measured.estimation, responses.estimator),
        "unit": responses.unit,
        "confounds": list(inputs.confounds),
        **_left_out(config, computed),
        "backbone": computed.backbone.name,
        "layers": list(model.fit.layers),
        "weights": computed.backbone.weights,
        "weights_sha256": computed.backbone.weights_sha256,
        "preprocessing": computed.backbone.preprocessing.sentence,
        "device": str(computed.backbone.device),
        **({"untrained_control": computed.control.facts} if computed.control else {}),
        **({"unseen_categories": computed.unseen.facts} if config.unseen_categories else {}),
        "seed": config.random_seed,
        "configuration_hash": config.content_hash(),
        "folds": model.folds.description,
        "layer_selection": selection_of(config),
        "layers_chosen": model.fit.selection,
        "alphas_at_edge": model.fit.n_alphas_at_edge,
        "grid_edges": [asdict(edge) for edge in model.fit.grid_edges],
        "extra_sets": {images.name: len(images) for images in inputs.extra},
        "leakage": computed.leakage.facts,
        "notes": _notes(config, computed),
        "elapsed": elapsed,
        "software": software(),
        "container": container_of(),
        "command": config.command,
    }


def _precomputed(computed: Computed) -> Json:
    """Where responses come from that were not estimated here."""
    given = computed.inputs.precomputed
    if given is None:
        return {}
    return {"precomputed": given.source, "n_missing_trials": len(given.missing)}


def _left_out(config: RunConfig, computed: Computed) -> Json:
    """Thresholds given, and the volumes and voxels that they left out."""
    facts: Json = {}
    if config.fd_threshold is not None:
        tables = computed.inputs.nuisance.values()
        facts |= {
            "fd_threshold": config.fd_threshold,
            "n_volumes": sum(len(table.values) for table in tables),
            "n_censored": sum(table.n_censored for table in tables),
            "most_censored_in_a_run": max(table.n_censored for table in tables),
        }
    if config.min_ncsnr is not None:
        facts |= {
            "min_ncsnr": config.min_ncsnr,
            "n_voxels_measured": len(computed.measured.voxels),
            "below_min_ncsnr": {name: n for name, (n, _) in computed.measured.left_out.items()},
        }
    return facts


def _notes(config: RunConfig, computed: Computed) -> list[str]:
    """Plain sentences that a reader of the page must see."""
    notes = list(computed.responses.estimation.notes) if computed.responses.estimation else []
    if computed.backbone.weights == "random":
        notes.append(
            "The network's weights are random (--weights random): its features are those of an untrained "
            "network, and scores say nothing about features learnt from ImageNet."
        )
    notes += computed.control.notes if computed.control else []
    if computed.measured.reliability is None:
        notes.append(
            "No stimulus was presented twice: reliability, ceiling and the rows that need repeats are n/a."
        )
    if computed.responses.dropped_voxels:
        notes.append(
            f"{computed.responses.dropped_voxels} of {len(computed.inputs.voxels)} voxels of the masks were "
            "left out because they are constant, zero or not finite in at least one "
            f"{'session' if computed.inputs.precomputed else 'run'}."
        )
    notes += censoring_notes(computed.inputs, config.fd_threshold)
    notes += selection_notes(computed.measured, config.min_ncsnr)
    notes += leakage_notes(computed.leakage)
    if computed.inputs.skipped_rows:
        notes.append(f"{computed.inputs.skipped_rows} event rows name no picture and are not trials.")
    if without := computed.inputs.runs_without_trials:
        notes.append(f"{len(without)} runs show no picture and were left out: {', '.join(without)}.")
    if computed.n_leaked:
        notes.append(
            f"{computed.n_leaked} extra images are the same files as test pictures and were "
            "left out of their sets."
        )
    n_sessions = computed.responses.trials.table["session"].nunique()
    if n_sessions == 1:
        notes.append("There is one session: folds are not over sessions, so scores may share its noise.")
    notes += computed.unseen.notes
    return notes + grid_edge_notes(computed.model.fit.grid_edges, computed.model.fit.alphas)
