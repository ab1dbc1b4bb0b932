"""What the estimator chose: said in words, drawn, and in tables."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from bidsapp_synthfmri.derivatives.results import ParticipantResults
from bidsapp_synthfmri.reports.estimation import Chosen, chosen_of
from bidsapp_synthfmri.reports.estimation_figure import estimation_figure
from bidsapp_synthfmri.reports.estimation_tables import MOST_TRIALS, dropped_table, estimation_tables
from bidsapp_synthfmri.reports.estimation_words import estimation_words
from bidsapp_synthfmri.reports.methods_text import participant_methods, references
from bidsapp_synthfmri.reports.participant import participant_page

HOSTILE = "<script>alert('$x_1$')</script>\"&"
PEAKS = [round(2.75 + 0.25 * number, 2) for number in range(20)]
FRACTIONS = [round(0.05 * number, 2) for number in range(1, 21)]


def facts(used: str = "hrf-denoise-ridge", **changed: Any) -> dict[str, Any]:
    """The summary's entry as the participant level writes it for a rung."""
    counts = [0] * 20
    counts[8], counts[9], counts[10], counts[12] = 40, 100, 50, 10
    entry: dict[str, Any] = {
        "asked": used,
        "used": used,
        "notes": [],
        "n_components": None,
        "component_scores": [],
        "n_pool": 0,
        "n_tuning_stimuli": 0,
        "n_tuning_trials": 0,
        "optimism": None,
        "n_dropped_trials": 0,
    }
    if used.startswith("hrf"):
        entry["hrf"] = {"peaks": PEAKS, "counts": counts}
    if "denoise" in used:
        entry |= {
            "n_components": 2,
            "component_scores": [0.212, 0.241, 0.256, 0.257],
            "n_pool": 48211,
            "n_tuning_stimuli": 113,
            "n_tuning_trials": 451,
            "optimism": 0.0042,
        }
    if used.endswith("ridge"):
        entry["fraction"] = {"values": FRACTIONS, "counts": counts, "quantiles": {"0.5": 0.5}}
    return entry | changed


def chosen(used: str = "hrf-denoise-ridge", **changed: Any) -> Chosen:
    found = chosen_of({"estimation": facts(used, **changed)})
    assert found is not None
    return found


def words(used: str = "hrf-denoise-ridge", **changed: Any) -> str:
    return estimation_words(chosen(used, **changed), {})


def text_of(svg: str) -> list[str]:
    return [text.strip() for text in ElementTree.fromstring(svg).itertext() if text.strip()]


def dropped(n: int, reason: str = "no volume used lies 4-8 s after its onset") -> pd.DataFrame:
    table = pd.DataFrame({"session": "01", "run": None, "onset": 300 + 10.0 * np.arange(n)})
    return table.assign(stimulus=[f"{number}.jpg" for number in range(n)], reason=reason)


def test_the_paragraph_of_the_highest_rung_in_full() -> None:
    assert words() == (
        "Responses were estimated by ridge regression with a haemodynamic response for each voxel and noise"
        " components projected out (hrf-denoise-ridge), as asked for. The 200 voxels took 4 of the library’s"
        " 20 haemodynamic responses, each the one that fits its time series best; the time to peak is 5.00 s"
        " in the median voxel (middle half of voxels 5.00 to 5.25 s). Of up to 3 noise components from 48,211"
        " voxels that the task explains least, 2 were projected out, with which the reliability r of one"
        " response rose by .044, from .212 to .256 (median over the voxels that respond best). The median"
        " voxel’s ridge fraction is .50 (middle half of voxels .50 to .55; 1 would be least squares). Repeats"
        " chose the number of components and the fractions: 451 presentations of 113 images shown in more"
        " than one run. The choice used the same repeats as the reliability and the five rows: measured by"
        " halves of the images, that raises reliability by about .004."
    )


def test_a_rung_below_the_one_asked_for_says_why() -> None:
    note = "3 stimuli were shown in more than one run; too few."
    text = words("hrf", asked="hrf-denoise", notes=[note, "9 trials were kept."], n_dropped_trials=1)
    assert "although hrf-denoise was asked for. 3 stimuli were shown in more than one run; too few." in text
    assert "9 trials" not in text
    assert text.endswith("There is 1 trial without a response.")
    assert "ridge" not in text
    assert "raises" not in text


def test_no_component_is_explained_whether_tried_or_not() -> None:
    tried = words("hrf-denoise", n_components=0, component_scores=[0.4, 0.3])
    assert "with 1 to 1 of them, from 48,211 voxels" in tried
    assert "at most .002 higher than without, where it is .400" in tried
    assert "Repeats chose the number of components: 451" in tried
    untried = words("hrf-denoise", n_components=0, component_scores=[], n_pool=0, optimism=None)
    assert "No noise components were sought or removed." in untried
    assert "chose" not in untried


@pytest.mark.parametrize(
    ("optimism", "said"),
    [(-0.0001, "raise reliability (0)"), (-0.01, "reliability (−.010)"), (0.02, "by about .020")],
)
def test_optimism_is_said_with_its_sign(optimism: float, said: str) -> None:
    assert said in words(optimism=optimism)


def test_precomputed_responses_are_not_called_estimated() -> None:
    entry = {"estimation": facts("precomputed", n_dropped_trials=2), "precomputed": "a release"}
    found = chosen_of(entry)
    assert found is not None
    assert estimation_words(found, entry) == (
        "Responses were precomputed, not estimated here: a release. There are 2 trials without a response."
    )


