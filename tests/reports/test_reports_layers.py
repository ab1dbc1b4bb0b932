"""The layers' figure and tables say how layers were chosen, and keep chosen and single layers apart."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pandas as pd
import pytest

from bidsapp_synthfmri.derivatives.results import ParticipantResults
from bidsapp_synthfmri.reports.layer_figure import layer_figure, layer_scores
from bidsapp_synthfmri.reports.participant import participant_page
from bidsapp_synthfmri.reports.tables import layer_table, other_encoding_table


def with_selected(encoding: pd.DataFrame) -> pd.DataFrame:
    rows = [
        {"roi": roi, "layer": "selected", "metric": metric, "value": value, "n_voxels": 9}
        for roi in encoding["roi"].unique()
        for metric, value in (("cv_r", 0.2345), ("cv_r2", 0.0456))
    ]
    return pd.concat([encoding, pd.DataFrame(rows)], ignore_index=True)


def jointly(encoding: pd.DataFrame) -> pd.DataFrame:
    """The same scores as of a joint encoder; the first layer's parts are below zero."""
    table = with_selected(encoding)
    shares = table[table["metric"] == "share_of_voxels"]
    split = shares.assign(metric="variance_split", value=shares["value"] / 5)
    split.loc[split["layer"] == split["layer"].iloc[0], "value"] = -0.0125
    others = table[table["metric"] != "share_of_voxels"]
    return pd.concat([others, split, shares.assign(metric="layer_weight")], ignore_index=True)


def text_of(svg: str) -> str:
    return " ".join("".join(ElementTree.fromstring(svg).itertext()).split())


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        ("voxel", "Each voxel takes the layer that predicts it best"),
        ("roi", "All voxels of a region take the layer that predicts them best, on average"),
        ("stacking", "a weighted sum of their separate predictions"),
        ("banded", "in one ridge regression with a penalty for each"),
    ],
)
def test_the_page_says_how_layers_were_chosen(
    participant_results: ParticipantResults, selection: str, words: str
) -> None:
    encoding = participant_results.encoding
    joint = selection in ("stacking", "banded")
    summary = participant_results.summary | {"layer_selection": selection}
    results = replace(
        participant_results,
        summary=summary,
        encoding=jointly(encoding) if joint else with_selected(encoding),
    )
    html = " ".join(participant_page(results).html.split())
    assert words in html
    cited = {"stacking": "Stacked regressions", "banded": "Feature-space selection with banded ridge"}
    for kind, title in cited.items():
        assert (title in html) == (kind == selection)
    assert ("product measure" in html) == joint


def test_the_nested_score_stands_beside_the_layers_and_is_none_of_them(
    participant_results: ParticipantResults,
) -> None:
    encoding = with_selected(participant_results.encoding)
    layers = participant_results.summary["layers"]
    figure = layer_figure(encoding, layers, "voxel")
    assert figure is not None
    drawn = text_of(figure.svg)
    assert drawn.count("as selected") == 1
    assert ".23" in drawn
    assert "flatter the choice" in figure.caption
    table = layer_table(layer_scores(encoding, "cv_r2", layers))
    assert table is not None
    assert table.columns == ("Region", *layers, "as selected")
    assert {row[-1] for row in table.rows} == {".05"}


def test_the_split_of_variance_may_be_negative_and_is_in_percent(
    participant_results: ParticipantResults,
) -> None:
    encoding = jointly(participant_results.encoding)
    layers = participant_results.summary["layers"]
    figure = layer_figure(encoding, layers, "banded")
    assert figure is not None
    assert "−1.2" in text_of(figure.svg)
    assert "variance explained by each layer's part" in figure.alt
    assert "share of voxels" not in figure.alt
    table = layer_table(layer_scores(encoding, "variance_split", layers))
    assert table is not None
    assert table.rows[0][1] == "−1.2%"
    assert "add up" in table.note
    # Neither split nor weights are among the scores that are not by layer.
    further = other_encoding_table(encoding)
    assert further is not None
    assert len(further.columns) == 3
