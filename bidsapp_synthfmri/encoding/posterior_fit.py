"""The posterior of a fitted ridge: the training images' leading directions, and each voxel's prior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..structures import Features, FloatArray, IntArray, LayerFeatures
from .basis import shrinkage
from .left_out_spread import Kernel, unseen_variance
from .posterior import LayerPosterior, Posterior
from .selection import Selected, batches
from .training import Progress, TrainingSet, untold
from .weights import ScaledMatrix, TrainingLayer

Float64 = NDArray[np.float64]

# A variance this much too large is a standard deviation 1% too large.
OVERESTIMATE_BOUND = 0.02
# Float32 kernels do not resolve directions below.
_LEAST_EIGENVALUE = 1e-6
# Entries of unit vectors lie within 1 and mostly near 1 / sqrt(n_units): so they keep all of half's 11 bits.
_BASIS_SCALE = np.float32(2.0**-10)


def fit_posterior(
    features: Features,
    rows: IntArray,
    training: TrainingSet,
    found: Selected,
    bound: float = OVERESTIMATE_BOUND,
    progress: Progress = untold,
) -> Posterior:
    """The posterior variance of a fit with one layer a voxel.

    Parameters
    ----------
    features : of the training stimuli, and maybe others
    rows : (n_stimuli,) the training stimuli's rows
    training : what was fitted on
    found : its penalties and dual weights
    bound : on the share by which directions left out may enlarge the mean variance of new images
    progress : told of every layer that is done

    Raises
    ------
    ValueError : voxels have several layers

    Notes
    -----
    With A = K + a of the trials' centred kernel and G its inverse on what is orthogonal to 1, the
    marginal likelihood given a is highest at s^2 = y'Gy / (n - 1), and Gy are ridge's dual weights.
    """
    if (found.layer_weights > 0).sum(axis=0).max() > 1:
        raise ValueError("the posterior variance is that of one layer a voxel")
    layers, overestimates = [], []
    for number, layer in enumerate(features.layers):
        voxels = np.flatnonzero(found.layer_weights[number] > 0)
        if len(voxels):
            posterior, overestimate = _of_layer(
                layer, rows, training, training.kernel(number), found.kernels[number], voxels, bound
            )
            layers.append(posterior)
            overestimates.append(overestimate)
        progress("posterior variance", number + 1, len(features.layers))
    n_trials, n_voxels = training.values.shape
    return Posterior(tuple(layers), n_voxels, n_trials, bound, max(overestimates))


def _of_layer(
    layer: LayerFeatures,
    rows: IntArray,
    training: TrainingSet,
    inner: torch.Tensor,
    kernel: Kernel,
    voxels: IntArray,
    bound: float,
) -> tuple[LayerPosterior, float]:
    counts = np.bincount(training.index)
    spectrum = _Spectrum.of(inner, counts, layer.values.shape[1])
    penalty, variance = kernel.penalty[voxels], unseen_variance(kernel, voxels, training.index)
    penalties, first = np.unique(penalty, return_index=True)
    rank, overestimate = spectrum.rank(penalties, variance[first], bound)
    prior = _prior(training.values, kernel.dual, voxels)
    basis, mean = _basis(TrainingLayer(layer, rows, counts / counts.sum()), spectrum.duals(rank))
    return LayerPosterior(
        name=layer.name,
        voxels=voxels,
        basis=basis,
        mean=mean,
        eigenvalues=spectrum.eigenvalues[:rank],
        penalty=penalty,
        prior=prior,
        typical=prior * variance,
    ), overestimate


@dataclass(frozen=True)
class _Spectrum:
    """A layer's kernel of the trials, decomposed by way of the stimuli that they show.

    With x_j a stimulus about the mean trial and m_j its trials, the trials' X'X = sum_j m_j x_j x_j'.

    Attributes
    ----------
    eigenvalues : (n,) descending, none below 0
    vectors : (n, n) of sqrt(m_i) x_i'x_j sqrt(m_j)
    root : (n,) sqrt(m)
    variance : (n,) of new images along each direction
    """

    eigenvalues: Float64
    vectors: Float64
    root: Float64
    variance: Float64

    @classmethod
    def of(cls, kernel: torch.Tensor, counts: IntArray, n_units: int) -> _Spectrum:
        """Of a layer's kernel between stimuli, each shown ``counts`` times."""
        n_trials, shown = counts.sum(), counts / counts.sum()
        weights = torch.from_numpy(shown).to(kernel)
        about = kernel @ weights
        centred = kernel - about - about[:, None] + weights @ about
        covariance = centred * weights.sqrt() * weights.sqrt()[:, None]
        values, vectors = torch.linalg.eigh(covariance)
        descending = values.flip(0).clip(min=0).cpu().numpy()
        g = shrinkage(covariance.cpu().numpy(), shown, n_units)
        return cls(
            eigenvalues=n_trials * descending,
            vectors=vectors.flip(1).cpu().numpy(),
            root=np.sqrt(counts),
            variance=(1 - g) * descending + g * descending.sum() / n_units,
        )

    def rank(self, penalties: Float64, variance: Float64, bound: float) -> tuple[int, float]:
        """Leading directions to keep, and by what share the others enlarge the mean variance of new images.

        With t_i the variance of new images along direction i, leaving it out adds t_i l_i / (l_i + a). As for
        stored weights (``basis``), t is that of the training images shrunk by Ledoit and Wolf's rule: new
        images vary more than they in the directions in which they hardly do.

        Parameters
        ----------
        penalties, variance : (k,) each penalty, and the mean variance with it as a multiple of the prior's
        """
        values, t, a = self.eigenvalues[:, None], self.variance[:, None], penalties[None]
        added = t * values / (values + a) / variance.clip(min=np.finfo(np.float32).tiny)
        left = np.vstack([added[::-1].cumsum(axis=0)[::-1], np.zeros_like(a)]).max(axis=1)  # from i on
        resolved = int((self.eigenvalues > _LEAST_EIGENVALUE * self.eigenvalues[0]).sum())
        rank = min(resolved, max(1, int((left > bound).sum())))
        return rank, float(left[rank])

    def duals(self, rank: int) -> FloatArray:
        """(n, rank) C such that the directions are X'C."""
        duals: Float64 = self.root[:, None] * self.vectors[:, :rank] / np.sqrt(self.eigenvalues[:rank])
        return duals.astype(np.float32)


def _basis(training: TrainingLayer, duals: FloatArray) -> tuple[ScaledMatrix, FloatArray]:
    """The directions (n_units, rank) in half precision, and the mean trial's activations (n_units,)."""
    values = np.empty((training.n_units, duals.shape[1]), dtype=np.float16)
    mean = np.empty(training.n_units, dtype=np.float32)
    for block, mean_units, units in training.blocks(duals.shape[1]):
        values[block] = units.T @ duals / _BASIS_SCALE
        mean[block] = mean_units
    return ScaledMatrix(values, np.full(duals.shape[1], _BASIS_SCALE)), mean


def _prior(values: FloatArray, dual: FloatArray, voxels: IntArray) -> Float64:
    """(n_used,) y'Gy / (n - 1) of some voxels; dual weights (n_trials, n_voxels) are of all."""
    prior = np.empty(len(voxels))
    for block in batches(len(voxels)):
        y = values[:, voxels[block]].astype(np.float64)
        y -= y.mean(axis=0)
        prior[block] = np.einsum("nv,nv->v", y, dual[:, voxels[block]].astype(np.float64))
    prior /= len(values) - 1
    return prior.clip(min=0)
