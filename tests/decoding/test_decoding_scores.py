"""Scores: accuracies by hand, calibrated chance, stimuli kept together, pooling over participants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, false_discovery_control, kstest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix

from bidsapp_synthfmri.decoding import Decoded, ParticipantData, decode, join, pool, score
from bidsapp_synthfmri.decoding.resampling import (
    balanced_accuracy,
    permuted_accuracy,
    share_stimuli,
    stimulus_shares,
)
from bidsapp_synthfmri.decoding.scores import CONTRAST_COLUMNS
from bidsapp_synthfmri.errors import InputMalformedError

Simulate = Callable[..., ParticipantData]


def _decoded(
    seed: int, hit: float = 0.0, names: str = "test", n: int = 40, participant: str = "01", n_cells: int = 1
) -> Decoded:
    """Predictions at random, right with probability ``hit``; 1 to 4 trials a stimulus, all predicted alike.

    Agreement of a stimulus' trials is what real data have, and what an unwary permutation breaks.
    """
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 4
    counts = np.zeros((n_cells, n, 4), dtype=np.int64)
    for cell in range(n_cells):
        predicted = np.where(rng.random(n) < hit, labels, rng.integers(0, 4, n))
        counts[cell, np.arange(n), predicted] = 1 + np.arange(n) // 4 % 4
    cells = pd.DataFrame(
        {
            "roi": "all",
            "training": ["real", "synthetic_same", "synthetic_more"][:n_cells],
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
    stimuli = tuple(f"{names}{number}" for number in range(n))
    none = np.zeros(n, dtype=np.int64)
    return Decoded(participant, ("a", "b", "c", "d"), stimuli, labels, cells, counts, (), none, none, none)


def _trials(decoded: Decoded, labels: np.ndarray, cell: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """True and predicted class of every single trial."""
    counts = decoded.counts[cell]
    stimulus, predicted = np.nonzero(counts)
    times = counts[stimulus, predicted]
    return np.repeat(labels[stimulus], times), np.repeat(predicted, times)


def test_accuracy_and_confusion_are_those_of_scikit_learn(simulate: Simulate) -> None:
    decoded = decode(simulate(0), np.random.default_rng(0))
    scores = score(decoded, np.random.default_rng(1), 50, 50)
    for cell in range(len(decoded.cells)):
        true, predicted = _trials(decoded, decoded.labels, cell)
        assert scores.table["accuracy"].iloc[cell] == pytest.approx(balanced_accuracy_score(true, predicted))
    cell = int(np.flatnonzero((decoded.cells["roi"] == "all") & decoded.cells["full"])[0])
    found = scores.confusion[scores.confusion["training"] == decoded.cells["training"].iloc[cell]]
    expected = confusion_matrix(*_trials(decoded, decoded.labels, cell))
    assert found["count"].to_numpy().reshape(4, 4).tolist() == expected.tolist()


def test_permutation_moves_all_trials_of_a_stimulus_together() -> None:
    decoded = _decoded(0, hit=0.5)
    order = share_stimuli([decoded]).permutations(20, np.random.default_rng(0))
    labels = decoded.labels[order]
    found = permuted_accuracy(decoded, labels)[:, 0]
    expected = [balanced_accuracy_score(*_trials(decoded, own)) for own in labels]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert all(sorted(row) == list(range(40)) for row in order.tolist())


def test_bootstrap_keeps_every_class_and_repeats_stimuli_whole() -> None:
    decoded = _decoded(1, hit=0.5)
    weights = share_stimuli([decoded]).bootstrap(20, np.random.default_rng(0))
    for label in range(4):
        assert (weights[:, decoded.labels == label].sum(axis=1) == 10).all()
    drawn = np.repeat(np.arange(40), weights[0].astype(int))
    resampled = replace(decoded, labels=decoded.labels[drawn], counts=decoded.counts[:, drawn])
    expected = balanced_accuracy_score(*_trials(resampled, resampled.labels))
    assert balanced_accuracy(decoded, weights)[0, 0] == pytest.approx(expected)


def test_stimulus_shares_sum_to_accuracy() -> None:
    decoded = _decoded(2, hit=0.4)
    once = balanced_accuracy(decoded, np.ones((1, 40)))[0]
    np.testing.assert_allclose(stimulus_shares(decoded).sum(axis=1), once, rtol=1e-12)


def test_p_is_uniform_where_predictions_know_nothing_of_the_labels() -> None:
    """Bounds: central 99.9% of the binomial, and Kolmogorov-Smirnov at .001."""
    p = [float(score(_decoded(s), np.random.default_rng(s), 10, 199).table["p"].iloc[0]) for s in range(200)]
    for level in (0.05, 0.2, 0.5):
        low, high = binom.interval(0.999, 200, level)
        assert low <= sum(value <= level for value in p) <= high
    assert kstest(p, "uniform").pvalue > 0.001


def test_p_is_uniform_through_the_whole_of_decoding_without_categories(simulate: Simulate) -> None:
    p = []
    for seed in range(40):
        data = simulate(seed, separation=0.0, n_train=40, n_extra=40, n_voxels=20)
        data = replace(data, rois=data.rois[1:])
        scores = score(decode(data, np.random.default_rng(seed)), np.random.default_rng(seed), 10, 199).table
        chosen = scores[scores["full"] & (scores["roi"] == "all")].set_index("training")
        p.append(float(chosen.loc["synthetic_same", "p"]))
    low, high = binom.interval(0.999, len(p), 0.2)
    assert low <= sum(value <= 0.2 for value in p) <= high
    assert kstest(p, "uniform").pvalue > 0.001


def test_contrast_finds_the_better_decoder_and_is_calibrated_for_equal_ones() -> None:
    real, better = _decoded(0, hit=0.1), _decoded(1, hit=0.9)
    cells = _decoded(0, n_cells=2).cells
    both = replace(real, cells=cells, counts=np.concatenate([real.counts, better.counts]))
    row = score(both, np.random.default_rng(0)).contrasts.iloc[0]
    assert row["contrast"] == "synthetic_same - real"
    assert row["difference"] > 0.5
    assert row["ci_low"] > 0
    assert row["p"] < 0.01
    p = [
        float(score(_decoded(s, 0.3, n_cells=2), np.random.default_rng(s), 10, 199).contrasts["p"].iloc[0])
        for s in range(150)
    ]
    # Ties make a discrete p conservative, so only too many small values are a fault.
    assert sum(value <= 0.05 for value in p) <= binom.ppf(0.999, 150, 0.05)


def test_larger_sets_are_also_compared_at_equal_size(simulate: Simulate) -> None:
    scores = score(decode(simulate(0), np.random.default_rng(0)), np.random.default_rng(0), 50, 50)
    assert set(scores.contrasts["contrast"]) == {
        "synthetic_same - real",
        "synthetic_more - real",
        "synthetic_more - real at equal size",
    }


def test_fdr_is_over_full_rows_only(simulate: Simulate) -> None:
    table = score(decode(simulate(0), np.random.default_rng(0)), np.random.default_rng(0), 50, 50).table
    assert table.loc[~table["full"], "p_fdr"].isna().all()
    assert (table.loc[table["full"], "p_fdr"] >= table.loc[table["full"], "p"]).all()


def test_contrasts_are_corrected_over_regions_and_sets_each_size_apart(simulate: Simulate) -> None:
    people = [decode(simulate(s, participant=f"0{s}"), np.random.default_rng(0)) for s in (1, 2)]
    parts = [score(one, np.random.default_rng(0), 50, 199) for one in people]
    contrasts = join([*parts, pool(people, np.random.default_rng(0), 50, 199)]).contrasts
    equal_size = contrasts["contrast"].str.endswith("at equal size")
    for _, family in contrasts.groupby([contrasts["participant"], equal_size]):
        expected = false_discovery_control(family["p"])
        np.testing.assert_allclose(family["p_fdr"], expected, rtol=1e-12)
        assert family["roi"].nunique() == 2
    assert len(contrasts.groupby([contrasts["participant"], equal_size])) == 6


def test_without_contrasts_the_columns_are_there() -> None:
    assert list(score(_decoded(0), np.random.default_rng(0), 10, 10).contrasts) == list(CONTRAST_COLUMNS)


def test_same_generator_gives_the_same_scores(simulate: Simulate) -> None:
    first, second = (
        score(decode(simulate(0), np.random.default_rng(5)), np.random.default_rng(6), 100, 100)
        for _ in range(2)
    )
    pd.testing.assert_frame_equal(first.table, second.table)
    pd.testing.assert_frame_equal(first.contrasts, second.contrasts)


def test_pool_is_the_mean_and_shares_draws_of_shared_stimuli() -> None:
    """Two copies of one participant are no more evidence than one: same interval, same p."""
    one = _decoded(3, hit=0.3)
    copy = replace(one, participant="02")
    alone, both = (pool(people, np.random.default_rng(0)).table.iloc[0] for people in ([one], [one, copy]))
    assert both["participant"] == "group"
    assert both["accuracy"] == pytest.approx(alone["accuracy"])
    assert both["n_test_stimuli"] == 40
    assert both["n_test_trials"] == 2 * alone["n_test_trials"]
    assert both[["ci_low", "ci_high", "p"]].tolist() == pytest.approx(
        alone[["ci_low", "ci_high", "p"]].tolist()
    )


def test_pool_of_different_stimuli_is_more_evidence_than_one() -> None:
    people = [_decoded(s, hit=0.4, names=f"p{s}x", participant=str(s)) for s in range(4)]
    table = pool(people, np.random.default_rng(0)).table.iloc[0]
    alone = pool(people[:1], np.random.default_rng(0)).table.iloc[0]
    assert table["accuracy"] == pytest.approx(np.mean([stimulus_shares(d).sum() for d in people]))
    assert table["ci_high"] - table["ci_low"] < 0.75 * (alone["ci_high"] - alone["ci_low"])
    assert table["n_test_stimuli"] == 160


def test_pooled_p_is_uniform_when_stimuli_overlap_in_part() -> None:
    """As in BOLD5000, where one participant saw about half of the repeated images."""
    p = []
    for seed in range(120):
        whole = _decoded(seed)
        part = replace(
            whole, participant="02", stimuli=whole.stimuli[:20], labels=whole.labels[:20],
            counts=whole.counts[:, :20], strata=whole.strata[:20], sources=whole.sources[:20],
            sessions=whole.sessions[:20],
        )  # fmt: skip
        p.append(float(pool([whole, part], np.random.default_rng(seed), 10, 199).table["p"].iloc[0]))
    assert kstest(p, "uniform").pvalue > 0.001


def test_pool_leaves_out_cells_that_a_participant_lacks_and_says_so(simulate: Simulate) -> None:
    first = simulate(0)
    second = replace(simulate(1, participant="02"), rois=first.rois[1:])
    decoded = [decode(data, np.random.default_rng(0)) for data in (first, second)]
    scores = pool(decoded, np.random.default_rng(0), 50, 50)
    assert set(scores.table["roi"]) == {"all"}
    assert "10 of 20 combinations" in scores.skipped[0]


def test_pool_ignores_participants_without_cells(simulate: Simulate) -> None:
    decoded = decode(simulate(0), np.random.default_rng(0))
    nothing = decode(simulate(1), np.random.default_rng(0), min_train=1000)
    assert len(pool([nothing], np.random.default_rng(0)).table) == 0
    assert len(pool([nothing, decoded], np.random.default_rng(0), 50, 50).table) == len(decoded.cells)


def test_pool_refuses_a_stimulus_with_two_labels() -> None:
    one = _decoded(0)
    other = replace(one, labels=one.labels[::-1])
    with pytest.raises(InputMalformedError, match="'test0' is labelled"):
        pool([one, other], np.random.default_rng(0))


def test_join_stacks_participants_and_group(simulate: Simulate) -> None:
    decoded = [decode(simulate(s, participant=f"0{s}"), np.random.default_rng(0)) for s in (1, 2)]
    parts = [score(d, np.random.default_rng(0), 50, 50) for d in decoded]
    table = join([*parts, pool(decoded, np.random.default_rng(0), 50, 50)]).table
    assert table["participant"].unique().tolist() == ["01", "02", "group"]
