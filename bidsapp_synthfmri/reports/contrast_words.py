"""Synthetic against real training, in sentences; every number is one of the tables'."""

from __future__ import annotations

from collections.abc import Sequence

from .decoding_scores import Contrast, DecodingScores, training_name
from .estimates import regions_of, roi_name
from .numbers import count, counted, points_with_interval, probability
from .words import MOST_NAMED, NO, PARTLY, UNKNOWN, YES, Verdict

WHY_THEY_DISAGREE = (
    "An interval can exclude zero where q is not below .05: it takes the categories as given, and is too"
    " narrow with few test images in each."
)


def against_real(
    question: str, scores: DecodingScores, contrasts: Sequence[Contrast], hint: str = ""
) -> Verdict:
    """Where synthetic training is higher or lower than real, judged by the corrected p-value.

    Parameters
    ----------
    question : the verdict's question
    scores : sizes of the training sets are looked up here
    contrasts : of one family, whole training sets
    hint : what to do where there are none
    """
    contrasts = regions_of(contrasts)
    if not contrasts:
        return Verdict(question, UNKNOWN, "Cannot be said", (f"There is no such pair of decoders.{hint}",))
    higher, lower = sum(one.higher for one in contrasts), sum(one.lower for one in contrasts)
    tone = PARTLY
    for number, uniform in ((higher, YES), (lower, NO), (len(contrasts) - higher - lower, UNKNOWN)):
        if number == len(contrasts):
            tone = uniform
    text = [
        *_differences(scores, contrasts),
        "Accuracy less that after training on real responses, in percentage points with 95% interval; higher"
        " or lower where q, which is p corrected over regions and training sets, is below .05."
        + (" Undecided does not mean equal." if higher + lower < len(contrasts) else ""),
    ]
    if any(one.interval_excludes_zero and not one.significant for one in contrasts):
        text.append(WHY_THEY_DISAGREE)
    return Verdict(question, tone, _higher_or_lower(contrasts, higher, lower), tuple(text))


def _higher_or_lower(contrasts: Sequence[Contrast], higher: int, lower: int) -> str:
    """``Lower than real in 4 of 5 regions, undecided in 1``; what happens nowhere is not named."""
    of = len(contrasts)
    counts = (("higher than real", higher), ("lower than real", lower), ("undecided", of - higher - lower))
    found = [(name, number) for name, number in counts if number]
    first, number = found[0]
    lead = first[0].upper() + first[1:]
    if of == 1:
        return lead
    # Several image sets: a region counts once with each.
    things = counted(of, "region" if len({one.roi for one in contrasts}) == of else "comparison")
    lead += f" in all {things}" if number == of else f" in {number} of {things}"
    rest = [f"{name.removesuffix(' than real')} in {number}" for name, number in found[1:]]
    return ", ".join([lead, *rest])


def _differences(scores: DecodingScores, contrasts: Sequence[Contrast]) -> list[str]:
    sentences = []
    for training in dict.fromkeys(one.training for one in contrasts):
        own = [one for one in contrasts if one.training == training]
        parts = [
            f"{roi_name(one.roi)} {points_with_interval(one.difference, one.low, one.high)},"
            f" {probability('q', one.q)}"
            for one in own[:MOST_NAMED]
        ]
        more = f"; {len(own) - MOST_NAMED} more in the table" if len(own) > MOST_NAMED else ""
        name = training_name(training)
        lead = f"{name[0].upper()}{name[1:]}{_sizes(scores, own[0])}"
        sentences.append(f"{lead}: {'; '.join(parts)}{more}.")
    return sentences


def _sizes(scores: DecodingScores, contrast: Contrast) -> str:
    """How many images each side was trained on, where that differs."""
    sides = (contrast.training, contrast.baseline)
    one, other = (scores.full(contrast.participant, contrast.roi, side) for side in sides)
    if one is None or other is None or one.n_training == other.n_training:
        return ""
    return f" ({counted(one.n_training, 'image')} against {count(other.n_training)} real ones)"
