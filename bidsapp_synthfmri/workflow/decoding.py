"""The list of experiments on what the participant level wrote: data, decoders, scores, decisions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ..config import RunConfig
from ..decoding import (
    DEFAULT_EXPERIMENTS,
    Decoded,
    Experiment,
    LabelledResponses,
    LabelSet,
    ParticipantData,
    control_of,
    decide,
    decode,
    decode_unseen,
    join,
    of_stimuli,
    parse_experiments,
    pool,
    score,
    session_of_stimuli,
)
from ..decoding.experiment_list import IMAGE_FEATURES, SEEN, SOURCE, UNSEEN, UNTRAINED
from ..derivatives.reader import load_noise_model
from ..derivatives.results import ParticipantResults
from ..errors import InputMalformedError, InputMissingError
from ..structures import Synthetic
from ..synthesis.noise_model import NONE
from .console import LOGGER
from .decoding_sources import source_of_stimuli
from .label_choice import labels_of, labels_of_images
from .runtime import generator
from .unseen_group import unseen_data

N_BOOTSTRAP = 2000
N_PERMUTATIONS = 2000
EVERY_SOURCE = "all"
# Said once, not of every participant and experiment.
_NO_UNTRAINED = (
    "The untrained network's decoder is left out: the participant level ran without --untrained-control."
)
_NO_PICTURES = (
    "The participant level was run by an older version, which did not keep the pictures' features, so that"
    " their ceiling is left out."
)


@dataclass(frozen=True)
class Comparison:
    """What is decoded in every participant.

    Attributes
    ----------
    experiment : of the list
    labels : label set's name
    source : pictures' source, or ``all``
    is_source_control : whether the source is decoded in place of the category
    """

    experiment: Experiment
    labels: str
    source: str = EVERY_SOURCE
    is_source_control: bool = False

    def described(self, table: pd.DataFrame, *columns: str) -> pd.DataFrame:
        """The table with what was compared in front."""
        values: dict[str, Any] = {
            "experiment": self.experiment.name,
            "labels": self.labels,
            "source": self.source,
            "classifier": self.experiment.classifier,
            "noise": self.experiment.noise,
            "repeats": self.experiment.repeats,
            "test": self.experiment.test,
            "categories": UNSEEN if self.experiment.unseen_categories else SEEN,
        }
        named = table.assign(control=SOURCE) if self.is_source_control else table.copy()
        for position, column in enumerate(columns):
            named.insert(position, column, values[column])
        return named


@dataclass(frozen=True)
class ParticipantDecoded:
    """One participant's predictions in every comparison.

    Attributes
    ----------
    participant : label
    labels : of the first experiment
    comparisons : what was decoded; comparisons that say nothing of the participant are not there
    skipped : sentences on what was left out
    """

    participant: str
    labels: LabelSet
    comparisons: dict[Comparison, Decoded]
    skipped: tuple[str, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """Categories of the first experiment."""
        return next((decoded.classes for decoded in self.comparisons.values()), ())


@dataclass(frozen=True)
class ExperimentScores:
    """All tables of decoding, as derivatives/decoding_columns.py describes them, and what was left out."""

    table: pd.DataFrame
    contrasts: pd.DataFrame
    confusion: pd.DataFrame
    decisions: pd.DataFrame
    skipped: tuple[str, ...]


def experiments_of(config: RunConfig) -> tuple[Experiment, ...]:
    """The list asked for, else the default one.

    Raises
    ------
    InputMissingError, InputMalformedError : the file is not there; see ``parse_experiments``
    """
    if config.experiments is None:
        return DEFAULT_EXPERIMENTS
    where = f"--experiments {config.experiments}"
    if not config.experiments.is_file():
        raise InputMissingError(f"{where} is not there", "Give a TOML file, see docs/experiments.md")
    try:
        text = config.experiments.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputMalformedError(f"{where} is not UTF-8: {error}", "Save it as UTF-8") from error
    return parse_experiments(text, where)


def decode_participant(
    results: ParticipantResults, config: RunConfig, experiments: Sequence[Experiment]
) -> ParticipantDecoded:
    """Every experiment, its sources and its controls.

    Raises
    ------
    as ``label_choice.labels_of``
    """
    sources = source_of_stimuli(results, config)
    noise = None
    if any(experiment.noise != NONE for experiment in experiments):
        noise = load_noise_model(config.output_dir, results.participant, results.task)
    comparisons: dict[Comparison, Decoded] = {}
    skipped: dict[str, None] = {}
    known: dict[str | None, tuple[LabelSet, ParticipantData]] = {}  # most experiments share their labels
    for experiment in experiments:
        if experiment.labels not in known:
            labels = labels_of(results, experiment.labels, config)
            data = replace(participant_data(results, labels, config), noise=noise, sources=sources or {})
            known[experiment.labels] = labels, data
        labels, data = known[experiment.labels]
        said, about = [], f"Participant {results.participant}, experiment {experiment.name!r}"
        unseen = unseen_data(results, data, labels) if experiment.unseen_categories else None
        if isinstance(unseen, str):
            skipped[unseen] = None
            continue
        data = data if unseen is None else unseen.data
        if UNTRAINED in experiment.controls and results.untrained is None:
            said.append(_NO_UNTRAINED)
        if IMAGE_FEATURES in experiment.controls and results.pictures is None:
            said.append(_NO_PICTURES)
        for comparison, part in _comparisons(data, experiment, labels, sources, said, about):
            # The same subsets and the same noise in every experiment.
            rng = generator(config, results.participant, "decoding")
            if unseen is None:
                decoded = decode(part, rng, comparison.experiment)
            else:
                decoded = decode_unseen(replace(unseen, data=part), rng, comparison.experiment)
            comparisons[comparison] = decoded
            said += [_of_experiment(sentence, comparison, experiments[0]) for sentence in decoded.skipped]
        skipped.update(dict.fromkeys(said))
    first, _ = known[experiments[0].labels]
    return ParticipantDecoded(results.participant, first, comparisons, tuple(skipped))


def score_experiments(
    decoded: Sequence[ParticipantDecoded],
    config: RunConfig,
    further: Sequence[Mapping[str, object]] = (),
) -> ExperimentScores:
    """Scores of every comparison in each participant and in their mean, and what they decide.

    Parameters
    ----------
    further : rows of other evidence for the decisions, of ``decoding.decisions.decision_row``
    """
    comparisons = dict.fromkeys(comparison for part in decoded for comparison in part.comparisons)
    tables, contrasts, confusions = [], [], []
    skipped = [sentence for part in decoded for sentence in part.skipped]
    for comparison in comparisons:
        parts = [part.comparisons[comparison] for part in decoded if comparison in part.comparisons]
        # The same draws of stimuli in every experiment.
        scores = [
            score(part, generator(config, part.participant, "scores"), N_BOOTSTRAP, N_PERMUTATIONS)
            for part in parts
        ]
        pooled = pool(parts, generator(config, "pool"), N_BOOTSTRAP, N_PERMUTATIONS)
        joined = join([*scores, pooled])
        what = ("experiment", "labels", "source", "categories", "classifier", "noise", "repeats", "test")
        tables.append(comparison.described(joined.table, *what))
        contrasts.append(comparison.described(joined.contrasts, "experiment", "source"))
        confusions.append(comparison.described(joined.confusion, "experiment", "source"))
        skipped += [f"Experiment {comparison.experiment.name!r}: {said}" for said in pooled.skipped]
    table, contrast, confusion = (_stacked(part) for part in (tables, contrasts, confusions))
    return ExperimentScores(
        table, contrast, confusion, decide(table, contrast, further), tuple(dict.fromkeys(skipped))
    )


def _comparisons(
    data: ParticipantData,
    experiment: Experiment,
    labels: LabelSet,
    sources: Mapping[str, str] | None,
    said: list[str],
    about: str,
) -> Iterator[tuple[Comparison, ParticipantData]]:
    """An experiment's comparisons with their data; ``said`` gets a sentence on those that cannot be made."""
    within = sources is not None and experiment.within_source and labels.within is None
    if within and sources is not None:
        for source in sorted(set(sources.values())):
            own = of_stimuli(data, lambda name, source=source: sources.get(name) == source)  # type: ignore[misc]
            yield Comparison(experiment, labels.name, source), own
    else:
        if experiment.within_source and labels.within is None:
            said.append(f"{about}: nothing tells the pictures' sources apart, so all are compared.")
        yield Comparison(experiment, labels.name, labels.within or EVERY_SOURCE), data
    if SOURCE not in experiment.controls:
        return
    reason = _why_no_source_control(data, sources)
    if reason is None and sources is not None:
        relabelled = data.with_each(lambda part: part.relabelled(sources))
        control = control_of(experiment)
        yield Comparison(control, "source", is_source_control=True), replace(relabelled, sources={})
    else:
        said.append(f"{about}: there is no source control, because {reason}.")


