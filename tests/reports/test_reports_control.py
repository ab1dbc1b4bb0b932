"""What the page says of the trained network against the untrained one, and what it draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from bidsapp_synthfmri.derivatives.results import ParticipantResults
from bidsapp_synthfmri.reports.control import control_table, control_words, controls_of
from bidsapp_synthfmri.reports.control_figure import control_figure, control_layers_figure
from bidsapp_synthfmri.reports.drawing import MOST_ROIS
from bidsapp_synthfmri.reports.participant import participant_page

DIFFERENCE = "trained_minus_untrained"


def change(encoding: pd.DataFrame, roi: str, metric: str = DIFFERENCE, **cells: float) -> pd.DataFrame:
    changed = encoding.copy()
    for column, value in cells.items():
        changed.loc[(changed["roi"] == roi) & (changed["metric"] == metric), column] = value
    return changed


def finding(encoding: pd.DataFrame) -> str:
    return control_words(controls_of(encoding), {})[0]


def test_the_sentence_counts_regions_where_the_difference_is_significant(
    participant_with_control: ParticipantResults,
) -> None:
    encoding = participant_with_control.encoding
    text = finding(encoding)
    assert text.startswith(
        "The trained network predicts better in 4 of 5 regions (LOC, OPA, PPA and RSC)."
        " In EarlyVis the two do not differ significantly, which is not to say that they are equal."
    )
    text = finding(change(encoding, "LOC", value=-0.11, ci_low=-0.15, ci_high=-0.06))
    assert "better in 3 of 5 regions (OPA, PPA and RSC), worse in 1 of 5 regions (LOC)." in text
    text = finding(change(encoding, "EarlyVis", p_fdr=0.01))
    assert text.startswith("The trained network predicts better in 5 of 5 regions")
    assert "do not differ" not in text


def test_a_region_whose_difference_is_unknown_is_not_counted(
    participant_with_control: ParticipantResults,
) -> None:
    unknown = {"value": np.nan, "ci_low": np.nan, "ci_high": np.nan, "p_fdr": np.nan}
    encoding = change(participant_with_control.encoding, "LOC", **unknown)
    assert "better in 3 of 4 regions (OPA, PPA and RSC)" in finding(encoding)
    assert [row[5] for row in control_table(controls_of(encoding)).rows if row[0] == "LOC"] == ["n/a"]
    for roi in encoding["roi"].unique():
        encoding = change(encoding, roi, **unknown)
    assert finding(encoding).startswith("No correlation")


def test_the_words_say_which_random_weights_and_what_a_baseline_they_are(
    participant_with_control: ParticipantResults,
) -> None:
    controls = controls_of(participant_with_control.encoding)
    text = control_words(controls, participant_with_control.summary)[1]
    assert "random weights (random seed 7)" in text
    assert "strong baseline" in text


def test_the_table_has_the_scores_with_their_intervals(participant_with_control: ParticipantResults) -> None:
    rows = {row[0]: row[1:] for row in control_table(controls_of(participant_with_control.encoding)).rows}
    assert list(rows)[-1] == "all voxels"
    assert rows["LOC"] == ("342", "113", ".33 [.29, .38]", ".22 [.18, .27]", "+.11 [+.07, +.16]", ".001")


def test_figures_give_their_values_in_words(participant_with_control: ParticipantResults) -> None:
    encoding, layers = participant_with_control.encoding, participant_with_control.summary["layers"]
    tested = control_figure(controls_of(encoding))
    assert tested is not None
    assert "LOC .33 and .22, difference +.11 [+.07, +.16]" in tested.alt
    by_layer = control_layers_figure(encoding, layers)
    assert by_layer is not None
    for roi, metric, place in (("LOC", "cv_r", 0), ("LOC", "untrained_cv_r", 1)):
        own = encoding[(encoding["roi"] == roi) & (encoding["metric"] == metric)]
        best = own.loc[own["value"].idxmax()]
        named = by_layer.alt.split("LOC ")[1].split(";")[0].split(" and ")[place]
        assert named == f"{best['layer']} ({best['value']:.2f})".replace("0.", ".")
    drawn = "".join(ElementTree.fromstring(by_layer.svg).itertext())
    assert all(layer in drawn for layer in layers)


def test_a_layer_that_the_control_goes_without_is_a_gap(participant_with_control: ParticipantResults) -> None:
    encoding, layers = participant_with_control.encoding, participant_with_control.summary["layers"]
    silent = (encoding["metric"] == "untrained_cv_r") & (encoding["layer"] == layers[-1])
    figure = control_layers_figure(encoding[~silent], layers)
    assert figure is not None
    assert f"{layers[-1]} (" not in figure.alt
    summary = participant_with_control.summary
    facts = summary["untrained_control"] | {"silent_layers": [layers[-1]]}
    page = participant_page(replace(participant_with_control, summary=summary | {"untrained_control": facts}))
    assert f"random, untrained weights, without {layers[-1]}, whose output" in page.html


def test_scores_that_are_of_no_layer_are_not_drawn_as_one(
    participant_with_control: ParticipantResults,
) -> None:
    encoding, layers = participant_with_control.encoding, participant_with_control.summary["layers"]
    chosen = encoding[encoding["metric"] == "cv_r"].groupby("roi", as_index=False).first()
    more = pd.concat([encoding, chosen.assign(layer="selected", value=0.99)])
    assert control_layers_figure(more, layers) == control_layers_figure(encoding, layers)


@pytest.mark.parametrize("n_rois", [1, 2, 40])
def test_any_number_of_regions_makes_figures(
    participants_of: Callable[[dict[str, int]], ParticipantResults],
    controlled: Callable[[pd.DataFrame], pd.DataFrame],
    n_rois: int,
) -> None:
    results = participants_of({f"area{number}": 9 for number in range(n_rois)})
    encoding, layers = controlled(results.encoding), results.summary["layers"]
    figures = (control_figure(controls_of(encoding)), control_layers_figure(encoding, layers))
    for figure in figures:
        assert figure is not None
        assert (f"first {MOST_ROIS} of 40 regions" in figure.caption) == (n_rois > MOST_ROIS)
    one = "The trained network predicts better in area0." if n_rois == 1 else "predicts better in"
    assert one in finding(encoding)


def test_without_a_control_nothing_is_said_of_one(participant_results: ParticipantResults) -> None:
    assert controls_of(participant_results.encoding) == ()
    assert "Trained against untrained" not in participant_page(participant_results).html


def test_the_control_s_scores_are_not_among_the_encoder_s(
    participant_with_control: ParticipantResults,
) -> None:
    html = participant_page(participant_with_control).html
    assert "Correlation with single test responses, layers as selected" in html
    for metric in ("untrained_cv_r", "untrained_test_r", DIFFERENCE):
        assert metric not in html
    assert "As a control, encoders were fitted in the same way" in html
