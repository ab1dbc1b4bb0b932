"""What is compared in a participant: an experiment's sources and controls, each with its data."""

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
    UnseenData,
    control_of,
    decode,
    decode_unseen,
    of_stimuli,
    parse_experiments,
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
class PlannedComparison:
    """A comparison about to be made; with ``unseen`` of unseen categories, whose data are ``data``."""

    comparison: Comparison
    data: ParticipantData
    unseen: UnseenData | None

    def decoded(self, config: RunConfig) -> Decoded:
        """Predictions of every cell; the same subsets and the same noise in every experiment."""
        rng = generator(config, self.data.participant, "decoding")
        if self.unseen is None:
            return decode(self.data, rng, self.comparison.experiment)
        return decode_unseen(replace(self.unseen, data=self.data), rng, self.comparison.experiment)


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


def planned_comparisons(
    results: ParticipantResults,
    config: RunConfig,
    experiments: Sequence[Experiment],
    told: list[str | Comparison],
    known: dict[str | None, tuple[LabelSet, ParticipantData]],
) -> Iterator[PlannedComparison]:
    """The comparisons one after the other, which most often share their labels.

    Parameters
    ----------
    told : gets sentences on what is left out, and each comparison in its place among them
    known : gets the labels asked for by their name, and the data with them

    Raises
    ------
    as ``label_choice.labels_of``
    """
    sources = source_of_stimuli(results, config)
    noise = None
    if any(experiment.noise != NONE for experiment in experiments):
        noise = load_noise_model(config.output_dir, results.participant, results.task)
    for experiment in experiments:
        if experiment.labels not in known:
            labels = labels_of(results, experiment.labels, config)
            data = replace(participant_data(results, labels, config), noise=noise, sources=sources or {})
            known[experiment.labels] = labels, data
        labels, data = known[experiment.labels]
        about = f"Participant {results.participant}, experiment {experiment.name!r}"
        unseen = unseen_data(results, data, labels) if experiment.unseen_categories else None
        if isinstance(unseen, str):
            told.append(unseen)
            continue
        data = data if unseen is None else unseen.data
        if UNTRAINED in experiment.controls and results.untrained is None:
            told.append(_NO_UNTRAINED)
        if IMAGE_FEATURES in experiment.controls and results.pictures is None:
            told.append(_NO_PICTURES)
        for comparison, part in _comparisons(data, experiment, labels, sources, told, about):
            told.append(comparison)
            yield PlannedComparison(comparison, part, unseen)


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


def _comparisons(
    data: ParticipantData,
    experiment: Experiment,
    labels: LabelSet,
    sources: Mapping[str, str] | None,
    told: list[str | Comparison],
    about: str,
) -> Iterator[tuple[Comparison, ParticipantData]]:
    """An experiment's comparisons with their data; ``told`` gets a sentence on those that cannot be made."""
    within = sources is not None and experiment.within_source and labels.within is None
    if within and sources is not None:
        for source in sorted(set(sources.values())):
            own = of_stimuli(data, lambda name, source=source: sources.get(name) == source)  # type: ignore[misc]
            yield Comparison(experiment, labels.name, source), own
    else:
        if experiment.within_source and labels.within is None:
            told.append(f"{about}: nothing tells the pictures' sources apart, so all are compared.")
        yield Comparison(experiment, labels.name, labels.within or EVERY_SOURCE), data
    if SOURCE not in experiment.controls:
        return
    reason = _why_no_source_control(data, sources)
    if reason is None and sources is not None:
        relabelled = data.with_each(lambda part: part.relabelled(sources))
        control = control_of(experiment)
        yield Comparison(control, "source", is_source_control=True), replace(relabelled, sources={})
    else:
        told.append(f"{about}: there is no source control, because {reason}.")


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
