"""The audit of the split, in words, tables and a figure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bidsapp_synthfmri.derivatives.results import LeakageResults, ParticipantResults
from bidsapp_synthfmri.reports.leakage import Audit, audit_of
from bidsapp_synthfmri.reports.leakage_tables import MOST_PAIRS, shared_tables, subset_tables
from bidsapp_synthfmri.reports.leakage_words import leakage_verdicts
from bidsapp_synthfmri.reports.participant import participant_page
from bidsapp_synthfmri.structures import Trials

ROIS = ("EarlyVis", "LOC", "PPA", "all")
SOURCES = {"coco": 45, "imagenet": 45, "scenes": 23}
FACTS = {
    "most_bits": 10,
    "least_correlation": 0.9,
    "n_flat": 0,
    "extra_sets": {"extra": 2000},
    "shared": {
        "n_test_trials": 451,
        "n_shared_session": 451,
        "n_shared_run": 451,
        "n_beside_training": 450,
        "nearest_s": 10.0,
    },
    "weights": "imagenet",
    "source_origin": "events column ImgType",
    "n_mixed_sources": 0,
    "least_stimuli": 10,
}
PAIRS = [
    ("t1.jpg", "x1.jpg", "train", "same-file", 0, 1.0),
    ("t2.jpg", "x2.jpg", "train", "near-duplicate", 4, 0.98),
    ("t3.jpg", "x3.jpg", "train", "mirrored", 0, 0.99),
    ("t3.jpg", "e/3.jpg", "extra", "near-duplicate", 2, 0.97),
    ("t4.jpg", "t5.jpg", "test", "near-duplicate", 2, 0.97),
]
COLUMNS = ["stimulus", "other", "other_split", "kind", "distance", "correlation"]


def scores(subsets: list[tuple[str, str | None, int, float]]) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    records = []
    for subset, source, n, r in subsets:
        for roi in ROIS:
            for row, value in (("synthetic_real", r + rng.normal(0, 0.01)), ("real_real", 0.6 * r)):
                interval = (value - 0.06, value + 0.06)
                records.append((subset, source, roi, row, value, *interval, 331, n))
    names = ["subset", "source", "roi", "row", "value", "ci_low", "ci_high", "n_voxels", "n_stimuli"]
    return pd.DataFrame(records, columns=names)


def of_bold5000(within: float = 0.36) -> pd.DataFrame:
    by_source = [("source", name, n, 0.3 + n / 500) for name, n in SOURCES.items()]
    return scores(
        [
            ("all", None, 113, 0.43),
            *by_source,
            ("within_sources", None, 113, within),
            ("imagenet", None, 45, 0.41),
            ("not_imagenet", None, 68, 0.42),
            ("without_duplicates", None, 110, 0.425),
        ]
    )


@pytest.fixture
def audited(participant_results: ParticipantResults):
    """A participant of BOLD5000's shape, with what is given instead of a clean audit."""

    def make(pairs=(), table: pd.DataFrame | None = None, **facts: object) -> ParticipantResults:
        labels = [name for name, n in SOURCES.items() for _ in range(n)]
        labels += ["coco"] * 1955 + ["imagenet"] * 1871 + ["scenes"] * 977
        stimuli = pd.DataFrame(
            {
                "stimulus": [f"t{number}.jpg" for number in range(len(labels))],
                "split": ["test"] * 113 + ["train"] * 4803,
                "source": labels,
                "imagenet": ["name" if label == "imagenet" else None for label in labels],
                "alike_in_training": 0,
            }
        )
        found = pd.DataFrame(list(pairs), columns=COLUMNS)
        leakage = LeakageResults(found, stimuli, of_bold5000() if table is None else table)
        summary = {**participant_results.summary, "leakage": {**FACTS, **facts}}
        return replace(participant_results, leakage=leakage, summary=summary)

    return make


def audit(results: ParticipantResults) -> Audit:
    found = audit_of(results)
    assert found is not None
    return found


def test_a_clean_split_is_said_to_be_clean(audited):
    pictures, time, *_ = leakage_verdicts(audit(audited()))
    assert (pictures.tone, pictures.answer) == ("yes", "Yes")
    assert "No stimulus is on both sides of the split (113 test images)" in pictures.text[0]
    assert time.tone == "partly"
    assert "all come from sessions and all from runs" in time.text[0]
    assert "99.8%" in time.text[0]
    assert "responses overlap" in time.text[0]


