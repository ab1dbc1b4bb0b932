"""What a run would do, said without doing it."""

from __future__ import annotations

from ..config import RunConfig
from ..dataset.index import list_participants
from .group import chosen_participants
from .inputs import read_inputs


def describe_plan(config: RunConfig) -> str:
    """Participants, inputs and outputs, one line each; reads the index, computes nothing."""
    if config.level == "group":
        labels = chosen_participants(config)
        who = f"{len(labels)} participants ({', '.join(labels)})"
        return f"Would decode {who} into {config.output_dir / 'group'}"
    lines = []
    for participant in list_participants(config.bids_dir, config.participant_labels):
        inputs = read_inputs(config, participant)
        extra = "".join(f", {len(images)} images of {images.name}" for images in inputs.extra)
        responses = f", precomputed responses: {inputs.precomputed.source}" if inputs.precomputed else ""
        lines.append(
            f"sub-{participant}: task {inputs.files.task}, space {inputs.files.space}, "
            f"{len(inputs.files.runs)} runs, "
            f"{len(inputs.trials)} trials of {len(inputs.stimuli)} stimuli{extra}, "
            f"{len(inputs.voxels)} voxels in {len(inputs.voxels.roi_names)} ROIs{responses}"
        )
    lines.append(f"Would write {config.output_dir}, with caches in {config.work_folder}")
    return "\n".join(lines)
