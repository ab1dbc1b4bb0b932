"""Runs, the next one read while this one is computed on, and kept on disk for those who come again."""

from __future__ import annotations

import errno
import mmap
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile, mkdtemp
from types import TracebackType
from typing import Self

import numpy as np

from ..errors import OutputUnwritableError
from ..locks import is_abandoned, locked
from ..responses import RunData
from ..structures import FloatArray
from .console import LOGGER

_GB = 1e9
_SHARE_OF_MEMORY = 0.25
_PREFIX, _LOCK = "runs-", ".lock"


class RunStream:
    """Runs in order, as often as they are gone through; one is read ahead, in a thread.

    Parameters
    ----------
    reads : each reads one run from the dataset
    scratch : folder in which a subfolder of its own is made, on entering the stream's ``with`` block, for the
        runs' masked series; removed on leaving it. None: each time through reads the dataset again
    n_bytes : size of all those series; where the disk has less free, there is no scratch

    Notes
    -----
    Memory is that of two runs' masked voxels, the one computed on and the next, whatever the number of
    runs. What a read raises is raised where that run would have come. Without a ``with`` block there is
    no scratch.
    """

    def __init__(
        self, reads: Sequence[Callable[[], RunData]], scratch: Path | None = None, n_bytes: int = 0
    ) -> None:
        self._reads = tuple(reads)
        self._folder = scratch
        self.n_bytes = n_bytes
        self._scratch: RunScratch | None = None

    def __len__(self) -> int:
        return len(self._reads)

    def __iter__(self) -> Iterator[RunData]:
        if not self._reads:
            return
        with ThreadPoolExecutor(1, "read-ahead") as thread:
            ahead = thread.submit(self._read, 0)
            for following in range(1, len(self._reads)):
                run = ahead.result()
                ahead = thread.submit(self._read, following)
                yield run
                _leave_memory(run)
            run = ahead.result()
            yield run
            _leave_memory(run)

    def __enter__(self) -> Self:
        if self._folder is not None and _has_room(self._folder, self.n_bytes):
            self._scratch = RunScratch(self._folder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._scratch is not None:
            self._scratch.remove()
            self._scratch = None

    def _read(self, number: int) -> RunData:
        scratch = self._scratch
        kept = scratch.runs.get(number) if scratch is not None else None
        if kept is not None:
            return kept
        run = self._reads[number]()
        if scratch is not None:
            scratch.keep(number, run)
        return run


class RunScratch:
    """Masked series of runs as plain ``.npy`` files in a new folder, for one process.

    Each file is mapped and then loses its name: the mapping keeps its content, and were the process killed,
    the disk would have the room back at once.

    Parameters
    ----------
    parent : made if need be

    Attributes
    ----------
    folder : the new one
    runs : the runs kept, by number; their series are memory-mapped and read-only

    Raises
    ------
    OutputUnwritableError : ``parent`` cannot be made or written
    """

    def __init__(self, parent: Path) -> None:
        self._held = ExitStack()
        try:
            parent.mkdir(parents=True, exist_ok=True)
            _remove_abandoned(parent)
            self.folder = Path(mkdtemp(prefix=_PREFIX, dir=parent))
            self._held.enter_context(locked(self.folder / _LOCK))
        except OSError as error:
            raise OutputUnwritableError(
                f"{parent}, where the runs' series are kept, cannot be written ({error.strerror})",
                "Name a folder that can be written with --work-dir",
            ) from error
        self.runs: dict[int, RunData] = {}
        self._is_full = False

    def keep(self, number: int, run: RunData) -> None:
        """Keep a run; once the disk is full, nothing more is kept."""
        if self._is_full:
            return
        try:
            bold = self._mapped(f"{number}_bold", run.bold)
            pool = None if run.pool is None else self._mapped(f"{number}_pool", run.pool)
        except OSError as error:
            self._is_full = True
            LOGGER.warning(
                "%s cannot be kept in %s and will be read again (%s)", run.label, self.folder, error
            )
        else:
            self.runs[number] = replace(run, bold=bold, pool=pool)

    def remove(self) -> None:
        """Forget the runs and remove the folder; arrays stay readable to those who still have them."""
        self.runs.clear()
        self._held.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _mapped(self, name: str, values: FloatArray) -> FloatArray:
        path = self.folder / f"{name}.npy"
        try:
            np.save(path, values, allow_pickle=False)
            mapped: FloatArray = np.load(path, mmap_mode="r", allow_pickle=False)
        finally:
            path.unlink(missing_ok=True)
        return mapped


def _remove_abandoned(parent: Path) -> None:
    """Remove the folders of processes that were killed."""
    for folder in parent.glob(f"{_PREFIX}*"):
        if is_abandoned(folder / _LOCK):
            shutil.rmtree(folder, ignore_errors=True)


def _leave_memory(run: RunData) -> None:
    """Drop the pages of a mapped run, which would pile up from run to run; a later use reads them again."""
    for values in (run.bold, run.pool):
        if isinstance(values, np.memmap) and isinstance(values.base, mmap.mmap):
            values.base.madvise(mmap.MADV_DONTNEED)


def stays_in_memory(n_bytes: int, available: int | None) -> bool:
    """Whether ``allocate`` takes memory for an array of that size."""
    return available is None or n_bytes < _SHARE_OF_MEMORY * available


def allocate(folder: Path, available: int | None, shape: tuple[int, ...]) -> FloatArray:
    """An array in memory, or where it would take over a quarter of it, in a file mapped to it.

    Parameters
    ----------
    folder : in which the file is made; it loses its name at once, and its room on disk when forgotten
    available : bytes of memory; None where that is not known
    shape : of the array, in float32; trials and voxels of responses

    Raises
    ------
    OutputUnwritableError : ``folder`` cannot be made or written, or has too little room
    """
    n_bytes = 4 * int(np.prod(shape))
    if stays_in_memory(n_bytes, available):
        return np.empty(shape, dtype=np.float32)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(folder).free < n_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with TemporaryFile(dir=folder) as file:
            return np.memmap(file, dtype=np.float32, mode="w+", shape=shape)
    except OSError as error:
        raise OutputUnwritableError(
            f"{n_bytes / _GB:.1f} GB of arrays cannot be kept in {folder} ({error.strerror})",
            "Name a folder with room with --work-dir, or fewer voxels with --roi",
        ) from error


def _has_room(folder: Path, n_bytes: int) -> bool:
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < n_bytes:
        LOGGER.warning(
            "%s has %.1f GB free, and %.1f GB would keep the runs' series: they are read again instead",
            there,
            free / _GB,
            n_bytes / _GB,
        )
    return free >= n_bytes
