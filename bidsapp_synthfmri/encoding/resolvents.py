"""What ridge needs of a kernel: G = N (N'KN + alpha)^-1 N' for one penalty after another.

N is an orthonormal basis of the space orthogonal to the constant, so that the intercept is not penalised.
Two routes give the same: a reduction to a band, once, from which every penalty is cheap; or a Cholesky
factor a penalty, which is less work for a few of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .band import Band, BandFactor, factorise, fill_transposed_basis, reduce_to_band

# From here on the reduction pays, by operations: 3 n^3 once, against n^3 a penalty.
FEW_ALPHAS = 3
_GRAM_PANEL = 256


class Resolvent(Protocol):
    """G for one penalty, between its decomposition's ``project`` and ``lift``."""

    def trace(self) -> float:
        """Of (N'KN + alpha)^-1."""

    def solve(self, projected: Tensor) -> Tensor:
        """What ``lift`` makes G Y, (n, v), the dual weights; of the same sums of squares."""

    def diagonal(self) -> Tensor:
        """(n,) of G."""

    def blocks(self, folds: Sequence[slice]) -> Iterator[Tensor]:
        """The lower triangle of G_ff (n_f, n_f) of each fold's rows f."""


class Decomposition(Protocol):
    """A centred kernel, scaled to a mean eigenvalue of 1.

    Attributes
    ----------
    scale : trace / n of the centred kernel, so that one grid of alphas serves every layer
    dtype, device : to solve in
    """

    @property
    def scale(self) -> float: ...

    @property
    def dtype(self) -> torch.dtype: ...

    @property
    def device(self) -> torch.device: ...

    def __len__(self) -> int:
        """n, the rows."""

    def project(self, Y: Tensor) -> Tensor:
        """``Y`` (n, v) as the resolvents take it."""

    def project_rows(self, rows: slice, Y: Tensor) -> Tensor:
        """``project`` of what is ``Y`` (n_rows, v) in some rows and 0 in the others."""

    def lift(self, solved: Tensor) -> Tensor:
        """G Y, (n, v), of what a resolvent's ``solve`` gave."""

    def lift_rows(self, rows: slice, solved: Tensor) -> Tensor:
        """Some rows of what ``lift`` gives."""

    def resolvents(self, alphas: tuple[float, ...]) -> Iterator[Resolvent]:
        """One for each penalty."""

    def reordered(self, rows: Tensor) -> Decomposition:
        """The same with its n rows in another order."""


@dataclass(frozen=True)
class BandDecomposition:
    """By reduction to a band.

    Attributes
    ----------
    band : block-tridiagonal form of N'KN / scale, float64
    basis : (n_blocks * b, n), N times the reduction's basis, transposed; rows that fill up the band's
        last block are 0
    scale : see ``Decomposition``
    """

    band: Band
    basis: Tensor
    scale: float

    @property
    def dtype(self) -> torch.dtype:
        """Of the basis."""
        return self.basis.dtype

    @property
    def device(self) -> torch.device:
        """Of the basis."""
        return self.basis.device

    def __len__(self) -> int:
        return int(self.basis.shape[1])

    def project(self, Y: Tensor) -> Tensor:
        """(n_blocks * b, v)."""
        return self.basis @ Y

    def project_rows(self, rows: slice, Y: Tensor) -> Tensor:
        """See ``Decomposition``."""
        return self.basis[:, rows] @ Y

    def lift(self, solved: Tensor) -> Tensor:
        """See ``Decomposition``."""
        return self.basis.T @ solved

    def lift_rows(self, rows: slice, solved: Tensor) -> Tensor:
        """See ``Decomposition``."""
        return self.basis[:, rows].T @ solved

    def resolvents(self, alphas: tuple[float, ...]) -> Iterator[BandResolvent]:
        """See ``Decomposition``."""
        for alpha, factor in zip(alphas, factorise(self.band, alphas, self.dtype), strict=True):
            yield BandResolvent(self.basis, factor, alpha)

    def reordered(self, rows: Tensor) -> BandDecomposition:
        """See ``Decomposition``."""
        return BandDecomposition(self.band, self.basis[:, rows], self.scale)


@dataclass(frozen=True)
class BandResolvent:
    """G from a band's factor L: G = Q (L L')^-1 Q'."""

    basis: Tensor
    factor: BandFactor
    alpha: float

    def trace(self) -> float:
        """See ``Resolvent``."""
        n_filling = len(self.basis) - (self.basis.shape[1] - 1)
        return self.factor.trace() - n_filling / self.alpha

    def solve(self, projected: Tensor) -> Tensor:
        """See ``Resolvent``: Q keeps lengths."""
        return self.factor.solve(projected)

    def diagonal(self) -> Tensor:
        """See ``Resolvent``."""
        columns = range(0, self.basis.shape[1], _GRAM_PANEL)
        panels = [self.factor.forward(self.basis[:, at : at + _GRAM_PANEL]) for at in columns]
        return torch.cat([panel.square().sum(dim=0) for panel in panels])

    def blocks(self, folds: Sequence[slice]) -> Iterator[Tensor]:
        """See ``Resolvent``: with Z_f = L^-1 Q_f', G_ff = Z_f' Z_f."""
        for fold in folds:
            yield _lower_gram(self.factor.forward(self.basis[:, fold]))


