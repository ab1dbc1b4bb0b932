"""BIDS derivatives of single-trial responses: statmaps, and the tables of their trials."""

from __future__ import annotations

from dataclasses import replace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nibabel import cifti2

from bidsapp_synthfmri.dataset.trials import read_trials
from bidsapp_synthfmri.derivatives import participant as written
from bidsapp_synthfmri.derivatives.writer import Writer
from bidsapp_synthfmri.errors import (
    InputMalformedError,
    InputMissingError,
    NothingMatchedError,
    UsageError,
)
from bidsapp_synthfmri.structures import Responses, Synthetic, VoxelSpace

N_TRIALS = 8
NAMES = ("LHLOC", "LHPPA", "RHPPA")


@pytest.fixture
def ours(bare, tmp_path):
    """Writes responses as the participant level does, of all trials or some; returns folder and responses."""
    masks = np.stack([bare.rois[name] for name in ("LHLO", "LHPPA", "RHPPA")])
    ijk = np.argwhere(masks.any(axis=0))
    affine = np.array(bare.volume.__defaults__[0])
    voxels = VoxelSpace(ijk, affine, masks.shape[1:], NAMES, masks[:, *ijk.T], "T1w")
    trials = read_trials(bare.files(), "stim_file").trials
    values = np.random.default_rng(3).normal(size=(len(trials), len(voxels))).astype(np.float32)
    responses = Responses(values, trials, voxels, "lsa", "z")

    def write(rows=range(N_TRIALS), folder="derived", space="T1w"):
        kept = replace(
            responses,
            values=values[list(rows)],
            trials=trials.take(np.asarray(rows)),
            voxels=replace(voxels, space=space),
        )
        writer = Writer(tmp_path / folder, "A1", "scenes", space)
        written.write_responses(writer, kept, np.array(["train"] * len(rows)))
        written.write_roi_dseg(writer, kept.voxels)
        stimuli = pd.DataFrame({"stimulus": trials.stimuli, "split": "test", "prediction": "encoder"})
        synthetic = Synthetic(values[: len(stimuli)], stimuli, kept.voxels)
        written.write_synthetic(writer, synthetic, unit="z")
        return tmp_path / folder, kept

    return write


def table_of(folder):
    return next(folder.rglob("*_desc-singletrial_trials.tsv"))


def rewrite(folder, change):
    """Change the table of trials, as text."""
    path = table_of(folder)
    table = change(pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False))
    table.to_csv(path, sep="\t", index=False)


def foreign(bare, folder, rows=N_TRIALS, name="sub-A1_task-scenes_space-T1w_desc-betas", table=None):
    """A four-dimensional statmap and its table, as someone else may write them."""
    values = np.random.default_rng(4).normal(size=(6, 7, 5, rows)).astype(np.float32)
    bare.volume(folder / f"{name}_statmap.nii.gz", values, tr=None)
    trials = read_trials(bare.files(), "stim_file").trials.table.iloc[:rows]
    table = trials[["session", "run", "onset", "stimulus"]] if table is None else table
    table.to_csv(folder / f"{name}_trials.tsv", sep="\t", index=False)
    return values


@pytest.mark.parametrize("of_file", [False, True])
def test_our_own_responses_come_back_as_they_were_written(ours, precomputed, of_file):
    folder, responses = ours()
    path = next(folder.rglob("*_desc-singletrial_*.dscalar.nii")) if of_file else folder
    read = precomputed(path)
    np.testing.assert_array_equal(read.read(), responses.values)
    np.testing.assert_array_equal(read.voxels.ijk, responses.voxels.ijk)
    np.testing.assert_allclose(read.voxels.affine, responses.voxels.affine)
    np.testing.assert_array_equal(read.voxels.membership, responses.voxels.membership)
    assert read.voxels.roi_names == NAMES
    assert read.voxels.space == "T1w"
    assert read.notes == ()
    assert read.source.endswith("_statmap.dscalar.nii, estimated by lsa")
    assert [path.name.split("_")[-1] for path in read.files] == ["statmap.dscalar.nii", "trials.tsv"]


@pytest.mark.parametrize(("roi", "names"), [("PPA", ("LHPPA", "RHPPA")), ("LO", ("LHLOC",))])
def test_an_roi_chooses_its_voxels(ours, precomputed, roi, names):
    folder, responses = ours()
    read = precomputed(folder, rois=(roi,))
    inside = responses.voxels.membership[[NAMES.index(name) for name in names]].any(axis=0)
    assert read.voxels.roi_names == names
    np.testing.assert_array_equal(read.read(), responses.values[:, inside])
    with pytest.raises(NothingMatchedError, match="no ROI named RSC"):
        precomputed(folder, rois=("RSC",))


