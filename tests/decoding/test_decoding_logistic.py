"""Softmax regression against scikit-learn, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from bidsapp_synthfmri.decoding.cells import make_cell
from bidsapp_synthfmri.decoding.logistic import Logistic
from bidsapp_synthfmri.errors import InputMalformedError

GRID = (1e-3, 1e-2, 1e-1, 1.0, 10.0)


def _data(n: int, p: int, n_classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n + p)
    labels = np.r_[np.arange(n_classes), np.arange(n_classes), rng.integers(0, n_classes, n - 2 * n_classes)]
    labels[-n // 3 :] = 0
    x = rng.standard_normal((n, p)) + 0.5 * rng.standard_normal((n_classes, p))[labels]
    return x * rng.uniform(0.5, 4, p) + 3, labels


def _standardise(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(axis=0)) / x.std(axis=0)


def _weights(labels: np.ndarray, balanced: bool) -> np.ndarray:
    counts = np.bincount(labels)
    return (len(labels) / (len(counts) * counts))[labels] if balanced else np.ones(len(labels))


def _sklearn(alpha: float, n: int) -> LogisticRegression:
    # Newton with a factored Hessian: its own error is below that of its lbfgs.
    return LogisticRegression(C=1 / (n * alpha), solver="newton-cholesky", tol=1e-12, max_iter=1000)


@pytest.mark.parametrize(("n", "p"), [(80, 15), (40, 90)], ids=["primal", "dual"])
@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("alpha", [1e-3, 1e-1, 10.0])
def test_weights_are_scikit_learns(n: int, p: int, balanced: bool, alpha: float) -> None:
    x, labels = _data(n, p)
    found = Logistic((alpha,), balanced=balanced).fit(make_cell(x, labels))
    oracle = _sklearn(alpha, n).fit(_standardise(x), labels, _weights(labels, balanced))
    own = found.coef[0].numpy() * x.std(axis=0)[:, None]
    np.testing.assert_allclose(own, oracle.coef_.T, rtol=0, atol=1e-6)
    values = found.decision_function(torch.from_numpy(x))[0].numpy()
    decision = oracle.decision_function(_standardise(x))
    np.testing.assert_allclose(np.diff(values, axis=1), np.diff(decision, axis=1), rtol=0, atol=1e-5)
    assert (values.argmax(axis=1) == decision.argmax(axis=1)).all()


def test_two_classes_are_scikit_learns_at_twice_its_c() -> None:
    x, labels = _data(60, 12, n_classes=2)
    found = Logistic((0.1,), balanced=False).fit(make_cell(x, labels))
    oracle = _sklearn(0.05, 60).fit(_standardise(x), labels)
    own = found.coef[0].numpy() * x.std(axis=0)[:, None]
    np.testing.assert_allclose(own[:, 1] - own[:, 0], oracle.coef_[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("balanced", [True, False])
def test_left_out_losses_are_those_of_refits_without_the_fold(balanced: bool) -> None:
    x, labels = _data(90, 20)
    cell = make_cell(x, labels)
    found = Logistic(GRID, balanced=balanced).fit(cell)
    folds, z, weight = cell.folds(5).numpy(), _standardise(x), _weights(labels, balanced)
    expected = []
    for alpha in GRID:
        total = 0.0
        for fold in range(5):
            kept, left = folds != fold, folds == fold
            model = _sklearn(alpha, 90).fit(z[kept], labels[kept], weight[kept])
            posterior = model.predict_log_proba(z[left])[np.arange(left.sum()), labels[left]]
            total -= (weight[left] * posterior).sum() / 90
        expected.append(total)
    tried = np.isfinite(found.losses[0].numpy())
    assert tried[int(np.argmin(expected))]
    # Folds stop within 1e-6 nats of their minimum, which moves left-out losses more than their own.
    np.testing.assert_allclose(found.losses[0].numpy()[tried], np.array(expected)[tried], rtol=2e-3)
    assert float(found.penalty[0]) == GRID[int(np.argmin(expected))]


def test_folds_keep_groups_together_and_deal_out_every_class() -> None:
    _, labels = _data(90, 4)
    labels = np.repeat(labels, 2)
    cell = make_cell(np.random.default_rng(0).standard_normal((180, 4)), labels, np.repeat(np.arange(90), 2))
    folds = cell.folds(5).numpy().reshape(90, 2)
    assert (folds[:, 0] == folds[:, 1]).all()
    for label in range(3):
        counts = np.bincount(folds[labels[::2] == label, 0], minlength=5)
        assert counts.max() - counts.min() <= 1


def test_permuted_labels_together_equal_each_alone() -> None:
    x, labels = _data(60, 15)
    rng = np.random.default_rng(0)
    labellings = np.stack([labels, *(rng.permutation(labels) for _ in range(3))])
    together = Logistic((0.01,)).fit(make_cell(x, labellings))
    for number, own in enumerate(labellings):
        alone = Logistic((0.01,)).fit(make_cell(x, own))
        np.testing.assert_allclose(together.coef[number], alone.coef[0], rtol=0, atol=1e-7)


def test_noise_asks_for_more_shrinkage() -> None:
    """The penalty for noiseless responses comes near the best for many noisy trials of them."""
    rng = np.random.default_rng(1)
    labels = np.arange(150) % 3
    signal = rng.standard_normal((150, 30)) + 1.5 * rng.standard_normal((3, 30))[labels]
    noise_sd = rng.uniform(2, 4, 30)
    cell = make_cell(signal, labels, noise_sd=noise_sd)
    found = Logistic(GRID).fit(cell)
    noisy = torch.from_numpy(signal + noise_sd * rng.standard_normal((100, *signal.shape)))
    losses = []
    for alpha in GRID:
        logits = Logistic((alpha,)).fit(cell).decision_function(noisy.reshape(-1, 30))[0]
        target = torch.from_numpy(np.tile(labels, 100))
        losses.append(float(torch.nn.functional.cross_entropy(logits, target)))
    chosen = GRID.index(float(found.penalty[0]))
    assert abs(int(np.argmin(losses)) - chosen) <= 1


def test_single_precision_predicts_as_double() -> None:
    x, labels = _data(400, 120)
    new = np.random.default_rng(5).standard_normal((2000, 120)) * x.std(axis=0) + x.mean(axis=0)
    double = Logistic().fit(make_cell(x, labels))
    single = Logistic().fit(make_cell(x.astype(np.float32), labels))
    assert float(single.penalty[0]) == float(double.penalty[0])
    same = single.predict(torch.from_numpy(new).float()) == double.predict(torch.from_numpy(new))
    assert same.float().mean() > 0.999


def test_a_penalty_of_zero_is_refused() -> None:
    with pytest.raises(InputMalformedError, match="positive"):
        Logistic((0.0, 1.0))
