"""The comparison of two output datasets sees what differs, and lets pass what may."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import nibabel as nib
import numpy as np
import pytest
from safetensors.numpy import save_file

IMAGE = "sub-01/func/sub-01_stat-r_statmap.nii.gz"
SERIES = "sub-01/func/sub-01_statmap.dscalar.nii"
TABLE = "sub-01/func/sub-01_scores.tsv"
NAMES = "sub-01/func/sub-01_stimuli.tsv"
MODEL = "sub-01/func/sub-01_model.safetensors"
DESCRIPTION = "dataset_description.json"
PAGE = "sub-01.html"
VALUES = np.linspace(-2, 3, 24, dtype=np.float32)


def volume(values: np.ndarray) -> nib.Nifti1Image:
    return nib.Nifti1Image(values.reshape(2, 3, 4), np.eye(4))


def series(values: np.ndarray) -> nib.Cifti2Image:
    axes = (
        nib.cifti2.ScalarAxis(["a", "b"]),
        nib.cifti2.BrainModelAxis.from_mask(np.ones((2, 2, 3)), "cortex"),
    )
    return nib.Cifti2Image(values.reshape(2, 12), axes)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Two output folders alike but for what is of a run."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    (ours / "sub-01" / "func").mkdir(parents=True)
    (ours / "logs" / "one").mkdir(parents=True)
    (ours / "logs" / "one" / "run.log").write_text("09:00")
    volume(VALUES).to_filename(ours / IMAGE)
    series(VALUES).to_filename(ours / SERIES)
    save_file({"weights": VALUES, "layer": np.arange(3)}, ours / MODEL, {"noise": "none"})
    (ours / TABLE).write_text("roi\tn\tr\nPPA\t12\t0.25\nFFA\t12\t0.5\nV1\t3\tn/a\n")
    (ours / NAMES).write_text("stimulus\tn\na.png\t3\n")
    (ours / DESCRIPTION).write_text(json.dumps({"Name": "x", "SourceDatasets": ["ours"], "Scale": 0.5}))
    (ours / PAGE).write_text("<p>/ours</p>")
    shutil.copytree(ours, theirs)
    (theirs / "logs" / "one" / "run.log").write_text("10:00")
    (theirs / DESCRIPTION).write_text(json.dumps({"Name": "x", "SourceDatasets": ["theirs"], "Scale": 0.5}))
    (theirs / PAGE).write_text("<p>/theirs</p>")
    return ours, theirs


@pytest.fixture(scope="module")
def compare(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("compare")


def differences(compare: ModuleType, pair: tuple[Path, Path]) -> list[str]:
    found: list[str] = compare.compare(*pair)[0]
    return found


def test_what_is_of_the_run_alone_may_differ(compare: ModuleType, pair: tuple[Path, Path]) -> None:
    found, counts = compare.compare(*pair)
    assert found == []
    assert counts == {"same bytes": 5, "near": 1, "there": 1}


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (IMAGE, lambda path, by: volume(VALUES * np.float32(1 + by)).to_filename(path)),
        (SERIES, lambda path, by: series(VALUES * np.float32(1 + by)).to_filename(path)),
        (
            MODEL,
            lambda path, by: save_file(
                {"weights": VALUES * np.float32(1 + by), "layer": np.arange(3)}, path, {"noise": "none"}
            ),
        ),
        (TABLE, lambda path, by: path.write_text(path.read_text().replace("0.5", str(0.5 * (1 + by))))),
        (DESCRIPTION, lambda path, by: path.write_text(path.read_text().replace("0.5", str(0.5 * (1 + by))))),
    ],
)
def test_numbers_may_differ_by_rounding_and_no_more(
    compare: ModuleType, pair: tuple[Path, Path], name: str, change: Callable[[Path, float], object]
) -> None:
    change(pair[1] / name, 5e-7)
    assert differences(compare, pair) == []
    change(pair[1] / name, 5e-6)
    assert [one.partition(":")[0] for one in differences(compare, pair)] == [name]


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        (TABLE, "PPA", "LOC"),
        (TABLE, "12", "13"),
        (TABLE, "n/a", "0.1"),
        (TABLE, "V1\t3\tn/a\n", ""),
        (NAMES, "a.png", "b.png"),
        (NAMES, "\n", "\r\n"),
        (DESCRIPTION, '"x"', '"y"'),
        (DESCRIPTION, '"Name"', '"Title"'),
    ],
)
def test_words_and_counts_must_be_the_same(
    compare: ModuleType, pair: tuple[Path, Path], name: str, before: str, after: str
) -> None:
    path = pair[1] / name
    path.write_bytes(path.read_bytes().replace(before.encode(), after.encode()))
    assert differences(compare, pair) != []


def test_files_of_one_folder_alone_and_changed_axes_are_told(
    compare: ModuleType, pair: tuple[Path, Path]
) -> None:
    (pair[1] / "extra.txt").touch()
    (pair[1] / NAMES).unlink()
    nib.Nifti1Image(VALUES.reshape(2, 3, 4), np.eye(4) * 2).to_filename(pair[1] / IMAGE)
    save_file({"weights": VALUES, "layer": np.arange(3)}, pair[1] / MODEL, {"noise": "some"})
    found = "\n".join(differences(compare, pair))
    for word in ("extra.txt is in", f"{NAMES} is in", f"{IMAGE}: header", f"{MODEL}: metadata"):
        assert word in found


def test_of_files_with_hashes_the_names_must_be_the_same(
    compare: ModuleType, pair: tuple[Path, Path]
) -> None:
    def write(folder: Path, files: dict[str, str]) -> None:
        (folder / "manifest.json").write_text(json.dumps({"Files": files, "DependsOn": str(folder)}))

    write(pair[0], {"a.html": "1"})
    write(pair[1], {"a.html": "2"})
    assert differences(compare, pair) == []
    write(pair[1], {"b.html": "1"})
    assert differences(compare, pair) == ["manifest.json: /Files/0: 'a.html' and 'b.html'"]


def test_values_that_are_no_numbers_must_be_so_in_both(compare: ModuleType) -> None:
    ours = np.array([1.0, np.nan, np.inf])
    assert compare.far(ours, ours.copy()) == 0
    assert compare.far(ours, np.array([1.0, 2.0, np.inf])) == np.inf
    assert compare.far(ours, np.array([1.0, np.nan, -np.inf])) == np.inf
    assert compare.far(np.zeros(3), np.full(3, 1e-30)) == np.inf
    assert compare.far(np.zeros(3), np.zeros(4)) == np.inf


def test_the_script_ends_with_1_where_they_differ_or_nothing_is_there(
    root: Path, pair: tuple[Path, Path]
) -> None:
    def code(*folders: Path) -> int:
        command = [sys.executable, str(root / "containers" / "compare.py"), *map(str, folders)]
        return subprocess.run(command, capture_output=True, check=False).returncode

    empty = pair[0].parent / "empty"
    empty.mkdir()
    assert code(*pair) == 0
    assert code(empty, empty) == 1
    (pair[1] / NAMES).write_text("other\n")
    assert code(*pair) == 1
