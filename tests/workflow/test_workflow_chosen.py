"""The facts of the summary on what an estimator chose."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd

from bidsapp_synthfmri.structures import Estimation
from bidsapp_synthfmri.workflow.chosen import estimation_facts

NONE_DROPPED = pd.DataFrame(columns=["session", "run", "onset", "stimulus", "reason"])


def test_nothing_known_is_nothing_said() -> None:
    assert estimation_facts(None, "lsa") == {}


def test_a_lower_rung_has_neither_library_nor_fractions() -> None:
    facts = estimation_facts(Estimation("lsa", (), NONE_DROPPED), "lsa")["estimation"]
    assert "hrf" not in facts
    assert "fraction" not in facts
    assert facts["n_components"] is None


def test_voxels_are_counted_by_response_and_fraction_and_no_number_is_nan() -> None:
    chosen = Estimation(
        "hrf-denoise-ridge",
        ("a note",),
        NONE_DROPPED,
        hrf_peaks=(4.0, 5.0, 6.0),
        hrf_index=np.array([1, 1, 2, 1]),
        n_components=1,
        component_scores=(0.25, float("nan")),
        n_pool=60,
        fraction=np.array([0.05, 0.6, 0.6, 1.0], dtype=np.float32),
        optimism=float("nan"),
    )
    facts = estimation_facts(chosen, "hrf-denoise")["estimation"]
    assert facts["hrf"] == {"peaks": [4.0, 5.0, 6.0], "counts": [0, 3, 1]}
    by_fraction = dict(zip(facts["fraction"]["values"], facts["fraction"]["counts"], strict=True))
    assert {value: n for value, n in by_fraction.items() if n} == {0.05: 1, 0.6: 2, 1.0: 1}
    assert facts["fraction"]["quantiles"]["0.5"] == 0.6
    assert facts["component_scores"] == [0.25, None]
    assert facts["optimism"] is None
    assert (facts["asked"], facts["used"]) == ("hrf-denoise-ridge", "hrf-denoise")
    json.dumps(facts, allow_nan=False)
    assert estimation_facts(replace(chosen, optimism=0.5), "hrf")["estimation"]["optimism"] == 0.5
