"""Layers chosen by region and jointly, through the whole app."""

import json

import numpy as np
import pytest

from bidsapp_synthfmri.derivatives.reader import load_participant
from bidsapp_synthfmri.encoding.storage import read_encoder


@pytest.fixture
def run(small, tmp_path, participant_level):
    """Run once with precomputed-like speed (a window's mean); results, summary, page and encoder."""

    def call(*options):
        done = participant_level(small.bids_dir, "--responses", "tr34", *options)
        assert done.exit_code == 0, done.output
        output = tmp_path / "out"
        folder = output / "sub-01" / "func"
        summary = json.loads(next(folder.glob("*_summary.json")).read_text())
        page = " ".join((output / "sub-01.html").read_text(encoding="utf-8").split())
        return (
            load_participant(output, "01"),
            summary,
            page,
            read_encoder(next(folder.glob("*_model.safetensors"))),
        )

    return call


def wide(results):
    return results.encoding.pivot(index=["roi", "layer"], columns="metric", values="value")


def test_a_region_has_one_layer(run):
    results, summary, page, encoder = run("--layer-selection", "roi")
    shares = wide(results)["share_of_voxels"].dropna()
    regions = [roi for roi in shares.index.unique("roi") if roi != "all"]
    assert len(regions) > 1
    for roi in regions:
        assert sorted(shares[roi]) == [0, 1]
    assert summary["layer_selection"] == "roi"
    assert "region" in encoder.card["layer_selection"]["description"]
    assert "All voxels of a region take the layer" in page
    used = np.concatenate([layer.voxels for layer in encoder.weights])
    assert sorted(used) == list(range(len(results.voxels)))


@pytest.mark.parametrize("model", ["stacking", "banded"])
def test_joint_layers_split_the_variance_that_they_explain(run, model):
    results, summary, page, encoder = run("--layer-selection", "joint", "--joint-model", model)
    scores = wide(results)
    split = scores["variance_split"].dropna().groupby("roi").sum()
    joint = scores["cv_r2"].xs("selected", level="layer")
    # Means of float32 parts that add up voxel by voxel.
    np.testing.assert_allclose(split.loc[joint.index], joint, atol=1e-4)
    weights = scores["layer_weight"].dropna().groupby("roi").sum()
    assert (weights <= 1 + 1e-5).all()
    assert "share_of_voxels" not in scores
    assert summary["layer_selection"] == model
    assert {edge["name"] for edge in summary["grid_edges"]} == (
        {"joint"} if model == "banded" else set(summary["layers"])
    )
    assert "product measure" in page
    assert len(encoder.weights) == 2
    assert len(np.intersect1d(encoder.weights[0].voxels, encoder.weights[1].voxels)) > 0
    test = results.synthetic.table["split"] == "test"
    assert np.isfinite(results.synthetic.values[test]).all()
