"""What was written is what is read, bit for bit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bidsapp_synthfmri.derivatives import names, participant
from bidsapp_synthfmri.derivatives.group import write_group
from bidsapp_synthfmri.derivatives.images import roi_combinations
from bidsapp_synthfmri.derivatives.participant import NO_HUMAN
from bidsapp_synthfmri.derivatives.reader import (
    load_group,
    load_participant,
    load_reliability_maps,
    participants_written,
)
from bidsapp_synthfmri.derivatives.unseen import write_unseen
from bidsapp_synthfmri.encoding.components import PictureComponents
from bidsapp_synthfmri.errors import InputMalformedError
from bidsapp_synthfmri.structures import Synthetic


@pytest.mark.parametrize("with_sessions", [True, False])
def test_a_participant_reads_back_exactly(tmp_path: Path, make, write, with_sessions: bool) -> None:
    given = make(3, with_sessions=with_sessions)
    write(tmp_path, given)

    read = load_participant(tmp_path, "01")

    assert (read.participant, read.task, read.space) == ("01", "scenes", "T1w")
    assert participants_written(tmp_path) == ("01",)
    np.testing.assert_array_equal(read.responses.values, given.responses.values)
    assert read.responses.values.dtype == np.float32
    assert (read.responses.estimator, read.responses.unit, read.responses.dropped_voxels) == ("lss", "z", 3)
    np.testing.assert_array_equal(read.splits, given.splits)
    np.testing.assert_array_equal(read.synthetic.values, given.synthetic.values)
    pd.testing.assert_frame_equal(read.synthetic.table, given.synthetic.table)
    (extra,) = read.extra
    assert extra.table["split"][0] == "Objects"
    np.testing.assert_array_equal(extra.values, given.extra.values)
    for name in ("encoding", "accounting", "reliability"):
        pd.testing.assert_frame_equal(getattr(read, name), getattr(given, name), check_exact=True)
    assert read.summary == given.summary
    assert read.card == given.card
    assert names.ENCODER.path(tmp_path, names.Place("01", "scenes")).read_bytes() == given.encoder


def test_responses_to_unseen_categories_read_back_and_go_with_the_next_run(
    tmp_path: Path, make, write
) -> None:
    given = make()
    writer = write(tmp_path, given)
    assert load_participant(tmp_path, "01").unseen is None
    table = given.extra.table[["stimulus"]].assign(
        label="n01", split=["train", *["Objects"] * (len(given.extra.table) - 1)], fold=1
    )
    unseen = replace(given.extra, table=table.assign(prediction="category-deleted encoder"))
    facts = {"label_set": "names", "n_folds": 1}
    write_unseen(writer, unseen, unit="z", facts=facts)

    read = load_participant(tmp_path, "01")

    assert read.unseen is not None
    np.testing.assert_array_equal(read.unseen.values, unseen.values)
    pd.testing.assert_frame_equal(read.unseen.table, unseen.table[list(read.unseen.table.columns)])
    assert [extra.table["split"][0] for extra in read.extra] == ["Objects"]
    sidecar = json.loads(writer.path(names.UNSEEN.with_extension(".json")).read_text())
    assert sidecar["UnseenCategories"] == facts
    assert sidecar["Synthetic"] is True
    participant.begin_participant(writer)
    assert not writer.path(names.UNSEEN).is_file()
    assert not writer.path(names.UNSEEN_STIMULI.with_extension(".json")).is_file()


def test_controls_of_decoding_read_back_and_are_taken_back(tmp_path: Path, make, write) -> None:
    given = make(4)
    writer = write(tmp_path, given)
    rng = np.random.default_rng(0)
    stimuli = tuple(given.synthetic.table["stimulus"])
    pictures = PictureComponents(
        ("other.jpg", *stimuli[::-1]),
        rng.standard_normal((9, 3)).astype(np.float32),
        np.array([0.5, 0.25, 0.125], dtype=np.float32),
        ("features.2", "classifier.6"),
    )
    untrained = replace(given.synthetic, values=given.synthetic.values + 1)
    participant.write_pictures(writer, pictures, stimuli)
    participant.write_untrained(writer, untrained, unit="z", facts={"weights": "random seed 7"})

    read = load_participant(tmp_path, "01")

    assert read.pictures is not None
    assert read.pictures.stimuli == stimuli
    np.testing.assert_array_equal(read.pictures.scores, pictures.scores[:0:-1])
    np.testing.assert_array_equal(read.pictures.explained, pictures.explained)
    assert read.pictures.layers == pictures.layers
    sidecar = json.loads(writer.path(names.PICTURES.with_extension(".json")).read_text())
    assert sidecar["ExplainedVariance"] == 0.875
    assert read.untrained is not None
    np.testing.assert_array_equal(read.untrained.values, untrained.values)
    pd.testing.assert_frame_equal(read.untrained.table, given.synthetic.table)
    assert [extra.table["split"][0] for extra in read.extra] == ["Objects"]
    sidecar = json.loads(writer.path(names.UNTRAINED.with_extension(".json")).read_text())
    assert NO_HUMAN in sidecar["Description"]

    write(tmp_path, given)
    read = load_participant(tmp_path, "01")
    assert read.pictures is None
    assert read.untrained is None
    assert not [*tmp_path.rglob("*untrained*"), *tmp_path.rglob("*components*")]


def test_components_of_other_pictures_are_refused(tmp_path: Path, make, write) -> None:
    given = make(4)
    writer = write(tmp_path, given)
    stimuli = tuple(given.synthetic.table["stimulus"])
    scores, explained = np.zeros((8, 2), dtype=np.float32), np.zeros(2, dtype=np.float32)
    participant.write_pictures(writer, PictureComponents(stimuli, scores, explained, ()), stimuli[1:])
    with pytest.raises(InputMalformedError, match=r"shape \(7, 2\) for 8 images and 2 components"):
        load_participant(tmp_path, "01")
    writer.path(names.PICTURES).write_bytes(b"no such file")
    with pytest.raises(InputMalformedError, match="no components of pictures"):
        load_participant(tmp_path, "01")
    writer.withdraw(names.PICTURES)
    fewer = replace(given.synthetic, values=given.synthetic.values[1:], table=given.synthetic.table[1:])
    participant.write_untrained(writer, fewer, unit="z", facts={})
    with pytest.raises(InputMalformedError, match="7 rows for 8 images"):
        load_participant(tmp_path, "01")


def test_trials_keep_their_columns_and_missing_values(tmp_path: Path, make, write) -> None:
    given = make(with_sessions=False)
    write(tmp_path, given)

    trials = load_participant(tmp_path, "01").responses.trials

    before = given.responses.trials.table.rename(columns={"split": "events_split"})
    pd.testing.assert_frame_equal(trials.table[before.columns], before, check_exact=True)
    assert list(trials.table.columns[:5]) == ["session", "run", "onset", "duration", "stimulus"]
    assert set(trials.table["session"]) == {""}


def test_values_are_memory_mapped_and_legible_to_nibabel(tmp_path: Path, make, write) -> None:
    given = make()
    writer = write(tmp_path, given)

    image = nib.load(writer.path(names.RESPONSES))

    assert isinstance(load_participant(tmp_path, "01").responses.values, np.memmap)
    rows, columns = image.header.get_axis(0), image.header.get_axis(1)
    assert rows.name[1] == 'ses-01 run-01 pictures/n01 "quoted" é.JPEG'
    np.testing.assert_array_equal(columns.voxel, given.voxels.ijk)
    np.testing.assert_array_equal(columns.affine, given.voxels.affine)


@pytest.mark.parametrize("rois", [("LHPPA", "RHPPA", "LHRSC", "empty"), ("one", "two"), ()])
def test_voxels_keep_overlapping_empty_and_no_rois(tmp_path: Path, make, write, rois) -> None:
    given = make(5, rois=rois).voxels
    write(tmp_path, make(5, rois=rois))

    read = load_participant(tmp_path, "01").voxels

    assert read.roi_names == given.roi_names == rois
    np.testing.assert_array_equal(read.membership, given.membership)
    np.testing.assert_array_equal(read.ijk, given.ijk)
    np.testing.assert_array_equal(read.affine, given.affine)
    assert (read.shape, read.space) == (given.shape, given.space)


def test_a_combination_is_named_after_its_rois(make) -> None:
    voxels = make().voxels
    index, combinations = roi_combinations(voxels)

    for voxel, inside in enumerate(voxels.membership.T):
        members = [name for name, member in zip(voxels.roi_names, inside, strict=True) if member]
        assert combinations[index[voxel] - 1] == ("+".join(members) or "n/a")


def test_an_roi_whose_name_would_be_ambiguous_is_refused(make) -> None:
    voxels = make().voxels
    with pytest.raises(InputMalformedError, match="Rename its mask"):
        roi_combinations(replace(voxels, roi_names=("a+b", *voxels.roi_names[1:])))


def test_maps_read_back_per_voxel(tmp_path: Path, make, write) -> None:
    given = make()
    writer = write(tmp_path, given)

    maps = given.maps | given.reliability_maps
    for output, key, first in (
        (names.NCSNR, "ncsnr", 0),
        (names.RELIABILITY, "r", 0),
        (names.NOISE_CEILING, "noise_ceiling", 0),
        (names.SPLIT_HALF, "split_half", 0),
        (names.ENCODER_R, "encoder_r", 0),
        (names.BEST_LAYER, "best_layer", 1),
    ):
        image = nib.load(writer.path(output))
        values = np.asarray(image.dataobj)
        np.testing.assert_array_equal(values[tuple(given.voxels.ijk.T)], maps[key] + first)
        np.testing.assert_array_equal(image.affine, given.voxels.affine)
        values[tuple(given.voxels.ijk.T)] = 0
        assert not values.any()


def test_reliability_maps_read_back(tmp_path: Path, make, write) -> None:
    given = make()
    writer = write(tmp_path, given)

    read = load_reliability_maps(tmp_path, "01")

    np.testing.assert_array_equal(read.voxels.ijk, given.voxels.ijk)
    for key, values in given.reliability_maps.items():
        np.testing.assert_array_equal(getattr(read, key), values)
    for stat in ("ncsnr", "r", "noiseceiling", "splithalf"):
        name = f"sub-01_task-scenes_space-T1w_desc-reliability_stat-{stat}_statmap"
        sidecar = json.loads((tmp_path / "sub-01" / "func" / f"{name}.json").read_text())
        assert sidecar["Voxels"] == writer.uri(names.ROIS)
        assert sidecar["Description"]


def test_reliability_maps_keep_the_voxels_that_the_matrices_lost(tmp_path: Path, make, write) -> None:
    given = make()
    kept = np.arange(40) % 3 > 0
    rng = np.random.default_rng(8)
    few = replace(
        given,
        voxels=given.voxels.take(kept),
        responses=given.responses.take_voxels(kept),
        synthetic=synthetic_of(given.synthetic, kept),
        extra=synthetic_of(given.extra, kept),
        maps={key: values[kept] for key, values in given.maps.items()},
        reliability_maps={key: values[kept] for key, values in given.reliability_maps.items()},
    )
    writer = write(tmp_path, few)
    maps = {key: rng.random(40).astype(np.float32) for key in given.reliability_maps}
    participant.write_roi_dseg(writer, given.voxels, (), names.MEASURED_ROIS)
    participant.write_reliability_maps(writer, given.voxels, **maps, rois=names.MEASURED_ROIS)

    read = load_reliability_maps(tmp_path, "01")

    assert len(load_participant(tmp_path, "01").voxels) == kept.sum()
    np.testing.assert_array_equal(read.voxels.ijk, given.voxels.ijk)
    np.testing.assert_array_equal(read.voxels.membership, given.voxels.membership)
    for key, values in maps.items():
        np.testing.assert_array_equal(getattr(read, key), values)


def test_a_second_run_without_selection_forgets_the_voxels_left_out(tmp_path: Path, make, write) -> None:
    given = make()
    writer = write(tmp_path, given)
    participant.write_roi_dseg(writer, given.voxels, (), names.MEASURED_ROIS)

    write(tmp_path, given)

    assert not list(tmp_path.rglob("*desc-measured*"))
    assert len(load_reliability_maps(tmp_path, "01").voxels) == 40


def test_a_map_on_another_grid_is_refused(tmp_path: Path, make, write) -> None:
    given = make()
    writer = write(tmp_path, given)
    path = writer.path(names.SPLIT_HALF)
    nib.save(nib.Nifti1Image(np.zeros((2, 3, 4), np.float32), given.voxels.affine), path)

    with pytest.raises(InputMalformedError, match=r"splithalf.* is not on the grid of the ROI image"):
        load_reliability_maps(tmp_path, "01")


def synthetic_of(synthetic: Synthetic, kept: np.ndarray) -> Synthetic:
    return replace(synthetic, values=synthetic.values[:, kept], voxels=synthetic.voxels.take(kept))


def test_the_group_reads_back(
    output_tree: Path, decoding: pd.DataFrame, identification: pd.DataFrame, transfer: pd.DataFrame
) -> None:
    read = load_group(output_tree)

    assert participants_written(output_tree) == ("01", "02")
    pd.testing.assert_frame_equal(read.experiments, decoding, check_exact=True)
    pd.testing.assert_frame_equal(read.decoding, decoding[:2], check_exact=True)
    pd.testing.assert_frame_equal(read.contrasts, decoding[:2], check_exact=True)
    pd.testing.assert_frame_equal(read.decisions, decoding[["experiment", "source", "p"]], check_exact=True)
    assert list(read.confusion.columns) == list(decoding.columns)
    assert len(read.confusion) == 0
    assert read.summary == {"participants": ["01", "02"], "main_experiment": "main"}
    assert read.identification is not None
    pd.testing.assert_frame_equal(read.identification, identification, check_exact=True)
    assert read.transfer is not None
    pd.testing.assert_frame_equal(read.transfer, transfer, check_exact=True)


def test_an_older_groups_tables_are_refused_with_a_remedy(output_tree: Path) -> None:
    path = output_tree / "group" / "decoding_scores.tsv"
    path.write_text("\n".join(line.partition("\t")[2] for line in path.read_text().splitlines()) + "\n")
    with pytest.raises(InputMalformedError, match=r"decoding_scores.tsv.*Run the group level again"):
        load_group(output_tree)


def test_a_group_run_that_identifies_and_transfers_nothing_leaves_no_earlier_table(
    output_tree: Path, decoding: pd.DataFrame
) -> None:
    optional = ("identification", "transfer")
    before = [path for name in optional for path in output_tree.glob(f"group/{name}_scores.*")]
    tables = {"contrasts": decoding, "confusion": decoding[:0], "decisions": decoding[:0]}
    write_group(output_tree, decoding, {"participants": []}, **tables, identification=decoding[:0])

    assert len(before) == 4
    assert not any(path.exists() for path in before)
    found = load_group(output_tree)
    assert found.identification is None
    assert found.transfer is None


@pytest.mark.parametrize("name", ["identification", "transfer"])
def test_every_column_of_optional_tables_is_explained(
    output_tree: Path, name: str, request: pytest.FixtureRequest
) -> None:
    table = request.getfixturevalue(name)
    dictionary = json.loads((output_tree / "group" / f"{name}_scores.json").read_text())
    assert set(table.columns) < set(dictionary)
    unknown = [column for column in table if "Column of the input" in dictionary[column]["Description"]]
    assert unknown == []


def test_a_second_run_leaves_no_image_set_that_it_does_not_have(tmp_path: Path, make, write) -> None:
    writer = write(tmp_path, make())
    participant.begin_participant(writer)
    assert participants_written(tmp_path) == ()

    participant.write_summary(writer, {"notes": []})

    assert load_participant(tmp_path, "01").extra == ()
    assert not list(tmp_path.rglob("*syntheticObjects*"))
