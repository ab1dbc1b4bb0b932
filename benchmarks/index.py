"""Time to index one participant of BOLD5000, beside pybids' default index of the dataset.

The tree has every file name of ds001499, from a list; files are empty but for what an index reads:
sidecars, the events' header and the headers of the preprocessed BOLD.

    python benchmarks/index.py [--quick] [TREE]

TREE is the gzipped list of names. --quick keeps one participant's names and leaves out the peer. The
limit is a bare listing of the participant's folders.
"""

from __future__ import annotations

import gzip
import json
import os
import tempfile
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import bids
import nibabel as nib
import numpy as np
from bids.layout import BIDSLayout
from measure import argument_parser, measure, print_line

from bidsapp_synthfmri.config import RunConfig
from bidsapp_synthfmri.dataset.index import index_participant

PARTICIPANT = "CSI1"
TASK = "5000scenes"
_TREE = Path(__file__).resolve().parents[2] / "shared" / "data" / "ds001499" / "tree.txt.gz"


def make_tree(names: list[str], root: Path) -> None:
    """Write a dataset of the given file names."""
    data = np.zeros((2, 2, 2, 2), dtype=np.uint8)
    volume: Any = nib.Nifti1Image(data, np.eye(4))  # type: ignore[no-untyped-call]
    volume.header.set_xyzt_units("mm", "sec")
    volume.header.set_zooms((2, 2, 2, 2))
    series = gzip.compress(volume.to_bytes(), mtime=0)
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_content(path.name, series))
    _describe(root, {"DatasetType": "raw"})
    for derivative in ("fmriprep", "spm"):  # pybids ignores a derivative without a description
        if (root / "derivatives" / derivative).is_dir():
            _describe(root / "derivatives" / derivative, {"GeneratedBy": [{"Name": derivative}]})
    (root / f"task-{TASK}_bold.json").write_text('{"RepetitionTime": 2}')


def _content(name: str, series: bytes) -> bytes:
    if name.endswith(".json"):
        return b"{}"
    if name.endswith("_events.tsv"):
        return b"onset\tduration\tstim_file\n" if TASK in name else b"onset\tduration\ttrial_type\n"
    return series if name.endswith("_preproc.nii.gz") else b""


def _describe(folder: Path, more: dict[str, Any]) -> None:
    description = {"Name": "BOLD5000", "BIDSVersion": "1.0.2", **more}
    (folder / "dataset_description.json").write_text(json.dumps(description))


def walk(root: Path) -> int:
    """Number of files in the participant's folders, from bare directory listings."""
    folders = (root / f"sub-{PARTICIPANT}", *(root / "derivatives").glob(f"*/sub-{PARTICIPANT}"))
    return sum(len(files) for folder in folders for _, _, files in os.walk(folder))


def ours(root: Path) -> set[str]:
    """The preprocessed BOLD that ``index_participant`` finds."""
    config = RunConfig(bids_dir=root, output_dir=root.parent / "out")
    return {str(run.bold) for run in index_participant(config, PARTICIPANT).runs}


def peer(root: Path) -> set[str]:
    """The preprocessed BOLD that pybids' default index finds."""
    layout = BIDSLayout(root, derivatives=True)
    return set(layout.get(return_type="file", subject=PARTICIPANT, task=TASK, suffix="preproc"))


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("tree", nargs="?", type=Path, default=_TREE, help="gzipped list of file names")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    names = gzip.decompress(arguments.tree.read_bytes()).decode().split()
    if arguments.quick:
        names = [name for name in names if f"sub-{PARTICIPANT}/" in name or "/" not in name]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "ds001499"
        make_tree(names, root)
        whole = None if arguments.quick else partial(peer, root)
        measurement = measure(partial(ours, root), partial(walk, root), whole)
    config = {"files": len(names), "participant": PARTICIPANT, "runs": len(measurement.ours)}
    name = f"pybids {bids.__version__} BIDSLayout(derivatives=True)"
    agreement = (
        None if whole is None else {"preprocessed runs are the peer's": measurement.ours == measurement.peer}
    )
    print_line("index", config, measurement, name, agreement, n_threads=1)


if __name__ == "__main__":
    main()
