"""Files of precomputed responses: which they are, and when they count as the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from bidsapp_synthfmri.config import RunConfig
from bidsapp_synthfmri.errors import UsageError
from bidsapp_synthfmri.response_files import content_identity, response_files

NAME = "sub-A1_task-t_desc-singletrial_stat-effect_statmap.dscalar.nii"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "responses"
    made.mkdir()
    (made / NAME).write_bytes(bytes(300_000))
    return made


def config(path: Path, **options) -> RunConfig:
    folders = {"bids_dir": Path("/data"), "output_dir": Path("/out"), **options}
    return RunConfig(**folders, responses=str(path))


def test_files_of_other_kinds_do_not_count(folder):
    before = content_identity(folder)
    (folder / "logs").mkdir()
    (folder / "logs" / "run.log").write_text("later")
    assert response_files(folder) == (folder / NAME,)
    assert content_identity(folder) == before


def test_where_the_files_lie_does_not_count(folder, tmp_path):
    before = config(folder).content_hash()
    assert config(folder.rename(tmp_path / "elsewhere")).content_hash() == before


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(b"1" + bytes(299_999)),
        lambda path: path.write_bytes(bytes(299_999) + b"1"),
        lambda path: path.write_bytes(bytes(300_001)),
        lambda path: path.rename(path.with_name(f"sub-A2{NAME.removeprefix('sub-A1')}")),
        lambda path: path.with_name("sub-A1_task-t_desc-singletrial_trials.tsv").write_text("trial\n"),
    ],
)
def test_other_content_of_the_same_size_is_other_responses(folder, change):
    before = config(folder).content_hash()
    change(folder / NAME)
    assert config(folder).content_hash() != before


def test_an_estimator_is_no_path_and_the_record_reads_back(folder):
    given = config(folder)
    assert given.precomputed == folder
    assert RunConfig.from_toml(given.to_toml()) == given
    assert RunConfig(Path("/data"), Path("/out"), responses="lss").precomputed is None
    assert given.content_hash() != RunConfig(Path("/data"), Path("/out")).content_hash()


def test_what_is_neither_is_refused_with_both_possibilities(tmp_path):
    with pytest.raises(UsageError, match=r"is no estimator \(tr34, .*\) and no path that exists"):
        config(tmp_path / "nothing")


@pytest.mark.parametrize("output", ["responses", "responses/out", "."])
def test_a_run_does_not_read_what_it_writes(folder, tmp_path, output):
    with pytest.raises(UsageError, match="lie one in the other"):
        config(folder, output_dir=tmp_path / output)
