"""The list of experiments on what the participant level wrote: data, decoders, scores, decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

import pandas as pd

from ..config import RunConfig
from ..decoding import (
    Decoded,
    Experiment,
    LabelSet,
    ParticipantData,
    decide,
    join,
    pool,
    score,
)
from ..derivatives.reader import load_participant
from ..derivatives.results import ParticipantResults
from .comparisons import EVERY_SOURCE, Comparison, experiments_of, planned_comparisons
from .executors import IN_PROCESS, Executor
from .runtime import generator

N_BOOTSTRAP = 2000
N_PERMUTATIONS = 2000


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


def decode_participant(
    results: ParticipantResults,
    config: RunConfig,
    experiments: Sequence[Experiment],
    executor: Executor = IN_PROCESS,
) -> ParticipantDecoded:
    """Every experiment, its sources and its controls.

    Parameters
    ----------
    executor : one that is shared computes each comparison as a unit, from what the participant level wrote

    Raises
    ------
    as ``label_choice.labels_of``
    """
    told: list[str | Comparison] = []
    known: dict[str | None, tuple[LabelSet, ParticipantData]] = {}
    planned = planned_comparisons(results, config, experiments, told, known)
    if not executor.spare:
        comparisons = {task.comparison: task.decoded(config) for task in planned}
    else:
        # The scratch folder is the run's own: what workers keep of a participant ends with it.
        run, keys = str(executor.scratch), [task.comparison for task in planned]
        units = [ComparisonUnit(config, results.participant, number, run) for number in range(len(keys))]
        comparisons = dict(zip(keys, executor.map(decoded_comparison, units), strict=True))
    skipped: dict[str, None] = {}
    for entry in told:
        if isinstance(entry, str):
            skipped[entry] = None
        else:
            for sentence in comparisons[entry].skipped:
                skipped[_of_experiment(sentence, entry, experiments[0])] = None
    first, _ = known[experiments[0].labels]
    return ParticipantDecoded(results.participant, first, comparisons, tuple(skipped))


@dataclass(frozen=True)
class ComparisonUnit:
    """One comparison of a participant's, by its number among them.

    Attributes
    ----------
    run : tells runs apart, between which the participant's files may change
    """

    config: RunConfig
    participant: str
    number: int
    run: str


def decoded_comparison(unit: ComparisonUnit) -> Decoded:
    """Predictions of the comparison, from the participant's files."""
    results = results_of(unit.config, unit.participant, unit.run)
    planned = planned_comparisons(results, unit.config, experiments_of(unit.config), [], {})
    return next(islice(planned, unit.number, None)).decoded(unit.config)


@lru_cache(maxsize=1)
def results_of(config: RunConfig, participant: str, run: str) -> ParticipantResults:  # noqa: ARG001
    """What the participant level wrote, kept until another participant or run is asked for.

    Raises
    ------
    InputMissingError, InputMalformedError : see ``load_participant``
    """
    return load_participant(config.output_dir, participant, config.task_label)


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
