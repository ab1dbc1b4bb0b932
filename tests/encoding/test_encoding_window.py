"""The window leaves out penalties that cannot be better, and only those."""

import numpy as np
import pytest
import torch

from bidsapp_synthfmri.encoding import window
from bidsapp_synthfmri.encoding.folds import Folds
from bidsapp_synthfmri.encoding.kernels import decompose
from bidsapp_synthfmri.encoding.left_out import FoldSolver
from bidsapp_synthfmri.encoding.window import Departure, best_penalties

N, N_VOXELS = 700, 900
GRID = tuple(float(alpha) for alpha in np.logspace(-2, 5, 20))


@pytest.fixture(scope="module")
def solver_and_targets():
    rng = np.random.default_rng(3)
    X = rng.standard_normal((N, 900)) * np.geomspace(5, 0.5, 900)
    X -= X.mean(axis=0)
    signal = X @ rng.standard_normal((900, N_VOXELS))
    share = rng.uniform(0, 0.7, N_VOXELS)  # from no signal on
    Y = np.sqrt(share) * signal / signal.std(axis=0)
    Y += np.sqrt(1 - share) * rng.standard_normal(Y.shape)
    decomposition = decompose(torch.from_numpy(X @ X.T), np.arange(N), torch.float64)
    solver = FoldSolver(decomposition, Folds(np.arange(N) * 5 // N, "sessions"), GRID)
    return solver, solver.targets(torch.from_numpy(Y))


def test_what_is_left_out_would_not_have_been_chosen(solver_and_targets, monkeypatch):
    found, learned = best_penalties(*solver_and_targets, "window")
    monkeypatch.setattr(window, "_MARGIN", np.inf)
    thorough, _ = best_penalties(*solver_and_targets, "window")
    assert torch.equal(found.choice, thorough.choice)
    torch.testing.assert_close(found.residuals, thorough.residuals)
    n_tried, n_thorough = (best.tried.isfinite().sum() for best in (found, thorough))
    assert n_tried < 0.95 * n_thorough
    assert learned.sd.isfinite().any()


def test_what_was_learned_serves_other_voxels(solver_and_targets):
    _, learned = best_penalties(*solver_and_targets, "window")
    anew, _ = best_penalties(*solver_and_targets, "window")
    found, same = best_penalties(*solver_and_targets, "window", learned)
    assert same is learned
    assert torch.equal(found.choice, anew.choice)
    assert found.tried.isfinite().sum() <= anew.tried.isfinite().sum()


def test_departure_is_the_mean_and_sd_over_voxels_of_its_change():
    rng = np.random.default_rng(0)
    gcv = torch.from_numpy(rng.standard_normal((4, 50)))
    exact = gcv + torch.from_numpy(rng.standard_normal((4, 50)) + np.array([[0], [1], [3], [6]]))
    exact[3, 20:] = torch.inf  # tried in 20 voxels: too few
    learned = Departure.measured(gcv, exact)
    change = (exact - gcv).diff(dim=0)[:2]
    torch.testing.assert_close(learned.mean[:2], change.mean(dim=1))
    torch.testing.assert_close(learned.sd[:2], change.std(dim=1, unbiased=False))
    assert learned.mean[2] == 0
    assert learned.sd[2] == torch.inf


def test_only_untried_neighbours_that_may_be_better_are_worth_trying():
    gcv = torch.tensor([[0.0, 0.0], [0.0, 0.0], [0.0, 5.0]], dtype=torch.float64)
    exact = torch.tensor([[torch.inf, 1.0], [0.0, 0.0], [torch.inf, torch.inf]], dtype=torch.float64)
    learned = Departure(torch.tensor([-0.1, 0.1]).double(), torch.tensor([0.1, 0.1]).double())
    wanted = learned.worth_trying(gcv, exact)
    assert wanted.tolist() == [[True, False], [False, False], [True, False]]
    certain = Departure(learned.mean, torch.tensor([0.001, torch.inf]).double())
    assert certain.worth_trying(gcv, exact).tolist() == [[False, False], [False, False], [True, True]]
