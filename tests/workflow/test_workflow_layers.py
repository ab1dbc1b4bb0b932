"""Penalties at the edge of their grid are noted by layer and count."""

from bidsapp_synthfmri.encoding.selection import GridEdge
from bidsapp_synthfmri.workflow.notes import grid_edge_notes

ALPHAS = (0.01, 1.0, 1e6)


def test_edges_are_noted_by_layer_side_and_count():
    edges = (GridEdge("conv1", 0, 12, 40), GridEdge("conv2", 0, 0, 7), GridEdge("fc6", 3, 2, 30))
    (note,) = grid_edge_notes(edges, ALPHAS)
    assert "edge of their grid (0.01 to 1e+06)" in note
    assert "conv1: the largest in 12 of 40 voxels; fc6: the largest in 2, the smallest in 3 of 30" in note
    assert "conv2" not in note


def test_nothing_at_an_edge_is_not_noted():
    assert grid_edge_notes((GridEdge("joint", 0, 0, 50),), ALPHAS) == []
