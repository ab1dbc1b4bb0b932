"""Pictures in common, decoders across participants and their scores: identities with decoding within one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bidsapp_synthfmri.decoding import Experiment, LabelledResponses, ParticipantData, decode
from bidsapp_synthfmri.decoding.resampling import stimulus_shares
from bidsapp_synthfmri.decoding.transfer_decoders import OTHERS, decode_target, of_tested, pool_training
from bidsapp_synthfmri.decoding.transfer_pictures import TransferParticipant, common_pictures, means_of
from bidsapp_synthfmri.decoding.transfer_scores import Mapped, decoding_rows
from bidsapp_synthfmri.structures import RoiSet

N_TRAIN, N_TEST, N_VOXELS = 60, 18, 12
KINDS = ("animal", "food", "tool")


def responses(name: str, names: list[str], seed: int, centre: float = 1.0) -> LabelledResponses:
    """Voxels that tell three categories, a row a name."""
    rng = np.random.default_rng(seed)
    kinds = np.array([int(stimulus[1:4]) % 3 for stimulus in names])
    centres = np.random.default_rng(0).standard_normal((3, N_VOXELS))
    values = centre * centres[kinds] + rng.standard_normal((len(names), N_VOXELS))
    return LabelledResponses(name, values.astype(np.float32), tuple(names), tuple(KINDS[k] for k in kinds))


def data(participant: str = "01", seed: int = 1) -> ParticipantData:
    train = [f"p{number:03d}" for number in range(N_TRAIN)]
    test = [f"p{number:03d}" for number in range(N_TRAIN, N_TRAIN + N_TEST) for _ in range(2)]
    extra = responses("synthetic_more", train[:30], seed + 3)
    extra = replace(extra, stimuli=tuple(f"more/{name}" for name in extra.stimuli))
    return ParticipantData(
        participant,
        responses("real", train, seed),
        (responses("synthetic_same", train, seed + 1, 0.3), extra),
        responses("test", test, seed + 2),
        (RoiSet("PPA", np.arange(N_VOXELS) < 6), RoiSet("all", np.ones(N_VOXELS, dtype=bool))),
    )


def person(own: ParticipantData) -> TransferParticipant:
    stimuli = tuple(dict.fromkeys(own.test.stimuli))
    return TransferParticipant(own, responses("predicted", list(stimuli), 9).values, stimuli)


def test_common_pictures_are_of_both_and_tests_of_neither() -> None:
    one, other = data(), data("02", 20)
    moved = other.test.take(range(0, len(other.test.stimuli) - 4))
    fewer = [row for row, name in enumerate(other.real.stimuli) if name not in ("p000", "p001")]
    tested = replace(moved, stimuli=("p000", *moved.stimuli[1:]), labels=("animal", *moved.labels[1:]))
    second = replace(
        other,
        real=other.real.take(fewer),
        synthetic=(other.synthetic[0].take(fewer), other.synthetic[1].take(range(10))),
        test=tested,
    )
    found = common_pictures(person(one), person(second), np.random.default_rng(0))
    train = [f"p{number:03d}" for number in range(2, N_TRAIN)]
    assert set(found.pictures) == {*train, *(f"more/p{number:03d}" for number in range(10))}
    assert set(found.tested) == {f"p{number:03d}" for number in range(N_TRAIN, N_TRAIN + N_TEST - 2)}
    assert found.n_left == 0
    capped = common_pictures(person(one), person(second), np.random.default_rng(0), most=60)
    assert set(train) < set(capped.pictures)  # extra images are the first to go
    assert (len(capped.pictures), capped.n_left) == (60, 8)
    first, second_values = (person(own).pictures(capped.pictures) for own in (one, second))
    for row, name in enumerate(capped.pictures):
        for own, values in ((one, first), (second, second_values)):
            part = own.synthetic[int(name.startswith("more/"))]
            np.testing.assert_array_equal(values[row], part.values[part.stimuli.index(name)])


def test_means_are_over_a_stimulus_trials_in_the_order_asked_for() -> None:
    trials = data().test
    names = ("p065", "p061")
    means, repeats = means_of(trials, names)
    for row, name in enumerate(names):
        own = trials.values[[number for number, shown in enumerate(trials.stimuli) if shown == name]]
        np.testing.assert_allclose(means[row], own.mean(axis=0), rtol=1e-6)
    assert repeats.tolist() == [2, 2]


def test_the_decoders_are_those_of_the_experiments() -> None:
    target, other = data(), data("02", 20)
    others, _ = pool_training({"02": other.real}, target.test.stimuli)
    assert others is not None
    found = decode_target(target, others, {})
    as_synthetic = replace(target, synthetic=(target.synthetic[0], replace(others, name="synthetic_others")))
    asked = Experiment("same", training=("real", "synthetic_others"), sizes=())
    wanted = decode(as_synthetic, np.random.default_rng(0), asked)
    assert found.own.classes == wanted.classes
    assert found.own.stimuli == wanted.stimuli
    cells = wanted.cells.replace({"synthetic_others": OTHERS})
    for column in ("roi", "training", "n_training", "penalty", "penalty_at_edge"):
        assert found.own.cells[column].tolist() == cells[column].tolist()
    np.testing.assert_array_equal(found.own.counts, wanted.counts)


def test_mapped_trials_are_read_by_the_decoder_of_real_trials() -> None:
    """Trials of the target itself, handed in as another's, are read as its own."""
    target = data()
    found = decode_target(target, None, {"02": target.test})
    np.testing.assert_array_equal(found.mapped["02"].counts, found.own.counts)
    assert set(found.own.cells["training"]) == {"real"}


