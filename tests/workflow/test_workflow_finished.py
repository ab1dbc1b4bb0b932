"""Which participants are done again, and when an output directory is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bidsapp_synthfmri import __version__
from bidsapp_synthfmri.config import RunConfig
from bidsapp_synthfmri.derivatives import names
from bidsapp_synthfmri.errors import InputMissingError, UsageError
from bidsapp_synthfmri.workflow import finished
from bidsapp_synthfmri.workflow.finished import print_methods, remake_pages, still_to_do


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Three participants finished: 01 with these options, 02 with others, 03 by another version."""
    made = RunConfig(tmp_path / "in", tmp_path / "out", n_cpus=1)
    facts = {
        "01": (made.content_hash(), __version__),
        "02": ("0" * 64, __version__),
        "03": (made.content_hash(), "0.0.1"),
    }
    for label, (configuration, version) in facts.items():
        path = names.SUMMARY.path(made.output_dir, names.Place(label, "images"))
        path.parent.mkdir(parents=True)
        path.write_text(
            json.dumps({"configuration_hash": configuration, "software": {"bidsapp_synthfmri": version}})
        )
    monkeypatch.setattr(
        finished,
        "written_summary",
        lambda folder, label, task: json.loads(
            names.SUMMARY.path(Path(folder), names.Place(label, task)).read_text()
        ),
    )
    return made


EVERYONE = ("01", "02", "03", "04")


@pytest.mark.parametrize(
    ("overwrite", "expected"),
    [("always", EVERYONE), ("changed", EVERYONE), ("never", ("04",))],
)
def test_overwrite_chooses(config, overwrite, expected):
    assert still_to_do(replace(config, overwrite=overwrite), EVERYONE) == expected


def test_others_made_with_other_options_are_a_reason_to_refuse(config):
    with pytest.raises(UsageError, match=r"1 participants, such as sub-02, made with other options"):
        still_to_do(config, ("01", "04"))
    assert still_to_do(config, ("02", "04")) == ("02", "04")


def test_results_of_another_task_are_not_in_the_way(config):
    assert still_to_do(replace(config, task_label="other", overwrite="never"), ("01",)) == ("01",)


def test_pages_and_text_of_nothing_are_refused(tmp_path):
    empty = RunConfig(tmp_path / "in", tmp_path / "out")
    for remake in (remake_pages, print_methods):
        with pytest.raises(InputMissingError, match="no finished results"):
            remake(empty)
        with pytest.raises(InputMissingError):
            remake(replace(empty, level="group"))
