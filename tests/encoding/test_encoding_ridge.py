"""Exact folds, GCV and dual weights from one decomposition, against refits by scikit-learn in float64."""

import numpy as np
import pytest
import torch
from himalaya.kernel_ridge import KernelRidgeCV
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.model_selection import PredefinedSplit

from bidsapp_synthfmri.encoding import resolvents
from bidsapp_synthfmri.encoding.folds import Folds
from bidsapp_synthfmri.encoding.kernels import decompose, linear_kernel
from bidsapp_synthfmri.encoding.ridge import (
    choose_alpha,
    correlate_columns,
    dual_weights,
    gcv_errors,
)

CPU = torch.device("cpu")
GRID = tuple(float(alpha) for alpha in np.logspace(-2, 4, 13))


class Problem:
    """Trials of images that may repeat, uneven folds that keep repeats together, signal and noise.

    Parameters
    ----------
    n_images, n_units, n_voxels, n_folds : sizes
    n_repeated : images shown twice
    n_constant : units that do not vary
    n_duplicates : images with the units of another
    """

    def __init__(
        self,
        n_images=40,
        n_units=70,
        n_voxels=9,
        n_folds=3,
        n_repeated=10,
        n_constant=0,
        n_duplicates=0,
        seed=0,
    ):
        rng = np.random.default_rng(seed)
        self.X = rng.standard_normal((n_images, n_units)) * rng.uniform(0.2, 3, n_units) + 5
        self.X[:, :n_constant] = 2.5
        self.X[n_images - n_duplicates :] = self.X[:n_duplicates]
        self.index = np.concatenate([np.arange(n_images), np.arange(n_repeated)])
        truth = rng.standard_normal((n_units, n_voxels)) * np.linspace(0, 0.3, n_voxels)
        self.Y = self.X[self.index] @ truth + rng.standard_normal((len(self.index), n_voxels)) + 4
        cuts = np.sort(rng.choice(np.arange(1, n_images), n_folds - 1, replace=False))
        shuffled = rng.permutation(np.searchsorted(cuts, np.arange(n_images), side="right"))
        self.folds = Folds(shuffled[self.index], "uneven folds")

    def kernel(self):
        centred = torch.from_numpy(self.X - self.X.mean(axis=0))
        return centred @ centred.T

    def split(self, dtype=torch.float64, **options):
        return decompose(self.kernel(), self.index, dtype, **options)

    @property
    def targets(self):
        return torch.from_numpy(self.Y)

    @property
    def shown(self):
        return self.X[self.index]

    @property
    def scale(self):
        return ((self.shown - self.shown.mean(axis=0)) ** 2).sum() / len(self.shown)

    def refitted(self, alpha):
        predictions = np.empty_like(self.Y)
        for rows in self.folds.rows():
            rest = np.setdiff1d(np.arange(len(self.Y)), rows)
            model = Ridge(alpha * self.scale, solver="cholesky").fit(self.shown[rest], self.Y[rest])
            predictions[rows] = model.predict(self.shown[rows])
        return predictions

    def refitted_r2(self, alphas):
        total = ((self.Y - self.Y.mean(axis=0)) ** 2).sum(axis=0)
        return np.array([1 - ((self.Y - self.refitted(alpha)) ** 2).sum(axis=0) / total for alpha in alphas])


CASES = {
    "more units than rows": Problem(),
    "more rows than units": Problem(n_images=120, n_units=15),
    "constant units": Problem(n_constant=30),
    "duplicate images": Problem(n_duplicates=12),
    "many folds": Problem(n_folds=17, n_repeated=0),
    "two folds": Problem(n_folds=2),
    "several blocks": Problem(n_images=300, n_units=200, n_folds=4),
}


@pytest.fixture(params=CASES, ids=list(CASES))
def problem(request):
    return CASES[request.param]


@pytest.mark.parametrize("few", [None, 1], ids=["by band", "by Cholesky"])
@pytest.mark.parametrize("alpha", [1e-2, 1.0, 1e3])
def test_out_of_fold_equals_a_refit_per_fold(problem, alpha, few):
    ours = choose_alpha(problem.split(n_alphas=few), problem.targets, problem.folds, (alpha,))
    np.testing.assert_allclose(ours.out_of_fold.numpy(), problem.refitted(alpha), atol=1e-8)


@pytest.mark.parametrize("few", [None, 1], ids=["by band", "by Cholesky"])
def test_in_float32_it_does_within_its_rounding(problem, few):
    split = problem.split(torch.float32, n_alphas=few)
    for alpha in (0.1, 1.0, 1e3):
        ours = choose_alpha(split, problem.targets, problem.folds, (alpha,)).out_of_fold
        assert ours.dtype == torch.float32
        # Responses have SD 1 to 8 about a mean of 4.
        np.testing.assert_allclose(
            ours.numpy(), problem.refitted(alpha), atol=1e-4 * problem.Y.std(axis=0).max()
        )


