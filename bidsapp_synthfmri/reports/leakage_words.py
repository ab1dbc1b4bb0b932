"""What training may have seen of the test, in sentences."""

from __future__ import annotations

import math

from .estimates import Estimate, regions_of, roi_name
from .leakage import (
    ALL,
    KINDS,
    MIRRORED,
    NEAR,
    SAME_FILE,
    TEST,
    TRAIN,
    WITHIN,
    WITHOUT_DUPLICATES,
    Audit,
    Subset,
)
from .numbers import correlation, correlation_with_interval, count, counted, listed, percent
from .words import NO, PARTLY, UNKNOWN, YES, RoiSentence, Verdict, counted_of, tone_of

_KIND_WORDS = {
    SAME_FILE: "the same file under another name",
    NEAR: "a near-duplicate",
    MIRRORED: "a mirrored copy",
}


# By then a haemodynamic response has passed its peak and most of its fall.
_RESPONSE_S = 15


def leakage_verdicts(audit: Audit) -> tuple[Verdict, ...]:
    """Images, time, the network's own training set, and image sources, a verdict each."""
    return (_images(audit), _time(audit), _network(audit), _sources(audit))


def compared(audit: Audit) -> str:
    """How images were compared."""
    text = (
        "Images are near-duplicates where their perceptual hashes (pHash) differ in at most"
        f" {count(audit.facts.get('most_bits'))} of 64 bits and their grey thumbnails correlate at"
        f" {correlation(float(audit.facts.get('least_correlation', math.nan)))} or more: copies that were"
        " compressed, resized, brightened or cropped by a few per cent. Strong crops, rotations and other"
        " views of the same scene are not found."
    )
    if n_flat := int(audit.facts.get("n_flat") or 0):
        text += f" {counted(n_flat, 'image')} of one grey level could be compared by file alone."
    return text


def _images(audit: Audit) -> Verdict:
    question = "Are the test images new to training?"
    if both := audit.n_on_both_sides:
        fault = "The split is meant to rule this out: report the defect, and trust no score of this page."
        text = f"{counted(both, 'stimulus is', 'stimuli are')} on both sides of the split."
        return Verdict(question, NO, "No", (text, fault))
    found = [
        f"{count(n)} {'has' if n == 1 else 'have'} {_KIND_WORDS[kind]} there"
        for kind in KINDS
        if (n := audit.n_alike(TRAIN, kind))
    ]
    first = f"No stimulus is on both sides of the split ({counted(audit.n_test, 'test image')})"
    if not found:
        answer, tone = "Yes", YES
        sentences = [f"{first}, and none has a near-duplicate or mirrored copy among the training images."]
    else:
        n = audit.n_alike(TRAIN)
        answer = f"Not all: {count(n)} of {count(audit.n_test)} {'has' if n == 1 else 'have'} a copy there"
        tone = NO if audit.n_alike(TRAIN, SAME_FILE) else PARTLY
        sentences = [f"{first}, but of the test images {listed(found)}.", *_without_copies(audit)]
    if among := audit.n_alike(TEST):
        sentences.append(
            f"{count(among)} test images are alike to each other, and count as different stimuli."
        )
    for name in audit.extra_sets:
        if n := audit.n_alike(name):
            sentences.append(
                f"The image set {name} holds copies of {counted(n, 'test image')}: a decoder trained on it"
                " has met them."
            )
    return Verdict(question, tone, answer, tuple(sentences))


def _without_copies(audit: Audit) -> tuple[str, ...]:
    without, everything = audit.subset(WITHOUT_DUPLICATES), audit.subset(ALL)
    if without is None or everything is None:
        return ()
    if not without.known:
        return (f"Without them {counted(without.n_stimuli, 'test image')} remain, too few for scores.",)
    return (f"Scores without them: {_changes(audit, without, everything)}.",)


def _changes(audit: Audit, part: Subset, whole: Subset) -> str:
    """The score of a part and of the whole in every region."""
    return "; ".join(
        f"{roi_name(roi)} {correlation(part.synthetic_real(roi).value)} (all"
        f" {correlation(whole.synthetic_real(roi).value)})"
        for roi in _regions(audit)
    )


