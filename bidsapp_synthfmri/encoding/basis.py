"""Weights of many voxels as basis times coefficients, within a bound on the change of predictions.

With X (n, p) the training images' features about their mean, W = X'C (p, v) the weights and S the
covariance of features, the change of voxel j's prediction of an image has the variance
(w_j - u_j)' S (w_j - u_j) when u_j stands for w_j. Divided by each voxel's own w_j' S w_j =: d_j^2, the
sum of all voxels' changes is least, for every rank k, when W D^-1 is projected onto the k leading right
singular vectors B of S^1/2 W D^-1: U = W D^-1 B B' D. As W lies in the span of X, all of it follows from
the kernel K = X X' and C: the basis is X'Z with Z = C D^-1 B, and nothing of the size of W is formed.

S is the covariance of the training images shrunk towards a multiple of the identity,
S = (1 - g) X'X / n + g t I, with Ledoit and Wolf's g: directions that the training images hardly vary in
count for what new images vary in them. In the kernel's eigenbasis, K = Q diag(l) Q', this is
W' S W = C' Q diag((1 - g) l^2 / n + g t l) Q' C.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..structures import FloatArray

FloatMatrix = NDArray[np.float64]
_VOXELS_A_BLOCK = 4096


@dataclass(frozen=True)
class Truncation:
    """Weights X'C as (X'Z) M.

    Attributes
    ----------
    dual : (n_images, rank) float32, Z
    mixing : (rank, n_voxels) float32, M
    """

    dual: FloatArray
    mixing: FloatArray


def truncate(
    kernel: FloatMatrix, dual: FloatArray, shown: FloatMatrix, n_units: int, bound: float
) -> Truncation:
    """The lowest rank that keeps every voxel's predictions.

    Parameters
    ----------
    kernel : (n_images, n_images) inner products about the mean of the trials' images
    dual : (n_images, n_voxels) C
    shown : (n_images,) share of the trials in which each image was shown, none 0
    n_units : the layer's
    bound : on each voxel's change of predictions, as standard deviation over that of its predictions

    Notes
    -----
    METHODS, "What an encoder stores"; shrinkage: Ledoit and Wolf 2004. Two eigendecompositions of
    (n_images, n_images), and three passes over blocks of voxels.
    """
    root = np.sqrt(shown)[:, None]
    weighted = kernel * root * root.T
    eigenvalues, vectors = np.linalg.eigh(weighted)
    metric = prediction_variance(weighted, eigenvalues, shown, n_units)
    projector = (vectors * np.sqrt(metric)).T / root.T  # (n, n); times C: S^1/2 W in the eigenbasis
    norms = np.linalg.norm
    sd = np.concatenate([norms(projector @ C, axis=0) for C in voxel_blocks(dual)])  # (v,)
    sd[sd == 0] = 1
    outer = np.zeros_like(kernel)
    for C, d in zip(voxel_blocks(dual), voxel_blocks(sd), strict=True):
        scaled = projector @ C / d  # (n, v_block), columns of norm 1
        outer += scaled @ scaled.T
    directions = np.linalg.eigh(outer)[1][:, ::-1].T @ projector  # leading first; times C: (n, v)
    rank = _rank(directions, dual, sd, bound)
    return _truncated(directions[:rank], dual, sd)


def prediction_variance(
    weighted: FloatMatrix, eigenvalues: FloatMatrix, shown: FloatMatrix, n_units: int
) -> FloatMatrix:
    """Variance of predictions of new images along each eigenvector of the kernel.

    Parameters
    ----------
    weighted : (n, n) the kernel, rows and columns times the square root of ``shown``
    eigenvalues : (n,) of it
    shown : (n,) share of the trials
    n_units : the layer's

    Returns
    -------
    (n,) (1 - g) l^2 + g t l, eigenvalues l below 0 taken as 0
    """
    eigenvalues = eigenvalues.clip(min=0)
    g = shrinkage(weighted, shown, n_units)
    variance: FloatMatrix = (1 - g) * eigenvalues**2 + g * eigenvalues.sum() / n_units * eigenvalues
    return variance


def shrinkage(weighted: FloatMatrix, shown: FloatMatrix, n_units: int) -> float:
    """Ledoit and Wolf's shrinkage of a covariance, from the kernel alone; 1 where nothing varies."""
    squared = float((weighted**2).sum())  # ||S||^2
    distance = squared - float(weighted.trace()) ** 2 / n_units
    if distance <= 0:
        return 1.0
    error = (weighted.diagonal() ** 2).sum() - 2 * (shown * (weighted**2).sum(axis=1)).sum()
    return float(min(1.0, max(0.0, error + (shown**2).sum() * squared) / distance))


def _rank(directions: FloatMatrix, dual: FloatArray, sd: FloatMatrix, bound: float) -> int:
    """How many leading directions leave no voxel more than ``bound``; at least 1."""
    left = np.zeros(len(directions))  # largest over voxels of the energy from a direction on
    for C, d in zip(voxel_blocks(dual), voxel_blocks(sd), strict=True):
        energy = (directions @ C / d) ** 2
        left = np.maximum(left, energy[::-1].cumsum(axis=0)[::-1].max(axis=1))
    return max(1, int((left > bound**2).sum()))


def _truncated(directions: FloatMatrix, dual: FloatArray, sd: FloatMatrix) -> Truncation:
    """Z and M for some leading directions; X'Z predicts with unit variance in each direction."""
    basis = np.zeros((dual.shape[0], len(directions)))
    variance = np.zeros(len(directions))
    mixing = np.empty((len(directions), dual.shape[1]), dtype=np.float32)
    done = 0
    for C, d in zip(voxel_blocks(dual), voxel_blocks(sd), strict=True):
        shares = directions @ C / d  # (rank, v_block)
        basis += C @ (shares / d).T
        variance += (shares**2).sum(axis=1)
        mixing[:, done : done + len(d)] = shares * d
        done += len(d)
    variance[variance == 0] = 1
    return Truncation((basis / variance).astype(np.float32), mixing)


def voxel_blocks(values: NDArray[np.floating]) -> Iterator[FloatMatrix]:
    """Blocks of voxels, the last axis, in float64: whole, a whole brain's would not fit."""
    for start in range(0, values.shape[-1], _VOXELS_A_BLOCK):
        yield values[..., start : start + _VOXELS_A_BLOCK].astype(np.float64)
