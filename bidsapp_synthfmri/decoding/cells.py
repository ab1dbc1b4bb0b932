"""What classifiers are fitted on: one training set under one labelling or many, and its decomposition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import InputMalformedError

# Weights differ from 1 by rounding alone below this.
_SAME = 1e-6


@dataclass(frozen=True)
class Spectrum:
    """Thin SVD U diag(sqrt(lam)) V' of the weighted, centred, scaled training responses.

    Attributes
    ----------
    u : (n, rank)
    lam : (rank,) squared singular values, ascending
    v : (n_voxels, rank)
    ones : (n,) unit vector of the intercept, orthogonal to u
    mean : (n_voxels,) weighted mean of the responses, in their own unit
    """

    u: Tensor
    lam: Tensor
    v: Tensor
    ones: Tensor
    mean: Tensor

    @property
    def full_rank(self) -> bool:
        """Whether u spans all that is orthogonal to the intercept."""
        return len(self.lam) >= len(self.ones) - 1


@dataclass(frozen=True)
class Cell:
    """One training set of one region, under one labelling or several (permutations of the first).

    Attributes
    ----------
    responses : (n, n_voxels) float32 or float64, which is what is computed in, on any device
    labels : (n_labellings, n) int64, classes as numbers from 0
    n_classes : classes; every one occurs in every labelling
    groups : (n,) int64, what is left out together when hyperparameters are chosen (the stimulus)
    noise_sd : (n_voxels,) noise of a real trial about a noiseless one, where ``responses`` are noiseless
        and the classifier is meant for real trials; None where they are trials

    Raises
    ------
    InputMalformedError : fewer than two classes or groups, a class without a row, or values not finite
    """

    responses: Tensor
    labels: Tensor
    n_classes: int
    groups: Tensor
    noise_sd: Tensor | None = None

    def __post_init__(self) -> None:
        if self.n_classes < 2:
            raise InputMalformedError(
                f"A classifier was given {self.n_classes} class(es)",
                "Give labels with two classes or more",
            )
        if not bool(torch.isfinite(self.responses).all()):
            raise InputMalformedError(
                "Training responses are not all finite", "Drop the voxels or trials first"
            )
        if self.labels.shape[1] != len(self.responses) or len(self.groups) != len(self.responses):
            raise InputMalformedError(
                f"{len(self.responses)} training responses have {self.labels.shape[1]} labels and "
                f"{len(self.groups)} groups",
                "Give one of each a row",
            )
        if bool((self.groups == self.groups[0]).all()):
            raise InputMalformedError(
                "All training trials show one stimulus", "Give trials of two stimuli or more"
            )
        if bool((self.counts == 0).any()):
            raise InputMalformedError(
                "A class has no training trial", "Leave the class out, or give trials of it"
            )

    def __len__(self) -> int:
        """n, the rows."""
        return len(self.responses)

    @property
    def n_labellings(self) -> int:
        """How many labellings."""
        return len(self.labels)

    @cached_property
    def counts(self) -> Tensor:
        """(n_labellings, n_classes) rows of each class."""
        return self.one_hot.sum(dim=1)

    @cached_property
    def one_hot(self) -> Tensor:
        """(n_labellings, n, n_classes) 1 where the row is of the class, in the responses' type."""
        return torch.nn.functional.one_hot(self.labels, self.n_classes).to(self.responses.dtype)

    @cached_property
    def scale(self) -> Tensor:
        """(n_voxels,) what each voxel is divided by: ``noise_sd``, else its sd; 1 where that is 0."""
        sd = self.responses.std(dim=0, correction=0) if self.noise_sd is None else self.noise_sd
        return torch.where(sd > 0, sd, torch.ones_like(sd)).to(self.responses.dtype)

    @cached_property
    def spectrum(self) -> Spectrum:
        """Of the unweighted rows: the same for every labelling."""
        return decompose(self.responses, self.scale, torch.ones_like(self.responses[:, 0]))

    def class_weights(self, balanced: bool) -> Tensor:
        """(n_labellings, n) weights with mean 1 and, if ``balanced``, the same sum in every class."""
        if not balanced:
            return torch.ones_like(self.labels, dtype=self.responses.dtype)
        per_class = len(self) / (self.n_classes * self.counts)
        return per_class.gather(1, self.labels)

    def weighted(self, weight: Tensor) -> Spectrum:
        """Spectrum of the rows times the root of ``weight`` (n,), about their weighted mean."""
        if all_equal(weight):
            return self.spectrum
        return decompose(self.responses, self.scale, weight)

    @cached_property
    def stacked_groups(self) -> tuple[Tensor, ...]:
        """Rows of the groups, (n_groups, size) for every size of group there is."""
        _, index, counts = torch.unique(self.groups, return_inverse=True, return_counts=True)
        order, sizes = torch.argsort(index, stable=True), counts[index]
        return tuple(
            order[sizes[order] == size].reshape(-1, int(size)) for size in torch.unique(counts).tolist()
        )

    def folds(self, n_folds: int) -> Tensor:
        """(n,) fold of each row: groups dealt out in turn, class by class of the first labelling."""
        _, index = torch.unique(self.groups, return_inverse=True)
        n_groups = int(index.max()) + 1
        label = torch.zeros(n_groups, dtype=torch.int64, device=index.device)
        label[index] = self.labels[0]
        dealt = torch.empty_like(label)
        dealt[torch.argsort(label, stable=True)] = torch.arange(n_groups, device=index.device)
        return (dealt % min(n_folds, n_groups))[index]


