"""Results on surfaces: CIFTI-2 of the two cortices, read back as what they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bidsapp_synthfmri.derivatives import names, participant
from bidsapp_synthfmri.derivatives.images import write_labels
from bidsapp_synthfmri.derivatives.reader import load_participant, load_reliability_maps
from bidsapp_synthfmri.errors import InputMalformedError
from bidsapp_synthfmri.structures import SurfaceSpace

LEFT, RIGHT = "CIFTI_STRUCTURE_CORTEX_LEFT", "CIFTI_STRUCTURE_CORTEX_RIGHT"


def assert_vertices(columns, space: SurfaceSpace) -> None:
    models = {name: axis for name, _, axis in columns.iter_structures()}
    assert set(models) == {LEFT, RIGHT}
    for name, on_side, size in zip((LEFT, RIGHT), (~space.is_right, space.is_right), (50, 60), strict=True):
        np.testing.assert_array_equal(models[name].vertex, space.vertices[on_side])
        assert columns.nvertices[name] == size


@pytest.mark.parametrize("rois", [("LHPPA", "RHPPA", "LHRSC", "empty"), ()])
def test_a_participant_reads_back_exactly(tmp_path: Path, make, write, rois) -> None:
    given = make(3, rois=rois, on_surface=True)
    write(tmp_path, given)

    read = load_participant(tmp_path, "01")

    assert read.space == "fsnative"
    assert isinstance(read.voxels, SurfaceSpace)
    np.testing.assert_array_equal(read.responses.values, given.responses.values)
    np.testing.assert_array_equal(read.synthetic.values, given.synthetic.values)
    np.testing.assert_array_equal(read.extra[0].values, given.extra.values)
    np.testing.assert_array_equal(read.voxels.vertices, given.voxels.vertices)
    np.testing.assert_array_equal(read.voxels.is_right, given.voxels.is_right)
    np.testing.assert_array_equal(read.voxels.membership, given.voxels.membership)
    assert read.voxels.roi_names == rois
    assert read.voxels.n_vertices == (50, 60)
    assert [roi.name for roi in read.voxels.roi_sets()][-1] == "all"


def test_matrices_and_maps_are_of_two_cortices(tmp_path: Path, make, write) -> None:
    given = make(4, on_surface=True)
    writer = write(tmp_path, given)

    for output, values in (
        (names.RESPONSES, given.responses.values),
        (names.SYNTHETIC, given.synthetic.values),
        (names.on_surface(names.NCSNR), given.reliability_maps["ncsnr"][np.newaxis]),
        (names.on_surface(names.RELIABILITY), given.reliability_maps["r"][np.newaxis]),
        (names.on_surface(names.ENCODER_R), given.maps["encoder_r"][np.newaxis]),
    ):
        path = writer.path(output)
        assert path.name.endswith("_statmap.dscalar.nii")
        image = nib.load(path)
        np.testing.assert_array_equal(np.asarray(image.dataobj), values)
        assert image.nifti_header.get_intent()[0] == "ConnDenseScalar"
        assert_vertices(image.header.get_axis(1), given.voxels)
    assert not list(tmp_path.rglob("*.nii.gz"))


def test_reliability_maps_read_back(tmp_path: Path, make, write) -> None:
    given = make(6, on_surface=True)
    write(tmp_path, given)

    read = load_reliability_maps(tmp_path, "01")

    np.testing.assert_array_equal(read.ncsnr, given.reliability_maps["ncsnr"])
    np.testing.assert_array_equal(read.split_half, given.reliability_maps["split_half"])


def test_the_best_layer_is_a_label_of_its_name(tmp_path: Path, make, write) -> None:
    given = make(5, on_surface=True)
    path = write(tmp_path, given).path(names.on_surface(names.BEST_LAYER))

    image = nib.load(path)

    assert path.name == "sub-01_task-scenes_space-fsnative_desc-bestlayer_dseg.dlabel.nii"
    table = image.header.get_axis(0).label[0]
    found = [table[int(value)][0] for value in np.asarray(image.dataobj)[0]]
    assert found == [given.layers[layer] for layer in given.maps["best_layer"]]
    assert len({colour for _, colour in table.values()}) == len(table)


def test_responses_of_other_vertices_are_refused(tmp_path: Path, make, write) -> None:
    given = make(on_surface=True)
    writer = write(tmp_path, given)
    order = np.argsort(~given.voxels.is_right, kind="stable")
    swapped = replace(
        given.voxels,
        vertices=given.voxels.vertices[order],
        is_right=~given.voxels.is_right[order],
        n_vertices=(60, 50),
    )
    participant.write_synthetic(writer, replace(given.synthetic, voxels=swapped), unit="z")

    with pytest.raises(InputMalformedError, match="40 voxels that are not the 40 of the ROI image"):
        load_participant(tmp_path, "01")


def test_an_roi_image_of_something_else_is_refused(tmp_path: Path, make, write) -> None:
    given = make(on_surface=True)
    path = write(tmp_path, given).path(names.on_surface(names.ROIS))
    with path.open("wb") as stream:
        write_labels(stream, np.ones(40, int), ["n/a"], make().voxels)

    with pytest.raises(InputMalformedError, match="no ROI image of ours"):
        load_participant(tmp_path, "01")


def test_a_hemisphere_may_lose_all_its_vertices(tmp_path: Path, make, write) -> None:
    space = make(on_surface=True).voxels
    left = space.take(~space.is_right)
    assert len(left) == (~space.is_right).sum()
    assert left.n_vertices == (50, 60)
    given = make(on_surface=True)
    writer = write(tmp_path, given)
    participant.write_roi_dseg(writer, left)
    kept = ~space.is_right
    for output, result in (
        (names.RESPONSES, given.responses),
        (names.SYNTHETIC, given.synthetic),
        (names.of_extra_set(names.SYNTHETIC, "Objects"), given.extra),
    ):
        values = result.values[:, kept]
        content = {"Estimator": "lss", "ResponseUnit": "z", "DroppedVoxels": 0}
        writer.matrix(output, values, [str(row) for row in range(len(values))], left, content)
    np.testing.assert_array_equal(load_participant(tmp_path, "01").voxels.vertices, left.vertices)
