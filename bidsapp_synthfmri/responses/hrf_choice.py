"""Per voxel, the haemodynamic response of a library that explains its series best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..structures import BoolArray, FloatArray, IntArray
from .runs import RunDesign, percent_series

# Voxels computed at once: their series of a run and their coefficients of a library fit the cache.
N_VOXELS_BATCH = 4096


class TaskFit:
    """Sums over runs of what the task explains of each voxel.

    Parameters
    ----------
    n_library : haemodynamic responses tried
    n_voxels : columns
    device : where to compute

    Attributes
    ----------
    explained : (n_library, n_voxels) sum of squares of the single-trial model's fit with each response
    total : (n_voxels,) sum of squares, nuisance out
    usable : (n_voxels,) whether a voxel was usable in every run
    """

    def __init__(self, n_library: int, n_voxels: int, device: torch.device) -> None:
        self.explained: NDArray[np.float64] = np.zeros((n_library, n_voxels))
        self.total: NDArray[np.float64] = np.zeros(n_voxels)
        self.usable: BoolArray = np.ones(n_voxels, dtype=bool)
        self._joint: NDArray[np.float64] = np.zeros(n_voxels)
        self._energy = 0.0
        self._device = device

    def add(self, bold: FloatArray, model: RunModel) -> BoolArray:
        """Take a run's series (n_volumes, n_voxels); (n_voxels,) which of them are usable in it."""
        here = np.ones(bold.shape[1], dtype=bool)
        self._energy += float(model.mean_response.square().sum())
        for start in range(0, bold.shape[1], N_VOXELS_BATCH):
            columns = slice(start, min(start + N_VOXELS_BATCH, bold.shape[1]))
            series, usable = percent_series(bold, model.used, columns, self._device)
            series -= model.nuisance @ (model.nuisance.T @ series)  # (n_used, n_columns)
            coefficients = model.bases @ series  # (n_library * n_trials, n_columns)
            squares = coefficients.square_().reshape(len(self.explained), -1, series.shape[1]).sum(dim=1)
            self.explained[:, columns] += squares.cpu().numpy()
            self.total[columns] += series.square().sum(dim=0).cpu().numpy()
            self._joint[columns] += (model.mean_response @ series).cpu().numpy()
            here[columns] = usable.cpu().numpy()
        self.usable &= here
        return here

    def mean_response_share(self) -> NDArray[np.float64]:
        """(n_voxels,) share of variance explained by one response to all trials, the same in all runs."""
        return _share(self._joint**2 / max(self._energy, np.finfo(np.float64).tiny), self.total)

    def trial_share(self) -> NDArray[np.float64]:
        """(n_library, n_voxels) share of variance explained by a response a trial."""
        return _share(self.explained, self.total)


@dataclass(frozen=True)
class RunModel:
    """A run's designs with every response of a library, ready for many voxels.

    Attributes
    ----------
    nuisance : (n_used, rank)
    bases : (n_library * n_trials, n_used) orthonormal bases of the designs, nuisance out
    mean_response : (n_used,) sum of the canonical regressors, nuisance out
    used : (n_volumes,) volumes not censored; None for all
    """

    nuisance: torch.Tensor
    bases: torch.Tensor
    mean_response: torch.Tensor
    used: BoolArray | None


def run_model(design: RunDesign, trials: Sequence[NDArray[np.float64]], device: torch.device) -> RunModel:
    """Everything of a run that ``TaskFit`` needs besides its series.

    Parameters
    ----------
    design : the run's
    trials : (n_used, n_trials) regressors with each response of the library, nuisance out
    device : where the result goes
    """
    bases = [np.linalg.qr(columns)[0].T for columns in trials]

    def tensor(values: NDArray[np.float64]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)).to(device)

    return RunModel(
        nuisance=tensor(design.nuisance),
        bases=tensor(np.concatenate(bases)),
        mean_response=tensor(design.trials().sum(axis=1)),
        used=design.used,
    )


def choose_hrf(shares: NDArray[np.float64], noise: NDArray[np.float64]) -> tuple[IntArray, FloatArray]:
    """The response that explains most of each voxel beyond what it explains of noise.

    Parameters
    ----------
    shares : (n_library, n_voxels) shares of variance explained by the single-trial models
    noise : (n_library,) mean share explained in voxels that the task does not drive

    Returns
    -------
    (n_voxels,) position in the library; (n_voxels,) the share beyond noise, negative where noise
    explains as much

    Notes
    -----
    Allen et al. 2022 take the largest in-sample share. All responses have as many regressors, but slow
    ones lie where BOLD's noise is strongest and would be favoured: with n_h the share of noise and q the
    share of signal, a model that fits explains q + n_h (1 - q), from which q is solved.
    """
    signal = (shares - noise[:, None]) / (1 - noise[:, None])
    best = signal.argmax(axis=0)
    return best.astype(np.int64), signal.max(axis=0).astype(np.float32)


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    share: NDArray[np.float64] = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    return share
