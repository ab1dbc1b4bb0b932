"""The mean of identification over participants: its parts as an oracle, copies that add no evidence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest

from bidsapp_synthfmri.decoding import Candidates, Identified, ShownTrials, identify, pool_identified
from bidsapp_synthfmri.structures import RoiSet

ROIS = (RoiSet("PPA", np.arange(30) < 12), RoiSet("all", np.ones(30, dtype=bool)))
KEYS = ["roi", "pattern", "scaling", "measure", "n_candidates"]


def participant(
    seed: int, noise: float, n_candidates: int = 60, first: int = 0, n_images: int = 12, draws: int = 100
) -> Identified:
    """Test images from number ``first`` on, each shown twice; synthetic = signal, real = signal and noise."""
    rng = np.random.default_rng(seed)
    signal = rng.standard_normal((n_candidates, 30)).astype(np.float32)
    shown = np.arange(n_images).repeat(2)
    real = (signal[shown] + noise * rng.standard_normal((len(shown), 30))).astype(np.float32)
    names = tuple(f"image{first + number:03d}" for number in range(n_candidates))
    trials = ShownTrials(real, tuple(names[number] for number in shown))
    return identify(
        trials, Candidates(signal, names), ROIS, rng, who=str(seed), scalings=("raw",), draws=draws
    )


def pool(*parts: Identified, draws: int = 500) -> pd.DataFrame:
    return pool_identified([part.by_stimulus for part in parts], np.random.default_rng(0), draws)[0]


def test_the_group_is_the_mean_of_the_participants_row_by_row() -> None:
    parts = [participant(seed, noise=2.5) for seed in range(3)]
    pooled = pool(*parts).set_index(KEYS)
    tables = [part.table.set_index(KEYS) for part in parts]
    assert set(pooled.index) == set(tables[0].index)
    for column in ("value", "chance"):
        mean = sum(table.loc[pooled.index, column] for table in tables) / 3
        np.testing.assert_allclose(pooled[column], mean, atol=1e-12)
    assert (pooled["n_trials"] == sum(table.loc[pooled.index, "n_trials"] for table in tables)).all()
    assert (pooled["n_stimuli"] == 12).all()


def test_a_copy_of_a_participant_adds_no_evidence() -> None:
    """The same images, drawn and exchanged together: interval and p stay as they were."""
    one = participant(1, noise=7.0, draws=4000)
    pooled = pool(one, one, draws=4000).set_index(KEYS)
    alone = one.table.set_index(KEYS).loc[pooled.index]
    tested = alone["p"].notna() & pooled["p"].notna()
    assert tested.sum() == 12  # two regions, two patterns, three measures
    assert alone["p"][tested].max() > 0.05  # not all at the smallest p there is
    # 4,000 draws: the sd of p is .008 at most, that of an interval's end below .01
    np.testing.assert_allclose(pooled["p"][tested], alone["p"][tested], atol=0.04)
    shares = pooled.index.get_level_values("measure") != "median_rank"
    for end in ("ci_low", "ci_high"):
        np.testing.assert_allclose(pooled[end][shares], alone[end][shares], atol=0.04)


def test_participants_of_other_images_are_independent() -> None:
    """The interval of a mean of independent values: its width is the root of the sum of squares, over n."""
    parts = [participant(seed, noise=3.0, first=100 * seed, draws=2000) for seed in range(4)]
    tables = [part.table for part in parts]
    widths = []
    for table in (*tables, pool(*parts, draws=2000)):
        chosen = (table["roi"] == "all") & (table["pattern"] == "single_trial")
        row = table[chosen & (table["measure"] == "percentile_rank")].iloc[0]
        widths.append(row["ci_high"] - row["ci_low"])
    assert row["n_stimuli"] == 48
    # a width from 2,000 draws has an sd of about 3%; skewness of the parts costs a little more
    assert widths[-1] == pytest.approx(np.sqrt(np.sum(np.square(widths[:-1]))) / 4, rel=0.12)


def test_without_signal_p_of_the_group_is_uniform() -> None:
    found = []
    for seed in range(100):
        parts = [participant(1000 * seed + number, noise=1e6, draws=1) for number in range(2)]
        table, _ = pool_identified([p.by_stimulus for p in parts], np.random.default_rng(seed), draws=99)
        chosen = (table["roi"] == "all") & (table["pattern"] == "single_trial")
        found.append(table[chosen & (table["measure"] == "percentile_rank")]["p"].iloc[0])
    # p takes 100 values; the middle of each step stands for it
    assert kstest(np.array(found) - 0.005, "uniform").pvalue > 0.01


def test_numbers_of_candidates_that_differ_share_the_curve_and_the_whole() -> None:
    few, many = participant(0, noise=2.0, n_candidates=60), participant(1, noise=2.0, n_candidates=200)
    table = pool(few, many)
    curve = table[(table["measure"] == "top_1") & (table["roi"] == "all")]
    curve = curve[curve["pattern"] == "single_trial"]
    assert curve["n_candidates"].tolist() == [2, 5, 10, 20, 50, 130]
    assert curve["whole"].tolist() == [False] * 5 + [True]
    whole = curve[curve["whole"]].iloc[0]
    assert whole["chance"] == pytest.approx((1 / 60 + 1 / 200) / 2)
    assert np.isfinite(whole["p"])


def test_images_of_a_source_are_exchanged_within_it() -> None:
    """Where every source has one test image nothing can be exchanged, and p is 1."""
    one, two = participant(0, noise=1.0), participant(1, noise=1.0)
    alone = [
        [replace(scores, strata=tuple(scores.stimuli)) for scores in part.by_stimulus] for part in (one, two)
    ]
    table, _ = pool_identified(alone, np.random.default_rng(0), draws=50)
    assert (table["p"].dropna() == 1).all()
    assert (pool(one, two)["p"].dropna() < 0.05).all()


def test_a_region_that_a_participant_lacks_is_counted() -> None:
    one, two = participant(0, noise=2.0), participant(1, noise=2.0)
    less = [scores for scores in two.by_stimulus if scores.cell[0] != "PPA"]
    table, sentences = pool_identified([one.by_stimulus, less], np.random.default_rng(0), draws=20)
    assert set(table["roi"]) == {"all"}
    assert sentences == (
        "Identification: 2 of 4 combinations of ROI, pattern and scaling are not pooled, because a "
        "participant lacks them.",
    )


def test_one_participant_makes_no_group() -> None:
    assert pool_identified([participant(0, 1.0).by_stimulus, ()], np.random.default_rng(0))[0].empty
