"""Identification of several participants, or within several sources: test images drawn together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.linalg import block_diag

from ..evaluation.statistics import bootstrap_weights, percentile_interval, permutation_p
from ..structures import IntArray
from .identification import Ranks
from .identification_null import CrossRanks, exchanged
from .identification_patterns import Float64Array
from .identification_scores import MEDIAN_RANK, PERCENTILE, TIE, TOP, by_trial, expected_top_k

CELL = ("roi", "pattern", "scaling")
Cell = tuple[str, str, str]


@dataclass(frozen=True)
class StimulusScores:
    """What each test image adds to one region's scores.

    Attributes
    ----------
    cell : region, kind of pattern and scaling
    stimuli : (n_stimuli,) test images with a rank
    strata : (n_stimuli,) what they may be exchanged within
    values : (n_stimuli,) mean over the image's trials, by measure and number of candidates
    chance : of the same
    exchanged : (n_stimuli, n_stimuli) by measure, all candidates: mean over the trials of the image of the
        row, were the image of the column the one seen
    median_rank : over trials
    n_candidates, n_trials : in all
    """

    cell: Cell
    stimuli: tuple[str, ...]
    strata: tuple[str | None, ...]
    values: Mapping[tuple[str, int], Float64Array]
    chance: Mapping[tuple[str, int], float]
    exchanged: Mapping[str, Float64Array]
    median_rank: float
    n_candidates: int
    n_trials: int


def stimulus_scores(
    cell: Cell,
    ranks: Ranks,
    cross: CrossRanks,
    stimuli: IntArray,
    names: Sequence[str],
    strata: Sequence[str | None] | None,
) -> StimulusScores | None:
    """What each image adds, from the ranks of all trials; None where no trial has a rank.

    Parameters
    ----------
    ranks, cross : of ``rank_candidates`` and ``rank_test_images``, images in the order of ``names``
    stimuli : (n_trials,) number of each trial's image
    names, strata : of the images
    """
    defined = np.flatnonzero(np.isfinite(ranks.better))
    shown, place = np.unique(stimuli[defined], return_inverse=True)
    if not len(shown):
        return None
    n_all = ranks.n_candidates
    better, tied = cross.better[np.ix_(defined, shown)], cross.tied[np.ix_(defined, shown)]
    other = Ranks(better, tied, n_all, 0, 0)
    swapped = {f"top_{k}": expected_top_k(better, tied, n_all, n_all, k) for k in TOP if k < n_all}
    if n_all > 1:
        swapped[PERCENTILE] = other.percentile
    found = by_trial(ranks, defined)
    return StimulusScores(
        cell,
        tuple(names[image] for image in shown),
        tuple(None if strata is None else strata[image] for image in shown),
        {key: _means(values[:, None], place)[:, 0] for key, (values, _) in found.items()},
        {key: chance for key, (_, chance) in found.items()},
        {measure: _means(values, place) for measure, values in swapped.items()},
        float(np.median(ranks.rank[defined])),
        n_all,
        len(defined),
    )


def pool_identified(
    participants: Sequence[Sequence[StimulusScores]], rng: np.random.Generator, draws: int = 2000
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Scores of the mean over participants.

    Parameters
    ----------
    participants : the scores of each, those of participants without any left out
    rng : draws images for intervals, then exchanges them for p
    draws : bootstrap draws, and permutations

    Returns
    -------
    one row a cell, measure and number of candidates that all participants have, columns as
    ``identify`` has them with ``whole`` (all candidates; their number is the mean, rounded); and a sentence
    where a participant lacks a cell

    Notes
    -----
    Images that several participants saw are drawn together, and exchanged together, within the set of
    participants who saw them; exchanges stay within strata as well. Intervals and p therefore speak of new
    images for these participants. The median rank is the mean of the participants', without interval.
    """
    by_cell = [{scores.cell: scores for scores in own} for own in participants if own]
    if len(by_cell) < 2:
        return pd.DataFrame(), ()
    every = dict.fromkeys(cell for own in by_cell for cell in own)
    common = [cell for cell in every if all(cell in own for own in by_cell)]
    rows = [row for cell in common for row in _pooled([own[cell] for own in by_cell], rng, draws)]
    lost = len(every) - len(common)
    sentence = (
        f"Identification: {lost} of {len(every)} combinations of ROI, pattern and scaling are not pooled, "
        "because a participant lacks them."
    )
    return pd.DataFrame(rows), (sentence,) if lost else ()


def join_sources(sources: Mapping[str, StimulusScores]) -> StimulusScores:
    """Scores of test images, each among candidates of its own source, as one task.

    Parameters
    ----------
    sources : of one region, kind of pattern and scaling, by source, two or more

    Returns
    -------
    scores of all their images, for the measures and numbers of candidates that all sources have. All
    candidates are those of an image's own source, and their number and chance the mean over images.
    Images are exchanged within their source. The median rank is the sources', weighted by trials.
    """
    parts = list(sources.values())
    n_images = np.array([len(own.stimuli) for own in parts], dtype=np.float64)
    n_trials = np.array([own.n_trials for own in parts], dtype=np.float64)
    n_all = round(float(np.average([own.n_candidates for own in parts], weights=n_images)))
    values: dict[tuple[str, int], Float64Array] = {}
    chance: dict[tuple[str, int], float] = {}
    for (measure, size), keys in _aligned(parts).items():
        key = (measure, n_all if size is None else size)
        values[key] = np.concatenate([own.values[at] for own, at in zip(parts, keys, strict=True)])
        each = [own.chance[at] for own, at in zip(parts, keys, strict=True)]
        chance[key] = float(np.average(each, weights=n_images))
    return StimulusScores(
        parts[0].cell,
        tuple(name for own in parts for name in own.stimuli),
        tuple(source for source, own in sources.items() for _ in own.stimuli),
        values,
        chance,
        {
            measure: block_diag(*(own.exchanged[measure] for own in parts))
            for measure in parts[0].exchanged
            if all(measure in own.exchanged for own in parts)
        },
        float(np.average([own.median_rank for own in parts], weights=n_trials)),
        n_all,
        int(n_trials.sum()),
    )


