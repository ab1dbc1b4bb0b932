"""Responses of one participant as another's, by way of synthetic responses of both to the same pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import InputMalformedError
from ..structures import FloatArray

ALPHAS = tuple(float(alpha) for alpha in np.logspace(-3, 5, 17))
LEAST_PICTURES = 3
# Voxels of the target that are taken to float64 at a time.
_BLOCK = 2048


@dataclass(frozen=True)
class Transfer:
    """A linear map of some rank from one participant's voxels to another's.

    Attributes
    ----------
    basis : (n_source_voxels, rank)
    coefficients : (rank, n_target_voxels); the map's weights are ``basis @ coefficients``
    source_mean, target_mean : (n_voxels,) over the common pictures
    alpha : the penalty chosen
    alphas : what it was chosen from
    errors : (n_alphas,) what was minimised: expected squared error a picture of noisy trials, over that of
        the target's mean
    """

    basis: FloatArray
    coefficients: FloatArray
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
        mapped = (responses - self.source_mean) @ self.basis @ self.coefficients + self.target_mean
        return np.asarray(mapped, dtype=np.float32)


@dataclass(frozen=True)
class DecomposedSource:
    """Synthetic responses of one participant, ready to be mapped to any other's to the same pictures.

    Attributes
    ----------
    mean : (n_voxels,) over pictures
    basis : (n_voxels, rank) float64, right singular vectors of the centred, scaled responses, divided by
        the scale
    scores : (n_images, rank) float64, those responses in the basis
    values : (rank,) float64, their squared singular values
    unit : what a penalty is relative to: the mean eigenvalue over voxels
    has_noise : whether responses were scaled by the noise of trials
    """

    mean: FloatArray
    basis: Tensor
    scores: Tensor
    values: Tensor
    unit: float
    has_noise: bool

    def maps(
        self, target: FloatArray, noise: Sequence[float] = (1.0,), alphas: Sequence[float] = ALPHAS
    ) -> tuple[Transfer, ...]:
        """A map for each amount of noise.

        Parameters
        ----------
        target : (n_images, n_target_voxels) synthetic responses of the target to the same pictures
        noise : variance of the noise of what is to be mapped, relative to single trials: 1 for these, 1/m
            for means of m repeats; of no effect where the noise of trials was not given
        alphas : grid of the penalty, relative to ``unit``

        Raises
        ------
        InputMalformedError : numbers of pictures differ, or values that are not finite

        Notes
        -----
        The map is fitted to noiseless responses and applied to responses with noise, so what is minimised
        over the grid is the expected error of these on new pictures: with every source voxel divided by its
        noise's sd, ``GCV + n noise |W|^2``. GCV is the generalised cross-validation error over pictures
        (Golub, Heath & Wahba 1979), ``|X W - Y|^2 / (1 - df / n)^2`` with the intercept among the degrees
        of freedom, and the second term is what noise that is independent between voxels adds. One
        decomposition of the source serves all targets, penalties and amounts of noise.
        """
        _require_target(target, len(self.scores))
        mean = target.mean(axis=0, dtype=np.float64)
        projected, total = self._projected(target, mean)
        square = projected.double().square().sum(dim=1)  # (rank,)
        grid = torch.tensor(alphas, dtype=torch.float64)[:, None] * self.unit
        left = self._left_out_errors(square, total, grid)
        norm = (square / (self.values + grid) ** 2).sum(dim=1)  # (n_alphas,) |W|^2
        found = []
        for variance in noise:
            added = len(self.scores) * variance * norm if self.has_noise else 0 * norm
            errors = (left + added) / max(total, torch.finfo(torch.float64).tiny)
            best = int(errors.argmin())
            found.append(
                Transfer(
                    self.basis.float().numpy(),
                    (projected / (self.values + grid[best]).float()[:, None]).numpy(),
                    self.mean,
                    np.asarray(mean, dtype=np.float32),
                    float(alphas[best]),
                    tuple(map(float, alphas)),
                    errors.numpy(),
                )
            )
        return tuple(found)

    def _projected(self, target: FloatArray, mean: NDArray[np.float64]) -> tuple[Tensor, float]:
        """(rank, n_target_voxels) products of scores and centred target, and the target's sum of squares."""
        parts, total = [], 0.0
        for start in range(0, target.shape[1], _BLOCK):
            block = slice(start, start + _BLOCK)
            centred = torch.from_numpy(target[:, block] - mean[block])
            total += float(centred.square().sum())
            parts.append((self.scores.T @ centred).float())
        return torch.cat(parts, dim=1), total

    def _left_out_errors(self, square: Tensor, total: float, grid: Tensor) -> Tensor:
        """(n_alphas,) generalised cross-validation error, summed over pictures."""
        n = len(self.scores)
        fitted = (square * (self.values + 2 * grid) / (self.values + grid) ** 2).sum(dim=1)
        missed = (total - fitted).clamp(min=0)
        used = 1 + (self.values / (self.values + grid)).sum(dim=1)  # degrees of freedom
        return missed / (1 - used / n) ** 2


