"""Controls: the untrained network's decoder, the pictures' features, decoders fitted to permuted labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest

from bidsapp_synthfmri.decoding import (
    Decoded,
    Experiment,
    LabelledResponses,
    ParticipantData,
    decide,
    decode,
    fit,
    join,
    pool,
    score,
)
from bidsapp_synthfmri.decoding.training_sets import noise_sd
from bidsapp_synthfmri.encoding.components import PictureComponents

Simulate = Callable[..., ParticipantData]
UNTRAINED = Experiment("main", sizes=(), rois=("all",), controls=("untrained_network",))
CEILING = Experiment("main", sizes=(), rois=("PPA",), controls=("image_features",))


def _with_untrained(data: ParticipantData, seed: int, quality: float) -> ParticipantData:
    """An encoder that predicts ``quality`` of what the trained one does, and noise for the rest."""
    rng = np.random.default_rng(seed)
    same = data.synthetic[0]
    noise = rng.standard_normal(same.values.shape) * same.values.std()
    values = quality * same.values + (1 - quality) * noise
    return replace(data, untrained=replace(same, values=values.astype(np.float32)))


def _with_pictures(data: ParticipantData, seed: int, n: int = 30) -> ParticipantData:
    """Features that hold the class: training pictures first, then those of the test."""
    rng = np.random.default_rng(seed)
    label_of = {**data.real.label_of, **data.test.label_of}
    centres = rng.standard_normal((4, n))
    kinds = [int(str(label)[-1]) for label in label_of.values()]
    scores = centres[kinds] + 1.5 * rng.standard_normal((len(kinds), n))
    scores *= np.geomspace(1, 0.05, n)
    explained = np.full(n, 1 / n, dtype=np.float32)
    return replace(
        data, pictures=PictureComponents(tuple(label_of), scores.astype(np.float32), explained, ("fc",))
    )


def _own(scores_table: pd.DataFrame, control: str) -> pd.DataFrame:
    return scores_table[scores_table["control"] == control]


def _people(simulate: Simulate, quality: float, n_test: int = 60) -> list[Decoded]:
    people = []
    for seed in range(4):
        data = simulate(seed, participant=str(seed), n_test=n_test, separation=1.5, encoder_error=0.2)
        data = _with_untrained(data, seed, quality)
        people.append(decode(data, np.random.default_rng(seed), UNTRAINED))
    return people


def test_the_untrained_network_s_decoder_is_fitted_like_the_trained_one_s(simulate: Simulate) -> None:
    data = simulate(0)
    same = replace(data, untrained=data.synthetic[0])
    decoded = decode(same, np.random.default_rng(0), UNTRAINED)
    cells = decoded.cells.set_index(["training", "control"])
    assert ("synthetic_same", "untrained_network") in cells.index
    assert len(_own(decoded.cells, "untrained_network")) == 1
    rows = decoded.cells.index[decoded.cells["training"] == "synthetic_same"]
    assert (decoded.counts[rows[0]] == decoded.counts[rows[1]]).all()
    assert not len(_own(decode(data, np.random.default_rng(0), UNTRAINED).cells, "untrained_network"))


def test_it_expects_the_noise_about_its_own_predictions(simulate: Simulate) -> None:
    data = _with_untrained(simulate(0), 0, 0.3)
    assert data.untrained is not None
    own = replace(data, synthetic=(data.untrained,))
    names = sorted(set(map(str, data.real.labels)))
    untrained = data.untrained
    found = fit(
        untrained.values, list(map(str, untrained.labels)), groups=untrained.stimuli, noise_sd=noise_sd(own)
    )
    decoded = decode(data, np.random.default_rng(0), UNTRAINED)
    (row,) = np.flatnonzero(decoded.cells["control"] == "untrained_network")
    assert decoded.cells["penalty"][row] == pytest.approx(found.alpha)
    predicted = found.predict(data.test.values)
    for place, stimulus in enumerate(decoded.stimuli):
        of_stimulus = [
            names.index(p) for p, s in zip(predicted, data.test.stimuli, strict=True) if s == stimulus
        ]
        assert decoded.counts[row, place].tolist() == np.bincount(of_stimulus, minlength=4).tolist()


@pytest.mark.parametrize(("quality", "said"), [(0.0, "supported"), (1.0, "not supported")])
def test_training_is_needed_where_the_untrained_network_knows_nothing(
    simulate: Simulate, quality: float, said: str
) -> None:
    people = _people(simulate, quality)
    each = [score(part, np.random.default_rng(1), 500, 500) for part in people]
    scores = join([*each, pool(people, np.random.default_rng(2), 500, 500)])
    contrasts = _own(scores.contrasts, "untrained_network")
    assert set(contrasts["contrast"]) == {"synthetic_same - untrained"}
    accuracy = scores.table.set_index(["participant", "training", "control"])["accuracy"]
    pooled = contrasts.set_index("participant").loc["group"]
    expected = accuracy["group", "synthetic_same", "none"]
    expected -= accuracy["group", "synthetic_same", "untrained_network"]
    assert pooled["difference"] == pytest.approx(expected)
    # A family of its own, here of one region.
    assert pooled["p_fdr"] == pytest.approx(pooled["p"])
    named = [part.assign(experiment="main", source="all") for part in (scores.table, scores.contrasts)]
    decisions = decide(*named).set_index(["claim", "training"])
    assert decisions.loc[("needs_training", "synthetic_same"), "verdict"] == said


def test_the_ceiling_is_ridge_on_the_features_themselves(simulate: Simulate) -> None:
    """Components in one unit: dividing them by one number changes ridge's penalty, not what it predicts."""
    data = _with_pictures(simulate(0, n_test=40), 0)
    pictures = data.pictures
    assert pictures is not None
    decoded = decode(data, np.random.default_rng(0), CEILING)
    (row,) = np.flatnonzero(decoded.cells["control"] == "image_features")
    assert decoded.cells.loc[row, ["roi", "training", "n_training"]].tolist() == ["all", "image_features", 80]
    trained = pictures.scores[pictures.rows_of(tuple(data.real.label_of))]
    unit = np.full(trained.shape[1], np.sqrt(trained.var(axis=0).mean()))
    found = fit(trained / unit, list(map(str, data.real.label_of.values())))
    # ``fit`` standardises again: undo it by comparing at the penalty chosen, computed by hand.
    alpha, x = float(decoded.cells["penalty"][row]), (trained / unit).astype(np.float64)
    names = list(found.classes)
    y = np.where(np.array(list(data.real.label_of.values()))[:, None] == np.array(names), 1.0, -1.0)
    centred = x - x.mean(axis=0)
    coef = np.linalg.solve(
        centred.T @ centred + alpha * len(x) * np.eye(x.shape[1]), centred.T @ (y - y.mean(axis=0))
    )
    tested = pictures.scores[pictures.rows_of(decoded.stimuli)] / unit - x.mean(axis=0)
    predicted = (tested @ coef).argmax(axis=1)
    assert (decoded.counts[row].argmax(axis=1) == predicted).mean() > 0.97
    # A picture counts as often as it was shown, so that weights are those of the other cells.
    assert (decoded.counts[row].sum(axis=1) == 3).all()
    assert (decoded.counts[row].max(axis=1) == 3).all()


