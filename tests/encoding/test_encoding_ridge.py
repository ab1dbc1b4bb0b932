"""Ridge from one eigendecomposition, against refits by scikit-learn in float64."""

import numpy as np
import pandas as pd
import pytest
import torch
from himalaya.kernel_ridge import KernelRidgeCV
from sklearn.linear_model import Ridge
from sklearn.model_selection import PredefinedSplit

from bidsapp_synthfmri.encoding.folds import Folds, make_folds
from bidsapp_synthfmri.encoding.kernels import decompose, linear_kernel
from bidsapp_synthfmri.encoding.ridge import (
    choose_alpha,
    correlate_columns,
    dual_weights,
)
from bidsapp_synthfmri.errors import InputMalformedError
from bidsapp_synthfmri.structures import Trials

CPU = torch.device("cpu")
N_IMAGES, N_UNITS, N_VOXELS = 40, 70, 9


@pytest.fixture
def problem():
    """Features of images, trials with repeats, responses, uneven folds that keep repeats together."""
    rng = np.random.default_rng(0)
    features = (rng.standard_normal((N_IMAGES, N_UNITS)) * 3 + 5).astype(np.float32)
    index = np.concatenate([np.arange(N_IMAGES), np.arange(0, 10)])
    truth = rng.standard_normal((N_UNITS, N_VOXELS)) / 10
    Y = features[index] @ truth + rng.standard_normal((len(index), N_VOXELS)) + 4
    labels = np.repeat([0, 1, 2], [9, 20, 11])[index]
    return features, index, Y, Folds(labels, "three uneven folds")


def split(problem):
    features, index, Y, folds = problem
    decomposition = decompose(linear_kernel(features, np.arange(N_IMAGES), CPU), index)
    return decomposition, torch.from_numpy(Y), folds


def refitted(problem, alpha: float) -> np.ndarray:
    features, index, Y, folds = problem
    X = features[index].astype(np.float64)
    scale = ((X - X.mean(axis=0)) ** 2).sum() / len(X)
    predictions = np.empty_like(Y)
    for rows in folds.rows():
        rest = np.setdiff1d(np.arange(len(X)), rows)
        predictions[rows] = Ridge(alpha * scale).fit(X[rest], Y[rest]).predict(X[rows])
    return predictions


@pytest.mark.parametrize("alpha", [1e-2, 1.0, 1e3])
def test_out_of_fold_equals_a_refit_per_fold(problem, alpha):
    ours = choose_alpha(*split(problem), (alpha,)).out_of_fold
    # The kernel's blocks are float32 products: 1e-6 relative, amplified at the smallest alpha.
    np.testing.assert_allclose(ours.numpy(), refitted(problem, alpha), atol=2e-3 if alpha < 1 else 1e-4)


def test_alpha_is_the_grid_value_with_the_best_refitted_score(problem):
    alphas = (1e-1, 1.0, 10.0, 100.0, 1e4)
    scores = choose_alpha(*split(problem), alphas)
    Y = problem[2]
    r2 = np.array(
        [1 - ((Y - refitted(problem, a)) ** 2).sum(0) / ((Y - Y.mean(0)) ** 2).sum(0) for a in alphas]
    )
    np.testing.assert_array_equal(scores.alpha.numpy(), np.array(alphas)[r2.argmax(axis=0)])
    np.testing.assert_allclose(scores.r2.numpy(), r2.max(axis=0), atol=1e-4)


def test_r_is_the_correlation_of_out_of_fold_predictions(problem):
    decomposition, Y, folds = split(problem)
    scores = choose_alpha(decomposition, Y, folds)
    predictions = scores.out_of_fold.numpy()
    for voxel, alpha in enumerate(scores.alpha.tolist()):
        alone = choose_alpha(decomposition, Y[:, [voxel]], folds, (alpha,)).out_of_fold[:, 0]
        np.testing.assert_allclose(predictions[:, voxel], alone.numpy(), atol=1e-9)
    expected = [np.corrcoef(predictions[:, v], problem[2][:, v])[0, 1] for v in range(N_VOXELS)]
    np.testing.assert_allclose(scores.r.numpy(), expected, atol=1e-10)


