"""Ridge classifier whose penalty is chosen by exact leave-group-out from one eigendecomposition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import InputMalformedError
from ..structures import IntArray

Real = NDArray[np.floating[Any]]
ALPHAS: tuple[float, ...] = tuple(float(alpha) for alpha in np.geomspace(1e-4, 1e4, 17))


@dataclass(frozen=True)
class RidgeClassifier:
    """One-versus-rest linear classifier in the unit of the responses it was fitted on.

    Attributes
    ----------
    classes : names, in order of the columns below
    coef : (n_voxels, n_classes)
    intercept : (n_classes,)
    alpha : the penalty chosen
    alphas : the grid it was chosen from
    errors : (n_alphas,) what was minimised: leave-group-out squared error a trial
    """

    classes: tuple[str, ...]
    coef: Real
    intercept: Real
    alpha: float
    alphas: tuple[float, ...]
    errors: Real

    @property
    def alpha_at_edge(self) -> bool:
        """Whether the penalty lies at the end of its grid."""
        return self.alpha in (min(self.alphas), max(self.alphas))

    def decision_function(self, responses: Real) -> Real:
        """(n_trials, n_classes) scores."""
        return np.asarray(responses @ self.coef + self.intercept)

    def predict_index(self, responses: Real) -> IntArray:
        """(n_trials,) position in ``classes`` of the highest score."""
        return np.asarray(self.decision_function(responses).argmax(axis=1), dtype=np.int64)

    def predict(self, responses: Real) -> NDArray[np.object_]:
        """(n_trials,) class of the highest score."""
        return np.asarray(self.classes, dtype=object)[self.predict_index(responses)]


@dataclass(frozen=True)
class _Spectrum:
    """Thin SVD of the weighted, centred training matrix, U diag(sqrt(lam)) V', and the intercept's axis."""

    u: Real
    lam: Real
    v: Real
    ones: Real

    @property
    def full_rank(self) -> bool:
        """Whether u spans all that is orthogonal to the intercept."""
        return len(self.lam) >= len(self.ones) - 1


def fit(
    responses: Real,
    labels: Sequence[str],
    alphas: Sequence[float] = ALPHAS,
    groups: Sequence[Any] | None = None,
    balanced: bool = True,
    noise_sd: Real | None = None,
) -> RidgeClassifier:
    """Ridge classifier, its penalty chosen inside the training set.

    Parameters
    ----------
    responses : (n_trials, n_voxels); float32 is computed in float32, float64 in float64
    labels : (n_trials,) class names
    alphas : grid of penalties, relative: 1 weighs a standardised voxel's weight like one trial's error
    groups : (n_trials,) what is left out together, e.g. the stimulus; None means each trial alone
    balanced : whether every class has the same total weight
    noise_sd : (n_voxels,) noise of a real trial about a noiseless one; give it where ``responses``
        are noiseless and the classifier is meant for real trials

    Returns
    -------
    the classifier that minimises, at the alpha with the least leave-group-out error,
    ``1/n sum_i w_i |y_i - b0 - x_i b|^2 + alpha |b|^2`` with y = +1 for the class and -1 for the rest

    Raises
    ------
    InputMalformedError : fewer than two classes or groups, or responses that are not finite

    Notes
    -----
    Leave-group-out: METHODS, "Ridge", e_f = G_ff^-1 c_f, on the space orthogonal to the intercept;
    standardisation and class weights are those of the whole training set in every fold.

    A voxel is divided by its training sd, or by ``noise_sd``. In the second case the error expected on
    a trial with independent noise of that size is the noiseless error plus |b|^2 (Bishop 1995: noise
    on the input is a ridge penalty), and that sum is what alpha minimises. Chosen by the noiseless
    error alone, alpha is too small for real trials, which are then decoded worse.
    """
    classes, index = _encode(responses, labels)
    weight = _class_weights(index, len(classes)) if balanced else np.ones(len(index))
    weight = weight.astype(responses.dtype)
    scale = _positive(responses.std(axis=0) if noise_sd is None else np.asarray(noise_sd, responses.dtype))
    target = np.where(index[:, None] == np.arange(len(classes)), 1, -1).astype(responses.dtype)
    mean, target_mean = weight @ responses / len(index), weight @ target / len(index)
    root = np.sqrt(weight)
    spectrum = _decompose(root[:, None] * ((responses - mean) / scale), root / np.linalg.norm(root))
    y = root[:, None] * (target - target_mean)  # (n_trials, n_classes)
    uy = spectrum.u.T @ y  # (rank, n_classes)
    penalties = [float(alpha) * len(index) for alpha in alphas]
    errors = _left_out_errors(spectrum, y, uy, penalties, _folds(groups, len(index)))
    if noise_sd is not None:
        errors += [float(np.sum(_shrunk(spectrum, uy, penalty) ** 2)) for penalty in penalties]
    best = int(np.argmin(errors))
    coef = (spectrum.v @ _shrunk(spectrum, uy, penalties[best])) / scale[:, None]  # (n_voxels, n_classes)
    intercept = target_mean - mean @ coef
    return RidgeClassifier(classes, coef, intercept, float(alphas[best]), tuple(map(float, alphas)), errors)


def _encode(responses: Real, labels: Sequence[str]) -> tuple[tuple[str, ...], IntArray]:
    names, index = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    if len(names) < 2:
        raise InputMalformedError(
            f"A classifier was given {len(names)} class(es)", "Give labels with two classes or more"
        )
    if not np.isfinite(responses).all():
        raise InputMalformedError("Training responses are not all finite", "Drop the voxels or trials first")
    return tuple(str(name) for name in names), np.asarray(index, dtype=np.int64)


def _class_weights(index: IntArray, n_classes: int) -> NDArray[np.float64]:
    """(n_trials,) with mean 1 and the same sum in every class."""
    return np.asarray(len(index) / (n_classes * np.bincount(index, minlength=n_classes)))[index]


def _positive(sd: Real) -> Real:
    return np.where(sd > 0, sd, np.ones_like(sd))


def _decompose(x: Real, ones: Real) -> _Spectrum:
    """Thin SVD from the smaller of the two Gram matrices; torch's eigh is the faster one on a CPU."""
    n, p = x.shape
    gram = torch.from_numpy(x.T @ x if p < n else x @ x.T)
    lam, vectors = (part.numpy() for part in torch.linalg.eigh(gram))
    kept = lam > max(n, p) * np.finfo(x.dtype).eps * max(lam[-1], np.finfo(x.dtype).tiny)
    lam, vectors = lam[kept], vectors[:, kept]
    other = (x if p < n else x.T) @ vectors / np.sqrt(lam)
    return _Spectrum(other, lam, vectors, ones) if p < n else _Spectrum(vectors, lam, other, ones)


