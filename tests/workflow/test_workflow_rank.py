"""The images expected to drive a region: those that do in simulated truth, in a table and on a sheet."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from bidsapp_synthfmri import Encoder
from bidsapp_synthfmri.cli.main import main
from bidsapp_synthfmri.encoding import make_folds
from bidsapp_synthfmri.encoding.fit import fit_encoder
from bidsapp_synthfmri.features.backbones import Backbone
from bidsapp_synthfmri.features.extraction import extract
from bidsapp_synthfmri.simulate.pictures import draw_picture
from bidsapp_synthfmri.structures import Features, LayerFeatures, Trials

CATEGORIES = ("building", "face", "flower", "star")
SCENE, FACE = CATEGORIES[:2]


def rank(encoder: Path, images: Path, out: Path, *options: object) -> Result:
    words = ["rank", encoder, images, out, "--n-cpus", 1, *options]
    return CliRunner().invoke(main, [str(word) for word in words])


def table(out: Path) -> pd.DataFrame:
    (path,) = out.glob("sub-01/func/*_desc-rank*_stimuli.tsv")
    return pd.read_csv(path, sep="\t", keep_default_na=False)


@pytest.fixture(scope="session")
def tuned_encoder(
    network: Backbone, encoder_of: Callable[..., Encoder], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """An encoder fitted where buildings drive both PPAs, and faces the FFA, in noise of the same size."""
    rng = np.random.default_rng(0)
    categories = np.repeat(CATEGORIES, 40)
    pictures = [draw_picture(category, 64, rng) for category in categories]
    batches = zip(*extract(network, pictures), strict=True)
    layers = tuple(
        LayerFeatures(name, np.concatenate(units))
        for name, units in zip(network.layers, batches, strict=True)
    )
    names = tuple(f"{number}.png" for number in range(len(pictures)))
    drive = np.array([[category == SCENE] * 8 + [category == FACE] * 4 for category in categories], float)
    responses = (drive + 0.5 * rng.standard_normal(drive.shape)).astype(np.float32)
    trials = Trials(
        pd.DataFrame(
            {
                "session": np.arange(len(names)) % 4,
                "run": "1",
                "onset": 0.0,
                "duration": 1.0,
                "stimulus": names,
            }
        )
    )
    folds = make_folds(trials, rng)
    fit = fit_encoder(
        Features(names, layers), responses, np.arange(len(names)), folds, network.device, search="gcv"
    )
    weights = {layer.name: layer for layer in fit.weights}
    encoder = encoder_of(
        {name: layer.readout.values * layer.readout.scale for name, layer in weights.items()},
        {name: layer.voxels for name, layer in weights.items()},
        drive.shape[1],
    )
    path = tmp_path_factory.mktemp("tuned") / "sub-01_task-images_desc-encoder_model.safetensors"
    encoder.save(path)
    return path


@pytest.fixture(scope="session")
def new_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve new pictures of each category."""
    rng, folder = np.random.default_rng(1), tmp_path_factory.mktemp("new")
    for category in CATEGORIES:
        (folder / category).mkdir()
        for number in range(12):
            draw_picture(category, 64, rng).save(folder / category / f"{number:02d}.png")
    return folder


def test_scenes_lead_where_scenes_drive_ppa(tuned_encoder, new_pictures, tmp_path):
    done = rank(tuned_encoder, new_pictures, tmp_path / "out", "--roi", "PPA", "--top", 10)
    assert done.exit_code == 0, done.output
    found = table(tmp_path / "out")
    highest = found[found["end"] == "highest"]
    # By chance 2.5 of 10, and 6 or more once in 100 draws.
    assert (highest["label"] == SCENE).sum() >= 6
    assert (found[found["end"] == "lowest"]["label"] == SCENE).sum() == 0
    assert list(found["rank"]) == [*range(1, 11), *range(39, 49)]
    assert (found["score"].diff().dropna() <= 0).all()


