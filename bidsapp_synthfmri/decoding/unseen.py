"""Unseen categories: neither the encoder nor the decoder saw a real response to the categories told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..encoding.resolvents import Decomposition
from ..errors import InputMalformedError
from ..structures import IntArray
from .cells import make_cell
from .classifiers import Classifier
from .group_deleted import Deletion, noise_sd_without, predict_without


@dataclass(frozen=True)
class CategoryFolds:
    """Categories that are left out together.

    Attributes
    ----------
    classes : names
    fold : (n_classes,) fold of each; every fold has two classes or more
    """

    classes: tuple[str, ...]
    fold: IntArray

    @property
    def n_folds(self) -> int:
        """How many folds there are."""
        return int(self.fold.max()) + 1

    def numbers(self, labels: Sequence[str | None]) -> IntArray:
        """Position of each label in ``classes``, -1 where it has none there."""
        place = {name: number for number, name in enumerate(self.classes)}
        return np.array([-1 if name is None else place.get(name, -1) for name in labels], dtype=np.int64)


@dataclass(frozen=True)
class UnseenDecoded:
    """Predictions for real trials of categories that no real response taught.

    Attributes
    ----------
    folds : which categories were told apart from which
    labels : (n_test,) true class as position in ``folds.classes``, -1 where the trial has none of them
    decisions : (n_test, n_classes) decision values of the classes of the trial's fold, -inf elsewhere;
        NaN for trials of no class
    penalty : (n_folds,) hyperparameter of each fold's decoder
    n_training : (n_folds,) images each fold's decoder was trained on
    """

    folds: CategoryFolds
    labels: IntArray
    decisions: Tensor
    penalty: Tensor
    n_training: IntArray

    @property
    def predicted(self) -> IntArray:
        """(n_test,) class of the highest decision value, -1 for trials of no class."""
        best = self.decisions.nan_to_num(-torch.inf).argmax(dim=1).cpu().numpy()
        return np.where(self.labels < 0, -1, best)

    @property
    def accuracy(self) -> float:
        """Mean over classes of their share of trials that are right."""
        known = self.labels >= 0
        right = (self.predicted == self.labels)[known]
        return float(np.mean([right[self.labels[known] == c].mean() for c in np.unique(self.labels[known])]))

    @property
    def chance(self) -> float:
        """Expected accuracy of a guess among the classes of the trial's fold."""
        sizes = np.bincount(self.folds.fold)
        tested = np.unique(self.labels[self.labels >= 0])
        return float(np.mean(1 / sizes[self.folds.fold[tested]]))


def category_folds(classes: Sequence[str], n_folds: int, rng: np.random.Generator) -> CategoryFolds:
    """Categories dealt at random into folds of two or more.

    Parameters
    ----------
    n_folds : at most; fewer where there are not two categories for each

    Raises
    ------
    InputMalformedError : fewer than four categories: with one fold nothing is left to fit the encoder to
    """
    names = tuple(sorted(set(classes)))
    if len(names) < 4 or n_folds < 2:
        raise InputMalformedError(
            f"{len(names)} categories cannot be left out in {n_folds} folds of two or more",
            "Use labels with four categories or more, and two folds or more",
        )
    fold = np.empty(len(names), dtype=np.int64)
    fold[rng.permutation(len(names))] = np.arange(len(names)) % min(n_folds, len(names) // 2)
    return CategoryFolds(names, fold)


def decode_unseen(
    decomposition: Decomposition,
    Y: Tensor,
    alpha: Tensor,
    cross: Tensor,
    folds: CategoryFolds,
    row_labels: Sequence[str | None],
    candidate_labels: Sequence[str | None],
    test: Tensor,
    test_labels: Sequence[str | None],
    classifier: Classifier,
) -> UnseenDecoded:
    """Decode real trials of each fold's categories from what an encoder without them says of other images.

    Parameters
    ----------
    decomposition, Y, alpha, cross : as of ``group_deleted.predict_without``
    row_labels : (n,) category of each training row; rows of no category stay in every encoder
    candidate_labels : (m,) category of each candidate image, none of them a test stimulus
    test : (n_test, n_voxels) real trials
    test_labels : (n_test,)
    classifier : chooses among the categories of one fold

    Raises
    ------
    InputMalformedError : a category of the folds has no candidate image

    Notes
    -----
    METHODS, "Decoding". The noise that the decoder expects is measured on other folds' categories.
    """
    rows, candidates = folds.numbers(row_labels), folds.numbers(candidate_labels)
    lacking = [folds.classes[c] for c in range(len(folds.classes)) if not (candidates == c).any()]
    if lacking:
        raise InputMalformedError(
            f"There are no other images of {len(lacking)} categories, e.g. {lacking[0]!r}",
            "Leave them out, or give images of them with --images",
        )
    deletions = [
        Deletion(_of_fold(folds, rows, fold), _of_fold(folds, candidates, fold))
        for fold in range(folds.n_folds)
    ]
    synthetic = predict_without(decomposition, Y, alpha, cross, deletions)
    labels = folds.numbers(test_labels)
    decisions = test.new_full((len(test), len(folds.classes)), -torch.inf)
    decisions[torch.from_numpy(labels < 0).to(test.device)] = torch.nan
    penalties = []
    for fold, deletion in enumerate(deletions):
        own = np.flatnonzero(folds.fold == fold)
        training = candidates[deletion.candidates.numpy()]
        noise = noise_sd_without(synthetic.residuals, deletion.rows.to(Y.device)).cpu().numpy()
        responses = synthetic.candidates[deletion.candidates.to(Y.device)]
        cell = make_cell(responses, np.searchsorted(own, training), noise_sd=noise, device=Y.device)
        found = classifier.fit(cell)
        trials = np.flatnonzero(np.isin(labels, own))
        values = found.decision_function(test[trials])[0].to(decisions)
        decisions[np.ix_(trials, own)] = values
        penalties.append(found.penalty)
    n_training = np.array([len(deletion.candidates) for deletion in deletions], dtype=np.int64)
    return UnseenDecoded(folds, labels, decisions, torch.cat(penalties), n_training)


def _of_fold(folds: CategoryFolds, numbers: IntArray, fold: int) -> Tensor:
    """Where the class is of the fold."""
    known = numbers >= 0
    return torch.from_numpy(np.flatnonzero(known & (folds.fold[np.where(known, numbers, 0)] == fold)))
