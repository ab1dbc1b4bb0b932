"""Restricted permutations, and p-values that are uniform where there is nothing to decode."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from bidsapp_synthfmri.decoding.cells import make_cell
from bidsapp_synthfmri.decoding.lda import LDA
from bidsapp_synthfmri.decoding.null import permuted_labels, refitted_accuracy
from bidsapp_synthfmri.decoding.ridge import Ridge
from bidsapp_synthfmri.errors import InputMalformedError


def test_labels_move_over_stimuli_within_source_and_session() -> None:
    rng = np.random.default_rng(0)
    stimuli = np.r_[np.arange(40), np.arange(10)]
    source, session = (rng.integers(0, 2, 40)[stimuli] for _ in range(2))
    labels = rng.integers(0, 3, 40)[stimuli]
    found = permuted_labels(labels, stimuli, 50, rng, (source, session))
    assert found.shape == (51, 50)
    assert (found[0] == labels).all()
    assert (found[:, 40:] == found[:, :10]).all()
    for a in range(2):
        for b in range(2):
            own = (source == a) & (session == b) & (np.arange(50) < 40)
            counts = np.stack([np.bincount(row[own], minlength=3) for row in found])
            assert (counts == counts[0]).all()
    assert len(np.unique(found, axis=0)) > 45


def test_strata_that_fix_every_label_are_refused() -> None:
    labels = np.arange(6) % 2
    with pytest.raises(InputMalformedError, match="No stratum"):
        permuted_labels(labels, np.arange(6), 5, np.random.default_rng(0), (labels,))
    with pytest.raises(InputMalformedError, match="different labels"):
        permuted_labels(labels, np.zeros(6), 5, np.random.default_rng(0))


def _p(rng: np.random.Generator, classifier: Ridge | LDA, effect: float, draws: int = 24) -> float:
    """p of one data set in two sources that differ in mean and in their shares of the classes."""
    source = np.repeat([0, 1], 24)
    labels = np.r_[np.arange(24) % 3 % 2, np.arange(24) % 2]
    signal = effect * rng.standard_normal((2, 8))
    x = rng.standard_normal((48, 8)) + source[:, None] + signal[labels]
    test_labels = np.arange(30) % 2
    test = rng.standard_normal((30, 8)) + signal[test_labels]
    labellings = permuted_labels(labels, np.arange(48), draws, rng, (source,))
    cell = make_cell(x, labellings)
    accuracy, null = refitted_accuracy(classifier, cell, torch.from_numpy(test), test_labels)
    # Accuracies tie, which makes p too large; a random order among equals leaves it uniform.
    above, equal = (null > accuracy + 1e-9).sum(), (np.abs(null - accuracy) <= 1e-9).sum()
    return float((above + rng.random() * (equal + 1)) / (draws + 1))


@pytest.mark.parametrize(
    "classifier", [Ridge((0.1, 1.0), balanced=False), LDA((0.1, 0.9))], ids=["ridge", "lda"]
)
def test_p_is_uniform_over_200_data_sets_without_effect(classifier: Ridge | LDA) -> None:
    rng = np.random.default_rng(3)
    p = [_p(rng, classifier, 0.0) for _ in range(200)]
    # Uniform p fails this once in a thousand seeds.
    assert kstest(p, "uniform").pvalue > 1e-3


def test_an_effect_is_found() -> None:
    rng = np.random.default_rng(4)
    assert _p(rng, Ridge(), 1.0, draws=99) < 0.02
