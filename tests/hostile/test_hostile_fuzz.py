"""Whatever a file holds, reading it gives its content or an error that a user can act on: nothing else."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hostile_corpus.seeds import FORMATS, Format, read_card, whole_card
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bidsapp_synthfmri.errors import SynthfmriError

# The same examples every time; SYNTHFMRI_FUZZ=5000 looks further, each time elsewhere.
_EXAMPLES = int(os.environ.get("SYNTHFMRI_FUZZ", "60"))
_SETTINGS = settings(
    max_examples=_EXAMPLES,
    derandomize="SYNTHFMRI_FUZZ" not in os.environ,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
_VALUES = st.sampled_from(
    [b"\0", b"\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b'"', b"\t", b"\n", b"9" * 30, b"-1"]
)


@st.composite
def changes(draw: st.DrawFn) -> list[tuple[float, str, bytes]]:
    """Up to four changes: where, of what kind, and the bytes that come there."""
    kinds = st.sampled_from(["replace", "insert", "delete", "cut", "repeat"])
    content = st.one_of(_VALUES, st.binary(min_size=1, max_size=8))
    return draw(st.lists(st.tuples(st.floats(0, 1), kinds, content), min_size=1, max_size=4))


def changed(content: bytes, edits: list[tuple[float, str, bytes]]) -> bytes:
    for share, kind, value in edits:
        at = int(share * len(content))
        if kind == "replace":
            content = content[:at] + value + content[at + len(value) :]
        elif kind == "insert":
            content = content[:at] + value + content[at:]
        elif kind == "delete":
            content = content[:at] + content[at + 4 * len(value) :]
        elif kind == "repeat":
            content = content[:at] + 20 * content[at : at + 16] + content[at:]
        else:
            content = content[:at]
    return content


def read(kind: Format, content: bytes) -> bool:
    """Whether the content could be read; anything but an error for users leaves as it is."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / kind.name
        path.write_bytes(content)
        try:
            kind.read(path)
        except SynthfmriError:
            return False
    return True


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return {kind.name: kind.sound(tmp_path_factory.mktemp("seed")) for kind in FORMATS}


# Their reader reads what is not there.
_NEVER_WHOLE = ("images.tsv",)


@pytest.mark.parametrize("kind", FORMATS, ids=str)
def test_the_sound_file_is_read(kind, sound):
    assert read(kind, sound[kind.name]) is (kind.name not in _NEVER_WHOLE)


@pytest.mark.parametrize("kind", FORMATS, ids=str)
def test_a_changed_file_is_read_or_refused(kind, sound):
    @_SETTINGS
    @given(changes())
    def check(edits: list[tuple[float, str, bytes]]) -> None:
        read(kind, changed(sound[kind.name], edits))

    check()


@pytest.mark.parametrize("kind", FORMATS, ids=str)
def test_arbitrary_bytes_are_read_or_refused(kind):
    @settings(_SETTINGS, max_examples=max(1, _EXAMPLES // 4))
    @given(st.binary(max_size=600))
    def check(content: bytes) -> None:
        read(kind, content)

    check()


_SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8))
_JSON = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
)


@st.composite
def spoilt_cards(draw: st.DrawFn) -> dict[str, Any]:
    """A model card with some values, at any depth, replaced by others."""
    card = json.loads(json.dumps(whole_card()))
    for _ in range(draw(st.integers(1, 3))):
        holder: Any = card
        while True:
            keys = list(holder) if isinstance(holder, dict) else range(len(holder))
            key = draw(st.sampled_from(list(keys)))
            if not isinstance(holder[key], (dict, list)) or not holder[key] or draw(st.booleans()):
                break
            holder = holder[key]
        holder[key] = draw(_JSON)
    return card


@settings(_SETTINGS, max_examples=3 * _EXAMPLES)
@given(spoilt_cards())
def test_a_card_of_other_values_is_read_or_refused(card):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "card.json"
        path.write_text(json.dumps(card))
        with suppress(SynthfmriError):
            read_card(path)
