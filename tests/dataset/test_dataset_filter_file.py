"""--bids-filter-file: labels, lists, null and "*", and what is no filter."""

import json
from pathlib import Path

import pytest

from bidsapp_synthfmri.dataset.filter_file import kind_of, read_filter
from bidsapp_synthfmri.dataset.names import NamedFile
from bidsapp_synthfmri.errors import InputMalformedError, InputMissingError, NothingMatchedError

ROOT = Path("/data")


def named(name: str, **entities: str) -> NamedFile:
    return NamedFile(ROOT / name, ROOT, {"subject": "1", "extension": ".nii.gz", **entities})


FILES = (
    named("r01", suffix="bold", task="x", run="01", desc="preproc"),
    named("r02", suffix="bold", task="x", run="02", acquisition="hi", desc="preproc"),
    named("r03", suffix="bold", task="x", run="03", acquisition="lo", desc="preproc"),
    named("e01", suffix="events", extension=".tsv", task="x", run="01"),
    named("roi", suffix="mask", label="PPA"),
    NamedFile(ROOT / "side", ROOT, {"suffix": "bold", "extension": ".json"}),
)


def kept(tmp_path, wanted) -> set[str]:
    path = tmp_path / "filter.json"
    path.write_text(json.dumps(wanted))
    return {file.path.name for file in read_filter(path).kept(FILES)}


@pytest.mark.parametrize(
    ("asked", "runs"),
    [
        ({"acquisition": "hi"}, {"r02"}),
        ({"acquisition": ["hi", "lo"]}, {"r02", "r03"}),
        ({"acquisition": None}, {"r01"}),
        ({"acquisition": "*"}, {"r02", "r03"}),
        ({"acquisition": [None, "lo"]}, {"r01", "r03"}),
        ({"run": 1}, {"r01"}),
        ({"run": ["1", 3]}, {"r01", "r03"}),
        ({"run": "02", "acquisition": "hi", "suffix": "bold", "datatype": "func"}, {"r02"}),
        ({}, {"r01", "r02", "r03"}),
    ],
)
def test_entities_choose_within_their_kind(tmp_path, asked, runs):
    assert kept(tmp_path, {"bold": asked}) == {*runs, "e01", "roi", "side"}


def test_every_kind_has_its_own(tmp_path):
    assert kept(tmp_path, {"roi": {"label": "PPA"}, "t1w": {"session": "1"}}) == {f.path.name for f in FILES}
    kinds = [kind_of(file) for file in FILES]
    assert kinds == ["bold", "bold", "bold", "events", "roi", None]


def test_a_filter_that_leaves_nothing_is_said(tmp_path):
    with pytest.raises(NothingMatchedError, match="none of 1 events files"):
        kept(tmp_path, {"events": {"run": "9"}})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "no JSON object"),
        ('{"bold": "x"}', "not an object of objects"),
        ('{"bolt": {}}', "unknown kind 'bolt'"),
        ('{"bold": {"colour": "red"}}', "'colour' is no entity"),
        ('{"bold": {"run": {"a": 1}}}', "run is"),
        ('{"bold": {"run": []}}', "run is"),
        ('{"bold": {"run": true}}', "run is"),
        ("{", "not JSON"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_filter_is_refused_by_name(tmp_path, text, message):
    path = tmp_path / "filter.json"
    path.write_text(text)
    with pytest.raises(InputMalformedError, match=message) as refused:
        read_filter(path)
    assert "filter.json" in str(refused.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputMissingError, match="is not there"):
        read_filter(tmp_path / "none.json")
