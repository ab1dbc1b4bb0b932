"""Files of precomputed responses: found by name, and told apart by content."""

from __future__ import annotations

import hashlib
from fnmatch import fnmatchcase
from pathlib import Path

# Release 1 and release 2 of BOLD5000, and BIDS derivatives with their tables of trials.
ROI_MATRICES = ("*_ROIs_*.h5", "*_ROIs_*.mat")
SESSION_BETAS = ("*_GLMbetas-*.nii.gz", "*_GLMbetas-*.nii", "*_imgnames.txt")
STATMAPS = ("*_statmap.dscalar.nii", "*_statmap.nii.gz", "*_statmap.nii", "*_trials.tsv")
_EDGE_BYTES = 2**16


def named_like(path: Path, patterns: tuple[str, ...]) -> bool:
    """Whether a file's name is of one of some patterns."""
    return any(fnmatchcase(path.name, pattern) for pattern in patterns)


def response_files(path: Path) -> tuple[Path, ...]:
    """Files in and below a folder whose names are of a known format, sorted; of a file, itself."""
    if not path.is_dir():
        return (path,)
    known = ROI_MATRICES + SESSION_BETAS + STATMAPS
    return tuple(sorted(file for file in path.rglob("*") if named_like(file, known) and not file.is_dir()))


def content_identity(path: Path) -> str:
    """SHA-256 of what identifies the files' content, wherever they lie.

    Of each file its name, its size and its first and last 64 KiB: two estimators' responses to the same
    trials have the same names and sizes. A change that leaves all of these alone goes unseen; reading all of
    some ten gigabytes each time would see it.
    """
    digest = hashlib.sha256()
    for file in response_files(path):
        name = file.relative_to(path).as_posix() if path.is_dir() else file.name
        digest.update(f"{name}\0".encode())
        if file.is_file():
            digest.update(_edges(file))
    return digest.hexdigest()


def _edges(path: Path) -> bytes:
    size = path.stat().st_size
    with path.open("rb") as file:
        first = file.read(_EDGE_BYTES)
        file.seek(max(0, size - _EDGE_BYTES))
        return f"{size}\0".encode() + first + file.read(_EDGE_BYTES)
