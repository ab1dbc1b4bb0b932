"""Top-k over the number of candidates, exactly; chance, intervals, p, and a participant's table."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import hypergeom, kstest

from bidsapp_synthfmri.decoding.identification import Ranks, rank_candidates
from bidsapp_synthfmri.decoding.identification_null import CrossRanks, rank_test_images
from bidsapp_synthfmri.decoding.identification_scores import (
    COLUMNS,
    curve_sizes,
    expected_top_k,
    identification_scores,
)
from bidsapp_synthfmri.decoding.identification_tables import (
    TABLE_COLUMNS,
    Candidates,
    Identified,
    ShownTrials,
    identify,
    of_source,
)
from bidsapp_synthfmri.errors import InputMalformedError
from bidsapp_synthfmri.structures import FloatArray, RoiSet


@pytest.mark.parametrize("n", [1, 2, 4, 7, 8])
@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize(("better", "tied"), [(0, 0), (3, 0), (7, 0), (0, 3), (2, 5), (0, 7)])
def test_expected_accuracy_is_the_mean_over_every_choice_of_candidates(
    n: int, k: int, better: int, tied: int
) -> None:
    others = [1] * better + [0] * tied + [-1] * (7 - better - tied)
    chances = []
    for choice in combinations(others, n - 1):
        above, level = choice.count(1), choice.count(0)
        places = [above + place < k for place in range(level + 1)]
        chances.append(np.mean(places))
    found = expected_top_k(np.array([better * 1.0]), np.array([tied * 1.0]), 8, n, k)
    np.testing.assert_allclose(found, np.mean(chances), atol=1e-12)


def test_all_candidates_give_the_plain_accuracy_and_ten_thousand_stay_exact() -> None:
    better = np.array([0.0, 1.0, 4.0, 5.0, 9999.0, np.nan])
    zeros = np.zeros(6)
    np.testing.assert_array_equal(expected_top_k(better, zeros, 10000, 10000, 5), [1, 1, 1, 0, 0, np.nan])
    np.testing.assert_array_equal(expected_top_k(better, zeros, 10000, 10000, 1), [1, 0, 0, 0, 0, np.nan])
    # of two candidates the seen one is first unless the other is one of the better ones
    pair = expected_top_k(better, zeros, 10000, 2, 1)
    np.testing.assert_allclose(pair[:5], 1 - better[:5] / 9999, rtol=1e-11)


@pytest.mark.parametrize(("n", "k"), [(2, 1), (10, 5), (100, 1), (2000, 5), (9999, 5)])
def test_ten_thousand_candidates_follow_the_hypergeometric_distribution(n: int, k: int) -> None:
    better = np.unique(np.geomspace(1, 9999, 60).astype(int)) * 1.0
    found = expected_top_k(better, np.zeros(len(better)), 10000, n, k)
    expected = hypergeom.cdf(k - 1, 9999, better.astype(int), n - 1)
    # coefficients are up to e^6900, and their logarithms good to 6900 x 1e-16
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-14)


def test_the_curve_ends_at_all_candidates() -> None:
    assert curve_sizes(10000)[-3:] == (2000, 5000, 10000)
    assert curve_sizes(113) == (2, 5, 10, 20, 50, 100, 113)
    assert curve_sizes(2) == (2,)


def test_mean_over_all_ranks_is_chance() -> None:
    n = 60
    ranks = Ranks(np.arange(n, dtype=float), np.zeros(n), n, 0, 0)
    table = identification_scores(ranks, np.arange(n), np.random.default_rng(0), draws=50)
    np.testing.assert_allclose(table["value"], table["chance"], rtol=1e-10)
    assert table["p"].isna().all()
    assert list(table.columns) == list(COLUMNS)
    assert set(table["measure"]) == {"top_1", "top_5", "percentile_rank", "median_rank"}


def test_a_stimulus_counts_once_however_often_it_was_shown() -> None:
    ranks = Ranks(np.array([0.0, 0.0, 0.0, 9.0]), np.zeros(4), 10, 0, 0)
    table = identification_scores(ranks, np.array([7, 7, 7, 9]), np.random.default_rng(0), draws=400)
    top = table[table["measure"].eq("top_1") & table["n_candidates"].eq(10)].iloc[0]
    assert top["value"] == 0.5
    assert (top["ci_low"], top["ci_high"]) == (0, 1)
    assert (top["n_trials"], top["n_stimuli"]) == (4, 2)


def test_median_rank_and_its_interval_are_those_of_resampled_trials() -> None:
    rng = np.random.default_rng(1)
    better = rng.integers(0, 100, 31).astype(float)
    ranks = Ranks(better, np.zeros(31), 100, 0, 0)
    table = identification_scores(ranks, np.arange(31), np.random.default_rng(2), draws=2000)
    row = table[table["measure"].eq("median_rank")].iloc[0]
    assert row["value"] == np.median(better + 1)
    assert row["chance"] == 50.5
    again = np.random.default_rng(3)
    drawn = [np.median(again.choice(better + 1, 31)) for _ in range(2000)]
    np.testing.assert_allclose([row["ci_low"], row["ci_high"]], np.quantile(drawn, [0.025, 0.975]), atol=6)


def test_undefined_trials_are_left_out_and_none_at_all_give_an_empty_table() -> None:
    ranks = Ranks(np.array([0.0, np.nan]), np.array([0.0, np.nan]), 10, 0, 0)
    table = identification_scores(ranks, np.array([0, 1]), np.random.default_rng(0), draws=20)
    assert set(table["n_trials"]) == {1}
    nothing = Ranks(np.full(2, np.nan), np.full(2, np.nan), 10, 0, 0)
    assert not len(identification_scores(nothing, np.array([0, 1]), np.random.default_rng(0), draws=20))


def _uniform(rng: np.random.Generator, n_images: int, repeats: int, n: int) -> tuple[Ranks, CrossRanks]:
    """Trials of the same image alike, and no image better than another."""
    scores = rng.standard_normal((n_images, n)).repeat(repeats, axis=0)
    scores += 0.5 * rng.standard_normal(scores.shape)
    better = (n - 1 - scores.argsort(axis=1).argsort(axis=1)).astype(float)
    cross = CrossRanks(better[:, :n_images], np.zeros((n_images * repeats, n_images)))
    own = better[np.arange(n_images * repeats), np.arange(n_images).repeat(repeats)]
    return Ranks(own, np.zeros(len(own)), n, 0, 0), cross


def test_p_is_uniform_where_nothing_identifies_the_image() -> None:
    found = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        ranks, cross = _uniform(rng, 12, 3, 40)
        table = identification_scores(ranks, np.arange(12).repeat(3), rng, cross, draws=99)
        at_all = table[table["n_candidates"].eq(40)].set_index("measure")["p"]
        found.append(at_all[["percentile_rank", "median_rank"]])
    for measure in ("percentile_rank", "median_rank"):
        p = np.array([row[measure] for row in found])
        # p takes 100 values; the middle of each step stands for it
        assert kstest(p - 0.005, "uniform").pvalue > 0.01, measure


def _participant(
    seed: int, noise: float, sources: float = 0.0
) -> tuple[ShownTrials, Candidates, tuple[RoiSet, ...], dict[str, str | None]]:
    """15 test images of three sources shown three times; synthetic = signal, real = signal and noise."""
    rng = np.random.default_rng(seed)
    centre = sources * rng.standard_normal((3, 40))
    signal = (rng.standard_normal((200, 40)) + centre[np.arange(200) % 3]).astype(np.float32)
    shown = np.arange(15).repeat(3)
    real: FloatArray = (signal[shown] + noise * rng.standard_normal((45, 40))).astype(np.float32)
    names = tuple(f"image{number:03d}" for number in range(200))
    rois = (RoiSet("PPA", np.arange(40) < 20), RoiSet("all", np.ones(40, dtype=bool)))
    tested = ShownTrials(real, tuple(names[number] for number in shown))
    return tested, Candidates(signal, names), rois, {name: f"s{i % 3}" for i, name in enumerate(names)}


def _row(found: Identified, measure: str, n: int = 200, **where: str) -> pd.Series:
    table = found.table
    for column, value in {"measure": measure, "roi": "all", "scaling": "raw", **where}.items():
        table = table[table[column].eq(value)]
    (position,) = np.flatnonzero(table["n_candidates"].eq(n))
    return table.iloc[position]


def test_means_of_repeats_identify_better_than_single_trials_and_more_voxels_than_few() -> None:
    tested, candidates, rois, _ = _participant(0, noise=2.5)
    found = identify(tested, candidates, rois, np.random.default_rng(1), who="sub-1", draws=200)
    assert list(found.table.columns) == list(TABLE_COLUMNS)
    assert found.sentences == ()
    single = _row(found, "top_1", pattern="single_trial")
    mean = _row(found, "top_1", pattern="mean_of_repeats")
    few = _row(found, "top_1", pattern="single_trial", roi="PPA")
    assert mean["value"] > single["value"] > few["value"] > 2 / 200
    assert (single["n_trials"], mean["n_trials"], mean["n_stimuli"]) == (45, 15, 15)
    assert single["p"] == pytest.approx(1 / 201)
    assert single["ci_low"] < single["value"] < single["ci_high"]


def test_the_curve_falls_with_the_number_of_candidates_to_the_measured_accuracy() -> None:
    tested, candidates, rois, _ = _participant(2, noise=3.0)
    found = identify(tested, candidates, rois[1:], np.random.default_rng(1), who="sub-1", draws=50)
    table = found.table[found.table["measure"].eq("top_1") & found.table["pattern"].eq("single_trial")]
    curve = table[table["scaling"].eq("standardised")]["value"].to_numpy()
    assert (np.diff(curve) < 0).all()
    ranks = rank_candidates(tested.values, candidates.values, np.arange(15).repeat(3), "standardised")
    assert curve[-1] == pytest.approx((ranks.rank == 1).mean())


def test_the_source_alone_beats_chance_and_exchange_within_sources_says_so() -> None:
    tested, candidates, rois, source_of = _participant(3, noise=0.0, sources=2.0)
    rng = np.random.default_rng(4)
    shown = np.arange(15).repeat(3)
    others = [[image for image in range(15) if image % 3 == own % 3 and image != own] for own in range(15)]
    wrong = np.array([rng.choice(others[own]) for own in range(15)])[shown]  # right source, wrong image
    misled = ShownTrials(tested.values[wrong * 3], tested.stimuli)
    free = identify(misled, candidates, rois[1:], np.random.default_rng(5), who="sub-1", draws=200)
    bound = identify(
        misled, candidates, rois[1:], np.random.default_rng(5), who="sub-1", source_of=source_of, draws=200
    )
    across, within = (_row(one, "percentile_rank", pattern="single_trial") for one in (free, bound))
    assert across["value"] == within["value"] > 0.6
    assert across["p"] < 0.05 < within["p"]


def test_candidates_of_one_source_leave_nothing_to_the_source() -> None:
    tested, candidates, rois, source_of = _participant(3, noise=0.0, sources=2.0)
    trials, chosen = of_source(tested, candidates, source_of, "s1")
    assert set(trials.stimuli) == {"image001", "image004", "image007", "image010", "image013"}
    assert len(chosen.images) == 67
    assert {source_of[image] for image in chosen.images} == {"s1"}
    row = chosen.images.index("image004")
    np.testing.assert_array_equal(chosen.values[row], candidates.values[4])
    wrong = ShownTrials(np.roll(trials.values, 3, axis=0), trials.stimuli)  # the next image's responses
    found = identify(wrong, chosen, rois[1:], np.random.default_rng(5), who="sub-1", draws=200)
    mixed = identify(wrong, candidates, rois[1:], np.random.default_rng(5), who="sub-1", draws=200)
    across = _row(mixed, "percentile_rank", pattern="single_trial")["value"]
    within = _row(found, "percentile_rank", 67, pattern="single_trial")["value"]
    # above the two thirds of candidates that are of other sources, a wrong image is anywhere: a mean of five
    # uniform values has an sd of .13
    assert within == pytest.approx(0.5, abs=0.26)
    assert across == pytest.approx(2 / 3 + within / 3, abs=0.05)
    nothing, none = of_source(tested, candidates, {}, "s1")
    assert (nothing.stimuli, none.images) == ((), ())


def test_what_is_left_out_is_said() -> None:
    tested, candidates, rois, _ = _participant(6, noise=1.0)
    values = candidates.values.copy()
    values[150] = 0.0
    fewer = Candidates(values[1:], candidates.images[1:])
    small = RoiSet("OPA", np.arange(40) < 2)
    found = identify(
        tested, fewer, (small, rois[1]), np.random.default_rng(0), who="sub-1", scalings=("raw",), draws=20
    )
    assert found.sentences == (
        "sub-1: 1 test images have no synthetic response and were left out of identification "
        "('image000' is one).",
        "sub-1: ROI OPA was left out of identification: patterns need 3 voxels, it has 2.",
        "sub-1, ROI all: 1 candidates were left out, because their pattern is flat (raw).",
        "sub-1, ROI all: 1 candidates were left out, because their pattern is flat (raw).",
    )
    assert set(found.table["n_stimuli"]) == {14}
    assert found.table["n_candidates"].max() == 198


def test_too_many_candidates_are_drawn_and_test_images_always_stay() -> None:
    tested, candidates, rois, _ = _participant(7, noise=1.0)
    found = identify(tested, candidates, rois[1:], np.random.default_rng(0), who="sub-1", most=50, draws=20)
    assert found.sentences == ("sub-1: 35 of 185 candidates beside the test images were drawn at random.",)
    assert found.table["n_candidates"].max() == 50
    assert set(found.table["n_stimuli"]) == {15}


def test_nothing_to_identify_gives_an_empty_table_and_a_sentence() -> None:
    tested, candidates, rois, _ = _participant(8, noise=1.0)
    fewer = Candidates(candidates.values[15:], candidates.images[15:])
    found = identify(tested, fewer, rois, np.random.default_rng(0), who="sub-1")
    assert list(found.table.columns) == list(TABLE_COLUMNS)
    assert not len(found.table)
    assert found.sentences[0].startswith("sub-1: 15 test images have no synthetic response")


def test_images_shown_once_have_no_mean_of_repeats() -> None:
    tested, candidates, rois, _ = _participant(9, noise=1.0)
    once = ShownTrials(tested.values[::3], tested.stimuli[::3])
    found = identify(once, candidates, rois[1:], np.random.default_rng(0), who="sub-1", draws=20)
    assert set(found.table["pattern"]) == {"single_trial"}


def test_two_candidates_of_one_name_are_refused() -> None:
    with pytest.raises(InputMalformedError, match="2 names and 1 different"):
        Candidates(np.zeros((2, 4), dtype=np.float32), ("a", "a"))


def test_a_permuted_image_is_ranked_by_its_own_response() -> None:
    tested, candidates, _, _ = _participant(10, noise=1.0)
    cross = rank_test_images(tested.values, candidates.values, np.arange(15))
    shifted = rank_candidates(tested.values, candidates.values, (np.arange(15).repeat(3) + 1) % 15)
    columns = (np.arange(15).repeat(3) + 1) % 15
    np.testing.assert_array_equal(cross.better[np.arange(45), columns], shifted.better)
