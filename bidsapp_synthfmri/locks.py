"""Locks between processes that die with their holder: who is killed leaves a file, and no lock on it."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_UNSUPPORTED = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL})


class LockHeldError(Exception):
    """Another process holds the lock; the argument is what it said of itself."""


@contextmanager
def locked(path: Path, about: str = "", *, wait: bool = False, shared: bool = False) -> Iterator[bool]:
    """Hold the lock on a file, which is made for it and removed by the last who holds it.

    Parameters
    ----------
    path : of the file; its folder is made
    about : what the file says of the holder
    wait : for another holder to end; otherwise it is an exception
    shared : together with others who share it, and none who does not

    Yields
    ------
    whether the file system knows locks: where it does not, nothing is held

    Raises
    ------
    LockHeldError : another process holds it
    OSError : the file cannot be made
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    descriptor, supported = _opened(path, kind | (0 if wait else fcntl.LOCK_NB))
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, about.encode(), 0)
        yield supported
    finally:
        with suppress(LockHeldError):
            _acquire(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
        os.close(descriptor)


def is_abandoned(path: Path) -> bool:
    """Whether a lock's file is there and nobody holds it: its holder was killed."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return _acquire(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except LockHeldError:
        return False
    finally:
        os.close(descriptor)


def _opened(path: Path, operation: int) -> tuple[int, bool]:
    """The file, open and locked, and whether locks are known."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            supported = _acquire(descriptor, operation)
        except BaseException:
            os.close(descriptor)
            raise
        # Between opening and locking, the one who held it may have removed the file.
        if not supported or _is_still(path, descriptor):
            return descriptor, supported
        os.close(descriptor)


def _acquire(descriptor: int, operation: int) -> bool:
    """Lock an open file; False where the file system knows no locks."""
    try:
        fcntl.flock(descriptor, operation)
    except BlockingIOError as error:
        raise LockHeldError(os.pread(descriptor, 4096, 0).decode(errors="replace")) from error
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        return False
    return True


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
