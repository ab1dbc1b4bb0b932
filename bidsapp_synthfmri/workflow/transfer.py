"""Transfer between participants, at the group level: through synthetic responses to pictures of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ..config import RunConfig
from ..decoding import Experiment, ParticipantData
from ..decoding.scores import GROUP
from ..decoding.strata import numbered, usable
from ..decoding.training_sets import SYNTHETIC_SAME, LabelledResponses
from ..decoding.transfer import DecomposedSource, Transfer, decompose_source
from ..decoding.transfer_decoders import TargetDecoded, decode_target, of_tested, pool_training
from ..decoding.transfer_patterns import voxel_correlations
from ..decoding.transfer_pictures import (
    Common,
    TransferParticipant,
    common_pictures,
    means_of,
    trials_of,
)
from ..decoding.transfer_scores import (
    Mapped,
    correlation_rows,
    decoding_rows,
    read_by_others,
    transfer_table,
)
from ..derivatives.results import ParticipantResults
from ..structures import BoolArray, FloatArray
from .comparisons import participant_data
from .console import LOGGER
from .decoding import N_BOOTSTRAP, N_PERMUTATIONS
from .decoding_sources import source_of_stimuli
from .label_choice import labels_of
from .runtime import generator

LEAST_PICTURES = 20
LEAST_TESTED = 10


@dataclass(frozen=True)
class TransferScores:
    """Transfer between all participants.

    Attributes
    ----------
    table : ``decoding.transfer_scores.TRANSFER_COLUMNS``; empty where nobody could be mapped
    decisions : rows for ``decoding.decide``
    sentences : what was left out, and why
    """

    table: pd.DataFrame
    decisions: tuple[dict[str, object], ...]
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class _Pair:
    """The map of one participant to another, and what was mapped.

    Attributes
    ----------
    mapped : what rows say of the map for single trials
    common : pictures and test stimuli of both
    train, test : the source's trials in the target's voxels; test trials show stimuli of both
    table : rows of the correlation of means
    """

    mapped: Mapped
    common: Common
    train: LabelledResponses
    test: LabelledResponses
    table: pd.DataFrame


def transfer_participant(
    results: ParticipantResults, config: RunConfig, experiment: Experiment
) -> TransferParticipant:
    """What a participant brings, labelled as in an experiment."""
    labels = labels_of(results, experiment.labels, config)
    data = replace(
        participant_data(results, labels, config), sources=source_of_stimuli(results, config) or {}
    )
    table = results.synthetic.table
    seen = set(table["stimulus"][(table["split"] == "train") & (table["prediction"] != "out-of-fold")])
    sets = tuple(_without(part, seen) if part.name == SYNTHETIC_SAME else part for part in data.synthetic)
    rows = np.flatnonzero(table["split"] == "test")
    stimuli = tuple(str(stimulus) for stimulus in table["stimulus"].iloc[rows])
    predicted = results.synthetic.values[rows]
    used = replace(data, synthetic=sets, untrained=None, pictures=None)
    return TransferParticipant(used, predicted, stimuli, len(seen))


def transfer_scores(
    participants: Sequence[TransferParticipant], config: RunConfig, experiment: Experiment
) -> TransferScores:
    """Every participant as every other, and each read by decoders of the others' trials."""
    if len(participants) < 2:
        one = "There is one participant, so nothing was transferred between participants."
        return TransferScores(transfer_table([]), (), (one,) if participants else ())
    said: list[str] = []
    pairs = {
        (pair.mapped.source, pair.mapped.target): pair
        for source in participants
        for pair in _from_source(source, participants, config, said)
    }
    tables = [pair.table for pair in pairs.values()]
    decoded = []
    for target in participants:
        towards = {source: pair for (source, name), pair in pairs.items() if name == target.name}
        if towards:
            LOGGER.debug("transfer: decoding sub-%s from %d others", target.name, len(towards))
            found = _decoded(target.data, towards, said)
            decoded.append(found.own)
            tables += _read_by_target(found, towards, config, said)
    maps: dict[str, list[Mapped]] = {}
    for pair in pairs.values():
        maps.setdefault(pair.mapped.target, []).append(pair.mapped)
    rngs = {name: generator(config, name, "transfer") for name in (*maps, GROUP)}
    described = {"experiment": experiment.name, "source": "all"}
    others = read_by_others(decoded, rngs, maps, described, N_BOOTSTRAP, N_PERMUTATIONS)
    sentences = tuple(dict.fromkeys((*said, *others.skipped)))
    return TransferScores(transfer_table([*tables, others.table]), others.decisions, sentences)


