"""Disk and memory are asked for before they are taken."""

import shutil
import time
from collections import namedtuple
from dataclasses import replace

import pytest

from bidsapp_synthfmri.config import RunConfig
from bidsapp_synthfmri.errors import OutputUnwritableError
from bidsapp_synthfmri.workflow.console import Stopwatch
from bidsapp_synthfmri.workflow.memory import array_budget, available_bytes, held_bytes, memory_budget
from bidsapp_synthfmri.workflow.monitor import monitored
from bidsapp_synthfmri.workflow.preflight import require_disk

Usage = namedtuple("Usage", "total used free")


def test_folders_on_one_disk_share_its_room(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 0, 5 * 10**9))
    require_disk({tmp_path / "a": 2 * 10**9, tmp_path / "not" / "there": 3 * 10**9})
    with pytest.raises(OutputUnwritableError, match=r"needs about 6\.0 GB .*/b, and 5\.0 GB are free"):
        require_disk({tmp_path / "a": 2 * 10**9, tmp_path / "b": 4 * 10**9})


def test_the_budget_is_the_option_less_what_is_held(tmp_path):
    config = RunConfig(tmp_path / "in", tmp_path / "out")
    free, held = available_bytes(), held_bytes()
    assert free is not None
    assert held > 10**7
    assert memory_budget(config) == pytest.approx(free, rel=0.2)
    assert memory_budget(replace(config, memory=held + 10**8)) == pytest.approx(10**8, abs=5 * 10**7)
    assert memory_budget(replace(config, memory=1)) == 0
    assert array_budget(replace(config, low_mem=True)) == 0
    assert array_budget(replace(config, memory=1)) == 0


def test_the_monitor_says_which_step_takes_what(tmp_path):
    path = tmp_path / "resources.tsv"
    with monitored(path, every_s=0.02), Stopwatch("sub-01").step("thinking"):
        time.sleep(0.2)
    header, *rows = [line.split("\t") for line in path.read_text().splitlines()]
    assert header == ["time", "step", "rss_mb", "peak_mb", "cpu_s"]
    assert "sub-01: thinking" in {row[1] for row in rows}
    assert all(10 < float(row[2]) <= float(row[3]) * 1.05 for row in rows)
    with monitored(None):
        pass
    assert [entry.name for entry in tmp_path.iterdir()] == ["resources.tsv"]
