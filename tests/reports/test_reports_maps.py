"""Slices of the brain: the right voxels in the right place, whatever way the grid lies."""

from __future__ import annotations

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from nibabel.affines import apply_affine
from PIL import Image

from bidsapp_synthfmri.derivatives.results import EncoderMaps
from bidsapp_synthfmri.reports import map_figure
from bidsapp_synthfmri.reports.map_figure import map_figures
from bidsapp_synthfmri.reports.slice_browser import slice_browser
from bidsapp_synthfmri.structures import VoxelSpace

SHAPE = (9, 11, 7)
AXES = {
    "RAS": np.diag([2.0, 2.0, 3.0, 1.0]),
    "LAS": np.diag([-2.0, 2.0, 3.0, 1.0]),
    "PSR": np.array([[0, 0, 2.0, 0], [-2.0, 0, 0, 0], [0, 3.0, 0, 0], [0, 0, 0, 1]]),
}


def maps(affine: np.ndarray, r: np.ndarray | None = None) -> EncoderMaps:
    """Voxels everywhere but at the rim; r is the position to the right, in mm."""
    ijk = np.argwhere(np.ones([size - 2 for size in SHAPE])) + 1
    values = apply_affine(affine, ijk)[:, 0] if r is None else r
    membership = np.ones((1, len(ijk)), dtype=bool)
    space = VoxelSpace(ijk, affine, SHAPE, ("V1",), membership, "T1w")
    best = np.arange(len(ijk)) % 3 - 1
    return EncoderMaps(space, values.astype(np.float32), best, ("features.2", "features.5"))


@pytest.mark.parametrize("affine", AXES.values(), ids=AXES)
def test_right_is_right_and_slices_are_level(affine):
    made = maps(affine)
    slices = map_figure._Slices.of(made.voxels)
    heights = apply_affine(affine, made.voxels.ijk)[:, 2]
    forward = apply_affine(affine, made.voxels.ijk)[:, 1].astype(np.float32)
    assert list(slices.z) == sorted(set(heights))
    for number, z in enumerate(slices.z):
        to_right = slices.image(number, made.r)
        assert np.isfinite(to_right).sum() == (heights == z).sum()
        assert (np.diff(to_right, axis=1)[np.isfinite(np.diff(to_right, axis=1))] > 0).all()
        ahead = np.diff(slices.image(number, forward), axis=0)
        assert (ahead[np.isfinite(ahead)] > 0).all()


def test_many_slices_are_thinned_evenly():
    ijk = np.array([[1, 1, k] for k in range(60)])
    space = VoxelSpace(ijk, np.eye(4), (3, 3, 60), ("V1",), np.ones((1, 60), dtype=bool), "T1w")
    slices = map_figure._Slices.of(space)
    assert len(slices.chosen) == 14
    assert set(np.diff(slices.z)) <= {4, 5}
    assert slices.rows_and_columns == (2, 7)


def test_figures_say_what_they_show():
    accuracy, layers = map_figures(maps(AXES["RAS"], np.linspace(-0.2, 0.6, 7 * 9 * 5)))
    assert (accuracy.name, layers.name) == ("accuracymap", "layermap")
    assert "Grey: 79 voxels below 0" in accuracy.caption
    assert "median r .20" in accuracy.alt
    assert "features.2 105, features.5 105" in layers.alt
    for figure in (accuracy, layers):
        assert "image" in figure.svg
        assert "data:image/png" in figure.inline


def test_nothing_is_drawn_of_voxels_without_an_accuracy():
    assert map_figures(maps(AXES["RAS"], np.full(7 * 9 * 5, np.nan))) == ()


@pytest.mark.parametrize("affine", AXES.values(), ids=AXES)
def test_every_slice_can_be_chosen_and_has_its_voxels_in_place(affine):
    # Accuracy grows to the right, so that brightness does in axial and coronal slices.
    made = maps(affine)
    r = (made.r - made.r.min()) / np.ptp(made.r)
    planes = slice_browser(replace(made, r=r.astype(np.float32)))
    places = apply_affine(affine, made.voxels.ijk)
    assert [plane.axis for plane in planes] == ["z", "y", "x"]
    for plane, axis in zip(planes, (2, 1, 0), strict=True):
        at = sorted(set(places[:, axis]))
        assert [slice_.place for slice_ in plane.slices] == [
            f"{plane.axis} = {place:.0f} mm".replace("-", "\N{MINUS SIGN}") for place in at
        ]
        assert sum(slice_.first for slice_ in plane.slices) == 1
        for slice_, place in zip(plane.slices, at, strict=True):
            picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(slice_.source.split(",")[1]))))
            shown = picture[..., 3] > 0
            assert shown.sum() == (places[:, axis] == place).sum()
            if axis != 0:
                brightness = picture.astype(int).sum(axis=2)[shown.any(axis=1)][:, shown.any(axis=0)]
                assert (np.diff(brightness, axis=1) > 0).all()


def test_of_very_many_slices_some_are_left_out():
    ijk = np.array([[1, 1, k] for k in range(200)])
    space = VoxelSpace(ijk, np.eye(4), (3, 3, 200), ("V1",), np.ones((1, 200), dtype=bool), "T1w")
    r = np.linspace(0, 1, 200, dtype=np.float32)
    axial, coronal, _ = slice_browser(EncoderMaps(space, r, np.zeros(200, dtype=np.int64), ("a",)))
    assert len(axial.slices) == 64
    assert (axial.slices[0].place, axial.slices[-1].place) == ("z = 0 mm", "z = 199 mm")
    assert len(coronal.slices) == 1
