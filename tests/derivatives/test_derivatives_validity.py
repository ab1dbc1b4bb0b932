"""The output tree is a BIDS derivative dataset, judged by the validator itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bidsapp_synthfmri.config import RunConfig
from bidsapp_synthfmri.derivatives import participant
from bidsapp_synthfmri.derivatives.logs import RunLog
from bidsapp_synthfmri.structures import Estimation

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


@pytest.mark.skipif(not VALIDATOR.exists(), reason="bids-validator-deno is not installed")
@pytest.mark.parametrize("on_surface", [False, True])
def test_what_an_estimator_chose_has_no_errors(
    output_tree: Path, make: Callable[..., Any], write: Callable[..., Any], on_surface: bool
) -> None:
    given = make(3, on_surface=on_surface)
    dropped = pd.DataFrame(
        {"session": ["01"], "run": ["1"], "onset": [3.5], "stimulus": ["a"], "reason": "b"}
    )
    chosen = Estimation(
        "hrf-denoise-ridge",
        (),
        dropped,
        hrf_peaks=(4.0, 5.0),
        hrf_index=np.arange(40) % 2,
        n_components=1,
        fraction=np.full(40, 0.5, dtype=np.float32),
    )
    writer = write(output_tree, replace(given, responses=replace(given.responses, estimation=chosen)), "03")
    participant.write_estimation_maps(writer, given.voxels, chosen)

    assert issues(output_tree, "error") == []
