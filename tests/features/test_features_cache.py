"""Each picture is computed once, and what the cache gives is whole."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bidsapp_synthfmri.errors import InputMissingError, NothingMatchedError
from bidsapp_synthfmri.features.backbones import Backbone, load_backbone
from bidsapp_synthfmri.features.cache import cached_features
from bidsapp_synthfmri.features.extraction import extract
from bidsapp_synthfmri.structures import Features, StimulusSet

CPU = torch.device("cpu")

# What another process does: the same backbone, pictures and folder; killed after one batch if asked to.
PROCESS = """
import os, signal, sys
from pathlib import Path
import pandas as pd, torch
from bidsapp_synthfmri.features.backbones import load_backbone
from bidsapp_synthfmri.features.cache import cached_features
from bidsapp_synthfmri.structures import StimulusSet
folder, cache, killed = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "killed"
paths = sorted(folder.iterdir())
table = pd.DataFrame({"stimulus": [p.name for p in paths], "path": [str(p) for p in paths]})
layers = ("features.2", "features.12", "classifier.3")
backbone = load_backbone("squeezenet1_1", "random", layers, 0, torch.device("cpu"))
told = (lambda _: os.kill(os.getpid(), signal.SIGKILL)) if killed else None
cached_features(backbone, StimulusSet("s", table), cache, batch_size=2, progress=told)
"""


def another_process(stimuli: StimulusSet, cache: Path, ending: str) -> subprocess.Popen[bytes]:
    folder = Path(stimuli.table["path"][0]).parent
    command = [sys.executable, "-c", PROCESS, str(folder), str(cache), ending]
    return subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"})


@contextmanager
def counted(backbone: Backbone) -> Iterator[list[int]]:
    """Sizes of the batches that go through the network."""
    sizes: list[int] = []
    first = backbone.model.get_submodule("features.0")
    handle = first.register_forward_hook(lambda _module, _inputs, output: sizes.append(len(output)))
    yield sizes
    handle.remove()


def assert_right(features: Features, backbone: Backbone, stimuli: StimulusSet) -> None:
    """Equal to a direct extraction, row by row."""
    assert features.stimuli == stimuli.stimuli
    assert tuple(layer.name for layer in features.layers) == backbone.layers
    batches = list(extract(backbone, list(stimuli.table["path"]), batch_size=2))
    for position, layer in enumerate(features.layers):
        direct = np.concatenate([batch[position] for batch in batches])
        assert layer.values.dtype == np.float32
        # Duplicates shift the batches, which changes float32 rounding.
        np.testing.assert_allclose(layer.values, direct, rtol=0, atol=5e-6 * np.abs(direct).max())


def test_features_are_right_and_mapped_read_only(
    tmp_path: Path, squeezenet: Backbone, stimuli: StimulusSet
) -> None:
    features = cached_features(squeezenet, stimuli, tmp_path / "cache", batch_size=2)
    assert_right(features, squeezenet, stimuli)
    for layer in features.layers:
        assert isinstance(layer.values, np.memmap)
        assert not layer.values.flags.writeable


def test_each_content_goes_through_once(tmp_path: Path, squeezenet: Backbone, stimuli: StimulusSet) -> None:
    with counted(squeezenet) as sizes:
        features = cached_features(squeezenet, stimuli, tmp_path, batch_size=2)
    assert sizes == [1, 2, 2, 1]  # one black picture to count units, then five contents of six stimuli
    for layer in features.layers:
        assert np.array_equal(layer.values[1], layer.values[4])


def test_a_second_call_makes_no_forward_pass(
    tmp_path: Path, squeezenet: Backbone, stimuli: StimulusSet
) -> None:
    first = cached_features(squeezenet, stimuli, tmp_path)
    told: list[int] = []
    with counted(squeezenet) as sizes:
        second = cached_features(squeezenet, stimuli, tmp_path, progress=told.append)
    assert sizes == []
    assert told == [6]
    for a, b in zip(first.layers, second.layers, strict=True):
        assert np.array_equal(a.values, b.values)


def test_names_do_not_matter_but_contents_do(
    tmp_path: Path, squeezenet: Backbone, stimuli: StimulusSet
) -> None:
    cached_features(squeezenet, stimuli, tmp_path)
    renamed = StimulusSet("other", stimuli.table.assign(stimulus=[f"s{i}" for i in range(6)]))
    with counted(squeezenet) as sizes:
        assert cached_features(squeezenet, renamed, tmp_path).stimuli == renamed.stimuli
    assert sizes == []
    path = Path(stimuli.table["path"][0])
    path.write_bytes(Path(stimuli.table["path"][5]).read_bytes())
    changed = cached_features(squeezenet, stimuli, tmp_path)
    assert_right(changed, squeezenet, stimuli)
    assert np.array_equal(changed.layers[0].values[0], changed.layers[0].values[5])


def test_only_new_layers_are_computed(tmp_path: Path, squeezenet: Backbone, stimuli: StimulusSet) -> None:
    cached_features(squeezenet, stimuli, tmp_path)
    before = {folder: folder.stat().st_mtime_ns for folder in tmp_path.iterdir()}
    more = load_backbone("squeezenet1_1", "random", ("classifier.3", "features.5", "features.2"), 0, CPU)
    assert_right(cached_features(more, stimuli, tmp_path), more, stimuli)
    assert len(list(tmp_path.iterdir())) == len(before) + 1
    assert all(folder.stat().st_mtime_ns == time_ns for folder, time_ns in before.items())


def test_two_names_of_one_node(tmp_path: Path, stimuli: StimulusSet) -> None:
    backbone = load_backbone("squeezenet1_1", "random", ("features.3", "features.3.cat"), 0, CPU)
    assert_right(cached_features(backbone, stimuli, tmp_path), backbone, stimuli)


@pytest.mark.parametrize("change", ["weights", "preprocessing"])
def test_other_weights_or_preprocessing_are_other_features(
    tmp_path: Path, squeezenet: Backbone, stimuli: StimulusSet, change: str
) -> None:
    first = cached_features(squeezenet, stimuli, tmp_path)
    if change == "weights":
        other = load_backbone("squeezenet1_1", "random", squeezenet.layers, 1, CPU)
    else:
        other = replace(squeezenet, preprocessing=replace(squeezenet.preprocessing, resize=300))
    second = cached_features(other, stimuli, tmp_path)
    assert_right(second, other, stimuli)
    assert not np.array_equal(first.layers[0].values, second.layers[0].values)


def test_damaged_entries_are_computed_again(
    tmp_path: Path, squeezenet: Backbone, stimuli: StimulusSet
) -> None:
    cached_features(squeezenet, stimuli, tmp_path)
    entries = short, flipped, unrecorded = sorted(tmp_path.glob("squeezenet1_1_*"))
    with (short / "values.npy").open("r+b") as stream:
        stream.truncate(1000)
    with (flipped / "values.npy").open("r+b") as stream:
        stream.seek(5000)
        byte = stream.read(1)
        stream.seek(5000)
        stream.write(bytes([byte[0] ^ 1]))
    (unrecorded / "entry.json").write_text("{")
    assert_right(cached_features(squeezenet, stimuli, tmp_path), squeezenet, stimuli)
    with counted(squeezenet) as sizes:
        again = cached_features(squeezenet, stimuli, tmp_path)
    assert sizes == []
    assert_right(again, squeezenet, stimuli)
    assert sorted(tmp_path.glob("*squeezenet1_1_*")) == entries


def test_two_processes_at_once_leave_one_whole_cache(
    tmp_path: Path, squeezenet: Backbone, stimuli: StimulusSet
) -> None:
    cache = tmp_path / "cache"
    other = another_process(stimuli, cache, "finished")
    while other.poll() is None and not cache.exists():
        time.sleep(0.005)  # until the other has begun
    assert_right(cached_features(squeezenet, stimuli, cache, batch_size=2), squeezenet, stimuli)
    assert other.wait(timeout=100) == 0
    assert len(list(cache.iterdir())) == 3
    with counted(squeezenet) as sizes:
        features = cached_features(squeezenet, stimuli, cache)
    assert sizes == []
    assert_right(features, squeezenet, stimuli)


def test_what_a_killed_process_leaves_is_not_used_and_goes(
    tmp_path: Path, squeezenet: Backbone, stimuli: StimulusSet
) -> None:
    cache = tmp_path / "cache"
    assert another_process(stimuli, cache, "killed").wait(timeout=100) == -signal.SIGKILL
    (left,) = cache.iterdir()
    # Without its lock, as where the file system knows none, age alone tells that its writer is gone.
    without = cache / f"{left.name[:-1]}_"
    shutil.copytree(left, without)
    (without / ".lock").unlink()
    assert_right(cached_features(squeezenet, stimuli, cache), squeezenet, stimuli)
    assert not left.exists()
    assert without.exists()
    a_day_ago = time.time() - 86400
    for item in [*without.rglob("*"), without]:
        os.utime(item, (a_day_ago, a_day_ago))
    more = load_backbone("squeezenet1_1", "random", ("features.5",), 0, CPU)
    cached_features(more, stimuli, cache)
    assert not without.exists()


def test_a_failure_leaves_nothing_behind(tmp_path: Path, squeezenet: Backbone, stimuli: StimulusSet) -> None:
    class Interrupted(Exception):  # noqa: N818
        pass

    def interrupt(_: int) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        cached_features(squeezenet, stimuli, tmp_path / "cache", batch_size=2, progress=interrupt)
    assert list((tmp_path / "cache").iterdir()) == []


def test_progress_adds_up_to_the_stimuli(tmp_path: Path, squeezenet: Backbone, stimuli: StimulusSet) -> None:
    told: list[int] = []
    cached_features(squeezenet, stimuli, tmp_path, batch_size=2, progress=told.append)
    assert told == [3, 2, 1]


def test_an_absent_picture_and_an_empty_set(
    tmp_path: Path, squeezenet: Backbone, stimuli: StimulusSet
) -> None:
    with pytest.raises(NothingMatchedError, match="stimuli is empty"):
        cached_features(squeezenet, StimulusSet("stimuli", stimuli.table[:0]), tmp_path)
    Path(stimuli.table["path"][2]).unlink()
    with pytest.raises(InputMissingError, match=r"picture2\.png"):
        cached_features(squeezenet, stimuli, tmp_path)
