"""What cross-validation chose for each voxel of an encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..structures import FloatArray, IntArray

if TYPE_CHECKING:
    from .fit import EncoderFit


@dataclass(frozen=True, eq=False)
class VoxelChoices:
    """What cross-validation chose for each voxel, and how well it then predicted.

    Attributes
    ----------
    layers : names of the candidate layers
    layer : (n_voxels,) position in ``layers`` of the layer with the largest weight
    alpha : (n_voxels,) float64 ridge penalty of that layer, one of the grid's, for kernels scaled by
        trace / n; not-a-number where no layer is used
    cv_r, cv_r2 : (n_voxels,) of out-of-fold predictions of single trials of the training set, layers chosen
        without them, penalties with them: no test scores
    """

    layers: tuple[str, ...]
    layer: IntArray
    alpha: NDArray[np.float64]
    cv_r: FloatArray
    cv_r2: FloatArray

    @classmethod
    def of_fit(cls, fit: EncoderFit) -> VoxelChoices:
        """The choices of a fit."""
        alpha = np.take_along_axis(fit.alpha, fit.best_layer[None], axis=0)[0]
        return cls(fit.layers, fit.best_layer, alpha, fit.selected_r, fit.selected_r2)
