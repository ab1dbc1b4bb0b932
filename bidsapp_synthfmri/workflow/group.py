"""The group level: decoders from what the participant level wrote, and the group's page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ..config import RunConfig
from ..decoding.experiment_list import Experiment
from ..decoding.transfer_pictures import TransferParticipant
from ..derivatives.dataset import container_of, write_dataset_files
from ..derivatives.found import tasks_with
from ..derivatives.group import write_group
from ..derivatives.names import GROUP_MANIFEST, GROUP_PAGE, MANIFEST, PAGE, SUMMARY, Place
from ..derivatives.occupied import sole_writer
from ..derivatives.reader import load_participant, participants_written
from ..derivatives.results import ParticipantResults
from ..derivatives.whole import is_whole, sha256_of
from ..derivatives.writer import Writer
from ..errors import InputMalformedError, InputMissingError, NothingMatchedError, ParticipantFailedError
from ..structures import Json
from .comparisons import experiments_of
from .console import LOGGER, Stopwatch, heard_warnings
from .decoding import (
    N_BOOTSTRAP,
    N_PERMUTATIONS,
    ParticipantDecoded,
    decode_participant,
    score_experiments,
)
from .executors import IN_PROCESS, Executor
from .fingerprint import fingerprint
from .finished import ALWAYS
from .group_units import score_participants
from .identification import ParticipantIdentification, identification_scores, identify_images
from .label_choice import label_facts, label_notes, label_source
from .pages import write_group_page
from .runtime import software
from .transfer import transfer_participant, transfer_scores


def run_group(config: RunConfig, executor: Executor = IN_PROCESS) -> None:
    """Decode every participant in OUTPUT_DIR, pool them, write scores and page.

    Parameters
    ----------
    executor : one that is shared decodes participants, and each one's comparisons, as units

    Raises
    ------
    OutputInUseError : another run is writing the group's files
    InputMissingError : the participant level has not run here, or a file that options name is not there
    NothingMatchedError : a participant asked for is not among those written
    InputMalformedError : files, experiments or labels that do not fit
    ParticipantFailedError : the files of one among several participants cannot be used; the others were
        pooled and written
    """
    with sole_writer(config.output_dir, None), heard_warnings() as warnings:
        participants, experiments = chosen_participants(config), experiments_of(config)
        depends_on = _depends_on(config, participants)
        if not _is_kept(config, depends_on):
            _run_group(config, participants, experiments, depends_on, warnings, executor)


@dataclass(frozen=True)
class _Decoded:
    """What was made of each participant.

    Attributes
    ----------
    participants : decoders' results
    identified, transferred : what identification and transfer between participants pool
    unusable : why participants were left out
    notes : what the group's reader must know
    unseen : facts of the encoders without categories, by participant
    """

    participants: list[ParticipantDecoded]
    identified: list[ParticipantIdentification]
    transferred: list[TransferParticipant]
    unusable: dict[str, InputMissingError | InputMalformedError]
    notes: tuple[str, ...]
    unseen: dict[str, Json | None]


def _run_group(
    config: RunConfig,
    participants: Sequence[str],
    experiments: Sequence[Experiment],
    depends_on: str,
    warnings: list[str],
    executor: Executor,
) -> None:
    watch = Stopwatch("group")
    decoded = _decoded(config, participants, experiments, watch, executor)
    with watch.step("transfer between participants"):
        transfer = transfer_scores(decoded.transferred, config, experiments[0])
    with watch.step("statistics"):
        scores = score_experiments(decoded.participants, config, transfer.decisions)
        identification = identification_scores(decoded.identified, config)
    with watch.step("writing"):
        write_dataset_files(config.output_dir, config)
        skipped = [
            *_unfinished(config),
            *_left_out(decoded.unusable),
            *scores.skipped,
            *identification.sentences,
            *transfer.sentences,
        ]
        for sentence in skipped:
            LOGGER.warning("%s", sentence)
        summary = _summary(config, decoded, experiments, skipped)
        summary["elapsed"] = watch.elapsed
        summary["warnings"] = [warning for warning in warnings if warning not in skipped]
        write_group(
            config.output_dir,
            scores.table,
            summary,
            contrasts=scores.contrasts,
            confusion=scores.confusion,
            decisions=scores.decisions,
            identification=identification.table,
            transfer=transfer.table,
            depends_on=None if decoded.unusable else depends_on,
        )
        write_group_page(config.output_dir)
    LOGGER.info("group: done, see %s", config.output_dir / "group.html")
    if decoded.unusable:
        names = ", ".join(f"sub-{label}" for label in decoded.unusable)
        raise ParticipantFailedError(
            f"{len(decoded.unusable)} of {len(participants)} participants were left out: {names}; the others"
            " were decoded",
            "Run the participant level for them again, see the group's page for the reasons",
        )


def _decoded(
    config: RunConfig,
    participants: Sequence[str],
    experiments: Sequence[Experiment],
    watch: Stopwatch,
    executor: Executor,
) -> _Decoded:
    """Every participant's results, read and decoded: here, or by those who share the work."""
    found = _Decoded([], [], [], {}, (), {})
    notes: dict[str, None] = {}
    hashes: dict[str, str] = {}
    for participant in participants:
        try:
            results = load_participant(config.output_dir, participant, config.task_label)
        except (InputMissingError, InputMalformedError) as error:
            if len(participants) == 1 or participant in config.participant_labels:
                raise
            found.unusable[participant] = error
            continue
        hashes[participant] = str(results.summary.get("configuration_hash"))
        found.unseen[participant] = results.summary.get("unseen_categories")
        notes.update(dict.fromkeys(_notes_on(results)))
        found.transferred.append(transfer_participant(results, config, experiments[0]))
        if executor.scratch is not None:
            continue
        with watch.step(f"decoding sub-{participant}"):
            found.participants.append(decode_participant(results, config, experiments))
        with watch.step(f"identifying images of sub-{participant}"):
            found.identified.append(identify_images(results, config))
    if not hashes:
        raise next(iter(found.unusable.values()))
    _require_one_configuration(hashes)
    if executor.scratch is not None:
        with watch.step(f"decoding {len(hashes)} participants"):
            for scored in score_participants(config, tuple(hashes), executor):
                found.participants.append(scored.decoded)
                found.identified.append(scored.identified)
    return replace(found, notes=tuple(notes))


