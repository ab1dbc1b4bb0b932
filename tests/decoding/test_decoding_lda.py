"""Linear discriminant analysis against scikit-learn and against refits without each group, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from sklearn.covariance import ledoit_wolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from bidsapp_synthfmri.decoding.cells import make_cell
from bidsapp_synthfmri.decoding.lda import LDA
from bidsapp_synthfmri.errors import InputMalformedError

GRID = (0.01, 0.1, 0.4, 0.9)
SHAPES = pytest.mark.parametrize(("n", "p"), [(60, 15), (40, 90)], ids=["primal", "dual"])


def _data(n: int, p: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unbalanced classes, voxels of different scale and offset, stimuli shown once to several times."""
    rng = np.random.default_rng(n + p)
    groups = np.r_[np.arange(n // 2), rng.integers(0, n // 2, n - n // 2)]
    label = np.r_[np.arange(3), np.arange(3), rng.choice(3, n // 2 - 6, p=[0.6, 0.3, 0.1])][groups]
    x = rng.standard_normal((n, p)) + 0.5 * rng.standard_normal((3, p))[label]
    return x * rng.uniform(0.5, 4, p) + 3, label, groups


def _standardise(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(axis=0)) / x.std(axis=0)


def _oracle(x: np.ndarray, labels: np.ndarray, shrinkage: float, balanced: bool) -> tuple[np.ndarray, ...]:
    """scikit-learn's weights, its priors made equal in the intercept alone."""
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(_standardise(x), labels)
    intercept = model.intercept_ - balanced * np.log(model.priors_)
    return (model.coef_ - model.coef_.mean(axis=0)).T / x.std(axis=0)[:, None], (
        _standardise(x) @ model.coef_.T + intercept
    )


@SHAPES
@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("shrinkage", [0.01, 0.3, 1.0])
def test_weights_and_decisions_are_scikit_learns(n: int, p: int, balanced: bool, shrinkage: float) -> None:
    x, labels, _ = _data(n, p)
    found = LDA((shrinkage,), balanced).fit(make_cell(x, labels))
    coef, decision = _oracle(x, labels, shrinkage, balanced)
    own = found.coef[0].numpy()
    np.testing.assert_allclose(own - own.mean(axis=1, keepdims=True), coef, rtol=0, atol=1e-8)
    values = found.decision_function(torch.from_numpy(x))[0].numpy()
    np.testing.assert_allclose(np.diff(values, axis=1), np.diff(decision, axis=1), rtol=0, atol=1e-8)
    assert (values.argmax(axis=1) == decision.argmax(axis=1)).all()


@SHAPES
def test_ledoit_wolf_is_that_of_the_pooled_residuals(n: int, p: int) -> None:
    x, labels, _ = _data(n, p)
    z = _standardise(x)
    residuals = z - np.stack([z[labels == c].mean(axis=0) for c in range(3)])[labels]
    _, shrinkage = ledoit_wolf(residuals)
    found = LDA("ledoit-wolf").fit(make_cell(x, labels))
    assert float(found.penalty[0]) == pytest.approx(shrinkage, abs=1e-12)
    assert not found.at_edge.any()
    coef, _ = _oracle(x, labels, shrinkage, True)
    own = found.coef[0].numpy()
    np.testing.assert_allclose(own - own.mean(axis=1, keepdims=True), coef, rtol=0, atol=1e-8)


def _refitted_loss(x: np.ndarray, labels: np.ndarray, groups: np.ndarray, shrinkage: float, balanced: bool):
    """Log loss of each group by the textbook formulas on the other rows; mu, priors and divisor of all."""
    z, n = _standardise(x), len(x)
    counts = np.bincount(labels)
    residuals = z - np.stack([z[labels == c].mean(axis=0) for c in range(3)])[labels]
    mu = (residuals**2).sum() / n / z.shape[1]
    prior = np.full(3, 1 / 3) if balanced else counts / n
    weight = (n / (3 * counts))[labels] if balanced else np.ones(n)
    total = known = 0.0
    for group in np.unique(groups):
        kept, left = groups != group, groups == group
        if not (labels[kept] == labels[left][0]).any():
            continue
        means = np.stack([z[kept & (labels == c)].mean(axis=0) for c in range(3)])
        within = z[kept] - means[labels[kept]]
        sigma = (1 - shrinkage) * within.T @ within / n + shrinkage * mu * np.eye(z.shape[1])
        solved = np.linalg.solve(sigma, means.T)
        logits = z[left] @ solved - 0.5 * np.diag(means @ solved) + np.log(prior)
        true = logits[np.arange(left.sum()), labels[left]]
        total += (weight[left] * (logsumexp(logits, axis=1) - true)).sum()
        known += weight[left].sum()
    return total / known


@SHAPES
@pytest.mark.parametrize("balanced", [True, False])
def test_left_out_losses_equal_explicit_refits_without_the_group(n: int, p: int, balanced: bool) -> None:
    x, labels, groups = _data(n, p)
    found = LDA(GRID, balanced).fit(make_cell(x, labels, groups))
    expected = [_refitted_loss(x, labels, groups, shrinkage, balanced) for shrinkage in GRID]
    np.testing.assert_allclose(found.losses[0].numpy(), expected, rtol=1e-8)
    assert float(found.penalty[0]) == GRID[int(np.argmin(expected))]


def test_a_class_of_one_stimulus_is_not_left_out() -> None:
    x, labels, groups = _data(60, 15)
    labels, groups = labels.copy(), groups.copy()
    groups[labels == 2] = 1000
    found = LDA(GRID).fit(make_cell(x, labels, groups))
    expected = [_refitted_loss(x, labels, groups, shrinkage, True) for shrinkage in GRID]
    np.testing.assert_allclose(found.losses[0].numpy(), expected, rtol=1e-8)


def test_permuted_labels_together_equal_each_alone() -> None:
    x, labels, _ = _data(60, 15)
    rng = np.random.default_rng(0)
    labellings = np.stack([labels, *(rng.permutation(labels) for _ in range(4))])
    together = LDA(GRID).fit(make_cell(x, labellings))
    for number, own in enumerate(labellings):
        alone = LDA(GRID).fit(make_cell(x, own))
        np.testing.assert_allclose(together.losses[number], alone.losses[0], rtol=1e-10)
        np.testing.assert_allclose(together.coef[number], alone.coef[0], rtol=0, atol=1e-10)


def test_noiseless_training_equals_training_on_many_noisy_copies() -> None:
    """Sigma with the noise added is the covariance of noisy copies about their class means."""
    rng = np.random.default_rng(1)
    labels = np.arange(90) % 3
    signal = rng.standard_normal((90, 12)) + rng.standard_normal((3, 12))[labels]
    noise_sd = rng.uniform(0.5, 2, 12)
    found = LDA((0.2,)).fit(make_cell(signal, labels, noise_sd=noise_sd))
    z = signal / noise_sd
    residuals = z - np.stack([z[labels == c].mean(axis=0) for c in range(3)])[labels]
    covariance = residuals.T @ residuals / 90
    mu = np.trace(covariance) / 12
    sigma = 0.8 * covariance + 0.2 * mu * np.eye(12) + np.eye(12)
    means = np.stack([z[labels == c].mean(axis=0) for c in range(3)])
    expected = np.linalg.solve(sigma, means.T) / noise_sd[:, None]
    differences = np.diff(found.coef[0].numpy(), axis=1)
    np.testing.assert_allclose(differences, np.diff(expected, axis=1), rtol=0, atol=1e-9)
    copies = signal + noise_sd * rng.standard_normal((4000, *signal.shape))
    sampled = np.cov((copies - signal).reshape(-1, 12) / noise_sd, rowvar=False)
    np.testing.assert_allclose(sampled, np.eye(12), atol=0.02)  # the noise that was assumed


def test_single_precision_predicts_as_double() -> None:
    x, labels, groups = _data(400, 120)
    new = np.random.default_rng(5).standard_normal((2000, 120)) * x.std(axis=0) + x.mean(axis=0)
    double = LDA().fit(make_cell(x, labels, groups))
    single = LDA().fit(make_cell(x.astype(np.float32), labels, groups))
    assert float(single.penalty[0]) == float(double.penalty[0])
    assert single.coef.dtype == torch.float32
    same = single.predict(torch.from_numpy(new).float()) == double.predict(torch.from_numpy(new))
    assert same.float().mean() > 0.999


def test_a_group_of_two_labels_is_refused() -> None:
    with pytest.raises(InputMalformedError, match="different labels"):
        LDA(GRID).fit(make_cell(np.eye(6), [0, 1, 0, 1, 0, 1], [0, 0, 1, 1, 2, 2]))


@pytest.mark.parametrize("shrinkage", [(), (0.5, 1.2), "oracle"])
def test_a_shrinkage_outside_its_range_is_refused(shrinkage: object) -> None:
    with pytest.raises(InputMalformedError, match="Shrinkage"):
        LDA(shrinkage)  # type: ignore[arg-type]
