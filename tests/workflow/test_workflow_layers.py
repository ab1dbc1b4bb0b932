"""Penalties at the edge of their grid are noted by layer and count; a fit may keep its arrays on disk."""

from functools import partial

import numpy as np
import pytest
import torch

from bidsapp_synthfmri.encoding import Folds, fit_encoder
from bidsapp_synthfmri.encoding.selection import GridEdge
from bidsapp_synthfmri.structures import Features, LayerFeatures
from bidsapp_synthfmri.workflow.notes import grid_edge_notes
from bidsapp_synthfmri.workflow.streaming import allocate

ALPHAS = (0.01, 1.0, 1e6)


def test_edges_are_noted_by_layer_side_and_count():
    edges = (GridEdge("conv1", 0, 12, 40), GridEdge("conv2", 0, 0, 7), GridEdge("fc6", 3, 2, 30))
    (note,) = grid_edge_notes(edges, ALPHAS)
    assert "edge of their grid (0.01 to 1e+06)" in note
    assert "conv1: the largest in 12 of 40 voxels; fc6: the largest in 2, the smallest in 3 of 30" in note
    assert "conv2" not in note


def test_nothing_at_an_edge_is_not_noted():
    assert grid_edge_notes((GridEdge("joint", 0, 0, 50),), ALPHAS) == []


@pytest.mark.parametrize("selection", ["voxel", "roi", "stacking", "banded"])
def test_a_fit_with_arrays_on_disk_is_the_same(tmp_path, selection):
    rng = np.random.default_rng(0)
    layers = tuple(
        LayerFeatures(name, rng.standard_normal((30, 8)).astype(np.float32)) for name in ("a", "b")
    )
    features = Features(tuple(map(str, range(30))), layers)
    values = (layers[0].values[:, :5] + rng.standard_normal((30, 5))).astype(np.float32)
    folds = Folds(np.arange(30) % 3, "three")
    made = []

    def on_disk(shape):
        made.append(allocate(tmp_path / "scratch", 100, shape))
        return made[-1]

    both = [
        fit_encoder(
            features,
            values,
            np.arange(30),
            folds,
            torch.device("cpu"),
            alphas=(1.0, 10.0),
            selection=selection,
            allocate=allocation,
            rng=np.random.default_rng(1),
            n_draws=2,
        )
        for allocation in (partial(allocate, tmp_path, None), on_disk)
    ]
    assert all(isinstance(array, np.memmap) for array in made)
    in_memory, mapped = both
    np.testing.assert_array_equal(mapped.out_of_fold, in_memory.out_of_fold)
    np.testing.assert_array_equal(mapped.layer_weights, in_memory.layer_weights)
    for one, other in zip(mapped.weights, in_memory.weights, strict=True):
        np.testing.assert_array_equal(one.readout.values, other.readout.values)
    assert list(tmp_path.rglob("*.*")) == []
