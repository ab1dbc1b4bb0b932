"""Transfer between simulated participants: shared tuning is found, independent is not, gaps are named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bidsapp_synthfmri.config import RunConfig
from bidsapp_synthfmri.decoding import Experiment, LabelledResponses, ParticipantData
from bidsapp_synthfmri.decoding.transfer_pictures import TransferParticipant
from bidsapp_synthfmri.derivatives.results import ParticipantResults
from bidsapp_synthfmri.structures import RoiSet
from bidsapp_synthfmri.workflow.transfer import transfer_participant, transfer_scores

N_TRAIN, N_TEST, N_LATENT, REPEATS = 120, 40, 8, 3
MAIN = Experiment("main")
PAIR = ["source", "target", "measure", "roi"]


def person(
    label: str,
    n_voxels: int = 24,
    shared: bool = True,
    rois: tuple[str, ...] = ("PPA",),
    noise: float = 1.5,
    tests: slice = slice(N_TRAIN, N_TRAIN + N_TEST),
) -> TransferParticipant:
    """Voxels that mix latent features of 160 pictures in two categories, by weights of the person's own.

    Without ``shared`` the features are the person's own too, and know nothing of the categories.
    """
    seen = np.random.default_rng(7 if shared else [9, *label.encode()])
    kinds = np.arange(N_TRAIN + N_TEST) % 2
    latent = seen.standard_normal((len(kinds), N_LATENT))
    if shared:
        latent += 2 * np.outer(2 * kinds - 1, np.eye(N_LATENT)[0])
    rng = np.random.default_rng(list(label.encode()))
    signal = latent @ rng.standard_normal((N_LATENT, n_voxels)) / np.sqrt(N_LATENT)
    is_test = np.zeros(len(kinds), dtype=bool)
    is_test[tests] = True
    names = np.array([f"picture{number:03d}.jpg" for number in range(len(kinds))])
    labels = np.array(["animal", "tool"])[kinds]

    def responses(name: str, rows: np.ndarray, sd: float) -> LabelledResponses:
        values = signal[rows] + sd * rng.standard_normal((len(rows), n_voxels))
        return LabelledResponses(name, values.astype(np.float32), tuple(names[rows]), tuple(labels[rows]))

    train, test = np.flatnonzero(~is_test), np.flatnonzero(is_test)
    masks = [RoiSet(roi, np.arange(n_voxels) < n_voxels // 2) for roi in rois]
    data = ParticipantData(
        label,
        responses("real", train, noise),
        (responses("synthetic_same", train, 0.1),),
        responses("test", test.repeat(REPEATS), noise),
        (*masks, RoiSet("all", np.ones(n_voxels, dtype=bool))),
    )
    return TransferParticipant(data, responses("predicted", test, 0.1).values, tuple(names[test]))


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    return RunConfig(tmp_path / "bids", tmp_path / "out", level="group")


@pytest.fixture
def of_people(config: RunConfig) -> Callable[..., tuple[pd.DataFrame, str]]:
    """The table by pair, measure and region, and what was left out."""

    def scores(*people: TransferParticipant) -> tuple[pd.DataFrame, str]:
        found = transfer_scores(people, config, MAIN)
        return found.table.set_index(PAIR), " ".join(found.sentences)

    return scores


def test_shared_tuning_is_found_through_different_voxels_and_independent_tuning_is_not(of_people) -> None:
    table, _ = of_people(person("01"), person("02", 30, rois=("PPA", "LOC")), person("03", 20, shared=False))
    for source, target in (("01", "02"), ("02", "01")):
        for measure in ("voxel_correlation", "read_by_target"):
            for roi in ("PPA", "all"):
                row = table.loc[(source, target, measure, roi)]
                assert row["p_fdr"] < 0.01
                assert row["ci_low"] > row["chance"]
        row = table.loc[(source, target, "voxel_correlation", "all")]
        # own data predict better than another's noisy responses
        assert 0.5 < row["value"] < row["own"]
        assert row["difference_high"] < 0
        assert (row["n_common_images"], row["n_test_stimuli"]) == (N_TRAIN, N_TEST)
    for source, target in (("01", "03"), ("03", "01"), ("02", "03"), ("03", "02")):
        row = table.loc[(source, target, "voxel_correlation", "all")]
        assert abs(row["value"]) < 0.15
        assert row["p_fdr"] > 0.05
    for source in ("01", "02"):
        assert table.loc[("03", source, "read_by_target", "all"), "p_fdr"] > 0.05
    assert ("01", "02", "voxel_correlation", "LOC") in table.index
    assert ("02", "01", "voxel_correlation", "LOC") not in table.index  # regions are the target's


def test_decoders_of_the_others_read_a_participant_without_a_labelled_trial(config: RunConfig) -> None:
    people = [person("01"), person("02", 30), person("03", 20)]
    swapped = [replace(one, data=replace(one.data, real=_swapped(one.data.real))) for one in people[1:]]
    found = transfer_scores(people, config, MAIN)
    table = found.table.set_index(PAIR)
    for target in ("01", "02", "03", "group"):
        row = table.loc[("others", target, "read_by_others", "all")]
        assert row["value"] > 0.75
        assert row["p_fdr"] < 0.01
        assert row["n_participants"] == (3 if target == "group" else 1)
        assert row["difference"] == pytest.approx(row["value"] - row["own"])
    decided = [row for row in found.decisions if row["roi"] == "all"]
    assert [(row["claim"], row["training"], row["participant"]) for row in decided] == [
        ("transfers", "others", "group")
    ]
    # the others' labels alone are learnt: swapped, they are read the wrong way round
    wrong = transfer_scores([people[0], *swapped], config, MAIN).table.set_index(PAIR)
    assert wrong.loc[("others", "01", "read_by_others", "all"), "value"] < 0.25
    assert wrong.loc[("01", "02", "voxel_correlation", "all"), "p_fdr"] < 0.01


def test_results_do_not_depend_on_who_else_is_there(of_people) -> None:
    two, _ = of_people(person("01"), person("02", 30))
    three, _ = of_people(person("01"), person("02", 30), person("03", 20))
    same = [key for key in two.index if key[0] != "others" and key[1] != "group"]
    columns = [name for name in two.columns if name != "p_fdr"]
    pd.testing.assert_frame_equal(two.loc[same, columns], three.loc[same, columns])


def test_what_two_do_not_have_in_common_is_named(of_people) -> None:
    few = person("04", tests=slice(N_TRAIN + 35, N_TRAIN + N_TEST))
    table, said = of_people(person("01"), few)
    assert "compared, because the two have 5 in common, and 10 are needed" in said
    assert set(table.index.get_level_values("measure")) == {"read_by_others"}
    assert table.loc[("others", "04", "read_by_others", "all"), "n_common_images"] == N_TRAIN

    strange = person("05")
    renamed = tuple(f"other{name}" for name in strange.data.real.stimuli)
    own = strange.data
    strange = replace(
        strange,
        data=replace(
            own,
            real=replace(own.real, stimuli=renamed),
            synthetic=(replace(own.synthetic[0], stimuli=renamed),),
        ),
    )
    table, said = of_people(person("01"), strange)
    assert table.empty
    assert "the two have synthetic responses to 0 pictures in common, and 20 are needed" in said


def test_a_test_image_of_either_is_no_picture_of_the_map(of_people) -> None:
    earlier = person("06", tests=slice(N_TRAIN - 20, N_TRAIN + 20))
    table, _ = of_people(person("01"), earlier)
    row = table.loc[("01", "06", "voxel_correlation", "all")]
    assert (row["n_common_images"], row["n_test_stimuli"]) == (N_TRAIN - 20, 20)


def test_one_category_among_the_common_test_images_is_not_decoded(of_people) -> None:
    one, two = person("01"), person("02")
    odd = [row for row, label in enumerate(two.data.test.labels) if label == "tool"]
    even = [row for row in range(len(one.data.test.labels)) if one.data.test.labels[row] == "animal"]
    tools = replace(two, data=replace(two.data, test=two.data.test.take(odd)))
    animals = replace(one, data=replace(one.data, test=one.data.test.take([*even, *odd[:9]])))
    table, said = of_people(animals, tools)
    assert "are of 1 of the categories decoded" in said or "fewer than" in said or "class" in said
    assert "read_by_target" not in table.index.get_level_values("measure")


def test_one_participant_alone_and_disputed_labels(of_people) -> None:
    table, said = of_people(person("01"))
    assert table.empty
    assert "one participant, so nothing was transferred" in said
    one, two, three = person("01"), person("02"), person("03")
    real = _swapped(two.data.real, 30)
    _, said = of_people(one, replace(two, data=replace(two.data, real=real)), three)
    assert "Transfer to participant 01: 30 training images have different labels" in said


def test_what_a_participant_brings_is_out_of_fold(
    named_results: Callable[..., ParticipantResults], config: RunConfig
) -> None:
    results = named_results()
    table = results.synthetic.table
    seen = table.index[table["split"] == "train"][:5]
    table = table.assign(prediction=table["prediction"].where(~table.index.isin(seen), "encoder"))
    results = replace(results, synthetic=replace(results.synthetic, table=table))
    kind = replace(config, label_column="kind")
    found = transfer_participant(results, kind, MAIN)
    assert found.n_seen == 5
    assert len(found.data.synthetic[0].stimuli) == 37
    assert set(found.predicted_stimuli) == set(found.data.test.stimuli)
    np.testing.assert_array_equal(found.predicted, results.synthetic.values[:18])
    said = transfer_scores([found, replace(found, data=replace(found.data, participant="02"))], kind, MAIN)
    assert "5 training images have a prediction of an encoder that saw them" in " ".join(said.sentences)


def _swapped(responses: LabelledResponses, n: int | None = None) -> LabelledResponses:
    """Animals called tools and tools animals, in the first n trials."""
    other = {"animal": "tool", "tool": "animal"}
    labels = tuple(other[str(label)] for label in responses.labels[:n])
    return replace(responses, labels=labels if n is None else (*labels, *responses.labels[n:]))