def table_of(scores: Sequence[StimulusScores], rng: np.random.Generator, draws: int = 2000) -> pd.DataFrame:
    """The rows of one participant's scores, as ``pool_identified`` has those of several."""
    return pd.DataFrame([row for own in scores for row in _pooled([own], rng, draws)])


@dataclass(frozen=True)
class _Shared:
    """Test images of several participants, each once: where each participant's stand, what they share."""

    rows: tuple[IntArray, ...]
    seen_by: tuple[tuple[int, ...], ...]
    strata: tuple[str | None, ...]

    def weights(self, draws: int, rng: np.random.Generator) -> Float64Array:
        """(draws, n_images) how often each is drawn, within the set of participants who saw it."""
        weights = np.zeros((draws, len(self.seen_by)))
        for seen in dict.fromkeys(self.seen_by):
            columns = np.flatnonzero([own == seen for own in self.seen_by])
            weights[:, columns] = bootstrap_weights(len(columns), draws, rng)
        return weights

    def orders(self, draws: int, rng: np.random.Generator) -> IntArray:
        """(draws, n_images) which image stands for each."""
        return exchanged(list(zip(self.seen_by, self.strata, strict=True)), draws, rng)


def _share(scores: Sequence[StimulusScores]) -> _Shared:
    stratum = {name: s for own in scores for name, s in zip(own.stimuli, own.strata, strict=True)}
    place = {name: number for number, name in enumerate(stratum)}
    rows = tuple(np.array([place[name] for name in own.stimuli], dtype=np.int64) for own in scores)
    seen: list[list[int]] = [[] for _ in place]
    for number, own in enumerate(rows):
        for image in own:
            seen[image].append(number)
    return _Shared(rows, tuple(map(tuple, seen)), tuple(stratum.values()))


def _pooled(
    scores: Sequence[StimulusScores], rng: np.random.Generator, draws: int
) -> list[dict[str, object]]:
    shared = _share(scores)
    weights, p = shared.weights(draws, rng), _pooled_p(scores, shared, rng, draws)
    n_all = round(float(np.mean([own.n_candidates for own in scores])))
    common = {
        **dict(zip(CELL, scores[0].cell, strict=True)),
        "n_trials": sum(own.n_trials for own in scores),
        "n_stimuli": len(shared.seen_by),
    }
    rows = []
    for (measure, size), keys in _aligned(scores).items():
        values = [own.values[key] for own, key in zip(scores, keys, strict=True)]
        drawn = np.mean(
            [weights[:, at] @ own / len(own) for own, at in zip(values, shared.rows, strict=True)], axis=0
        )
        low, high = percentile_interval(drawn)
        rows.append(
            {
                **common,
                "measure": measure,
                "n_candidates": n_all if size is None else size,
                "whole": size is None,
                "value": float(np.mean([own.mean() for own in values])),
                "ci_low": low,
                "ci_high": high,
                "chance": float(np.mean([own.chance[key] for own, key in zip(scores, keys, strict=True)])),
                "p": p[measure] if size is None else np.nan,
            }
        )
    middle = float(np.mean([(own.n_candidates + 1) / 2 for own in scores]))
    median = {"value": float(np.mean([own.median_rank for own in scores])), "chance": middle}
    rows.append({**common, "measure": MEDIAN_RANK, "n_candidates": n_all, "whole": True, **median})
    return rows


def _aligned(scores: Sequence[StimulusScores]) -> dict[tuple[str, int | None], list[tuple[str, int]]]:
    """Each participant's key of a measure at a number of candidates, None being all of them."""
    own = [
        {(measure, None if n == one.n_candidates else n): (measure, n) for measure, n in one.values}
        for one in scores
    ]
    return {key: [keys[key] for keys in own] for key in own[0] if all(key in keys for keys in own)}


def _pooled_p(
    scores: Sequence[StimulusScores], shared: _Shared, rng: np.random.Generator, draws: int
) -> dict[str, float]:
    """p of each measure at all candidates, images exchanged jointly."""
    order = shared.orders(draws, rng)
    local = []
    for rows in shared.rows:
        at = np.full(order.shape[1], -1, dtype=np.int64)
        at[rows] = np.arange(len(rows))
        local.append(at[order[:, rows]])  # (draws, n_own)
    found = {}
    for measure in scores[0].exchanged:
        null = np.mean(
            [
                own.exchanged[measure][np.arange(len(own.stimuli)), images].mean(axis=1)
                for own, images in zip(scores, local, strict=True)
            ],
            axis=0,
        )
        observed = np.mean([own.values[measure, own.n_candidates].mean() for own in scores])
        found[measure] = permutation_p(float(observed) - TIE, null)
    return found


def _means(values: Float64Array, place: IntArray) -> Float64Array:
    """(n_stimuli, n) mean over each image's trials of (n_trials, n) values."""
    sums = np.zeros((int(place.max()) + 1, values.shape[1]))
    np.add.at(sums, place, values)
    means: Float64Array = sums / np.bincount(place)[:, None]
    return means
