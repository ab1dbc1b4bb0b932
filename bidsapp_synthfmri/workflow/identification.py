"""Identification of the image seen, at the group level, among all synthetic responses written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..config import RunConfig
from ..decoding import (
    Candidates,
    Identified,
    LabelInputs,
    ShownTrials,
    identify,
    label_set,
    of_source,
    pool_identified,
)
from ..decoding.identification_group import join_sources, table_of
from ..derivatives.results import ParticipantResults
from ..evaluation.statistics import fdr
from ..structures import IntArray, Synthetic
from .console import LOGGER
from .label_choice import labels_of
from .runtime import generator
from .sources import image_sources

ALL_CANDIDATES, SAME_SOURCE = "all", "same_source"
MOST_CANDIDATES = 10_000
LEAST_OF_SOURCE = 5
GROUP = "group"
_FAMILY = ["participant", "candidates", "pattern", "scaling", "measure"]


@dataclass(frozen=True)
class ParticipantIdentification:
    """What identification found in one participant.

    Attributes
    ----------
    participant : label
    by_candidates : scores among all candidates (``all``), among those of each source by its name, and of all
        images each among candidates of its own source (``same_source``)
    sentences : what was left out before, and why
    """

    participant: str
    by_candidates: Mapping[str, Identified]
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class IdentificationScores:
    """Identification of all participants.

    Attributes
    ----------
    table : one row a participant (or the group), candidates, region, pattern, scaling, measure and number
        of candidates; empty where nothing could be identified
    sentences : what was left out, and why
    """

    table: pd.DataFrame
    sentences: tuple[str, ...]


def identify_images(results: ParticipantResults, config: RunConfig) -> ParticipantIdentification:
    """Which of many images each test trial of a participant shows, among all and within image sources.

    Candidates are the participant's own stimuli (test images predicted by the encoder, training images by
    encoders that did not see them) and every extra image set, pictures that show a test image apart.
    """
    rng, who = generator(config, results.participant, "identification"), f"Participant {results.participant}"
    rows = np.flatnonzero(results.splits == "test")
    shown = results.responses.trials.table["stimulus"].iloc[rows]
    trials = ShownTrials(results.responses.values[rows], tuple(map(str, shown)))
    if not len(rows):
        sentence = f"{who} has no trials of test images, so no image was identified."
        return ParticipantIdentification(results.participant, {}, (sentence,))
    candidates, sentences = _candidates(results, rng, who)
    source_of = _sources(results, config)
    reference = results.responses.values[results.splits != "test"]
    kinds = {ALL_CANDIDATES: (trials, candidates)}
    too_few = []
    for source in _separate_sources(trials, candidates, source_of):
        part = of_source(trials, candidates, source_of, source)
        if len(set(part[0].stimuli)) < LEAST_OF_SOURCE:
            too_few.append(source)
        else:
            kinds[source] = part
    if too_few:
        sentences.append(
            f"{who}: identification within {', '.join(too_few)} was left out: {LEAST_OF_SOURCE} test images"
            " of a source are needed, and there are fewer."
        )
    found = {}
    for kind, (own, among) in kinds.items():
        LOGGER.debug("identifying among %d images (%s)", len(among.images), kind)
        found[kind] = identify(
            own,
            among,
            results.voxels.roi_sets(),
            rng,
            who=who if kind == ALL_CANDIDATES else f"{who}, within source {kind}",
            source_of=source_of if any(source_of.values()) else None,
            reference=reference,
            most=MOST_CANDIDATES,
        )
    sources = {kind: identified for kind, identified in found.items() if kind != ALL_CANDIDATES}
    if len(sources) > 1:
        found[SAME_SOURCE] = _joined(sources, rng, who)
    return ParticipantIdentification(results.participant, found, tuple(sentences))


def identification_scores(
    participants: Sequence[ParticipantIdentification], config: RunConfig
) -> IdentificationScores:
    """The scores of every participant one under another, then of the mean over them."""
    frames: list[pd.DataFrame] = []
    sentences: list[str] = []
    for one in participants:
        sentences += one.sentences
        for kind, identified in one.by_candidates.items():
            sentences += identified.sentences
            frames.append(_named(identified.table, one.participant, kind))
    for kind in dict.fromkeys(kind for one in participants for kind in one.by_candidates):
        own = [one.by_candidates[kind].by_stimulus for one in participants if kind in one.by_candidates]
        table, lost = pool_identified(own, generator(config, "identification", kind))
        sentences += lost
        if len(table) and len(own) < len(participants):
            sentences.append(
                f"Identification among candidates {kind!r}: the group's mean is over {len(own)} of"
                f" {len(participants)} participants, because the others have too few test images of it."
            )
        frames.append(_named(table, GROUP, kind))
    frames = [frame for frame in frames if len(frame)]
    if not frames:
        return IdentificationScores(pd.DataFrame(), tuple(sentences))
    joined = pd.concat(frames, ignore_index=True)
    joined["p_fdr"] = joined.groupby(_FAMILY)["p"].transform(fdr)
    return IdentificationScores(joined, tuple(sentences))


def _joined(sources: Mapping[str, Identified], rng: np.random.Generator, who: str) -> Identified:
    """All images together, each among candidates of its own source; cells that all sources have."""
    by_cell = {
        source: {own.cell: own for own in identified.by_stimulus} for source, identified in sources.items()
    }
    cells = dict.fromkeys(cell for own in by_cell.values() for cell in own)
    joined = tuple(
        join_sources({source: own[cell] for source, own in by_cell.items()})
        for cell in cells
        if all(cell in own for own in by_cell.values())
    )
    lost = len(cells) - len(joined)
    sentence = (
        f"{who}: {lost} of {len(cells)} combinations of region, pattern and scaling were not identified among"
        " candidates of the image's own source, because a source lacks them."
    )
    return Identified(table_of(joined, rng), (sentence,) if lost else (), joined)


def _named(table: pd.DataFrame, participant: str, kind: str) -> pd.DataFrame:
    if table.empty:
        return table
    largest = table.groupby(["roi", "pattern", "scaling"])["n_candidates"].transform("max")
    whole = table["whole"] if "whole" in table else table["n_candidates"].eq(largest)
    return table.assign(participant=participant, candidates=kind, whole=whole)


def _candidates(
    results: ParticipantResults, rng: np.random.Generator, who: str
) -> tuple[Candidates, list[str]]:
    """At most so many candidates, the test images among them; and what was left out."""
    sets = (results.synthetic, *results.extra)
    names = [_names(synthetic, is_own=number == 0) for number, synthetic in enumerate(sets)]
    own = results.synthetic.table
    is_test = (own["split"] == "test").to_numpy()
    seen = ~is_test & (own["prediction"] != "out-of-fold").to_numpy()
    alike = _alike(results)
    wanted = [
        (number, row)
        for number, of_set in enumerate(names)
        for row, name in enumerate(of_set)
        if name not in alike and not (number == 0 and seen[row])
    ]
    counts = (
        (int(seen.sum()), "training images have a prediction of an encoder that saw them"),
        (sum(name in alike for of_set in names for name in of_set), "images show the same as a test image"),
    )
    sentences = [f"{who}: {n} {what} and were no candidates of identification." for n, what in counts if n]
    fixed = [place for place in wanted if place[0] == 0 and is_test[place[1]]]
    others = [place for place in wanted if not (place[0] == 0 and is_test[place[1]])]
    n_drawn = max(0, MOST_CANDIDATES - len(fixed))
    if len(others) > n_drawn:
        drawn = rng.choice(len(others), n_drawn, replace=False)
        sentences.append(
            f"{who}: {n_drawn} of {len(others)} candidates beside the test images were drawn at random."
        )
        others = [others[number] for number in np.sort(drawn)]
    return _read(sets, names, [*fixed, *others]), sentences


def _read(
    sets: Sequence[Synthetic], names: Sequence[Sequence[str]], places: Sequence[tuple[int, int]]
) -> Candidates:
    """The candidates at some places, (set, row); only their rows are read."""
    rows: list[IntArray] = [
        np.array([row for number, row in places if number == own], dtype=np.int64) for own in range(len(sets))
    ]
    values = np.concatenate([synthetic.values[at] for synthetic, at in zip(sets, rows, strict=True)])
    return Candidates(
        values, tuple(of_set[row] for of_set, at in zip(names, rows, strict=True) for row in at)
    )


def _names(synthetic: Synthetic, is_own: bool) -> list[str]:
    """Stimuli by name; an extra set's with its name before, as two may have a picture of one name."""
    stimuli = [str(stimulus) for stimulus in synthetic.table["stimulus"]]
    if is_own or not stimuli:
        return stimuli
    set_name = str(synthetic.table["split"].iloc[0])
    return [f"{set_name}/{stimulus}" for stimulus in stimuli]