def all_equal(weights: Tensor) -> bool:
    """Whether all weights are 1."""
    return bool((weights - 1).abs().max() < _SAME)


def make_cell(
    responses: NDArray[np.floating[Any]] | Tensor,
    labels: NDArray[Any] | Sequence[int],
    groups: Sequence[Any] | NDArray[Any] | None = None,
    noise_sd: NDArray[np.floating[Any]] | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
) -> Cell:
    """A cell from arrays.

    Parameters
    ----------
    responses : (n, n_voxels)
    labels : (n,) or (n_labellings, n) classes as numbers from 0
    groups : (n,) what is left out together; None means each row alone
    noise_sd : (n_voxels,)
    device, dtype : where and in what to compute; float32 or float64, None keeps the responses' own
    """
    if not isinstance(responses, Tensor):
        responses = torch.from_numpy(np.require(responses, requirements=["C", "W"]))
    values = responses.to(device)
    values = values.to(dtype or (values.dtype if values.dtype == torch.float64 else torch.float32))
    numbers = torch.as_tensor(np.atleast_2d(np.asarray(labels, dtype=np.int64))).to(device)
    own = np.arange(len(values)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    noise = None if noise_sd is None else torch.as_tensor(noise_sd).to(device, values.dtype)
    n_classes = int(numbers.max()) + 1 if numbers.numel() else 0
    return Cell(values, numbers, n_classes, torch.as_tensor(own.reshape(-1)).to(device), noise)


def decompose(responses: Tensor, scale: Tensor, weight: Tensor) -> Spectrum:
    """Thin SVD from the smaller of the two Gram matrices.

    Parameters
    ----------
    responses : (n, n_voxels)
    scale : (n_voxels,) what the voxels are divided by
    weight : (n,) of each row, with mean 1
    """
    mean = weight @ responses / len(weight)
    root = weight.sqrt()
    x = (responses - mean).div_(scale).mul_(root[:, None])
    n, p = x.shape
    lam, vectors = torch.linalg.eigh(x.T @ x if p < n else x @ x.T)
    floor = torch.finfo(x.dtype)
    kept = lam > max(n, p) ** 0.5 * floor.eps * max(float(lam[-1]), floor.tiny)
    vectors = vectors[:, kept]
    other = (x if p < n else x.T) @ vectors
    lam = other.square().sum(dim=0)  # of x itself, so that the vectors have length 1 in float32 too
    other /= lam.sqrt()
    ones = root / root.norm()
    return Spectrum(other, lam, vectors, ones, mean) if p < n else Spectrum(vectors, lam, other, ones, mean)
