"""Every documented exit code, as a shell sees it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bidsapp_synthfmri import errors
from bidsapp_synthfmri.derivatives.occupied import sole_writer
from bidsapp_synthfmri.errors import SynthfmriError

NETWORK = ["--weights", "random", "--backbone", "squeezenet1_1", "--layers", "features.3"]
DEFECT = """
import sys
from bidsapp_synthfmri.workflow import levels
def defect(*_): raise ZeroDivisionError("a defect")
levels.run_participant = defect
from bidsapp_synthfmri.cli.main import main
main(sys.argv[1:])
"""


@pytest.fixture
def level(command, small, tmp_path):
    """The participant level of participant 01 with some options; the finished process."""

    def call(*options: object, bids: Path = small.bids_dir, **environment: str):
        where = [bids, tmp_path / "out", "participant", "--work-dir", tmp_path / "work", "--n-cpus", 1]
        chosen = [] if "--participant-label" in options else ["--participant-label", "01"]
        return command("run", *where, *chosen, *options, **environment)

    return call


def check(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert done.returncode == code, done.stderr
    for word in words:
        assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_0_done(level):
    check(level("--dry-run", *NETWORK), 0)


def test_1_a_defect_leaves_a_crash_file(small, tmp_path):
    where = [small.bids_dir, tmp_path / "out", "participant", "--participant-label", "01"]
    words = [sys.executable, "-c", DEFECT, "run", *map(str, where), "-w", str(tmp_path / "work")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    check(done, 1, "Internal error (ZeroDivisionError): a defect", "Report it with")
    (crash,) = (tmp_path / "out" / "logs").glob("*/crash-sub-01.txt")
    assert "Traceback" in crash.read_text()


def test_2_usage(level):
    check(level("--confoundz", "none"), 2, "--confoundz", "--confounds")


def test_3_input_missing(level, tmp_path):
    check(level(*NETWORK, bids=tmp_path / "nowhere"), 3, "nowhere is not there")


def test_4_input_malformed(level, spoilt):
    for table in (spoilt / "sub-01").rglob("*_events.tsv"):
        table.write_text(table.read_text().replace("onset", "start"))
    check(level(*NETWORK, bids=spoilt), 4, "events.tsv")


def test_5_nothing_matched(level):
    check(level("--participant-label", "99", *NETWORK), 5, "has no participant 99")


def test_6_weights_unavailable(level, tmp_path):
    offline = {"TORCH_HOME": str(tmp_path / "empty"), "https_proxy": "http://127.0.0.1:9"}
    check(level("--weights", "imagenet", **offline), 6, "weights")


def test_7_out_of_memory(level):
    check(level("--mem", "1MB", *NETWORK), 7, "GB are free")


def test_8_a_participant_failed(level, spoilt):
    for table in (spoilt / "sub-01").rglob("*_events.tsv"):
        table.unlink()
    chosen = ["--participant-label", "01", "02", "--responses", "tr34"]
    check(level(*chosen, *NETWORK, bids=spoilt), 8, "1 of 2 participants failed: sub-01")


def test_9_output_unwritable(level):
    check(level("--work-dir", "/dev/null/work", *NETWORK), 9, "/dev/null/work cannot be written")


def test_10_images_skipped(command, demo, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    Image.fromarray(np.full((64, 64, 3), 90, dtype=np.uint8)).save(images / "good.png")
    shutil.copy(__file__, images / "bad.png")
    (encoder,) = demo.output.glob("sub-01/func/*_desc-encoder_model.safetensors")
    done = command("synthesize", encoder, images, tmp_path / "synthetic", "--n-cpus", 1)
    check(done, 10, "bad.png", "1 of 2 images")


def test_11_output_in_use(level, tmp_path):
    output = tmp_path / "out"
    with sole_writer(output, "01"):
        done = level(*NETWORK)
        check(done, 11, "Another run is writing sub-01", "Wait until it has ended")
    assert not (output / "sub-01.html").exists()


def test_these_are_all_codes():
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, SynthfmriError)]
    tested = {int(name.split("_")[1]) for name in globals() if name.startswith("test_") and name[5].isdigit()}
    assert tested == {0, *(c.exit_code for c in classes)}
