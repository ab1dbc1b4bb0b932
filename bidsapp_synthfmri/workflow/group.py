"""The group level: decoders from what the participant level wrote, and the group's page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ..config import RunConfig
from ..decoding import (
    Decoded,
    LabelledResponses,
    Labels,
    ParticipantData,
    decode,
    join,
    label_stimuli,
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
    given = None if config.labels is None else _read_labels(config.labels)
    decoded: list[Decoded] = []
    sources: list[Labels] = []
    notes: dict[str, None] = {}
    hashes: dict[str, str] = {}
    for participant in participants:
        with watch.step(f"decoding sub-{participant}"):
            results = load_participant(config.output_dir, participant, config.task_label)
            hashes[participant] = str(results.summary.get("configuration_hash"))
            data, labels = _participant_data(results, config, given)
            decoded.append(decode(data, generator(config, participant, "decoding")))
            sources.append(labels)
            notes.update(dict.fromkeys(_notes_on(results)))
    _require_one_configuration(hashes)
    with watch.step("statistics"):
        parts = [
            score(part, generator(config, part.participant, "scores"), N_BOOTSTRAP, N_PERMUTATIONS)
            for part in decoded
        ]
        parts.append(pool(decoded, generator(config, "pool"), N_BOOTSTRAP, N_PERMUTATIONS))
        scores = join(parts)
    with watch.step("writing"):
        write_dataset_files(config.output_dir, config)
        skipped = [*_unfinished(config), *scores.skipped]
        for sentence in skipped:
            LOGGER.warning("%s", sentence)
        summary = _summary(config, decoded, sources, list(notes), skipped)
        write_group(
            config.output_dir,
            scores.table,
            summary,
            contrasts=scores.contrasts,
            confusion=scores.confusion,
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


def _read_labels(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise InputMissingError(f"--labels {path} is not there", "Give a TSV with columns stimulus and label")
    try:
        return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputMalformedError(
            f"--labels {path} is not a table ({error})", "Give a TSV with columns stimulus and label"
        ) from error


def _participant_data(
    results: ParticipantResults, config: RunConfig, given: pd.DataFrame | None
) -> tuple[ParticipantData, Labels]:
    trials = results.responses.trials
    where, who = f"--labels {config.labels}", f"participant {results.participant}"
    labels = label_stimuli(trials.stimuli, trials.table, config.label_column, given, where, who)
    label_of = dict(zip(trials.stimuli, labels.names, strict=True))
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
    synthetic += [_extra_images(extra, given, where) for extra in results.extra]
    data = ParticipantData(
        participant=results.participant,
        real=sides["real"],
        synthetic=tuple(synthetic),
        test=sides["test"],
        rois=results.voxels.roi_sets(),
    )
    return data, labels


def _training_images(synthetic: Synthetic, label_of: dict[str, str | None]) -> LabelledResponses:
    rows = np.flatnonzero(synthetic.table["split"] == "train")
    stimuli = tuple(str(stimulus) for stimulus in synthetic.table["stimulus"].iloc[rows])
    return LabelledResponses(
        name="synthetic_same",
        values=synthetic.values[rows],
        labels=tuple(label_of[stimulus] for stimulus in stimuli),
        stimuli=stimuli,
    )


def _extra_images(synthetic: Synthetic, given: pd.DataFrame | None, where: str) -> LabelledResponses:
    """An extra set, labelled by its folders, else by the labels table, else by file name."""
    stimuli = tuple(str(stimulus) for stimulus in synthetic.table["stimulus"])
    set_name = str(synthetic.table["split"].iloc[0])
    if "label" in synthetic.table and synthetic.table["label"].notna().any():
        labels = label_stimuli(stimuli, synthetic.table, "label")
    else:
        of = f"image set {set_name}"
        labels = label_stimuli(stimuli, labels=given, where=where, of=of, fallback_to_names=True)
    LOGGER.debug("image set %s: %s", set_name, labels.source)
    # Their own names: a picture of another set may be called the same.
    own = tuple(f"{set_name}/{stimulus}" for stimulus in stimuli)
    return LabelledResponses(
        name=f"synthetic_{set_name}", values=synthetic.values, labels=labels.names, stimuli=own
    )


def _summary(
    config: RunConfig,
    decoded: Sequence[Decoded],
    sources: Sequence[Labels],
    notes: list[str],
    skipped: Sequence[str],
) -> Json:
    classes = sorted({name for part in decoded for name in part.classes})
    return {
        "participants": [part.participant for part in decoded],
        "label_source": sources[0].source,
        "n_unlabelled": {part.participant: s.n_unlabelled for part, s in zip(decoded, sources, strict=True)},
        "classes": classes,
        "n_permutations": N_PERMUTATIONS,
        "n_bootstrap": N_BOOTSTRAP,
        "seed": config.random_seed,
        "notes": notes,
        "skipped": list(skipped),
        "software": software(),
        "command": config.command,
    }
