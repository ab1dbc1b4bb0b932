"""The audit of a split with planted copies, sources and ImageNet names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps

from bidsapp_synthfmri.config import RunConfig
from bidsapp_synthfmri.encoding.split import HeldOut
from bidsapp_synthfmri.errors import SynthfmriError, UsageError
from bidsapp_synthfmri.structures import Responses, StimulusSet, Synthetic, Trials, VoxelSpace
from bidsapp_synthfmri.workflow import leakage as leakage_module
from bidsapp_synthfmri.workflow.leakage import LEAST_STIMULI, audit, leakage_notes
from bidsapp_synthfmri.workflow.sources import UNLABELLED, image_sources

SOURCES = ("coco", "imagenet", "scenes")
N_TEST, N_TRAIN, N_VOXELS = 30, 12, 60


def picture(seed: int) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((96, 96), Image.Resampling.BICUBIC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Test pictures t00-t29, two shown to training too under other names, training pictures, an extra set."""
    for number in range(N_TEST):
        picture(number).save(tmp_path / f"t{number:02d}.png")
    for number in range(N_TRAIN):
        picture(100 + number).save(tmp_path / f"x{number:02d}.png")
    picture(4).resize((64, 64)).save(tmp_path / "x03.png")
    (tmp_path / "x05.png").write_bytes((tmp_path / "t07.png").read_bytes())
    (tmp_path / "extra").mkdir()
    picture(200).save(tmp_path / "extra" / "a.png")
    ImageOps.mirror(picture(9)).save(tmp_path / "extra" / "b.png")
    return tmp_path


def stimulus_set(name: str, folder: Path) -> StimulusSet:
    paths = sorted(folder.glob("*.png"))
    return StimulusSet(
        name, pd.DataFrame({"stimulus": [p.name for p in paths], "path": list(map(str, paths))})
    )


