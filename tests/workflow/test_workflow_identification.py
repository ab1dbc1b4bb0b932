"""Identification at the group level: who is a candidate, what the source alone does, what is left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bidsapp_synthfmri.config import RunConfig
from bidsapp_synthfmri.derivatives.results import LeakageResults, ParticipantResults
from bidsapp_synthfmri.structures import Synthetic
from bidsapp_synthfmri.workflow import identification as module
from bidsapp_synthfmri.workflow.identification import identification_scores, identify_images

Results = Callable[..., ParticipantResults]
SOURCES = ("coco", "imagenet", "scenes")


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    return RunConfig(tmp_path / "bids", tmp_path / "out", "group")


def rows_of(table: pd.DataFrame, **where: object) -> pd.DataFrame:
    chosen = {
        "roi": "all",
        "pattern": "single_trial",
        "scaling": "raw",
        "measure": "percentile_rank",
        **where,
    }
    for column, value in chosen.items():
        table = table[table[column] == value]
    return table


def with_extra(results: ParticipantResults, n: int) -> ParticipantResults:
    rng = np.random.default_rng(5)
    table = pd.DataFrame(
        {"stimulus": [f"p{i}.jpg" for i in range(n)], "split": "more", "prediction": "encoder"}
    )
    values = rng.standard_normal((n, len(results.voxels))).astype(np.float32)
    return replace(results, extra=(Synthetic(values, table, results.voxels),))


def test_images_are_identified_among_all_and_within_their_source(config, named_results: Results) -> None:
    parts = [named_results(participant=label, seed=seed) for seed, label in enumerate(("01", "02"))]
    table = identification_scores([identify_images(part, config) for part in parts], config).table
    for participant in ("01", "02", "group"):
        for candidates in ("all", *SOURCES):
            (row,) = rows_of(table, participant=participant, candidates=candidates).to_dict("records")
            assert row["n_candidates"] == (60 if candidates == "all" else 20)
            assert row["n_stimuli"] == (18 if candidates == "all" else 6)
            assert row["whole"]
            assert row["p"] < 0.05 < 0.7 < row["value"]
    single = rows_of(table, candidates="all")
    each = single[single["participant"] != "group"]["value"]
    assert single[single["participant"] == "group"]["value"].iloc[0] == pytest.approx(each.mean())


def test_images_of_all_sources_are_told_from_those_of_their_own(config, named_results: Results) -> None:
    first, second = (named_results(2.5, participant=f"0{number}", seed=number) for number in (1, 2))
    parts = [first, with_extra(second, 40)]  # their names tell no source: candidates of none
    table = identification_scores([identify_images(part, config) for part in parts], config).table
    for participant in ("01", "02", "group"):
        for measure in ("percentile_rank", "top_1", "median_rank"):
            chosen = {"participant": participant, "measure": measure, "whole": True}
            (row,) = rows_of(table, candidates="same_source", **chosen).to_dict("records")
            each = pd.concat([rows_of(table, candidates=source, **chosen) for source in SOURCES])
            assert row["value"] == pytest.approx(each["value"].mean())  # six images of each
            assert row["chance"] == pytest.approx(each["chance"].mean())
            assert row["n_candidates"] == 20
            assert row["n_stimuli"] == 18
            assert row["n_trials"] == each["n_trials"].sum()
        beats = rows_of(table, candidates="same_source", participant=participant).iloc[0]
        assert beats["ci_low"] < beats["value"] < beats["ci_high"]
        assert beats["p"] < 0.05
    curve = rows_of(table, candidates="same_source", participant="01", measure="top_1")
    assert curve["n_candidates"].tolist() == [2, 5, 10, 20]


def test_what_the_source_alone_tells_is_not_identification(config, named_results: Results) -> None:
    """Real responses are to another image of the same source: above .5 among all, but p knows better."""
    found = identification_scores([identify_images(named_results(mixed=True), config)], config).table
    (among_all,) = rows_of(found, candidates="all").to_dict("records")
    assert among_all["value"] > 0.6
    assert among_all["p"] > 0.05
    within = rows_of(found)
    within = within[within["candidates"] != "all"]
    assert set(within["candidates"]) == {*SOURCES, "same_source"}
    assert (within["p"] > 0.01).all()
    assert within["value"].mean() == pytest.approx(0.5, abs=0.2)  # 18 images of .29, not independent


def test_extra_sets_are_candidates(config, named_results: Results) -> None:
    results = with_extra(named_results(), 40)
    table = identification_scores([identify_images(results, config)], config).table
    assert rows_of(table, candidates="all")["n_candidates"].tolist() == [100]
    assert rows_of(table, candidates="coco")["n_candidates"].tolist() == [20]  # their names tell no source


def test_predictions_by_an_encoder_that_saw_the_image_are_no_candidates(config, named_results) -> None:
    results = named_results()
    seen = results.synthetic.table.copy()
    seen.loc[[20, 30], "prediction"] = "encoder"
    spoilt = replace(results, synthetic=replace(results.synthetic, table=seen))
    found = identify_images(spoilt, config)
    assert found.sentences == (
        "Participant 01: 2 training images have a prediction of an encoder that saw them and were no "
        "candidates of identification.",
    )
    assert found.by_candidates["all"].table["n_candidates"].max() == 58


def test_pictures_that_show_a_test_image_are_no_candidates(config, named_results: Results) -> None:
    results = with_extra(named_results(), 10)
    names = results.responses.trials.stimuli
    pairs = pd.DataFrame(
        {
            "stimulus": [names[0], names[1], names[2]],
            "other": [names[40], "p3.jpg", names[5]],
            "other_split": ["train", "more", "test"],
        }
    )
    audited = replace(results, leakage=LeakageResults(pairs, pd.DataFrame(), pd.DataFrame()))
    found = identify_images(audited, config)
    assert "Participant 01: 2 images show the same as a test image" in found.sentences[0]
    assert found.by_candidates["all"].table["n_candidates"].max() == 68


def test_more_candidates_than_can_take_part_are_drawn(config, named_results, monkeypatch) -> None:
    monkeypatch.setattr(module, "MOST_CANDIDATES", 50)
    found = identify_images(with_extra(named_results(), 40), config)
    assert (
        "Participant 01: 32 of 82 candidates beside the test images were drawn at random." in found.sentences
    )
    (row,) = rows_of(found.by_candidates["all"].table).to_dict("records")
    assert (row["n_candidates"], row["n_stimuli"]) == (50, 18)


def test_a_source_with_few_test_images_is_left_out_with_a_sentence(
    config, named_results, monkeypatch
) -> None:
    monkeypatch.setattr(module, "LEAST_OF_SOURCE", 7)
    found = identify_images(named_results(), config)
    assert set(found.by_candidates) == {"all"}
    assert "identification within coco, imagenet, scenes was left out" in found.sentences[0]


def test_where_names_tell_no_source_there_is_none_but_a_column_may(config, named_results: Results) -> None:
    results = named_results()
    plain = {name: f"p{i}.jpg" for i, name in enumerate(results.responses.trials.stimuli)}
    trials = results.responses.trials.table
    renamed = replace(
        results,
        responses=replace(
            results.responses, trials=type(results.responses.trials)(trials.replace({"stimulus": plain}))
        ),
        synthetic=replace(results.synthetic, table=results.synthetic.table.replace({"stimulus": plain})),
    )
    assert set(identify_images(renamed, config).by_candidates) == {"all"}
    by_column = identify_images(renamed, replace(config, source_column="kind"))
    assert set(by_column.by_candidates) == {"all", "a", "b", "same_source"}


def test_a_participant_without_test_trials_is_said_and_left_out(config, named_results: Results) -> None:
    results = named_results()
    none = replace(results, participant="02", splits=np.full(len(results.splits), "train"))
    scores = identification_scores([identify_images(one, config) for one in (results, none)], config)
    assert set(scores.table["participant"]) == {"01"}
    assert "Participant 02 has no trials of test images, so no image was identified." in scores.sentences
    nothing = identification_scores([identify_images(none, config)], config)
    assert nothing.table.empty
