"""Noise components: time courses that voxels outside the task's reach have in common."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ..structures import BoolArray, FloatArray
from .design import residualise
from .hrf_choice import N_VOXELS_BATCH
from .runs import RunDesign, percent_series

MAX_COMPONENTS = 10
# Fewer voxels than this make components of their own noise.
MIN_POOL = 50
# What is left of a series that lies within the nuisance, as a share of its length.
_ROUNDING = 1e-4
_POOL_SHARE = 0.5


def noise_pool(mean_response_share: NDArray[np.float64], usable: BoolArray) -> BoolArray:
    """(n_voxels,) the half of the usable voxels in which the response to all trials explains least.

    Notes
    -----
    Kay et al. 2013 take voxels below a threshold on the same share; a half needs no mixture model and is
    far fewer than a brain's voxels that a visual task leaves alone.
    """
    pool = np.zeros(len(usable), dtype=bool)
    order = np.flatnonzero(usable)[np.argsort(mean_response_share[usable], kind="stable")]
    pool[order[: int(_POOL_SHARE * len(order))]] = True
    return pool


def noise_components(
    bold: FloatArray, pool: BoolArray, design: RunDesign, device: torch.device
) -> NDArray[np.float64]:
    """A run's leading principal components over the noise pool.

    Parameters
    ----------
    bold : (n_volumes, n_voxels)
    pool : (n_voxels,)
    design : the run's; its nuisance is projected out first
    device : where to compute

    Returns
    -------
    (n_used, n_components) orthonormal, strongest first, at most ``MAX_COMPONENTS``

    Notes
    -----
    Kay et al. 2013: every voxel's series is scaled to unit length, so that none dominates.
    """
    nuisance = torch.from_numpy(design.nuisance.astype(np.float32)).to(device)
    n_used = len(design.times)
    gram = torch.zeros((n_used, n_used), dtype=torch.float64, device=device)
    for start in range(0, bold.shape[1], N_VOXELS_BATCH):
        columns = slice(start, min(start + N_VOXELS_BATCH, bold.shape[1]))
        inside = torch.from_numpy(pool[columns]).to(device)
        if not bool(inside.any()):
            continue
        series, _ = percent_series(bold, design.used, columns, device)
        series = series[:, inside]
        before = series.norm(dim=0)
        series -= nuisance @ (nuisance.T @ series)
        length = series.norm(dim=0)
        series /= torch.where(length > _ROUNDING * before, length, torch.inf)
        gram += (series @ series.T).double()
    values, vectors = np.linalg.eigh(gram.cpu().numpy())
    rank = int((values > 1e-6 * values[-1]).sum())
    n_components = min(
        MAX_COMPONENTS, rank, max(n_used - design.nuisance.shape[1] - len(design.onsets) - 1, 0)
    )
    strongest = vectors[:, ::-1][:, :n_components]
    return np.asarray(np.linalg.qr(residualise(strongest, design.nuisance))[0])
