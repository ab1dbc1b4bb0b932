"""Gzipped files read alike by every library, and refused alike."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from bidsapp_synthfmri.dataset.gzipped import errors, installed, library, open_stream, read_whole
from bidsapp_synthfmri.dataset.volumes import reading
from bidsapp_synthfmri.errors import InputMalformedError

CONTENT = np.random.default_rng(0).normal(size=100_000).astype(np.float32).tobytes()
LIBRARIES = ("zlib-ng", "isal", "zlib")


@pytest.fixture(params=LIBRARIES)
def using(request):
    """Each library; the test extra installs them all."""
    assert request.param in installed()
    return request.param


@pytest.fixture
def packed(tmp_path):
    path = tmp_path / "bold.nii.gz"
    path.write_bytes(gzip.compress(CONTENT, 6))
    return path


def read(path, using):
    with reading(path), open_stream(path, using) as file:
        return file.read()


def test_the_fastest_library_is_the_default():
    assert installed() == LIBRARIES
    assert library() == "zlib-ng"


def test_every_library_gives_the_same_bytes_in_pieces_or_at_once(packed, using):
    assert read(packed, using) == CONTENT
    with open_stream(packed, using) as file:
        assert read_whole(file, 1000) + read_whole(file, len(CONTENT) - 1000) == CONTENT
        assert file.read() == b""


def test_members_are_read_one_after_the_other(packed, using):
    packed.write_bytes(gzip.compress(CONTENT[:777]) + gzip.compress(b"") + gzip.compress(CONTENT[777:]))
    assert read(packed, using) == CONTENT


def test_a_file_that_is_not_gzipped_is_read_as_it_is(tmp_path, using):
    plain = tmp_path / "bold.nii"
    plain.write_bytes(CONTENT)
    assert read(plain, using) == CONTENT


@pytest.mark.parametrize("n_bytes", [1, 4, 12, 4000])
def test_a_truncated_file_is_refused(packed, truncate, using, n_bytes):
    truncate(packed, n_bytes)
    with pytest.raises(InputMalformedError, match="truncated or damaged") as caught:
        read(packed, using)
    assert str(packed) in caught.value.problem


def test_a_file_unlike_its_checksum_is_refused(packed, damage, using):
    damage(packed)
    with pytest.raises(InputMalformedError, match="CRC"):
        read(packed, using)


def test_bytes_changed_in_the_middle_are_refused(packed, using):
    content = bytearray(packed.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 64] = bytes(64)
    packed.write_bytes(content)
    with pytest.raises(InputMalformedError, match="truncated or damaged"):
        read(packed, using)


@pytest.mark.parametrize("content", [b"no gzip at all", b"\x1f\x8b\x07 unknown method"])
def test_what_is_not_gzip_is_refused(packed, using, content):
    packed.write_bytes(content)
    with pytest.raises(InputMalformedError, match="cannot be read"):
        read(packed, using)


def test_fewer_bytes_than_asked_for_are_an_error(packed):
    with open_stream(packed) as file, pytest.raises(errors(), match="10 of the next"):
        read_whole(file, len(CONTENT) + 10)