def _from_source(
    source: TransferParticipant,
    participants: Sequence[TransferParticipant],
    config: RunConfig,
    said: list[str],
) -> list[_Pair]:
    """The participant as each other; targets with the same pictures share one decomposition."""
    usable_voxels, noise = source.mappable()
    who = f"Participant {source.name}"
    if n_flat := int((~usable_voxels).sum()):
        said.append(f"{who}: {n_flat} voxels whose trials do not vary took no part in transfer.")
    if source.n_seen:
        said.append(
            f"{who}: {source.n_seen} training images have a prediction of an encoder that saw them, and took"
            " no part in transfer."
        )
    decomposed: dict[tuple[str, ...], DecomposedSource] = {}
    pairs = []
    for target in (one for one in participants if one.name != source.name):
        common = common_pictures(source, target, generator(config, source.name, target.name, "pictures"))
        about = f"Transfer from participant {source.name} to {target.name}"
        if common.n_left:
            said.append(f"{about}: {common.n_left} common pictures were left out at random, as too many.")
        n = len(common.pictures)
        if n < LEAST_PICTURES or not usable_voxels.any():
            said.append(
                f"{about} was left out: the two have synthetic responses to {n} pictures in common, and"
                f" {LEAST_PICTURES} are needed."
            )
            continue
        if common.pictures not in decomposed:
            pictures = source.pictures(common.pictures)[:, usable_voxels]
            decomposed = {common.pictures: decompose_source(pictures, noise[usable_voxels])}
        LOGGER.debug("transfer: sub-%s to sub-%s by %d pictures", source.name, target.name, n)
        map_of = decomposed[common.pictures]
        pairs.append(_pair(source, target, common, usable_voxels, map_of, config, said))
    return pairs


def _pair(
    source: TransferParticipant,
    target: TransferParticipant,
    common: Common,
    usable_voxels: BoolArray,
    decomposed: DecomposedSource,
    config: RunConfig,
    said: list[str],
) -> _Pair:
    means, repeats = means_of(source.data.test, common.tested)
    noise = (1.0, float(np.mean(1 / repeats)) if len(repeats) else 1.0)
    single, averaged = decomposed.maps(target.pictures(common.pictures), noise)

    def facts(found: Transfer) -> Mapped:
        return Mapped(source.name, target.name, len(common.pictures), found.alpha, found.at_edge)

    def mapped(trials: LabelledResponses) -> LabelledResponses:
        return replace(trials, values=single.apply(trials.values[:, usable_voxels]))

    about = f"Transfer from participant {source.name} to {target.name}"
    table = pd.DataFrame()
    if len(common.tested) < LEAST_TESTED:
        said.append(
            f"{about}: responses to test images were not compared, because the two have"
            f" {len(common.tested)} in common, and {LEAST_TESTED} are needed."
        )
    else:
        moved = averaged.apply(means[:, usable_voxels])
        table = _correlations(target, common, moved, facts(averaged), config, said)
    return _Pair(
        facts(single),
        common,
        mapped(source.data.real),
        mapped(trials_of(source.data.test, common.tested)),
        table,
    )


def _correlations(
    target: TransferParticipant,
    common: Common,
    moved: FloatArray,
    mapped: Mapped,
    config: RunConfig,
    said: list[str],
) -> pd.DataFrame:
    """The source's means in the target's voxels against the target's own, and its encoder beside."""
    own, repeats = means_of(target.data.test, common.tested)
    row_of = {name: row for row, name in enumerate(target.predicted_stimuli)}
    predicted = target.predicted[[row_of[name] for name in common.tested]]
    n = len(common.tested)
    strata, within = usable(
        np.arange(n),
        np.zeros(n, dtype=np.int64),
        numbered(common.tested, target.data.sources),
        numbered(common.tested, target.data.sessions),
    )
    rng = generator(config, mapped.source, mapped.target, "correlation")
    rows, n_flat = voxel_correlations(own, moved, predicted, target.data.rois, strata, rng, N_BOOTSTRAP)
    if n_flat:
        said.append(
            f"Transfer from participant {mapped.source} to {mapped.target}: {n_flat} voxels that do not vary"
            " over test images were not correlated."
        )
    return correlation_rows(mapped, rows, n, int(repeats.sum()), within)


def _decoded(target: ParticipantData, towards: dict[str, _Pair], said: list[str]) -> TargetDecoded:
    trained = {source: pair.train for source, pair in towards.items()}
    others, n_disputed = pool_training(trained, target.test.stimuli)
    if n_disputed:
        said.append(
            f"Transfer to participant {target.participant}: {n_disputed} training images have different"
            " labels in different participants and were left out."
        )
    enough = {s: pair.test for s, pair in towards.items() if len(pair.common.tested) >= LEAST_TESTED}
    return decode_target(target, others, enough)


def _read_by_target(
    found: TargetDecoded, towards: dict[str, _Pair], config: RunConfig, said: list[str]
) -> list[pd.DataFrame]:
    """Rows of the target's decoder on the others' mapped test trials."""
    tables = []
    for source, decoded in found.mapped.items():
        pair = towards[source]
        mapped, own = of_tested(decoded, pair.common.tested), of_tested(found.own, pair.common.tested)
        if len(mapped.classes) < 2 or not len(mapped.cells):
            said.append(
                f"Transfer from participant {source} to {pair.mapped.target}: nothing was decoded, because"
                f" the test images in common are of {len(mapped.classes)} of the categories decoded, and"
                " two are needed."
            )
            continue
        own = replace(own, counts=own.counts[(own.cells["training"] == "real").to_numpy()])
        rng = generator(config, source, pair.mapped.target, "decoding")
        tables.append(decoding_rows(pair.mapped, mapped, own, rng, N_BOOTSTRAP, N_PERMUTATIONS))
    return tables


def _without(part: LabelledResponses, stimuli: set[str]) -> LabelledResponses:
    if not stimuli:
        return part
    return part.take([row for row, name in enumerate(part.stimuli) if name not in stimuli])