def test_the_ceiling_is_high_where_features_tell_and_is_no_claim(simulate: Simulate) -> None:
    people = [
        decode(_with_pictures(simulate(s, str(s), n_test=60), s), np.random.default_rng(0), CEILING)
        for s in (1, 2)
    ]
    scores = pool(people, np.random.default_rng(0), 100, 200)
    ceiling = _own(scores.table, "image_features").iloc[0]
    assert ceiling["accuracy"] > 0.7
    assert ceiling["chance"] == pytest.approx(0.25, abs=0.03)
    assert ceiling["p_fdr"] == ceiling["p"]
    assert np.isnan(ceiling["p_max"])
    assert not len(_own(scores.contrasts, "image_features"))
    named = [part.assign(experiment="main", source="all") for part in (scores.table, scores.contrasts)]
    decisions = decide(*named)
    assert set(decisions["roi"]) == {"PPA"}
    assert "image_features" not in set(decisions["training"])


@pytest.mark.parametrize("classifier", ["ridge", "lda", "logistic"])
def test_features_that_tell_nothing_give_chance_with_every_classifier(
    simulate: Simulate, classifier: str
) -> None:
    data = _with_pictures(simulate(3, n_test=80), 3)
    assert data.pictures is not None
    noise = np.random.default_rng(0).standard_normal(data.pictures.scores.shape).astype(np.float32)
    blind = replace(data, pictures=replace(data.pictures, scores=noise))
    experiment = replace(CEILING, classifier=classifier)
    accuracy = [
        _own(score(decode(d, np.random.default_rng(0), experiment), np.random.default_rng(1), 5, 5).table,
             "image_features")["accuracy"].iloc[0]
        for d in (data, blind)
    ]  # fmt: skip
    assert accuracy[0] > 0.6
    assert accuracy[1] == pytest.approx(0.25, abs=0.16)  # 80 pictures: a standard error of .05