def _is_kept(config: RunConfig, depends_on: str) -> bool:
    """Whether the group's results stand as they were made; a page that alone is missing is made."""
    if config.overwrite == ALWAYS or not is_whole(Writer(config.output_dir), GROUP_MANIFEST, depends_on):
        return False
    LOGGER.info("group: finished before, kept (--overwrite %s)", config.overwrite)
    if not GROUP_PAGE.path(config.output_dir, Place()).is_file():
        write_group_page(config.output_dir)
    return True


def _depends_on(config: RunConfig, participants: Sequence[str]) -> str:
    """Fingerprint of what the group's results are made of."""
    results = [_identity(config.output_dir, label) for label in participants]
    experiments = None if config.experiments is None else sha256_of(config.experiments)
    return fingerprint(config.content_hash(), list(participants), results, experiments, _unfinished(config))


def _identity(output_dir: Path, participant: str) -> list[str]:
    """Of a participant's results: their manifests, which hold no times, or an older version's summaries."""
    made = MANIFEST if tasks_with(output_dir, participant, MANIFEST) else SUMMARY
    tasks = tasks_with(output_dir, participant, made)
    return [sha256_of(made.path(output_dir, Place(participant, task))) for task in tasks]


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


def _left_out(unusable: dict[str, InputMissingError | InputMalformedError]) -> list[str]:
    return [f"Participant {label} was left out: {error.problem}." for label, error in unusable.items()]


def _summary(
    config: RunConfig, decoded: _Decoded, experiments: Sequence[Experiment], skipped: Sequence[str]
) -> Json:
    labels = {part.participant: part.labels for part in decoded.participants}
    named = config.label_set is not None or experiments[0].labels is not None
    unseen = any(experiment.unseen_categories for experiment in experiments)
    classes = sorted({name for part in decoded.participants for name in part.classes})
    return {
        "participants": list(labels),
        "label_source": label_source(decoded.participants[0].labels),
        "labels": {label: label_facts(of) for label, of in labels.items()},
        "classes": classes,
        "n_permutations": N_PERMUTATIONS,
        "n_bootstrap": N_BOOTSTRAP,
        "seed": config.random_seed,
        "notes": [*decoded.notes, *(label_notes(labels) if named else ())],
        "skipped": list(skipped),
        "software": software(),
        "container": container_of(),
        "command": config.command,
        "experiments": [asdict(experiment) for experiment in experiments],
        "main_experiment": experiments[0].name,
        **({"unseen_categories": decoded.unseen} if unseen else {}),
    }
