"""What a participant's series are beside the responses: level, mean response, drifts, noise over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..structures import BoolArray, IntArray, SeriesStatistics
from .autoregression import N_MEMORY, ORDER, lagged_products, weighted_variance, yule_walker
from .design import orthonormal, residualise, trial_regressors
from .drifts import RunDrifts, drift_variances, on_volumes
from .estimators import ESTIMATORS
from .hrf import CANONICAL, Hrf
from .hrf_choice import N_VOXELS_BATCH
from .runs import EstimableRun, RunData, percent_series

Array = NDArray[np.float64]

# Covariances at more lags than the model has: those beyond it bias the residuals' too.
_N_LAGS = ORDER + 6
# Over which the response common to all trials may have any shape.
_RESPONSE_S = 20.0
# A run that a joint fit leaves fewer degrees of freedom says little of noise.
_MIN_FREEDOM = 20
_MANY_VOXELS = 20_000
_MOST_RUNS, _MOST_RUNS_OF_MANY = 16, 8


def observed_runs(n_runs: int, n_voxels: int) -> frozenset[int]:
    """Numbers of the runs, evenly spread, that are looked at: 16, of over 20,000 voxels a quarter, 2 to 8.

    At a whole brain the second fit of a run takes a fifth of the time that reading it takes.
    """
    most = _MOST_RUNS if n_voxels <= _MANY_VOXELS else int(np.clip(-(-n_runs // 4), 2, _MOST_RUNS_OF_MANY))
    return frozenset(np.linspace(0, n_runs - 1, min(most, n_runs)).round().astype(int).tolist())


class SeriesNoise:
    """Sums over runs from which ``SeriesStatistics`` are made.

    Parameters
    ----------
    n_voxels : of the runs
    estimator : the one used
    hrfs : haemodynamic responses that voxels may have
    hrf_index : (n_voxels,) which of them each has; None where all have the canonical one
    device : where to compute

    Notes
    -----
    Residuals of a joint fit of trials, drifts and confounds are less correlated than the noise itself. With
    M the projection on them and D_j ones at lag j, lagged products r'D_l r of a noise with covariances g_j
    have the expectation sum_j g_j tr(D_l M D_j M) (Worsley et al. 2002), from which g is solved, all runs
    together.
    """

    def __init__(
        self,
        n_voxels: int,
        estimator: str,
        hrfs: Sequence[Hrf] = (CANONICAL,),
        hrf_index: IntArray | None = None,
        device: torch.device | None = None,
    ) -> None:
        self._device = torch.device("cpu") if device is None else device
        self._estimator = estimator
        self._hrf_index: IntArray = np.zeros(n_voxels, dtype=np.int64) if hrf_index is None else hrf_index
        self._hrfs = {int(index): hrfs[index] for index in np.unique(self._hrf_index)}
        self._sums = {index: _HrfSums() for index in self._hrfs}
        self._products = np.zeros((_N_LAGS, n_voxels))
        self._joint = np.zeros(n_voxels)
        self._intensity = np.zeros(n_voxels)
        self._drifts: list[RunDrifts] = []
        self._gains: list[float] = []
        self._repetition_times: list[float] = []

    def add(self, run: RunData, here: EstimableRun) -> None:
        """Take a run; one whose joint fit leaves fewer than 20 degrees of freedom says nothing."""
        if not here.kept.any():
            return
        models = {index: _run_model(run, here, hrf, self._estimator) for index, hrf in self._hrfs.items()}
        if min(model.freedom for model in models.values()) < _MIN_FREEDOM:
            return
        drifts = RunDrifts.of(run, here, run.bold.shape[1])
        for index, model in models.items():
            self._sums[index].add(model)
            for voxels in self._batches(index):
                self._add_voxels(run, here, model, drifts, voxels)
        self._drifts.append(drifts)
        self._gains.append(float(np.mean([model.gain for model in models.values()])))
        self._repetition_times.append(run.repetition_time)

    def statistics(self) -> SeriesStatistics | None:
        """What the runs tell; None where none of them tells anything."""
        if not self._drifts:
            return None
        n_voxels, order = len(self._hrf_index), sorted(self._hrfs)
        covariances, coefficients = np.zeros((_N_LAGS, n_voxels)), np.zeros((ORDER, n_voxels))
        mean, reaching = np.zeros(n_voxels), np.zeros(n_voxels)
        for index in order:
            sums, voxels = self._sums[index], self._hrf_index == index
            covariances[:, voxels] = np.linalg.solve(sums.bias, self._products[:, voxels])
            coefficients[:, voxels] = yule_walker(covariances[:, voxels])
            mean[voxels] = self._joint[voxels] / sums.energy
            reaching[voxels] = weighted_variance(sums.weights / sums.n_runs, coefficients[:, voxels])
        variance = np.maximum(covariances[0], 0)
        duration = max(run.duration for run in self._drifts)
        drifts = drift_variances(self._drifts, duration, variance, coefficients)
        return SeriesStatistics(
            hrf_parameters=np.array([astuple(self._hrfs[index]) for index in order]),
            hrf_index=np.searchsorted(order, self._hrf_index).astype(np.int64),
            intensity=(self._intensity / len(self._drifts)).astype(np.float32),
            mean_response=mean.astype(np.float32),
            noise_sd=np.sqrt(variance).astype(np.float32),
            autoregression=coefficients.astype(np.float32),
            drift_sd=np.sqrt(drifts).astype(np.float32),
            estimate_noise_sd=np.sqrt(variance * np.maximum(reaching, 0)).astype(np.float32),
            gain=float(np.mean(self._gains)),
            repetition_time=float(np.median(self._repetition_times)),
            run_duration=duration,
            n_runs=len(self._drifts),
        )

    def _batches(self, index: int) -> list[slice | IntArray]:
        """The voxels of a haemodynamic response, some at a time; as slices where all share it."""
        if len(self._hrfs) == 1:
            starts = range(0, len(self._hrf_index), N_VOXELS_BATCH)
            return [slice(start, min(start + N_VOXELS_BATCH, len(self._hrf_index))) for start in starts]
        voxels = np.flatnonzero(self._hrf_index == index)
        return [voxels[start : start + N_VOXELS_BATCH] for start in range(0, len(voxels), N_VOXELS_BATCH)]

    def _add_voxels(
        self, run: RunData, here: EstimableRun, model: _RunModel, drifts: RunDrifts, voxels: slice | IntArray
    ) -> None:
        used = here.design.used
        series, _ = percent_series(run.bold, used, voxels, self._device)  # (n_used, n)
        rows = slice(None) if used is None else used
        self._intensity[voxels] += run.bold[rows, voxels].mean(axis=0, dtype=np.float64)
        drifts.squares[:, voxels] = _product(drifts.weights, series) ** 2
        self._joint[voxels] += _product(model.common[np.newaxis], series)[0]
        basis = self._tensor(model.basis)
        series -= basis @ (basis.T @ series)
        if used is not None:
            whole = series.new_zeros((len(used), series.shape[1]))
            whole[torch.from_numpy(used).to(self._device)] = series
            series = whole
        for lag in range(min(_N_LAGS, len(series))):
            product = (series[: len(series) - lag] * series[lag:]).sum(dim=0)
            self._products[lag, voxels] += product.cpu().numpy()

    def _tensor(self, values: Array) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)).to(self._device)


def _product(weights: Array, series: torch.Tensor) -> Array:
    left = torch.from_numpy(np.ascontiguousarray(weights, dtype=np.float32)).to(series.device)
    return np.asarray((left @ series).cpu().numpy(), dtype=np.float64)


@dataclass(frozen=True)
class _RunModel:
    """A run's joint fit with one haemodynamic response.

    Attributes
    ----------
    basis : (n_used, rank) orthonormal, of trials, a mean response of any shape, and nuisance
    bias : (n_lags, n_lags) tr(D_l M D_j M)
    common : (n_used,) sum of the trials' regressors, nuisance out
    weights : (n_lags,) mean over trials of the estimator's weights' lagged products
    gain : mean estimate of a lone response with a peak of 1
    freedom : volumes less the rank of the fit
    """

    basis: Array
    bias: Array
    common: Array
    weights: Array
    gain: float
    freedom: int


def _run_model(run: RunData, here: EstimableRun, hrf: Hrf, estimator: str) -> _RunModel:
    design = here.design
    whole = trial_regressors(design.onsets, design.durations, design.times, hrf)
    trials = residualise(whole, design.nuisance)
    basis = orthonormal(np.column_stack([design.nuisance, trials, _mean_response(run, here)]))
    weights = ESTIMATORS[estimator](design) if estimator in ESTIMATORS else np.asarray(np.linalg.pinv(trials))
    spread = on_volumes(weights.T, design.used, here.n_volumes).T
    return _RunModel(
        basis=basis,
        bias=_bias(basis, design.used, here.n_volumes),
        common=trials.sum(axis=1),
        weights=lagged_products(spread, N_MEMORY).mean(axis=0),
        gain=float(np.einsum("ij,ji->i", weights, whole).mean()),
        freedom=len(design.times) - basis.shape[1],
    )


def _mean_response(run: RunData, here: EstimableRun) -> Array:
    """(n_used, n_bins) of how many trials each volume lies 0, 1, ... repetition times after the onset.

    Where the haemodynamic response chosen is not the voxel's own, what all trials have in common would
    come back in the residuals at every onset, and pass for noise of that period.
    """
    since = here.design.times[:, np.newaxis] - run.onsets  # (n_used, n_trials)
    bins = np.floor(since / run.repetition_time)
    n_bins = int(np.ceil(_RESPONSE_S / run.repetition_time))
    return np.stack([(bins == number).sum(axis=1) for number in range(n_bins)], axis=1).astype(np.float64)


def _bias(basis: Array, used: BoolArray | None, n_volumes: int) -> Array:
    """(n_lags, n_lags) expected lagged products of residuals, by lag (rows) and the noise's covariances."""
    projection = np.eye(len(basis)) - basis @ basis.T
    projection = on_volumes(on_volumes(projection, used, n_volumes).T, used, n_volumes)
    found = np.empty((_N_LAGS, _N_LAGS))
    for lag in range(_N_LAGS):
        half = projection[:, : n_volumes - lag] @ projection[lag:]
        reached = half + half.T if lag else half
        found[:, lag] = [np.trace(reached, offset=other) for other in range(_N_LAGS)]
    return found


class _HrfSums:
    """Sums over runs of what voxels with one haemodynamic response have in common."""

    def __init__(self) -> None:
        self.bias = np.zeros((_N_LAGS, _N_LAGS))
        self.energy = 0.0
        self.weights = np.zeros(N_MEMORY)
        self.n_runs = 0

    def add(self, model: _RunModel) -> None:
        self.bias += model.bias
        self.energy += max(float(model.common @ model.common), np.finfo(np.float64).tiny)
        self.weights += model.weights
        self.n_runs += 1