def test_the_exact_search_takes_the_grid_value_with_the_best_refitted_score(problem):
    scores = choose_alpha(problem.split(), problem.targets, problem.folds, GRID, "exact")
    r2 = problem.refitted_r2(GRID)
    np.testing.assert_array_equal(scores.alpha.numpy(), np.array(GRID)[r2.argmax(axis=0)])
    np.testing.assert_allclose(scores.r2.numpy(), r2.max(axis=0), atol=1e-10)
    expected = np.where(r2.argmax(axis=0) == 0, -1, np.where(r2.argmax(axis=0) == len(GRID) - 1, 1, 0))
    np.testing.assert_array_equal(scores.edge.numpy(), expected)


def test_the_window_ends_at_a_minimum_of_the_exact_curve(problem):
    scores = choose_alpha(problem.split(), problem.targets, problem.folds, GRID, "window")
    r2 = np.pad(problem.refitted_r2(GRID), ((1, 1), (0, 0)), constant_values=-np.inf)
    at = np.searchsorted(GRID, scores.alpha.numpy()) + 1
    voxels = np.arange(len(at))
    np.testing.assert_allclose(scores.r2.numpy(), r2[at, voxels], atol=1e-10)
    assert (r2[at, voxels] >= np.maximum(r2[at - 1, voxels], r2[at + 1, voxels])).all()


@pytest.mark.parametrize("search", ["window", "gcv"])
def test_searches_find_the_exact_choice_on_clear_signals(search):
    problem = Problem(n_images=200, n_units=300, n_voxels=40, n_folds=8, n_repeated=0)
    split = problem.split()
    exact = choose_alpha(split, problem.targets, problem.folds, GRID, "exact")
    found = choose_alpha(split, problem.targets, problem.folds, GRID, search)
    same = (found.alpha == exact.alpha).float().mean()
    assert same == 1 if search == "window" else same >= 0.5
    # A voxel whose penalty differs by a neighbour loses next to nothing.
    assert (exact.r2 - found.r2).abs().max() < 0.02


def test_batches_of_voxels_change_nothing(problem):
    split = problem.split()
    whole = choose_alpha(split, problem.targets, problem.folds, GRID)
    parts = choose_alpha(split, problem.targets, problem.folds, GRID, batch_bytes=9 * 8 * len(problem.Y) * 2)
    for name in ("alpha", "edge"):
        assert torch.equal(getattr(whole, name), getattr(parts, name))
    for name in ("r2", "r", "out_of_fold", "dual"):
        np.testing.assert_allclose(getattr(parts, name).numpy(), getattr(whole, name).numpy(), atol=1e-9)


def test_r_is_the_correlation_of_out_of_fold_predictions(problem):
    scores = choose_alpha(problem.split(), problem.targets, problem.folds, GRID)
    predictions = scores.out_of_fold.numpy()
    expected = [np.corrcoef(predictions[:, v], problem.Y[:, v])[0, 1] for v in range(predictions.shape[1])]
    np.testing.assert_allclose(scores.r.numpy(), expected, atol=1e-10)


@pytest.mark.parametrize("search", ["exact", "window", "gcv"])
def test_a_constant_voxel_is_predicted_by_its_value_and_is_at_no_edge(search):
    problem = Problem()
    problem.Y[:, 2] = 7.0
    scores = choose_alpha(problem.split(), problem.targets, problem.folds, GRID, search)
    np.testing.assert_allclose(scores.out_of_fold[:, 2].numpy(), 7.0, atol=1e-12)
    assert (scores.r[2], scores.r2[2], scores.edge[2]) == (0, 0, 0)
    others = [v for v in range(9) if v != 2]
    alone = choose_alpha(problem.split(), problem.targets[:, others], problem.folds, GRID, search)
    assert torch.equal(scores.alpha[others], alone.alpha)


def test_gcv_is_scikit_learns(problem):
    """scikit-learn's leave-one-out errors come from the same hat matrix: their mean weight gives GCV."""
    alphas = (0.3, 3.0, 300.0)
    ours = gcv_errors(problem.split(), problem.targets, alphas).numpy()
    n = len(problem.Y)
    for number, alpha in enumerate(alphas):
        fitted = (
            Ridge(alpha * problem.scale, solver="cholesky")
            .fit(problem.shown, np.eye(n))
            .predict(problem.shown)
        )
        residuals = problem.Y - fitted.T @ problem.Y
        expected = n * (residuals**2).sum(axis=0) / (n - np.trace(fitted)) ** 2
        np.testing.assert_allclose(ours[number], expected, rtol=1e-8)


def test_leaving_single_rows_out_is_scikit_learns_efficient_scheme():
    problem = Problem(n_repeated=0)
    folds = Folds(np.arange(len(problem.Y)), "single rows")
    ours = choose_alpha(problem.split(), problem.targets, folds, (2.0,)).out_of_fold.numpy()
    peer = RidgeCV([2.0 * problem.scale], store_cv_results=True).fit(problem.shown, problem.Y)
    np.testing.assert_allclose((problem.Y - ours) ** 2, peer.cv_results_[:, :, 0], atol=1e-8)