@pytest.mark.parametrize(
    ("used", "titles"),
    [
        ("hrf", ["Haemodynamic response"]),
        ("hrf-denoise", ["Haemodynamic response", "Noise components"]),
        ("hrf-denoise-ridge", ["Haemodynamic response", "Noise components", "Ridge fraction"]),
    ],
)
def test_the_figure_has_the_panels_of_its_rung_and_the_tables_their_numbers(
    used: str, titles: list[str]
) -> None:
    found = chosen(used)
    figure = estimation_figure(found)
    assert figure is not None
    every = ["Haemodynamic response", "Noise components", "Ridge fraction"]
    assert [title for title in every if title in text_of(figure.svg)] == titles
    tables = estimation_tables(found)
    assert len(tables) == len(titles)
    assert ("5.00", "100", "50.0%") in tables[0].rows
    assert "5.00 s 100" in figure.alt
    if "denoise" in used:
        assert tables[1].rows[2] == ("2", ".256", "+.044", "chosen")
        assert "2 .256 and 3 .257; 2 was chosen" in figure.alt
    if used.endswith("ridge"):
        assert (".50", "100", "50.0%") in tables[2].rows
        assert ".50 100" in figure.alt


@pytest.mark.parametrize("used", ["lsa", "lss", "tr34"])
def test_the_lower_rungs_have_a_sentence_and_no_figure(
    participant_results: ParticipantResults, used: str
) -> None:
    assert estimation_figure(chosen(used)) is None
    assert estimation_tables(chosen(used)) == ()
    summary = participant_results.summary | {"responses": used, "estimation": facts(used)}
    page = participant_page(replace(participant_results, summary=summary))
    assert f"({used}), as asked for." in page.html
    assert "estimation" not in [figure.name for figure in page.figures]


def test_scores_that_are_not_known_do_not_stop_the_page() -> None:
    found = chosen(component_scores=[None, 0.2, 0.25, None], optimism=None)
    assert math.isnan(found.scores[0])
    figure = estimation_figure(found)
    assert figure is not None
    assert "0 n/a" in figure.alt
    assert "raises" not in estimation_words(found, {})


def test_a_page_has_the_section_only_where_the_summary_has_the_facts(
    participant_results: ParticipantResults,
) -> None:
    assert 'id="estimation"' not in participant_page(participant_results).html
    summary = participant_results.summary | {"estimation": facts(), "responses": "hrf-denoise-ridge"}
    page = participant_page(replace(participant_results, summary=summary))
    assert [figure.name for figure in page.figures] == ["accounting", "layers", "estimation", "uncertainty"]
    assert '<a href="#estimation">' in page.html
    assert (
        0 < page.html.index('id="layers"') < page.html.index('id="estimation"') < page.html.index('id="data"')
    )


def test_the_first_dropped_trials_are_listed_and_the_others_counted() -> None:
    assert dropped_table(None) is None
    assert dropped_table(dropped(0)) is None
    table = dropped_table(dropped(MOST_TRIALS + 1))
    assert table is not None
    assert len(table.rows) == MOST_TRIALS
    assert table.rows[0] == ("01", "n/a", "300.00", "0.jpg")
    assert "no volume used lies 4-8 s after its onset" in table.note
    assert table.note.endswith("1 more is in the file of dropped trials.")
    two = dropped_table(pd.concat([dropped(1), dropped(1, "another")], ignore_index=True))
    assert two is not None
    assert two.columns[-1] == "Why"
    assert [row[-1] for row in two.rows] == ["no volume used lies 4-8 s after its onset", "another"]
    assert "more" not in two.note


def test_text_from_the_data_is_escaped(participant_results: ParticipantResults) -> None:
    entry = facts(asked=HOSTILE, notes=[HOSTILE], n_dropped_trials=2)
    trials = dropped(2).assign(stimulus=HOSTILE, session=HOSTILE, reason=[HOSTILE, "b"])
    summary = participant_results.summary | {"estimation": entry}
    page = participant_page(replace(participant_results, summary=summary, dropped_trials=trials))
    assert "<script" not in page.html


def test_methods_of_the_upper_rungs_cite_what_they_owe() -> None:
    names = {"hrf": ["Allen"], "hrf-denoise": ["Allen", "Kay"]}
    names["hrf-denoise-ridge"] = [*names["hrf-denoise"], "Prince", "Rokem"]
    for used in ("lsa", *names):
        summary = {"responses": used, "estimation": facts(used)}
        text, cited = participant_methods(summary)[0], references(summary)
        for name, mention in (
            ("Allen", "Allen et al. 2022"),
            ("Kay", "Kay et al. 2013"),
            ("Prince", "Prince et al. (2022)"),
            ("Rokem", "Rokem and Kay 2020"),
        ):
            owed = name in names.get(used, [])
            assert (mention in text) is owed
            assert any(line.startswith(f"{name}, ") for line in cited) is owed
    assert "one of a library of 20 double-gamma responses" in text
    assert "2 of up to 3, was chosen by the cross-validated reliability of 451 presentations" in text


def test_methods_claim_no_denoising_without_a_noise_pool() -> None:
    entry = facts(n_components=0, component_scores=[], n_pool=0)
    summary = {"responses": "hrf-denoise-ridge", "estimation": entry}
    text = participant_methods(summary)[0]
    assert "No noise components were projected out." in text
    assert "chosen in each voxel by the reliability of 451 presentations of 113 images" in text
    assert not any(line.startswith("Kay, ") for line in references(summary))
