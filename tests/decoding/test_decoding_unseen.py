"""Categories that neither encoder nor decoder saw: truth where there is any, chance where there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from bidsapp_synthfmri.decoding import (
    CategoryFolds,
    Decoded,
    Experiment,
    LabelledResponses,
    ParticipantData,
    UnseenData,
    category_folds,
    decode,
    decode_unseen,
    pool,
    score,
)
from bidsapp_synthfmri.errors import InputMalformedError, UsageError
from bidsapp_synthfmri.structures import RoiSet

UNSEEN = Experiment("unseen", sizes=(), controls=("shuffled_encoder",), unseen_categories=True)
NAMES = [f"c{number}" for number in range(8)]


def simulated(
    seed: int = 0,
    tuned: bool = True,
    n_train: int = 12,
    n_test: int = 6,
    n_folds: int = 3,
    participant: str = "01",
) -> UnseenData:
    """Eight categories that differ in features; voxels read the features, or nothing of them.

    A fold's encoder is ridge on the other folds' trials: that of a participant whose category was left out.
    """
    rng = np.random.default_rng(seed)
    n_units, n_voxels = 40, 60
    centres = 1.2 * rng.standard_normal((8, n_units))
    tuning = tuned * rng.standard_normal((n_units, n_voxels)) / np.sqrt(n_units)
    folds = category_folds(NAMES, n_folds, np.random.default_rng(1))

    def draw(n_each: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.repeat(np.arange(8), n_each)
        return labels, centres[labels] + rng.standard_normal((len(labels), n_units))

    def trials(features: np.ndarray) -> np.ndarray:
        return (features @ tuning + 1.5 * rng.standard_normal((len(features), n_voxels))).astype(np.float32)

    labels, seen = draw(n_train)
    other_labels, other = draw(2 * n_train)
    test_labels, test = draw(n_test)
    real = trials(seen)
    same, more = (np.empty((len(own), n_voxels), dtype=np.float32) for own in (seen, other))
    for number in range(folds.n_folds):
        out = folds.fold[labels] == number
        weights = np.linalg.solve(seen[~out].T @ seen[~out] + 30 * np.eye(n_units), seen[~out].T @ real[~out])
        same[out] = seen[out] @ weights
        more[folds.fold[other_labels] == number] = other[folds.fold[other_labels] == number] @ weights

    def part(name: str, values: np.ndarray, numbers: np.ndarray, prefix: str = "s") -> LabelledResponses:
        stimuli = tuple(f"{prefix}{at:04d}" for at in range(len(values)))
        return LabelledResponses(name, values, stimuli, tuple(NAMES[number] for number in numbers))

    half = np.arange(n_voxels) < n_voxels // 2
    data = ParticipantData(
        participant,
        part("real", real, labels),
        (part("synthetic_same", same, labels), part("synthetic_more", more, other_labels, "m")),
        part("test", trials(test), test_labels, "t"),
        (RoiSet("PPA", half), RoiSet("all", np.ones(n_voxels, dtype=bool))),
    )
    return UnseenData.of(data, folds)


def accuracy(decoded: Decoded, training: str, control: str = "none") -> float:
    cells = decoded.cells
    (row,) = np.flatnonzero(
        (cells["roi"] == "all")
        & (cells["training"] == training)
        & (cells["control"] == control)
        & cells["full"]
    )
    right = np.take_along_axis(decoded.counts[row], decoded.labels[:, None], axis=1)[:, 0]
    return float(right.sum() / decoded.counts[row].sum())


def decoded_of(unseen: UnseenData, seed: int = 0, **changed: object) -> Decoded:
    return decode_unseen(unseen, np.random.default_rng(seed), replace(UNSEEN, **changed))


@pytest.mark.parametrize("classifier", ["ridge", "lda"])
def test_unseen_categories_are_decoded_where_voxels_are_tuned(classifier: str) -> None:
    found = decoded_of(simulated(), classifier=classifier)
    assert set(found.cells["training"]) == {"real", "synthetic_same", "synthetic_more"}
    # 48 trials among two or three categories: chance of .38 reaches .62 once in a thousand.
    assert accuracy(found, "synthetic_same") > 0.65
    assert accuracy(found, "synthetic_more") > 0.65
    assert accuracy(found, "synthetic_more", "shuffled_encoder") < accuracy(found, "synthetic_more")
    scores = score(found, np.random.default_rng(0), 200, 500).table
    row = scores[(scores["training"] == "synthetic_more") & (scores["control"] == "none")].iloc[0]
    sizes = np.bincount(simulated().folds.fold)
    assert row["chance"] == pytest.approx(np.mean(1 / sizes[simulated().folds.fold]), abs=0.02)
    assert row["p"] < 0.01
    assert row["n_classes"] == 8
    assert row["n_training"] == 8 * 24


def test_unseen_categories_are_at_chance_without_tuning() -> None:
    found = [decoded_of(simulated(seed, tuned=False), controls=()) for seed in range(12)]
    accuracies = [accuracy(one, "synthetic_more") for one in found]
    chance = np.mean(1 / np.bincount(simulated().folds.fold)[simulated().folds.fold])
    # Trials of one fold share a decoder; over simulations the mean has the sd that they show.
    error = np.std(accuracies, ddof=1) / np.sqrt(len(accuracies))
    assert abs(np.mean(accuracies) - chance) < 3 * error
    assert np.mean(accuracies) < chance + 0.06


def test_a_trial_is_told_apart_within_its_fold_alone_and_labels_move_within_it() -> None:
    unseen = simulated()
    found = decoded_of(unseen)
    fold = unseen.folds.of(found.classes)
    for stimulus, label in enumerate(found.labels):
        others = fold != fold[label]
        assert found.counts[:, stimulus, others].sum() == 0
        assert (found.counts[:, stimulus].sum(axis=1) == 1).all()
        assert found.stimuli[stimulus].startswith("t")
    assert len(set(zip(found.strata, fold[found.labels], strict=True))) == unseen.folds.n_folds
    table = unseen.data.test.label_of
    assert [found.classes[label] for label in found.labels] == [table[name] for name in found.stimuli]


def test_a_fold_is_what_its_categories_alone_give() -> None:
    """The oracle: the fold's own data, the noise of the other folds' trials."""
    unseen = simulated()
    found = decoded_of(unseen, controls=())
    own = unseen.folds.members()[1]
    data = unseen.data
    alone = decode(
        replace(
            data,
            real=data.real.of_classes(own),
            test=data.test.of_classes(own),
            synthetic=tuple(part.of_classes(own) for part in data.synthetic),
            noise_sd=unseen.noise_sd[1],
        ),
        np.random.default_rng(0),
        replace(UNSEEN, controls=()),
    )
    rows = [found.stimuli.index(name) for name in alone.stimuli]
    columns = [found.classes.index(name) for name in alone.classes]
    assert (found.counts[np.ix_(range(len(found.counts)), rows, columns)] == alone.counts).all()


def test_sizes_means_and_mixed_sets_go_fold_by_fold_too() -> None:
    found = decoded_of(
        simulated(), sizes=(0.5,), test="means", training=("real", "synthetic_more", "mixed"), controls=()
    )
    sizes = found.cells[found.cells["roi"] == "all"].set_index(["training", "step"])["n_training"]
    assert sizes.to_dict() == {
        ("real", "0.5"): 48,
        ("real", "all"): 96,
        ("synthetic_more", "0.5"): 48,
        ("synthetic_more", "all"): 192,
        ("mixed", "0.5"): 48,
        ("mixed", "all"): 288,
    }
    assert accuracy(found, "mixed") > 0.65


def test_the_noise_a_fold_expects_is_of_other_folds_trials() -> None:
    unseen = simulated()
    data = unseen.data
    fold = unseen.folds.of(data.real.labels)
    errors = data.real.values.astype(np.float64) - data.synthetic[0].values
    for number in range(unseen.folds.n_folds):
        np.testing.assert_allclose(unseen.noise_sd[number], errors[fold != number].std(axis=0))
    values = data.real.values.copy()
    values[fold == 0] += 100 * np.random.default_rng(0).standard_normal(values[fold == 0].shape)
    louder = UnseenData.of(replace(data, real=replace(data.real, values=values)), unseen.folds)
    assert (louder.noise_sd[0] == unseen.noise_sd[0]).all()
    assert (louder.noise_sd[1] > unseen.noise_sd[1]).all()
    one = replace(data, real=data.real.of_classes(unseen.folds.members()[0]))
    with pytest.raises(InputMalformedError, match="only one fold"):
        UnseenData.of(one, unseen.folds)
    with pytest.raises(InputMalformedError, match="no encoder without"):
        UnseenData.of(replace(data, synthetic=()), unseen.folds)


def drop(unseen: UnseenData, change: Callable[[ParticipantData], ParticipantData]) -> Decoded:
    return decoded_of(replace(unseen, data=change(unseen.data)))


def without(part: LabelledResponses, label: str, keep: int = 0) -> LabelledResponses:
    """The set with the first ``keep`` pictures of a category alone."""
    rows = [at for at, name in enumerate(part.labels) if name == label]
    return part.take([at for at in range(len(part.labels)) if at not in rows[keep:]])


def test_categories_without_test_or_with_one_image_leave_their_fold_or_take_it_along() -> None:
    unseen = simulated()
    members = unseen.folds.members()
    pair = next(own for own in members if len(own) == 2)
    triple = next(own for own in members if len(own) == 3)
    found = drop(unseen, lambda data: replace(data, test=without(data.test, pair[0])))
    assert set(found.classes) == set(NAMES) - set(pair)
    assert any("1 of 7 categories have no other in their fold" in one for one in found.skipped)
    found = drop(unseen, lambda data: replace(data, real=without(data.real, triple[0], 1)))
    assert set(found.classes) == set(NAMES) - {triple[0]}
    assert any("fewer than 5 training images" in one for one in found.skipped)
    found = drop(
        unseen,
        lambda data: replace(data, synthetic=(data.synthetic[0], without(data.synthetic[1], triple[1], 1))),
    )
    assert set(found.classes) == set(NAMES) - {triple[1]}


def test_where_nothing_is_left_that_is_said_and_nothing_else_breaks() -> None:
    unseen = simulated()
    one_each = [own[0] for own in unseen.folds.members()]
    found = drop(unseen, lambda data: replace(data, test=data.test.of_classes(one_each)))
    assert found.classes == ()
    assert "no unseen categories can be told apart" in found.skipped[-1]
    nothing = drop(unseen, lambda data: replace(data, test=data.test.of_classes(())))
    assert nothing.classes == ()
    scores = score(nothing, np.random.default_rng(0), 20, 20)
    assert scores.table.empty


def test_participants_pool_and_folds_may_differ_between_them() -> None:
    people = [decoded_of(simulated(seed, participant=f"0{seed}")) for seed in (1, 2)]
    table = pool(people, np.random.default_rng(0), 100, 200).table
    assert (table["n_participants"] == 2).all()
    other = replace(people[1], strata=(people[1].strata + people[1].labels) % 3)
    assert len(pool([people[0], other], np.random.default_rng(0), 100, 200).table) == len(table)


def test_folds_hold_two_categories_or_more_and_all_of_them() -> None:
    folds = category_folds([f"c{n}" for n in range(7)], 5, np.random.default_rng(0))
    assert folds.n_folds == 3
    assert np.bincount(folds.fold).min() >= 2
    assert folds.of(["c1", None, "x"]).tolist() == [folds.fold[1], -1, -1]
    again = category_folds([f"c{n}" for n in range(7)], 5, np.random.default_rng(0))
    assert (again.fold == folds.fold).all()
    with pytest.raises(InputMalformedError, match="3 categories"):
        category_folds(["a", "b", "c"], 2, np.random.default_rng(0))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("sizes", "n_folds"), [((6, 3, 2), 5), ((4, 4, 4), 5), ((20, 1), 5), ((5, 2, 1, 1), 4), ((2, 2), 5)]
)
def test_a_fold_has_two_categories_of_each_of_its_sources(
    sizes: tuple[int, ...], n_folds: int, seed: int
) -> None:
    source_of = {f"{source}{at}": str(source) for source, n in enumerate(sizes) for at in range(n)}
    folds = category_folds(list(source_of), n_folds, np.random.default_rng(seed), source_of)
    assert sorted(name for own in folds.members() for name in own) == sorted(source_of)
    assert 2 <= folds.n_folds <= n_folds
    for own in folds.members():
        assert len(own) >= 2
        counts = np.unique([source_of[name] for name in own], return_counts=True)
        for source, n in zip(*counts, strict=True):
            assert n >= 2 or sizes[int(source)] == 1


def test_one_source_with_all_but_a_few_categories_still_gives_two_folds() -> None:
    folds = category_folds(
        list("abcd"), 5, np.random.default_rng(0), {"a": "x", "b": "x", "c": "y", "d": "z"}
    )
    assert folds.n_folds == 2
    assert np.bincount(folds.fold).tolist() == [2, 2]
    each_its_own = category_folds(
        list("abcd"), 5, np.random.default_rng(0), dict(zip("abcd", "wxyz", strict=True))
    )
    assert each_its_own.n_folds == 2


def test_restricted_folds_drop_those_with_one_category_and_number_the_rest() -> None:
    folds = CategoryFolds(tuple("abcdef"), np.array([0, 0, 1, 1, 2, 2]))
    kept = folds.restricted(["a", "c", "d", "e", "f"])
    assert kept.classes == ("c", "d", "e", "f")
    assert kept.fold.tolist() == [0, 0, 1, 1]
    assert folds.restricted([]).n_folds == 0


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"controls": ("source",)}, "goes without the control 'source'"),
        ({"refits": 5}, "goes without refits"),
        ({"noise": "calibrated", "controls": ()}, "goes without 'calibrated' noise"),
    ],
)
def test_what_saw_the_categories_is_refused(changed: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        replace(UNSEEN, **changed)
