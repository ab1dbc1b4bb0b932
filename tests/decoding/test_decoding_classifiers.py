"""The ridge classifier against scikit-learn refitted fold by fold, in float64."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge, RidgeClassifier, RidgeClassifierCV

from bidsapp_synthfmri.decoding import fit
from bidsapp_synthfmri.errors import InputMalformedError

ALPHAS = np.geomspace(1e-3, 1e2, 8)
CLASSES = np.array(["bird", "car", "tree"])
# Closed form against refits: only rounding of a well-conditioned float64 solve is left.
EXACT = {"rtol": 1e-9, "atol": 1e-11}


def _data(n: int, p: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unbalanced classes, voxels of different scale and offset, stimuli shown once to several times."""
    rng = np.random.default_rng(n + p)
    groups = np.r_[np.arange(n // 2), rng.integers(0, n // 2, n - n // 2)]
    label = np.r_[np.arange(3), rng.choice(3, n // 2 - 3, p=[0.6, 0.3, 0.1])][groups]
    x = rng.standard_normal((n, p)) + 0.5 * rng.standard_normal((3, p))[label]
    return x * rng.uniform(0.5, 4, p) + 3, CLASSES[label], groups


def _standardise(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(axis=0)) / x.std(axis=0)


def _weights(labels: np.ndarray, balanced: bool) -> np.ndarray:
    if not balanced:
        return np.ones(len(labels))
    counts = {name: (labels == name).sum() for name in CLASSES}
    return np.array([len(labels) / (3 * counts[name]) for name in labels])


@pytest.mark.parametrize(("n", "p"), [(60, 15), (40, 90)], ids=["primal", "dual"])
@pytest.mark.parametrize("balanced", [True, False])
def test_left_out_errors_equal_explicit_refits_without_the_group(n: int, p: int, balanced: bool) -> None:
    x, labels, groups = _data(n, p)
    z, weight = _standardise(x), _weights(labels, balanced)
    target = np.where(labels[:, None] == CLASSES, 1.0, -1.0)
    expected = []
    for alpha in ALPHAS:
        total = 0.0
        for group in np.unique(groups):
            kept, left = groups != group, groups == group
            model = Ridge(alpha=alpha * n).fit(z[kept], target[kept], sample_weight=weight[kept])
            total += float((weight[left, None] * (target[left] - model.predict(z[left])) ** 2).sum())
        expected.append(total / n)
    found = fit(x, labels, ALPHAS, groups, balanced)
    np.testing.assert_allclose(found.errors, expected, **EXACT)
    assert found.alpha == ALPHAS[int(np.argmin(expected))]


@pytest.mark.parametrize(("n", "p"), [(60, 15), (40, 90)], ids=["primal", "dual"])
@pytest.mark.parametrize("balanced", [True, False])
def test_coefficients_and_predictions_equal_scikit_learn(n: int, p: int, balanced: bool) -> None:
    x, labels, groups = _data(n, p)
    found = fit(x, labels, ALPHAS, groups, balanced)
    oracle = RidgeClassifier(alpha=found.alpha * n, class_weight="balanced" if balanced else None)
    oracle.fit(_standardise(x), labels)
    np.testing.assert_allclose(found.coef, oracle.coef_.T / x.std(axis=0)[:, None], **EXACT)
    np.testing.assert_allclose(found.decision_function(x), oracle.decision_function(_standardise(x)), **EXACT)
    assert list(found.predict(x)) == list(oracle.predict(_standardise(x)))


@pytest.mark.parametrize(("n", "p"), [(60, 15), (40, 90)], ids=["primal", "dual"])
def test_alpha_without_groups_is_that_of_ridge_classifier_cv(n: int, p: int) -> None:
    x, labels, _ = _data(n, p)
    oracle = RidgeClassifierCV(ALPHAS * n).fit(_standardise(x), labels)
    assert fit(x, labels, ALPHAS, balanced=False).alpha * n == pytest.approx(oracle.alpha_)


def test_single_precision_predicts_as_double() -> None:
    x, labels, groups = _data(200, 50)
    double, single = fit(x, labels, ALPHAS, groups), fit(x.astype(np.float32), labels, ALPHAS, groups)
    assert single.alpha == double.alpha
    assert single.coef.dtype == np.float32
    assert np.mean(single.predict(x) == double.predict(x)) > 0.99


def test_repeated_stimuli_as_groups_ask_for_more_shrinkage_than_single_trials() -> None:
    """Copies of a trial make leaving one out blind: it picks the least penalty, groups do not."""
    rng = np.random.default_rng(0)
    x = np.repeat(rng.standard_normal((30, 40)), 2, axis=0)
    labels = np.repeat(CLASSES[np.arange(30) % 3], 2)
    groups = np.repeat(np.arange(30), 2)
    assert fit(x, labels, ALPHAS).alpha == ALPHAS[0]
    assert fit(x, labels, ALPHAS, groups).alpha == ALPHAS[-1]


def test_noise_criterion_equals_training_on_many_noisy_copies() -> None:
    """Its penalty for noiseless responses decodes noisy trials like one chosen on such trials."""
    rng = np.random.default_rng(1)
    label = np.arange(120) % 3
    signal = rng.standard_normal((120, 30)) + rng.standard_normal((3, 30))[label]
    noise_sd = rng.uniform(1, 4, 30)
    found = fit(signal, CLASSES[label], ALPHAS, noise_sd=noise_sd)
    noisy = signal + noise_sd * rng.standard_normal((200, *signal.shape))
    target = np.where(label[:, None] == np.arange(3), 1.0, -1.0)
    chosen = ALPHAS.tolist().index(found.alpha)
    errors = []
    for alpha in ALPHAS:
        scores = fit(signal, CLASSES[label], [alpha], noise_sd=noise_sd).decision_function(noisy)
        errors.append(np.mean((scores - target) ** 2))
    # The signal's own trials are not left out here, so the truth may prefer a neighbour of the grid.
    assert abs(int(np.argmin(errors)) - chosen) <= 1


def test_constant_voxel_gets_no_weight() -> None:
    x, labels, groups = _data(60, 15)
    x[:, 3] = 7.0
    found = fit(x, labels, ALPHAS, groups)
    np.testing.assert_allclose(found.coef[3], 0, atol=1e-12)


@pytest.mark.parametrize(
    ("labels", "groups", "message"),
    [(["a"] * 4, None, "1 class"), (["a", "a", "b", "b"], [0] * 4, "one stimulus")],
)
def test_one_class_or_one_group_is_refused(labels: list[str], groups: list[int] | None, message: str) -> None:
    with pytest.raises(InputMalformedError, match=message):
        fit(np.eye(4), labels, ALPHAS, groups)


def test_responses_that_are_not_finite_are_refused() -> None:
    x = np.eye(4)
    x[0, 0] = np.nan
    with pytest.raises(InputMalformedError, match="not all finite"):
        fit(x, ["a", "a", "b", "b"], ALPHAS)
