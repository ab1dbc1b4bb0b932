"""Claims and verdicts in words, and the tables of other experiments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from bidsapp_synthfmri.decoding.decisions import DECISION_COLUMNS
from bidsapp_synthfmri.derivatives.results import GroupResults
from bidsapp_synthfmri.reports import group_page
from bidsapp_synthfmri.reports.decision_tables import decision_table, experiment_tables
from bidsapp_synthfmri.reports.decoding_controls import ceiling_of, control_sentences
from bidsapp_synthfmri.reports.decoding_figures import accuracy_figure
from bidsapp_synthfmri.reports.decoding_scores import decoding_scores


def _decision(claim: str, effect: float, verdict: str, n: int = 4, training: str = "synthetic_more") -> dict:
    values = {
        "claim": claim, "experiment": "main", "source": "all", "training": training, "roi": "all",
        "participant": "group", "evidence": "difference of balanced accuracies", "effect": effect,
        "ci_low": effect - 0.04, "ci_high": effect + 0.04, "people_low": effect - 0.09 if n > 1 else np.nan,
        "people_high": effect + 0.09 if n > 1 else np.nan, "d": 0.5, "p": 0.01, "p_fdr": 0.02,
        "n_participants": n, "n_test_stimuli": 113, "verdict": verdict,
    }  # fmt: skip
    assert set(values) == set(DECISION_COLUMNS)
    return values


def _row(experiment: str, participant: str, control: str = "none", full: bool = True) -> dict:
    return {
        "experiment": experiment, "labels": "names", "source": "imagenet", "classifier": "lda",
        "noise": "calibrated", "repeats": 3, "test": "means", "participant": participant, "roi": "PPA",
        "training": "mixed", "control": control, "n_training": 320, "full": full, "n_participants": 2,
        "accuracy": 0.412, "ci_low": 0.38, "ci_high": 0.45, "chance": 0.125, "p_fdr": 0.001,
    }  # fmt: skip


def test_each_claim_is_a_sentence_with_its_effect_and_verdict() -> None:
    rows = [
        _decision("beats_real", 0.12, "supported"),
        _decision("beats_real_at_equal_size", 0.01, "cannot say"),
        _decision("source_shows", 0.3, "supported", training="real"),
    ]
    table = decision_table(pd.DataFrame(rows))
    assert table is not None
    assert [row[0] for row in table.rows] == [
        "Synthetic responses to the images of “more” teach it better than real responses do",
        "Synthetic responses to the images of “more” teach it better than real responses to as many images"
        " do",
        "Control: real responses tell which source a picture is from",
    ]
    assert table.rows[0][3] == "+12.0 [+8.0, +16.0]"
    assert table.rows[0][4] == "+12.0 [+3.0, +21.0]"
    assert table.rows[0][1] == "supported"
    assert table.rows[1][1] == "cannot say with 113 test images and 4 participants"
    assert "below 5 points" in table.note
    assert "draws participants too" in table.note


def test_unseen_categories_are_a_claim_of_their_own() -> None:
    table = decision_table(pd.DataFrame([_decision("reads_unseen", 0.12, "supported")]))
    assert table is not None
    assert "by encoders without the categories, teach a decoder" in table.rows[0][0]
    (one,) = experiment_tables(pd.DataFrame([_row("unseen", "01") | {"categories": "unseen"}]), "main")
    assert "unseen categories" in " ".join(one.rows[0])
    (one,) = experiment_tables(pd.DataFrame([_row("lda", "01") | {"categories": "seen"}]), "main")
    assert "unseen categories" not in " ".join(one.rows[0])


def test_one_participant_has_no_interval_over_participants() -> None:
    table = decision_table(pd.DataFrame([_decision("reads", 0.12, "cannot say", n=1)]))
    assert table is not None
    assert "Participants drawn too" not in table.columns
    assert table.rows[0][1] == "cannot say with 113 test images and 1 participant"
    assert decision_table(pd.DataFrame(columns=list(DECISION_COLUMNS))) is None


def test_other_experiments_show_the_mean_and_each_participant() -> None:
    people = ("group", "CSI1", "CSI2")
    rows = [_row("other", who) for who in people] + [_row("main", who, "shuffled_encoder") for who in people]
    rows += [_row("main", "group"), _row("other", "group", full=False)]
    pooled, each = experiment_tables(pd.DataFrame(rows), "main")
    assert len(pooled.rows) == 2
    assert pooled.rows[0][:4] == (
        "other, within imagenet",
        "lda, labels names, calibrated noise, 3 trials an image, means of repeats",
        "PPA",
        "real and synthetic",
    )
    assert pooled.rows[1][3] == "real and synthetic (control: shuffled over images)"
    assert [row[0] for row in each.rows] == ["CSI1", "CSI2", "CSI1", "CSI2"]
    assert experiment_tables(pd.DataFrame([_row("main", "group")]), "main") == ()


def test_the_ceiling_and_the_permutations_are_said_of_the_main_experiment() -> None:
    def row(participant: str, within: str, **changed: object) -> dict:
        own = _row("main", participant) | {"permuted_within": within, "p": 0.01, "n_test_trials": 100}
        return own | {"n_test_stimuli": 25, "n_classes": 8} | changed

    ceiling = {"training": "image_features", "control": "image_features", "roi": "all"}
    rows = [
        row("CSI1", "source and session", **ceiling, accuracy=0.6),
        row("group", "source", **ceiling, accuracy=0.7, ci_low=0.65, ci_high=0.75),
        row("group", "source"),
        row("CSI1", "source and session"),
        row("CSI1", "nothing", experiment="other"),
    ]
    elsewhere = row("group", "nothing", source="coco") | ceiling | {"accuracy": 0.1}
    rows.append(elsewhere)
    first, second = control_sentences(pd.DataFrame(rows), "main")
    assert "give 70.0% [65.0, 75.0] on the same test images after training on 320 images" in first
    assert second == "Chance and p come from labels permuted within source or source and session."
    (other,) = control_sentences(pd.DataFrame(rows), "other")
    assert "permuted over all test images" in other
    assert ceiling_of(pd.DataFrame(rows), "other") is None
    refitted = pd.DataFrame([row("CSI1", "source", p_refit=p) for p in (0.01, 0.2, np.nan)])
    assert (
        "(p below .05, not corrected) in 1 of 2 whole training sets"
        in control_sentences(refitted, "main")[-1]
    )
    assert control_sentences(None, "main") == ()
    (table,) = experiment_tables(pd.DataFrame(rows[:1]), "main")
    assert table.rows[0][3:5] == ("none", "pictures’ features (ceiling)")


def test_the_figure_has_the_ceiling_as_a_line(group_results: GroupResults) -> None:
    scores = decoding_scores(group_results.decoding)
    ceiling = replace(scores.rows[0], value=0.9)
    plain, lined = accuracy_figure(scores), accuracy_figure(scores, ceiling)
    assert plain is not None
    assert lined is not None
    assert "Dotted" in lined.caption
    assert "Dotted" not in plain.caption
    assert lined.svg.count("stroke-dasharray") > plain.svg.count("stroke-dasharray")
    assert "Pictures’ features: 90.0%" in lined.alt


def test_the_page_has_both(group_of: Callable[..., GroupResults]) -> None:
    results = group_of(["CSI1", "CSI2"])
    rows = [_row("other", who) for who in ("group", "CSI1", "CSI2")]
    listed = [{"name": "main", "classifier": "lda"}, {"name": "other", "classifier": "ridge"}]
    page = group_page(
        replace(
            results,
            experiments=pd.DataFrame(rows),
            decisions=pd.DataFrame([_decision("beats_real", -0.1, "not supported", n=2)]),
            summary={**results.summary, "main_experiment": "main", "experiments": listed},
        )
    ).html
    assert 'href="#decisions"' in page
    assert 'href="#experiments"' in page
    assert "not supported" in page
    assert "linear discriminant analysis, the shrinkage of its covariance chosen inside" in page
    assert "Further experiments of the list: other." in page
    assert "Claims and verdicts" not in group_page(results).html
