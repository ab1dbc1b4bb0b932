"""The cache keeps to its bound: what was used longest ago goes, whole, and harms nobody who uses it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from bidsapp_synthfmri.features.backbones import Backbone, load_backbone
from bidsapp_synthfmri.features.cache import cached_features
from bidsapp_synthfmri.features.entries import EntryWriter, read_entry, release_pages
from bidsapp_synthfmri.features.eviction import evict, touch
from bidsapp_synthfmri.structures import FloatArray, StimulusSet

CPU = torch.device("cpu")
ROWS, COLUMNS = 20, 3000
VALUES_BYTES = ROWS * COLUMNS * 4

# Two of these at once make, read and evict the same few entries; each checks what it was given.
PROCESS = """
import sys
from pathlib import Path
import numpy as np
from bidsapp_synthfmri.features.entries import EntryWriter, publish, read_entry, unpublished
from bidsapp_synthfmri.features.eviction import evict, touch
cache, seed = Path(sys.argv[1]), int(sys.argv[2])
rng = np.random.default_rng(seed)
held, made, read = [], 0, 0
for _ in range(150):
    number = int(rng.integers(6))
    folder = cache / f"entry{number}"
    values = read_entry(folder)
    if values is None:
        with unpublished(cache) as partial:
            writer = EntryWriter(partial / folder.name, 20, 3000)
            for row in range(20):
                writer.put(np.full((1, 3000), 100 * number + row, np.float32), [[row]])
            writer.finish({})
            publish(partial / folder.name, folder)
        made += 1
    else:
        touch(folder)
        held.append((number, values))
        read += 1
    evict(cache, 3 * 250_000)
    for number, values in held[-5:]:
        assert (np.asarray(values) == 100 * number + np.arange(20)[:, None]).all()
print(made, read)
"""


def make_entry(folder: Path, value: float = 0.0, used: float | None = None) -> None:
    writer = EntryWriter(folder, ROWS, COLUMNS)
    values: FloatArray = np.full((ROWS, COLUMNS), value, dtype=np.float32)
    writer.put(values, [[row] for row in range(ROWS)])
    writer.finish({})
    if used is not None:
        os.utime(folder / "entry.json", (used, used))


def names(cache: Path) -> set[str]:
    return {folder.name for folder in cache.iterdir()}


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    for age, name in enumerate(["newest", "newer", "older", "oldest"]):
        make_entry(tmp_path / name, used=1e9 - age)
    assert evict(tmp_path, 5 * VALUES_BYTES) == 0
    assert VALUES_BYTES < evict(tmp_path, int(3.5 * VALUES_BYTES)) < 1.1 * VALUES_BYTES
    assert names(tmp_path) == {"newest", "newer", "older"}
    touch(tmp_path / "older")
    evict(tmp_path, int(1.5 * VALUES_BYTES))
    assert names(tmp_path) == {"older"}
    assert read_entry(tmp_path / "older") is not None


def test_spared_entries_and_strangers_stay(tmp_path: Path) -> None:
    make_entry(tmp_path / "old", used=1.0)
    make_entry(tmp_path / "new", used=2.0)
    (tmp_path / "notes.txt").write_text("not ours")
    (tmp_path / "folder").mkdir()
    evict(tmp_path, 0, spared=[tmp_path / "old"])
    assert names(tmp_path) == {"old", "notes.txt", "folder"}


def test_a_mapped_entry_outlives_its_eviction(tmp_path: Path) -> None:
    make_entry(tmp_path / "used", value=7.0)
    values = read_entry(tmp_path / "used")
    assert values is not None
    evict(tmp_path, 0)
    assert names(tmp_path) == set()
    release_pages(values)  # so that they must be read again
    assert (values == 7.0).all()
    assert read_entry(tmp_path / "used") is None


def test_released_pages_are_read_again_and_arrays_are_left_alone(tmp_path: Path) -> None:
    make_entry(tmp_path / "entry", value=3.0)
    values = read_entry(tmp_path / "entry")
    assert values is not None
    for _ in range(2):
        assert float(values.sum()) == 3.0 * ROWS * COLUMNS
        release_pages(values)
    array = np.ones(3, dtype=np.float32)
    release_pages(array)
    assert (array == 1).all()


def bytes_of(cache: Path) -> int:
    return sum(file.stat().st_size for file in cache.rglob("*") if file.is_file())


def test_a_run_evicts_others_before_its_own(
    tmp_path: Path, squeezenet: Backbone, stimuli: StimulusSet
) -> None:
    cache = tmp_path / "cache"
    cached_features(squeezenet, stimuli, cache)
    first = names(cache)
    other = load_backbone("squeezenet1_1", "random", squeezenet.layers, 1, CPU)
    cached_features(other, stimuli, cache, max_bytes=bytes_of(cache) + 1000)
    assert len(names(cache)) == len(first) == 3
    assert not first & names(cache)


def test_use_makes_an_entry_recent(tmp_path: Path, squeezenet: Backbone, stimuli: StimulusSet) -> None:
    cache = tmp_path / "cache"
    cached_features(squeezenet, stimuli, cache)
    first = names(cache)
    cached_features(load_backbone("squeezenet1_1", "random", squeezenet.layers, 1, CPU), stimuli, cache)
    time.sleep(0.02)  # a file's time has steps of milliseconds
    cached_features(squeezenet, stimuli, cache)
    evict(cache, bytes_of(cache) // 2 + 1000)
    assert names(cache) == first


def test_a_bound_below_the_runs_own_needs_is_told_and_the_run_works(
    tmp_path: Path, squeezenet: Backbone, stimuli: StimulusSet, caplog: pytest.LogCaptureFixture
) -> None:
    free = cached_features(squeezenet, stimuli, tmp_path / "free")
    bound = cached_features(squeezenet, stimuli, tmp_path / "bound", max_bytes=10_000)
    assert "(--cache-size): what exceeds it is used now, not kept" in caplog.text
    assert names(tmp_path / "bound") == set()
    for a, b in zip(free.layers, bound.layers, strict=True):
        assert np.array_equal(a.values, b.values)


def test_a_bound_that_is_met_says_nothing(
    tmp_path: Path, squeezenet: Backbone, stimuli: StimulusSet, caplog: pytest.LogCaptureFixture
) -> None:
    cached_features(squeezenet, stimuli, tmp_path / "cache", max_bytes=10**9)
    assert len(names(tmp_path / "cache")) == 3
    assert caplog.text == ""


def test_two_processes_that_evict_at_once_never_see_half_an_entry(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROCESS, str(tmp_path)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    running = [
        subprocess.Popen(
            [*command, str(seed)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for seed in range(2)
    ]
    for process in running:
        output, complaints = process.communicate(timeout=100)
        assert process.returncode == 0, complaints.decode()
        made, read = map(int, output.split())
        assert made > 10
        assert read > 10
    left = [folder for folder in tmp_path.iterdir() if not folder.name.startswith(".")]
    assert sum(file.stat().st_size for folder in left for file in folder.iterdir()) <= 3 * 250_000
    for folder in left:
        values = read_entry(folder)
        assert values is not None
        assert (values == 100 * int(folder.name[-1]) + np.arange(20)[:, None]).all()
    assert not list(tmp_path.glob(".*"))
