"""Unseen categories in words: what was left out, how far above chance, and where nothing is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pandas as pd
import pytest

from bidsapp_synthfmri.derivatives.results import GroupResults, ParticipantResults
from bidsapp_synthfmri.reports import group_page, participant_page
from bidsapp_synthfmri.reports.unseen_words import unseen_verdict
from bidsapp_synthfmri.structures import Json

FACTS = {"label_set": "names", "n_categories": 8, "n_folds": 4}
LISTED = [{"name": "main", "classifier": "ridge"}, {"name": "unseen", "unseen_categories": True}]


def summary(facts: Json | None = None, listed: list[Json] | None = None) -> Json:
    return {
        "experiments": LISTED if listed is None else listed,
        "unseen_categories": {
            "01": FACTS if facts is None else facts,
            "02": FACTS if facts is None else facts,
        },
    }


def rows(synthetic: float = 0.72, q: float = 0.001) -> pd.DataFrame:
    """PPA and all voxels, three training sets and a control, of the mean over participants and of one."""
    return pd.DataFrame(
        [
            {
                "experiment": "unseen", "categories": "unseen", "source": "all", "control": control,
                "participant": participant, "roi": roi, "training": training, "n_training": 160, "full": True,
                "accuracy": 0.8 if training == "real" else synthetic, "ci_low": 0.6, "ci_high": 0.85,
                "chance": 0.5, "p": 0.001, "p_fdr": q if roi == "all" else 0.2, "n_test_trials": 90,
                "n_test_stimuli": 30, "n_classes": 8, "labels": "names", "classifier": "ridge",
                "noise": "none", "repeats": 1, "test": "trials",
                "n_participants": 2 if participant == "group" else 1,
            }
            for participant in ("01", "02", "group")
            for roi in ("PPA", "LOC", "all")
            for training in ("real", "synthetic_same", "synthetic_extra")
            for control in ("none", *(("shuffled_encoder",) if training != "real" else ()))
        ]
    )  # fmt: skip


def test_the_verdict_has_folds_regions_accuracy_and_what_real_data_would_give() -> None:
    found = unseen_verdict(rows(), summary())
    assert found is not None
    text = " ".join(found.text)
    assert (found.tone, found.answer) == ("no", "No: in 0 of 2 regions")
    assert "8 categories in 4 folds" in text
    assert "above chance in 0 of 2 regions; from all voxels 72" in text
    assert "chance 50" in text
    assert "Real responses to other images of the same categories give 80" in text
    every = unseen_verdict(rows().assign(p_fdr=0.01), summary())
    assert every is not None
    assert (every.tone, every.answer) == ("yes", "Yes: in 2 of 2 regions")


@pytest.mark.parametrize("experiments", [None, rows().iloc[:0], rows().drop(columns="categories")])
def test_without_a_decoder_it_cannot_be_said(experiments: pd.DataFrame | None) -> None:
    found = unseen_verdict(experiments, summary({"label_set": "names", "reason": "Too few."}))
    assert found is not None
    assert found.tone == "unknown"
    assert "see what was left out" in found.text[0]


def test_a_list_without_the_experiment_has_no_verdict() -> None:
    assert unseen_verdict(rows(), summary(listed=LISTED[:1])) is None


def test_the_pages_say_it(
    group_of: Callable[..., GroupResults], participant_results: ParticipantResults
) -> None:
    results = group_of(["01", "02"])
    known = replace(results, summary={**results.summary, **summary(), "main_experiment": "main"})
    page = group_page(replace(known, experiments=rows())).html
    assert "categories that no encoder and no decoder saw" in page
    assert "8 categories in 4 folds" in page
    assert "encoders were fitted anew without any trial of a fold of categories" in page
    assert "encoders were fitted anew" not in group_page(results).html
    own = replace(participant_results, summary={**participant_results.summary, "unseen_categories": FACTS})
    assert "4 further encoders with the same penalties" in participant_page(own, None).html
    assert "further encoder" not in participant_page(participant_results, None).html
