"""Examples for Apptainer and BABS say what the image and the command line say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

from bidsapp_synthfmri import __version__
from bidsapp_synthfmri.cli.main import run

_OF_BABS = {"$SUBJECT_SELECTION_FLAG"}


def test_apptainer_runs_what_the_image_runs(root: Path) -> None:
    definition = (root / "containers" / "synthfmri.def").read_text(encoding="utf-8")
    dockerfile = (root / "Dockerfile").read_text(encoding="utf-8")
    entry = re.search(r"^ENTRYPOINT (\[.+\])$", dockerfile, flags=re.MULTILINE)
    assert entry is not None
    program = " ".join(json.loads(entry[1]))
    assert f'%runscript\n    exec {program} "$@"\n' in definition
    assert f"%test\n    {program} --version\n" in definition
    for name, value in re.findall(r"export (\w+)=(\S+)", definition):
        assert re.search(rf"\b{name}={re.escape(value)}(\s|$)", dockerfile), name


def test_the_arguments_for_babs_are_those_of_the_command_line(root: Path) -> None:
    configured = yaml.safe_load((root / "containers" / "babs.yaml").read_text(encoding="utf-8"))
    spelt = {name for parameter in run.params for name in parameter.opts}
    arguments = configured["bids_app_args"]
    assert set(arguments) - _OF_BABS <= spelt
    assert arguments["$SUBJECT_SELECTION_FLAG"] in spelt
    assert configured["zip_foldernames"] == {"synthfmri": __version__.replace(".", "-")}
    known = {
        "input_datasets",
        "bids_app_args",
        "singularity_args",
        "all_results_in_one_zip",
        "zip_foldernames",
    }
    known |= {"cluster_resources", "script_preamble", "job_compute_space", "alert_log_messages"}
    assert set(configured) == known
    for options in configured["input_datasets"].values():
        assert {"required_files", "is_zipped", "origin_url", "path_in_babs"} == set(options)
