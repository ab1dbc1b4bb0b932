"""Scores of decision values against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, roc_auc_score

from bidsapp_synthfmri.decoding.metrics import auc, balanced_accuracy_of, confusion, top_k_accuracy
from bidsapp_synthfmri.errors import InputMalformedError

RNG = np.random.default_rng(0)
LABELS = np.r_[np.arange(4), RNG.choice(4, 76, p=[0.5, 0.3, 0.1, 0.1])]
DECISIONS = RNG.standard_normal((3, 80, 4)).round(1) + 0.5 * (LABELS[:, None] == np.arange(4))


def test_scores_are_scikit_learns_for_every_decoder() -> None:
    predicted = DECISIONS.argmax(axis=2)
    one_hot = LABELS[:, None] == np.arange(4)
    for number in range(3):
        expected = balanced_accuracy_score(LABELS, predicted[number])
        assert balanced_accuracy_of(predicted, LABELS)[number] == pytest.approx(expected)
        assert (confusion(predicted, LABELS, 4)[number] == confusion_matrix(LABELS, predicted[number])).all()
        area = np.mean([roc_auc_score(one_hot[:, c], DECISIONS[number, :, c]) for c in range(4)])
        assert auc(DECISIONS, LABELS)[number] == pytest.approx(area)


def test_top_k_counts_the_true_class_among_the_k_highest() -> None:
    decisions = DECISIONS + 1e-6 * RNG.standard_normal(DECISIONS.shape)  # no ties
    order = np.argsort(-decisions, axis=2)
    for k in (1, 2, 4):
        hit = (order[:, :, :k] == LABELS[:, None]).any(axis=2)
        expected = np.mean([hit[:, c == LABELS].mean(axis=1) for c in range(4)], axis=0)
        np.testing.assert_allclose(top_k_accuracy(decisions, LABELS, k), expected)


def test_ties_count_as_chance() -> None:
    flat = np.zeros((80, 4))
    assert top_k_accuracy(flat, LABELS, 1) == pytest.approx(1 / 4)
    assert top_k_accuracy(flat, LABELS, 3) == pytest.approx(3 / 4)
    assert auc(flat, LABELS) == pytest.approx(1 / 2)


def test_a_class_absent_from_the_test_trials_does_not_count() -> None:
    some = LABELS != 3
    scores = auc(DECISIONS[:, some], LABELS[some])
    areas = [roc_auc_score(LABELS[some] == c, DECISIONS[0][some][:, c]) for c in range(3)]
    assert scores[0] == pytest.approx(np.mean(areas))


def test_no_trials_or_one_class_is_refused() -> None:
    with pytest.raises(InputMalformedError, match="no test trials"):
        balanced_accuracy_of(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    with pytest.raises(InputMalformedError, match="one class"):
        auc(np.zeros((5, 2)), np.zeros(5, dtype=np.int64))
