"""What test and training trials share in time: sessions, runs, and overlapping responses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..structures import BoolArray, Trials


@dataclass(frozen=True)
class Sharing:
    """Test trials, and those that have training trials near.

    Attributes
    ----------
    n_test_trials : all
    n_shared_session, n_shared_run : in a session, or run, that training trials come from too
    n_beside_training : that follow or precede a training trial directly, in the same run
    nearest_s : median seconds between the onset of a test trial and that of the nearest training trial of
        its run; NaN where no run has both
    """

    n_test_trials: int
    n_shared_session: int
    n_shared_run: int
    n_beside_training: int
    nearest_s: float


def time_shared(trials: Trials, is_test: BoolArray) -> Sharing:
    """How near in time training trials are to test trials.

    Parameters
    ----------
    trials : those that have a response
    is_test : (n_trials,)
    """
    runs, sessions = trials.run_index, trials.session_index
    onsets = trials.table["onset"].to_numpy(dtype=np.float64)
    beside = np.zeros(len(runs), dtype=bool)
    order = np.lexsort((onsets, runs))
    together = runs[order][1:] == runs[order][:-1]
    earlier, later = order[:-1][together], order[1:][together]
    beside[later] |= ~is_test[earlier]
    beside[earlier] |= ~is_test[later]
    nearest = [
        np.abs(onsets[tested, None] - onsets[trained]).min(axis=1)
        for run in np.unique(runs)
        if len(tested := np.flatnonzero((runs == run) & is_test))
        and len(trained := np.flatnonzero((runs == run) & ~is_test))
    ]
    return Sharing(
        n_test_trials=int(is_test.sum()),
        n_shared_session=int(np.isin(sessions[is_test], sessions[~is_test]).sum()),
        n_shared_run=int(np.isin(runs[is_test], runs[~is_test]).sum()),
        n_beside_training=int((beside & is_test).sum()),
        nearest_s=float(np.median(np.concatenate(nearest))) if nearest else float("nan"),
    )
