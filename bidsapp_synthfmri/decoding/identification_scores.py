"""Identification in numbers: top-k over the number of candidates, ranks, chance, intervals and p-values."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.special import betaln

from ..evaluation.statistics import bootstrap_weights, percentile_interval, permutation_p
from ..structures import IntArray
from .identification import Ranks
from .identification_null import CrossRanks, exchanged
from .identification_patterns import Float64Array

SIZES = (2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
TOP = (1, 5)
MEDIAN_RANK, PERCENTILE = "median_rank", "percentile_rank"
COLUMNS = ("measure", "n_candidates", "value", "ci_low", "ci_high", "chance", "p", "n_trials", "n_stimuli")
TIE = 1e-12


def expected_top_k(better: Float64Array, tied: Float64Array, n_all: int, n: int, k: int) -> Float64Array:
    """Probability that the seen image is among the best k of n candidates.

    Parameters
    ----------
    better, tied : of ``Ranks``, any shape; candidates above the seen image and level with it
    n_all : candidates that were ranked, the seen image among them
    n : candidates of the smaller task: the seen image, and n - 1 of the others drawn without replacement

    Returns
    -------
    the shape of ``better``; NaN where it is NaN

    Notes
    -----
    Exact, without drawing: with b of the other n_all - 1 candidates better, the number of better ones
    among n - 1 is hypergeometric, and the image is among the best k if fewer than k are. Ties are broken
    at random: the image takes each place among its tied candidates equally often.
    """
    reach = _reach(n_all, n, k)  # (n_all,) by number of better candidates
    total = np.concatenate([[0.0], np.cumsum(reach)])
    first = np.nan_to_num(better).astype(np.int64)
    last = first + np.nan_to_num(tied).astype(np.int64) + 1
    expected = np.where(last == first + 1, reach[first], (total[last] - total[first]) / (last - first))
    return np.where(np.isnan(better), np.nan, expected)


@lru_cache(maxsize=64)
def _reach(n_all: int, n: int, k: int) -> Float64Array:
    """(n_all,) probability that fewer than k of b better candidates are among n - 1 drawn, for every b.

    The hypergeometric distribution's own sum over fewer than k, for all b at once: scipy's takes 400
    times as long for 10,000 candidates. Every region and kind of pattern asks for the same ones.
    """
    better, others, drawn = np.arange(n_all), n_all - 1, n - 1
    if drawn == others:
        return (better < k).astype(np.float64)
    among = np.arange(k)[:, None]  # (k, 1) better ones among those drawn
    log_p = _log_choose(better, among) + _log_choose(others - better, drawn - among)
    reach: Float64Array = np.exp(log_p - _log_choose(others, drawn)).sum(axis=0).clip(max=1.0)
    return reach


def _log_choose(n: IntArray | int, k: IntArray | int) -> Float64Array:
    """Logarithm of the binomial coefficient; minus infinity where there is no such choice."""
    n, k = np.broadcast_arrays(n, k)
    possible = (k >= 0) & (k <= n)
    k = np.where(possible, k, 0)
    return np.where(possible, -np.log1p(n) - betaln(k + 1, n - k + 1), -np.inf)


def curve_sizes(n_all: int) -> tuple[int, ...]:
    """Numbers of candidates that a curve is drawn over, the last all of them."""
    return (*(size for size in SIZES if size < n_all), n_all)


def identification_scores(
    ranks: Ranks,
    stimuli: IntArray,
    rng: np.random.Generator,
    cross: CrossRanks | None = None,
    strata: Sequence[object] | None = None,
    draws: int = 2000,
) -> pd.DataFrame:
    """Top-1 and top-5 over the number of candidates, median rank and percentile rank.

    Parameters
    ----------
    ranks : of every trial
    stimuli : (n_trials,) number of each trial's stimulus, from 0
    rng : draws stimuli for intervals, then exchanges images for p
    cross : from ``rank_test_images`` with images in the order of the stimuli's numbers; gives p
    strata : (n_stimuli,) what images are exchanged within, such as their source; by default nothing
    draws : bootstrap draws, and permutations

    Returns
    -------
    one row a measure and number of candidates: ``value`` (mean over stimuli of the mean over a
    stimulus' trials; of ranks the median over trials), a 95% interval over stimuli, ``chance`` where the
    seen image stands anywhere equally often, and p at all candidates (one-sided)
    """
    defined = np.flatnonzero(np.isfinite(ranks.better))
    shown, place = np.unique(stimuli[defined], return_inverse=True)
    counted = (len(defined), len(shown))
    if not len(shown):
        return pd.DataFrame(columns=list(COLUMNS))
    weights = bootstrap_weights(len(shown), draws, rng)
    p = {} if cross is None else _p_values(ranks, cross, stimuli, defined, strata, draws, rng)
    rows: list[tuple[object, ...]] = []
    for (measure, n), (values, chance) in by_trial(ranks, defined).items():
        own = _stimulus_means(values, place)
        low, high = percentile_interval(weights @ own / len(own))
        found = p.get(measure, np.nan) if n == ranks.n_candidates else np.nan
        rows.append((measure, n, own.mean(), low, high, chance, found, *counted))
    rank = ranks.rank[defined]
    low, high = percentile_interval(_weighted_medians(rank, weights[:, place]))
    middle, n_all = (ranks.n_candidates + 1) / 2, ranks.n_candidates
    found = p.get(MEDIAN_RANK, np.nan)
    rows.append((MEDIAN_RANK, n_all, float(np.median(rank)), low, high, middle, found, *counted))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def by_trial(ranks: Ranks, defined: IntArray) -> dict[tuple[str, int], tuple[Float64Array, float]]:
    """(n_defined,) value of every trial with a rank, and chance, by measure and number of candidates."""
    better, tied, n_all = ranks.better[defined], ranks.tied[defined], ranks.n_candidates
    found: dict[tuple[str, int], tuple[Float64Array, float]] = {}
    for k in TOP:
        for n in curve_sizes(n_all):
            if n > k:
                found[f"top_{k}", n] = (expected_top_k(better, tied, n_all, n, k), k / n)
    if n_all > 1:
        found[PERCENTILE, n_all] = (ranks.percentile[defined], 0.5)
    return found


def _stimulus_means(values: Float64Array, place: IntArray) -> Float64Array:
    """(n_stimuli,) mean over each stimulus' trials."""
    means: Float64Array = np.bincount(place, values) / np.bincount(place)
    return means


def _weighted_medians(values: Float64Array, weights: Float64Array) -> Float64Array:
    """(draws,) median of values that occur as often as each row of ``weights`` (draws, n) says."""
    order = np.argsort(values)
    below = np.cumsum(weights[:, order], axis=1)
    half = below[:, -1:] / 2
    low = values[order][(below < half).sum(axis=1)]
    high = values[order][(below <= half).sum(axis=1)]
    return np.asarray((low + high) / 2)


def _p_values(
    ranks: Ranks,
    cross: CrossRanks,
    stimuli: IntArray,
    defined: IntArray,
    strata: Sequence[object] | None,
    draws: int,
    rng: np.random.Generator,
) -> dict[str, float]:
    """p of each measure at all candidates, images exchanged within strata."""
    shown, own = np.unique(stimuli[defined], return_inverse=True)
    order = exchanged([None if strata is None else strata[image] for image in shown], draws, rng)
    images = shown[order[:, own]]  # (draws, n_trials)
    better, tied = cross.better[defined, images], cross.tied[defined, images]
    null = Ranks(better, tied, ranks.n_candidates, 0, 0)
    share = 1 / (np.bincount(own)[own] * len(shown))  # a stimulus counts once, however often shown
    observed = Ranks(ranks.better[defined], ranks.tied[defined], ranks.n_candidates, 0, 0)
    found = {PERCENTILE: _p(float(observed.percentile @ share), null.percentile @ share)}
    found[MEDIAN_RANK] = _p(-float(np.median(observed.rank)), -np.median(null.rank, axis=1))
    for k in TOP:
        reached = [
            expected_top_k(one.better, one.tied, ranks.n_candidates, ranks.n_candidates, k) @ share
            for one in (observed, null)
        ]
        found[f"top_{k}"] = _p(float(reached[0]), reached[1])
    return found


def _p(observed: float, null: Float64Array) -> float:
    return permutation_p(observed - TIE, null)
