"""Response patterns across a region's voxels, scaled and of length 1, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import InputMalformedError
from ..evaluation.presentations import require_finite
from ..structures import FloatArray, IntArray

Float64Array = NDArray[np.float64]
Scaling = Literal["raw", "centred", "standardised"]
SCALINGS: tuple[Scaling, ...] = ("raw", "centred", "standardised")

LEAST_VOXELS = 3
# A flat pattern or voxel keeps about 1e-7 of its length once its mean is out.
_ROUNDING = 1e-6
_BLOCK_BYTES = 32 * 2**20


@dataclass(frozen=True)
class Patterns:
    """Responses, and the voxels' mean and sd that they are scaled by.

    Attributes
    ----------
    values : (n, n_voxels) float32
    mean, sd : (n_voxels,) float64
    """

    values: Tensor
    mean: Tensor
    sd: Tensor

    @classmethod
    def scaled(
        cls, values: FloatArray, reference: FloatArray, scaling: Scaling, device: torch.device
    ) -> Patterns:
        """Patterns of ``values``, scaled by mean and sd of ``reference``."""
        mean, sd = np.zeros(values.shape[1]), np.ones(values.shape[1])
        if scaling == "centred":
            mean, _ = _moments(reference)
        elif scaling == "standardised":
            mean, sd = _moments(reference)
        single = np.asarray(values, dtype=np.float32)
        return cls(*(torch.as_tensor(part, device=device) for part in (single, mean, sd)))

    def unit(self, rows: Tensor | slice) -> Tensor:
        """(n_rows, n_voxels) float64 patterns of mean 0 and length 1 over voxels; NaN where flat."""
        values = (self.values[rows].double() - self.mean) / self.sd
        length = values.norm(dim=1, keepdim=True)
        values -= values.mean(dim=1, keepdim=True)
        spread = values.norm(dim=1, keepdim=True)
        return values.div_(torch.where(spread > _ROUNDING * length, spread, torch.nan))

    def blocks(self) -> Iterator[slice]:
        """Slices of rows whose float64 patterns fill a block of memory."""
        return slices(len(self.values), 8 * self.values.shape[1])


def slices(n: int, bytes_each: int) -> Iterator[slice]:
    """Slices of ``n`` rows of so many bytes that fill a block of memory."""
    size = max(1, _BLOCK_BYTES // bytes_each)
    for start in range(0, n, size):
        yield slice(start, min(n, start + size))


@dataclass(frozen=True)
class Sides:
    """Trials and candidates on the same voxels.

    Attributes
    ----------
    trials, candidates : patterns
    n_flat_voxels : voxels left out because they have no variance to be standardised by
    """

    trials: Patterns
    candidates: Patterns
    n_flat_voxels: int


def both_sides(
    real: FloatArray,
    synthetic: FloatArray,
    images: IntArray,
    scaling: Scaling,
    reference: FloatArray | None,
    device: torch.device | None,
) -> Sides:
    """Real and synthetic patterns, scaled.

    Parameters
    ----------
    images : rows of ``synthetic`` that are test images, in any number
    real, synthetic, scaling, reference, device : as ``rank_candidates`` has them; errors too
    """
    _require_fitting(real, synthetic, images, reference)
    own = real if reference is None else reference
    kept = (
        _varying_voxels(own, synthetic) if scaling == "standardised" else np.ones(real.shape[1], dtype=bool)
    )
    n_flat_voxels = int((~kept).sum())
    if kept.sum() < LEAST_VOXELS:
        raise _too_few(int(kept.sum()))
    if n_flat_voxels:
        real, synthetic, own = real[:, kept], synthetic[:, kept], own[:, kept]
    place = device or torch.device("cpu")
    return Sides(
        Patterns.scaled(real, own, scaling, place),
        Patterns.scaled(synthetic, synthetic, scaling, place),
        n_flat_voxels,
    )


def _moments(values: FloatArray) -> tuple[Float64Array, Float64Array]:
    """(n_voxels,) mean and sd, in float64 without a float64 copy."""
    mean: Float64Array = values.mean(axis=0, dtype=np.float64)
    squares = np.zeros_like(mean)
    for rows in slices(len(values), 8 * values.shape[1]):
        squares += np.square(values[rows] - mean).sum(axis=0)
    return mean, np.sqrt(squares / len(values))


def _varying_voxels(real: FloatArray, synthetic: FloatArray) -> NDArray[np.bool_]:
    varying = [sd > _ROUNDING * np.abs(mean) for mean, sd in map(_moments, (real, synthetic))]
    return np.asarray(varying[0] & varying[1])


def _require_fitting(
    real: FloatArray, synthetic: FloatArray, images: IntArray, reference: FloatArray | None
) -> None:
    widths = [part.shape[1] for part in (real, synthetic, reference) if part is not None]
    if len(set(widths)) > 1:
        raise InputMalformedError(
            f"Real and synthetic responses have different numbers of voxels: {', '.join(map(str, widths))}",
            "Give the same voxels of one region on both sides",
        )
    if real.shape[1] < LEAST_VOXELS:
        raise _too_few(real.shape[1])
    if len(images) and not 0 <= images.min() <= images.max() < len(synthetic):
        raise InputMalformedError(
            f"A test image is not among the {len(synthetic)} candidates",
            "Add the synthetic responses to the test images to the candidates",
        )
    for part, what in (
        (real, "real responses"),
        (synthetic, "synthetic responses"),
        (reference, "reference"),
    ):
        if part is not None:
            require_finite(part, what)


def _too_few(n_voxels: int) -> InputMalformedError:
    return InputMalformedError(
        f"The region has {n_voxels} voxels that vary; patterns need {LEAST_VOXELS} to be correlated",
        "Leave this region out of identification",
    )