def himalayas(problem, folds):
    X = problem.shown - problem.shown.mean(axis=0)
    X = X / np.sqrt((X**2).sum() / len(X))
    peer = KernelRidgeCV(alphas=GRID, kernel="linear", fit_intercept=True, cv=PredefinedSplit(folds.labels))
    return peer.fit(X, problem.Y), X


def test_himalaya_chooses_the_same_alphas_and_predicts_the_same():
    problem = Problem(n_images=200, n_units=260, n_voxels=60, n_folds=4, n_repeated=0)
    # himalaya averages the folds' scores, ours pools their squared errors: equal folds make them one.
    folds = Folds(np.arange(200) % 5, "equal folds")
    peer, X = himalayas(problem, folds)
    scores = choose_alpha(problem.split(), problem.targets, folds, GRID)
    np.testing.assert_allclose(scores.alpha.numpy(), peer.best_alphas_)
    fitted = X @ (X.T @ scores.dual.numpy()) + problem.Y.mean(axis=0)
    np.testing.assert_allclose(fitted, peer.predict(X), atol=1e-6)


def test_dual_weights_are_scikit_learns_fit(problem):
    alpha = torch.logspace(-1, 3, problem.Y.shape[1], dtype=torch.float64)
    c = dual_weights(problem.split(), problem.targets, alpha).numpy()
    X = problem.shown - problem.shown.mean(axis=0)
    fitted = X @ (X.T @ c / problem.scale) + problem.Y.mean(axis=0)
    for voxel, penalty in enumerate(alpha.tolist()):
        peer = Ridge(penalty * problem.scale, solver="cholesky").fit(X, problem.Y[:, voxel])
        np.testing.assert_allclose(fitted[:, voxel], peer.predict(X), atol=1e-8)
    np.testing.assert_allclose(c.sum(axis=0), 0, atol=1e-9)


def test_the_scores_come_with_the_chosen_fits_dual_weights(problem):
    split = problem.split()
    scores = choose_alpha(split, problem.targets, problem.folds, GRID)
    expected = dual_weights(split, problem.targets, scores.alpha)
    np.testing.assert_allclose(scores.dual.numpy(), expected.numpy(), atol=1e-10)


def test_the_intercept_takes_shifts_of_data_and_features():
    problem, moved = Problem(), Problem()
    moved.X, moved.Y = moved.X + 100, moved.Y + 1000
    before = choose_alpha(problem.split(), problem.targets, problem.folds, GRID)
    after = choose_alpha(moved.split(), moved.targets, moved.folds, GRID)
    np.testing.assert_allclose(after.out_of_fold.numpy() - 1000, before.out_of_fold.numpy(), atol=1e-7)
    assert torch.equal(after.alpha, before.alpha)


def test_scaling_a_layer_does_not_move_alpha():
    problem = Problem()
    index = problem.index
    small, large = (
        choose_alpha(decompose(problem.kernel() * factor, index), problem.targets, problem.folds, GRID).alpha
        for factor in (1e-6, 1e6)
    )
    assert torch.equal(small, large)


def test_for_a_few_penalties_nothing_is_decomposed():
    problem = Problem()
    assert isinstance(problem.split(n_alphas=1), resolvents.KernelDecomposition)
    assert isinstance(problem.split(n_alphas=20), resolvents.BandDecomposition)
    assert isinstance(problem.split(), resolvents.BandDecomposition)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(3, 60),
    st.integers(1, 80),
    st.integers(2, 6),
    st.integers(0, 3),
    st.sampled_from([0.05, 1.0, 50.0]),
)
def test_any_sizes_and_groups_equal_the_refits(n_images, n_units, n_folds, seed, alpha):
    problem = Problem(n_images, n_units, 3, min(n_folds, n_images - 1), min(4, n_images), seed=seed)
    ours = choose_alpha(problem.split(), problem.targets, problem.folds, (alpha,)).out_of_fold
    np.testing.assert_allclose(ours.numpy(), problem.refitted(alpha), atol=1e-8)


def test_correlation_of_a_constant_column_is_zero():
    a = torch.tensor([[1.0, 2.0], [1.0, 3.0], [1.0, 5.0]])
    assert correlate_columns(a, a).tolist() == pytest.approx([0, 1])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
@pytest.mark.parametrize("few", [None, 1], ids=["by band", "by Cholesky"])
def test_a_gpu_gives_the_processors_choice(problem, few):
    on_gpu = decompose(problem.kernel().cuda(), problem.index, torch.float64, few)
    found = choose_alpha(on_gpu, problem.targets, problem.folds, GRID)
    here = choose_alpha(problem.split(n_alphas=few), problem.targets, problem.folds, GRID)
    assert found.out_of_fold.device.type == "cpu"
    assert torch.equal(found.alpha, here.alpha)
    np.testing.assert_allclose(found.out_of_fold.numpy(), here.out_of_fold.numpy(), atol=1e-8)
    assert linear_kernel(problem.X.astype(np.float32), np.arange(3), torch.device("cuda")).is_cuda
