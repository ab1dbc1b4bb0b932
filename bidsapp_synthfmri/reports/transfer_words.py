"""Transfer between participants in sentences; every number is one of the tables'."""

from __future__ import annotations

from collections.abc import Sequence

from ..structures import ALL_VOXELS
from .estimates import GROUP, regions_of, roi_name
from .numbers import (
    correlation,
    counted,
    listed,
    percent,
    percent_with_interval,
    points_with_interval,
    probability,
)
from .transfer import CORRELATION, READ_BY_TARGET, TransferScore, TransferView
from .words import MOST_NAMED, NO, PARTLY, UNKNOWN, YES, RoiSentence, Verdict, counted_of, tone_of

_QUESTION = "Do the other participants’ responses read a new one, through synthetic responses?"
_LEADS = {YES: "Yes", NO: "No", PARTLY: "In part", UNKNOWN: "Cannot be said"}
METHOD = (
    "Responses of one participant were mapped to another’s voxels by ridge regression between their synthetic"
    " responses to the pictures that both encoders predicted (training images out of fold, and extra images);"
    " test images of either were not among them. The penalty minimised the generalised cross-validation"
    " error (Golub et al. 1979) plus what the noise of real trials adds to it. For each pair, the mapped mean"
    " responses to test images of both were correlated with the target’s own in each voxel, and the"
    " target’s decoder was applied to mapped single trials. For each participant, a decoder was trained on"
    " the mapped real trials of all others, one mean a training image, and tested on the participant’s own"
    " trials; of the participant it takes the encoder and the noise of trials, and no label."
)


def transfer_verdict(view: TransferView) -> Verdict:
    """Whether decoders trained on the others are above chance, and how often pairs agree."""
    found = [view.read_by_others(GROUP, roi) for roi in view.rois]
    known = regions_of([score for score in found if score.known])
    if not known:
        why = "No decoder could be trained on the other participants’ responses."
        return Verdict(_QUESTION, UNKNOWN, _LEADS[UNKNOWN], (why, *_pairs(view)))
    above = [roi_name(score.roi) for score in known if score.above_chance]
    of = [roi_name(score.roi) for score in known]
    text = [f"On average over participants, above chance in {counted_of(above, of)} (q below .05)."]
    below = [roi_name(score.roi) for score in known if score.below_own]
    text.append(
        f"Worse than decoders trained on the participant’s own real responses in {counted_of(below, of)}: the"
        " whole interval of the difference lies below zero."
    )
    tone = tone_of(len(above), len(of))
    where = "" if len(of) == 1 else f": in {len(above)} of {counted(len(of), 'region')}"
    return Verdict(_QUESTION, tone, _LEADS[tone] + where, (*text, *_each(view), *_pairs(view)))


def transfer_sentences(view: TransferView) -> tuple[RoiSentence, ...]:
    """Each region in words."""
    return tuple(RoiSentence(roi_name(roi), _sentence(view, roi)) for roi in view.rois)


def _each(view: TransferView) -> list[str]:
    """In how many regions each participant is read."""
    targets = [name for name in view.participants if view.read_by_others(name, view.main_roi).known]
    if len(targets) < 2:
        return []
    said = []
    for target in targets[:MOST_NAMED]:
        scores = [view.read_by_others(target, roi) for roi in view.rois]
        own = regions_of([score for score in scores if score.known])
        said.append(f"{target} {sum(score.above_chance for score in own)} of {len(own)}")
    more = f" ({MOST_NAMED} of {len(targets)} named)" if len(targets) > MOST_NAMED else ""
    return [f"Participant by participant, regions above chance: {', '.join(said)}{more}."]


def _pairs(view: TransferView) -> list[str]:
    where = "over all voxels" if view.main_roi == ALL_VOXELS else f"in {view.main_roi}"
    pairs = view.of(CORRELATION, view.main_roi)
    said = []
    if pairs:
        above = sum(score.above_chance for score in pairs)
        said.append(
            "Pair by pair, mapped responses agree with the other participant’s to the same image above chance"
            f" in {above} of {counted(len(pairs), 'pair')} ({where}, r {_range(pairs)}; own encoders"
            f" {correlation(min(s.own for s in pairs))} to {correlation(max(s.own for s in pairs))})."
        )
    read = view.of(READ_BY_TARGET, view.main_roi)
    if read:
        above = sum(score.above_chance for score in read)
        said.append(
            f"The decoder of one participant reads mapped trials of another above chance in {above} of"
            f" {counted(len(read), 'pair')} ({where})."
        )
    return said


def _range(scores: Sequence[TransferScore]) -> str:
    values = [score.value for score in scores]
    return f"{correlation(min(values))} to {correlation(max(values))}"


def _sentence(view: TransferView, roi: str) -> str:
    where = "From all voxels" if roi == ALL_VOXELS else f"In {roi}"
    score = view.read_by_others(GROUP, roi)
    parts = []
    if score.known:
        parts.append(
            f"{where} a decoder that saw the other participants’ responses alone names the category of a"
            f" single real response correctly in {percent_with_interval(score.value, score.low, score.high)}"
            f" of trials on average (chance {percent(score.chance)}; {probability('q', score.q)},"
            f" {'above chance' if score.above_chance else 'not distinguishable from chance'}). One trained on"
            f" the participant’s own responses reaches {percent(score.own)}; the difference is"
            f" {points_with_interval(score.difference, score.difference_low, score.difference_high)} points."
        )
    named = [
        f"{score.source} to {score.target} {correlation(score.value)} ({probability('q', score.q)}; own"
        f" {correlation(score.own)})"
        for score in view.of(CORRELATION, roi)[:MOST_NAMED]
    ]
    if named:
        more = ", first pairs" if len(view.of(CORRELATION, roi)) > MOST_NAMED else ""
        parts.append(f"Correlation of mapped with own responses, voxel by voxel{more}: {listed(named)}.")
    return " ".join(parts) or f"{where} nothing could be compared."
