"""Layers by voxel and by region, and scores that did not take part in choosing them."""

import numpy as np
import pytest

from bidsapp_synthfmri.encoding.folds import Folds
from bidsapp_synthfmri.encoding.layerwise import fit_layerwise
from bidsapp_synthfmri.encoding.nesting import fold_means, outer_loop
from bidsapp_synthfmri.encoding.selection import (
    best_layer_by_region,
    best_layer_by_voxel,
    explained,
    regions,
)
from bidsapp_synthfmri.structures import RoiSet

R2 = np.array([[0.3, 0.1, 0.0, 0.2, 0.9], [0.2, 0.3, 0.3, 0.1, 0.1]], dtype=np.float32)


def roi(name: str, voxels: list[int], n_voxels: int = 5) -> RoiSet:
    return RoiSet(name, np.isin(np.arange(n_voxels), voxels))


def test_a_voxel_takes_the_layer_that_predicts_it_best():
    assert best_layer_by_voxel(R2).argmax(axis=0).tolist() == [0, 1, 1, 0, 0]
    assert best_layer_by_voxel(R2).sum(axis=0).tolist() == [1] * 5


def test_rounding_does_not_choose_a_layer():
    r2 = np.array([[-0.0345525, 0.2], [-0.0345524, 0.2001]], dtype=np.float32)
    assert best_layer_by_voxel(r2).argmax(axis=0).tolist() == [0, 1]


def test_a_region_takes_one_layer_and_the_voxels_outside_are_a_region():
    members = regions([roi("V1", [0, 1]), roi("LOC", [2, 3]), roi("all", [0, 1, 2, 3, 4])], 5)
    assert members.tolist() == [
        [True, True, False, False, False],
        [False, False, True, True, False],
        [False, False, False, False, True],
    ]
    assert best_layer_by_region(R2, members).argmax(axis=0).tolist() == [1, 1, 1, 1, 0]


def test_a_voxel_of_two_regions_goes_by_the_mean_of_both():
    members = regions([roi("A", [0, 1]), roi("B", [1, 4]), roi("C", [2, 3])], 5)
    # A favours layer 1 by 0.05 on average, B layer 0 by 0.30: together layer 0.
    assert best_layer_by_region(R2, members).argmax(axis=0).tolist() == [1, 0, 1, 1, 0]


def test_all_voxels_are_a_region_where_there_is_no_other():
    assert regions([roi("all", [0, 1, 2, 3, 4])], 5).tolist() == [[True] * 5]
    assert regions([], 5).tolist() == [[True] * 5]


def test_scores_are_those_of_their_definitions():
    rng = np.random.default_rng(0)
    y = rng.standard_normal((30, 4)).astype(np.float32) + 100
    p = y + rng.standard_normal((30, 4)).astype(np.float32)
    y[:, 3], p[:, 2] = 100, 100
    r2, r = explained(y, p)
    expected = 1 - ((y - p) ** 2).sum(axis=0)[:3] / ((y - y.mean(axis=0)) ** 2).sum(axis=0)[:3]
    # Values near 100 keep 1e-5 in float32.
    np.testing.assert_allclose(r2[:3], expected, atol=1e-3)
    np.testing.assert_allclose(r[:2], [np.corrcoef(y[:, v], p[:, v])[0, 1] for v in range(2)], atol=1e-4)
    assert (r[2], r2[3], r[3]) == (0, 0, 0)


