"""A bound on what a cache takes: the entries used longest ago go first."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from .entries import PARTIAL, RECORD, VALUES

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Entry:
    """A folder of the cache, its bytes, and when it was last used (ns)."""

    folder: Path
    n_bytes: int
    used_ns: int


def touch(folder: Path) -> None:
    """Note that an entry is used now.

    Another process may have removed it, which does no harm to who has it mapped; a cache that may only
    be read keeps no such notes.
    """
    with suppress(FileNotFoundError, PermissionError):
        os.utime(folder / RECORD)


def evict(cache_dir: Path, max_bytes: int, spared: Collection[Path] = ()) -> int:
    """Remove entries, those used longest ago first, until the rest take at most some bytes.

    Parameters
    ----------
    cache_dir : may be used by other processes, which may evict too
    max_bytes : of all published entries; what is in the making, here or elsewhere, does not count
    spared : entries to keep whatever they take

    Returns
    -------
    bytes removed here

    Notes
    -----
    An entry loses its name in one step and is deleted under another: no process finds half of it, and
    who has it mapped keeps it until the mapping ends (POSIX), which is when its space is free.
    """
    entries = _entries(cache_dir)
    total = sum(entry.n_bytes for entry in entries)
    removed = 0
    for entry in sorted(entries, key=lambda entry: (entry.used_ns, entry.folder.name)):
        if total - removed <= max_bytes:
            break
        if entry.folder not in spared:
            removed += entry.n_bytes
            _remove(entry)
    return removed


def _entries(cache_dir: Path) -> list[_Entry]:
    found = []
    for folder in cache_dir.iterdir():
        # Other processes remove entries meanwhile; other files and folders are not ours to count.
        with suppress(FileNotFoundError, NotADirectoryError):
            if not folder.name.startswith(PARTIAL):
                values, record = (folder / VALUES).stat(), (folder / RECORD).stat()
                found.append(_Entry(folder, values.st_size + record.st_size, record.st_mtime_ns))
    return found


def _remove(entry: _Entry) -> None:
    nameless = entry.folder.with_name(f"{PARTIAL}{uuid4().hex}")
    try:
        entry.folder.rename(nameless)
    except FileNotFoundError:
        return  # another process was first
    shutil.rmtree(nameless, ignore_errors=True)
    _LOGGER.info("%s left the feature cache, %.2f GB", entry.folder.name, entry.n_bytes / 1e9)
