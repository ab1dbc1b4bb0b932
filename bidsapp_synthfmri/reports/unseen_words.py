"""What was found for categories that no encoder and no decoder saw a real response to, in sentences."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from ..decoding.experiment_list import UNSEEN
from ..structures import ALL_VOXELS, Json
from .decoding_scores import REAL, DecodingScores, decoding_scores, training_name
from .estimates import regions_of, roi_name
from .group_words import range_of
from .numbers import counted, listed, percent, percent_with_interval
from .words import NO, PARTLY, UNKNOWN, YES, Verdict, counted_of, tone_of

_QUESTION = "Do they read categories that no encoder and no decoder saw a real response to?"
_LEADS = {YES: "Yes", NO: "No", PARTLY: "In part", UNKNOWN: "Cannot be said"}


def unseen_verdict(experiments: pd.DataFrame | None, summary: Json) -> Verdict | None:
    """The answer of the first experiment on unseen categories; None where the list has none.

    Parameters
    ----------
    experiments : accuracies of all experiments
    summary : the group's, with the list and the folds of every participant
    """
    listed_ones = [one for one in summary.get("experiments", []) if one.get("unseen_categories")]
    if not listed_ones:
        return None
    scores = _scores(experiments, str(listed_ones[0]["name"]))
    trainings = [training for training in scores.trainings if training != REAL]
    if not trainings:
        why = "No category was left out of encoders, or none could be told apart; see what was left out."
        return Verdict(_QUESTION, UNKNOWN, _LEADS[UNKNOWN], (why,))
    regions: list[tuple[list[str], list[str]]] = []
    text: list[str] = []
    for training in trainings:
        found = [one for roi in scores.rois if (one := scores.full(scores.main, roi, training)) is not None]
        of = [roi_name(one.roi) for one in regions_of(found)]
        above = [roi_name(one.roi) for one in regions_of(found) if one.above_chance]
        regions.append((above, of))
        text.append(
            f"Trained on {training_name(training)}: above chance in {counted_of(above, of)}"
            f"{_of_all_voxels(scores, training)}."
        )
    if scores.full(scores.main, _widest(scores), REAL) is not None:
        text.append(f"Real responses to other images of the same categories give{_accuracy(scores, REAL)}.")
    tones = {tone_of(len(above), len(of)) for above, of in regions}
    tone = tones.pop() if len(tones) == 1 else PARTLY
    return Verdict(_QUESTION, tone, _LEADS[tone] + range_of(regions), (*text, folds_sentence(summary)))


def folds_sentence(summary: Json) -> str:
    """How categories were left out: how many, in how many folds."""
    facts = summary.get("unseen_categories")
    known = [one for one in facts.values() if one and "n_folds" in one] if isinstance(facts, Mapping) else []
    sizes = dict.fromkeys((one["n_categories"], one["n_folds"]) for one in known)
    of = listed([f"{counted(n, 'category', 'categories')} in {counted(k, 'fold')}" for n, k in sizes])
    return (
        f"Categories were left out fold by fold{f' ({of})' if of else ''}: the encoder was fitted without any"
        " trial of a fold’s categories, the decoder trained on its responses to images of them, and tested on"
        " real responses, told apart among the categories of the fold alone. The encoder’s penalties and"
        " layers are those that all training trials chose."
    )


def _scores(experiments: pd.DataFrame | None, name: str) -> DecodingScores:
    """Of the experiment's first source, controls apart."""
    if experiments is None or "categories" not in experiments:
        return DecodingScores(())
    own = experiments[(experiments["experiment"] == name) & (experiments["categories"] == UNSEEN)]
    own = own[own["control"] == "none"]
    return decoding_scores(own[own["source"] == own["source"].iloc[0]] if len(own) else own)


def _widest(scores: DecodingScores) -> str:
    return ALL_VOXELS if ALL_VOXELS in scores.rois or not scores.rois else scores.rois[-1]


def _of_all_voxels(scores: DecodingScores, training: str) -> str:
    if scores.full(scores.main, _widest(scores), training) is None:
        return ""
    return f"; from {roi_name(_widest(scores))}{_accuracy(scores, training)}"


def _accuracy(scores: DecodingScores, training: str) -> str:
    one = scores.full(scores.main, _widest(scores), training)
    if one is None:
        return ""
    return f" {percent_with_interval(one.value, one.low, one.high)}, chance {percent(one.chance)}"
