"""The group level: decoders from what the participant level wrote, and the group's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..config import RunConfig
from ..decoding import (
    Decoded,
    LabelledResponses,
    LabelSet,
    ParticipantData,
    decode,
    join,
    pool,
    score,
)
from ..derivatives.dataset import write_dataset_files
from ..derivatives.group import write_group
from ..derivatives.names import PAGE
from ..derivatives.reader import load_group, load_participant, participants_written
from ..derivatives.results import ParticipantResults
from ..derivatives.writer import Writer
from ..errors import InputMalformedError, InputMissingError, NothingMatchedError
from ..reports import group_page
from ..structures import Json, Synthetic
from .console import LOGGER, Stopwatch
from .identification import ParticipantIdentification, identification_scores, identify_images
from .label_choice import label_facts, label_notes, label_source, labels_of, labels_of_images
from .participant import write_page
from .runtime import generator, software

N_BOOTSTRAP = 2000
N_PERMUTATIONS = 2000


def run_group(config: RunConfig) -> None:
    """Decode every participant in OUTPUT_DIR, pool them, write scores and page.

    Raises
    ------
    InputMissingError : the participant level has not run here, or the labels file is not there
    NothingMatchedError : a participant asked for is not among those written
    InputMalformedError : files or labels that do not fit
    """
    watch = Stopwatch("group")
    participants = chosen_participants(config)
    decoded: list[Decoded] = []
    labels: dict[str, LabelSet] = {}
    notes: dict[str, None] = {}
    hashes: dict[str, str] = {}
    identified: list[ParticipantIdentification] = []
    for participant in participants:
        with watch.step(f"decoding sub-{participant}"):
            results = load_participant(config.output_dir, participant, config.task_label)
            hashes[participant] = str(results.summary.get("configuration_hash"))
            labels[participant] = labels_of(results, None, config)
            data = _participant_data(results, config, labels[participant])
            decoded.append(decode(data, generator(config, participant, "decoding")))
            notes.update(dict.fromkeys(_notes_on(results)))
        with watch.step(f"identifying images of sub-{participant}"):
            identified.append(identify_images(results, config))
    _require_one_configuration(hashes)
    with watch.step("statistics"):
        parts = [
            score(part, generator(config, part.participant, "scores"), N_BOOTSTRAP, N_PERMUTATIONS)
            for part in decoded
        ]
        parts.append(pool(decoded, generator(config, "pool"), N_BOOTSTRAP, N_PERMUTATIONS))
        scores = join(parts)
        identification = identification_scores(identified, config)
    with watch.step("writing"):
        write_dataset_files(config.output_dir, config)
        skipped = [*_unfinished(config), *scores.skipped, *identification.sentences]
        for sentence in skipped:
            LOGGER.warning("%s", sentence)
        said = label_notes(labels) if config.label_set is not None else []
        summary = _summary(config, decoded, labels, [*notes, *said], skipped)
        write_group(
            config.output_dir,
            scores.table,
            summary,
            contrasts=scores.contrasts,
            confusion=scores.confusion,
            identification=identification.table,
        )
        writer = Writer(config.output_dir)
        write_page(writer, group_page(load_group(config.output_dir)))
    LOGGER.info("group: done, see %s", config.output_dir / "group.html")


def chosen_participants(config: RunConfig) -> tuple[str, ...]:
    """Those asked for, else all whose participant level is finished.

    Raises
    ------
    InputMissingError : none is
    NothingMatchedError : one asked for is not
    """
    written = participants_written(config.output_dir)
    if not written:
        raise InputMissingError(
            f"{config.output_dir} holds no participant's results",
            "Run the participant level into it before the group level",
        )
    missing = sorted(set(config.participant_labels) - set(written))
    if missing:
        raise NothingMatchedError(
            f"{config.output_dir} holds no results of {', '.join(f'sub-{label}' for label in missing)}",
            f"Run the participant level for them, or choose among {', '.join(written)}",
        )
    return config.participant_labels or written


def _notes_on(results: ParticipantResults) -> list[str]:
    """What the group's reader must know of a participant's data, the same words for all."""
    notes = [str(note) for note in results.summary["notes"] if "random" in note]
    minimum = results.summary.get("min_ncsnr")
    if minimum is not None:
        notes.append(
            f"In every participant, voxels with an ncsnr below {minimum:g} (--min-ncsnr) were left out. The"
            " repeats that they were chosen by are of test images: accuracies are conditional on the choice."
        )
    return notes


def _unfinished(config: RunConfig) -> list[str]:
    """A sentence on each participant that has a page but no finished results."""
    if config.participant_labels:
        return []
    pages = (path.stem for path in config.output_dir.glob(f"sub-*{PAGE.extension}"))
    labels = {page.removeprefix("sub-") for page in pages} - set(participants_written(config.output_dir))
    return [f"Participant {label} was left out: its participant level failed." for label in sorted(labels)]


def _require_one_configuration(hashes: dict[str, str]) -> None:
    if len(set(hashes.values())) > 1:
        made = ", ".join(f"sub-{label} {value[:8]}" for label, value in hashes.items())
        raise InputMalformedError(
            f"The participants were made with different options (configurations {made})",
            "Run the participant level for all with the same options, or choose with --participant-label",
        )


def _participant_data(results: ParticipantResults, config: RunConfig, labels: LabelSet) -> ParticipantData:
    trials = results.responses.trials
    label_of = dict(zip(trials.stimuli, labels.labels, strict=True))
    shown = tuple(str(stimulus) for stimulus in trials.table["stimulus"])
    is_test = results.splits == "test"
    sides = {
        name: LabelledResponses(
            name=name,
            values=results.responses.values[rows],
            labels=tuple(label_of[shown[row]] for row in rows),
            stimuli=tuple(shown[row] for row in rows),
        )
        for name, rows in (("real", np.flatnonzero(~is_test)), ("test", np.flatnonzero(is_test)))
    }
    synthetic = [_training_images(results.synthetic, label_of)]
    synthetic += [_extra_images(extra, labels_of_images(extra, labels, config)) for extra in results.extra]
    return ParticipantData(
        participant=results.participant,
        real=sides["real"],
        synthetic=tuple(synthetic),
        test=sides["test"],
        rois=results.voxels.roi_sets(),
    )


def _training_images(synthetic: Synthetic, label_of: dict[str, str | None]) -> LabelledResponses:
    rows = np.flatnonzero(synthetic.table["split"] == "train")
    stimuli = tuple(str(stimulus) for stimulus in synthetic.table["stimulus"].iloc[rows])
    return LabelledResponses(
        name="synthetic_same",
        values=synthetic.values[rows],
        labels=tuple(label_of[stimulus] for stimulus in stimuli),
        stimuli=stimuli,
    )


def _extra_images(synthetic: Synthetic, labels: LabelSet) -> LabelledResponses:
    set_name = str(synthetic.table["split"].iloc[0])
    LOGGER.debug("image set %s: %s", set_name, labels.origin)
    # Their own names: a picture of another set may be called the same.
    own = tuple(f"{set_name}/{stimulus}" for stimulus in synthetic.table["stimulus"])
    return LabelledResponses(
        name=f"synthetic_{set_name}", values=synthetic.values, labels=labels.labels, stimuli=own
    )


def _summary(
    config: RunConfig,
    decoded: Sequence[Decoded],
    labels: Mapping[str, LabelSet],
    notes: list[str],
    skipped: Sequence[str],
) -> Json:
    classes = sorted({name for part in decoded for name in part.classes})
    return {
        "participants": [part.participant for part in decoded],
        "label_source": label_source(next(iter(labels.values()))),
        "labels": {participant: label_facts(own) for participant, own in labels.items()},
        "classes": classes,
        "n_permutations": N_PERMUTATIONS,
        "n_bootstrap": N_BOOTSTRAP,
        "seed": config.random_seed,
        "notes": notes,
        "skipped": list(skipped),
        "software": software(),
        "command": config.command,
    }