def _why_no_source_control(data: ParticipantData, sources: Mapping[str, str] | None) -> str | None:
    if sources is None:
        return "nothing tells the pictures' sources apart"
    pairs = {
        (label, sources.get(stimulus))
        for part in (data.real, data.test)
        for stimulus, label in part.label_of.items()
        if label is not None
    }
    if len({label for label, _ in pairs}) == len(pairs) == len({source for _, source in pairs}):
        return "the pictures' source is their category"
    return None


def _of_experiment(sentence: str, comparison: Comparison, first: Experiment) -> str:
    """The sentence with what it is about, but for the experiment that the page speaks of."""
    source = "" if comparison.source == EVERY_SOURCE else f", source {comparison.source}"
    if comparison.is_source_control:
        return f"Source control of experiment {comparison.experiment.name!r}: {sentence}"
    if comparison.experiment == first and not source:
        return sentence
    return f"Experiment {comparison.experiment.name!r}{source}: {sentence}"


def _stacked(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else tables[0]


def participant_data(results: ParticipantResults, labels: LabelSet, config: RunConfig) -> ParticipantData:
    """A participant's real and synthetic responses with their labels.

    Parameters
    ----------
    labels : of the participant's stimuli, in their order

    Raises
    ------
    as ``label_choice.labels_of_images``
    """
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
    synthetic += [
        _extra_images(extra, labels_of_images(extra.table, labels, config)) for extra in results.extra
    ]
    return ParticipantData(
        participant=results.participant,
        real=sides["real"],
        synthetic=tuple(synthetic),
        test=sides["test"],
        rois=results.voxels.roi_sets(),
        untrained=None if results.untrained is None else _training_images(results.untrained, label_of),
        pictures=results.pictures,
        sessions=session_of_stimuli(shown, [str(session) for session in trials.table["session"]]),
    )


def _training_images(synthetic: Synthetic, label_of: Mapping[str, str | None]) -> LabelledResponses:
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
