"""The output tree is a BIDS derivative dataset, judged by the validator itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bidsapp_synthfmri.config import RunConfig
from bidsapp_synthfmri.derivatives.logs import RunLog

VALIDATOR = Path(sys.executable).parent / "bids-validator-deno"


def issues(dataset: Path, severity: str) -> list[dict[str, Any]]:
    run = subprocess.run([VALIDATOR, dataset, "--json"], capture_output=True, text=True, check=False)
    found = json.loads(run.stdout)["issues"]["issues"]
    return [issue for issue in found if issue["severity"] == severity]


@pytest.mark.skipif(not VALIDATOR.exists(), reason="bids-validator-deno is not installed")
def test_a_whole_output_tree_has_no_errors(output_tree: Path, config: RunConfig) -> None:
    log = RunLog.create(config)
    log.path.write_text("done\n")
    # What a kill in the middle of a write leaves behind.
    (output_tree / "sub-01" / "func" / ".sub-01_task-scenes_desc-roi_dseg.tsv.0a.partial").write_bytes(b"")

    assert issues(output_tree, "error") == []


@pytest.mark.skipif(not VALIDATOR.exists(), reason="bids-validator-deno is not installed")
@pytest.mark.parametrize("rois", [(), ("LHPPA", "RHPPA")])
def test_an_output_tree_on_surfaces_has_no_errors(
    output_tree: Path, make: Callable[..., Any], write: Callable[..., Any], rois: tuple[str, ...]
) -> None:
    write(output_tree, make(3, rois=rois, on_surface=True), "03")

    assert issues(output_tree, "error") == []
