"""What two readings of all runs tell: each voxel's haemodynamic response, each run's noise components."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from ..structures import BoolArray, FloatArray, IntArray
from .denoising import MIN_POOL, noise_components, noise_pool
from .hrf_choice import TaskFit, choose_hrf, run_model
from .library import hrf_library
from .runs import EstimableRun, RunData, estimable, require_any_usable

# Voxels by which numbers common to all are chosen: enough for a stable median, and a bounded memory.
_MOST_RESPONSIVE = 1000
_RESPONSIVE_BYTES = 128e6
_LIBRARY = hrf_library()


@dataclass(frozen=True)
class FirstReading:
    """What one pass over the runs tells.

    Attributes
    ----------
    designs : of the runs, in order
    hrf_index : (n_voxels,) position in the library
    signal_share : (n_voxels,) share of variance explained beyond noise
    usable : (n_voxels,)
    pool : (n_candidates,) noise pool among the candidates; none where there are too few
    regressors : of every run, by position in the library, (n_used, n_trials) float32, nuisance out
    """

    designs: tuple[EstimableRun, ...]
    hrf_index: IntArray
    signal_share: FloatArray
    usable: BoolArray
    pool: BoolArray
    regressors: tuple[tuple[NDArray[np.float32], ...], ...]

    @property
    def n_pool(self) -> int:
        """Voxels of the noise pool."""
        return int(self.pool.sum())

    @property
    def responsive(self) -> IntArray:
        """Usable voxels that the task explains best: the better half, at most a thousand."""
        usable = np.flatnonzero(self.usable)
        n_volumes = sum(here.n_volumes for here in self.designs)
        most = min(_MOST_RESPONSIVE, max(int(_RESPONSIVE_BYTES / (4 * n_volumes)), 1))
        count = min(most, max(len(usable) // 2, 1))
        return np.sort(usable[np.argsort(-self.signal_share[usable], kind="stable")[:count]])

    def at(self, voxels: IntArray) -> FirstReading:
        """The same of some voxels."""
        return replace(
            self,
            hrf_index=self.hrf_index[voxels],
            signal_share=self.signal_share[voxels],
            usable=self.usable[voxels],
        )


@dataclass(frozen=True)
class SecondReading:
    """What a second pass tells.

    Attributes
    ----------
    components : of every run, (n_used, n_components) orthonormal, as many for each
    responsive : the runs at the responsive voxels alone
    """

    components: tuple[NDArray[np.float64], ...]
    responsive: tuple[RunData, ...]

    def leading(self, number: int) -> tuple[NDArray[np.float64], ...]:
        """The strongest components of every run."""
        return tuple(components[:, :number] for components in self.components)


def first_reading(runs: Iterable[RunData], estimator: str, device: torch.device) -> FirstReading:
    """Designs, haemodynamic responses and noise pool.

    Raises
    ------
    InputMalformedError : a run without usable voxels, or most of it censored
    DesignError : see ``RunDesign.trials``
    """
    designs: list[EstimableRun] = []
    regressors: list[tuple[NDArray[np.float32], ...]] = []
    fit: TaskFit | None = None
    candidates: TaskFit | None = None
    for run in runs:
        here = estimable(run, estimator, _LIBRARY)
        designs.append(here)
        trials = [here.design.trials(hrf) for hrf in _LIBRARY]
        regressors.append(tuple(columns.astype(np.float32) for columns in trials))
        if fit is None:
            fit = TaskFit(len(_LIBRARY), run.bold.shape[1], device)
            candidates = fit if run.pool is None else TaskFit(len(_LIBRARY), run.pool.shape[1], device)
        if not here.kept.any():
            continue
        model = run_model(here.design, trials, device)
        require_any_usable(run.label, fit.add(run.bold, model))
        if candidates is not None and run.pool is not None:
            candidates.add(run.pool, model)
    if fit is None or candidates is None:
        raise ValueError("no runs")
    require_any_usable("All runs together", fit.usable)
    pool = noise_pool(candidates.mean_response_share(), candidates.usable)
    noise = np.zeros(len(_LIBRARY))
    if pool.sum() < MIN_POOL:
        pool[:] = False
    else:
        noise = candidates.trial_share()[:, pool].mean(axis=1)
    index, share = choose_hrf(fit.trial_share(), noise)
    return FirstReading(tuple(designs), index, share, fit.usable, pool, tuple(regressors))


def second_reading(runs: Iterable[RunData], first: FirstReading, device: torch.device) -> SecondReading:
    """Noise components of every run, none without a pool; and the responsive voxels' series."""
    found, small = [], []
    for run, here in zip(runs, first.designs, strict=True):
        bold = run.bold if run.pool is None else run.pool
        if first.n_pool:
            found.append(noise_components(bold, first.pool, here.design, device))
        else:
            found.append(np.empty((len(here.design.times), 0)))
        small.append(replace(run, bold=np.ascontiguousarray(run.bold[:, first.responsive]), pool=None))
    fewest = min(components.shape[1] for components in found)
    return SecondReading(tuple(components[:, :fewest] for components in found), tuple(small))
