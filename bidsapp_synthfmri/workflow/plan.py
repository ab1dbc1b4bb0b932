"""What a run would do, said without doing it."""

from __future__ import annotations

import torch

from ..config import RunConfig
from ..dataset.index import list_participants
from ..encoding.split import choose_test_set
from ..features.backbones import Backbone, load_backbone
from ..features.extraction import n_units
from .group import chosen_participants
from .inputs import read_inputs
from .notes import censoring_notes
from .preflight import memory_needed, needs_of
from .progress import duration
from .runtime import allowed_cpus, generator
from .selection import require_repeats
from .unseen import plan_unseen

_GB = 1e9


def describe_plan(config: RunConfig) -> str:
    """Participants, inputs and outputs, and what they take: reads what is small, computes nothing."""
    if config.level == "group":
        labels = chosen_participants(config)
        who = f"{len(labels)} participants ({', '.join(labels)})"
        return f"Would decode {who} into {config.output_dir / 'group'}"
    lines: list[str] = []
    backbone = _backbone(config)
    units = n_units(backbone)
    seconds = 0.0
    for participant in list_participants(
        config.bids_dir, config.participant_labels, config.exclude_participant_labels
    ):
        inputs = read_inputs(config, participant)
        require_repeats(config, participant, inputs.trials)
        extra = "".join(f", {len(images)} images of {images.name}" for images in inputs.extra)
        responses = f", precomputed responses: {inputs.precomputed.source}" if inputs.precomputed else ""
        lines.append(
            f"sub-{participant}: task {inputs.files.task}, space {inputs.files.space}, "
            f"{len(inputs.files.runs)} runs, "
            f"{len(inputs.trials)} trials of {len(inputs.stimuli)} stimuli{extra}, "
            f"{len(inputs.voxels)} voxels in {len(inputs.voxels.roi_names)} ROIs{responses}"
        )
        lines += [f"sub-{participant}: {note}" for note in censoring_notes(inputs, config.fd_threshold)]
        needs = needs_of(config, inputs, backbone, units)
        held_out = choose_test_set(
            inputs.trials, config.test_fraction, generator(config, participant, "split")
        )
        unseen = plan_unseen(config, participant, inputs.trials, held_out, inputs.extra)
        memory = memory_needed(config, inputs, held_out, unseen, units)
        seconds += needs.seconds
        lines.append(
            f"sub-{participant}: about {memory / _GB:.1f} GB of memory, "
            + ", ".join(f"{n_bytes / _GB:.1f} GB in {folder}" for folder, n_bytes in needs.disk.items())
        )
    cpus = config.n_cpus or allowed_cpus()
    lines.append(f"About {duration(seconds / cpus)} on {cpus} CPUs, roughly; a GPU is faster")
    lines.append(f"Would write {config.output_dir}, with caches in {config.work_folder}")
    return "\n".join(lines)


def _backbone(config: RunConfig) -> Backbone:
    """The network's shape; its weights do not matter, and may not be there yet."""
    return load_backbone(
        config.backbone,
        "random",
        config.layers,
        config.random_seed,
        torch.device("cpu"),
        crop=config.crop,
        image_size=config.image_size,
    )
