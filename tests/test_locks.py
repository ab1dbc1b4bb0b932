"""Locks end with their holder, whichever way it ends, and leave no file behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from bidsapp_synthfmri.locks import LockHeldError, is_abandoned, locked

FORK = multiprocessing.get_context("spawn")


def hold(path: Path, said, shared: bool = False) -> None:
    """Another process: hold the lock until it is killed."""
    with locked(path, "another", shared=shared):
        said.put("held")
        signal.pause()


@pytest.fixture
def holder():
    """Start processes that hold a lock; they are killed at the end."""
    started = []

    def start(path: Path, shared: bool = False):
        said = FORK.Queue()
        process = FORK.Process(target=hold, args=(path, said, shared))
        process.start()
        started.append(process)
        assert said.get(timeout=60) == "held"
        return process

    yield start
    for process in started:
        process.kill()
        process.join()


def test_a_lock_is_held_once_and_its_file_goes(tmp_path):
    path = tmp_path / "locks" / ".a.lock"
    with locked(path, "me"):
        assert path.read_text() == "me"
        with pytest.raises(LockHeldError, match="me"), locked(path):
            pass
        assert path.exists()
    assert not path.exists()
    with locked(path):
        pass


def test_a_lock_ends_with_an_exception(tmp_path):
    path = tmp_path / ".a.lock"
    with pytest.raises(KeyError), locked(path):
        raise KeyError
    assert not path.exists()


def test_sharers_do_not_keep_each_other_out_but_keep_out_the_sole_one(tmp_path):
    path = tmp_path / ".a.lock"
    with locked(path, shared=True):
        with locked(path, shared=True), pytest.raises(LockHeldError), locked(path):
            pass
        # The first to go leaves the file to those who still share it.
        assert path.exists()
        with pytest.raises(LockHeldError), locked(path):
            pass
    assert not path.exists()


def test_a_killed_holder_leaves_a_file_and_no_lock(tmp_path, holder):
    path = tmp_path / ".a.lock"
    process = holder(path)
    assert not is_abandoned(path)
    with pytest.raises(LockHeldError, match="another"), locked(path):
        pass
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert path.exists()
    assert is_abandoned(path)
    with locked(path, wait=True):
        assert path.read_text() == ""
    assert not path.exists()
    assert not is_abandoned(path)
