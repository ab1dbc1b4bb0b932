"""Linear decoders of one training set, one for each labelling, and what they say about trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .cells import Cell, Spectrum

# Draws of trial noise an expected loss is averaged over: antithetic pairs, the same for every penalty.
_NOISE_PAIRS = 8
_NOISE_SEED = 20250


@dataclass(frozen=True)
class LinearDecoders:
    """Decoders of one cell, in the unit of its responses.

    Attributes
    ----------
    coef : (n_labellings, n_voxels, n_classes)
    intercept : (n_labellings, n_classes)
    penalty : (n_labellings,) float64, the hyperparameter chosen
    grid : what it was chosen from, ascending; empty where it was computed
    losses : (n_labellings, n_grid) float64, what was minimised; NaN where it was not computed
    """

    coef: Tensor
    intercept: Tensor
    penalty: Tensor
    grid: tuple[float, ...]
    losses: Tensor

    @property
    def at_edge(self) -> Tensor:
        """(n_labellings,) whether the penalty lies at an end of its grid of two values or more."""
        if len(self.grid) < 2:
            return torch.zeros_like(self.penalty, dtype=torch.bool)
        return (self.penalty == min(self.grid)) | (self.penalty == max(self.grid))

    def decision_function(self, responses: Tensor) -> Tensor:
        """(n_labellings, n_trials, n_classes) decision values of responses (n_trials, n_voxels)."""
        return self._products(responses) + self.intercept[:, None]

    def predict(self, responses: Tensor) -> Tensor:
        """(n_labellings, n_trials) class of the highest decision value."""
        # Less what all classes share, beside which their differences may be next to nothing.
        apart = self.intercept - self.intercept.mean(dim=1, keepdim=True)
        return (self._products(responses) + apart[:, None]).argmax(dim=2)

    def _products(self, responses: Tensor) -> Tensor:
        n_labellings, n_voxels, n_classes = self.coef.shape
        flat = self.coef.permute(1, 0, 2).reshape(n_voxels, -1)
        values = (responses.to(flat) @ flat).reshape(len(responses), n_labellings, n_classes)
        return values.permute(1, 0, 2)


def join_labellings(parts: Sequence[LinearDecoders]) -> LinearDecoders:
    """The labellings of several fits on one cell, in order."""
    if len(parts) == 1:
        return parts[0]
    names = ("coef", "intercept", "penalty", "losses")
    coef, intercept, penalty, losses = (torch.cat([getattr(part, name) for part in parts]) for name in names)
    return LinearDecoders(coef, intercept, penalty, parts[0].grid, losses)


def in_responses_unit(cell: Cell, spectrum: Spectrum, weights: Tensor) -> Tensor:
    """(n_labellings, n_voxels, n_classes) of weights (n_labellings, rank, n_classes) in the basis v."""
    return torch.matmul(spectrum.v, weights) / cell.scale[:, None]


def log_losses(logits: Tensor, labels: Tensor, noisy_weights: Tensor | None = None) -> Tensor:
    """(n_labellings, n) minus the log posterior of the true class.

    Parameters
    ----------
    logits : (n_labellings, n, n_classes)
    labels : (n_labellings, n)
    noisy_weights : (n_labellings, rank, n_classes) of the classifier, in any orthonormal basis of scaled
        voxels; given, the loss is that expected of trials with noise of unit sd in every scaled voxel

    Notes
    -----
    Such noise moves the logits by a Gaussian of covariance ``weights' weights``. The mean is over
    antithetic draws that are the same at every call, so that penalties are compared on the same noise.
    """
    if noisy_weights is None:
        return _log_losses(logits, labels)
    lam, vectors = torch.linalg.eigh((noisy_weights.mT @ noisy_weights).double())
    root = (vectors * lam.clamp(min=0).sqrt()[:, None, :]).to(logits.dtype)  # (L, C, C)
    generator = torch.Generator().manual_seed(_NOISE_SEED)
    total = torch.zeros_like(logits[..., 0])
    for _ in range(_NOISE_PAIRS):
        draw = torch.randn(logits.shape[1:], generator=generator, dtype=torch.float64).to(logits)
        noise = draw @ root.mT  # (L, n, C)
        total += _log_losses(logits + noise, labels) + _log_losses(logits - noise, labels)
    return total / (2 * _NOISE_PAIRS)


def _log_losses(logits: Tensor, labels: Tensor) -> Tensor:
    true = logits.gather(-1, labels[..., None])[..., 0]
    return torch.logsumexp(logits, dim=-1) - true
