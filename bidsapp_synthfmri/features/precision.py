"""Whether half-precision arithmetic leaves a network's features as they are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

LEAST_CORRELATION = 0.9999
_N_PICTURES = 8
_COARSE = (4, 7, 12, 20, 34)


def probe_pictures(size: int) -> Tensor:
    """(8, 3, size, size) uint8 pictures, the same every time: colour noise, weaker at finer scales."""
    generator = torch.Generator().manual_seed(0)
    total = torch.zeros((_N_PICTURES, 3, size, size))
    for side in _COARSE:
        coarse = torch.randn((_N_PICTURES, 3, side, side), generator=generator) / side
        total += functional.interpolate(coarse, size=(size, size), mode="bilinear", align_corners=False)
    lowest, highest = total.amin((1, 2, 3), keepdim=True), total.amax((1, 2, 3), keepdim=True)
    return ((total - lowest) / (highest - lowest) * 255).round().to(torch.uint8)


def parity(exact: Sequence[Tensor], other: Sequence[Tensor]) -> tuple[float, ...]:
    """Correlation of each layer's activations with exact ones, over pictures and units.

    Parameters
    ----------
    exact, other : per layer (n_images, n_units)

    Returns
    -------
    Pearson's r of what differs between pictures, each unit's mean over them removed: that is all an
    encoder sees. 0 where anything is not finite; 1 where neither differs.
    """
    return tuple(_correlation(a, b) for a, b in zip(exact, other, strict=True))


def _correlation(exact: Tensor, other: Tensor) -> float:
    if not bool(torch.isfinite(other).all()):
        return 0.0
    a, b = (values.double() - values.double().mean(dim=0) for values in (exact, other))
    norms = float(a.norm() * b.norm())
    if norms == 0:
        return float(torch.equal(exact, other))
    return float((a * b).sum()) / norms