def test_trials_left_out_when_they_were_made_are_counted(ours, precomputed):
    folder, responses = ours(rows=[0, 1, 3, 4, 5, 7])
    read = precomputed(folder)
    np.testing.assert_array_equal(read.read(), responses.values)
    assert read.trials.table["onset"].tolist() == responses.trials.table["onset"].tolist()
    assert read.missing["session"].tolist() == ["01", "02"]
    assert read.missing["onset"].tolist() == [6.0, 6.0]
    assert "2 of 8 trials of the events are not among the precomputed responses" in " ".join(read.notes)


def test_sessions_that_were_not_asked_for_are_left_aside(ours, precomputed):
    folder, responses = ours()
    read = precomputed(folder, sessions=("02",))
    np.testing.assert_array_equal(read.read(), responses.values[4:])
    assert "4 precomputed responses are of sessions that were not asked for" in " ".join(read.notes)
    assert read.missing.empty


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda table: table.iloc[[0, 2, 1, *range(3, 8)]],
            r"Row 2 of .*trials.tsv is ses-01 run-02 onset 6 picture1.jpg, and the events have"
            r" ses-01 run-01 onset 16.01 picture1.jpg there",
        ),
        (
            lambda table: table.assign(stimulus=["picture4.jpg", *table["stimulus"][1:]]),
            r"Row 1 .* is ses-01 run-01 onset 6 picture4.jpg, and the events have .* picture0.jpg there",
        ),
        (
            lambda table: table.assign(onset=[*table["onset"][:-1], "16.012"]),
            r"Row 8 .* onset 16.012 picture4.jpg, and the events have ses-02 run-02 onset 16.01",
        ),
        (lambda table: table.iloc[:-1], r"has 7 rows, and .*statmap.dscalar.nii has 8 maps"),
        (lambda table: pd.concat([table, table.iloc[-1:]]), r"has 9 rows, and .* has 8 maps"),
        (lambda table: table.assign(onset="soon"), r"onset in row 1 is 'soon'"),
        (lambda table: table.drop(columns="stimulus"), r"no column stimulus; its columns are"),
    ],
)
def test_a_table_that_does_not_match_is_refused_with_the_first_row(ours, precomputed, change, said):
    folder, _ = ours()
    rewrite(folder, change)
    with pytest.raises(InputMalformedError, match=said):
        precomputed(folder)


def test_rows_out_of_order_are_refused_though_some_are_missing(ours, precomputed):
    folder, _ = ours(rows=[0, 3, 2, 5])
    with pytest.raises(InputMalformedError, match=r"Row 3 of .* and the events have ses-02 run-01 onset 6 "):
        precomputed(folder)


def test_a_row_that_the_events_have_not_is_refused(bare, ours, precomputed):
    folder, _ = ours()
    events = bare.raw("events.tsv", "01", "02")
    header, first, *others = events.read_text().splitlines()
    assert "picture2.jpg" in first
    events.write_text("\n".join([header, *others, ""]))
    with pytest.raises(
        InputMalformedError, match=r"Row 4 of .* onset 16.01 picture2.jpg, and the events have"
    ):
        precomputed(folder)


def test_labels_that_a_spreadsheet_shortened_are_the_same(ours, precomputed):
    folder, _ = ours()
    rewrite(folder, lambda table: table.assign(session=table["session"].str[1:], run="0" + table["run"]))
    assert len(precomputed(folder).trials) == N_TRIALS


def test_voxels_in_another_order_are_sorted_with_their_responses(ours, precomputed):
    folder, responses = ours()
    path = next(folder.rglob("*_desc-singletrial_*.dscalar.nii"))
    order = np.random.default_rng(0).permutation(len(responses.voxels))
    axis = cifti2.BrainModelAxis(
        "CIFTI_STRUCTURE_OTHER",
        voxel=responses.voxels.ijk[order],
        affine=responses.voxels.affine,
        volume_shape=responses.voxels.shape,
    )
    rows = cifti2.ScalarAxis([str(row) for row in range(N_TRIALS)])
    nib.save(cifti2.Cifti2Image(responses.values[:, order], (rows, axis)), path)
    read = precomputed(folder)
    np.testing.assert_array_equal(read.voxels.ijk, responses.voxels.ijk)
    np.testing.assert_array_equal(read.read(), responses.values)


def test_without_our_roi_image_the_datasets_masks_are_used(bare, ours, precomputed):
    folder, responses = ours()
    for path in folder.rglob("*_desc-roi_dseg*"):
        path.unlink()
    read = precomputed(folder)
    np.testing.assert_array_equal(read.voxels.membership, responses.voxels.membership)
    assert {path.parent.name for path in read.masks} == {"sub-A1"}
    bare.roi("LHLO").unlink()
    notes = " ".join(precomputed(folder).notes)
    only = responses.voxels.membership[0] & ~responses.voxels.membership[1:].any(axis=0)
    assert f"{only.sum()} of {len(only)} voxels" in notes


