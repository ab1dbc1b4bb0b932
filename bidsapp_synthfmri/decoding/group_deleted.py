"""Responses to new images by encoders that never saw some categories, without refitting any encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from ..encoding.resolvents import BandDecomposition, Decomposition
from ..errors import InputMalformedError


@dataclass(frozen=True)
class Deletion:
    """What one encoder must not have seen, and what it then predicts.

    Attributes
    ----------
    rows : (n_f,) training rows left out, such as all trials of the fold's categories
    candidates : (m_f,) images to predict, as positions in the cross-kernel
    """

    rows: Tensor
    candidates: Tensor


@dataclass(frozen=True)
class GroupDeleted:
    """Predictions of the encoders without their rows.

    Attributes
    ----------
    candidates : (m, n_voxels) each candidate by its own deletion's encoder; NaN where it is in none
    residuals : (n, n_voxels) rows left out less what the encoder without them predicts; NaN elsewhere
    """

    candidates: Tensor
    residuals: Tensor


def centred_cross_kernel(cross: Tensor, kernel: Tensor, stimulus_index: Tensor) -> Tensor:
    """Inner products of candidates with training rows, features about the training rows' mean.

    Parameters
    ----------
    cross : (m, n_images) of candidates with training images, about any one origin
    kernel : (n_images, n_images) of the training images, about the same origin
    stimulus_index : (n,) image of each training row

    Returns
    -------
    (m, n); columns are right up to a constant a candidate, which dual weights, summing to 0, do not see
    """
    mean = kernel[stimulus_index].mean(dim=0)  # (n_images,) of the rows' mean with each image
    return (cross - mean)[:, stimulus_index]


def predict_without(
    decomposition: Decomposition, Y: Tensor, alpha: Tensor, cross: Tensor, deletions: Sequence[Deletion]
) -> GroupDeleted:
    """Predictions for candidates by the encoder without each deletion's rows.

    Parameters
    ----------
    decomposition : of the n training rows of one layer
    Y : (n, n_voxels) training responses
    alpha : (n_voxels,) penalty of each voxel
    cross : (m, n) candidates with training rows, from ``centred_cross_kernel``, not divided by the scale
    deletions : rows and candidates of no two overlap

    Raises
    ------
    InputMalformedError : deletions overlap, or one leaves fewer than two rows

    Notes
    -----
    METHODS, "Ridge": with e_f = G_ff^-1 c_f the encoder without rows f has dual weights c - G_:f e_f
    and the mean response less sum(e_f) / n, so candidates with kernel k get
    mean - sum(e_f) / n + k c - (k G_:f) e_f. G_:f for few candidates costs products of the fold's size, where
    the dual weights of every deleted encoder would each cost n^2 v.
    """
    n = len(Y)
    _require_disjoint(deletions, n, len(cross))
    device, dtype = decomposition.device, decomposition.dtype
    left_out = torch.cat([deletion.rows for deletion in deletions]).to(device)
    kept = torch.ones(n, dtype=torch.bool, device=device)
    kept[left_out] = False
    order = torch.cat([left_out, torch.nonzero(kept).flatten()])
    bounds = [0, *torch.tensor([len(deletion.rows) for deletion in deletions]).cumsum(0).tolist()]
    folds = [slice(start, stop) for start, stop in pairwise(bounds)]
    ordered = decomposition.reordered(order)
    values = Y.to(device, dtype)[order]
    mean = values.mean(dim=0)
    kernels = cross.to(device, dtype)[:, order] / decomposition.scale  # (m, n)
    projected, candidates = ordered.project(values - mean), ordered.project(_centred(kernels).T)
    predicted = torch.full((len(cross), Y.shape[1]), torch.nan, dtype=dtype, device=device)
    residuals = torch.full_like(values, torch.nan)
    alphas, which = torch.unique(alpha.to(device), return_inverse=True)
    for number, resolvent in enumerate(ordered.resolvents(tuple(alphas.tolist()))):
        columns = torch.nonzero(which == number).flatten()
        c = ordered.lift(resolvent.solve(projected[:, columns]))  # (n, v_a)
        for deletion, fold, block in zip(deletions, folds, resolvent.blocks(folds), strict=True):
            own = deletion.candidates.to(device)
            e = torch.cholesky_solve(c[fold], torch.linalg.cholesky(block))  # (n_f, v_a)
            G = _lift_rows(ordered, resolvent.solve(candidates[:, own]), fold)  # (n_f, m_f)
            shift = mean[columns] - e.sum(dim=0) / n
            predicted[own[:, None], columns] = shift + kernels[own] @ c - G.T @ e
            residuals[fold, columns] = e
    restored = torch.empty_like(residuals)
    restored[order] = residuals
    return GroupDeleted(predicted.to(Y.device), restored.to(Y.device))


def noise_sd_without(residuals: Tensor, rows: Tensor) -> Tensor:
    """(n_voxels,) sd of the left-out residuals of other deletions' rows.

    What a real trial adds to a noiseless prediction, from rows that the deletion's categories are not
    among.

    Parameters
    ----------
    residuals : (n, n_voxels) of ``GroupDeleted``
    rows : (n_f,) the deletion's

    Raises
    ------
    InputMalformedError : no other rows were left out of any encoder
    """
    known = torch.isfinite(residuals[:, 0])
    known[rows] = False
    if int(known.sum()) < 2:
        raise InputMalformedError(
            "Only one fold of categories was left out, so that the noise of other categories is not known",
            "Use two folds of categories or more",
        )
    return residuals[known].std(dim=0, correction=0)


def _centred(kernels: Tensor) -> Tensor:
    """Rows less their mean: G takes no constant, and float32 keeps more digits without it."""
    return kernels - kernels.mean(dim=1, keepdim=True)


def _lift_rows(decomposition: Decomposition, solved: Tensor, rows: slice) -> Tensor:
    """Some rows of ``decomposition.lift(solved)``."""
    if isinstance(decomposition, BandDecomposition):
        return decomposition.basis[:, rows].T @ solved
    return decomposition.lift(solved)[rows]


def _require_disjoint(deletions: Sequence[Deletion], n: int, m: int) -> None:
    for what, parts, size in (
        ("training rows", [deletion.rows for deletion in deletions], n),
        ("candidates", [deletion.candidates for deletion in deletions], m),
    ):
        counts = torch.bincount(torch.cat(parts).cpu(), minlength=size)
        if bool((counts > 1).any()):
            raise InputMalformedError(
                f"{int((counts > 1).sum())} {what} belong to two folds of categories",
                "Give every category to one fold, and every image one category",
            )
    if any(n - len(deletion.rows) < 2 for deletion in deletions):
        raise InputMalformedError(
            "A fold of categories holds all training trials", "Use more folds, or more categories"
        )