@pytest.mark.parametrize("n_folds", [2, 3, 5, 12])
def test_the_outer_loop_leaves_every_row_out_once_and_knows_it_nowhere(n_folds):
    index = np.concatenate([np.arange(24), np.arange(6)])
    folds = Folds(np.arange(24)[index] * n_folds // 24, "folds")
    turns = outer_loop(folds, index)
    assert len(turns) == min(n_folds, 3)
    np.testing.assert_array_equal(np.sort(np.concatenate([turn.rows for turn in turns])), np.arange(30))
    for turn in turns:
        assert not set(index[turn.rows]) & set(index[turn.rest])
        assert len(turn.folds.labels) == len(turn.rest)
        assert turn.folds.n_folds >= 2
        for fold in turn.folds.rows():
            assert not set(index[turn.rest][fold]) & set(np.delete(index[turn.rest], fold))
        if n_folds > 2:
            # A fold of the rest is a fold of all.
            assert turn.folds.n_folds == len(set(folds.labels[turn.rest]))


def test_two_stimuli_leave_nothing_to_choose_by():
    turns = outer_loop(Folds(np.array([0, 0, 1]), "two"), np.array([0, 0, 1]))
    assert [turn.folds for turn in turns] == [None, None]


def test_fold_means_leave_the_fold_out():
    values = np.arange(12, dtype=np.float32).reshape(6, 2)
    labels = np.array([0, 1, 2, 0, 1, 2])
    means = fold_means(values, Folds(labels, "three"))
    for fold in range(3):
        np.testing.assert_allclose(means[fold], values[labels != fold].mean(axis=0))


@pytest.mark.parametrize("kind", ["voxel", "roi"])
def test_one_layer_per_voxel_or_region_is_found(layered, kind):
    mixture = np.zeros((3, 12))
    mixture[0, :6] = mixture[2, 6:] = 2
    problem = layered(mixture)
    members = regions([roi("early", list(range(6)), 12), roi("late", list(range(6, 12)), 12)], 12)
    found = fit_layerwise(problem.training(np.logspace(-2, 4, 7)), kind, members)
    assert found.layer_weights.argmax(axis=0).tolist() == [0] * 6 + [2] * 6
    assert np.isfinite(found.alpha).sum(axis=0).tolist() == [1] * 12
    assert found.variance_split is None
    # The dual weights are those of the layer that was chosen.
    again = fit_layerwise(problem.training(np.logspace(-2, 4, 7)), "stacking", members)
    chosen = found.dual if kind == "voxel" else found.dual[found.layer_weights.argmax(axis=0)[[0, 11]]]
    np.testing.assert_array_equal(chosen[0][:, 0], again.dual[0][:, 0])
    np.testing.assert_array_equal(chosen[-1][:, 11], again.dual[2][:, 11])


def naive_and_nested(problem, kind, alphas):
    members = np.ones((1, problem.values.shape[1]), dtype=bool)
    found = fit_layerwise(problem.training(alphas), kind, members)
    best = found.cv_r2.max(axis=0)
    return found.cv_r2.mean(), best.mean(), explained(problem.values, found.out_of_fold)[0].mean()


@pytest.mark.parametrize("n_folds", [2, 4])
def test_nested_scores_of_noise_are_not_above_zero_where_the_best_layers_are(layered, n_folds):
    problem = layered(np.zeros((12, 200)), n_folds=n_folds)
    single, best, nested = naive_and_nested(problem, "voxel", np.logspace(-1, 5, 7))
    assert best > 0.02
    assert nested < 0
    # A single layer's penalty is chosen by the scores too; choosing among twelve adds nothing to that.
    assert nested < single + 0.005


def test_nested_scores_of_a_signal_are_those_of_its_layer(layered):
    mixture = np.zeros((6, 40))
    mixture[1] = 3
    problem = layered(mixture, n_images=90)
    _, best, nested = naive_and_nested(problem, "voxel", np.logspace(-2, 4, 7))
    assert best > 0.6
    assert nested == pytest.approx(best, abs=1e-6)


def test_rows_left_out_do_not_choose_their_layers(layered):
    """With one penalty, only the layers of their own predictions could depend on them."""
    problem = layered(np.full((5, 30), 0.4), n_folds=4)
    members = np.ones((1, 30), dtype=bool)
    rows = problem.folds.rows()[1]
    before = fit_layerwise(problem.training((10.0,)), "voxel", members).out_of_fold
    problem.values[rows] = np.random.default_rng(1).standard_normal((len(rows), 30)) * 5
    after = fit_layerwise(problem.training((10.0,)), "voxel", members).out_of_fold
    np.testing.assert_allclose(after[rows], before[rows], atol=1e-5)
    others = np.setdiff1d(np.arange(len(before)), rows)
    assert np.abs(after[others] - before[others]).max() > 0.1


def test_penalties_at_the_grids_ends_are_counted_by_layer(layered):
    mixture = np.zeros((2, 20))
    mixture[0, :8] = 30
    problem = layered(mixture)
    found = fit_layerwise(problem.training((1.0, 3.0, 10.0)), "voxel", np.ones((1, 20), dtype=bool))
    used = found.layer_weights > 0
    assert [edge.name for edge in found.edges] == ["layer0", "layer1"]
    for layer, edge in enumerate(found.edges):
        alpha = found.alpha[layer, used[layer]]
        assert (edge.n_first, edge.n_last, edge.n_used) == (
            (alpha == 1).sum(),
            (alpha == 10).sum(),
            used[layer].sum(),
        )
    assert found.edges[0].n_first >= 8
    assert sum(edge.n_last for edge in found.edges) > 0