def _alike(results: ParticipantResults) -> set[str]:
    """Candidates that the audit of the split found to show the same as a test image."""
    if results.leakage is None:
        return set()
    pairs = results.leakage.pairs
    return {
        str(other) if split == "train" else f"{split}/{other}"
        for other, split in zip(pairs["other"], pairs["other_split"], strict=True)
        if split != "test"
    }


def _sources(results: ParticipantResults, config: RunConfig) -> dict[str, str | None]:
    """Image source of every candidate: by its name, or the column of the events that the options name."""
    trials = results.responses.trials
    if config.source_column is not None:
        said = image_sources(trials, config.source_column)
        return {} if said is None else dict(said.labels)
    own = labels_of(results, "source", config)
    source_of: dict[str, str | None] = dict(zip(trials.stimuli, own.labels, strict=True))
    for extra in results.extra:
        named = label_set("source", [str(stimulus) for stimulus in extra.table["stimulus"]], LabelInputs())
        source_of |= dict(zip(_names(extra, is_own=False), named.labels, strict=True))
    return source_of


def _separate_sources(
    trials: ShownTrials, candidates: Candidates, source_of: Mapping[str, str | None]
) -> list[str]:
    """Sources of test images, sorted; none where all candidates are of one, which ``all`` then is."""
    if len({source_of.get(image) for image in candidates.images}) < 2:
        return []
    return sorted({source for image in trials.stimuli if (source := source_of.get(image)) is not None})
