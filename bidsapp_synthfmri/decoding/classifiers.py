"""Classifiers by name, fitted on many cells; and the ridge classifier of one training set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import InputMalformedError
from ..structures import IntArray
from .cells import Cell, make_cell
from .lda import LDA
from .linear import LinearDecoders
from .logistic import Logistic
from .ridge import ALPHAS, Ridge

Real = NDArray[np.floating[Any]]

__all__ = ["ALPHAS", "CLASSIFIERS", "Classifier", "RidgeClassifier", "fit", "fit_many"]


class Classifier(Protocol):
    """What fits one decoder a labelling, its hyperparameter chosen inside the cell's rows."""

    @property
    def name(self) -> str: ...

    def fit(self, cell: Cell) -> LinearDecoders:
        """Decoders of the cell's labellings, in the unit of its responses."""


CLASSIFIERS: dict[str, Callable[[], Classifier]] = {"ridge": Ridge, "lda": LDA, "logistic": Logistic}


def fit_many(cells: Iterable[Cell], classifiers: Sequence[Classifier]) -> Iterator[dict[str, LinearDecoders]]:
    """Every classifier on every cell, cell by cell.

    Parameters
    ----------
    cells : taken one at a time, so that they may be made on the way
    classifiers : of distinct names

    Yields
    ------
    for each cell, the decoders under each classifier's name

    Notes
    -----
    A cell's one decomposition serves every classifier, penalty, fold and labelling.
    """
    for cell in cells:
        yield {classifier.name: classifier.fit(cell) for classifier in classifiers}


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
        apart = self.intercept - self.intercept.mean()  # under a large penalty classes differ little
        return np.asarray((responses @ self.coef + apart).argmax(axis=1), dtype=np.int64)

    def predict(self, responses: Real) -> NDArray[np.object_]:
        """(n_trials,) class of the highest score."""
        return np.asarray(self.classes, dtype=object)[self.predict_index(responses)]


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
    if not len(labels):
        raise InputMalformedError("A classifier was given no trials", "Give trials of two classes or more")
    names, index = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    grid = tuple(map(float, alphas))
    found = Ridge(grid, balanced).fit(make_cell(responses, index, groups, noise_sd))
    return RidgeClassifier(
        tuple(str(name) for name in names),
        found.coef[0].numpy(),
        found.intercept[0].numpy(),
        float(found.penalty[0]),
        grid,
        found.losses[0].to(torch.float64).numpy(),
    )