@pytest.fixture
def audited(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """The audit of a model that knows a stimulus's source and nothing else."""
    monkeypatch.setattr(leakage_module, "BOOTSTRAP_DRAWS", 50)

    def run(*, column: str | None = None, weights: str = "random", shown=None, both: bool = False):
        rng = np.random.default_rng(0)
        pictures = stimulus_set("stimuli", folder)
        stimuli = list(pictures.stimuli)
        number = np.array([int(name[1:3]) for name in stimuli])
        is_test = np.array([name.startswith("t") for name in stimuli])
        source = number % 3 if shown is None else np.array([shown(n) for n in number])
        means = 2 * rng.standard_normal((3, N_VOXELS))
        prediction = means[source] + rng.standard_normal((len(stimuli), N_VOXELS))
        signal = means[source] + rng.standard_normal((len(stimuli), N_VOXELS))
        index = np.repeat(np.arange(len(stimuli)), np.where(is_test, 2, 1))
        values = signal[index] + rng.standard_normal((len(index), N_VOXELS))
        table = pd.DataFrame(
            {
                "session": "1",
                "run": "1",
                "onset": 10.0 * np.arange(len(index)),
                "duration": 1.0,
                "stimulus": np.array(stimuli)[index],
                "ImgType": [
                    f"rep_{SOURCES[s]}" if k % 2 else SOURCES[s] for k, s in enumerate(source[index])
                ],
            }
        )
        ijk = np.column_stack([np.arange(N_VOXELS), np.zeros((N_VOXELS, 2), dtype=int)])
        voxels = VoxelSpace(ijk, np.eye(4), (N_VOXELS, 1, 1), (), np.zeros((0, N_VOXELS), dtype=bool), "T1w")
        rows = pd.DataFrame({"stimulus": stimuli, "split": np.where(is_test, "test", "train")})
        tested = is_test[index].copy()
        if both:
            tested[0] = False
        return audit(
            RunConfig(Path("/data"), Path("/out"), source_column=column),
            "01",
            pictures,
            (stimulus_set("more", folder / "extra"),),
            Responses(values.astype(np.float32), Trials(table), voxels, "lsa", "z"),
            HeldOut(tested, "planted"),
            Synthetic(prediction.astype(np.float32), rows, voxels),
            weights,
        )

    return run


def score(found, subset: str, source: str = "", row: str = "synthetic_real", column: str = "value"):
    return found.scores.set_index(["subset", "source", "row"]).loc[(subset, source, row), column]


def test_every_planted_copy_is_listed_and_nothing_else(audited):
    found = audited()
    listed = set(
        zip(*(found.pairs[name] for name in ("stimulus", "other", "other_split", "kind")), strict=True)
    )
    assert listed == {
        ("t04.png", "x03.png", "train", "near-duplicate"),
        ("t07.png", "x05.png", "train", "same-file"),
        ("t09.png", "b.png", "more", "mirrored"),
    }
    alike = found.stimuli.set_index("stimulus")["alike_in_training"]
    assert alike[alike > 0].to_dict() == {"t04.png": 1, "t07.png": 1}
    (note,) = leakage_notes(found)
    assert "2 of 30 test pictures" in note
    assert score(found, "without_duplicates", column="n_stimuli") == N_TEST - 2


def test_a_model_that_knows_only_the_source_scores_overall_and_not_within(audited):
    found = audited()
    assert score(found, "all") > 0.5
    # 30 stimuli x 60 voxels: standard error .2 / sqrt(60) = .025 within.
    assert abs(score(found, "within_sources")) < 0.1
    for source in SOURCES:
        assert abs(score(found, "source", source)) < 0.15
        assert score(found, "source", source, column="n_stimuli") == 10
    assert found.facts["source_origin"] == "events column ImgType"


def test_a_source_with_too_few_stimuli_has_its_count_and_no_score(audited):
    found = audited(shown=lambda number: 0 if number < 4 else 1)
    assert np.isnan(score(found, "source", "coco"))
    assert score(found, "source", "coco", column="n_stimuli") == 4 < LEAST_STIMULI
    assert np.isfinite(score(found, "source", "imagenet"))


def test_imagenet_is_scored_apart_where_the_network_may_know_it(audited):
    assert "imagenet" not in set(audited(weights="random").scores["subset"])
    found = audited(weights="imagenet")
    assert score(found, "imagenet", column="n_stimuli") == 10
    assert score(found, "not_imagenet", column="n_stimuli") == 20
    assert set(found.stimuli["imagenet"].dropna()) == {"source"}


def test_the_same_seed_gives_the_same_audit(audited):
    pd.testing.assert_frame_equal(audited().scores, audited().scores, check_exact=True)


def test_a_stimulus_on_both_sides_is_an_error(audited):
    with pytest.raises(SynthfmriError, match=r"1 stimuli are on both sides of the split, such as t00\.png"):
        audited(both=True)


def trials(stimuli: list[str], **columns: list[str]) -> Trials:
    table = pd.DataFrame({"session": "1", "run": "1", "onset": 1.0, "duration": 1.0, "stimulus": stimuli})
    return Trials(table.assign(**columns))


def test_a_source_column_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(UsageError, match=r"no column Origin; .* theirs are ImgType, RT"):
        image_sources(trials(["a.jpg"], ImgType=["coco"], RT=["0.5"]), "Origin")
    with pytest.raises(UsageError, match="theirs are none"):
        image_sources(trials(["a.jpg"]), "run")


def test_labels_that_differ_between_presentations_give_way_to_the_most_frequent():
    shown = ["a", "a", "a", "b", "b", "c", "d"]
    found = image_sources(
        trials(shown, kind=["scenes", "rep_coco", "coco", "scenes", "coco", "n/a", "rep_coco"]), "kind"
    )
    assert found.labels == {"a": "coco", "b": "scenes", "c": UNLABELLED, "d": "coco"}
    assert found.n_mixed == 2


def test_without_a_column_folders_tell_sources_apart_if_they_are_few():
    assert image_sources(trials(["faces/1.jpg", "houses/a/2.jpg"]), None).labels == {
        "faces/1.jpg": "faces",
        "houses/a/2.jpg": "houses",
    }
    assert image_sources(trials(["faces/1.jpg", "2.jpg"]), None) is None
    assert image_sources(trials(["faces/1.jpg", "faces/2.jpg"]), None) is None
    assert image_sources(trials([f"{n}/1.jpg" for n in range(21)]), None) is None
    empty = trials(["faces/1.jpg", "houses/2.jpg"], ImgType=["n/a", ""])
    assert image_sources(empty, None).origin == "first folder of each picture's path"
    assert image_sources(empty, "ImgType") is None
