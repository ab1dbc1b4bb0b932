"""One run: what is read of it, which of its trials can be estimated, its series in percent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import DesignError, InputMalformedError
from ..structures import BoolArray, FloatArray, IntArray
from .design import frame_times, nuisance_basis, orthonormal, residualise, trial_regressors
from .hrf import CANONICAL, Hrf, boxcar_response

Matrix = NDArray[np.float64]

# Noise of an estimate grows as its regressor shrinks. One of which less than this share of the whole,
# isolated regressor's length is left would dominate the session's spread, by which all are z-scored.
MIN_LENGTH = 0.25
_WHOLE = 0.95
_RESPONSE_S = 64.0
_NOTHING = 1e-6
_TR34_WINDOW_S = (4.0, 8.0)
_SAME_ONSET_S = 1e-3


@dataclass(frozen=True)
class RunData:
    """One run, read.

    Attributes
    ----------
    label : the run's name, for messages
    bold : (n_volumes, n_voxels) float32, the scanner's units
    onsets, durations : (n_trials,) seconds from the run's first volume
    confounds : (n_volumes, n_confounds)
    repetition_time : seconds
    start_time : seconds after a volume's onset to which slice timing refers it
    censored : (n_volumes,) volumes that take no part in any fit; None for none
    pool : (n_volumes, n_pool) series of brain voxels outside the masks, from which noise components may be
        taken; None where ``bold`` is the whole brain
    """

    label: str
    bold: FloatArray
    onsets: NDArray[np.float64]
    durations: NDArray[np.float64]
    confounds: NDArray[np.float64]
    repetition_time: float
    start_time: float
    censored: BoolArray | None = None
    pool: FloatArray | None = None


@dataclass(frozen=True)
class RunDesign:
    """What an estimator needs to know of a run.

    Attributes
    ----------
    onsets, durations : (n_trials,) seconds
    times : (n_used,) seconds at which the volumes used sample the signal
    nuisance : (n_used, rank) orthonormal, the intercept in its span
    label : the run's name, for messages
    start_time : seconds from a volume's own onset to its time
    used : (n_volumes,) volumes that are not censored; None for all
    repetition_time : seconds; None means the shortest step between the volumes used
    """

    onsets: Matrix
    durations: Matrix
    times: Matrix
    nuisance: Matrix
    label: str
    start_time: float = 0.0
    used: BoolArray | None = None
    repetition_time: float | None = None

    def trials(self, hrf: Hrf = CANONICAL) -> Matrix:
        """(n_used, n_trials) regressors, nuisance projected out.

        Raises
        ------
        DesignError : a trial has nothing left (a confound equals it, or there are as many as volumes)
        """
        left = residualise(trial_regressors(self.onsets, self.durations, self.times, hrf), self.nuisance)
        length = np.linalg.norm(left, axis=0)
        if (length < _NOTHING).any():
            trial = int(np.argmin(length))
            raise DesignError(
                f"{self.label}: trial {trial + 1} at {self.onsets[trial]:.2f} s leaves no trace in a scan of"
                f" {self.times[-1] - self.times[0]:.0f} s once drifts and confounds are out",
                "Check the onsets against the run's length, or remove the trial from the events file",
            )
        return left

    def window(self) -> BoolArray:
        """(n_used, n_trials) whether a volume lies in a trial's TR34 window, 4-8 s after onset.

        Volumes are counted by their own onsets, rounded to the nearest TR from the trial's, so that
        jittered onsets find the same TRs.
        """
        half = (self.repetition_time or float(np.diff(self.times).min())) / 2
        since = (self.times - self.start_time)[:, None] - self.onsets[None, :] + half
        return np.asarray((since >= _TR34_WINDOW_S[0]) & (since < _TR34_WINDOW_S[1]))


@dataclass(frozen=True)
class EstimableRun:
    """A run's design with only the trials that can be estimated.

    Attributes
    ----------
    design : of the trials kept; what others left in the series is part of its nuisance
    kept : (n_trials,) whether a trial of the run was kept
    n_cut : how many of those kept lose some of their response to the run's ends or to censoring
    n_volumes : of the run, censored ones among them
    """

    design: RunDesign
    kept: BoolArray
    n_cut: int
    n_volumes: int


def estimable(run: RunData, estimator: str, hrfs: Sequence[Hrf] = (CANONICAL,)) -> EstimableRun:
    """The run's design, trials dropped by rule.

    Parameters
    ----------
    run : its series and events
    estimator : the rung
    hrfs : haemodynamic responses that a voxel may be given

    Returns
    -------
    the design of the trials kept. A trial is kept when, whatever the haemodynamic response, at least a
    quarter of the length of its whole, isolated regressor is left inside the volumes used, nuisance
    projected out; for ``tr34``, when a volume lies in its window. The remainder of a dropped trial is
    projected out with the nuisance

    Raises
    ------
    InputMalformedError : fewer than half of the run's volumes are not censored
    DesignError : two of the trials kept start at once
    """
    design = _whole_design(run)
    whole = _whole_lengths(run, CANONICAL)
    inside = trial_regressors(run.onsets, run.durations, design.times)  # (n_used, n_trials)
    left = residualise(inside, design.nuisance)
    if estimator == "tr34":
        kept = design.window().any(axis=0)
    else:
        kept = np.min([_share_left(run, design, hrf) for hrf in hrfs], axis=0) >= MIN_LENGTH
    traces = left[:, ~kept & (np.linalg.norm(left, axis=0) > _NOTHING * whole)]
    nuisance = design.nuisance
    if traces.shape[1]:
        nuisance = orthonormal(np.column_stack([nuisance, traces]))
    _require_distinct(run.label, run.onsets[kept])
    is_cut = np.linalg.norm(inside, axis=0) < _WHOLE * whole
    return EstimableRun(
        replace(design, onsets=run.onsets[kept], durations=run.durations[kept], nuisance=nuisance),
        np.asarray(kept, dtype=bool),
        int((is_cut & kept).sum()),
        len(run.bold),
    )


def _whole_design(run: RunData) -> RunDesign:
    """The design of all trials in the volumes used."""
    n_volumes = len(run.bold)
    used = None if run.censored is None or not run.censored.any() else ~run.censored
    if used is not None and 2 * used.sum() < n_volumes:
        raise InputMalformedError(
            f"{run.label}: {n_volumes - int(used.sum())} of {n_volumes} volumes exceed the motion threshold",
            "Raise --fd-threshold, or leave the run's session out with --session-label",
        )
    times = frame_times(n_volumes, run.repetition_time, run.start_time)
    return RunDesign(
        onsets=run.onsets,
        durations=run.durations,
        times=times if used is None else times[used],
        nuisance=nuisance_basis(times, run.confounds, used),
        label=run.label,
        start_time=run.start_time,
        used=used,
        repetition_time=run.repetition_time,
    )


def _share_left(run: RunData, design: RunDesign, hrf: Hrf) -> Matrix:
    """(n_trials,) length of a regressor inside the volumes used, nuisance out, over its whole length."""
    inside = trial_regressors(run.onsets, run.durations, design.times, hrf)
    return np.asarray(np.linalg.norm(residualise(inside, design.nuisance), axis=0) / _whole_lengths(run, hrf))


def _require_distinct(label: str, onsets: Matrix) -> None:
    """Refuse trials that start at once: separate and ridge estimates would be shared, not refused."""
    first, second = np.sort(onsets)[:-1], np.sort(onsets)[1:]
    same = second - first < _SAME_ONSET_S
    if same.any():
        raise DesignError(
            f"{label}: two trials start at {first[np.argmax(same)]:.2f} s and cannot be told apart",
            "Keep one row a presentation in the events file",
        )


def _whole_lengths(run: RunData, hrf: Hrf) -> Matrix:
    """(n_trials,) lengths of regressors in a scan that goes on before and after them."""
    phase = np.mod(run.start_time - run.onsets, run.repetition_time)
    longest = float(run.durations.max(initial=0.0)) + _RESPONSE_S
    since = np.arange(0, longest, run.repetition_time)[:, None] + phase[None, :]  # (n, n_trials)
    return np.asarray(np.linalg.norm(boxcar_response(since, run.durations[None, :], hrf), axis=0))


def percent_series(
    bold: FloatArray, used: BoolArray | None, columns: slice | IntArray, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Some voxels' series in percent of their own mean, about it.

    Parameters
    ----------
    bold : (n_volumes, n_voxels) float32
    used : (n_volumes,) volumes that are not censored; None for all
    columns : the voxels

    Returns
    -------
    (n_used, n_columns) float32, 0 where a voxel is unusable; and (n_columns,) whether it is usable:
    finite, not constant, with a mean above 0
    """
    block = bold[:, columns]
    if used is not None:
        block = block[used]
    series = torch.from_numpy(np.array(block, dtype=np.float32, order="C")).to(device)
    mean = series.mean(dim=0)  # (n_columns,)
    usable = torch.isfinite(mean) & (mean > 0) & (series != series[0]).any(dim=0)
    series -= mean
    series *= torch.where(usable, 100 / mean, torch.zeros_like(mean))
    if not bool(usable.all()):
        series[:, ~usable] = 0
    return series, usable


def require_any_usable(label: str, usable: BoolArray) -> None:
    """Check that a run has a voxel to estimate.

    Raises
    ------
    InputMalformedError : none of (n_voxels,) is usable
    """
    if not usable.any():
        raise InputMalformedError(
            f"{label}: all {len(usable)} voxels of the masks are constant, zero or not finite",
            "Check that the masks lie on this BOLD series' brain, and that the series is complete",
        )