def test_training_rows_are_means_over_participants_and_disputed_labels_go() -> None:
    one, two = data().real, data("02", 20).real
    disputed = replace(two, labels=("tool", *two.labels[1:]))
    pooled, n_lost = pool_training({"01": one, "02": disputed}, ["p003", "p004"])
    assert pooled is not None
    assert n_lost == 1
    assert pooled.label_of["p000"] is None
    assert {"p003", "p004"}.isdisjoint(pooled.stimuli)
    assert pooled.is_noiseless.all()
    row = pooled.stimuli.index("p007")
    np.testing.assert_allclose(pooled.values[row], (one.values[7] + two.values[7]) / 2, rtol=1e-5)
    assert pool_training({"01": one}, one.stimuli) == (None, 0)


def test_classes_without_a_test_stimulus_are_no_classes_but_answers_for_them_count_as_wrong() -> None:
    target = data()
    found = decode_target(target, None, {}).own
    kept = [name for name in found.stimuli if KINDS[int(name[1:4]) % 3] != "food"][::-1]
    some = of_tested(found, [*kept, "not there"])
    assert some.classes == ("animal", "tool")
    assert some.stimuli == tuple(kept)
    for cell, accuracy in enumerate(stimulus_shares(some).sum(axis=1)):
        truth, said = [], []
        for name, counts in zip(found.stimuli, found.counts[cell], strict=True):
            if name in kept:
                said += np.repeat(found.classes, counts).tolist()
                truth += [KINDS[int(name[1:4]) % 3]] * int(counts.sum())
        right = np.array(truth) == np.array(said)
        recalls = [right[np.array(truth) == kind].mean() for kind in ("animal", "tool")]
        assert accuracy == pytest.approx(np.mean(recalls))


def test_a_decoder_beside_itself_differs_in_nothing() -> None:
    found = decode_target(data(), None, {}).own
    mapped = Mapped("01", "02", 60, 1.0, False)
    table = decoding_rows(mapped, found, found, np.random.default_rng(0), 200, 200)
    assert (table["difference"] == 0).all()
    assert (table["difference_p"] == 1).all()
    assert (table["value"] == table["own"]).all()
    assert (table["p"] < 0.05).all()
    assert table["chance"].to_numpy() == pytest.approx(1 / 3, abs=0.03)
    assert table["n_test_trials"].tolist() == [2 * N_TEST] * 2