def _shrunk(spectrum: _Spectrum, uy: Real, penalty: float) -> Real:
    """(rank, n_classes) primal weights in the basis v."""
    return np.asarray((np.sqrt(spectrum.lam) / (spectrum.lam + penalty))[:, None] * uy)


def _folds(groups: Sequence[Any] | None, n: int) -> list[IntArray]:
    """Rows of the groups, stacked (n_groups, size) for every size of group there is."""
    if groups is None:
        return [np.arange(n)[:, None]]
    _, index = np.unique(np.asarray(groups), return_inverse=True)
    counts = np.bincount(index)
    if len(counts) < 2:
        raise InputMalformedError(
            "All training trials show one stimulus", "Give trials of two stimuli or more"
        )
    order, sizes = np.argsort(index, kind="stable"), counts[index]
    return [
        np.asarray(order[sizes[order] == size].reshape(-1, size), dtype=np.int64)
        for size in np.unique(counts)
    ]


def _left_out_errors(
    spectrum: _Spectrum, y: Real, uy: Real, penalties: Sequence[float], folds: list[IntArray]
) -> NDArray[np.float64]:
    """(n_penalties,) squared error a trial, summed over classes, each group predicted without itself.

    penalty * G = (1 - ones ones' - U U') + U diag(penalty / (lam + penalty)) U'; the first term is zero
    where U spans it, and then leaving it out keeps small penalties exact.
    """
    grid = np.asarray(penalties, dtype=y.dtype)[:, None]  # (n_penalties, 1)
    keep = grid / (spectrum.lam + grid) - (not spectrum.full_rank)  # (n_penalties, rank)
    n_classes = y.shape[1]
    kept = (keep[:, :, None] * uy).transpose(1, 0, 2).reshape(len(uy), -1)  # (rank, n_penalties * n_classes)
    residual = (spectrum.u @ kept).reshape(len(y), len(grid), n_classes)  # (n, n_penalties, n_classes)
    if not spectrum.full_rank:
        residual += y[:, None, :]
    errors = np.zeros(len(grid))
    for rows in folds:
        if rows.shape[1] == 1:
            left_out = _single_trials(spectrum, residual, keep, rows[:, 0])
        else:
            left_out = _several_trials(spectrum, residual, keep, rows)
        errors += np.sum(left_out.astype(np.float64) ** 2, axis=tuple(range(1, left_out.ndim)))
    return errors / len(y)


def _single_trials(spectrum: _Spectrum, residual: Real, keep: Real, rows: IntArray) -> Real:
    """(n_penalties, n_rows, n_classes) left-out residuals of groups of one trial."""
    g = keep @ (spectrum.u[rows] ** 2).T  # (n_penalties, n_rows)
    if not spectrum.full_rank:
        g += 1 - spectrum.ones[rows] ** 2
    return np.asarray(residual[rows].transpose(1, 0, 2) / g[:, :, None])


def _several_trials(spectrum: _Spectrum, residual: Real, keep: Real, rows: IntArray) -> Real:
    """(n_penalties, n_groups, size, n_classes) left-out residuals of groups of equal size."""
    u, ones = spectrum.u[rows], spectrum.ones[rows]  # (n_groups, size, rank)
    outside = np.zeros(rows.shape[1], dtype=u.dtype)
    if not spectrum.full_rank:
        outside = np.eye(rows.shape[1], dtype=u.dtype) - ones[:, :, None] * ones[:, None, :]
    solved = [
        np.linalg.solve((u * of_penalty) @ u.transpose(0, 2, 1) + outside, residual[rows, number])
        for number, of_penalty in enumerate(keep)
    ]
    return np.stack(solved)