def _lower_gram(Z: Tensor) -> Tensor:
    """Z'Z, (k, k), below the diagonal; some of what is above is 0."""
    n = Z.shape[1]
    gram = Z.new_zeros((n, n))
    for start in range(0, n, _GRAM_PANEL):
        gram[start:, start : start + _GRAM_PANEL] = Z[:, start:].T @ Z[:, start : start + _GRAM_PANEL]
    return gram


@dataclass(frozen=True)
class KernelDecomposition:
    """By a Cholesky factor a penalty.

    Attributes
    ----------
    kernel : (n, n) float64, centred and scaled
    scale, dtype : see ``Decomposition``
    """

    kernel: Tensor
    scale: float
    dtype: torch.dtype

    @property
    def device(self) -> torch.device:
        """Of the kernel."""
        return self.kernel.device

    def __len__(self) -> int:
        return len(self.kernel)

    def project(self, Y: Tensor) -> Tensor:
        """(n, v), as it is."""
        return Y

    def project_rows(self, rows: slice, Y: Tensor) -> Tensor:
        """See ``Decomposition``."""
        padded = Y.new_zeros((len(self), Y.shape[1]))
        padded[rows] = Y
        return padded

    def lift(self, solved: Tensor) -> Tensor:
        """(n, v), as it is."""
        return solved

    def lift_rows(self, rows: slice, solved: Tensor) -> Tensor:
        """See ``Decomposition``."""
        return solved[rows]

    def resolvents(self, alphas: tuple[float, ...]) -> Iterator[KernelResolvent]:
        """See ``Decomposition``."""
        n = len(self)
        for alpha in alphas:
            shifted = self.kernel.clone()
            shifted.diagonal().add_(alpha)
            inverse = torch.cholesky_inverse(torch.linalg.cholesky(shifted))
            # The constant is an eigenvector of the centred kernel, of eigenvalue 0.
            inverse -= 1 / (alpha * n)
            yield KernelResolvent(inverse.to(self.dtype))

    def reordered(self, rows: Tensor) -> KernelDecomposition:
        """See ``Decomposition``."""
        return KernelDecomposition(self.kernel[rows][:, rows], self.scale, self.dtype)


@dataclass(frozen=True)
class KernelResolvent:
    """G itself, (n, n)."""

    G: Tensor

    def trace(self) -> float:
        """See ``Resolvent``."""
        return float(self.G.trace())

    def solve(self, projected: Tensor) -> Tensor:
        """See ``Resolvent``."""
        return self.G @ projected

    def diagonal(self) -> Tensor:
        """See ``Resolvent``."""
        return self.G.diagonal()

    def blocks(self, folds: Sequence[slice]) -> Iterator[Tensor]:
        """See ``Resolvent``."""
        for fold in folds:
            yield self.G[fold, fold]


def by_band(kernel: Tensor, rows: Tensor, scale: float, dtype: torch.dtype) -> BandDecomposition:
    """Reduce N'KN / scale to a band.

    Parameters
    ----------
    kernel : (n_images, n_images) float64, not necessarily centred
    rows : (n,) image of each row of K
    scale : trace / n of the centred K
    dtype : of the basis
    """
    full = _scaled(kernel, rows, scale)
    mirror = _mirror(len(full), full)
    product = full @ mirror
    W = 2 * (product - (mirror @ product) * mirror)
    full.addr_(mirror, W, alpha=-1).addr_(W, mirror, alpha=-1)
    band, reflections = reduce_to_band(full[1:, 1:])
    del full  # before the basis takes as much
    n_rows = band.diagonal.shape[0] * band.diagonal.shape[1]
    basis = torch.zeros((n_rows, len(mirror)), dtype=dtype, device=kernel.device)
    inner, tail = basis[: len(mirror) - 1, 1:], mirror[1:].to(dtype)
    fill_transposed_basis(inner, reflections)
    along = inner @ tail  # (n - 1,)
    basis[: len(along), 0] = -2 * float(mirror[0]) * along
    inner.addr_(along, tail, alpha=-2)
    return BandDecomposition(band, basis, scale)


def by_kernel(kernel: Tensor, rows: Tensor, scale: float, dtype: torch.dtype) -> KernelDecomposition:
    """The centred, scaled kernel of some rows; arguments as for ``by_band``."""
    full = _scaled(kernel, rows, scale)
    full -= full.mean(dim=0, keepdim=True)
    full -= full.mean(dim=1, keepdim=True)
    return KernelDecomposition(full, scale, dtype)


def _scaled(kernel: Tensor, rows: Tensor, scale: float) -> Tensor:
    """(n, n) kernel of some rows, divided by ``scale``."""
    if len(rows) == len(kernel) and bool((rows.diff() == 1).all()):
        return kernel / scale
    return kernel[rows][:, rows].div_(scale)


def _mirror(n: int, like: Tensor) -> Tensor:
    """(n,) unit u whose reflection I - 2 u u' takes the constant to the first axis."""
    u = like.new_full((n,), n**-0.5)
    u[0] += 1
    u /= u.norm()
    return u
