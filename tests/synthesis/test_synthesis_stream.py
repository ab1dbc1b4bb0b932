"""Trials made on the fly: those of ``Encoder.sample``, whatever batches and workers; fresh every epoch."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from bidsapp_synthfmri import Encoder, SyntheticDataset
from bidsapp_synthfmri.errors import UsageError
from bidsapp_synthfmri.synthesis.trials import image_generators, sample_trials

LABELS = list(range(100, 124))


def collected(dataset, **loading):
    """All responses and labels, in the order in which they come."""
    batches = list(DataLoader(dataset, batch_size=None, **loading))
    responses, labels = zip(*batches, strict=True)
    return torch.cat(responses).numpy(), torch.cat(labels).numpy()


def by_label(responses, labels):
    """In order of labels and then of first values, as neither order nor batches count."""
    order = np.lexsort((responses[:, 0], labels))
    return responses[order], labels[order]


@pytest.mark.parametrize("options", [{}, {"noise": "independent", "uncertainty": True, "snr_scale": 2.0}])
def test_sample_is_what_the_primitive_gives(encoder, pictures, options):
    found = encoder.sample(pictures, 3, np.random.default_rng(5), batch_size=7, **options)
    ((prediction, variance),) = encoder.predict_with_variance_batches(pictures, len(pictures))
    expected = sample_trials(
        prediction,
        encoder.noise,
        3,
        image_generators(5, range(len(pictures))),
        kind=options.get("noise", "calibrated"),
        snr_scale=options.get("snr_scale", 1.0),
        variance=variance if options else None,
    )
    assert found.shape == (3, len(pictures), len(encoder.voxels))
    # Other batches change float32 rounding of the features alone.
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_a_generator_used_again_gives_other_noise(encoder, pictures):
    rng = np.random.default_rng(6)
    first, second = encoder.sample(pictures, 1, rng), encoder.sample(pictures, 1, rng)
    assert (first != second).mean() > 0.99


def test_variance_of_pictures_is_that_of_their_features(encoder, pictures):
    batches = list(encoder.predict_with_variance_batches(pictures, 10))
    assert [len(prediction) for prediction, _ in batches] == [10, 10, 4]
    np.testing.assert_allclose(
        np.concatenate([prediction for prediction, _ in batches]), encoder.predict(pictures), atol=1e-4
    )
    variance = np.concatenate([part for _, part in batches])
    assert variance.shape == (24, len(encoder.voxels))
    assert (variance > 0).all()


def test_an_epoch_has_every_image_as_often_as_asked(encoder, pictures):
    responses, labels = collected(SyntheticDataset(encoder, pictures, LABELS, repeats=3, batch_size=5))
    assert responses.shape == (72, len(encoder.voxels))
    assert responses.dtype == np.float32
    assert sorted(labels) == sorted(3 * LABELS)
    assert labels.dtype == np.int64
    assert list(labels) != sorted(labels)


def test_labels_go_with_their_images(encoder, pictures):
    dataset = SyntheticDataset(encoder, pictures, LABELS, repeats=2, noise="none", batch_size=5)
    responses, labels = collected(dataset)
    np.testing.assert_allclose(responses, encoder.predict(pictures)[labels - 100], atol=1e-4)


def test_noise_is_fresh_every_epoch_and_the_same_for_a_seed(encoder, pictures):
    def epochs(seed):
        dataset = SyntheticDataset(encoder, pictures, LABELS, seed=seed, epochs=2)
        responses, labels = collected(dataset)
        return by_label(responses[:24], labels[:24])[0], by_label(responses[24:], labels[24:])[0]

    first, second = epochs(1)
    assert (first != second).mean() > 0.99
    np.testing.assert_array_equal(epochs(1)[0], first)
    assert (epochs(2)[0] != first).mean() > 0.99
    # What epochs share is the signal: of two of them, 480 values, noise explains the rest.
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.2


@pytest.mark.parametrize("n_workers", [1, 2])
def test_workers_share_the_images_of_an_epoch(encoder, pictures, n_workers):
    dataset = SyntheticDataset(encoder, pictures, LABELS, repeats=2, uncertainty=True, batch_size=4)
    alone, labels = by_label(*collected(dataset))
    shared, same = by_label(*collected(dataset, num_workers=n_workers))
    np.testing.assert_array_equal(same, labels)
    np.testing.assert_allclose(shared, alone, atol=1e-3)


def test_it_goes_on_for_ever_if_asked(encoder, pictures):
    stream = iter(SyntheticDataset(encoder, pictures[:2], [0, 1], epochs=None, shuffle=False))
    batches = [next(stream) for _ in range(5)]
    assert [labels.tolist() for _, labels in batches] == 5 * [[0, 1]]
    assert len({float(responses[0, 0]) for responses, _ in batches}) == 5


def test_more_workers_than_images_end(encoder, pictures):
    dataset = SyntheticDataset(encoder, pictures[:1], [7], epochs=3)
    _, labels = collected(dataset, num_workers=2)
    assert labels.tolist() == [7, 7, 7]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"labels": LABELS[:-1]}, "24 images and 23 labels"),
        ({"images": [], "labels": []}, "no images"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"epochs": 0}, "epochs is 0"),
        ({"repeats": 0}, "0 repeats"),
        ({"noise": "loud"}, "cannot be 'loud'"),
    ],
)
def test_what_does_not_fit_is_refused_at_once(encoder, pictures, changes, problem):
    given = {"images": pictures, "labels": LABELS, **changes}
    with pytest.raises(UsageError, match=problem):
        SyntheticDataset(encoder, **given)


def test_an_encoder_that_knows_no_noise_or_uncertainty_says_so_at_once(encoder, pictures):
    plain = replace(encoder, noise=None, posterior=None)
    with pytest.raises(UsageError, match="no noise model"):
        SyntheticDataset(plain, pictures, LABELS)
    with pytest.raises(UsageError, match="no noise model"):
        plain.sample(pictures, 1, np.random.default_rng(0))
    with pytest.raises(UsageError, match="without its uncertainty"):
        SyntheticDataset(plain, pictures, LABELS, noise="none", uncertainty=True)
    with pytest.raises(UsageError, match="without its uncertainty"):
        plain.sample(pictures, 1, np.random.default_rng(0), noise="none", uncertainty=True)
    assert plain.sample(pictures[:2], 2, np.random.default_rng(0), noise="none").shape == (2, 2, 20)


def test_the_documented_python_runs(encoder, pictures, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Encoder, "load", lambda path: encoder if path.endswith(".safetensors") else None)
    for name, picture in zip(("beach.png", "kitchen.png"), pictures, strict=False):
        Image.fromarray(picture).save(name)
    page = (Path(__file__).parents[2] / "docs" / "synthesis-noise.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(blocks[0], names)
    assert names["trials"].shape == (3, 2, len(encoder.voxels))
    for block in blocks[1:]:
        exec(block, names)
    assert names["trials"].shape == (3, 1, len(encoder.voxels))
    assert (names["low"] < names["high"]).all()
    assert capsys.readouterr().out.count("torch.Size([10, 20])") == 2