def _time(audit: Audit) -> Verdict:
    question = "Were test responses measured apart from training?"
    n = audit.shared("n_test_trials")
    session, run, beside = (
        audit.shared(key) / n if n > 0 else math.nan
        for key in ("n_shared_session", "n_shared_run", "n_beside_training")
    )
    if not math.isfinite(session):
        return Verdict(question, UNKNOWN, "Cannot be said", ("There is no test trial.",))
    if session == 0:
        text = f"None of {counted(n, 'test trial')} comes from a session with training trials."
        return Verdict(question, YES, "Yes, in other sessions", (text,))
    first = (
        f"Of {counted(n, 'test trial')}, {_share(session)} come from sessions and {_share(run)} from runs"
        f" with training trials; {_share(beside)} come directly before or after a training trial"
    )
    nearest = audit.shared("nearest_s")
    near = f" (the nearest begins {nearest:.1f} s away in the median)" if math.isfinite(nearest) else ""
    if nearest < _RESPONSE_S:
        near += ", so that their haemodynamic responses overlap"
    answer = "No, in the same sessions" if session == 1 else f"{percent(session)} were not"
    meaning = (
        "Noise that a session, a run or neighbouring trials share is on both sides. Scores speak of new"
        " images in these sessions, not of new sessions."
    )
    return Verdict(question, PARTLY, answer, (f"{first}{near}.", meaning))


def _network(audit: Audit) -> Verdict:
    question = "Are the test images new to the network?"
    test, train = audit.n_imagenet(TEST), audit.n_imagenet(TRAIN)
    weights = str(audit.facts.get("weights"))
    counts = (
        f"{count(test)} of {counted(audit.n_test, 'test image')} and {count(train)} of"
        f" {counted(len(audit.stimuli) - audit.n_test, 'training image')} are ImageNet’s, as their name,"
        " folder or source says."
        if test or train
        else "No name, folder or source says that an image is ImageNet’s."
    )
    if weights == "random":
        random = "The network’s weights are random: it was trained on no image."
        return Verdict(question, YES, "Yes, it is untrained", (random, counts))
    if weights != "imagenet":
        unknown = "The weights are from a file, which does not say what images they were trained on."
        return Verdict(question, UNKNOWN, "Cannot be known", (unknown, counts))
    if not test:
        caution = "An image of ImageNet under another name would not be noticed."
        return Verdict(question, YES, "As far as names tell", (counts, caution))
    meaning = (
        "The network may have been trained on these very images; whether each is in its training set, about"
        " a tenth of ImageNet, is not known. Scores with and without them are below."
    )
    answer = f"Not all: up to {count(test)} of {count(audit.n_test)} may be known"
    return Verdict(question, PARTLY, answer, (counts, meaning))


def _sources(audit: Audit) -> Verdict:
    question = "Is prediction more than telling image sources apart?"
    within, everything = audit.subset(WITHIN), audit.subset(ALL)
    if within is None or everything is None:
        why = "The test images are of one source, or nothing tells sources apart (--source-column)."
        return Verdict(question, UNKNOWN, "Cannot be said", (why,))
    known = [roi for roi in _regions(audit) if within.synthetic_real(roi).known]
    if not known:
        few = f"The sources of {counted(within.n_stimuli, 'test image')} are too few for scores within them."
        return Verdict(question, UNKNOWN, "Cannot be said", (few,))
    chosen = [roi_name(roi) for roi in known if within.synthetic_real(roi).above_zero]
    text = (
        f"With the mean of each source removed from responses and predictions, the correlation’s whole 95%"
        f" interval lies above zero in {counted_of(chosen, [roi_name(roi) for roi in known])}."
    )
    best = max(known, key=lambda roi: everything.synthetic_real(roi).value)
    compared_with = (
        f"Where prediction is best, in {roi_name(best)}: {_text(within.synthetic_real(best))} with source"
        f" means removed, {_text(everything.synthetic_real(best))} as it is."
    )
    lead = {YES: "Yes", NO: "No", PARTLY: "In part"}[tone := tone_of(len(chosen), len(known))]
    answer = lead if len(known) == 1 else f"{lead}: in {len(chosen)} of {counted(len(known), 'region')}"
    return Verdict(question, tone, answer, (text, compared_with))


def _share(part: float) -> str:
    return "all" if part == 1 else percent(part) if part else "none"


def _regions(audit: Audit) -> list[str]:
    return [named.roi for named in regions_of([RoiSentence(roi, "") for roi in audit.rois])]


def _text(estimate: Estimate) -> str:
    return correlation_with_interval(estimate.value, estimate.low, estimate.high)
