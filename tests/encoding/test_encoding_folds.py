"""Folds: over sessions, runs or stimuli, and all presentations of a stimulus together."""

import numpy as np
import pandas as pd
import pytest

from bidsapp_synthfmri.encoding.folds import make_folds
from bidsapp_synthfmri.errors import InputMalformedError
from bidsapp_synthfmri.structures import Trials


def trials(rows: list[tuple[str, str, str]]) -> Trials:
    return Trials(pd.DataFrame(rows, columns=["session", "run", "stimulus"]))


def test_folds_are_sessions_and_keep_a_stimulus_together():
    rows = [(s, "01", f"{s}{i}") for s in ("01", "02", "03") for i in range(4)] + [("03", "02", "010")]
    folds = make_folds(trials(rows), np.random.default_rng(0))
    assert folds.n_folds == 3
    assert "session" in folds.description
    assert folds.labels[-1] == folds.labels[0]


def test_one_session_gives_folds_over_runs():
    folds = make_folds(
        trials([("01", r, f"{r}{i}") for r in "12" for i in range(3)]), np.random.default_rng(0)
    )
    assert folds.n_folds == 2
    assert "run" in folds.description


def test_one_run_gives_folds_over_stimuli():
    folds = make_folds(trials([("01", "1", str(i % 7)) for i in range(14)]), np.random.default_rng(0))
    assert folds.n_folds == 5
    assert (folds.labels[:7] == folds.labels[7:]).all()


def test_a_single_stimulus_cannot_be_cross_validated():
    with pytest.raises(InputMalformedError, match="single stimulus"):
        make_folds(trials([("01", "1", "a")] * 3), np.random.default_rng(0))
