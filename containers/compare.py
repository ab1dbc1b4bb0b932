"""Compare two output datasets of the same command, file by file.

    python containers/compare.py OUTSIDE INSIDE

Numbers may differ by 1e-6 of the largest in their array or column, or of themselves. Tables without
decimals, and all else in JSON, must be the same, apart from the keys in ``OF_THE_RUN``. Logs are of one run
alone. Pages and drawings are made from what is compared here; they must be there, no more. Prints one JSON
line, and exits with 1 where the two differ.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

TOLERANCE = 1e-6
# Keys of JSON whose values say when, where and in what a run was made.
OF_THE_RUN = frozenset(
    {
        "Container",
        "DatasetLinks",
        "DependsOn",  # of the group: hashes of files that tell when they were made
        "SourceDatasets",
        "command",
        "container",
        "elapsed",
        "python",
    }
)
# Hashes of files that are compared themselves: here their names count.
_HASHES = "Files"
_LOGS = "logs"
_PAGES = (".html", ".svg", ".png")
_DECIMAL = re.compile(r"[-+]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][-+]?\d+)?")
_SHOWN = 20

Difference = str


def files_of(folder: Path) -> set[str]:
    """Files below a folder but those of ``logs/``."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path.as_posix() for path in found if path.parts[0] != _LOGS}


def far(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """The largest difference as a share of the largest finite value; infinite where none can be told."""
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return np.inf
    if not np.issubdtype(ours.dtype, np.inexact):
        return 0.0 if np.array_equal(ours, theirs) else np.inf
    finite = np.isfinite(ours)
    if (
        not np.array_equal(ours[~finite], theirs[~finite], equal_nan=True)
        or not np.isfinite(theirs[finite]).all()
    ):
        return np.inf
    if not finite.any():
        return 0.0
    gap = np.abs(ours[finite].astype(np.float64) - theirs[finite].astype(np.float64)).max()
    scale = np.abs(ours[finite].astype(np.float64)).max()
    if not gap:
        return 0.0
    return float(gap / scale) if scale else np.inf


def arrays_differ(
    arrays: Mapping[str, tuple[NDArray[Any], NDArray[Any]]], tolerance: float
) -> Iterator[Difference]:
    """Which of some pairs of arrays are further apart than the tolerance."""
    for name, (ours, theirs) in arrays.items():
        if (gap := far(ours, theirs)) > tolerance:
            yield f"{name}: {gap:.2g} of the largest value"


def images(ours: Path, theirs: Path, tolerance: float) -> Iterator[Difference]:
    """NIfTI and CIFTI-2: grid, header and axes the same, values near."""
    pair = [nib.load(path) for path in (ours, theirs)]
    headers = [image.nifti_header if hasattr(image, "nifti_header") else image.header for image in pair]
    if headers[0].binaryblock != headers[1].binaryblock:
        yield "header"
    if hasattr(pair[0], "nifti_header") and pair[0].header.to_xml() != pair[1].header.to_xml():
        yield "CIFTI axes"
    yield from arrays_differ({"values": tuple(np.asanyarray(image.dataobj) for image in pair)}, tolerance)


def tensors(ours: Path, theirs: Path, tolerance: float) -> Iterator[Difference]:
    """safetensors: the same names and notes, values near."""
    with safe_open(ours, "np") as own, safe_open(theirs, "np") as other:
        if own.metadata() != other.metadata():
            yield "metadata"
        names = list(own.keys())
        if set(names) != set(other.keys()):
            yield "names of tensors"
            return
        pairs = {name: (own.get_tensor(name), other.get_tensor(name)) for name in names}
        yield from arrays_differ(pairs, tolerance)


def tables(ours: Path, theirs: Path, tolerance: float) -> Iterator[Difference]:
    """TSV: the same bytes, or, in columns of decimals, near ones."""
    if ours.read_bytes() == theirs.read_bytes():
        return
    own, other = (_rows(path) for path in (ours, theirs))
    if [len(row) for row in own] != [len(row) for row in other] or own[0] != other[0]:
        yield "rows or columns"
        return
    if own == other:
        yield "bytes, though no cell differs"
    for number, name in enumerate(own[0]):
        cells = [(row[number], those[number]) for row, those in zip(own[1:], other[1:], strict=True)]
        yield from _cells(name, cells, tolerance)


def _rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter="\t"))


