"""What an estimator hands over, and how it becomes Responses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DesignError, InputMalformedError
from ..structures import BoolArray, Estimation, FloatArray, Responses, Space, Trials
from .runs import EstimableRun

Allocate = Callable[[tuple[int, int]], FloatArray]

PRECOMPUTED = "precomputed"
_BATCH_VALUES = 2**24
_REASONS = {
    "tr34": "no volume used lies 4-8 s after its onset",
    "": "less than a quarter of its regressor lies within the volumes used, drifts and confounds out",
}


def in_memory(shape: tuple[int, int]) -> FloatArray:
    """An array for responses; where they exceed memory, a mapped file can stand in its place."""
    return np.empty(shape, dtype=np.float32)


@dataclass(frozen=True)
class Estimate:
    """Responses as an estimator gives them.

    Attributes
    ----------
    values : (n_kept, n_voxels) percent signal change
    usable : (n_voxels,) whether a voxel was usable in every run
    runs : which trials each run kept
    estimator : the rung used
    choices : what was chosen, its voxel arrays over all ``n_voxels``
    """

    values: FloatArray
    usable: BoolArray
    runs: tuple[EstimableRun, ...]
    estimator: str
    choices: Estimation


def kept_trials(runs: tuple[EstimableRun, ...], trials: Trials) -> BoolArray:
    """(n_trials,) which trials can be estimated.

    Raises
    ------
    DesignError : none
    ValueError : the runs hold another number of trials than the table
    """
    kept = np.concatenate([run.kept for run in runs])
    if len(kept) != len(trials):
        raise ValueError(f"runs hold {len(kept)} trials, the table {len(trials)}")
    if not kept.any():
        raise DesignError(
            f"None of {len(kept)} trials can be estimated: their responses lie outside the volumes used",
            "Check that onsets are in seconds from the run's first volume, and --fd-threshold",
        )
    return kept


def finish(estimate: Estimate, trials: Trials, voxels: Space) -> Responses:
    """Responses z-scored within session, unusable voxels left out, what was left out counted.

    Raises
    ------
    InputMalformedError : a session has a single trial, or no voxel is usable in every run
    """
    kept = kept_trials(estimate.runs, trials)
    described = _described(estimate, trials, kept)
    return _standardised(
        estimate.values, estimate.usable, trials.take(kept), voxels, estimate.estimator, described
    )


def standardise_precomputed(
    values: FloatArray, trials: Trials, voxels: Space, estimation: Estimation
) -> Responses:
    """Responses that others computed, z-scored within session.

    Parameters
    ----------
    values : (n_trials, n_voxels), in any unit; left as they are
    trials, voxels : rows and columns
    estimation : what is known of how they came about

    Returns
    -------
    Responses in unit ``z``; voxels that are not finite, or constant in a session, are left out and counted

    Raises
    ------
    InputMalformedError : no voxel is usable; a session has fewer than two trials
    """
    usable: BoolArray = np.asarray(np.isfinite(values).all(axis=0), dtype=np.bool_)
    scored = np.where(usable, values, np.float32(0))
    return _standardised(scored, usable, trials, voxels, PRECOMPUTED, estimation)


def _standardised(
    values: FloatArray,
    usable: BoolArray,
    trials: Trials,
    voxels: Space,
    estimator: str,
    described: Estimation,
) -> Responses:
    """Usable voxels that vary in every session, z-scored in place; the others counted."""
    _require_pairs(trials)
    varying, spread = zscore_within(values, trials.session_index)
    usable = usable & varying
    described = replace(described, estimate_sd=spread)
    if not usable.any():
        raise InputMalformedError(
            f"None of the {len(usable)} voxels of the masks is usable in every run",
            "Check the runs' signal; leave out bad sessions with --session-label",
        )
    return Responses(
        values=values if usable.all() else values[:, usable],
        trials=trials,
        voxels=voxels.take(usable),
        estimator=estimator,
        unit="z",
        dropped_voxels=int((~usable).sum()),
        estimation=described.take_voxels(usable),
    )


def zscore_within(values: FloatArray, groups: NDArray[np.int64]) -> tuple[BoolArray, FloatArray]:
    """Z-score values in place, per voxel within each group of rows.

    Parameters
    ----------
    values : (n_trials, n_voxels); 0 afterwards where a voxel does not vary in a group
    groups : (n_trials,) group numbers, such as the session's

    Returns
    -------
    (n_voxels,) whether a voxel varies in every group; (n_voxels,) SD within group before, pooled over groups
    """
    varying = np.ones(values.shape[1], dtype=bool)
    rows_of = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    freedom = sum(len(rows) - 1 for rows in rows_of)
    squares = np.zeros(values.shape[1])
    step = max(_BATCH_VALUES // max(len(values), 1), 1)
    for start in range(0, values.shape[1], step):
        columns = slice(start, start + step)
        for rows in rows_of:
            block = values[rows, columns].astype(np.float64)
            spread = block.std(axis=0, ddof=1)
            good = spread > 0
            values[rows, columns] = np.where(
                good, (block - block.mean(axis=0)) / np.where(good, spread, 1), 0
            )
            varying[columns] &= good
            squares[columns] += (len(rows) - 1) * spread**2
    return varying, np.sqrt(squares / max(freedom, 1)).astype(np.float32)


def _described(estimate: Estimate, trials: Trials, kept: BoolArray) -> Estimation:
    choices = estimate.choices
    dropped = trials.table.loc[~kept, ["session", "run", "onset", "stimulus"]]
    n_cut = sum(run.n_cut for run in estimate.runs)
    return replace(
        choices,
        notes=(*choices.notes, *_trial_notes(len(dropped), n_cut, len(trials))),
        dropped_trials=dropped.assign(reason=_REASONS.get(choices.asked, _REASONS[""])),
        n_volumes=sum(run.n_volumes for run in estimate.runs),
        n_censored=sum(run.n_volumes - len(run.design.times) for run in estimate.runs),
    )


def _trial_notes(n_dropped: int, n_cut: int, n_trials: int) -> tuple[str, ...]:
    notes = []
    if n_dropped:
        notes.append(
            f"{n_dropped} of {n_trials} trials could not be estimated and were left out: too little of their "
            "response lies within the volumes used."
        )
    if n_cut:
        notes.append(
            f"{n_cut} trials were kept although the run's ends or censored volumes cut off some of their "
            "response; their estimates are noisier than the others'."
        )
    return tuple(notes)


def nothing_chosen(asked: str, notes: tuple[str, ...] = ()) -> Estimation:
    """The record of an estimator that chooses nothing."""
    empty = pd.DataFrame(columns=["session", "run", "onset", "stimulus", "reason"])
    return Estimation(asked=asked, notes=notes, dropped_trials=empty)


def _require_pairs(trials: Trials) -> None:
    counts = trials.table["session"].value_counts()
    if counts.min() < 2:
        session = str(counts.idxmin())
        raise InputMalformedError(
            f"Session {session or '(the only one)'} has a single trial, which cannot be z-scored",
            "Leave the session out with --session-label",
        )
