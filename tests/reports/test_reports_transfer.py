"""Transfer on the group's page: verdict, sentences, tables and figure say what the table holds."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from bidsapp_synthfmri.derivatives.citations import REFERENCES
from bidsapp_synthfmri.derivatives.results import GroupResults
from bidsapp_synthfmri.derivatives.transfer_columns import TRANSFER_COLUMNS
from bidsapp_synthfmri.reports.group import group_page
from bidsapp_synthfmri.reports.methods_text import label_references
from bidsapp_synthfmri.reports.transfer import transfer_view
from bidsapp_synthfmri.reports.transfer_figure import MOST_PARTICIPANTS, transfer_figure
from bidsapp_synthfmri.reports.transfer_tables import transfer_tables
from bidsapp_synthfmri.reports.transfer_words import transfer_sentences, transfer_verdict
from bidsapp_synthfmri.reports.words import NO, PARTLY, UNKNOWN, YES

PEOPLE = ("CSI1", "CSI2", "CSI3")
ROIS = ("PPA", "RSC", "all")


def table(
    people: tuple[str, ...] = PEOPLE,
    at_chance: tuple[str, ...] = ("RSC",),
    measures: tuple[str, ...] = ("voxel_correlation", "read_by_target", "read_by_others"),
) -> pd.DataFrame:
    """Rows of all pairs, of each participant by the others, and of their mean."""
    pairs = [(one, two) for one in people for two in people if one != two]
    by_others = [("others", name) for name in (*people, "group")]
    rows = [
        _row(*pair, measure, roi, at_chance)
        for measure in measures
        for pair in (by_others if measure == "read_by_others" else pairs)
        for roi in ROIS
    ]
    return pd.DataFrame(rows).reindex(columns=list(TRANSFER_COLUMNS.known))


def _row(source: str, target: str, measure: str, roi: str, at_chance: tuple[str, ...]) -> dict[str, object]:
    none = roi in at_chance
    is_r = measure == "voxel_correlation"
    value = (0.01 if none else 0.23) if is_r else (0.13 if none else 0.31)
    return {
        "source": source, "target": target, "measure": measure, "roi": roi, "value": value,
        "ci_low": value - 0.03, "ci_high": value + 0.03, "chance": 0.0 if is_r else 0.125,
        "p": 0.4 if none else 0.0005, "p_fdr": 0.4 if none else 0.0005, "own": value + 0.1,
        "difference": -0.1, "difference_low": -0.14, "difference_high": -0.06 if not none else 0.01,
        "difference_p": 0.01, "n_common_images": 4795, "n_test_stimuli": 113, "n_test_trials": 451,
        "n_training": 4803, "n_classes": 8,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("at_chance", "tone", "answer"),
    [
        ((), YES, "Yes: in 2 of 2 regions"),
        (("RSC",), PARTLY, "In part: in 1 of 2 regions"),
        (("RSC", "PPA"), NO, "No: in 0 of 2 regions"),
    ],
)
def test_the_verdict_counts_regions_above_chance(at_chance: tuple[str, ...], tone: str, answer: str) -> None:
    verdict = transfer_verdict(transfer_view(table(at_chance=at_chance)))
    assert (verdict.tone, verdict.answer) == (tone, answer)


def test_the_verdict_names_pairs_and_participants() -> None:
    text = " ".join(transfer_verdict(transfer_view(table())).text)
    assert "agree with the other participant’s to the same image above chance in 6 of 6 pairs" in text
    assert "(over all voxels, r .23 to .23; own encoders .33 to .33)" in text
    assert "CSI1 1 of 2, CSI2 1 of 2, CSI3 1 of 2" in text
    assert "own real responses in 1 of 2 regions (PPA)" in text


def test_pairs_alone_leave_the_question_open() -> None:
    view = transfer_view(table(measures=("voxel_correlation", "read_by_target")))
    verdict = transfer_verdict(view)
    assert verdict.tone == UNKNOWN
    assert "6 of 6 pairs" in " ".join(verdict.text)
    figure = transfer_figure(view)
    assert figure is not None
    assert "Read by the others" not in "".join(ElementTree.fromstring(figure.svg).itertext())


def test_sentences_and_tables_have_the_table_s_numbers() -> None:
    view = transfer_view(table())
    ppa, _, every = transfer_sentences(view)
    assert "In PPA a decoder that saw the other participants’ responses alone names the category" in ppa.text
    assert "31.0% [28.0, 34.0]" in ppa.text
    assert "reaches 41.0%; the difference is −10.0 [−14.0, −6.0] points" in ppa.text
    assert "CSI2 to CSI3 .23 (q < .001; own .33)" in every.text
    pooled, each, pairs, read = transfer_tables(view)
    assert [len(one.rows) for one in (pooled, each, pairs, read)] == [3, 9, 18, 18]
    assert pairs.rows[0] == (
        "CSI1", "CSI2", "PPA", "4,795", "113", ".23 [.20, .26]", ".33", "−.10 [−.14, −.06]", "< .001",
    )  # fmt: skip
    assert pooled.rows[0][3] == "31.0% [28.0, 34.0]\n12.5% by chance"
    for one in (pooled, each, pairs, read):
        assert {len(row) for row in one.rows} == {len(one.columns)}


def test_the_figure_has_every_pair_and_says_whom_it_leaves_out() -> None:
    figure = transfer_figure(transfer_view(table()))
    assert figure is not None
    assert "CSI1 to CSI2 .23" in figure.alt
    assert "mean 31.0% [28.0, 34.0], own 41.0%, chance 12.5%" in figure.alt
    text = list(ElementTree.fromstring(figure.svg).itertext())
    assert sum(".23" in part for part in text) == 6
    assert sum(".33" in part for part in text) == 3
    many = transfer_figure(transfer_view(table(tuple(f"{n:02d}" for n in range(14)))))
    assert many is not None
    assert f"The first {MOST_PARTICIPANTS} of 14 participants are drawn" in many.caption
    assert transfer_figure(transfer_view(None)) is None


def test_the_page_shows_it_and_says_where_there_is_none(group_of: Callable[..., GroupResults]) -> None:
    results = group_of(list(PEOPLE))
    page = group_page(replace(results, transfer=table()))
    assert [figure.name for figure in page.figures][-1] == "transfer"
    assert "generalised cross-validation" in page.html
    assert "Golub, Gene H.; Heath, Michael; Wahba, Grace (1979)" in page.html
    assert not re.search(r"\bnan\b", page.html, re.IGNORECASE)
    without = group_page(results).html
    assert "Nothing was transferred between participants" in without
    assert "Golub" not in without


def test_a_value_that_is_not_known_makes_a_page(group_of: Callable[..., GroupResults]) -> None:
    known, lacking = (
        table(),
        dict.fromkeys(("own", "difference", "difference_low", "ci_low", "p_fdr"), np.nan),
    )
    unknown = known.assign(**lacking)
    page = group_page(replace(group_of(list(PEOPLE)), transfer=unknown))
    assert "n/a" in page.html


@pytest.mark.parametrize(
    ("labels", "cited"),
    [
        ("superordinate", ("miller1995", "russakovsky2015")),
        ("setting", ("chang2019", "zhou2018")),
        ("coco_has_person", ("lin2014",)),
        ("names", ()),
    ],
)
def test_label_sets_bring_their_sources(labels: str, cited: tuple[str, ...]) -> None:
    assert label_references([labels, labels]) == cited
    assert set(cited) <= {reference.key for reference in REFERENCES}


def test_the_page_cites_the_sources_of_the_labels_decoded(group_of: Callable[..., GroupResults]) -> None:
    results = group_of(list(PEOPLE))
    text = ("labels", "source", "categories", "classifier", "noise", "test", "participant", "roi", "training")
    values = {"experiment": "main", "full": True, "control": "none", **dict.fromkeys(text, "all")}
    values["labels"] = "lexicographer"
    summary = {**results.summary, "main_experiment": "main"}
    page = group_page(replace(results, experiments=pd.DataFrame([values]), summary=summary))
    assert "Miller, George A. (1995). WordNet: a lexical database for English." in page.html
