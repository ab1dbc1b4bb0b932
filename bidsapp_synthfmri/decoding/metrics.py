"""What decision values are worth: balanced accuracy, top-k, AUC and confusion, for many decoders at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from ..errors import InputMalformedError
from ..structures import IntArray

Real = NDArray[np.floating[Any]]
Float64Array = NDArray[np.float64]


def balanced_accuracy_of(predicted: IntArray, labels: IntArray) -> Float64Array:
    """(...,) mean over the classes among ``labels`` of the share of their trials that are right.

    Parameters
    ----------
    predicted : (..., n) classes as numbers
    labels : (n,)
    """
    _require_labels(labels)
    right = predicted == labels
    recalls = [right[..., labels == label].mean(axis=-1) for label in np.unique(labels)]
    return np.asarray(np.mean(recalls, axis=0))


def top_k_accuracy(decisions: Real, labels: IntArray, k: int) -> Float64Array:
    """(...,) balanced share of trials whose class is among the k of the highest decision values.

    Parameters
    ----------
    decisions : (..., n, n_classes)
    labels : (n,)

    Notes
    -----
    Where others tie with the true class it counts as often as a random order among them puts it in the
    first k.
    """
    _require_labels(labels)
    true = np.take_along_axis(decisions, _as_column(labels, decisions), axis=-1)
    above = (decisions > true).sum(axis=-1)
    tied = (decisions == true).sum(axis=-1)  # itself among them
    credit = np.clip((k - above) / tied, 0, 1)  # (..., n)
    shares = [credit[..., labels == label].mean(axis=-1) for label in np.unique(labels)]
    return np.asarray(np.mean(shares, axis=0))


def auc(decisions: Real, labels: IntArray) -> Float64Array:
    """(...,) area under the ROC curve of each class against the rest, mean over the classes among ``labels``.

    Parameters
    ----------
    decisions : (..., n, n_classes)
    labels : (n,)

    Raises
    ------
    InputMalformedError : fewer than two classes among the labels

    Notes
    -----
    Mann & Whitney's U over the number of pairs; ties count half.
    """
    _require_labels(labels)
    present, n = np.unique(labels), len(labels)
    if len(present) < 2:
        raise InputMalformedError("All test trials are of one class", "Test on trials of two classes or more")
    ranks = rankdata(decisions, axis=-2)  # (..., n, n_classes)
    areas = []
    for label in present:
        own = labels == label
        n_own = int(own.sum())
        u = ranks[..., own, label].sum(axis=-1) - n_own * (n_own + 1) / 2
        areas.append(u / (n_own * (n - n_own)))
    return np.asarray(np.mean(areas, axis=0))


def confusion(predicted: IntArray, labels: IntArray, n_classes: int) -> IntArray:
    """(..., n_classes, n_classes) trials of each true class (rows) given each class (columns)."""
    _require_labels(labels)
    flat = predicted.reshape(-1, len(labels))
    counts = np.zeros((len(flat), n_classes, n_classes), dtype=np.int64)
    decoder = np.repeat(np.arange(len(flat)), len(labels))
    np.add.at(counts, (decoder, np.tile(labels, len(flat)), flat.reshape(-1)), 1)
    return counts.reshape(*predicted.shape[:-1], n_classes, n_classes)


def _as_column(labels: IntArray, like: Real) -> IntArray:
    return np.broadcast_to(labels[:, None], (*like.shape[:-1], 1))


def _require_labels(labels: IntArray) -> None:
    if not len(labels) or labels.min() < 0:
        raise InputMalformedError(
            "There are no test trials, or some have no label", "Keep the trials that have a label"
        )
