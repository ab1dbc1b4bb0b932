"""RunConfig: round trip, hash, refusals; and the table of exit codes."""

import pickle
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsapp_synthfmri import errors
from bidsapp_synthfmri.config import RunConfig
from bidsapp_synthfmri.errors import SynthfmriError, UsageError

ROOT = Path(__file__).parents[1]
BASE = {"bids_dir": Path("/data"), "output_dir": Path("/out")}
words = st.text("abcdefgh0123 '\"\\=#", min_size=1, max_size=8)


@given(
    rois=st.lists(words).map(tuple),
    layers=st.lists(words).map(tuple),
    images=st.dictionaries(st.text("abc", min_size=1), words).map(
        lambda d: tuple((name, Path("/x") / path.strip("/")) for name, path in d.items())
    ),
    space=st.none() | words,
    seed=st.integers(0, 2**31),
    fraction=st.floats(0.01, 0.99),
    confounds=st.lists(words, min_size=1).map(tuple),
    threshold=st.none() | st.floats(0, 9, exclude_min=True),
    minimum=st.none() | st.floats(0, 9),
)
def test_toml_round_trip(rois, layers, images, space, seed, fraction, confounds, threshold, minimum):
    config = RunConfig(
        **BASE,
        rois=rois,
        layers=layers,
        images=images,
        space=space,
        random_seed=seed,
        test_fraction=fraction,
        confounds=confounds,
        fd_threshold=threshold,
        min_ncsnr=minimum,
    )
    assert RunConfig.from_toml(config.to_toml()) == config


def test_the_hash_is_of_what_changes_results():
    config = RunConfig(**BASE)
    same = [
        RunConfig(
            Path("/elsewhere"), Path("/out2"), work_dir=Path("/w"), n_cpus=3, device="cpu", verbosity=2
        ),
        RunConfig(**BASE, participant_labels=("01",), stimuli_dir=Path("/pictures")),
    ]
    other = [
        RunConfig(**BASE, random_seed=1),
        RunConfig(**BASE, layers=("features.2",)),
        RunConfig(**BASE, responses="lss"),
        RunConfig(**BASE, confounds=("motion24", "csf")),
        RunConfig(**BASE, fd_threshold=0.5),
        RunConfig(**BASE, min_ncsnr=0.2),
        RunConfig(**BASE, images=(("a", Path("/a")),)),
        RunConfig(**BASE, unseen_categories=False),
        RunConfig(**BASE, label_set="superordinate"),
    ]
    assert {c.content_hash() for c in same} == {config.content_hash()}
    assert len({c.content_hash() for c in [config, *other]}) == 1 + len(other)
    here, there = (RunConfig(**BASE, images=(("a", Path(folder)),)) for folder in ("/here", "/there"))
    assert here.content_hash() == there.content_hash()


def test_a_file_of_weights_is_hashed_by_content_wherever_it_lies(tmp_path):
    def hash_of(folder, content):
        (tmp_path / folder).mkdir(exist_ok=True)
        file = tmp_path / folder / "alexnet.pth"
        file.write_bytes(content)
        return RunConfig(**BASE, weights=str(file)).content_hash()

    assert hash_of("here", b"weights") == hash_of("there", b"weights")
    assert hash_of("here", b"weights") != hash_of("there", b"others!")


def test_labels_are_hashed_by_content_where_categories_are_left_out_of_encoders(tmp_path):
    here, there, other = (tmp_path / folder / "labels.tsv" for folder in ("a", "b", "c"))
    for path, text in ((here, "stimulus\tlabel"), (there, "stimulus\tlabel"), (other, "stimulus\tkind")):
        path.parent.mkdir()
        path.write_text(text)
    hashes = [RunConfig(**BASE, labels=path).content_hash() for path in (here, there, other)]
    assert hashes[0] == hashes[1] != hashes[2]
    without = [
        RunConfig(**BASE, labels=path, unseen_categories=False).content_hash() for path in (here, other)
    ]
    assert without[0] == without[1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bids_dir = ", "not TOML"),
        ('bids_dir = "/a"', "lacks output_dir"),
        ('bids_dir = "/a"\noutput_dir = "/b"\ncolour = "red"', "unknown key 'colour'"),
    ],
)
def test_foreign_toml_is_refused(text, message):
    with pytest.raises(UsageError, match=message):
        RunConfig.from_toml(text)


def error_classes() -> list[type[SynthfmriError]]:
    return [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, SynthfmriError)]


@pytest.mark.parametrize("document", ["README.md", "bidsapp_synthfmri/errors.py"])
def test_documented_exit_codes_are_those_of_the_classes(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\|?\s*`?(\d+)`?\s*(?:\||\s)\s*([a-z ]+?)(?=[:|]|$)", text, flags=re.MULTILINE))
    expected = {str(c.exit_code): c.meaning for c in error_classes()} | {"0": "done"}
    assert {code: meaning.strip() for code, meaning in rows.items()} == expected


def test_errors_survive_a_process_border():
    error = pickle.loads(pickle.dumps(UsageError("It is wrong.", "Mend it.")))  # noqa: S301 - our own bytes
    assert str(error) == "It is wrong. Mend it."
    assert error.exit_code == 2
