"""What a run would do, said without doing it."""

from __future__ import annotations

from ..config import RunConfig
from ..dataset.index import list_participants
from .group import chosen_participants
from .inputs import read_inputs
from .notes import censoring_notes
from .selection import require_repeats


def describe_plan(config: RunConfig) -> str:
    """Participants, inputs and outputs, one line each; reads the index, computes nothing."""
    if config.level == "group":
        labels = chosen_participants(config)
        who = f"{len(labels)} participants ({', '.join(labels)})"
        return f"Would decode {who} into {config.output_dir / 'group'}"
    lines = []
    for participant in list_participants(config.bids_dir, config.participant_labels):
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
    lines.append(f"Would write {config.output_dir}, with caches in {config.work_folder}")
    return "\n".join(lines)
