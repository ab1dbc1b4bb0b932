"""Responses of one participant as another's, by way of synthetic responses of both to the same pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import InputMalformedError
from ..structures import FloatArray, IntArray

ALPHAS = tuple(float(alpha) for alpha in np.logspace(-3, 5, 17))


@dataclass(frozen=True)
class Transfer:
    """A linear map from one participant's voxels to another's.

    Attributes
    ----------
    weights : (n_source_voxels, n_target_voxels)
    source_mean, target_mean : (n_voxels,) over the common pictures
    alpha : the penalty chosen
    alphas : what it was chosen from
    errors : (n_alphas,) what was minimised: expected squared error a picture of noisy trials, over that of
        the target's mean
    """

    weights: FloatArray
    source_mean: FloatArray
    target_mean: FloatArray
    alpha: float
    alphas: tuple[float, ...]
    errors: NDArray[np.float64]

    @property
    def at_edge(self) -> bool:
        """Whether the penalty lies at an end of its grid of two values or more."""
        return len(self.alphas) > 1 and self.alpha in (min(self.alphas), max(self.alphas))

    def apply(self, responses: FloatArray) -> FloatArray:
        """(n, n_target_voxels) what the target would show, of (n, n_source_voxels) responses."""
        mapped = (responses - self.source_mean) @ self.weights + self.target_mean
        return np.asarray(mapped, dtype=np.float32)


def fit_transfer(
    source: FloatArray,
    target: FloatArray,
    folds: IntArray,
    noise_sd: NDArray[np.float64] | None = None,
    alphas: Sequence[float] = ALPHAS,
) -> Transfer:
    """Ridge regression of one participant's synthetic responses on another's.

    Parameters
    ----------
    source, target : (n_images, n_voxels) synthetic responses of the two to the same pictures, in order
    folds : (n_images,) number of the fold of each; the penalty is chosen by leaving one out at a time
    noise_sd : (n_source_voxels,) sd of the noise of the real trials that are to be mapped; None where they
        have none
    alphas : grid of the penalty, relative to the mean eigenvalue of the scaled source's covariance

    Raises
    ------
    InputMalformedError : numbers of pictures differ, fewer than two folds, values that are not finite, or a
        voxel's noise is not above zero

    Notes
    -----
    The map is fitted to noiseless responses and applied to trials with noise, so what is minimised over the
    grid is the expected error of such trials: with every source voxel divided by its noise's sd,
    ``||X W - Y||^2 + n ||W||^2`` on the pictures left out, noise being independent between voxels. Columns
    are centred within each training part, so that the mean is not penalised. One eigendecomposition of the
    covariance a fold serves all penalties.
    """
    _require(source, target, folds, noise_sd)
    scale = np.ones(source.shape[1]) if noise_sd is None else np.asarray(noise_sd, dtype=np.float64)
    x, y = torch.as_tensor(source).double() / torch.as_tensor(scale), torch.as_tensor(target).double()
    errors = np.zeros(len(alphas))
    for fold in np.unique(folds):
        out = torch.as_tensor(folds == fold)
        noise = 0.0 if noise_sd is None else float(out.sum())
        errors += _left_out_errors(x, y, out, alphas, noise)
    errors /= float((y - y.mean(dim=0)).square().sum())
    alpha = float(alphas[int(np.argmin(errors))])
    fitted = _decomposed(x, y)
    weights = fitted.weights(alpha) / torch.as_tensor(scale)[:, None]
    return Transfer(
        weights.float().numpy(),
        np.asarray(source.mean(axis=0), dtype=np.float32),
        np.asarray(target.mean(axis=0), dtype=np.float32),
        alpha,
        tuple(map(float, alphas)),
        errors,
    )


@dataclass(frozen=True)
class _Decomposed:
    """Ridge of any penalty: ``weights = V (values + penalty)^-1 V' X'Y``.

    Attributes
    ----------
    mean_x, mean_y : (n_voxels,) of the training part
    vectors : (n_source, n_source) V
    values : (n_source,) eigenvalues of X'X
    projected : (n_source, n_target) V' X'Y
    unit : what a penalty is relative to
    """

    mean_x: Tensor
    mean_y: Tensor
    vectors: Tensor
    values: Tensor
    projected: Tensor
    unit: float

    def rotated(self, alpha: float) -> Tensor:
        """(n_source, n_target) V' times the weights."""
        return self.projected / (self.values + alpha * self.unit)[:, None]

    def weights(self, alpha: float) -> Tensor:
        return self.vectors @ self.rotated(alpha)


def _decomposed(x: Tensor, y: Tensor) -> _Decomposed:
    mean_x, mean_y = x.mean(dim=0), y.mean(dim=0)
    centred = x - mean_x  # (n_images, n_source)
    values, vectors = torch.linalg.eigh(centred.T @ centred)
    projected = vectors.T @ (centred.T @ (y - mean_y))
    values = values.clamp(min=0)
    return _Decomposed(mean_x, mean_y, vectors, values, projected, max(float(values.mean()), 1e-12))


def _left_out_errors(
    x: Tensor, y: Tensor, out: Tensor, alphas: Sequence[float], noise: float
) -> NDArray[np.float64]:
    """(n_alphas,) squared error on the pictures left out, with what noise of variance 1 a voxel adds."""
    fitted = _decomposed(x[~out], y[~out])
    rotated = (x[out] - fitted.mean_x) @ fitted.vectors  # (n_out, n_source)
    wanted = y[out] - fitted.mean_y
    errors = []
    for alpha in alphas:
        weights = fitted.rotated(alpha)
        missed = (rotated @ weights - wanted).square().sum()
        errors.append(float(missed + noise * weights.square().sum()))
    return np.array(errors)


def _require(
    source: FloatArray, target: FloatArray, folds: IntArray, noise_sd: NDArray[np.float64] | None
) -> None:
    if not len(source) == len(target) == len(folds):
        raise InputMalformedError(
            f"There are synthetic responses to {len(source)} pictures of one participant, {len(target)} of"
            f" the other, and {len(folds)} folds",
            "Give responses of both to the same pictures, and a fold a picture",
        )
    if len(np.unique(folds)) < 2:
        raise InputMalformedError(
            f"{len(source)} common pictures are in {len(np.unique(folds))} folds, and two are needed",
            "Give participants with more pictures in common",
        )
    if not (np.isfinite(source).all() and np.isfinite(target).all()):
        raise InputMalformedError(
            "Synthetic responses to the common pictures are not all finite",
            "Run the participant level again for both participants",
        )
    if noise_sd is not None and not (np.isfinite(noise_sd).all() and (np.asarray(noise_sd) > 0).all()):
        raise InputMalformedError(
            "A voxel's noise is not above zero", "Leave out the voxels whose trials do not vary"
        )
