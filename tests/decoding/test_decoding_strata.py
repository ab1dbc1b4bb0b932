"""Permutations within source and session: what they may exchange, when they are given up, calibrated p."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest

from bidsapp_synthfmri.decoding import Decoded, pool, score, session_of_stimuli
from bidsapp_synthfmri.decoding.resampling import share_stimuli
from bidsapp_synthfmri.decoding.strata import joint, movable, usable

N = 60
CELLS = pd.DataFrame(
    {
        "roi": ["all"],
        "training": "real",
        "control": "none",
        "step": "all",
        "n_training": 50,
        "full": True,
        "penalty": 1.0,
        "penalty_at_edge": False,
        "auc": 0.5,
        "top5": np.nan,
    }
)
NONE = np.zeros(N, dtype=np.int64)


def _of_source(seed: int, participant: str = "01") -> Decoded:
    """Two classes, of unequal shares in two sources; predictions tell the source, nothing of the class in it.

    Half of the stimuli were shown twice, both trials predicted alike.
    """
    rng = np.random.default_rng(seed)
    sources = np.arange(N) // (N // 2)
    labels = (rng.permutation(N // 2)[np.arange(N) % (N // 2)] < np.where(sources == 0, 8, 22)).astype(int)
    predicted = np.where(rng.random(N) < 0.8, sources, 1 - sources)
    counts = np.zeros((1, N, 2), dtype=np.int64)
    counts[0, np.arange(N), predicted] = 1 + np.arange(N) % 2
    stimuli = tuple(f"picture{number}" for number in range(N))
    return Decoded(participant, ("a", "b"), stimuli, labels, CELLS, counts, (), NONE, sources, NONE)


def _p(decoded: Decoded, seed: int) -> float:
    """Ties broken at random, which leaves a discrete p uniform."""
    row = score(decoded, np.random.default_rng(seed), 5, 199).table.iloc[0]
    return float(row["p"])


def test_p_is_uniform_within_sources_that_differ_in_their_labels_and_not_without() -> None:
    """Kolmogorov-Smirnov at .001; a p from accuracies that tie is too large by less than a tie's share."""
    apart, together = (
        [_p(decoded if kept else replace(decoded, sources=NONE), seed) for seed, decoded in people]
        for kept in (True, False)
        for people in ([(seed, _of_source(seed)) for seed in range(200)],)
    )
    assert kstest(apart, "uniform").pvalue > 0.001
    assert kstest(together, "uniform").pvalue < 1e-6
    assert np.mean(np.array(together) < 0.05) > 0.5


def test_chance_within_sources_is_what_the_source_alone_gives() -> None:
    decoded = _of_source(0)
    table = score(decoded, np.random.default_rng(0), 5, 2000).table.iloc[0]
    right = [
        np.mean([(decoded.counts[0, decoded.sources == s, c] > 0).mean() for s in (0, 1)]) for c in (0, 1)
    ]
    assert table["permuted_within"] == "source"
    assert table["chance"] > 0.6
    assert sum(right) == pytest.approx(1)
    free = score(replace(decoded, sources=NONE), np.random.default_rng(0), 5, 2000).table.iloc[0]
    assert free["chance"] == pytest.approx(0.5, abs=0.02)
    assert free["permuted_within"] == "nothing"


def test_labels_keep_their_source_session_and_fixed_stratum() -> None:
    rng = np.random.default_rng(0)
    fixed, sources, sessions = rng.integers(0, 2, (3, N))
    decoded = replace(_of_source(0), strata=fixed, sources=sources, sessions=sessions)
    stimuli = share_stimuli([decoded])
    assert stimuli.within == ("source", "session")
    order = stimuli.permutations(50, rng)
    for key in (fixed, sources, sessions):
        assert (key[order] == key).all()
    assert len(np.unique(order, axis=0)) == 50


def test_sessions_are_given_up_first_and_fixed_strata_never() -> None:
    labels, sources = np.arange(8) % 2, np.arange(8) // 4
    each_alone = np.arange(8)
    assert usable(labels, 0 * labels, sources, each_alone)[1] == ("source",)
    strata, within = usable(labels, sources, labels, each_alone)
    assert within == ()
    assert (joint(strata, sources) == joint(sources)).all()
    assert usable(labels, 0 * labels, sources, each_alone // 2)[1] == ("source", "session")
    assert movable(labels, labels) == 0
    assert movable(np.array([0, 1, 1, 1]), np.array([0, 0, 1, 1])) == 0.5


def test_stimuli_that_several_saw_are_permuted_within_the_strata_of_each() -> None:
    rng = np.random.default_rng(1)
    first = replace(_of_source(0), sessions=rng.integers(0, 2, N))
    second = replace(_of_source(0, "02"), sessions=rng.integers(0, 2, N))
    stimuli = share_stimuli([first, second])
    assert stimuli.within == ("source", "session")
    order = stimuli.permutations(20, rng)
    for key in (first.sources, first.sessions, second.sessions):
        assert (key[order] == key).all()
    # Forty sessions a participant in an order of their own leave hardly two stimuli that share both.
    many = [replace(one, sessions=rng.permutation(N) % 40) for one in (first, second)]
    assert share_stimuli(many).within == ("source",)
    assert pool(many, rng, 5, 20).table["permuted_within"].tolist() == ["source"]


def test_a_stimulus_of_several_sessions_is_of_a_stratum_of_its_own() -> None:
    found = session_of_stimuli(["a", "b", "a", "c", "b"], ["1", "1", "2", "2", "1"])
    assert found == {"a": "several", "b": "1", "c": "2"}