def decompose_source(source: FloatArray, noise_sd: NDArray[np.float64] | None = None) -> DecomposedSource:
    """Synthetic responses decomposed, by the smaller of their two Gram matrices.

    Parameters
    ----------
    source : (n_images, n_voxels) synthetic responses of the participant whose trials are to be mapped
    noise_sd : (n_voxels,) sd of the noise of these trials; None where they have none

    Raises
    ------
    InputMalformedError : fewer than three pictures, values that are not finite or do not vary, or a voxel's
        noise is not above zero
    """
    _require_source(source, noise_sd)
    scale = torch.ones(source.shape[1], dtype=torch.float64)
    if noise_sd is not None:
        scale = torch.as_tensor(noise_sd, dtype=torch.float64)
    mean = source.mean(axis=0, dtype=np.float64)
    x = torch.from_numpy(source - mean).div_(scale)
    n, p = x.shape
    values, vectors = torch.linalg.eigh(x.T @ x if p <= n else x @ x.T)
    kept = values > max(n, p) * torch.finfo(values.dtype).eps * values[-1]
    if not bool(kept.any()):
        raise InputMalformedError(
            "Synthetic responses to the common pictures do not vary",
            "Run the participant level again: an encoder predicts the same for every picture",
        )
    unit = float(x.square().sum()) / p
    values, vectors = values[kept], vectors[:, kept]
    if p > n:
        scores = vectors * values.sqrt()
        vectors = x.T @ vectors / values.sqrt()
    else:
        scores = x @ vectors
    return DecomposedSource(
        np.asarray(mean, dtype=np.float32),
        vectors / scale[:, None],
        scores,
        values,
        unit,
        noise_sd is not None,
    )


def fit_transfer(
    source: FloatArray,
    target: FloatArray,
    noise_sd: NDArray[np.float64] | None = None,
    alphas: Sequence[float] = ALPHAS,
) -> Transfer:
    """Ridge regression of one participant's synthetic responses on another's, for single trials.

    Parameters
    ----------
    source, target : (n_images, n_voxels) synthetic responses of the two to the same pictures, in order
    noise_sd, alphas : as ``decompose_source`` and ``DecomposedSource.maps`` have them

    Raises
    ------
    InputMalformedError : as they do
    """
    return decompose_source(source, noise_sd).maps(target, alphas=alphas)[0]


def _require_source(source: FloatArray, noise_sd: NDArray[np.float64] | None) -> None:
    if len(source) < LEAST_PICTURES:
        raise InputMalformedError(
            f"There are {len(source)} common pictures, and {LEAST_PICTURES} are needed",
            "Give participants with more pictures in common",
        )
    _require_finite(source)
    if noise_sd is not None and not (np.isfinite(noise_sd).all() and (np.asarray(noise_sd) > 0).all()):
        raise InputMalformedError(
            "A voxel's noise is not above zero", "Leave out the voxels whose trials do not vary"
        )


def _require_target(target: FloatArray, n_images: int) -> None:
    if len(target) != n_images:
        raise InputMalformedError(
            f"There are synthetic responses to {n_images} pictures of one participant, {len(target)} of"
            " the other",
            "Give responses of both to the same pictures",
        )
    _require_finite(target)


def _require_finite(responses: FloatArray) -> None:
    if not np.isfinite(responses).all():
        raise InputMalformedError(
            "Synthetic responses to the common pictures are not all finite",
            "Run the participant level again for both participants",
        )
