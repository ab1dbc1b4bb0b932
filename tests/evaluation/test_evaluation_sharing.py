"""What test and training trials share in time, on a table made by hand."""

import numpy as np
import pandas as pd
import pytest

from bidsapp_synthfmri.evaluation.sharing import time_shared
from bidsapp_synthfmri.structures import Trials


def trials(rows):
    names = ["session", "run", "onset", "split"]
    return pd.DataFrame(rows, columns=names).assign(stimulus="a", duration=1.0)


def shared(rows):
    table = trials(rows)
    return time_shared(Trials(table), (table["split"] == "test").to_numpy())


def test_sessions_runs_and_neighbours_are_counted():
    found = shared(
        [
            ("1", "1", 0.0, "train"),
            ("1", "1", 10.0, "test"),  # beside training, 10 s away
            ("1", "1", 20.0, "test"),  # between test trials: 20 s away
            ("1", "1", 30.0, "test"),  # beside training, 12 s away
            ("1", "1", 42.0, "train"),
            ("1", "2", 0.0, "test"),  # in a run of its own
            ("2", "1", 3.0, "test"),  # in a session of its own, right after the last in the table's order
            ("2", "1", 9.0, "test"),
        ]
    )
    assert found.n_test_trials == 6
    assert found.n_shared_session == 4
    assert found.n_shared_run == 3
    assert found.n_beside_training == 2
    assert found.nearest_s == pytest.approx(12.0)


def test_the_order_of_the_table_does_not_matter():
    rows = [
        ("1", "1", 20.0, "train"),
        ("1", "1", 0.0, "train"),
        ("1", "1", 30.0, "test"),
        ("1", "1", 40.0, "test"),
        ("1", "1", 5.0, "test"),
    ]
    assert shared(rows) == shared(sorted(rows))
    assert shared(rows).n_beside_training == 2


def test_apart_there_is_no_nearest_training_trial():
    found = shared([("1", "1", 0.0, "train"), ("2", "1", 0.0, "test")])
    assert (found.n_shared_session, found.n_shared_run, found.n_beside_training) == (0, 0, 0)
    assert np.isnan(found.nearest_s)


def test_without_sessions_all_trials_are_of_one():
    found = shared([("", "1", 0.0, "train"), ("", "2", 0.0, "test")])
    assert (found.n_shared_session, found.n_shared_run) == (1, 0)
