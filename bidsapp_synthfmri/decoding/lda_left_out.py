"""Decision values of linear discriminant analysis for groups of trials by a fit without them, exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..errors import InputMalformedError


@dataclass(frozen=True)
class Groups:
    """Groups of k rows each, every group of one class; L labellings.

    Attributes
    ----------
    rows : (n_groups, k)
    values : (n_groups, k, rank) the rows' responses
    labels : (L, n_groups)
    """

    rows: Tensor
    values: Tensor
    labels: Tensor

    @classmethod
    def of(cls, responses: Tensor, rows: Tensor, labels: Tensor) -> Groups:
        """Of responses (n, rank) and labels (L, n).

        Raises
        ------
        InputMalformedError : rows of one group have different labels
        """
        own = labels[:, rows]  # (L, n_groups, k)
        if bool((own != own[:, :, :1]).any()):
            raise InputMalformedError(
                "Trials that are left out together have different labels",
                "Group trials by stimulus, and give all trials of a stimulus one label",
            )
        return cls(rows, responses[rows], own[:, :, 0])


class _Discriminants(Protocol):
    """What is used of ``lda.Discriminants``."""

    @property
    def shape(self) -> Tensor: ...
    @property
    def diagonal(self) -> Tensor: ...
    @property
    def class_side(self) -> Tensor: ...
    @property
    def core(self) -> Tensor: ...
    @property
    def between(self) -> Tensor: ...
    @property
    def counts(self) -> Tensor: ...


def left_out_logits(groups: Groups, model: _Discriminants) -> tuple[Tensor, Tensor]:
    """Discriminants of each row by a fit without its group, less the log prior.

    Returns
    -------
    (L, n_groups, k, C) up to a constant a row, and (L, n_groups) whether the class has other rows

    Notes
    -----
    E are the group's rows about their class's mean m_y. Without them that mean is m_y - E't with
    t = 1 / (n_y - k), and n times the within-class covariance is less by E'HE, H^-1 = I - 11'/n_y. With
    P = E Sigma^-1 E', R = E Sigma^-1 M and J = g (H^-1 - g P)^-1, g = (1 - s) / n, Woodbury's identity
    gives the changed P + PJP, R + PJR and M' Sigma^-1 M + R'JR, from which the discriminants follow.
    """
    k = groups.rows.shape[1]
    label = groups.labels[:, :, None]  # (L, n_groups, 1)
    n_own = model.counts.gather(1, groups.labels)  # (L, n_groups)
    defined = n_own > k + 0.5
    P, R = _within_groups(groups, model)
    J = _downdate(P, torch.where(defined, n_own, 2 * k), model.shape.to(P))
    JR = J @ R  # (L, n_groups, k, C)
    own = R.gather(3, label[..., None].expand(*R.shape[:3], 1))  # (L, n_groups, k, 1)
    between = _rows_of(model.between, groups.labels) + (own.mT @ JR)[:, :, 0]  # (L, n_groups, C)
    norms = model.between.diagonal(dim1=1, dim2=2)[:, None] + (R * JR).sum(dim=2)
    logits = (between - norms / 2)[:, :, None] + R + P @ JR
    changed = P + P @ J @ P
    t = 1 / torch.where(defined, n_own - k, torch.ones_like(n_own))
    shift = t[:, :, None] * changed.sum(dim=3) + (t.square() * changed.sum(dim=(2, 3)) / 2)[:, :, None]
    index = label[..., None].expand(*R.shape[:3], 1)
    return logits.scatter_add(3, index, -shift[..., None]), defined


def _within_groups(groups: Groups, model: _Discriminants) -> tuple[Tensor, Tensor]:
    """P (L, n_groups, k, k) and R (L, n_groups, k, C)."""
    A = groups.values
    n_labellings, rank, n_classes = model.class_side.shape
    flat = model.class_side.permute(1, 0, 2).reshape(rank, -1)
    projected = (A @ flat).reshape(*A.shape[:2], n_labellings, n_classes).permute(2, 0, 1, 3)
    along = projected @ model.core[:, None]  # (L, n_groups, k, C) A Sigma^-1 M
    inverse = _row_products(A, model.diagonal) + _core_products(projected, along, model)
    own = along.gather(3, groups.labels[:, :, None, None].expand(*along.shape[:3], 1))
    within = _rows_of(model.between, groups.labels)  # (L, n_groups, C)
    norm = within.gather(2, groups.labels[:, :, None])[..., None]
    return inverse - own - own.mT + norm, along - within[:, :, None]


def _row_products(A: Tensor, diagonal: Tensor) -> Tensor:
    """(L, n_groups, k, k) A D^-1 A'."""
    if A.shape[1] == 1:
        return (A[:, 0].square() @ (1 / diagonal).T).T[:, :, None, None]
    return torch.stack([(A / own) @ A.mT for own in diagonal])


def _core_products(projected: Tensor, along: Tensor, model: _Discriminants) -> Tensor:
    """(L, n_groups, k, k) A (Sigma^-1 - D^-1) A' = g (A D^-1 M) K N (A D^-1 M)'."""
    weighed = along * model.counts[:, None, None]
    return model.shape.to(projected)[:, None, None, None] * (weighed @ projected.mT)


def _downdate(P: Tensor, n_own: Tensor, shape: Tensor) -> Tensor:
    """(L, n_groups, k, k) g (I - 11'/n_y - g P)^-1."""
    k = P.shape[-1]
    eye = torch.eye(k, dtype=P.dtype, device=P.device)
    g = shape[:, None, None, None]
    matrix = eye - 1 / n_own[:, :, None, None] - g * P
    return g / matrix if k == 1 else g * torch.linalg.inv(matrix)


def _rows_of(matrices: Tensor, labels: Tensor) -> Tensor:
    """(L, n_groups, C) the row of each group's class in its labelling's matrix (L, C, C)."""
    return matrices.gather(1, labels[:, :, None].expand(*labels.shape, matrices.shape[2]))
