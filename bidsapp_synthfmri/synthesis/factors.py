"""Low rank plus diagonal correlation of many variables from few draws, and the likelihood of others.

With Z (n, v) draws of unit variance, n often far below v, and Z'Z / n = sum_i l_i b_i b_i' (leading first),
the factors of rank k are sqrt((1 - g) (l_i - e_k)) b_i with e_k the mean of the n - k eigenvalues that are
left, which is what each leading one owes to noise of single variables (Tipping & Bishop 1999; for n < v the
eigenvalues are those of ZZ' / n, and e_k is about v / n times a variable's own variance). The share g of
what they say of pairs of variables is taken off; the variables' own part u^2 fills the diagonal up to 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, eigh, solve_triangular

from ..structures import FloatArray

Float64 = NDArray[np.float64]

SHRINKAGES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
# A variable keeps this share of its variance for itself, however much the factors claim.
_LEAST_UNIQUE = 0.01


@dataclass(frozen=True)
class Factors:
    """A correlation matrix, loadings' loadings + diag(unique_sd^2).

    Attributes
    ----------
    loadings : (rank, v) float32
    unique_sd : (v,) float32
    """

    loadings: FloatArray
    unique_sd: FloatArray


@dataclass(frozen=True)
class Principal:
    """Leading eigenvectors of a correlation.

    Attributes
    ----------
    gram : (n, n) ZZ'
    eigenvalues : (k,) of Z'Z / n, descending
    vectors : (k, v) float32, of length 1
    trace : sum of all eigenvalues
    """

    gram: Float64
    eigenvalues: Float64
    vectors: FloatArray
    trace: float

    @classmethod
    def of(cls, Z: FloatArray, rank: int, gram: Float64 | None = None) -> Principal:
        """The ``rank`` leading ones, or as many as there are, of draws (n, v).

        Parameters
        ----------
        gram : ZZ' where it is at hand
        """
        n = len(Z)
        gram = gram_matrix(Z) if gram is None else gram
        k = min(rank, n)
        empty = (np.zeros(0), np.zeros((n, 0)))
        values, left = eigh(gram, subset_by_index=(n - k, n - 1)) if k else empty
        values, left = values[::-1], left[:, ::-1]  # leading first
        positive = values > n * np.finfo(np.float32).eps * max(values.max(initial=0), 1)
        values, left = values[positive], left[:, positive]
        vectors = (left / np.sqrt(values)).T.astype(np.float32) @ Z  # (k, v)
        return cls(gram, values / n, vectors, float(gram.trace()) / n)

    def factors(self, rank: int, shrinkage: float) -> Factors:
        """The factors of a rank, at most as many as there are eigenvectors."""
        n, values = len(self.gram), self.eigenvalues[:rank]
        noise = max(0.0, self.trace - values.sum()) / max(1, n - len(values))
        weights = np.sqrt((1 - shrinkage) * (values - noise).clip(min=0))
        loadings = weights.astype(np.float32)[:, None] * self.vectors[:rank]
        shared = np.einsum("kv,kv->v", loadings, loadings, dtype=np.float64)
        loadings *= np.sqrt((1 - _LEAST_UNIQUE) / shared.clip(min=1 - _LEAST_UNIQUE)).astype(np.float32)
        shared = np.einsum("kv,kv->v", loadings, loadings, dtype=np.float64)
        return Factors(loadings, np.sqrt(1 - shared).astype(np.float32))


def gram_matrix(Z: FloatArray, step: int = 8192) -> Float64:
    """ZZ' of (n, v), blocks of variables multiplied in float32 and added in float64."""
    gram = np.zeros((len(Z), len(Z)))
    for start in range(0, Z.shape[1], step):
        block = np.ascontiguousarray(Z[:, start : start + step])
        gram += block @ block.T
    return gram


def log_likelihood(Z: FloatArray, factors: Factors) -> float:
    """Log density of draws (n, v) under N(0, C), summed, in nats.

    Notes
    -----
    With D = diag(u^2) and A = F D^-1 F' + 1 = LL' (Woodbury): log|C| = log|D| + log|A| and
    z'C^-1 z = z'D^-1 z - |L^-1 F D^-1 z|^2.
    """
    unique = factors.unique_sd.astype(np.float64) ** 2
    scaled = factors.loadings / factors.unique_sd  # (k, v)
    whitened = Z / factors.unique_sd  # (n, v)
    squares = np.einsum("nv,nv->", whitened, whitened, dtype=np.float64)
    logarithm = np.log(unique).sum()
    if len(scaled):
        lower = cholesky((scaled @ scaled.T).astype(np.float64) + np.eye(len(scaled)), lower=True)
        squares -= (solve_triangular(lower, (scaled @ whitened.T).astype(np.float64), lower=True) ** 2).sum()
        logarithm += 2 * np.log(lower.diagonal()).sum()
    return float(-0.5 * (squares + len(Z) * (logarithm + Z.shape[1] * np.log(2 * np.pi))))
