"""Categories left out of encoders: which, what is predicted for them, what the group level makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from bidsapp_synthfmri.config import RunConfig
from bidsapp_synthfmri.decoding import CategoryFolds, Experiment
from bidsapp_synthfmri.derivatives.results import ParticipantResults
from bidsapp_synthfmri.encoding import Encoder, Folds, LeftOut, fit_encoder
from bidsapp_synthfmri.encoding.split import HeldOut
from bidsapp_synthfmri.features.backbones import Backbone
from bidsapp_synthfmri.features.extraction import extract
from bidsapp_synthfmri.structures import (
    Features,
    LayerFeatures,
    Responses,
    StimulusSet,
    Synthetic,
    Trials,
    VoxelSpace,
)
from bidsapp_synthfmri.workflow.decoding import decode_participant, score_experiments
from bidsapp_synthfmri.workflow.unseen import PREDICTION, UnseenPlan, plan_unseen, predict_unseen

UNSEEN = Experiment("unseen", sizes=(), unseen_categories=True, controls=("shuffled_encoder",))
N_VOXELS = 30
NAMES = {"coco": "COCO_train2014_{:012d}.jpg", "imagenet": "n01440764_{}.JPEG"}


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    return RunConfig(tmp_path / "bids", tmp_path / "out", label_column="kind")


def table_of(n_each: int = 13, n_test: int = 3) -> pd.DataFrame:
    """Pictures of two sources, four kinds of things in each; the first ones of each kind are tested."""
    rows = []
    for number in range(8 * n_each):
        kind, place = number % 8, number // 8
        source = "coco" if kind < 4 else "imagenet"
        rows.append((NAMES[source].format(number + 1), f"kind{kind}", "test" if place < n_test else "train"))
    return pd.DataFrame(rows, columns=["stimulus", "kind", "split"])


def trials_of(table: pd.DataFrame) -> Trials:
    return Trials(table[["stimulus", "kind"]].assign(session="1", run="1", onset=0.0, duration=1.0))


def held_out(table: pd.DataFrame) -> HeldOut:
    return HeldOut((table["split"] == "test").to_numpy(), "some")


def plan_of(
    config: RunConfig, table: pd.DataFrame, *extra: StimulusSet, participant: str = "01"
) -> UnseenPlan:
    return plan_unseen(config, participant, trials_of(table), held_out(table), extra)


def test_folds_are_of_categories_shared_by_participants_with_two_of_a_source(config: RunConfig) -> None:
    table = table_of()
    plan = plan_of(config, table)
    assert plan.folds.n_folds == 4
    sources = {name: "coco" if int(name[4:]) < 4 else "imagenet" for name in plan.folds.classes}
    assert [len({sources[name] for name in own}) for own in plan.folds.members()] == [1] * 4
    assert (plan_of(config, table, participant="02").folds.fold == plan.folds.fold).all()
    assert set(plan.label_of) == set(table["stimulus"][table["split"] == "train"])
    facts = plan.facts
    assert (facts["label_set"], facts["n_categories"], facts["n_folds"]) == ("column:kind", 8, 4)
    assert [fold["n_training_stimuli"] for fold in facts["folds"]] == [20] * 4
    features = Features(tuple(sorted(table["stimulus"])), ())
    left_out = plan.left_out(features)
    assert left_out is not None
    assert not left_out.new_images
    tested = set(table["stimulus"][table["split"] == "test"])
    assert [
        stimulus for stimulus, group in zip(features.stimuli, left_out.group, strict=True) if group < 0
    ] == [stimulus for stimulus in features.stimuli if stimulus in tested]


def test_images_of_other_categories_are_not_predicted(config: RunConfig) -> None:
    images = StimulusSet(
        "more",
        pd.DataFrame(
            {"stimulus": ["a.png", "b.png", "c.png"], "path": "x", "label": ["kind1", "moon", "kind7"]}
        ),
    )
    plan = plan_of(config, table_of(), images)
    assert plan.images[0].stimuli == ("a.png", "c.png")
    assert plan.n_encoders == 4
    assert plan.facts["image_sets"] == {"more": 2}
    assert plan.notes == [
        "Unseen categories: 1 of 3 pictures of image set more have no category that is left out, and are not"
        " predicted without it."
    ]
    none = replace(images, table=images.table.assign(label="moon"))
    assert plan_of(config, table_of(), none).n_encoders == 0


@pytest.mark.parametrize(
    ("changed", "kept", "said"),
    [
        ({}, ["kind0", "kind1", "kind5"], "has 3 categories with enough training and test pictures"),
        ({}, [], "has 0 categories"),
        ({"layer_selection": "joint", "joint_model": "banded"}, None, "choose --joint-model stacking"),
        ({"unseen_categories": False}, None, ""),
    ],
)
def test_where_nothing_can_be_left_out_one_sentence_says_why(
    config: RunConfig, changed: dict[str, object], kept: list[str] | None, said: str
) -> None:
    table = table_of()
    if kept is not None:
        table["kind"] = table["kind"].where(table["kind"].isin(kept))
    plan = plan_of(replace(config, **changed), table)
    assert plan.left_out(Features(tuple(table["stimulus"]), ())) is None
    assert len(plan.notes) == bool(said)
    assert said in " ".join(plan.notes)
    assert "folds" not in plan.facts


def test_a_category_with_one_image_or_none_to_test_is_in_no_fold(config: RunConfig) -> None:
    table = table_of()
    few = table[(table["kind"] != "kind3") | (table["split"] == "test") | (table.index < 40)]
    few = few[(few["kind"] != "kind6") | (few["split"] == "train")]
    plan = plan_of(config, few)
    assert set(plan.folds.classes) == {f"kind{number}" for number in (0, 1, 2, 4, 5, 7)}
    said = " ".join(plan.notes)
    assert "training pictures have no category that is left out, and stay in every encoder" in said
    assert "fewer than 5 training images, so left out (kind3)" in said
    assert "no test image, so left out (kind6)" in said


@pytest.fixture(scope="module")
def space() -> VoxelSpace:
    return VoxelSpace(
        np.stack([np.arange(N_VOXELS)] * 3, axis=1).astype(np.int64),
        np.eye(4),
        (N_VOXELS,) * 3,
        ("LHPPA",),
        np.ones((1, N_VOXELS), dtype=bool),
        "T1w",
    )


def test_each_picture_is_predicted_by_the_encoder_without_its_fold(
    network: Backbone, pictures: Callable[..., object], space: VoxelSpace
) -> None:
    """Extra pictures that are training pictures: streamed through stored weights, they get the exact row."""
    made = pictures(24)
    paths = [made.folder / name for name in made.names]
    units = [np.concatenate(parts) for parts in zip(*extract(network, paths, 8), strict=True)]
    layers = tuple(LayerFeatures(name, own) for name, own in zip(network.layers, units, strict=True))
    features = Features(made.names, layers)
    rng = np.random.default_rng(0)
    values = rng.standard_normal((24, N_VOXELS)).astype(np.float32)
    label_of = {name: f"c{number % 4}" for number, name in enumerate(made.names[:20])}
    folds = CategoryFolds(("c0", "c1", "c2", "c3"), np.array([0, 0, 1, 1]))
    table = pd.DataFrame({"stimulus": made.names[:20], "path": [str(path) for path in paths[:20]]})
    images = StimulusSet("again", table.assign(label=list(label_of.values())))
    plan = UnseenPlan("kind", folds, label_of, (images,))
    left_out = plan.left_out(features)
    assert isinstance(left_out, LeftOut)
    fit = fit_encoder(
        features,
        values,
        np.arange(24),
        Folds(np.arange(24) % 4, "4 folds"),
        torch.device("cpu"),
        alphas=(1.0, 10.0),
        left_out=left_out,
    )
    assert fit.without is not None
    encoder = Encoder.of_fit(fit, space, {"backbone": network.identity()}, network)
    order = made.names[::-1]
    found = predict_unseen(plan, fit.without, encoder, features, order)
    assert list(found.table["split"]) == ["train"] * 20 + ["again"] * 20
    assert list(found.table["stimulus"][:20]) == list(made.names[:20][::-1])
    assert list(found.table["fold"]) == [1 + int(label in ("c2", "c3")) for label in found.table["label"]]
    assert set(found.table["prediction"]) == {PREDICTION}
    exact, streamed = found.values[:20][::-1], found.values[20:]
    assert np.abs(exact - streamed).max() < 5e-3 * exact.std()
    saw = encoder.predict_features(features)[:20]
    assert np.abs(exact - saw).max() > 0.1 * exact.std()


def results_of(space: VoxelSpace, seed: int = 0) -> ParticipantResults:
    """Voxels tell the kind; responses by the encoder without it are shrunk."""
    rng = np.random.default_rng(seed)
    table = table_of()
    centres = 1.5 * np.random.default_rng(9).standard_normal((8, N_VOXELS))
    kind = np.array([int(name[4:]) for name in table["kind"]])
    signal = centres[kind] + 0.5 * rng.standard_normal((len(table), N_VOXELS))
    values = (signal + 2 * rng.standard_normal(signal.shape)).astype(np.float32)
    config = RunConfig(Path("bids"), Path("out"), label_column="kind")
    plan = plan_of(config, table)
    train = (table["split"] == "train").to_numpy()
    own = table[train][["stimulus", "split"]].assign(label=table["kind"][train])
    own["fold"] = plan.folds.of(list(own["label"])) + 1
    more = own.assign(split="more", stimulus=[f"m{number}.png" for number in range(len(own))])
    unseen = Synthetic(
        np.concatenate([0.3 * signal[train]] * 2).astype(np.float32), pd.concat([own, more]), space
    )
    nothing = pd.DataFrame()
    return ParticipantResults(
        participant="01",
        task="look",
        space="T1w",
        voxels=space,
        responses=Responses(values, trials_of(table), space, "lss", "z"),
        splits=table["split"].to_numpy(dtype=str),
        synthetic=Synthetic((0.3 * signal).astype(np.float32), table[["stimulus", "split"]], space),
        extra=(),
        encoding=nothing,
        accounting=nothing,
        reliability=nothing,
        summary={"unseen_categories": plan.facts},
        card={},
        unseen=unseen,
    )


def test_the_group_level_decodes_what_was_left_out(config: RunConfig, space: VoxelSpace) -> None:
    decoded = decode_participant(results_of(space), config, [UNSEEN])
    scores = score_experiments([decoded], config)
    table = scores.table[scores.table["participant"] == "01"]
    assert set(table["categories"]) == {"unseen"}
    rows = table[table["control"] == "none"].set_index("training")
    assert set(rows.index) == {"real", "synthetic_same", "synthetic_more"}
    assert (rows["chance"] - 0.5).abs().max() < 0.03
    assert rows.loc["synthetic_more", "accuracy"] > 0.75
    assert (rows["n_classes"] == 8).all()
    claims = set(scores.decisions[["claim", "training"]].itertuples(index=False, name=None))
    assert {
        ("reads", "real"),
        ("reads_unseen", "synthetic_same"),
        ("reads_unseen", "synthetic_more"),
    } <= claims
    assert ("reads", "synthetic_same") not in claims


def test_within_source_a_fold_tells_its_source_s_categories_apart(
    config: RunConfig, space: VoxelSpace
) -> None:
    within = replace(UNSEEN, within_source=True, controls=(), training=("real", "synthetic_same"))
    decoded = decode_participant(results_of(space), config, [within])
    found = {comparison.source: one for comparison, one in decoded.comparisons.items()}
    assert set(found) == {"coco", "imagenet"}
    assert sorted(found["coco"].classes) == ["kind0", "kind1", "kind2", "kind3"]
    assert set(found["coco"].cells["training"]) == {"real", "synthetic_same"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: replace(r, summary={}), "run the participant level again for them"),
        (lambda r: replace(r, unseen=None), "run the participant level again"),
        (
            lambda r: replace(
                r,
                unseen=None,
                summary={"unseen_categories": {"label_set": "column:kind", "reason": "Too few."}},
            ),
            "Too few.",
        ),
        (
            lambda r: replace(r, summary={"unseen_categories": {"label_set": "names"}}),
            "without categories of the label set 'names', and 'column:kind' is decoded; run the participant"
            " level again with --labels column:kind",
        ),
        (
            lambda r: replace(r, unseen=replace(r.unseen, table=r.unseen.table.assign(label="kind1"))),
            "the label set 'column:kind' has changed",
        ),
    ],
)
def test_what_cannot_be_decoded_is_said_in_one_sentence(
    config: RunConfig,
    space: VoxelSpace,
    change: Callable[[ParticipantResults], ParticipantResults],
    said: str,
) -> None:
    decoded = decode_participant(change(results_of(space)), config, [UNSEEN])
    assert decoded.comparisons == {}
    assert len(decoded.skipped) == 1
    assert said in decoded.skipped[0]
    assert decoded.skipped[0].startswith("Participant 01, unseen categories")
