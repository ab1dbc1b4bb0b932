"""Runs into one OUTPUT_DIR: refused, in turn, or side by side; what killed ones left is removed."""

from __future__ import annotations

import pytest

from bidsapp_synthfmri.derivatives.occupied import shared_files, sole_writer, writer_of_set
from bidsapp_synthfmri.errors import OutputInUseError

PARTIAL = ".{name}.0123456789abcdef0123456789abcdef.partial"


def leave(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    left = [folder / PARTIAL.format(name=name) for name in names]
    for path in left:
        path.write_text("half")
    return left


@pytest.mark.parametrize("participant", ["01", None])
def test_the_second_writer_of_the_same_files_is_refused(tmp_path, participant):
    with sole_writer(tmp_path, participant), sole_writer(tmp_path, "02"):
        whom = "group" if participant is None else "sub-01"
        with (
            pytest.raises(OutputInUseError, match=rf"Another run is writing {whom} in .*process \d+ on"),
            sole_writer(tmp_path, participant),
        ):
            pass
    with sole_writer(tmp_path, participant):
        pass
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_image_sets_of_one_participant_are_written_side_by_side_but_not_beside_its_run(tmp_path):
    with writer_of_set(tmp_path, "01", "A"), writer_of_set(tmp_path, "01", "B"):
        for other in (sole_writer(tmp_path, "01"), writer_of_set(tmp_path, "01", "A")):
            with pytest.raises(OutputInUseError), other:
                pass
        with sole_writer(tmp_path, "02"):
            pass
    with sole_writer(tmp_path, "01"), pytest.raises(OutputInUseError), writer_of_set(tmp_path, "01", "A"):
        pass


def test_each_writer_removes_what_a_killed_one_left_of_its_own_files_alone(tmp_path):
    own = leave(tmp_path / "sub-01" / "func", "sub-01_task-x_desc-a_scores.tsv")
    own += leave(tmp_path, "sub-01.html")
    of_others = leave(tmp_path / "sub-010" / "func", "sub-010_task-x_desc-a_scores.tsv")
    of_others += leave(tmp_path, "sub-010.html", "group.html")
    common = leave(tmp_path, "dataset_description.json", "README.md")
    common += leave(tmp_path / "logs" / "20260101-000000_x", "config.toml")
    strange = tmp_path / "sub-01" / "func" / ".mine.partial"
    strange.write_text("not ours")

    with sole_writer(tmp_path, "01"):
        assert not any(path.exists() for path in own)
        assert all(path.exists() for path in (*of_others, *common, strange))
    with shared_files(tmp_path):
        assert not any(path.exists() for path in common)
        assert all(path.exists() for path in (*of_others, strange))
