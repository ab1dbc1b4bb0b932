"""Linear discriminant analysis with a shrunk covariance, for many labellings from one decomposition.

With standardised responses about their mean, T = A'A their sum of squares, M the class means (one a
column) and N = diag(n_c), the pooled within-class covariance is (T - M N M') / n. Shrunk,

    Sigma = (1 - s) (T - M N M') / n + s mu I,   mu = trace / n_voxels,

which in T's eigenvectors is a diagonal D less a matrix of the classes' rank: every labelling and every
shrinkage costs products with the class means, and no decomposition of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InputMalformedError
from .cells import Cell
from .lda_left_out import Groups, left_out_logits
from .linear import LinearDecoders, in_responses_unit, join_labellings, log_losses

SHRINKAGES: tuple[float, ...] = (0.001, 0.01, 0.03, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.97, 1.0)
LEDOIT_WOLF = "ledoit-wolf"
# Logits (n_labellings, n, n_classes) computed together; about ten arrays of that size live at once.
_LOGITS_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class LDA:
    """Linear discriminant analysis on standardised voxels.

    Attributes
    ----------
    shrinkage : grid of intensities s, from which the least leave-group-out log loss chooses; or
        ``ledoit-wolf``, the closed form (Ledoit & Wolf 2004) of the pooled within-class residuals
    balanced : whether classes have equal prior probabilities and weigh the same in the loss;
        the covariance is pooled over trials either way

    Notes
    -----
    For noiseless responses (``Cell.noise_sd``) a voxel's unit is its noise sd: the identity is added to
    Sigma, which is then the covariance of real trials about the class means, and the loss is that
    expected of trials with that noise. Leave-group-out is exact for the whole set's standardisation, mu,
    priors and divisor n. A trial that is its class's last is not left out, since no classifier without it
    knows the class.
    """

    shrinkage: tuple[float, ...] | str = SHRINKAGES
    balanced: bool = True
    name: str = "lda"

    def __post_init__(self) -> None:
        if isinstance(self.shrinkage, str):
            if self.shrinkage != LEDOIT_WOLF:
                raise InputMalformedError(
                    f"Shrinkage {self.shrinkage!r} is not known",
                    f"Give intensities from 0 to 1, or {LEDOIT_WOLF!r}",
                )
        elif not self.shrinkage or not all(0 <= s <= 1 for s in self.shrinkage):
            raise InputMalformedError(
                f"Shrinkage {self.shrinkage} does not lie between 0 and 1", "Give intensities from 0 to 1"
            )

    def fit(self, cell: Cell) -> LinearDecoders:
        """See ``classifiers.Classifier``."""
        at_once = max(1, _LOGITS_AT_ONCE // (len(cell) * cell.n_classes))
        starts = range(0, cell.n_labellings, at_once)
        return join_labellings([self._fit(cell, slice(start, start + at_once)) for start in starts])

    def _fit(self, cell: Cell, some: slice) -> LinearDecoders:
        scatter = Scatter.of(cell, some)
        weight = cell.class_weights(self.balanced)[some]
        prior = torch.full_like(scatter.counts, 1 / cell.n_classes)
        log_prior = (prior if self.balanced else scatter.counts / len(cell)).log()
        if isinstance(self.shrinkage, str):
            grid: tuple[float, ...] = ()
            losses = torch.empty((len(weight), 0), dtype=torch.float64, device=weight.device)
            chosen = scatter.ledoit_wolf(cell.labels[some])
        elif len(self.shrinkage) == 1:
            grid = self.shrinkage
            losses = torch.full((len(weight), 1), torch.nan, dtype=torch.float64, device=weight.device)
            chosen = losses.new_full((len(weight),), grid[0])
        else:
            grid = self.shrinkage
            losses = _losses(cell, some, scatter, grid, weight, log_prior)
            chosen = losses.new_tensor(grid)[losses.argmin(dim=1)]
        model = scatter.discriminants(chosen)
        coef = in_responses_unit(cell, cell.spectrum, model.weights)
        norm = model.between.diagonal(dim1=1, dim2=2)  # (L, C) m' Sigma^-1 m
        intercept = log_prior - norm / 2 - cell.spectrum.mean @ coef
        return LinearDecoders(coef, intercept, chosen, grid, losses)


@dataclass(frozen=True)
class Discriminants:
    """Sigma^-1 M and what leaving rows out needs of it; L labellings, C classes.

    Attributes
    ----------
    shape : (L,) 1 - s, over n
    diagonal : (L, rank) D
    class_side : (L, rank, C) D^-1 M
    core : (L, C, C) K = (I - shape N Q)^-1 with Q = M' D^-1 M
    weights : (L, rank, C) Sigma^-1 M = D^-1 M K
    between : (L, C, C) M' Sigma^-1 M
    counts : (L, C) n_c
    """

    shape: Tensor
    diagonal: Tensor
    class_side: Tensor
    core: Tensor
    weights: Tensor
    between: Tensor
    counts: Tensor


@dataclass(frozen=True)
class Scatter:
    """Sums of squares of one cell under some labellings, in the eigenvectors of their total.

    Attributes
    ----------
    rows : (n, rank) A
    total : (rank,) diagonal of T
    means : (L, rank, C) M
    counts : (L, C) n_c
    n_voxels : voxels, those without variance among them
    noise : variance added to every voxel: 1 for noiseless responses, else 0
    """

    rows: Tensor
    total: Tensor
    means: Tensor
    counts: Tensor
    n_voxels: int
    noise: float

    @classmethod
    def of(cls, cell: Cell, some: slice) -> Scatter:
        """Of some labellings of a cell."""
        spectrum = cell.spectrum
        rows = spectrum.u * spectrum.lam.sqrt()
        flat = cell.one_hot[some].permute(1, 0, 2).reshape(len(cell), -1)  # (n, L * C)
        sums = (rows.T @ flat).reshape(rows.shape[1], -1, cell.n_classes).permute(1, 0, 2)
        counts = cell.counts[some]
        noise = float(cell.noise_sd is not None)
        return cls(rows, spectrum.lam, sums / counts[:, None], counts, cell.responses.shape[1], noise)

    @property
    def within(self) -> Tensor:
        """(L,) float64 trace of the within-class covariance."""
        between = (self.counts * self.means.square().sum(dim=1)).sum(dim=1, dtype=torch.float64)
        return (self.total.sum(dtype=torch.float64) - between) / len(self.rows)

    def discriminants(self, shrinkage: Tensor) -> Discriminants:
        """Of one shrinkage a labelling, (L,)."""
        shape = (1 - shrinkage) / len(self.rows)
        ridge = shrinkage * self.within / self.n_voxels + self.noise
        diagonal = (shape[:, None] * self.total + ridge[:, None]).to(self.total)
        class_side = self.means / diagonal[:, :, None]
        between = self.means.double().mT @ class_side.double()  # Q
        eye = torch.eye(between.shape[1], dtype=torch.float64, device=between.device)
        weighed = shape[:, None, None] * self.counts.double()[:, :, None] * between
        core = torch.linalg.solve(eye - weighed, eye.expand_as(between))
        core_here = core.to(class_side)
        return Discriminants(
            shape,
            diagonal,
            class_side,
            core_here,
            class_side @ core_here,
            (between @ core).to(class_side),
            self.counts,
        )

    def ledoit_wolf(self, labels: Tensor) -> Tensor:
        """(L,) float64 shrinkage of the pooled residuals; labels (L, n)."""
        n, p = len(self.rows), self.n_voxels
        means, counts, total = self.means.double(), self.counts.double(), self.total.double()
        along = torch.matmul(self.rows, self.means).gather(2, labels[:, :, None])  # (L, n, 1) a_i'm_y
        norms = means.square().sum(dim=1).gather(1, labels)  # (L, n)
        lengths = self.rows.square().sum(dim=1, dtype=torch.float64) - 2 * along[:, :, 0] + norms
        fourth = lengths.square().sum(dim=1)
        cross = torch.einsum("lrc,r,lrc->lc", means, total, means)
        gram = (means.mT @ means).square() * counts[:, :, None] * counts[:, None]
        squares = (total.square().sum() - 2 * (counts * cross).sum(1) + gram.sum(dim=(1, 2))) / n**2
        spread = (squares - self.within**2 / p) / p
        error = (fourth / n - squares) / (p * n)
        return torch.where(spread > 0, torch.minimum(error.clamp(min=0), spread) / spread, 0)


def _losses(
    cell: Cell, some: slice, scatter: Scatter, grid: tuple[float, ...], weight: Tensor, log_prior: Tensor
) -> Tensor:
    """(L, n_grid) float64 leave-group-out log loss, each row weighed by its class."""
    labels, losses = cell.labels[some], []
    groups = [Groups.of(scatter.rows, rows, labels) for rows in cell.stacked_groups]
    for shrinkage in grid:
        intensity = torch.full((len(labels),), shrinkage, dtype=torch.float64, device=labels.device)
        model = scatter.discriminants(intensity)
        total = torch.zeros_like(intensity)
        known = torch.zeros_like(intensity)
        for group in groups:
            logits, defined = left_out_logits(group, model)
            shape = logits.shape[:3]
            flat = (logits + log_prior[:, None, None]).flatten(1, 2)  # (L, n_f, C)
            true = group.labels[:, :, None].expand(shape).flatten(1)
            noisy = model.weights if scatter.noise else None
            counted = weight[:, group.rows.flatten()] * defined[:, :, None].expand(shape).flatten(1)
            loss = log_losses(flat, true, noisy)
            total += torch.where(counted > 0, counted * loss, 0).sum(dim=1, dtype=torch.float64)
            known += counted.sum(dim=1, dtype=torch.float64)
        losses.append(total / known)
    return torch.stack(losses, dim=1)
