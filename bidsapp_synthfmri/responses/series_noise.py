"""What a participant's series are beside the responses: level, mean response, drifts, noise over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..structures import BoolArray, IntArray, SeriesStatistics
from .autoregression import N_MEMORY, ORDER, correlations, lagged_products, weighted_variance, yule_walker
from .design import orthonormal, residualise, trial_regressors
from .drifts import RunDrifts, drift_variances, on_volumes
from .estimators import ESTIMATORS
from .hrf import CANONICAL, Hrf
from .hrf_choice import N_VOXELS_BATCH
from .runs import EstimableRun, RunData, percent_series

Array = NDArray[np.float64]

# Covariances at lags beyond the model's bias residuals too: they follow from its coefficients.
_N_LAGS = 16
_N_ROUNDS = 6
# Over which the response common to all trials may have any shape.
_RESPONSE_S = 20.0
# A run that a joint fit leaves fewer degrees of freedom says little of noise.
_MIN_FREEDOM = 20
_MANY_VOXELS = 20_000
_MOST_RUNS, _MOST_RUNS_OF_MANY = 16, 8


def observed_runs(n_runs: int, n_voxels: int) -> frozenset[int]:
    """Numbers of the runs, evenly spread, that are looked at: 16, of over 20,000 voxels a sixth, 2 to 8.

    Of a whole brain the second fit of a run takes a third to a half of the time of reading and estimating it.
    """
    most = _MOST_RUNS if n_voxels <= _MANY_VOXELS else int(np.clip(-(-n_runs // 6), 2, _MOST_RUNS_OF_MANY))
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
    have the expectation sum_j g_j tr(D_l M D_j M) (Worsley et al. 2002), from which g at lags 0, 1 and 2 is
    solved, all runs together; at further lags it follows from these, in a few rounds.
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
        self._products = np.zeros((ORDER + 1, n_voxels))
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
        variance, coefficients = np.zeros(n_voxels), np.zeros((ORDER, n_voxels))
        mean, reaching = np.zeros(n_voxels), np.zeros(n_voxels)
        for index in order:
            sums, voxels = self._sums[index], self._hrf_index == index
            variance[voxels], coefficients[:, voxels] = sums.noise(self._products[:, voxels])
            mean[voxels] = self._joint[voxels] / sums.energy
            reaching[voxels] = weighted_variance(sums.weights / sums.n_runs, coefficients[:, voxels])
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
        self._intensity[voxels] += run.bold[:, voxels][rows].mean(axis=0, dtype=np.float64)
        drifts.squares[:, voxels] = _product(drifts.weights, series) ** 2
        self._joint[voxels] += _product(model.common[np.newaxis], series)[0]
        basis = self._tensor(model.basis)
        series -= basis @ (basis.T @ series)
        if used is not None:
            whole = series.new_zeros((len(used), series.shape[1]))
            whole[torch.from_numpy(used).to(self._device)] = series
            series = whole
        for lag in range(ORDER + 1):
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
    bias : (3, n_lags) tr(D_l M D_j M)
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
    """(3, n_lags) expected lagged products of residuals, by lag (rows) and the noise's covariances.

    tr(D_l M D_j M), D_l one-sided and D_j two-sided, as sums of products of M with M shifted by both lags.
    """
    projection = np.eye(len(basis)) - basis @ basis.T
    whole = on_volumes(on_volumes(projection, used, n_volumes).T, used, n_volumes)
    found = np.empty((ORDER + 1, _N_LAGS))
    for lag, other in np.ndindex(found.shape):
        rows, columns = n_volumes - lag, n_volumes - other
        found[lag, other] = (whole[:rows, :columns] * whole[lag:, other:]).sum()
        if other:
            found[lag, other] += (whole[lag:, :columns] * whole[:rows, other:]).sum()
    return found


class _HrfSums:
    """Sums over runs of what voxels with one haemodynamic response have in common.

    Notes
    -----
    A correlation g_l / g_0 is a ratio of two estimates that err together. In noise that is nearly white their
    covariance is 2 B^-1 diag(1, 1/2, 1/2, ...) g_0^2, B the bias; with k = 2 (B^-1)_.0 the ratio comes out as
    g_l / g_0 (1 + k_0) - k_l, to first order in the inverse of the degrees of freedom.
    """

    def __init__(self) -> None:
        self.bias = np.zeros((ORDER + 1, _N_LAGS))
        self.energy = 0.0
        self.weights = np.zeros(N_MEMORY)
        self.n_runs = 0

    def noise(self, products: Array) -> tuple[Array, Array]:
        """Variance (n,) and coefficients (2, n) of the noise, by lagged products (3, n) of residuals."""
        free, beyond = self.bias[:, : ORDER + 1], self.bias[:, ORDER + 1 :]
        inverse = np.linalg.inv(free)
        off = 2 * inverse[:, :1]
        reached = products
        for _ in range(_N_ROUNDS):
            found = inverse @ reached  # (3, n)
            found[1:] = (found[1:] + off[1:] * found[0]) / (1 + off[0])
            variance, coefficients = np.maximum(found[0], 0), yule_walker(found)
            further = variance * correlations(coefficients, _N_LAGS)[ORDER + 1 :]
            reached = products - beyond @ further
        return variance, coefficients

    def add(self, model: _RunModel) -> None:
        self.bias += model.bias
        self.energy += max(float(model.common @ model.common), np.finfo(np.float64).tiny)
        self.weights += model.weights
        self.n_runs += 1
