"""Models stored beside the weights: the same after reading, listed in the card, older files still read."""

import json
from dataclasses import dataclass, replace

import jsonschema
import numpy as np
import pytest
from safetensors.numpy import load, save

from bidsapp_synthfmri.encoding import Encoder, VoxelChoices
from bidsapp_synthfmri.encoding.card import card_schema
from bidsapp_synthfmri.encoding.parts import PARTS, part_cards
from bidsapp_synthfmri.encoding.storage import complete_card, encoder_bytes, read_encoder
from bidsapp_synthfmri.encoding.weights import LayerWeights, ScaledMatrix
from bidsapp_synthfmri.errors import InputMalformedError
from bidsapp_synthfmri.synthesis.noise_model import NoiseModel

N_VOXELS = 7


def noise_model(n_voxels, rank=2, held_out=-1.4):
    rng = np.random.default_rng(3)
    numbers = (rng.random((4, n_voxels)) + 0.1).astype(np.float32)
    factors = (0.5 * rng.random((rank, n_voxels))).astype(np.float32)
    unique = np.sqrt(1 - (factors**2).sum(axis=0))
    return NoiseModel(*numbers, factors, unique, 0.25, held_out, -1.5, 11, 40, 29)


@pytest.fixture
def plain(space, card, identity):
    """An encoder without parts."""
    matrix = ScaledMatrix.of(np.ones((4, N_VOXELS), dtype=np.float32))
    scores = np.full(N_VOXELS, 0.5, dtype=np.float32)
    choices = VoxelChoices(
        ("early", "late"), np.zeros(N_VOXELS, dtype=np.int64), np.ones(N_VOXELS), scores, scores
    )
    weights = LayerWeights("early", np.arange(N_VOXELS), matrix)
    described = card(choices, space(N_VOXELS), identity)
    return Encoder((weights,), scores, space(N_VOXELS), described, None, choices)


@pytest.fixture
def noisy(plain):
    return replace(plain, noise=noise_model(N_VOXELS))


def test_parts_are_read_as_they_were_written(noisy, tmp_path):
    path = tmp_path / "model.safetensors"
    noisy.save(path)
    read = read_encoder(path)
    for name, values in noisy.noise.to_arrays().items():
        found = read.noise.to_arrays()[name]
        np.testing.assert_array_equal(found, values)
        assert found.shape == values.shape
    assert encoder_bytes(read) == path.read_bytes()
    assert read.posterior is None
    assert read.series is None


def test_the_card_lists_parts_with_their_numbers(noisy):
    card = complete_card(noisy, encoder_bytes(noisy))
    jsonschema.Draft202012Validator(card_schema()).validate(card)
    (entry,) = card["parts"]
    assert entry["name"] == "noise"
    assert entry["summary"] == noisy.noise.summary
    assert entry["numbers"]["n_stimuli"] == 11
    assert entry["numbers"]["shrinkage"] == 0.25
    assert entry["n_bytes"] >= 4 * 7 * N_VOXELS
    assert complete_card(noisy, b"")["parts"] != complete_card(replace(noisy, noise=None), b"")["parts"] == []


def test_a_number_that_json_does_not_have_is_null():
    (entry,) = part_cards({"noise": noise_model(N_VOXELS, held_out=np.nan)})
    assert entry["numbers"]["held_out"] is None
    json.dumps(entry, allow_nan=False)


def test_a_file_from_before_there_were_parts_is_read(plain, tmp_path):
    path = tmp_path / "model.safetensors"
    plain.save(path)
    beside = path.with_suffix(".json")
    card = json.loads(beside.read_text())
    assert card.pop("parts") == []
    beside.write_text(json.dumps(card))
    read = read_encoder(path)
    assert read.parts == {}
    np.testing.assert_array_equal(read.intercept, plain.intercept)


def test_an_altered_part_is_refused(noisy, tmp_path):
    path = tmp_path / "model.safetensors"
    noisy.save(path)
    other = replace(noisy, noise=replace(noisy.noise, noise_sd=2 * noisy.noise.noise_sd))
    path.write_bytes(encoder_bytes(other))
    with pytest.raises(InputMalformedError, match="does not match the hash"):
        read_encoder(path)


def _stored(encoder, path, changes):
    """The encoder's file with other arrays, and a card that fits it."""
    tensors = load(encoder_bytes(encoder))
    data = save(changes(tensors))
    path.write_bytes(data)
    path.with_suffix(".json").write_text(json.dumps(complete_card(encoder, data)))


def test_a_part_of_a_later_version_is_refused(noisy, tmp_path):
    path = tmp_path / "model.safetensors"
    _stored(noisy, path, lambda tensors: {**tensors, "dreams/depth": np.ones(2)})
    with pytest.raises(InputMalformedError, match=r"a part 'dreams'.*Update synthfmri"):
        read_encoder(path)


def test_a_part_without_one_of_its_arrays_is_refused(noisy, tmp_path):
    path = tmp_path / "model.safetensors"
    _stored(noisy, path, lambda tensors: {k: v for k, v in tensors.items() if k != "noise/gain"})
    with pytest.raises(InputMalformedError, match="gain"):
        read_encoder(path)


def test_every_part_is_an_attribute_of_the_encoder(plain):
    @dataclass(frozen=True)
    class Anything:
        n: int = 3

    for name in PARTS:
        part = Anything()
        assert replace(plain, **{name: part}).parts == {name: part}
