"""The list of experiments on one participant's results: sources, controls, and what the first one is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bidsapp_synthfmri.config import RunConfig
from bidsapp_synthfmri.decoding import DEFAULT_EXPERIMENTS, Experiment, decode
from bidsapp_synthfmri.derivatives.results import ParticipantResults
from bidsapp_synthfmri.encoding.components import PictureComponents
from bidsapp_synthfmri.errors import UsageError
from bidsapp_synthfmri.structures import Responses, Synthetic, Trials, VoxelSpace
from bidsapp_synthfmri.workflow.comparisons import participant_data
from bidsapp_synthfmri.workflow.decoding import decode_participant, score_experiments
from bidsapp_synthfmri.workflow.decoding_sources import source_of_stimuli
from bidsapp_synthfmri.workflow.label_choice import labels_of
from bidsapp_synthfmri.workflow.runtime import generator

N_VOXELS = 30
NAMES = {"coco": "COCO_train2014_{:012d}.jpg", "imagenet": "n01440764_{}.JPEG"}
WITHIN = Experiment("within", sizes=(), within_source=True, controls=("source",))


def participant(
    label: str = "01", seed: int = 0, kinds: tuple[str, ...] = ("animal", "tool")
) -> ParticipantResults:
    """80 training and 32 test images of two sources; voxels tell the source, and the kind."""
    rng = np.random.default_rng(seed)
    by_kind, by_source = (rng.standard_normal((2, N_VOXELS)) for _ in range(2))
    rows = []
    for number in range(112):
        source, kind = number % 2, (number // 2) % 2
        stimulus = NAMES["coco" if source == 0 else "imagenet"].format(number + 1)
        rows.append((stimulus, kinds[kind], source, kind, "test" if number >= 80 else "train"))
    table = pd.DataFrame(rows, columns=["stimulus", "kind", "source_number", "kind_number", "split"])
    signal = by_kind[table["kind_number"]] + by_source[table["source_number"]]
    values = (signal + 2 * rng.standard_normal(signal.shape)).astype(np.float32)
    voxels = VoxelSpace(
        np.stack([np.arange(N_VOXELS)] * 3, axis=1).astype(np.int64),
        np.eye(4),
        (N_VOXELS,) * 3,
        ("LHPPA",),
        np.ones((1, N_VOXELS), dtype=bool),
        "T1w",
    )
    trials = table[["stimulus", "kind"]].assign(session="1", run="1", onset=0.0, duration=1.0)
    synthetic = Synthetic((0.3 * signal).astype(np.float32), table[["stimulus", "split"]], voxels)
    nothing = pd.DataFrame()
    return ParticipantResults(
        participant=label,
        task="look",
        space="T1w",
        voxels=voxels,
        responses=Responses(values, Trials(trials), voxels, "lss", "z"),
        splits=table["split"].to_numpy(dtype=str),
        synthetic=synthetic,
        extra=(),
        encoding=nothing,
        accounting=nothing,
        reliability=nothing,
        summary={},
        card={},
    )


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    return RunConfig(tmp_path / "bids", tmp_path / "out", level="group", label_column="kind")


def test_the_first_experiment_is_what_decoding_alone_gives(config: RunConfig) -> None:
    results = participant()
    found = next(iter(decode_participant(results, config, DEFAULT_EXPERIMENTS).comparisons.values()))
    data = participant_data(results, labels_of(results, None, config), config)
    alone = decode(data, generator(config, "01", "decoding"))
    own = found.cells["control"] == "none"
    assert (found.counts[own] == alone.counts).all()
    pd.testing.assert_frame_equal(found.cells[own].reset_index(drop=True), alone.cells)


def test_within_source_each_source_is_decoded_by_itself_and_the_source_is_the_control(
    config: RunConfig,
) -> None:
    people = [
        decode_participant(participant(label, seed), config, [WITHIN])
        for seed, label in enumerate(["01", "02"])
    ]
    comparisons = {(c.source, c.is_source_control): d for c, d in people[0].comparisons.items()}
    assert set(comparisons) == {("coco", False), ("imagenet", False), ("all", True)}
    assert all("COCO" in name for name in comparisons["coco", False].stimuli)
    assert len(comparisons["imagenet", False].stimuli) == 16
    assert comparisons["all", True].classes == ("coco", "imagenet")
    scores = score_experiments(people, config)
    decided = scores.decisions.set_index(["source", "claim", "training"])["verdict"]
    assert decided["coco", "reads", "real"] == "supported"
    assert decided["imagenet", "reads", "synthetic_same"] == "supported"
    assert decided["all", "source_shows", "real"] == "supported"
    assert ("all", "reads", "real") not in decided.index
    assert set(scores.table.loc[scores.table["control"] == "source", "labels"]) == {"source"}
    assert set(scores.table["labels"]) == {"column:kind", "source"}


def test_no_source_control_where_the_source_is_the_category_or_is_not_known(config: RunConfig) -> None:
    results = participant()
    table = results.responses.trials.table
    of_source = table.assign(kind=["coco" if "COCO" in name else "in" for name in table["stimulus"]])
    same = replace(results, responses=replace(results.responses, trials=Trials(of_source)))
    found = decode_participant(same, config, [Experiment("main", sizes=(), controls=("source",))])
    assert len(found.comparisons) == 1
    assert any("the pictures' source is their category" in sentence for sentence in found.skipped)

    one = table.assign(stimulus=[f"picture{number}.jpg" for number in range(len(table))])
    synthetic = replace(results.synthetic, table=results.synthetic.table.assign(stimulus=one["stimulus"]))
    unknown = replace(results, responses=replace(results.responses, trials=Trials(one)), synthetic=synthetic)
    assert source_of_stimuli(unknown, config) is None
    found = decode_participant(unknown, config, [WITHIN])
    assert [comparison.source for comparison in found.comparisons] == ["all"]
    said = " ".join(found.skipped)
    assert "so all are compared" in said
    assert "nothing tells the pictures' sources apart" in said


def test_a_label_set_within_a_source_says_which(config: RunConfig) -> None:
    found = decode_participant(participant(), config, [Experiment("sets", labels="lexicographer", sizes=())])
    comparison, decoded = next(iter(found.comparisons.items()))
    assert (comparison.source, comparison.labels) == ("imagenet", "lexicographer")
    assert not decoded.classes  # one synset: one class
    assert any("two classes are needed" in sentence for sentence in found.skipped)
    scores = score_experiments([found], config)
    assert scores.table.empty
    assert scores.decisions.empty
    with pytest.raises(UsageError, match="no label set 'lexicografer'"):
        decode_participant(participant(), config, [Experiment("sets", labels="lexicografer")])


def test_what_older_or_plain_runs_lack_is_said_once(config: RunConfig) -> None:
    people = [decode_participant(participant(label), config, DEFAULT_EXPERIMENTS) for label in ("01", "02")]
    skipped = score_experiments(people, config).skipped
    assert sum("--untrained-control" in sentence for sentence in skipped) == 1
    assert sum("older version" in sentence for sentence in skipped) == 1


def test_controls_that_are_there_are_decoded(config: RunConfig) -> None:
    results = participant()
    synthetic = results.synthetic
    stimuli = tuple(synthetic.table["stimulus"])
    pictures = PictureComponents(stimuli, synthetic.values[:, :5], np.ones(5, dtype=np.float32), ("fc",))
    found = decode_participant(
        replace(results, untrained=replace(synthetic, values=-synthetic.values), pictures=pictures),
        config,
        DEFAULT_EXPERIMENTS[:1],
    )
    decoded, of_source = found.comparisons.values()
    assert set(decoded.cells["control"]) == {
        "none", "shuffled_encoder", "untrained_network", "image_features"
    }  # fmt: skip
    assert set(of_source.cells["control"]) == {"none"}
    assert not [sentence for sentence in found.skipped if "left out" in sentence]


def test_labels_are_permuted_within_source_and_session_but_the_sources_own(config: RunConfig) -> None:
    """A session changes hands in the middle of the trials; one test image is shown in both."""
    results = participant()
    table = results.responses.trials.table.assign(session=[str(number // 4 % 2) for number in range(112)])
    again = table.iloc[[-1]].assign(session="0")
    table = pd.concat([table, again], ignore_index=True)
    values = np.concatenate([results.responses.values, results.responses.values[-1:]])
    results = replace(
        results,
        responses=replace(results.responses, trials=Trials(table), values=values),
        splits=np.append(results.splits, "test"),
    )
    found = decode_participant(results, config, [Experiment("main", sizes=(), controls=("source",))])
    decoded, of_source = found.comparisons.values()
    names = table.drop_duplicates("stimulus").set_index("stimulus")
    for one in (decoded, of_source):
        kinds = list(zip(one.sources.tolist(), one.sessions.tolist(), strict=True))
        sessions = [names.loc[name, "session"] for name in one.stimuli[:-1]]
        assert len(set(one.sessions.tolist())) == 3
        assert len(set(zip(sessions, [session for _, session in kinds[:-1]], strict=True))) == 2
    assert len(set(decoded.sources.tolist())) == 2
    assert set(of_source.sources.tolist()) == {0}
    scores = score_experiments([found], config).table
    within = scores.groupby("control")["permuted_within"].unique()
    assert within["none"].tolist() == ["source and session"]
    assert within["source"].tolist() == ["session"]


def test_the_events_column_of_sources_is_used_where_it_is_named(config: RunConfig) -> None:
    found = source_of_stimuli(participant(), replace(config, source_column="kind"))
    assert found is not None
    assert set(found.values()) == {"animal", "tool"}
