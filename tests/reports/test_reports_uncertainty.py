"""What the page says of noise, of what the encoder misses, and of how well it knows."""

from dataclasses import replace

import numpy as np
import pytest

from bidsapp_synthfmri.reports import participant_page
from bidsapp_synthfmri.reports.uncertainty import uncertainty_table, uncertainty_words, variances_of
from bidsapp_synthfmri.reports.uncertainty_figure import uncertainty_figure

SIZES = {"LOC": 300, "RSC": 200, "all": 500}


def test_words_say_what_is_signal_predicted_and_too_sure(uncertainty_of):
    holds, sure = uncertainty_words(variances_of(uncertainty_of(SIZES)))
    # Reliabilities are .28 and .09; two thirds of the signal are predicted.
    assert "9.0% to 28.0% is signal" in holds
    assert "predicts 6.0% to 18.7% of the whole" in holds
    assert "95% intervals hold the mean response in 87.0% to 94.0%" in sure
    assert sure.endswith("It is too sure of itself in RSC.")


def test_an_encoder_without_uncertainty_is_said_to_be_one(uncertainty_of):
    variances = variances_of(uncertainty_of(SIZES, known=False))
    assert "--uncertainty" in uncertainty_words(variances)[-1]
    table = uncertainty_table(variances)
    assert not any("overage" in column for column in table.columns)
    assert "Coverage" not in uncertainty_figure(variances).svg


def test_the_table_has_every_number(uncertainty_of):
    table = uncertainty_table(variances_of(uncertainty_of(SIZES)))
    assert table.columns[-3:] == ("Coverage of 50%", "Coverage of 80%", "Coverage of 95%")
    assert table.rows[0] == (
        "LOC",
        "300",
        "113",
        "28.0%",
        "72.0%",
        "18.7%",
        "9.3%",
        "8.4%",
        "53.0%",
        "81.0%",
        "94.0%",
    )
    assert table.rows[-1][0] == "all voxels"


def test_what_is_estimated_below_nothing_is_told_and_drawn_as_nothing(uncertainty_of):
    scores = uncertainty_of(SIZES)
    missed = scores["metric"] == "missed_variance"
    variances = variances_of(scores.assign(value=np.where(missed, -0.02, scores["value"])))
    assert uncertainty_table(variances).rows[0][6] == "\N{MINUS SIGN}2.0%"
    assert uncertainty_figure(variances) is not None


@pytest.mark.parametrize("table", ["none", "empty"])
def test_without_repeats_or_from_older_results_the_page_has_no_such_part(
    participant_results, uncertainty_of, table
):
    scores = uncertainty_of({}) if table == "empty" else None
    page = participant_page(replace(participant_results, uncertainty=scores))
    assert 'id="uncertainty"' not in page.html
    assert 'id="uncertainty"' in participant_page(participant_results).html
