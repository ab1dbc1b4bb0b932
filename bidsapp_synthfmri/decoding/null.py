"""Decoders under permuted labels: which exchanges the null hypothesis allows, and refits under them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..errors import InputMalformedError
from ..structures import IntArray
from .cells import Cell
from .classifiers import Classifier
from .metrics import balanced_accuracy_of
from .strata import joint, members, movable


def permuted_labels(
    labels: IntArray,
    stimuli: Sequence[Any] | NDArray[Any],
    draws: int,
    rng: np.random.Generator,
    strata: Sequence[Sequence[Any] | NDArray[Any]] = (),
) -> IntArray:
    """The labels, and permutations of them over stimuli within strata.

    Parameters
    ----------
    labels : (n,) class of each row; all rows of a stimulus have one
    stimuli : (n,) identity of each row's stimulus
    draws : permutations
    rng : draws them
    strata : each (n,), such as the image source and the session; a stimulus keeps to the stratum of
        its first row in each

    Returns
    -------
    (1 + draws, n), the labels themselves first

    Raises
    ------
    InputMalformedError : a stimulus has two labels, or no stratum holds stimuli of two labels

    Notes
    -----
    Labels are exchanged where the hypothesis of no effect makes stimuli exchangeable: picture statistics
    differ between sources, and signal and noise between sessions (Winkler et al. 2015, restricted
    exchangeability).
    """
    _, first, row = np.unique(np.asarray(stimuli), return_index=True, return_inverse=True)
    own = labels[first]  # (n_stimuli,)
    if (own[row] != labels).any():
        raise InputMalformedError(
            "Rows of one stimulus have different labels",
            "Give every presentation of a stimulus the same label",
        )
    keys = [np.unique(np.asarray(key)[first], return_inverse=True)[1].reshape(-1) for key in strata]
    stratum = joint(np.zeros(len(own), dtype=np.int64), *keys)
    if not movable(own, stratum):
        raise InputMalformedError(
            "No stratum holds stimuli of two labels, so that no permutation changes anything",
            "Permute within fewer strata",
        )
    permuted = np.tile(own, (draws, 1))
    for some in members(stratum):
        permuted[:, some] = rng.permuted(permuted[:, some], axis=1)
    return np.concatenate([own[None], permuted])[:, row.reshape(-1)]


def refitted_accuracy(
    classifier: Classifier, cell: Cell, test: Tensor, labels: IntArray
) -> tuple[float, NDArray[np.float64]]:
    """Balanced accuracy of the decoder, and of those refitted under each further labelling of the cell.

    Parameters
    ----------
    cell : its labellings from ``permuted_labels``
    test : (n_test, n_voxels)
    labels : (n_test,) true classes

    Returns
    -------
    the accuracy, and (n_labellings - 1,) null accuracies; ``statistics.permutation_p`` gives p
    """
    predicted = classifier.fit(cell).predict(test).cpu().numpy()
    accuracy = balanced_accuracy_of(predicted, labels)
    return float(accuracy[0]), accuracy[1:]
