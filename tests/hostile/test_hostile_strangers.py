"""Encoders, network weights and options of strangers: checked, and nothing in them run."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hostile_corpus.runs import call
from hostile_corpus.seeds import small_encoder, whole_card, write_pair
from hostile_corpus.watching import watching
from safetensors.numpy import save as safetensors_bytes

from bidsapp_synthfmri.config import config_values
from bidsapp_synthfmri.decoding.experiment_list import parse_experiments
from bidsapp_synthfmri.encoding import Encoder
from bidsapp_synthfmri.encoding.storage import encoder_bytes, read_encoder
from bidsapp_synthfmri.errors import InputMalformedError, UsageError, WeightsError
from bidsapp_synthfmri.features.weights import file_state


class TestEncoders:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "model.safetensors"

    def test_the_sound_one_is_read(self, path):
        write_pair(path, encoder_bytes(small_encoder()), whole_card())
        assert len(read_encoder(path).voxels) == 8

    @pytest.mark.parametrize("length", [2**63, 2**40, 10**6, 3, 0])
    def test_headers_that_lie_about_their_length(self, path, length):
        content = encoder_bytes(small_encoder())
        write_pair(path, struct.pack("<Q", length) + content[8:], whole_card())
        with pytest.raises(InputMalformedError, match="is not an encoder"):
            read_encoder(path)

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('"dtype":"F32","shape":[8]', '"dtype":"F32","shape":[9]'),
            ('"dtype":"F32","shape":[8]', '"dtype":"F99","shape":[8]'),
            ('"data_offsets":[0,', '"data_offsets":[9,'),
            ('"shape":[8,3]', '"shape":[3,8]'),
        ],
    )
    def test_headers_that_lie_about_an_array(self, path, old, new):
        content = encoder_bytes(small_encoder())
        size = struct.unpack("<Q", content[:8])[0]
        header = content[8 : 8 + size].decode()
        assert old in header
        changed = header.replace(old, new, 1)
        assert len(changed) == len(header)
        write_pair(path, content[:8] + changed.encode() + content[8 + size :], whole_card())
        with pytest.raises(InputMalformedError, match="is not an encoder"):
            read_encoder(path)

    @pytest.mark.parametrize(
        ("name", "values"),
        [
            ("ijk", np.full((8, 3), 99, dtype=np.int32)),
            ("affine", np.full((4, 4), np.nan)),
            ("intercept", np.full(8, np.nan, dtype=np.float32)),
            ("intercept", np.zeros(7, dtype=np.float32)),
            ("membership", np.ones((2, 8), dtype=np.uint8)),
            ("layer0.voxels", np.arange(1, 9, dtype=np.int32)),
            ("layer0.voxels", np.full(8, -1, dtype=np.int32)),
            ("layer0.readout.values", np.ones((5, 7), dtype=np.float16)),
            ("layer0.readout.values", np.full((5, 8), np.inf, dtype=np.float16)),
            ("layer0.readout.scale", np.ones(3, dtype=np.float32)),
            ("alpha", np.ones(3)),
        ],
    )
    def test_arrays_that_contradict_one_another(self, path, name, values):
        from safetensors.numpy import load

        arrays = {**load(encoder_bytes(small_encoder())), name: values}
        write_pair(path, safetensors_bytes(arrays), whole_card())
        with pytest.raises(InputMalformedError, match="is not an encoder"):
            read_encoder(path)

    @pytest.mark.parametrize("weights", ["/etc/passwd", "../secret.pth", "/dev/zero"])
    def test_a_card_cannot_name_a_file_of_weights(self, path, weights):
        card = whole_card()
        card["backbone"] = {**card["backbone"], "weights": weights}
        write_pair(path, encoder_bytes(small_encoder()), card)
        with pytest.raises(InputMalformedError, match="record of a network"):
            Encoder.load(path)

    def test_a_card_cannot_ask_for_pictures_that_fill_the_memory(self, path):
        card = whole_card()
        preprocessing = {**card["backbone"]["preprocessing"], "size": 10**6}
        card["backbone"] = {**card["backbone"], "preprocessing": preprocessing}
        write_pair(path, encoder_bytes(small_encoder()), card)
        with pytest.raises((InputMalformedError, WeightsError)):
            Encoder.load(path)


class _Code:
    """A pickle that makes a file where it is read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (self._path,)


class TestWeights:
    @pytest.mark.parametrize("wrapped", [False, True])
    def test_code_in_a_file_of_weights_is_not_run(self, tmp_path, wrapped):
        mark, path = tmp_path / "was-here", tmp_path / "weights.pth"
        code = _Code(mark)
        torch.save({"state_dict": {"fc.weight": code}} if wrapped else code, path)
        with watching() as watched, pytest.raises(WeightsError, match="read safely"):
            file_state(path)
        assert not mark.exists()
        assert watched.programs == set()

    def test_code_is_not_run_from_the_command_line_either(self, plain, tmp_path):
        mark, path = tmp_path / "was-here", tmp_path / "weights.pth"
        torch.save(_Code(mark), path)
        done = call(plain, tmp_path / "out", "--participant-label", "01", "--weights", path)
        assert done.exit_code == 6, done.output
        assert "Traceback" not in done.output
        assert not mark.exists()


class TestOptionsOfAStranger:
    @pytest.mark.parametrize(
        "text",
        [
            "a = " + "[" * 100_000,
            "n_cpus = " + "9" * 5000,
            "__class__ = 1",
            "n_cpus = true",
            'command = ["rm"]',
        ],
        ids=["lists without end", "5000 digits", "no field", "another type", "a list of words"],
    )
    def test_a_configuration_is_refused_in_a_sentence(self, text):
        with pytest.raises(UsageError, match=r"--config-file x\.toml"):
            config_values(text, "--config-file x.toml")

    def test_a_list_of_experiments_is_refused_in_a_sentence(self):
        for text in ("a = " + "[" * 100_000, "experiment = " + "9" * 5000):
            with pytest.raises(InputMalformedError, match=r"x\.toml"):
                parse_experiments(text, "x.toml")

    def test_what_it_says_was_run_is_not_run(self, plain, tmp_path):
        mark = tmp_path / "was-here"
        file = tmp_path / "config.toml"
        file.write_text(f'command = "touch {mark}; $(touch {mark})"\nstimulus_column = "`touch {mark}`"\n')
        with watching() as watched:
            done = call(plain, tmp_path / "out", "--participant-label", "01", "--config-file", file)
        assert done.exit_code == 4, done.output
        assert not mark.exists()
        assert watched.programs == set()
