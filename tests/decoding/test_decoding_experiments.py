"""Decoding experiments: fair comparisons, guards, and what is left out with a sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from bidsapp_synthfmri.decoding import (
    Experiment,
    LabelledResponses,
    ParticipantData,
    decode,
    fit,
    of_stimuli,
    score,
)
from bidsapp_synthfmri.decoding.training_sets import (
    compare,
    growing_subsets,
    mean_of_repeats,
    mixed,
    noise_sd,
    random_ranks,
)
from bidsapp_synthfmri.errors import InputMalformedError
from bidsapp_synthfmri.structures import RoiSet
from bidsapp_synthfmri.synthesis.noise_model import NoiseModel

Simulate = Callable[..., ParticipantData]


def _relabel(part: LabelledResponses, change: dict[str, str | None]) -> LabelledResponses:
    return replace(part, labels=tuple(change.get(str(label), label) for label in part.labels))


def test_every_cell_is_tested_on_the_same_trials(simulate: Simulate) -> None:
    data = simulate(0)
    decoded = decode(data, np.random.default_rng(0))
    cells = decoded.cells
    assert (decoded.counts.sum(axis=2) == 3).all()
    assert set(cells["training"]) == {"real", "synthetic_same", "synthetic_more"}
    assert set(cells["roi"]) == {"PPA", "all"}
    own = cells[(cells["roi"] == "all") & (cells["training"] == "real")]
    more = cells[(cells["roi"] == "all") & (cells["training"] == "synthetic_more")]
    assert own["n_training"].tolist() == [20, 40, 80]
    assert more["n_training"].tolist() == [20, 40, 80, 160]
    assert own["full"].tolist() == [False, False, True]


def test_subsets_are_nested_keep_class_shares_and_agree_between_sets(simulate: Simulate) -> None:
    data = simulate(1)
    ranks = random_ranks([data.real, data.synthetic[0]], np.random.default_rng(0))
    subsets = growing_subsets(data.real, data.real.n_stimuli, ranks)
    for (_, smaller), (_, larger) in pairwise(subsets):
        assert set(smaller) < set(larger)
    labels = np.array(data.real.labels)[subsets[0][1]]
    assert np.unique(labels, return_counts=True)[1].tolist() == [5, 5, 5, 5]
    same = growing_subsets(data.synthetic[0], data.real.n_stimuli, ranks)
    assert [rows.tolist() for _, rows in same] == [rows.tolist() for _, rows in subsets]


def test_separable_categories_are_found_from_real_and_from_synthetic_training(simulate: Simulate) -> None:
    data = simulate(2, separation=2.5)
    scores = score(decode(data, np.random.default_rng(0)), np.random.default_rng(1)).table
    full = scores[scores["full"]]
    assert (full["p"] < 0.01).all()
    assert (full["p_fdr"] < 0.01).all()
    assert (full["ci_low"] > full["chance"]).all()
    assert full["chance"].to_numpy() == pytest.approx(0.25, abs=0.02)


def _standardised_accuracy(data: ParticipantData, reference: LabelledResponses) -> float:
    """Synthetic set standardised by itself, test trials by a reference set, penalty from the set alone."""
    own, other = data.synthetic[0].values, reference.values
    alone = replace(
        data,
        real=replace(data.synthetic[0], name="real", values=(own - own.mean(axis=0)) / own.std(axis=0)),
        synthetic=(),
        test=replace(data.test, values=(data.test.values - other.mean(axis=0)) / other.std(axis=0)),
    )
    return _full_accuracy(alone, "real")


def _full_accuracy(data: ParticipantData, training: str) -> float:
    table = score(decode(data, np.random.default_rng(0)), np.random.default_rng(1), 10, 10).table
    chosen = table[table["full"] & (table["roi"] == "all") & (table["training"] == training)]
    return float(chosen["accuracy"].iloc[0])


def test_noise_scale_beats_standardising_synthetic_responses(simulate: Simulate) -> None:
    """The reason for the scale that ``decode`` documents; means over ten simulated participants."""
    people = [simulate(seed, separation=0.8, n_test=60) for seed in range(10)]
    ours = np.mean([_full_accuracy(data, "synthetic_same") for data in people])
    by_itself = np.mean([_standardised_accuracy(data, data.synthetic[0]) for data in people])
    by_real = np.mean([_standardised_accuracy(data, data.real) for data in people])
    assert ours > by_itself + 0.05
    assert ours > by_real


def test_noise_sd_is_that_of_trials_about_their_prediction() -> None:
    rng = np.random.default_rng(0)
    signal, sd = rng.standard_normal((4000, 3)), np.array([0.5, 1.0, 2.0])
    names, labels = tuple(f"s{i}" for i in range(4000)), ("a",) * 4000
    real = LabelledResponses(
        "real", (signal + sd * rng.standard_normal(signal.shape)).astype("f4"), names, labels
    )
    same = LabelledResponses("synthetic_same", signal.astype("f4")[::-1], names[::-1], labels)
    test = LabelledResponses("test", real.values[:1], ("other",), ("a",))
    found = noise_sd(ParticipantData("01", real, (same,), test, ()))
    # The sd of 4,000 draws has a standard error of 1.1%.
    np.testing.assert_allclose(found, sd, rtol=0.05)


def test_test_stimulus_in_any_training_set_is_refused(simulate: Simulate) -> None:
    data = simulate(3)
    more = data.synthetic[1]
    leaked = replace(more, stimuli=(data.test.stimuli[0], *more.stimuli[1:]))
    with pytest.raises(InputMalformedError, match=r"1 test stimuli .*'synthetic_more'.*'test0000'"):
        replace(data, synthetic=(data.synthetic[0], leaked))


def test_voxels_that_do_not_agree_are_refused(simulate: Simulate) -> None:
    data = simulate(3)
    with pytest.raises(InputMalformedError, match="different numbers of voxels"):
        replace(data, test=replace(data.test, values=data.test.values[:, 1:]))


def test_stimulus_with_two_labels_is_refused() -> None:
    with pytest.raises(InputMalformedError, match="'s' of set 'real' has two labels"):
        LabelledResponses("real", np.zeros((2, 1), "f4"), ("s", "s"), ("a", "b"))


def test_one_class_is_skipped_with_a_sentence_and_empty_tables(simulate: Simulate) -> None:
    data = simulate(4)
    one = replace(data, test=_relabel(data.test, {f"class{k}": "class0" for k in range(4)}))
    decoded = decode(one, np.random.default_rng(0))
    scores = score(decoded, np.random.default_rng(1))
    assert len(scores.table) == len(scores.contrasts) == len(scores.confusion) == 0
    assert "accuracy" in scores.table.columns
    assert any("two classes are needed and one (class0) can be used" in said for said in scores.skipped)


def test_no_labels_at_all_are_skipped_with_a_sentence(simulate: Simulate) -> None:
    data = simulate(4)
    none = {f"class{k}": None for k in range(4)}
    bare = replace(data, real=_relabel(data.real, none), test=_relabel(data.test, none))
    assert any("not decoded" in sentence for sentence in decode(bare, np.random.default_rng(0)).skipped)


def test_unlabelled_stimuli_are_counted_and_left_out(simulate: Simulate) -> None:
    data = simulate(5)
    decoded = decode(replace(data, test=_relabel(data.test, {"class1": None})), np.random.default_rng(0))
    assert decoded.classes == ("class0", "class2", "class3")
    assert any("6 test stimuli have no label" in sentence for sentence in decoded.skipped)
    assert not any(stimulus == "test0001" for stimulus in decoded.stimuli)


def test_rare_class_is_left_out_of_every_training_set(simulate: Simulate) -> None:
    data = simulate(6)
    rare = tuple(
        "class0" if label == "class3" and number > 12 else label
        for number, label in enumerate(data.real.labels)
    )
    own = tuple(replace(p, labels=rare) if p.name == "synthetic_same" else p for p in data.synthetic)
    decoded = decode(
        replace(data, real=replace(data.real, labels=rare), synthetic=own), np.random.default_rng(0)
    )
    assert decoded.classes == ("class0", "class1", "class2")
    assert any("1 of 4 classes has fewer than 5 training images" in sentence for sentence in decoded.skipped)


def test_extra_set_of_other_categories_is_left_out_not_the_categories(simulate: Simulate) -> None:
    data = simulate(7)
    other = _relabel(data.synthetic[1], {f"class{k}": f"other{k}" for k in range(1, 4)})
    decoded = decode(replace(data, synthetic=(data.synthetic[0], other)), np.random.default_rng(0))
    assert len(decoded.classes) == 4
    assert "synthetic_more" not in set(decoded.cells["training"])
    assert any("'synthetic_more' was left out" in sentence for sentence in decoded.skipped)


def test_empty_roi_is_left_out_with_a_sentence(simulate: Simulate) -> None:
    data = simulate(8)
    empty = RoiSet("OPA", np.zeros(60, dtype=bool))
    decoded = decode(replace(data, rois=(empty, *data.rois)), np.random.default_rng(0))
    assert set(decoded.cells["roi"]) == {"PPA", "all"}
    assert any("ROI OPA has no voxels" in sentence for sentence in decoded.skipped)


def _noise_model(data: ParticipantData) -> NoiseModel:
    """Independent noise of the simulated participant, signal as predicted."""
    sd = noise_sd(data).astype(np.float32)
    ones, zeros = np.ones_like(sd), np.zeros_like(sd)
    factors = np.zeros((0, len(sd)), np.float32)
    return NoiseModel(zeros, ones, ones, sd, factors, ones, 0.0, 0.0, 0.0, 10, 30, 0)


def test_sampled_trials_teach_about_what_noiseless_responses_teach(simulate: Simulate) -> None:
    """Noisy trials, and a penalty that expects their noise, are two ways to one decoder."""
    found = []
    for seed in range(6):
        data = simulate(seed, separation=1.5, n_test=60)
        data = replace(data, noise=_noise_model(data), rois=data.rois[1:])
        for experiment in (
            Experiment("noiseless", sizes=()),
            Experiment("sampled", sizes=(), noise="calibrated", repeats=8),
        ):
            scores = score(decode(data, np.random.default_rng(0), experiment), np.random.default_rng(1), 5, 5)
            found.append(scores.table.set_index("training")["accuracy"]["synthetic_more"])
    noiseless, sampled = np.array(found).reshape(6, 2).mean(axis=0)
    # A standard error of .02 in either mean; of one draw a trial at chance level both would differ by .3.
    assert sampled == pytest.approx(noiseless, abs=0.06)
    assert noiseless > 0.5


def test_sampling_without_a_noise_model_is_left_out_with_a_sentence(simulate: Simulate) -> None:
    decoded = decode(simulate(0), np.random.default_rng(0), Experiment("sampled", noise="calibrated"))
    assert not len(decoded.cells)
    assert "no model of the noise" in decoded.skipped[0]
    assert not len(score(decoded, np.random.default_rng(0), 5, 5).table)


def test_noise_is_drawn_anew_for_each_trial_and_alike_in_each_run(simulate: Simulate) -> None:
    data = simulate(1)
    data = replace(data, noise=_noise_model(data))
    experiment = Experiment("sampled", training=("synthetic_same",), noise="independent", repeats=2)
    first, second = (decode(data, np.random.default_rng(5), experiment) for _ in range(2))
    assert (first.counts == second.counts).all()
    assert set(first.cells["training"]) == {"synthetic_same"}
    assert first.cells["n_training"].max() == 80  # images, not trials


def test_mixed_is_real_and_every_extra_set_and_expects_its_share_of_noise(simulate: Simulate) -> None:
    data = simulate(2)
    both = mixed(compare(data, 5, 2))
    assert both.n_stimuli == 80 + 160
    assert both.is_noiseless.mean() == pytest.approx(160 / 240)
    own = mixed(compare(replace(data, synthetic=data.synthetic[:1]), 5, 2))
    assert own.n_stimuli == 80
    assert own.is_noiseless.mean() == 0.5
    cells = decode(
        data, np.random.default_rng(0), Experiment("m", training=("real", "mixed"), sizes=())
    ).cells
    assert cells["training"].tolist() == ["real", "mixed"] * 2
    assert cells["n_training"].tolist() == [80, 240] * 2


def test_means_of_repeats_are_decoded_once_a_stimulus_and_better(simulate: Simulate) -> None:
    data = simulate(3, separation=1.2, n_test=80, repeats=4)
    averaged, less_noise = mean_of_repeats(data.test)
    np.testing.assert_allclose(averaged.values[0], data.test.values[:4].mean(axis=0), rtol=1e-5)
    assert less_noise == pytest.approx(0.5)
    accuracy = []
    for test in ("trials", "means"):
        decoded = decode(data, np.random.default_rng(0), Experiment("e", test=test, sizes=()))
        assert (decoded.counts.sum(axis=2) == (4 if test == "trials" else 1)).all()
        accuracy.append(score(decoded, np.random.default_rng(1), 5, 5).table["accuracy"].to_numpy())
    assert accuracy[1].mean() > accuracy[0].mean() + 0.05


def test_every_classifier_decodes(simulate: Simulate) -> None:
    data = simulate(4, separation=2.0)
    for classifier in ("ridge", "lda", "logistic"):
        experiment = Experiment(classifier, classifier=classifier, sizes=(), rois=("all",))
        table = score(
            decode(data, np.random.default_rng(0), experiment), np.random.default_rng(1), 5, 99
        ).table
        assert (table["p"] < 0.05).all()
        assert (table["auc"] > 0.7).all()
        assert table["top5"].isna().all()


def test_area_and_top_5_are_of_the_decision_values(simulate: Simulate) -> None:
    experiment = Experiment("e", sizes=(), rois=("all",), training=("real",), controls=())
    data = simulate(4, n_classes=8, n_train=160, n_test=64, separation=1.5)
    cells = decode(data, np.random.default_rng(0), experiment).cells
    names = sorted(set(data.real.labels), key=str)
    fitted = fit(data.real.values, list(map(str, data.real.labels)), groups=data.real.stimuli)
    values = fitted.decision_function(data.test.values)
    true = np.array([names.index(label) for label in data.test.labels])
    areas = [roc_auc_score(true == k, values[:, k]) for k in range(8)]
    assert cells["auc"][0] == pytest.approx(np.mean(areas), abs=1e-3)
    hit = (np.argsort(-values, axis=1)[:, :5] == true[:, None]).any(axis=1)
    assert cells["top5"][0] == pytest.approx(np.mean([hit[true == k].mean() for k in range(8)]), abs=0.01)


def test_regions_and_sets_that_are_not_there_are_named(simulate: Simulate) -> None:
    experiment = Experiment("e", training=("real", "synthetic_none"), rois=("LHPPA", "V9"), sizes=())
    decoded = decode(simulate(5), np.random.default_rng(0), experiment)
    assert decoded.cells[["roi", "training"]].to_numpy().tolist() == [["PPA", "real"]]
    assert any("no training set 'synthetic_none'" in sentence for sentence in decoded.skipped)
    assert any("no ROI V9" in sentence for sentence in decoded.skipped)


def test_some_stimuli_alone(simulate: Simulate) -> None:
    data = of_stimuli(simulate(6), lambda name: not name.endswith("1"))
    assert data.real.n_stimuli == 72
    assert data.synthetic[1].n_stimuli == 144
    assert len(data.test.stimuli) == 3 * 21  # of 24 stimuli 01, 11 and 21 are gone
