"""Responses with each voxel's haemodynamic response: least squares, and fractional ridge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..structures import IntArray, Trials
from .fractional import FractionGrid, fraction_grid, restore, ridge
from .hrf_choice import N_VOXELS_BATCH
from .readings import FirstReading
from .repeats import Repeats, repeat_correlation, zscored_rows
from .runs import RunData, percent_series
from .spectra import Spectra, spectra

_BATCH_BYTES = 512e6
_ARRAYS = 6  # like a batch's responses, alive at once


@dataclass(frozen=True)
class Segment:
    """Voxels of a batch that share a haemodynamic response.

    Attributes
    ----------
    voxels : their places in the batch
    designs : of all runs with that response
    coefficients : (n_runs, n_most, n) in the designs' eigenbases, less those of the mean response
    means : (n_runs, n) the mean response of a run's session, percent
    grid : of ridge penalties
    """

    voxels: torch.Tensor
    designs: Spectra
    coefficients: torch.Tensor
    means: torch.Tensor
    grid: FractionGrid


@dataclass(frozen=True)
class Batch:
    """Some voxels, by haemodynamic response.

    Attributes
    ----------
    columns : the voxels
    segments : disjoint, together all columns
    """

    columns: slice
    segments: tuple[Segment, ...]

    def __len__(self) -> int:
        return int(self.columns.stop - self.columns.start)


class Ladder:
    """Responses of all runs, a batch of voxels at a time.

    Parameters
    ----------
    first : designs and haemodynamic responses
    components : (n_used, n_components) of every run, projected out
    trials : those kept, in order of the runs
    device : where to compute

    Notes
    -----
    Ridge shrinks a voxel's responses towards their mean in the session, which least squares of one common
    response estimates well, not towards zero: what is penalised is what tells trials apart.
    """

    def __init__(
        self,
        first: FirstReading,
        components: Sequence[NDArray[np.float64]],
        trials: Trials,
        device: torch.device,
    ) -> None:
        self._first = first
        self._device = device
        self._sessions = torch.from_numpy(trials.session_index).to(device)
        counts = [len(here.design.onsets) for here in first.designs]
        most = max(counts)
        places = [np.arange(count) + most * run for run, count in enumerate(counts)]
        self._places = torch.from_numpy(np.concatenate(places)).to(device)  # (n_trials,) of n_runs x n_most
        ends = np.cumsum(counts)
        of_trial = trials.session_index
        self._run_session = [int(of_trial[min(max(end - 1, 0), len(of_trial) - 1)]) for end in ends]
        self._spectra = {
            int(hrf): spectra([run[hrf] for run in first.regressors], components, device)
            for hrf in np.unique(first.hrf_index)
        }

    def batches(self, runs: Iterable[RunData]) -> Iterator[Batch]:
        """All voxels, some at a time; ``runs`` is read once a batch."""
        fits = int(_BATCH_BYTES // (4 * _ARRAYS * len(self._places)))
        step, n_voxels = int(np.clip(fits, 64, N_VOXELS_BATCH)), len(self._first.hrf_index)
        for start in range(0, n_voxels, step):
            columns = slice(start, min(start + step, n_voxels))
            yield self._batch(runs, columns)

    def least_squares(self, batch: Batch) -> torch.Tensor:
        """(n_trials, n_columns) percent signal change."""
        return self._assembled(
            batch,
            (
                segment.designs.least_squares(segment.coefficients) + segment.means[:, None, :]
                for segment in batch.segments
            ),
        )

    def ridge(self, batch: Batch, fraction: torch.Tensor) -> torch.Tensor:
        """(n_trials, n_columns) percent signal change; ``fraction`` is (n_columns,)."""
        return self._assembled(
            batch,
            (
                ridge(segment.designs, segment.coefficients, segment.grid.penalties(fraction[segment.voxels]))
                + segment.means[:, None, :]
                for segment in batch.segments
            ),
        )

    def fraction_scores(self, batch: Batch, fractions: Sequence[float], repeats: Repeats) -> torch.Tensor:
        """(3, n_fractions, n_columns) reliability over all repeats and over each half of their stimuli."""
        halves = (None, *repeats.halves())
        scores = []
        for fraction in fractions:
            values = self.ridge(batch, torch.full((len(batch),), fraction, device=self._device))
            zscored = zscored_rows(values, self._sessions, repeats)
            scores.append(torch.stack([repeat_correlation(zscored, repeats, half) for half in halves]))
        return torch.stack(scores, dim=1)

    def restored(self, values: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        """Ridge estimates with the scale and offset of least squares, session by session."""
        result = torch.empty_like(values)
        for session in torch.unique(self._sessions):
            rows = self._sessions == session
            result[rows] = restore(values[rows], reference[rows])
        return result

    def _batch(self, runs: Iterable[RunData], columns: slice) -> Batch:
        index = self._first.hrf_index[columns]
        voxels = {int(hrf): self._indices(np.flatnonzero(index == hrf)) for hrf in np.unique(index)}
        projected: dict[int, list[torch.Tensor]] = {hrf: [] for hrf in voxels}
        for number, run in enumerate(runs):
            used = self._first.designs[number].design.used
            series, _ = percent_series(run.bold, used, columns, self._device)
            for hrf, chosen in voxels.items():
                projected[hrf].append(self._spectra[hrf].projections[number] @ series[:, chosen])
        segments = [self._segment(hrf, chosen, projected.pop(hrf)) for hrf, chosen in voxels.items()]
        return Batch(columns, tuple(segments))

    def _segment(self, hrf: int, voxels: torch.Tensor, projected: list[torch.Tensor]) -> Segment:
        """Take each session's mean response out: m = sum 1'X'y / (q + sum 1'X'X1) over its runs.

        q, the mean square length of a lone regressor, holds m where trials lie so close that their sum
        hardly varies; elsewhere it is a trial among all.
        """
        designs = self._spectra[hrf]
        coefficients = torch.stack(projected)  # (n_runs, n_most, n)
        session = self._indices(np.array(self._run_session))
        joint = coefficients.new_zeros((int(session.max()) + 1, len(voxels)))
        energy = coefficients.new_zeros(len(joint))
        joint.index_add_(0, session, (designs.common[:, :, None] * coefficients).sum(dim=1))
        energy.index_add_(0, session, designs.common.square().sum(dim=1))
        finite = torch.isfinite(designs.singular)
        lone = designs.singular.square()[finite].mean()
        means = (joint / (energy + lone)[:, None])[session]  # (n_runs, n)
        coefficients -= designs.common[:, :, None] * means[:, None, :]
        return Segment(voxels, designs, coefficients, means, fraction_grid(designs, coefficients))

    def _assembled(self, batch: Batch, parts: Iterable[torch.Tensor]) -> torch.Tensor:
        result = torch.empty((len(self._places), len(batch)), device=self._device)
        for segment, values in zip(batch.segments, parts, strict=True):
            result[:, segment.voxels] = values.reshape(-1, values.shape[2])[self._places]
        return result

    def _indices(self, numbers: IntArray) -> torch.Tensor:
        return torch.from_numpy(numbers).to(self._device)