def test_without_any_roi_all_voxels_are_used(bare, ours, precomputed):
    folder, responses = ours()
    for path in [*folder.rglob("*_desc-roi_dseg*"), *bare.root.rglob("*_mask-*.nii.gz")]:
        path.unlink()
    read = precomputed(folder)
    assert read.voxels.roi_names == ()
    np.testing.assert_array_equal(read.read(), responses.values)


def test_vertices_of_a_surface_are_refused(ours, precomputed):
    folder, responses = ours()
    path = next(folder.rglob("*_desc-singletrial_*.dscalar.nii"))
    vertices = cifti2.BrainModelAxis.from_surface(np.arange(5), 10, "CIFTI_STRUCTURE_CORTEX_LEFT")
    rows = cifti2.ScalarAxis([str(row) for row in range(N_TRIALS)])
    nib.save(cifti2.Cifti2Image(responses.values[:, :5], (rows, vertices)), path)
    with pytest.raises(InputMalformedError, match=r"5 vertices of a surface .* only voxels can be read"):
        precomputed(folder)


def test_a_truncated_matrix_is_refused(ours, precomputed):
    folder, _ = ours()
    path = next(folder.rglob("*_desc-singletrial_*.dscalar.nii"))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputMalformedError, match="truncated or damaged"):
        precomputed(folder).read()


def test_volumes_with_a_table_are_read_at_the_masks(bare, precomputed, tmp_path):
    values = foreign(bare, tmp_path / "other")
    read = precomputed(tmp_path / "other")
    assert read.voxels.roi_names == NAMES
    np.testing.assert_array_equal(read.read(), values[tuple(read.voxels.ijk.T)].T)


def test_one_file_a_session_is_one_series(bare, precomputed, tmp_path):
    folder = tmp_path / "other"
    trials = read_trials(bare.files(), "stim_file").trials.table
    values = []
    for session in ("02", "01"):
        mine = trials[trials["session"] == session][["run", "onset", "stimulus"]]
        name = f"sub-A1_ses-{session}_task-scenes_space-T1w_desc-betas"
        values.append(foreign(bare, folder / f"ses-{session}", 4, name, mine))
    read = precomputed(folder)
    inside = tuple(read.voxels.ijk.T)
    np.testing.assert_array_equal(read.read(), np.concatenate([values[1][inside].T, values[0][inside].T]))
    assert len(precomputed(folder, sessions=("02",)).read()) == 4
    path = folder / "ses-02" / "sub-A1_ses-02_task-scenes_space-T1w_desc-betas_trials.tsv"
    path.write_text(path.read_text().replace("picture3", "picture0", 1))
    for sessions in ((), ("02",)):
        with pytest.raises(
            InputMalformedError, match=r"Row 2 of .*ses-02.*_trials.tsv is .* picture0.jpg, and"
        ):
            precomputed(folder, sessions=sessions)


def test_another_series_is_not_mixed_in(bare, ours, precomputed, tmp_path):
    folder, responses = ours()
    foreign(bare, folder / "sub-A1" / "func")
    np.testing.assert_array_equal(precomputed(folder).read(), responses.values)
    foreign(bare, tmp_path / "two")
    foreign(bare, tmp_path / "two", name="sub-A1_task-scenes_space-T1w_desc-more")
    with pytest.raises(UsageError, match=r"Several series of responses could be meant: .*betas.*more"):
        precomputed(tmp_path / "two")


def test_the_space_asked_for_is_chosen(ours, precomputed):
    ours()
    folder, _ = ours(space="MNI")
    with pytest.raises(UsageError, match="Several series"):
        precomputed(folder)
    assert precomputed(folder, space="MNI").voxels.space == "MNI"


def test_a_statmap_without_a_table_is_refused_by_name(bare, precomputed, tmp_path):
    foreign(bare, tmp_path / "other")
    table = next((tmp_path / "other").glob("*_trials.tsv"))
    table.rename(table.with_name("sub-A1_task-scenes_desc-else_trials.tsv"))
    with pytest.raises(InputMissingError, match="has a table of trials beside it; statmaps there: sub-A1"):
        precomputed(tmp_path / "other")


def test_another_participants_files_are_refused(bare, precomputed, tmp_path):
    foreign(bare, tmp_path / "other", name="sub-B2_task-scenes_space-T1w_desc-betas")
    with pytest.raises(InputMissingError, match="it has those of B2"):
        precomputed(tmp_path / "other")
    with pytest.raises(UsageError, match="has the responses of B2, not of A1"):
        precomputed(next((tmp_path / "other").glob("*.nii.gz")))