def test_himalaya_chooses_the_same_alphas(problem):
    features, index, Y, folds = problem
    alphas = np.logspace(-1, 4, 11)
    X = features[index].astype(np.float64)
    X -= X.mean(axis=0)
    X /= np.sqrt((X**2).sum() / len(X))
    peer = KernelRidgeCV(alphas=alphas, kernel="linear", fit_intercept=True, cv=PredefinedSplit(folds.labels))
    peer.fit(X, Y)
    ours = choose_alpha(*split(problem), tuple(alphas)).alpha.numpy()
    # himalaya averages the folds' scores, ours pools their squared errors: a neighbour on the grid may win.
    assert np.abs(np.log10(ours / peer.best_alphas_)).max() <= 0.5 + 1e-9
    assert np.isclose(ours, peer.best_alphas_).mean() >= 0.5


def test_dual_weights_are_scikit_learns_fit(problem):
    features, index, Y, _ = problem
    decomposition, targets, _ = split(problem)
    alpha = torch.logspace(-1, 3, N_VOXELS, dtype=torch.float64)
    c = dual_weights(decomposition, targets, alpha).numpy()
    X = features[index].astype(np.float64)
    fitted = (X - X.mean(axis=0)) @ ((X - X.mean(axis=0)).T @ c / decomposition.scale) + Y.mean(axis=0)
    for voxel in range(N_VOXELS):
        peer = Ridge(float(alpha[voxel]) * decomposition.scale).fit(X, Y[:, voxel])
        np.testing.assert_allclose(fitted[:, voxel], peer.predict(X), atol=1e-4)
    np.testing.assert_allclose(c.sum(axis=0), 0, atol=1e-9)


def test_shifting_data_and_features_changes_nothing(problem):
    features, index, Y, folds = problem
    moved = (features + 100, index, Y + 1000, folds)
    before, after = choose_alpha(*split(problem)), choose_alpha(*split(moved))
    # Features of float32 near 100 keep 1e-5 of their differences.
    np.testing.assert_allclose(after.r2.numpy(), before.r2.numpy(), atol=1e-3)
    np.testing.assert_array_equal(after.alpha.numpy(), before.alpha.numpy())


def test_scaling_a_layer_does_not_move_alpha(problem):
    features, index, Y, folds = problem
    scaled = (features * 1000, index, Y, folds)
    np.testing.assert_array_equal(
        choose_alpha(*split(scaled)).alpha.numpy(), choose_alpha(*split(problem)).alpha.numpy()
    )


def test_kernel_is_the_centred_product_whatever_the_blocks():
    X = np.random.default_rng(1).standard_normal((12, 20_000)).astype(np.float32) + 2
    centred = X.astype(np.float64) - X.mean(axis=0, dtype=np.float64)
    np.testing.assert_allclose(
        linear_kernel(X, np.arange(12), CPU).numpy(), centred @ centred.T, rtol=1e-4, atol=1e-1
    )


def test_a_layer_that_does_not_vary_is_refused():
    with pytest.raises(InputMalformedError, match="same for every training image"):
        decompose(linear_kernel(np.ones((6, 4), dtype=np.float32), np.arange(6), CPU), np.arange(6))


def test_correlation_of_a_constant_column_is_zero():
    a = torch.tensor([[1.0, 2.0], [1.0, 3.0], [1.0, 5.0]])
    assert correlate_columns(a, a).tolist() == pytest.approx([0, 1])


def trials(rows: list[tuple[str, str, str]]) -> Trials:
    return Trials(pd.DataFrame(rows, columns=["session", "run", "stimulus"]))


def test_folds_are_sessions_and_keep_a_stimulus_together():
    rows = [(s, "01", f"{s}{i}") for s in ("01", "02", "03") for i in range(4)] + [("03", "02", "010")]
    folds = make_folds(trials(rows), np.random.default_rng(0))
    assert folds.n_folds == 3
    assert "session" in folds.description
    assert folds.labels[-1] == folds.labels[0]


def test_one_session_gives_folds_over_runs():
    folds = make_folds(
        trials([("01", r, f"{r}{i}") for r in "12" for i in range(3)]), np.random.default_rng(0)
    )
    assert folds.n_folds == 2
    assert "run" in folds.description


def test_one_run_gives_folds_over_stimuli():
    folds = make_folds(trials([("01", "1", str(i % 7)) for i in range(14)]), np.random.default_rng(0))
    assert folds.n_folds == 5
    assert (folds.labels[:7] == folds.labels[7:]).all()


def test_a_single_stimulus_cannot_be_cross_validated():
    with pytest.raises(InputMalformedError, match="single stimulus"):
        make_folds(trials([("01", "1", "a")] * 3), np.random.default_rng(0))
