"""What was found across participants, in sentences; every number is one of the tables'."""

from __future__ import annotations

from collections.abc import Sequence

from ..structures import ALL_VOXELS
from .contrast_words import against_real
from .decoding_scores import REAL, SYNTHETIC_SAME, Accuracy, Contrast, DecodingScores, training_name
from .estimates import GROUP, regions_of, roi_name
from .numbers import count, counted, listed, percent, percent_with_interval, probability
from .words import MOST_NAMED, NO, PARTLY, UNKNOWN, YES, RoiSentence, Verdict, counted_of, tone_of

_UNTIL_SIGN_TEST = 6
_HINT = " Give labelled images with --images NAME=DIR at the participant level to have one."


def group_verdicts(
    scores: DecodingScores,
    contrasts: Sequence[Contrast],
    participants: Sequence[str],
    unseen: Verdict | None = None,
) -> tuple[Verdict, ...]:
    """Decoding from synthetic training, of unseen categories, against real, and whom it speaks for."""
    main = [contrast for contrast in contrasts if contrast.participant == scores.main]
    same = [contrast for contrast in main if contrast.training == SYNTHETIC_SAME and not contrast.equal_size]
    other = [contrast for contrast in main if contrast.training != SYNTHETIC_SAME and not contrast.equal_size]
    verdicts = (
        _synthetic_decodes(scores),
        *(() if unseen is None else (unseen,)),
        against_real(
            "Are synthetic responses to the same images as good for training as real ones?", scores, same
        ),
        against_real(
            "Does training on synthetic responses to other images beat training on real ones?",
            scores,
            other,
            _HINT,
        ),
    )
    return (*verdicts, whom_it_speaks_for(participants)) if scores.rois else verdicts


def decoding_sentences(scores: DecodingScores) -> tuple[RoiSentence, ...]:
    """The accuracies of each ROI in words, whole training sets."""
    return tuple(RoiSentence(roi_name(roi), _sentence(scores, roi)) for roi in scores.rois)


def whom_it_speaks_for(participants: Sequence[str]) -> Verdict:
    """What this number of participants can and cannot say."""
    n = len(participants)
    question = f"What can {counted(n, 'participant')} say?"
    if n == 0:
        return Verdict(question, UNKNOWN, "Nothing", ("No participant's results were found.",))
    within = (
        "Intervals and p-values resample test images: they hold for new images of these categories, shown to"
        f" {'this person' if n == 1 else 'these people'}."
    )
    if n == 1:
        text = "They say nothing of how often other people would show the same; that takes more participants."
        return Verdict(question, PARTLY, "About this person, not about people", (within, text))
    smallest = 2 * 0.5**n
    sign = (
        f"Whether the effect holds in people at large is a question over participants: an effect in the same"
        f" direction in {'both' if n == 2 else f'all {count(n)}'} has a two-sided sign test of"
        f" {probability('p', smallest)}"
    )
    if n < _UNTIL_SIGN_TEST:
        sign += (
            f", which is above .05, so that {count(n)} cannot establish it by themselves"
            f" ({count(_UNTIL_SIGN_TEST)} could). Each participant is shown."
        )
        return Verdict(question, PARTLY, "About these people, not about people at large", (within, sign))
    text = f"{sign}. No such test is made here: look whether the participants agree, one by one."
    return Verdict(question, PARTLY, "About these people; each is shown", (within, text))


def _synthetic_decodes(scores: DecodingScores) -> Verdict:
    question = "Do decoders trained on synthetic responses read real ones?"
    trainings = [training for training in scores.trainings if training != REAL]
    found = [_above_chance(scores, training) for training in trainings]
    if not any(of for _, of in found):
        return Verdict(
            question, UNKNOWN, "Cannot be said", ("No decoder was trained on synthetic responses.",)
        )
    text = [
        f"Trained on {training_name(training)}: above chance in {counted_of(above, of)}."
        for training, (above, of) in zip(trainings, found, strict=True)
    ]
    text.append(
        "Above chance means a p-value from permuted labels below .05, corrected over regions and training"
        " sets for the false discovery rate. Every test image was unseen by encoder and decoder."
    )
    tones = {tone_of(len(above), len(of)) for above, of in found}
    tone = tones.pop() if len(tones) == 1 else PARTLY
    lead = {YES: "Yes", NO: "No", PARTLY: "In part", UNKNOWN: "Cannot be said"}[tone]
    return Verdict(question, tone, lead + range_of(found), tuple(text))


def _above_chance(scores: DecodingScores, training: str) -> tuple[list[str], list[str]]:
    """Regions where the decoder is above chance, of those where it was trained."""
    found = [scores.full(scores.main, roi, training) for roi in scores.rois]
    of = regions_of([one for one in found if one is not None])
    return [roi_name(one.roi) for one in of if one.above_chance], [roi_name(one.roi) for one in of]


def range_of(found: Sequence[tuple[list[str], list[str]]]) -> str:
    """``: in 5 of 6 regions``, or ``: in 3 to 5 of 6`` where training sets differ."""
    numbers, most = [len(above) for above, _ in found], max(len(of) for _, of in found)
    if most == 1:
        return ""
    same = min(numbers) == max(numbers)
    how_many = f"{max(numbers)}" if same else f"{min(numbers)} to {max(numbers)}"
    return f": in {how_many} of {counted(most, 'region')}"


def _sentence(scores: DecodingScores, roi: str) -> str:
    found = [
        one for training in scores.trainings if (one := scores.full(scores.main, roi, training)) is not None
    ]
    where = "From all voxels" if roi == ALL_VOXELS else f"In {roi}"
    if not found:
        return f"{where} no decoder was trained on a whole set."
    whose = " on average" if scores.main == GROUP and len(scores.participants) > 1 else ""
    parts = [_accuracy_words(one, first=place == 0) for place, one in enumerate(found)]
    first = found[0]
    return (
        f"{where} the category of a single real response is named correctly{whose} {'; '.join(parts)}."
        f" Chance is {percent(first.chance)}. Tested on {counted(first.n_test_trials, 'real trial')} of"
        f" {counted(first.n_test_stimuli, 'image')} in {counted(first.n_classes, 'category', 'categories')}."
    )


def _accuracy_words(one: Accuracy, first: bool) -> str:
    verdict = "above chance" if one.above_chance else "not distinguishable from chance"
    return (
        f"{percent_with_interval(one.value, one.low, one.high)}{' of the time' if first else ''} after"
        f" training on {training_name(one.training)} ({counted(one.n_training, 'image')};"
        f" {probability('q', one.q)}, {verdict})"
    )


def participants_words(participants: Sequence[str]) -> str:
    """``2 participants: 01 and 02``."""
    named = f": {listed(list(participants))}" if 0 < len(participants) <= MOST_NAMED else ""
    return counted(len(participants), "participant") + named
