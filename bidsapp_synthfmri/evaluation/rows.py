"""The five rows of the accounting, their difference, and what theory expects of them."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike

from ..structures import FloatArray
from .presentations import Float64Array


@dataclass(frozen=True)
class VoxelwiseAccounting:
    """One value a voxel and row; NaN where the row cannot be computed.

    Attributes
    ----------
    real_real : one presentation with another
    synthetic_real : the noiseless prediction with one presentation
    mean_real_real : the mean of the other presentations with one presentation
    ceiling : square root of the reliability; no predictor does better on average
    noise_matched_real : a synthetic presentation, as noisy as a real one, with a real one
    synthetic_minus_real : ``synthetic_real`` minus ``real_real``, both over the repeated stimuli
    """

    real_real: FloatArray
    synthetic_real: FloatArray
    mean_real_real: FloatArray
    ceiling: FloatArray
    noise_matched_real: FloatArray
    synthetic_minus_real: FloatArray


ROWS = tuple(field.name for field in fields(VoxelwiseAccounting))


def expected_rows(r: ArrayLike, rho: ArrayLike, k: float) -> VoxelwiseAccounting:
    """What METHODS' table expects of every row.

    Parameters
    ----------
    r : (n_voxels,) single-trial reliability; below zero counts as zero
    rho : (n_voxels,) correlation of the model with the true signal
    k : number of other presentations; where it differs over stimuli, its harmonic mean, since the
        mean of k presentations has variance sigma_s^2 + sigma_n^2 mean(1/k)
    """
    reliability = np.maximum(np.asarray(r, dtype=np.float64), 0.0)
    accuracy = np.asarray(rho, dtype=np.float64)
    ceiling = np.sqrt(reliability)
    return VoxelwiseAccounting(
        real_real=_single(reliability),
        synthetic_real=_single(accuracy * ceiling),
        mean_real_real=_single(ceiling * np.sqrt(k * reliability / (1 + (k - 1) * reliability))),
        ceiling=_single(ceiling),
        noise_matched_real=_single(accuracy * reliability),
        synthetic_minus_real=_single(accuracy * ceiling - reliability),
    )


def _single(values: Float64Array) -> FloatArray:
    return values.astype(np.float32)