def test_a_contrast_sets_scenes_against_faces(tuned_encoder, new_pictures, tmp_path):
    options = ["--roi", "PPA", "--contrast", "FFA", "--top", 10]
    assert rank(tuned_encoder, new_pictures, tmp_path / "out", *options).exit_code == 0
    found = table(tmp_path / "out")
    assert (found[found["end"] == "highest"]["label"] == SCENE).sum() >= 6
    assert (found[found["end"] == "lowest"]["label"] == FACE).sum() >= 6
    assert (tmp_path / "out" / "sub-01_desc-rankPPAlessFFA_images.html").is_file()


def test_scores_are_the_region_s_mean_prediction_over_its_spread(tuned_encoder, new_pictures, tmp_path):
    options = ["--roi", "LHPPA", "--top", 100, "--batch-size", 7]
    assert rank(tuned_encoder, new_pictures, tmp_path / "out", *options).exit_code == 0
    found = table(tmp_path / "out").sort_values("listed")
    encoder = Encoder.load(tuned_encoder)
    means = encoder.predict([new_pictures / name for name in found["stimulus"]])[:, :4].mean(axis=1)
    np.testing.assert_allclose(found["response"], means, atol=1e-5)
    np.testing.assert_allclose(found["score"], (means - means.mean()) / means.std(), atol=1e-3)
    assert len(found) == 48
    assert set(found["end"]) == {"highest"}


def test_the_sheet_needs_nothing_else_and_escapes_names(tuned_encoder, tmp_path, pictures):
    made = pictures(6)
    (made.folder / "<b>&scenes").mkdir()
    Image.new("RGB", (500, 300), "green").save(made.folder / "<b>&scenes" / 'a"><script>.png')
    done = rank(tuned_encoder, made.folder, tmp_path / "out", "--roi", "PPA", "--top", 4)
    assert done.exit_code == 0, done.output
    html = (tmp_path / "out" / "sub-01_desc-rankPPA_images.html").read_text(encoding="utf-8")
    images = re.findall(r'<img src="([^"]+)" alt="([^"]+)">', html)
    assert len(images) == 7
    assert all(source.startswith("data:image/jpeg;base64,") for source, _ in images)
    assert all("rank" in alt for _, alt in images)
    assert "<script>" not in html
    assert "<b>&amp;" not in html.replace("&lt;b&gt;&amp;", "")
    assert "untrained" in html


def test_unreadable_pictures_are_left_out_and_counted(tuned_encoder, tmp_path, pictures):
    made = pictures(6)
    (made.folder / made.names[1]).write_bytes(b"no picture")
    done = rank(tuned_encoder, made.folder, tmp_path / "out", "--roi", "PPA")
    assert done.exit_code == 10
    found = table(tmp_path / "out")
    assert made.names[1] not in set(found["stimulus"])
    assert list(found["rank"]) == [1, 2, 3, 4, 5]
    assert "1 of 6 images" in (tmp_path / "out" / "sub-01_desc-rankPPA_images.html").read_text()


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--roi", "V1"], 5, "PPA, FFA"),
        (["--roi", "PPA", "--contrast", "V1"], 5, "no region V1"),
        (["--roi", "PPA", "--contrast", "PPA"], 2, "both PPA"),
        (["--roi", "PPA", "--top", 0], 2, "--top is 0"),
    ],
)
def test_regions_that_there_are_not_are_refused(tuned_encoder, tmp_path, pictures, options, code, words):
    done = rank(tuned_encoder, pictures(3).folder, tmp_path / "out", *options)
    assert done.exit_code == code, done.output
    assert words in done.output.splitlines()[-1]


def test_images_that_do_not_differ_cannot_be_ranked(tuned_encoder, tmp_path):
    (tmp_path / "grey").mkdir()
    for name in ("a.png", "b.png"):
        Image.new("RGB", (64, 64), "grey").save(tmp_path / "grey" / name)
    done = rank(tuned_encoder, tmp_path / "grey", tmp_path / "out", "--roi", "PPA")
    assert done.exit_code == 4
    assert "cannot be ranked" in done.output.splitlines()[-1]
