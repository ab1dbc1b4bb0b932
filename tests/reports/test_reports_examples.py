"""Example images: the best, the quartiles and the worst, with the patterns that are theirs."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bidsapp_synthfmri.reports.examples import THUMBNAIL, example_figure, examples_of
from bidsapp_synthfmri.structures import Responses, StimulusSet, Synthetic, Trials, VoxelSpace
from bidsapp_synthfmri.workflow.pages import thumbnails


@pytest.fixture
def tested(participant_results):
    """Twenty stimuli shown twice to 90 voxels of three regions, each predicted worse than the one before."""
    rng = np.random.default_rng(3)
    names = [f"p{number:02d}.jpg" for number in range(20)]
    membership = np.arange(90) // 30 == np.arange(3)[:, None]
    membership[0, 35] = True  # of two regions: shown in its first
    ijk = np.argwhere(np.ones((5, 6, 3)))
    voxels = VoxelSpace(ijk, np.eye(4), (5, 6, 3), ("LHPPA", "LHRSC", "LHLOC"), membership, "T1w")
    trials = Trials(pd.DataFrame({"session": "01", "run": "01", "onset": range(40), "stimulus": 2 * names}))
    signal = rng.standard_normal((20, 90)).astype(np.float32)
    noise = rng.standard_normal(signal.shape) * np.linspace(0, 3, 20)[:, None]
    table = pd.DataFrame({"stimulus": names, "split": "test", "prediction": "encoder"})
    real = 2 * signal[trials.stimulus_index] + 1 + 0.1 * rng.standard_normal((40, 90)).astype(np.float32)
    return replace(
        participant_results,
        voxels=voxels,
        responses=Responses(real, trials, voxels, "lss", "z"),
        splits=np.array(["test"] * 40),
        synthetic=Synthetic((signal + noise).astype(np.float32), table, voxels),
    )


def test_the_best_the_quartiles_and_the_worst(tested):
    found = examples_of(tested)
    stimuli = tested.responses.trials.stimuli
    place = [stimuli.index(name) for name in found.stimuli]
    assert found.n_stimuli == len(stimuli)
    assert (np.diff(found.r) <= 0).all()
    assert place[0] < 5 < 10 < place[-1]
    assert list(found.repeats) == [2] * 5
    # r is of voxels standardised over the stimuli: by another way to the same number.
    real = pd.DataFrame(tested.responses.values).groupby(tested.responses.trials.stimulus_index).mean()
    z = (real - real.mean()) / real.std(ddof=0)
    predicted = pd.DataFrame(tested.synthetic.values)
    z_predicted = (predicted - predicted.mean()) / predicted.std(ddof=0)
    expected = [np.corrcoef(z.iloc[at], z_predicted.iloc[at])[0, 1] for at in place]
    np.testing.assert_allclose(found.r, expected, atol=1e-5)


def test_regions_stand_together_and_every_voxel_once(tested):
    found = examples_of(tested)
    assert found.real.shape == found.synthetic.shape == (5, len(tested.voxels))
    starts = [first for _, first, _ in found.bounds]
    ends = [end for _, _, end in found.bounds]
    assert starts == [0, *ends[:-1]]
    assert ends[-1] == len(tested.voxels)
    assert {name: end - first for name, first, end in found.bounds} == {"PPA": 31, "RSC": 29, "LOC": 30}


def test_too_few_test_stimuli_have_no_examples(tested):
    few = np.where(tested.responses.trials.stimulus_index < 4, "test", "train")
    assert examples_of(replace(tested, splits=few)) is None


def test_thumbnails_are_in_the_order_of_the_examples(tmp_path):
    colours = {"a": (255, 0, 0), "b": (0, 255, 0), "c": (0, 0, 255)}
    for name, colour in colours.items():
        Image.new("RGB", (40, 30), colour).save(tmp_path / f"{name}.png")
    paths = [str(tmp_path / f"{name}.png") for name in colours]
    stimuli = StimulusSet("own", pd.DataFrame({"stimulus": list(colours), "path": paths}))
    sheet = Image.open(io.BytesIO(thumbnails(("c", "a"), stimuli)))
    assert sheet.size == (THUMBNAIL, 2 * THUMBNAIL)
    centres = [sheet.getpixel((64, 64 + THUMBNAIL * row)) for row in range(2)]
    assert centres == [colours["c"], colours["a"]]
    # A picture that is not square is not cut: what is beside it is white.
    assert sheet.getpixel((64, 2)) == (255, 255, 255)


def test_the_figure_names_every_example(tested):
    found = examples_of(tested)
    sheet = Image.new("RGB", (THUMBNAIL, 5 * THUMBNAIL), "red")
    stream = io.BytesIO()
    sheet.save(stream, "PNG")
    with_pictures, without = (example_figure(found, made) for made in (stream.getvalue(), None))
    for figure in (with_pictures, without):
        assert all(name in figure.alt for name in found.stimuli)
        assert "test image" in figure.caption
    assert with_pictures.svg.count("data:image/png") == without.svg.count("data:image/png") + 5
