"""What earlier runs finished in OUTPUT_DIR: kept, done again, or a reason to refuse."""

from __future__ import annotations

from collections.abc import Sequence

import click

from .. import __version__
from ..config import RunConfig
from ..derivatives.found import tasks_with
from ..derivatives.names import MANIFEST, PAGE, SUMMARY
from ..derivatives.occupied import sole_writer
from ..derivatives.reader import (
    load_group,
    participants_written,
    written_summary,
)
from ..derivatives.whole import is_whole
from ..derivatives.writer import Writer
from ..errors import InputMissingError, UsageError
from ..reports.methods_text import group_methods, participant_methods
from ..structures import Json
from .console import LOGGER
from .fingerprint import fingerprint, of_inputs
from .inputs import ParticipantInputs, read_inputs
from .pages import write_group_page, write_participant_page

NEVER, CHANGED, ALWAYS = "never", "changed", "always"


def still_to_do(config: RunConfig, participants: Sequence[str]) -> tuple[str, ...]:
    """The participants whose results are not there, or may have to be made again.

    Raises
    ------
    UsageError : others are finished here that were made with other options
    """
    written = {
        participant: written_summary(config.output_dir, participant, tasks[0])
        for participant in participants_written(config.output_dir)
        if len(tasks := _tasks(config, participant)) == 1
    }
    own = config.content_hash()
    strangers = {
        label: str(facts.get("configuration_hash"))
        for label, facts in written.items()
        if label not in participants and facts.get("configuration_hash") != own
    }
    if strangers:
        label, made = next(iter(strangers.items()))
        raise UsageError(
            f"OUTPUT_DIR {config.output_dir} holds {len(strangers)} participants, such as sub-{label}, made"
            f" with other options (configuration {made[:8]}; this run's is {own[:8]})",
            "Give an OUTPUT_DIR of its own, or run all participants with the same options",
        )
    kept = [
        participant for participant in participants if participant in written and config.overwrite == NEVER
    ]
    for participant in kept:
        _say_kept(config, participant)
    return tuple(participant for participant in participants if participant not in kept)


def _tasks(config: RunConfig, participant: str) -> tuple[str, ...]:
    """The tasks of a participant's finished results that this run can be about."""
    there = tasks_with(config.output_dir, participant, SUMMARY)
    return tuple(task for task in there if config.task_label in (None, task))


def _say_kept(config: RunConfig, participant: str) -> None:
    LOGGER.info("sub-%s: finished before, kept (--overwrite %s)", participant, config.overwrite)


def is_kept(config: RunConfig, participant: str) -> bool:
    """Whether a participant's results stand as they were made, by this version from these files and options.

    The page is made again where it alone is missing.

    Raises
    ------
    SynthfmriError : what the readers refuse
    """
    if config.overwrite != CHANGED or len(tasks := _tasks(config, participant)) != 1:
        return False
    facts = written_summary(config.output_dir, participant, tasks[0])
    if not _is_same(facts, config.content_hash()):
        return False
    inputs = read_inputs(config, participant)
    writer = Writer(config.output_dir, participant, facts["task"], facts["space"])
    if not is_whole(writer, MANIFEST, depends_on(config, inputs)):
        return False
    _say_kept(config, participant)
    if not writer.path(PAGE).is_file():
        write_participant_page(config.output_dir, participant, facts["task"], inputs.stimuli)
    return True


def depends_on(config: RunConfig, inputs: ParticipantInputs) -> str:
    """Fingerprint of all that a participant's results are made of."""
    return fingerprint(config.content_hash(), of_inputs(inputs))


def _is_same(facts: Json, configuration: str) -> bool:
    """Whether results were made by this version with these options."""
    version = facts.get("software", {}).get("bidsapp_synthfmri")
    return version == __version__ and facts.get("configuration_hash") == configuration


def remake_pages(config: RunConfig) -> None:
    """Make the pages of finished results again: of participants, or of the group.

    Raises
    ------
    InputMissingError : there are none
    OutputInUseError : another run is writing them
    """
    if config.level == "group":
        with sole_writer(config.output_dir, None):
            write_group_page(config.output_dir)
        LOGGER.info("group: page written again")
        return
    for participant in _finished(config):
        with sole_writer(config.output_dir, participant):
            path = write_participant_page(config.output_dir, participant, config.task_label)
        LOGGER.info("sub-%s: page written again, see %s", participant, path)


def print_methods(config: RunConfig) -> None:
    """Print the methods text of finished results: of participants, or of the group.

    Raises
    ------
    InputMissingError : there are none
    """
    if config.level == "group":
        facts = load_group(config.output_dir).summary
        click.echo("\n\n".join(group_methods(facts, len(facts["participants"]))))
        return
    texts = [
        "\n\n".join(participant_methods(written_summary(config.output_dir, label, config.task_label)))
        for label in _finished(config)
    ]
    click.echo("\n\n".join(dict.fromkeys(texts)))  # participants with the same numbers need it once


def _finished(config: RunConfig) -> tuple[str, ...]:
    there = participants_written(config.output_dir)
    wanted = config.participant_labels or there
    chosen = tuple(label for label in wanted if label not in config.exclude_participant_labels)
    lacking = [label for label in chosen if label not in there]
    if lacking or not chosen:
        raise InputMissingError(
            f"{config.output_dir} holds no finished results"
            + (f" of sub-{', sub-'.join(lacking)}" if lacking else ""),
            "Run the participant level into it first",
        )
    return chosen
