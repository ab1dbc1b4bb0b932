"""Pictures on the leading principal components of the training pictures' features, from kernels alone.

With K_l = X_l X_l' the kernel of layer l about the training pictures' mean, scaled to a mean eigenvalue of 1
so that layers count the same, the joint kernel K = sum_l K_l n / trace(K_l) = U diag(lam) U' is that of all
layers' scaled features side by side. Training pictures have the scores U diag(lam)^1/2; another picture, with
cross-kernels k_l about the same mean, sum_l k_l n / trace(K_l) U diag(lam)^-1/2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh

from ..structures import Features, FloatArray, IntArray
from .kernels import cross_kernel

Float64Array = NDArray[np.float64]
N_COMPONENTS = 512
# An eigenvalue below this share of the largest is rounding of kernels in float32.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class PictureComponents:
    """Pictures on the leading principal components of the training pictures' features, all layers together.

    Attributes
    ----------
    stimuli : the pictures' identities, one a row
    scores : (n_pictures, n_components) float32; those of the training pictures have mean 0
    explained : (n_components,) share of the training pictures' variance, descending
    layers : whose features they are; each layer counts the same
    """

    stimuli: tuple[str, ...]
    scores: FloatArray
    explained: FloatArray
    layers: tuple[str, ...]

    def rows_of(self, stimuli: Sequence[str]) -> IntArray:
        """(n,) row of each of some stimuli; KeyError for one that is not there."""
        row = {stimulus: number for number, stimulus in enumerate(self.stimuli)}
        return np.array([row[stimulus] for stimulus in stimuli], dtype=np.int64)


def picture_components(
    features: Features,
    rows: IntArray,
    kernels: FloatArray,
    device: torch.device,
    n_components: int = N_COMPONENTS,
) -> PictureComponents:
    """Scores of every picture; those that are not of training take no part in mean or components.

    Parameters
    ----------
    features : of all pictures
    rows : (n_training,) the training pictures' rows, ascending
    kernels : (n_layers, n_training, n_training) of ``training.layer_kernels``
    device : where cross-kernels are computed
    n_components : at most; fewer where the training pictures span fewer

    Notes
    -----
    One pass over the features of all pictures, 2 n_training n_others n_units FLOP, and the leading
    eigenvectors of one (n_training, n_training) matrix, in float64.
    """
    scales = np.array([np.trace(kernel, dtype=np.float64) / len(kernel) for kernel in kernels])
    joint = np.zeros(kernels.shape[1:])
    for kernel, scale in zip(kernels, scales, strict=True):
        joint += kernel / scale
    variance = float(joint.trace())
    lam, vectors = _leading(joint, n_components)
    scores = np.empty((len(features.stimuli), len(lam)), dtype=np.float32)
    scores[rows] = vectors * np.sqrt(lam)
    others = np.setdiff1d(np.arange(len(features.stimuli)), rows)
    if len(others):
        project = torch.from_numpy(vectors / np.sqrt(lam)).to(device)
        projected = torch.zeros((len(others), len(lam)), dtype=torch.float64, device=device)
        for layer, scale in zip(features.layers, scales, strict=True):
            projected += cross_kernel(layer.values, others, rows, device) @ project / scale
        scores[others] = projected.cpu().numpy()
    return PictureComponents(
        features.stimuli,
        scores,
        (lam / variance).astype(np.float32),
        tuple(layer.name for layer in features.layers),
    )


def _leading(kernel: Float64Array, n_components: int) -> tuple[Float64Array, Float64Array]:
    """(k,) largest eigenvalues, descending, and (n, k) their vectors; none that is rounding."""
    n = len(kernel)
    lam, vectors = eigh(kernel, subset_by_index=(max(0, n - n_components), n - 1), overwrite_a=True)
    kept = np.flatnonzero(lam > _ROUNDING * lam[-1])[::-1]
    return lam[kept], np.ascontiguousarray(vectors[:, kept])
