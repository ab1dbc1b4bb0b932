"""Encoders without categories against refits in float64, and decoding of categories never seen."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from bidsapp_synthfmri.decoding.group_deleted import (
    Deletion,
    centred_cross_kernel,
    noise_sd_without,
    predict_without,
)
from bidsapp_synthfmri.decoding.lda import LDA
from bidsapp_synthfmri.decoding.ridge import Ridge as RidgeDecoder
from bidsapp_synthfmri.decoding.unseen import CategoryFolds, UnseenDecoded, category_folds, decode_unseen
from bidsapp_synthfmri.encoding.kernels import decompose
from bidsapp_synthfmri.errors import InputMalformedError


@pytest.mark.parametrize("few", [None, 1], ids=["by band", "by Cholesky"])
@pytest.mark.parametrize("n_units", [15, 90])
def test_predictions_equal_a_refit_without_the_categories(few: int | None, n_units: int) -> None:
    rng = np.random.default_rng(n_units)
    X = rng.standard_normal((50, n_units)) * rng.uniform(0.2, 3, n_units) + 5
    new = rng.standard_normal((12, n_units)) + 4
    index = np.r_[np.arange(50), np.arange(8)]
    Y = rng.standard_normal((58, 5)) + X[index, :5] + 3
    origin = rng.standard_normal(n_units)
    kernel, cross = (torch.from_numpy((a - origin) @ (X - origin).T) for a in (X, new))
    alpha = torch.tensor([0.1, 1.0, 1.0, 10.0, 100.0], dtype=torch.float64)
    category = rng.integers(0, 4, 50)[index]  # the fourth is left out of no encoder
    deletions = [
        Deletion(torch.from_numpy(np.flatnonzero(category == c)), torch.arange(4 * c, 4 * c + 4 - (c == 2)))
        for c in range(3)
    ]
    decomposition = decompose(kernel, index, torch.float64, few)
    rows = torch.from_numpy(index)
    found = predict_without(
        decomposition, torch.from_numpy(Y), alpha, centred_cross_kernel(cross, kernel, rows), deletions
    )
    scale = ((X[index] - X[index].mean(axis=0)) ** 2).sum() / len(index)
    for deletion in deletions:
        rest = np.setdiff1d(np.arange(58), deletion.rows.numpy())
        for voxel, penalty in enumerate(alpha.tolist()):
            model = Ridge(penalty * scale, solver="cholesky").fit(X[index][rest], Y[rest, voxel])
            own = deletion.candidates.numpy()
            np.testing.assert_allclose(found.candidates[own, voxel], model.predict(new[own]), atol=1e-8)
            left = deletion.rows.numpy()
            expected = Y[left, voxel] - model.predict(X[index][left])
            np.testing.assert_allclose(found.residuals[left, voxel], expected, atol=1e-8)
    assert torch.isnan(found.candidates[11]).all()
    assert torch.isnan(found.residuals[torch.from_numpy(category == 3)]).all()
    others = found.residuals[torch.from_numpy((category == 1) | (category == 2))]
    np.testing.assert_allclose(
        noise_sd_without(found.residuals, deletions[0].rows), others.numpy().std(axis=0), atol=1e-12
    )


def test_overlapping_folds_are_refused() -> None:
    X = torch.from_numpy(np.random.default_rng(0).standard_normal((8, 5)))
    decomposition = decompose(X @ X.T, np.arange(8), torch.float64)
    deletions = [
        Deletion(torch.tensor([0, 1]), torch.tensor([0])),
        Deletion(torch.tensor([1, 2]), torch.tensor([1])),
    ]
    with pytest.raises(InputMalformedError, match="1 training rows belong to two folds"):
        predict_without(decomposition, X[:, :2], torch.ones(2), X @ X.T, deletions)


def _simulated(seed: int, tuned: bool, classifier: RidgeDecoder | LDA) -> UnseenDecoded:
    """Eight categories that differ in features; voxels read the features, or nothing of them."""
    rng = np.random.default_rng(seed)
    n_units, n_voxels, names = 40, 60, [f"c{number}" for number in range(8)]
    centres = 1.2 * rng.standard_normal((8, n_units))
    tuning = tuned * rng.standard_normal((n_units, n_voxels)) / np.sqrt(n_units)

    def draw(n_each: int) -> tuple[np.ndarray, list[str | None]]:
        labels = np.repeat(np.arange(8), n_each)
        return centres[labels] + rng.standard_normal((len(labels), n_units)), [names[c] for c in labels]

    def trials(features: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(features @ tuning + 1.5 * rng.standard_normal((len(features), n_voxels)))

    seen, labels = draw(25)
    other, other_labels = draw(20)
    test, test_labels = draw(15)
    kernel, cross = (torch.from_numpy(a @ seen.T) for a in (seen, other))
    rows = torch.arange(len(seen))
    return decode_unseen(
        decompose(kernel, rows.numpy(), torch.float64),
        trials(seen),
        torch.full((n_voxels,), 1.0, dtype=torch.float64),
        centred_cross_kernel(cross, kernel, rows),
        category_folds(names, 4, rng),
        labels,
        other_labels,
        trials(test),
        test_labels,
        classifier,
    )


@pytest.mark.parametrize("classifier", [RidgeDecoder(), LDA()], ids=["ridge", "lda"])
def test_unseen_categories_are_decoded_where_voxels_are_tuned(classifier: RidgeDecoder | LDA) -> None:
    found = _simulated(0, True, classifier)
    assert found.chance == 0.5
    # 120 trials: chance reaches 0.64 once in a thousand.
    assert found.accuracy > 0.75


def test_unseen_categories_are_at_chance_without_tuning() -> None:
    accuracies = [_simulated(seed, False, RidgeDecoder()).accuracy for seed in range(12)]
    # Trials of one fold share a decoder; over simulations the mean has the sd that they show.
    error = np.std(accuracies, ddof=1) / np.sqrt(len(accuracies))
    assert abs(np.mean(accuracies) - 0.5) < 3 * error
    assert np.mean(accuracies) < 0.56


def test_trials_of_no_category_are_not_decoded() -> None:
    folds = CategoryFolds(("a", "b", "c", "d"), np.array([0, 0, 1, 1]))
    assert folds.numbers(["b", None, "x", "d"]).tolist() == [1, -1, -1, 3]


def test_folds_hold_two_categories_or_more_and_all_of_them() -> None:
    folds = category_folds([f"c{n}" for n in range(7)], 5, np.random.default_rng(0))
    assert folds.n_folds == 3
    assert np.bincount(folds.fold).min() >= 2
    with pytest.raises(InputMalformedError, match="3 categories"):
        category_folds(["a", "b", "c"], 2, np.random.default_rng(0))
