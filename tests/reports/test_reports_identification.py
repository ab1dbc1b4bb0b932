"""Identification on the group's page: verdict, sentences and tables say what the table holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bidsapp_synthfmri.derivatives.results import GroupResults
from bidsapp_synthfmri.reports.group import group_page
from bidsapp_synthfmri.reports.identification import Task, identification_view
from bidsapp_synthfmri.reports.identification_figure import identification_figure
from bidsapp_synthfmri.reports.identification_tables import identification_tables
from bidsapp_synthfmri.reports.identification_words import identification_sentences, identification_verdict
from bidsapp_synthfmri.reports.numbers import share, share_with_interval
from bidsapp_synthfmri.reports.words import NO, PARTLY, UNKNOWN, YES

ROIS = ("EarlyVis", "PPA", "RSC", "all")
SIZES = (2, 10, 100, 1000, 4916)


def table(
    participants: tuple[str, ...] = ("CSI1", "CSI2"),
    candidates: tuple[str, ...] = ("all", "coco"),
    at_chance: tuple[str, ...] = ("RSC",),
) -> pd.DataFrame:
    """Scores that fall with the number of candidates; some regions at chance, one of them never found."""
    pooled = ("group",) if len(participants) > 1 else ()
    records = []
    for participant in (*participants, *pooled):
        for kind in candidates:
            for roi in ROIS:
                for pattern in ("single_trial", "mean_of_repeats"):
                    for scaling in ("raw", "standardised"):
                        task = (participant, kind, roi, pattern, scaling)
                        records += _scores(task, roi in at_chance)
    columns = ["participant", "candidates", "roi", "pattern", "scaling", "measure", "n_candidates", "whole"]
    columns += ["value", "ci_low", "ci_high", "chance", "p", "p_fdr", "n_trials", "n_stimuli"]
    return pd.DataFrame(records, columns=columns)


def _scores(task: tuple[str, ...], at_chance: bool) -> list[tuple[object, ...]]:
    records: list[tuple[object, ...]] = []
    p, counts = (0.4 if at_chance else 0.0005), (451, 113)
    for k in (1, 5):
        for n in SIZES:
            if n <= k:
                continue
            value = k / n if not at_chance and n == 2 else (0.0 if at_chance and n > 1000 else (k / n) ** 0.6)
            tested = (p, p) if n == SIZES[-1] else (np.nan, np.nan)
            records.append(
                (*task, f"top_{k}", n, n == SIZES[-1], value, value / 2, 1.2 * value, k / n, *tested, *counts)
            )
    beats = 0.51 if at_chance else 0.873
    records.append(
        (*task, "percentile_rank", 4916, True, beats, beats - 0.04, beats + 0.04, 0.5, p, p, *counts)
    )
    records.append((*task, "median_rank", 4916, True, 431.5, 300.0, 600.0, 2458.5, p, np.nan, *counts))
    return records


def test_the_verdict_counts_regions_and_participants() -> None:
    verdict = identification_verdict(identification_view(table()))
    assert (verdict.tone, verdict.answer) == (PARTLY, "In part: in 2 of 3 regions")
    text = " ".join(verdict.text)
    assert "among 4,916 candidates" in text
    assert "2 of 3 regions (EarlyVis and PPA)" in text
    assert "CSI1 2 of 3, CSI2 2 of 3" in text
    assert "coco in 2 of 3 regions" in text


@pytest.mark.parametrize(("at_chance", "tone"), [((), YES), (ROIS, NO)])
def test_the_verdict_can_say_yes_and_no(at_chance: tuple[str, ...], tone: str) -> None:
    verdict = identification_verdict(identification_view(table(at_chance=at_chance)))
    assert verdict.tone == tone


def test_without_a_table_nothing_can_be_said() -> None:
    for empty in (None, table()[:0]):
        view = identification_view(empty)
        assert identification_verdict(view).tone == UNKNOWN
        assert identification_figure(view) is None
        assert identification_sentences(view) == ()
        assert identification_tables(view) == ()


def test_a_sentence_has_the_tables_numbers() -> None:
    sentences = {one.roi: one.text for one in identification_sentences(identification_view(table()))}
    assert list(sentences) == ["EarlyVis", "PPA", "RSC", "all voxels"]
    ppa = sentences["PPA"]
    assert "the closest of 4,916 to a single real response in 0.61%" in ppa
    assert "of cases (chance 0.020%)" in ppa
    assert "it beats 87.3% [83.3, 91.3] of the others (chance 50.0%; q < .001, above chance)" in ppa
    assert "Median rank 431.5, by chance 2,458.5. Tested on 451 real trials of 113 images." in ppa
    assert "on average over participants" in ppa
    assert "Of candidates of its own source it beats, single trials: coco 87.3%" in ppa
    assert "not distinguishable from chance" in sentences["RSC"]
    alone = identification_sentences(identification_view(table(("CSI1",))))
    assert "on average" not in alone[0].text


def test_the_tables_have_every_cell_once() -> None:
    view = identification_view(table())
    pooled, within, each = identification_tables(view)
    assert pooled.title == "Among all candidates, mean over participants"
    assert (len(pooled.rows), len(within.rows), len(each.rows)) == (16, 16, 64)
    for one in (pooled, within, each):
        assert {len(row) for row in one.rows} == {len(one.columns)}
    assert within.rows[0][:2] == ("coco", "EarlyVis")
    assert each.rows[0][:3] == ("CSI1", "all sources", "EarlyVis")
    assert [t.title for t in identification_tables(identification_view(table(("CSI1",), ("all",))))] == [
        "Among all candidates"
    ]


def test_the_figure_names_both_ends_for_those_who_cannot_see_it() -> None:
    figure = identification_figure(identification_view(table()))
    assert figure is not None
    assert "PPA: single trial 50.0% of 2 candidates (chance 50.0%), 0.61% of 4,916 candidates" in figure.alt
    assert "RSC: single trial" in figure.alt  # never found among all: a gap in the line, said in words
    assert "0.0% of 4,916 candidates (chance 0.020%)" in figure.alt
    assert "thin lines: the participants" in figure.caption


def test_the_curve_is_in_order_of_candidates() -> None:
    view = identification_view(table().sample(frac=1, random_state=0))
    sizes = [score.n_candidates for score in view.curve(Task("group", "all", "PPA"))]
    assert sizes == sorted(sizes) == list(SIZES)


def test_candidates_of_the_own_source_are_one_task_and_no_source() -> None:
    view = identification_view(table(candidates=("all", "coco", "scenes", "same_source")))
    assert view.sources == ("coco", "scenes")
    text = " ".join(identification_verdict(view).text)
    assert "Among candidates of its own source alone it is above chance in 2 of 3 regions" in text
    assert "(by source: coco in 2 of 3 regions and scenes in 2 of 3 regions)" in text
    _, own, *_, each = identification_tables(view)
    assert own.title.startswith("Among candidates of the image's own source, all sources together, mean")
    assert {row[1] for row in each.rows} == {"all sources", "own source", "coco", "scenes"}


def test_the_page_shows_it_and_says_where_there_is_none(group_results: GroupResults) -> None:
    page = group_page(replace(group_results, identification=table()))
    assert [figure.name for figure in page.figures] == ["decoding", "learning", "confusion", "identification"]
    assert "Is the image seen found among many" in page.html
    assert "Identifying natural images from human brain activity" in page.html
    without = group_page(group_results)
    assert "No image was identified" in without.html
    assert "Identifying natural images" not in without.html
    nothing = replace(group_results, decoding=group_results.decoding[:0], identification=table())
    assert "was identified by the Pearson correlation" in group_page(nothing).html


def test_small_shares_keep_two_digits() -> None:
    assert share(0.00020342) == "0.020%"
    assert share(0.413) == "41.3%"
    assert share(0.0) == "0.0%"
    assert share(float("nan")) == "n/a"
    assert share_with_interval(0.0061, 0.0, 0.0122) == "0.61% [0.0, 1.2]"
