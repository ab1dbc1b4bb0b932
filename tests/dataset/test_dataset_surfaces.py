"""BOLD on the surfaces of two hemispheres."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bidsapp_synthfmri.dataset.bold import n_volumes, read_bold, read_bold_and_pool
from bidsapp_synthfmri.dataset.index import index_participant
from bidsapp_synthfmri.dataset.rois import read_pool, read_voxel_space
from bidsapp_synthfmri.errors import (
    InputMalformedError,
    InputMissingError,
    NothingMatchedError,
    UsageError,
)

N_VERTICES = {"L": 40, "R": 33}
N_VOLUMES = 12


def write_gifti(path: Path, values: np.ndarray) -> None:
    """(n_volumes, n_vertices) as fMRIPrep writes it."""
    arrays = [
        nib.gifti.GiftiDataArray(row.astype(np.float32), "NIFTI_INTENT_TIME_SERIES", "NIFTI_TYPE_FLOAT32")
        for row in values
    ]
    nib.save(nib.GiftiImage(darrays=arrays), path)


@dataclass
class Surfaces:
    """A dataset that also has surfaces, and what is on them."""

    dataset: object
    space: str
    series: dict[tuple[str, str, str], np.ndarray]

    def path(self, side: str, session: str = "01", run: str = "01") -> Path:
        volume = self.dataset.derived("bold", session, run)
        return volume.with_name(
            f"sub-A1_ses-{session}_task-scenes_run-{run}_hemi-{side}_space-{self.space}_bold.func.gii"
        )

    def files(self, **options):
        return index_participant(self.dataset.config(space="fsnative", **options), "A1")


@pytest.fixture(params=["fsnative", "fsnative_den-10k"])
def surfaces(modern, request) -> Surfaces:
    rng = np.random.default_rng(5)
    made = Surfaces(modern, request.param, {})
    for session, run in modern.bold:
        for side, size in N_VERTICES.items():
            values = rng.normal(1000, 10, (N_VOLUMES, size)).astype(np.float32)
            made.series[session, run, side] = values
            path = made.path(side, session, run)
            write_gifti(path, values)
            sidecar = {"RepetitionTime": 2.0, "StartTime": 0.9}
            path.with_name(path.name.replace(".func.gii", ".json")).write_text(json.dumps(sidecar))
    return made


def test_a_run_on_surfaces_has_two_series_and_no_mask(surfaces):
    files = surfaces.files()
    assert files.space == "fsnative"
    assert files.rois == ()
    for run in files.runs:
        assert run.bold_files == tuple(surfaces.path(side, run.session, run.run) for side in "LR")
        assert run.brain_mask is None
        assert run.confounds is not None
        assert (run.repetition_time, run.start_time) == (2.0, 0.9)


def test_volumes_are_the_default_where_there_are_both(surfaces):
    files = index_participant(surfaces.dataset.config(), "A1")
    assert files.space == "T1w"
    assert files == surfaces.dataset.files()


def test_surfaces_are_the_default_where_there_are_no_volumes(surfaces):
    for session, run in surfaces.dataset.bold:
        surfaces.dataset.derived("bold", session, run).unlink()
    assert index_participant(surfaces.dataset.config(), "A1") == surfaces.files()


@pytest.mark.parametrize("side", ["L", "R"])
def test_a_missing_hemisphere_is_refused_with_its_name(surfaces, side):
    surfaces.path(side, "02", "01").unlink()
    with pytest.raises(InputMissingError, match=f"no preprocessed BOLD of hemisphere {side}") as caught:
        surfaces.files()
    expected = f"ses-02_task-scenes_run-01_hemi-{side}_space-fsnative"
    assert expected in caught.value.problem
    assert "_bold.func.gii" in caught.value.problem


def test_a_surface_that_is_not_there_is_answered_with_its_name_and_what_is(surfaces):
    config = surfaces.dataset.config(space="fsaverage")
    with pytest.raises(InputMissingError, match=r"hemi-L_space-fsaverage_bold\.func\.gii") as caught:
        index_participant(config, "A1")
    assert "space fsnative" in caught.value.problem


def test_two_densities_need_a_choice(surfaces):
    for side in "LR":
        path = surfaces.path(side)
        write_gifti(path.with_name(path.name.replace("_bold", "_res-2_bold")), np.ones((3, 4)))
    with pytest.raises(UsageError, match="Several files could be meant"):
        surfaces.files()


def test_hemispheres_of_two_densities_are_no_pair(surfaces):
    path = surfaces.path("R")
    path.rename(path.with_name(path.name.replace("_bold", "_den-41k_bold").replace("den-10k_", "")))
    with pytest.raises(UsageError, match="not of one kind"):
        surfaces.files()


def test_all_vertices_are_analysed_left_then_right(surfaces):
    files = surfaces.files()
    space = read_voxel_space(files, ())
    assert len(space) == 73
    assert space.n_vertices == (40, 33)
    assert np.array_equal(space.vertices, [*range(40), *range(33)])
    assert np.array_equal(space.is_right, [False] * 40 + [True] * 33)
    assert [roi.name for roi in space.roi_sets()] == ["all"]
    assert read_pool(files, space) is None
    for run in files.runs:
        expected = np.hstack([surfaces.series[run.session, run.run, side] for side in "LR"])
        found = read_bold(run, space)
        assert found.dtype == np.float32
        assert np.array_equal(found, expected)
        assert n_volumes(run) == N_VOLUMES
        assert read_bold_and_pool(run, space, None)[1] is None


def test_some_vertices_are_read_in_their_order(surfaces):
    files = surfaces.files()
    space = read_voxel_space(files, ())
    kept = np.random.default_rng(0).random(73) < 0.3
    found = read_bold(files.runs[0], space.take(kept))
    assert np.array_equal(found, read_bold(files.runs[0], space)[:, kept])


def test_no_roi_masks_are_known_on_surfaces(surfaces):
    with pytest.raises(NothingMatchedError, match="no ROI mask on surfaces named PPA"):
        read_voxel_space(surfaces.files(), ("PPA",))


def test_runs_on_other_surfaces_are_refused(surfaces):
    files = surfaces.files()
    space = read_voxel_space(files, ())
    write_gifti(surfaces.path("R", "02", "02"), np.ones((N_VOLUMES, 34)))
    with pytest.raises(InputMalformedError, match="34 vertices, not the 33 of the participant's first run"):
        read_bold(files.runs[-1], space)


def test_hemispheres_of_different_lengths_are_refused(surfaces):
    files = surfaces.files()
    space = read_voxel_space(files, ())
    write_gifti(surfaces.path("R"), np.ones((N_VOLUMES - 1, 33)))
    with pytest.raises(InputMalformedError, match=r"has 11 volumes, but .* has 12"):
        read_bold(files.runs[0], space)


@pytest.mark.parametrize("kept", [0.05, 0.5, 0.9])
def test_a_truncated_series_is_refused(surfaces, kept):
    files = surfaces.files()
    space = read_voxel_space(files, ())
    content = surfaces.path("L").read_bytes()
    surfaces.path("L").write_bytes(content[: int(kept * len(content))])
    with pytest.raises(InputMalformedError, match="truncated or damaged") as caught:
        read_bold(files.runs[0], space)
    assert str(surfaces.path("L")) in caught.value.problem


@pytest.mark.parametrize("content", [b"", b"<GIFTI", b"no XML", b"<a/>"])
def test_what_is_no_gifti_is_refused(surfaces, content):
    files = surfaces.files()
    surfaces.path("L").write_bytes(content)
    with pytest.raises(InputMalformedError):
        read_voxel_space(files, ())
    with pytest.raises(InputMalformedError):
        n_volumes(files.runs[0])


def test_one_array_is_no_series(surfaces):
    files = surfaces.files()
    space = read_voxel_space(files, ())
    for values in (np.ones((1, 40)), np.ones((1, 40, N_VOLUMES))):
        write_gifti(surfaces.path("L"), values)
        with pytest.raises(InputMalformedError, match="no series of volumes on a surface"):
            read_bold(files.runs[0], space)
        with pytest.raises(InputMalformedError, match="no series of volumes on a surface"):
            read_voxel_space(files, ())


def test_a_file_gone_since_is_missing(surfaces):
    files = surfaces.files()
    space = read_voxel_space(files, ())
    surfaces.path("R").unlink()
    with pytest.raises(InputMissingError):
        read_bold(files.runs[0], space)
    with pytest.raises(InputMissingError):
        read_voxel_space(replace(files, runs=files.runs[:1]), ())