def test_copies_in_training_are_counted_by_kind_and_the_score_without_them_is_given(audited):
    pictures = leakage_verdicts(audit(audited(PAIRS)))[0]
    assert pictures.tone == "no"
    assert "3 of 113" in pictures.answer
    text = " ".join(pictures.text)
    assert "1 has the same file under another name there, 1 has a near-duplicate there" in text
    assert "1 has a mirrored copy there" in text
    assert "2 test images are alike to each other" in text
    assert "image set extra holds copies of 1 test image" in text
    assert "Scores without them: EarlyVis .4" in text


def test_a_stimulus_on_both_sides_by_the_table_of_trials_discredits_the_page(audited):
    results = audited()
    trials = results.responses.trials
    twice = replace(results.responses, trials=Trials(pd.concat([trials.table] * 2, ignore_index=True)))
    found = audit(replace(results, responses=twice, splits=np.array(["test", "train"])))
    verdict = leakage_verdicts(found)[0]
    assert (verdict.tone, verdict.answer) == ("no", "No")
    assert verdict.text[0] == "1 stimulus is on both sides of the split."
    assert shared_tables(found)[0].rows[0][1] == "1"


def test_near_duplicates_alone_are_a_lesser_fault_than_equal_files(audited):
    assert leakage_verdicts(audit(audited(PAIRS[1:])))[0].tone == "partly"
    assert leakage_verdicts(audit(audited(PAIRS[3:])))[0].tone == "yes"


@pytest.mark.parametrize(
    ("weights", "tone", "words"),
    [
        ("imagenet", "partly", "45 of 113 test images and 1,871 of 4,803"),
        ("random", "yes", "weights are random"),
        ("file", "unknown", "does not say what images"),
    ],
)
def test_what_the_network_may_know_depends_on_its_weights(audited, weights, tone, words):
    verdict = leakage_verdicts(audit(audited(weights=weights)))[2]
    assert verdict.tone == tone
    assert words in " ".join(verdict.text)


@pytest.mark.parametrize(("within", "tone"), [(0.36, "yes"), (0.01, "no")])
def test_prediction_within_sources_answers_whether_it_tells_only_sources_apart(audited, within, tone):
    assert leakage_verdicts(audit(audited(table=of_bold5000(within))))[3].tone == tone


def test_without_sources_nothing_is_claimed_or_drawn(audited):
    results = audited(table=scores([("all", None, 113, 0.43)]))
    assert leakage_verdicts(audit(results))[3].tone == "unknown"
    page = participant_page(results)
    assert 'id="figure-leakage"' not in page.html
    assert "Prediction by image source" not in page.html


def test_sessions_of_their_own_are_worth_a_yes(audited):
    apart = {**FACTS["shared"], "n_shared_session": 0, "n_shared_run": 0, "n_beside_training": 0}
    assert leakage_verdicts(audit(audited(shared=apart)))[1].tone == "yes"


def test_sources_too_few_to_score_are_named_with_their_counts(audited):
    table = of_bold5000()
    few = table["source"] == "scenes"
    table.loc[few, ["value", "ci_low", "ci_high"]] = np.nan
    table.loc[few, "n_stimuli"] = 4
    by_source = subset_tables(audit(audited(table=table)))[0]
    assert "scenes (4)" in by_source.note
    assert not any(head.startswith("scenes") for head in by_source.columns)


def test_the_first_pairs_are_listed_and_the_rest_counted(audited):
    many = [(f"t{n}.jpg", f"x{n}.jpg", "train", "near-duplicate", 2, 0.95) for n in range(MOST_PAIRS + 3)]
    pairs = shared_tables(audit(audited(many)))[1]
    assert len(pairs.rows) == MOST_PAIRS
    assert pairs.note.startswith("3 more pairs")


def test_the_page_shows_the_section_and_trusts_no_name(audited):
    hostile = "<script>alert(1)</script>.jpg"
    page = participant_page(audited([(hostile, *PAIRS[1][1:])]))
    assert '<section id="leakage">' in page.html
    assert 'href="#leakage"' in page.html
    assert any(figure.name == "leakage" for figure in page.figures)
    assert hostile not in page.html
    assert "&lt;script&gt;alert(1)" in page.html


def test_pages_of_runs_without_an_audit_have_no_section(participant_results):
    assert audit_of(participant_results) is None
    assert 'id="leakage"' not in participant_page(participant_results).html
