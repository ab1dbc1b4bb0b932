"""How well responses to repeated stimuli agree across runs: the score by which the ladder is tuned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from ..structures import BoolArray, IntArray, Trials

# Fewer stimuli repeated across runs than this choose at random.
MIN_TUNING_STIMULI = 8
# More than this add memory, not certainty, to the choice of a few numbers.
MAX_TUNING_STIMULI = 400


@dataclass(frozen=True)
class Repeats:
    """Trials of stimuli that were shown in at least two runs.

    Attributes
    ----------
    rows : (n_repeats,) positions among all trials
    stimulus : (n_repeats,) numbers from 0 to ``n_stimuli`` - 1
    run : (n_repeats,) number of the run
    n_stimuli : how many stimuli
    """

    rows: IntArray
    stimulus: IntArray
    run: IntArray
    n_stimuli: int

    @property
    def suffice(self) -> bool:
        """Whether there are enough to choose by."""
        return self.n_stimuli >= MIN_TUNING_STIMULI

    def halves(self) -> tuple[BoolArray, BoolArray]:
        """(n_repeats,) masks of the trials of every second stimulus, and of the others."""
        first = self.stimulus % 2 == 0
        return first, ~first


def find_repeats(trials: Trials, allowed: BoolArray | None = None) -> Repeats:
    """The trials that the ladder may be tuned by.

    Parameters
    ----------
    trials : all trials, over all sessions: repeats are sparse, so pairs across sessions count too
    allowed : (n_trials,) trials that may take part; None for all
    """
    stimulus, run = trials.stimulus_index, trials.run_index
    taking_part = np.ones(len(trials), dtype=bool) if allowed is None else allowed
    pairs = np.unique(np.stack([stimulus, run])[:, taking_part], axis=1)  # (2, n) runs of each stimulus
    runs_of = np.bincount(pairs[0], minlength=int(stimulus.max(initial=-1)) + 1)
    rows = np.flatnonzero(taking_part & (runs_of[stimulus] > 1))
    distinct = pd.unique(stimulus[rows])  # in order of first presentation among the rows allowed
    if len(distinct) > MAX_TUNING_STIMULI:
        spread = np.linspace(0, len(distinct) - 1, MAX_TUNING_STIMULI).round().astype(np.int64)
        rows = rows[np.isin(stimulus[rows], distinct[spread])]
    numbers, distinct = pd.factorize(stimulus[rows])
    return Repeats(rows, numbers.astype(np.int64), run[rows], len(distinct))


def repeat_correlation(
    values: torch.Tensor, repeats: Repeats, among: BoolArray | None = None
) -> torch.Tensor:
    """Correlation of one presentation with another in a different run.

    Parameters
    ----------
    values : (n_repeats, n_voxels), z-scored within session over all trials of the session
    repeats : the rows
    among : (n_repeats,) rows to use; None for all

    Returns
    -------
    (n_voxels,) mean product over all pairs of presentations of a stimulus in different runs: the
    single-trial reliability r, in which noise that a run's trials share has no part

    Notes
    -----
    Over pairs of different runs, sum_ij x_i x_j = sum_s (T_s^2 - sum_r T_sr^2), T_s and T_sr the sums of a
    stimulus' presentations in all runs and in one.
    """
    use = np.ones(len(repeats.rows), dtype=bool) if among is None else among
    values = values[torch.from_numpy(np.flatnonzero(use)).to(values.device)]
    stimulus, run = repeats.stimulus[use], repeats.run[use]
    _, cell, n_in_cell = np.unique(np.stack([stimulus, run]), axis=1, return_inverse=True, return_counts=True)
    n_shown = np.bincount(stimulus)
    n_pairs = float((n_shown**2).sum() - (n_in_cell**2).sum())
    return (_sums(values, stimulus) - _sums(values, cell.ravel())) / max(n_pairs, 1.0)


def _sums(values: torch.Tensor, group: IntArray) -> torch.Tensor:
    """(n_voxels,) sum over groups of the squared sum of a group's rows."""
    totals = values.new_zeros((int(group.max()) + 1, values.shape[1]))
    totals.index_add_(0, torch.from_numpy(group).to(values.device), values)
    return totals.square().sum(dim=0)


def zscored_rows(values: torch.Tensor, sessions: torch.Tensor, repeats: Repeats) -> torch.Tensor:
    """Repeated trials' responses, z-scored within session over all its trials.

    Parameters
    ----------
    values : (n_trials, n_voxels)
    sessions : (n_trials,) session numbers from 0
    repeats : the rows wanted

    Returns
    -------
    (n_repeats, n_voxels); 0 where a voxel does not vary in a session
    """
    count = torch.bincount(sessions).to(values.dtype)[:, None]
    total = values.new_zeros((len(count), values.shape[1]))
    mean = total.index_add(0, sessions, values) / count
    centred = values - mean[sessions]
    variance = total.index_add(0, sessions, centred.square()) / (count - 1).clamp_min(1)
    scale = torch.where(variance > 0, variance.rsqrt(), torch.zeros_like(variance))
    rows = torch.from_numpy(repeats.rows).to(values.device)
    return centred[rows] * scale[sessions[rows]]
