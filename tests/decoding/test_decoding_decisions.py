"""Decisions on simulated participants whose truth is known: the app must be able to say yes and to say no."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bidsapp_synthfmri.decoding import Experiment, ParticipantData, Scores, decide, decode, join, pool, score
from bidsapp_synthfmri.decoding.decisions import CANNOT_SAY, NOT_SUPPORTED, SUPPORTED, verdict

Simulate = Callable[..., ParticipantData]
EXPERIMENT = Experiment("main", sizes=(1.0,), rois=("all",), controls=("shuffled_encoder",))


def _scores(simulate: Simulate, n_people: int, **truth: Any) -> Scores:
    people = [
        decode(simulate(seed, participant=str(seed), **truth), np.random.default_rng(seed), EXPERIMENT)
        for seed in range(n_people)
    ]
    each = [score(part, np.random.default_rng(1), 500, 500) for part in people]
    return join([*each, pool(people, np.random.default_rng(2), 500, 500)])


def _decisions(scores: Scores) -> pd.DataFrame:
    named = [part.assign(experiment="main", source="all") for part in (scores.table, scores.contrasts)]
    return decide(*named).set_index(["claim", "training"])


def test_more_synthetic_images_beat_few_real_ones_where_the_encoder_is_good(simulate: Simulate) -> None:
    found = _decisions(_scores(simulate, 4, n_train=24, n_extra=320, n_test=60, encoder_error=0.2))
    row = found.loc[("beats_real", "synthetic_more")]
    assert row["verdict"] == SUPPORTED
    assert 0 < row["ci_low"] < row["effect"] < row["ci_high"]
    assert row["n_participants"] == 4
    assert found.loc[("needs_encoder", "synthetic_more"), "verdict"] == SUPPORTED


def test_the_same_is_not_supported_where_the_encoder_is_bad(simulate: Simulate) -> None:
    found = _decisions(
        _scores(simulate, 4, n_train=160, n_extra=320, n_test=60, separation=1.5, encoder_error=5.0)
    )
    row = found.loc[("beats_real", "synthetic_more")]
    assert row["effect"] < 0
    assert row["ci_high"] < 0
    assert row["verdict"] == NOT_SUPPORTED
    assert found.loc[("reads", "real"), "verdict"] == SUPPORTED


def test_shuffled_over_images_decoders_are_at_chance(simulate: Simulate) -> None:
    table = _scores(simulate, 8, n_train=80, n_test=60, separation=2.0, encoder_error=0.2).table
    each = table[(table["participant"] != "group") & table["full"] & (table["roi"] == "all")]
    accuracy = each.groupby(["training", "control"])["accuracy"].mean()
    for training in ("synthetic_same", "synthetic_more"):
        assert accuracy[training, "none"] > 0.5
        # Eight participants of 60 images, four classes: a standard error of .025, twice that for the
        # decoder's own chance.
        assert accuracy[training, "shuffled_encoder"] == pytest.approx(0.25, abs=0.15)


def test_controls_are_no_part_of_the_family_that_is_corrected(simulate: Simulate) -> None:
    scores = _scores(simulate, 1, n_train=40)
    plain = scores.table["control"] == "none"
    alone = decode(
        simulate(0, participant="0", n_train=40),
        np.random.default_rng(0),
        Experiment("main", rois=("all",), sizes=(1.0,)),
    )
    expected = score(alone, np.random.default_rng(1), 500, 500).table
    own = scores.table[plain & (scores.table["participant"] == "0")]
    np.testing.assert_allclose(own["p_fdr"], expected["p_fdr"])


@pytest.mark.parametrize(
    ("effect", "high", "q", "said"),
    [
        (0.10, 0.15, 0.01, SUPPORTED),
        (-0.10, -0.05, 0.01, NOT_SUPPORTED),
        (0.01, 0.04, 0.40, NOT_SUPPORTED),
        (0.03, 0.09, 0.20, CANNOT_SAY),
        (0.00, 0.00, 1.00, NOT_SUPPORTED),
        (0.10, 0.15, np.nan, CANNOT_SAY),
    ],
)
def test_the_rule(effect: float, high: float, q: float, said: str) -> None:
    assert verdict(effect, high, q) == said


def test_q_is_over_all_claims_and_nothing_gives_an_empty_table(simulate: Simulate) -> None:
    scores = _scores(simulate, 2, n_train=40)
    found = _decisions(scores)
    order = found["p"].to_numpy()
    worst = order.argmax()
    assert found["p_fdr"].iloc[worst] == pytest.approx(order[worst])
    empty = _decisions(join([]))
    assert empty.empty
    assert "verdict" in empty.columns
