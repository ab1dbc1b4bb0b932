"""Sentences say what the tables say, and no more."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bidsapp_synthfmri.derivatives.results import GroupResults, ParticipantResults
from bidsapp_synthfmri.reports import numbers
from bidsapp_synthfmri.reports.decoding_scores import contrasts_of, decoding_scores
from bidsapp_synthfmri.reports.group_words import decoding_sentences, group_verdicts, whom_it_speaks_for
from bidsapp_synthfmri.reports.words import (
    NO,
    PARTLY,
    UNKNOWN,
    YES,
    Verdict,
    participant_verdicts,
    roi_sentences,
)

_NUMBER = re.compile(r"[−+]?(?:\d[\d,]*)?\.?\d+")


def _written(table: pd.DataFrame) -> set[str]:
    """Every way the pages may write a number of the table, signs apart."""
    written = set()
    for value in table.select_dtypes("number").to_numpy().ravel():
        if pd.isna(value):
            continue
        forms = [numbers.correlation(value), numbers.points(value), numbers.probability_cell(value)]
        forms += [numbers.count(value)] if float(value).is_integer() else []
        written |= {form.lstrip("−+<> ") for form in forms}
    return written


def _unexplained(text: str, table: pd.DataFrame, allowed: set[str]) -> set[str]:
    found = {match.lstrip("−+") for match in _NUMBER.findall(text)}
    return found - _written(table) - allowed


def _set(table: pd.DataFrame, roi: str, row: str, **cells: float) -> pd.DataFrame:
    changed = table.copy()
    chosen = (changed["roi"] == roi) & (changed["row"] == row) & (changed["level"] == "voxel")
    for column, value in cells.items():
        changed.loc[chosen, column] = value
    return changed


def test_numbers_of_a_region_come_from_its_rows(participant_results: ParticipantResults) -> None:
    table = participant_results.accounting
    voxel = table[table["level"] == "voxel"]
    for sentence in roi_sentences(table):
        roi = "all" if sentence.roi == "all voxels" else sentence.roi
        assert not _unexplained(sentence.text, voxel[voxel["roi"] == roi], set())
        assert len(_NUMBER.findall(sentence.text)) >= 15


def test_numbers_of_a_region_decoded_come_from_its_rows(group_results: GroupResults) -> None:
    table = group_results.decoding
    pooled = table[table["participant"] == "group"]
    for sentence in decoding_sentences(decoding_scores(table)):
        roi = "all" if sentence.roi == "all voxels" else sentence.roi
        assert not _unexplained(sentence.text, pooled[pooled["roi"] == roi], set())


def test_numbers_of_the_verdicts_come_from_the_tables(
    participant_results: ParticipantResults, group_results: GroupResults
) -> None:
    counts = {str(number) for number in range(7)} | {".05", "95"}
    for verdict in participant_verdicts(participant_results.accounting):
        text = f"{verdict.answer} {' '.join(verdict.text)}"
        assert not _unexplained(text, participant_results.accounting, counts)
    scores, contrasts = decoding_scores(group_results.decoding), contrasts_of(group_results.contrasts)
    for verdict in group_verdicts(scores, contrasts, ["01", "02", "03"])[:3]:
        text = f"{verdict.answer} {' '.join(verdict.text)}"
        sizes = {numbers.count(size) for size in group_results.decoding["n_training"]}
        assert not _unexplained(text, group_results.contrasts, counts | sizes)


def test_the_sentence_of_a_region_in_full(participant_results: ParticipantResults) -> None:
    table = participant_results.accounting.assign(n_voxels=54, n_stimuli=113)
    for row, value, low, high in (
        ("synthetic_real", 0.43, 0.36, 0.5),
        ("real_real", 0.31, 0.25, 0.37),
        ("synthetic_minus_real", 0.12, 0.05, 0.19),
        ("noise_matched_real", 0.24, 0.2, 0.28),
        ("mean_real_real", 0.45, 0.4, 0.5),
        ("ceiling", 0.557, 0.5, 0.61),
    ):
        table = _set(table, "PPA", row, value=value, ci_low=low, ci_high=high, p_fdr=0.002)
    sentence = next(found.text for found in roi_sentences(table) if found.roi == "PPA")
    assert sentence == (
        "In PPA (54 voxels) a noiseless synthetic response correlates at .43 [.36, .50] with a single real"
        " response to the same image (113 test images); two real responses to the same image correlate at .31"
        " [.25, .37]. The synthetic response is significantly closer (difference +.12 [+.05, +.19],"
        " q = .002)."
        " For scale: with noise like that of a real response .24 [.20, .28], the mean of the other real"
        " presentations .45 [.40, .50], the ceiling of any prediction .56 [.50, .61]."
    )


@pytest.mark.parametrize(
    ("difference", "q", "tone", "words"),
    [
        (0.1, 0.01, YES, "Significantly more in 5 of 5 regions"),
        (0.1, 0.2, NO, "no clear difference in 5"),
        (-0.1, 0.01, NO, "significantly less in 5 of 5 regions"),
    ],
)
def test_significance_is_by_the_corrected_p_value(
    participant_results: ParticipantResults, difference: float, q: float, tone: str, words: str
) -> None:
    table = participant_results.accounting
    for roi in table["roi"].unique():
        table = _set(table, roi, "synthetic_minus_real", value=difference, p=0.001, p_fdr=q)
    verdict = participant_verdicts(table)[1]
    assert verdict.tone == tone
    assert words in verdict.text[0]


def test_synthetic_above_real_is_never_said_alone(participant_results: ParticipantResults) -> None:
    verdicts = participant_verdicts(participant_results.accounting)
    assert "rho > √r" in " ".join(verdicts[1].text)
    assert "not a sign that synthetic data are better" in " ".join(verdicts[1].text)
    assert "noise-matched" in " ".join(verdicts[2].text)
    for sentence in roi_sentences(participant_results.accounting):
        for row in ("with noise like that", "mean of the other real", "ceiling"):
            assert row in sentence.text


def test_all_voxels_do_not_count_as_a_region_beside_others(participant_results: ParticipantResults) -> None:
    assert "5 of 5 regions" in participant_verdicts(participant_results.accounting)[0].answer


def test_without_repeats_the_comparison_cannot_be_said(
    participant_without_repeats: ParticipantResults,
) -> None:
    prediction, comparison, noise = participant_verdicts(participant_without_repeats.accounting)
    assert (prediction.tone, comparison.tone, noise.tone) == (YES, UNKNOWN, UNKNOWN)
    (sentence,) = roi_sentences(participant_without_repeats.accounting)
    assert sentence.text.startswith("Over all 800 voxels a noiseless")
    assert "n/a: too few were shown more than once" in sentence.text


def test_decoding_at_chance_is_called_so(group_results: GroupResults) -> None:
    found = {one.roi: one.text for one in decoding_sentences(decoding_scores(group_results.decoding))}
    assert found["RSC"].count("not distinguishable from chance") == 3
    assert "not distinguishable" not in found["PPA"]


def test_below_chance_is_not_above_it(group_results: GroupResults) -> None:
    low = group_results.decoding.assign(accuracy=0.05, p_fdr=0.001)
    assert group_verdicts(decoding_scores(low), (), ["01"])[0].tone == NO


@pytest.mark.parametrize(
    ("n", "words"),
    [
        (1, "say nothing of how often other people"),
        (4, "p = .125, which is above .05, so that 4 cannot establish it by themselves (6 could)"),
        (6, "two-sided sign test of p = .031. No such test is made here"),
    ],
)
def test_what_participants_can_say_depends_on_their_number(n: int, words: str) -> None:
    verdict = whom_it_speaks_for([str(number) for number in range(n)])
    assert words in " ".join(verdict.text)
    assert verdict.tone == PARTLY


@pytest.mark.parametrize(
    ("differences", "qs", "tone", "answer"),
    [
        ([0.1, 0.1, 0.1], [0.01, 0.01, 0.01], YES, "Higher than real in all 3 regions"),
        ([-0.1, -0.1, -0.1], [0.01, 0.01, 0.01], NO, "Lower than real in all 3 regions"),
        ([-0.1, -0.1, -0.1], [0.2, 0.2, 0.05], UNKNOWN, "Undecided in all 3 regions"),
        ([-0.1, -0.1, 0.1], [0.01, 0.2, 0.2], PARTLY, "Lower than real in 1 of 3 regions, undecided in 2"),
        (
            [0.1, -0.1, 0.1],
            [0.01, 0.01, np.nan],
            PARTLY,
            "Higher than real in 1 of 3 regions, lower in 1, undecided in 1",
        ),
        ([-0.1], [0.01], NO, "Lower than real"),
        ([-0.1], [0.3], UNKNOWN, "Undecided"),
    ],
)
def test_contrasts_are_judged_by_the_corrected_p_value(
    group_of: Callable[..., GroupResults],
    differences: list[float],
    qs: list[float],
    tone: str,
    answer: str,
) -> None:
    rois = ["A", "B", "C"][: len(qs)]
    verdict, _ = _against_real(group_of(["01", "02"], [*rois, "all"]), rois, differences, qs)
    assert (verdict.tone, verdict.answer) == (tone, answer)
    assert ("Undecided does not mean equal" in " ".join(verdict.text)) == ("ndecided" in answer)


def test_interval_and_p_that_disagree_are_explained(group_of: Callable[..., GroupResults]) -> None:
    """All intervals exclude zero; q decides, and the text says why where the two differ."""
    results = group_of(["01", "02"], ["A", "all"])
    disagree, _ = _against_real(results, ["A"], [-0.1], [0.2])
    agree, _ = _against_real(results, ["A"], [-0.1], [0.02])
    assert "A −10.0 [−15.0, −5.0], q = .200" in disagree.text[0]
    assert "too narrow with few test images" in disagree.text[-1]
    assert "too narrow" not in " ".join(agree.text)


def test_several_image_sets_are_counted_as_comparisons(group_of: Callable[..., GroupResults]) -> None:
    results = group_of(["01", "02"], ["A", "B", "all"])
    more = results.contrasts[results.contrasts["contrast"] == "synthetic_extra - real"]
    more = more.assign(contrast="synthetic_more - real")
    both = replace(results, contrasts=pd.concat([results.contrasts, more], ignore_index=True))
    _, other = _against_real(both, ["A", "B"], [-0.1, -0.1], [0.01, 0.2])
    assert other.answer == "Lower than real in 2 of 4 comparisons, undecided in 2"
    assert "“extra” (2,000 images against 400 real ones): A" in other.text[0]


def _against_real(
    results: GroupResults, rois: list[str], differences: list[float], qs: list[float]
) -> tuple[Verdict, Verdict]:
    """Verdicts on synthetic against real training, with these differences and corrected p-values."""
    table = results.contrasts.set_index("roi")
    for roi, difference, q in zip(rois, differences, qs, strict=True):
        interval = {"ci_low": difference - 0.05, "ci_high": difference + 0.05}
        for column, value in {"difference": difference, "p_fdr": q, **interval}.items():
            table.loc[roi, column] = value
    verdicts = group_verdicts(
        decoding_scores(results.decoding), contrasts_of(table.reset_index()), results.summary["participants"]
    )
    return verdicts[1], verdicts[2]


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (numbers.correlation(0.4349), ".43"),
        (numbers.correlation(-0.05), "−.05"),
        (numbers.correlation(-0.001), ".00"),
        (numbers.correlation(1.02), "1.02"),
        (numbers.correlation(float("nan")), "n/a"),
        (numbers.correlation(0.2, signed=True), "+.20"),
        (numbers.percent(0.1253), "12.5%"),
        (numbers.probability("q", 0.0004), "q < .001"),
        (numbers.probability("p", 0.0123), "p = .012"),
        (numbers.probability("p", 0.999), "p > .99"),
        (numbers.probability("p", 0.04998), "p < .05"),
        (numbers.probability("p", 0.05), "p = .050"),
        (numbers.points_with_interval(-0.066, -0.125, -0.008), "−6.6 [−12.5, −0.8]"),
        (numbers.counted(1, "voxel"), "1 voxel"),
        (numbers.counted(5254, "trial"), "5,254 trials"),
        (numbers.seconds(0.44), "0.4 s"),
        (numbers.seconds(59.7), "1 min 00 s"),
        (numbers.seconds(125), "2 min 05 s"),
        (numbers.seconds(11050), "3 h 04 min"),
        (numbers.listed(["a", "b", "c"]), "a, b and c"),
        (numbers.correlation_with_interval(0.4, float("nan"), 1), ".40"),
    ],
)
def test_numbers_are_written_as_journals_write_them(written: str, text: str) -> None:
    assert written == text
