"""What was found in one participant, in sentences; every number is one of the tables'."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from . import estimates
from .estimates import Estimate, RoiAccounting, accounting_of, place_of, regions_of, roi_name
from .numbers import correlation, correlation_with_interval, counted, listed, probability

YES, PARTLY, NO, UNKNOWN = "yes", "partly", "no", "unknown"
MOST_NAMED = 12


@dataclass(frozen=True)
class Verdict:
    """One question with its answer.

    Attributes
    ----------
    question : what a reader wants to know
    tone : ``yes``, ``partly``, ``no`` or ``unknown``
    answer : in a few words
    text : the sentences behind it
    """

    question: str
    tone: str
    answer: str
    text: tuple[str, ...]


@dataclass(frozen=True)
class RoiSentence:
    """What was found in one region."""

    roi: str
    text: str


def participant_verdicts(accounting: pd.DataFrame) -> tuple[Verdict, ...]:
    """Prediction of unseen images; synthetic against a repetition; how it looks with equal noise."""
    rois = regions_of(accounting_of(accounting, "voxel"))
    return (_prediction(rois), _against_repetition(rois), _equal_noise(rois))


def roi_sentences(accounting: pd.DataFrame) -> tuple[RoiSentence, ...]:
    """The accounting of each ROI in words, voxel level."""
    return tuple(RoiSentence(roi_name(roi.roi), _sentence(roi)) for roi in accounting_of(accounting, "voxel"))


def counted_of(chosen: Sequence[str], all_rois: Sequence[str]) -> str:
    """``3 of 5 regions (A, B and C)``; the names are left out where they are many or none.

    Of a single region it is the name, or ``no region``.
    """
    if len(all_rois) == 1:
        return chosen[0] if chosen else "no region"
    text = f"{len(chosen)} of {counted(len(all_rois), 'region')}"
    return f"{text} ({listed(list(chosen))})" if 0 < len(chosen) <= MOST_NAMED else text


def tone_of(n_chosen: int, n_all: int) -> str:
    """``yes`` where all, ``no`` where none, ``partly`` between, ``unknown`` of none at all."""
    if not n_all:
        return UNKNOWN
    return YES if n_chosen == n_all else PARTLY if n_chosen else NO


def _prediction(rois: Sequence[RoiAccounting]) -> Verdict:
    question = "Can responses to unseen images be predicted?"
    known = [roi for roi in rois if roi[estimates.SYNTHETIC_REAL].known]
    if not known:
        why = "No correlation of a prediction with a real response could be computed."
        return Verdict(question, UNKNOWN, "Cannot be said", (why,))
    chosen = [roi_name(roi.roi) for roi in known if roi[estimates.SYNTHETIC_REAL].above_zero]
    text = (
        f"In {counted_of(chosen, known_names(known))} the whole 95% interval of the correlation between the"
        " synthetic response and a single real response to the same image lies above zero. The encoder saw"
        " none of these images."
    )
    best = max(known, key=lambda roi: roi[estimates.SYNTHETIC_REAL].value)
    strongest = f"Highest: {roi_name(best.roi)}, {_text(best[estimates.SYNTHETIC_REAL])}"
    if best[estimates.CEILING].known:
        strongest += f", where no prediction could be expected to exceed {_text(best[estimates.CEILING])}"
    return Verdict(
        question, tone_of(len(chosen), len(known)), _answer(chosen, known), (text, f"{strongest}.")
    )


def _against_repetition(rois: Sequence[RoiAccounting]) -> Verdict:
    question = "Does a noiseless synthetic response resemble a real one more than a repetition does?"
    known = [roi for roi in rois if roi[estimates.DIFFERENCE].known]
    if not known:
        why = (
            "Too few test images were shown more than once, so no real response has a repetition to be"
            " compared with. The rows that need repetitions are n/a."
        )
        return Verdict(question, UNKNOWN, "Cannot be said", (why,))
    higher = _significant(known, lambda value: value > 0)
    lower = _significant(known, lambda value: value < 0)
    text = [f"Significantly more in {counted_of(higher, known_names(known))}"]
    if lower:
        text.append(f"significantly less in {counted_of(lower, known_names(known))}")
    rest = len(known) - len(higher) - len(lower)
    if rest:
        text.append(f"no clear difference in {rest}")
    caution = (
        "This is not a sign that synthetic data are better than real data. A noiseless prediction carries"
        " none of the measurement noise that every real response carries; it must win as soon as its"
        " correlation with the true signal (rho) exceeds the square root of the reliability of one response"
        " (r), that is whenever rho > √r. Read it together with the other rows."
    )
    joined = "; ".join(text) + " (p corrected over regions for the false discovery rate, below .05)."
    answer = _answer(higher, known)
    if lower:
        answer += f"; less in {len(lower)}"
    return Verdict(question, tone_of(len(higher), len(known)), answer, (joined, caution))


def _equal_noise(rois: Sequence[RoiAccounting]) -> Verdict:
    question = "And with noise like that of a real response?"
    known = [roi for roi in rois if roi[estimates.NOISE_MATCHED].known and roi[estimates.REAL_REAL].known]
    if not known:
        why = "Noise cannot be matched, or there is no repetition to compare with: the rows needed are n/a."
        return Verdict(question, UNKNOWN, "Cannot be said", (why,))
    fall = [roi for roi in known if roi[estimates.NOISE_MATCHED].value < roi[estimates.REAL_REAL].value]
    pairs = [
        f"{roi_name(roi.roi)} {correlation(roi[estimates.NOISE_MATCHED].value)} against"
        f" {correlation(roi[estimates.REAL_REAL].value)}"
        for roi in known[:MOST_NAMED]
    ]
    more = f" ({MOST_NAMED} of {len(known)} regions named)" if len(known) > MOST_NAMED else ""
    text = (
        "One noise-matched synthetic response with one real response, against two real responses with each"
        f" other: {'; '.join(pairs)}{more}.",
        "This is the even comparison: here a perfect model would equal a repetition (rho·r = r at rho = 1)"
        " and an imperfect one falls short. Differences of single estimates, not tested.",
    )
    below = f"{len(fall)} of {counted(len(known), 'region')}"
    answer = f"Below a repetition in {below if len(known) > 1 else counted_of(known_names(fall), ['one'])}"
    return Verdict(question, UNKNOWN if not fall else PARTLY, answer, text)


def _sentence(roi: RoiAccounting) -> str:
    synthetic, real = roi[estimates.SYNTHETIC_REAL], roi[estimates.REAL_REAL]
    where = place_of(roi.roi, roi.n_voxels)
    if not synthetic.known and not real.known:
        return f"{where} none of the correlations could be computed."
    parts = []
    if synthetic.known:
        parts.append(
            f"{where} a noiseless synthetic response correlates at {_text(synthetic)} with a single real"
            f" response to the same image ({counted(roi.n_stimuli, 'test image')})"
        )
    else:
        parts.append(f"{where} no synthetic response could be compared with a real one")
    if real.known:
        parts.append(f"two real responses to the same image correlate at {_text(real)}")
        return "; ".join(parts) + "." + _difference(roi[estimates.DIFFERENCE]) + _bounds(roi)
    return (
        "; ".join(parts)
        + ". How well two real responses to the same image agree is n/a: too few were shown more than once."
        + _bounds(roi)
    )


def _difference(difference: Estimate) -> str:
    if not difference.known:
        return ""
    text = correlation_with_interval(difference.value, difference.low, difference.high, signed=True)
    tested = f"difference {text}, {probability('q', difference.q)}"
    if not math.isfinite(difference.q):
        return f" Not tested ({tested})."
    if not difference.significant:
        return f" The two do not differ significantly ({tested})."
    which = "synthetic response" if difference.value > 0 else "repetition"
    return f" The {which} is significantly closer ({tested})."


def _bounds(roi: RoiAccounting) -> str:
    parts = []
    if roi[estimates.NOISE_MATCHED].known:
        parts.append(f"with noise like that of a real response {_text(roi[estimates.NOISE_MATCHED])}")
    if roi[estimates.MEAN_REAL_REAL].known:
        parts.append(f"the mean of the other real presentations {_text(roi[estimates.MEAN_REAL_REAL])}")
    if roi[estimates.CEILING].known:
        parts.append(f"the ceiling of any prediction {_text(roi[estimates.CEILING])}")
    return f" For scale: {', '.join(parts)}." if parts else ""


def _significant(rois: Sequence[RoiAccounting], direction: Callable[[float], bool]) -> list[str]:
    found = [roi for roi in rois if roi[estimates.DIFFERENCE].significant]
    return [roi_name(roi.roi) for roi in found if direction(roi[estimates.DIFFERENCE].value)]


def known_names(rois: Sequence[RoiAccounting]) -> list[str]:
    """The regions' names as pages write them."""
    return [roi_name(roi.roi) for roi in rois]


def _answer(chosen: Sequence[str], known: Sequence[RoiAccounting]) -> str:
    lead = {YES: "Yes", NO: "No", PARTLY: "In part"}[tone_of(len(chosen), len(known))]
    return lead if len(known) == 1 else f"{lead}: in {len(chosen)} of {counted(len(known), 'region')}"


def _text(estimate: Estimate) -> str:
    return correlation_with_interval(estimate.value, estimate.low, estimate.high)
