"""Runs asked for in other ways: from a run's own file, pages alone, participants kept or left out."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from bidsapp_synthfmri.cli.main import run
from bidsapp_synthfmri.derivatives.reader import participants_written


def contents(output: Path) -> dict[str, str]:
    """Hash of every file but logs."""
    return {
        str(path.relative_to(output)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(output.rglob("*"))
        if path.is_file() and path.relative_to(output).parts[0] != "logs"
    }


@pytest.fixture
def finished(small, participant_level, tmp_path) -> Path:
    """OUTPUT_DIR with one participant."""
    done = participant_level(small.bids_dir, "--resource-monitor")
    assert done.exit_code == 0, done.output
    return tmp_path / "out"


def test_a_run_can_be_repeated_shown_again_and_kept(finished, small, participant_level, tmp_path):
    before = contents(finished)
    (log,) = (finished / "logs").iterdir()
    rows = (log / "resources.tsv").read_text().splitlines()
    assert rows[0].startswith("time\tstep")
    assert len(rows) > 2

    # config.toml of the run, in another OUTPUT_DIR, gives the same bytes but for times and folders.
    other = tmp_path / "again"
    words = [str(small.bids_dir), str(other), "participant", "--config-file", str(log / "config.toml")]
    done = CliRunner().invoke(run, words)
    assert done.exit_code == 0, done.output
    after = contents(other)
    assert set(after) == set(before)
    differing = {name for name in before if after[name] != before[name]}
    # These say when and with which command they were made.
    assert {Path(name).suffix for name in differing} <= {".json", ".html"}
    assert not [name for name in differing if name.endswith("encoder.json")]

    # Pages alone: everything else stays, and the page comes back as it was.
    page = finished / "sub-01.html"
    kept = page.read_bytes()
    page.write_text("spoilt")
    done = participant_level(small.bids_dir, "--reports-only")
    assert done.exit_code == 0, done.output
    assert page.read_bytes() == kept
    assert contents(finished) == before

    done = participant_level(small.bids_dir, "--boilerplate-only")
    assert done.exit_code == 0
    assert "ridge regression" in done.output

    # Kept where nothing changed; refused beside another participant with other options.
    stamp = page.stat().st_mtime_ns
    for choice in ("never", "changed"):
        done = participant_level(small.bids_dir, "--overwrite", choice)
        assert done.exit_code == 0, done.output
    assert page.stat().st_mtime_ns == stamp
    assert contents(finished) == before
    done = participant_level(small.bids_dir, "--participant-label", "02", "--random-seed", "5")
    assert done.exit_code == 2
    assert "made with other options" in done.output
    assert participants_written(finished) == ("01",)


def test_only_what_is_missing_or_changed_is_done_again(finished, small, participant_level, tmp_path):
    before = contents(finished)
    page, table = finished / "sub-01.html", next(finished.rglob("*_desc-encoding_scores.tsv"))

    def again(bids: Path = small.bids_dir) -> str:
        done = participant_level(bids)
        assert done.exit_code == 0, done.output
        return done.output

    # A missing page is made, and nothing else.
    stamp = table.stat().st_mtime_ns
    page.unlink()
    assert "kept" in again()
    assert page.is_file()
    assert table.stat().st_mtime_ns == stamp

    # A file that is not whole: all is written again, the responses come from the work directory.
    table.write_text("half")
    assert "responses estimated before are used" in again()
    after = contents(finished)
    assert {Path(name).suffix for name in before if after[name] != before[name]} <= {".json", ".html"}
    assert after[str(table.relative_to(finished))] == before[str(table.relative_to(finished))]

    # A file of the input that changed: responses too are estimated again.
    copy = tmp_path / "bids"
    shutil.copytree(small.bids_dir, copy, symlinks=True)
    assert "kept" in again(copy)  # the same files elsewhere
    bold = next((copy / "derivatives").rglob("sub-01_*_bold.nii.gz"))
    os.utime(bold, (0, 0))
    said = again(copy)
    assert "kept" not in said
    assert "responses estimated before" not in said


def test_the_plan_says_what_it_will_take(small, participant_level):
    done = participant_level(small.bids_dir, "--dry-run")
    assert done.exit_code == 0, done.output
    for words in ("GB of memory", "GB in", "CPUs, roughly", "Would write"):
        assert words in done.output


def test_strict_refuses_what_else_is_warned_of(spoilt, participant_level, assert_refused):
    path = spoilt / "dataset_description.json"
    path.write_text(json.dumps({"Name": "x"}))
    done = participant_level(spoilt, "--strict")
    assert_refused(done, 4, ["departs from BIDS", "has no BIDSVersion", "--strict"])


def test_a_participant_to_leave_out_must_be_there(small, participant_level):
    words = ["--participant-label", "01", "--exclude-participant-label", "03"]
    done = participant_level(small.bids_dir, *words)
    assert done.exit_code == 5
    assert "no participant 03" in done.output


def test_the_first_crash_stops_the_others(spoilt, participant_level, tmp_path):
    for table in (spoilt / "sub-01").rglob("*_events.tsv"):
        table.write_text("nonsense\n1\n")
    words = ["--participant-label", "01", "02", "--stop-on-first-crash"]
    done = participant_level(spoilt, *words)
    assert done.exit_code == 8, done.output
    assert "1 after it were not begun" in done.output
    assert participants_written(tmp_path / "out") == ()