def _cells(column: str, cells: list[tuple[str, str]], tolerance: float) -> Iterator[Difference]:
    """Cells that are not the same text must both be decimals, and near."""
    apart = [pair for pair in cells if pair[0] != pair[1]]
    words = [pair for pair in apart if not all(map(_DECIMAL.fullmatch, pair))]
    if words:
        yield f"{column}: {words[0][0]!r} and {words[0][1]!r}"
    elif apart:
        scale = max(abs(float(own)) for own, _ in cells if _DECIMAL.fullmatch(own))
        gap = max(abs(float(own) - float(other)) for own, other in apart) / scale
        if gap > tolerance:
            yield f"{column}: {gap:.2g} of the largest value"


def documents(ours: Path, theirs: Path, tolerance: float) -> Iterator[Difference]:
    """JSON: the same, numbers near, whatever the run's own keys say."""
    own, other = (json.loads(path.read_text(encoding="utf-8")) for path in (ours, theirs))
    yield from _values("", own, other, tolerance)


def _values(where: str, own: Any, other: Any, tolerance: float) -> Iterator[Difference]:
    if isinstance(own, dict) and isinstance(other, dict):
        for key in sorted((set(own) | set(other)) - OF_THE_RUN):
            if key == _HASHES and key in own and key in other:
                yield from _values(f"{where}/{key}", sorted(own[key]), sorted(other[key]), tolerance)
            elif key in own and key in other:
                yield from _values(f"{where}/{key}", own[key], other[key], tolerance)
            else:
                yield f"{where}/{key} is in one alone"
    elif isinstance(own, list) and isinstance(other, list) and len(own) == len(other):
        for number, pair in enumerate(zip(own, other, strict=True)):
            yield from _values(f"{where}/{number}", *pair, tolerance)
    elif isinstance(own, float) and isinstance(other, float):
        if abs(own - other) > tolerance * max(abs(own), abs(other)):
            yield f"{where}: {own} and {other}"
    elif own != other:
        yield f"{where}: {own!r} and {other!r}"


def texts(ours: Path, theirs: Path, _tolerance: float) -> Iterator[Difference]:
    """All other files: the same bytes."""
    if ours.read_bytes() != theirs.read_bytes():
        yield "content"


KINDS: dict[str, Callable[[Path, Path, float], Iterator[Difference]]] = {
    ".gz": images,
    ".nii": images,
    ".safetensors": tensors,
    ".tsv": tables,
    ".json": documents,
}


def compare(ours: Path, theirs: Path, tolerance: float = TOLERANCE) -> tuple[list[Difference], Counter[str]]:
    """What differs between two output folders, and how many files of each kind were looked at.

    Parameters
    ----------
    ours, theirs : output folders
    tolerance : share of the largest magnitude by which numbers may differ

    Returns
    -------
    one sentence a difference; the number of files by what was found: ``same bytes``, ``near``, ``differ`` or
    ``there`` of pages and drawings
    """
    own, other = files_of(ours), files_of(theirs)
    differences = [f"{name} is in {ours if name in own else theirs} alone" for name in sorted(own ^ other)]
    counts: Counter[str] = Counter()
    for name in sorted(own & other):
        suffix = Path(name).suffix
        if suffix in _PAGES:
            counts["there"] += 1
            continue
        found = list(KINDS.get(suffix, texts)(ours / name, theirs / name, tolerance))
        differences += [f"{name}: {difference}" for difference in found]
        same = (ours / name).read_bytes() == (theirs / name).read_bytes()
        counts["differ" if found else "same bytes" if same else "near"] += 1
    return differences, counts


def main() -> None:
    """Compare two folders of the command line; exit with 1 where they differ or hold nothing."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("ours", type=Path, metavar="OUTSIDE")
    parser.add_argument("theirs", type=Path, metavar="INSIDE")
    parser.add_argument("--tolerance", type=float, default=TOLERANCE)
    chosen = parser.parse_args()
    differences, counts = compare(chosen.ours, chosen.theirs, chosen.tolerance)
    for difference in differences[:_SHOWN]:
        print(difference, file=sys.stderr)
    print(json.dumps({**counts, "differences": len(differences), "tolerance": chosen.tolerance}))
    if differences or not counts:
        sys.exit(1)


if __name__ == "__main__":
    main()
