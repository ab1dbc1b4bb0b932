"""Identification in sentences; every number is one of the tables'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..structures import ALL_VOXELS
from .estimates import GROUP, roi_name
from .identification import (
    ALL_CANDIDATES,
    MEAN_OF_REPEATS,
    MEDIAN_RANK,
    PERCENTILE,
    SAME_SOURCE,
    TOP_1,
    TOP_5,
    IdentificationView,
    Score,
    Task,
)
from .numbers import (
    count,
    counted,
    listed,
    percent,
    percent_with_interval,
    probability,
    share,
    share_with_interval,
)
from .words import MOST_NAMED, NO, PARTLY, UNKNOWN, YES, RoiSentence, Verdict, counted_of, tone_of

_QUESTION = "Is the image seen found among many by its synthetic response?"
_LEADS = {YES: "Yes", NO: "No", PARTLY: "In part", UNKNOWN: "Cannot be said"}
_BEYOND_SOURCE = (
    "Within its own source the candidates differ neither in where they come from nor in how they were chosen:"
    " what is left there is the image."
)
METHOD = (
    "The image seen in a test trial was identified by the Pearson correlation, across the voxels of each"
    " region, of the real response with the synthetic response to every candidate image (Kay et al. 2008):"
    " all images of the dataset and of the extra image sets, training images predicted by encoders that had"
    " not been fitted on them. Curves over the number of candidates are exact expectations over all ways to"
    " draw the other candidates. P-values, one-sided, come from exchanging the synthetic responses of the"
    " test images, within their image source where it is known, and were corrected over regions for the false"
    " discovery rate."
)


def identification_verdict(view: IdentificationView) -> Verdict:
    """Whether the image seen ranks above chance among all candidates, and within its source."""
    found = [(roi, view.whole(_task(view, roi), PERCENTILE)) for roi in _regions(view, ALL_CANDIDATES)]
    known = [(roi, score) for roi, score in found if score.known]
    if not known:
        return Verdict(_QUESTION, UNKNOWN, "Cannot be said", ("No image could be identified.",))
    above = [roi_name(roi) for roi, score in known if score.above_chance]
    of = [roi_name(roi) for roi, _ in known]
    text = [
        f"From single trials, among {_numbers([score for _, score in known])} candidates, its rank is above"
        f" chance in {counted_of(above, of)} (q below .05)."
    ]
    text += _each(view)
    text += _within(view)
    tone = tone_of(len(above), len(of))
    where = "" if len(of) == 1 else f": in {len(above)} of {counted(len(of), 'region')}"
    return Verdict(_QUESTION, tone, _LEADS[tone] + where, tuple(text))


def identification_sentences(view: IdentificationView) -> tuple[RoiSentence, ...]:
    """Each region in words, raw patterns, all candidates; then within sources."""
    return tuple(RoiSentence(roi_name(roi), _sentence(view, roi)) for roi in view.rois)


def _task(view: IdentificationView, roi: str, candidates: str = ALL_CANDIDATES) -> Task:
    return Task(view.main, candidates, roi)


def _regions(view: IdentificationView, candidates: str) -> list[str]:
    """Regions that count: all voxels together are one only where there is no other."""
    rois = [roi for roi in view.rois if view.whole(_task(view, roi, candidates), PERCENTILE).known]
    return [roi for roi in rois if roi != ALL_VOXELS] or rois


def _numbers(scores: Sequence[Score]) -> str:
    sizes = sorted({score.n_candidates for score in scores})
    return count(sizes[0]) if len(sizes) == 1 else f"{count(sizes[0])} to {count(sizes[-1])}"


def _each(view: IdentificationView) -> list[str]:
    """In how many regions each participant's images are found."""
    if len(view.participants) < 2:
        return []
    said = []
    for participant in view.participants[:MOST_NAMED]:
        tasks = [replace(_task(view, roi), participant=participant) for roi in _regions(view, ALL_CANDIDATES)]
        scores = [score for task in tasks if (score := view.whole(task, PERCENTILE)).known]
        said.append(f"{participant} {sum(s.above_chance for s in scores)} of {len(scores)}")
    more = f" ({MOST_NAMED} of {len(view.participants)} named)" if len(view.participants) > MOST_NAMED else ""
    return [f"Participant by participant, regions above chance: {', '.join(said)}{more}."]


def _within(view: IdentificationView) -> list[str]:
    said = []
    for source in view.sources:
        regions = _regions(view, source)
        above = [roi for roi in regions if view.whole(_task(view, roi, source), PERCENTILE).above_chance]
        if regions:
            said.append(f"{source} in {len(above)} of {counted(len(regions), 'region')}")
    if not said:
        return []
    together = _regions(view, SAME_SOURCE)
    if together:
        above = [
            roi for roi in together if view.whole(_task(view, roi, SAME_SOURCE), PERCENTILE).above_chance
        ]
        return [
            f"Among candidates of its own source alone it is above chance in {len(above)} of"
            f" {counted(len(together), 'region')} (by source: {listed(said)}). {_BEYOND_SOURCE}"
        ]
    return [f"Among candidates of one source it is above chance for {listed(said)}. {_BEYOND_SOURCE}"]


def _sentence(view: IdentificationView, roi: str) -> str:
    task = _task(view, roi)
    top, five, beats, rank = (view.whole(task, m) for m in (TOP_1, TOP_5, PERCENTILE, MEDIAN_RANK))
    where = "From all voxels" if roi == ALL_VOXELS else f"In {roi}"
    if not beats.known:
        return f"{where} no image could be identified among all candidates." + _by_source(view, roi)
    whose = ", on average over participants," if view.main == GROUP else ""
    text = (
        f"{where} the synthetic response to the image seen{whose} is the closest of"
        f" {count(beats.n_candidates)} to a single real response in {_share(top)}"
    )
    if five.known:
        text += f", among the five closest in {_share(five)}"
    text += (
        f"; it beats {percent_with_interval(beats.value, beats.low, beats.high)} of the others (chance"
        f" {percent(beats.chance)}; {probability('q', beats.q)},"
        f" {'above chance' if beats.above_chance else 'not distinguishable from chance'})."
        f" Median rank {_rank(rank.value)}, by chance {_rank(rank.chance)}."
        f" Tested on {counted(beats.n_trials, 'real trial')} of {counted(beats.n_stimuli, 'image')}."
    )
    mean = replace(task, pattern=MEAN_OF_REPEATS)
    if (repeated := view.whole(mean, PERCENTILE)).known:
        text += (
            f" The mean of an image’s repeats is closest to it in {_share(view.whole(mean, TOP_1))}; it beats"
            f" {percent_with_interval(repeated.value, repeated.low, repeated.high)} of the others."
        )
    return text + _by_source(view, roi)


def _by_source(view: IdentificationView, roi: str) -> str:
    found = [(source, view.whole(_task(view, roi, source), PERCENTILE)) for source in view.sources]
    said = [
        f"{source} {percent_with_interval(score.value, score.low, score.high)} ({probability('q', score.q)})"
        for source, score in found
        if score.known
    ]
    return f" Of candidates of its own source it beats, single trials: {'; '.join(said)}." if said else ""


def _share(score: Score) -> str:
    interval = share_with_interval(score.value, score.low, score.high)
    return f"{interval} of cases (chance {share(score.chance)})"


def _rank(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"