def _refit(data: ParticipantData, seed: int, draws: int = 19) -> pd.DataFrame:
    experiment = Experiment("e", training=("real",), sizes=(0.5,), rois=("all",), refits=draws)
    return decode(data, np.random.default_rng(seed), experiment).cells


def test_p_of_refits_is_uniform_without_an_effect_and_small_with_one(simulate: Simulate) -> None:
    """Labels differ in their shares between two sources, and responses between sources."""
    p = []
    for seed in range(60):
        data = simulate(seed, separation=0.0, n_classes=2, n_train=24, n_extra=2, n_test=30, n_voxels=10)
        sources = {
            name: str(place % 3 == 0) for place, name in enumerate((*data.real.label_of, *data.test.label_of))
        }
        shifted = data.real.values + np.array([[sources[s] == "True"] for s in data.real.stimuli])
        data = replace(data, real=replace(data.real, values=shifted.astype(np.float32)), sources=sources)
        cells = _refit(data, seed)
        assert cells["p_refit"].isna().tolist() == [True, False]
        p.append(float(cells["p_refit"].iloc[1]))
    # p is in steps of 1/20 and its ties make it too large, which the test allows for: it is one-sided.
    assert kstest(p, "uniform", alternative="greater").pvalue > 0.001
    assert np.mean(np.array(p) > 0.5) > 0.25
    assert _refit(simulate(1, separation=2.0), 0)["p_refit"].iloc[1] == pytest.approx(1 / 20)


def test_refits_stay_within_source_and_session(simulate: Simulate) -> None:
    """Where the source is the class, and is known, nothing may be exchanged, and it is given up."""
    data = simulate(0, separation=2.0)
    sources = {name: str(label) for name, label in data.real.label_of.items()}
    assert _refit(replace(data, sources=sources), 0)["p_refit"].iloc[1] == pytest.approx(1 / 20)
    halves = {name: str(place % 2) for place, name in enumerate(data.real.label_of)}
    assert _refit(replace(data, sources=halves), 0)["p_refit"].iloc[1] == pytest.approx(1 / 20)


def test_refits_are_of_a_participant_not_of_the_mean(simulate: Simulate) -> None:
    experiment = Experiment("e", training=("real",), sizes=(), rois=("all",), refits=9)
    people = [decode(simulate(s, str(s)), np.random.default_rng(0), experiment) for s in (1, 2)]
    alone = score(people[0], np.random.default_rng(0), 5, 5).table
    assert alone["p_refit"].notna().all()
    assert pool(people, np.random.default_rng(0), 5, 5).table["p_refit"].isna().all()
    assert pool(people[:1], np.random.default_rng(0), 5, 5).table["p_refit"].notna().all()


def test_the_largest_of_all_regions_bounds_each_of_them(simulate: Simulate) -> None:
    table = score(decode(simulate(5), np.random.default_rng(0)), np.random.default_rng(0), 5, 500).table
    full = table[table["full"]]
    assert (full["p_max"] >= full["p"] - 1e-12).all()
    assert table.loc[~table["full"], "p_max"].isna().all()
    # No worse than Bonferroni, but for one draw's rounding.
    assert (full["p_max"] <= np.minimum(1, len(full) * full["p"]) + 1 / 501).all()


def test_a_test_picture_among_the_untrained_network_s_is_refused(simulate: Simulate) -> None:
    data = simulate(0)
    leaked = LabelledResponses("synthetic_same", data.test.values, data.test.stimuli, data.test.labels)
    with pytest.raises(Exception, match="test stimuli are also in training set"):
        replace(data, untrained=leaked)
