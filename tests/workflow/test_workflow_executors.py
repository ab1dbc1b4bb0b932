"""Who computes units: the same results by shared work as in one process, and clusters that are refused."""

import os
import signal
import sys
from collections.abc import Generator
from dataclasses import fields
from functools import partial
from pathlib import Path

import dask
import numpy as np
import pandas as pd
import pytest
import torch
from distributed import Client, LocalCluster

from bidsapp_synthfmri import Encoder
from bidsapp_synthfmri.config import RunConfig
from bidsapp_synthfmri.encoding import Folds
from bidsapp_synthfmri.encoding.fit import fit_encoder
from bidsapp_synthfmri.encoding.ridges import FitParts
from bidsapp_synthfmri.errors import MemoryExceededError, UsageError
from bidsapp_synthfmri.features.backbones import Backbone
from bidsapp_synthfmri.features.cache import cached_features
from bidsapp_synthfmri.structures import Features, LayerFeatures, StimulusSet
from bidsapp_synthfmri.workflow import dask_clusters, executors, feature_units, image_units
from bidsapp_synthfmri.workflow.dask_clusters import opened_client, require_suitable, slurm_cluster
from bidsapp_synthfmri.workflow.dask_executor import DaskExecutor
from bidsapp_synthfmri.workflow.executors import IN_PROCESS, of_each_worker, opened_executor, shared_with
from bidsapp_synthfmri.workflow.feature_units import features_of
from bidsapp_synthfmri.workflow.fit_units import SharedRidges, shared_kernels
from bidsapp_synthfmri.workflow.image_units import synthesise_set


class SharedHere:
    """Has work cut into units as for several workers, and computes them in this process.

    Attributes
    ----------
    seen : names of the functions of the units computed
    """

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.spare = True
        self.seen: list[str] = []

    def map(self, function, units, lost=None) -> Generator:  # noqa: ARG002
        for unit in units:
            self.seen.append(function.__name__)
            yield function(unit)


@pytest.fixture
def shared(tmp_path) -> SharedHere:
    (tmp_path / "scratch").mkdir()
    return SharedHere(tmp_path / "scratch")


def config_of(folder: Path, **options: object) -> RunConfig:
    chosen = {"work_dir": folder / "work", "weights": "random", **options}
    return RunConfig(folder / "bids", folder / "out", **chosen)


def image_set(pictures, n: int) -> StimulusSet:
    made = pictures(n)
    paths = [str(made.folder / name) for name in made.names]
    return StimulusSet("more", pd.DataFrame({"stimulus": made.names, "path": paths}))


def test_units_are_computed_in_turn_and_none_after_the_end():
    computed: list[int] = []
    results = IN_PROCESS.map(computed.append, [1, 2, 3])
    next(results)
    results.close()
    assert computed == [1]


def test_features_by_shards_are_those_of_one_pass(network: Backbone, pictures, shared, tmp_path, monkeypatch):
    monkeypatch.setattr(feature_units, "SHARD_SIZE", 32)
    images = image_set(pictures, 70)
    # A copy of an early picture in the last shard: distinct pictures are what shards are cut from.
    images.table.loc[69, "path"] = images.table["path"][0]
    whole = cached_features(network, images, tmp_path / "alone")
    with shared_with(shared):
        found = features_of(config_of(tmp_path), network, images, lambda _: None)
    for one, other in zip(whole.layers, found.layers, strict=True):
        np.testing.assert_array_equal(one.values, other.values)
    assert shared.seen == ["make_features", *3 * ["make_shard"]]
    assert not list(shared.scratch.glob("shards-*"))

    with shared_with(shared):
        features_of(config_of(tmp_path), network, images, lambda _: None)
    assert len(shared.seen) == 4  # what is in the cache makes no units


@pytest.mark.parametrize("selection", ["voxel", "stacking"])
def test_a_fit_by_units_is_that_of_one_process(shared, selection):
    rng = np.random.default_rng(0)
    n, n_voxels = 120, 50
    layers = tuple(
        LayerFeatures(f"layer{number}", rng.standard_normal((n, units), dtype=np.float32))
        for number, units in enumerate((200, 90))
    )
    features = Features(tuple(map(str, range(n))), layers)
    signal = layers[0].values[:, :30] @ rng.standard_normal((30, n_voxels), dtype=np.float32)
    values = signal + 8 * rng.standard_normal((n, n_voxels), dtype=np.float32)
    given = (features, values, np.arange(n), Folds(np.arange(n) * 6 // n, "6 folds"), torch.device("cpu"))
    parts = FitParts(partial(shared_kernels, shared), partial(SharedRidges, shared))
    alone, by_units = (
        fit_encoder(*given, n_voxels_batch=16, selection=selection, **more) for more in ({}, {"parts": parts})
    )
    for field in fields(alone):
        value = getattr(alone, field.name)
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, getattr(by_units, field.name), err_msg=field.name)
    for one, other in zip(alone.weights, by_units.weights, strict=True):
        np.testing.assert_array_equal(one.readout.values, other.readout.values)
    # Four blocks of voxels of both layers, in three turns and for all trials.
    assert shared.seen.count("make_ridge") == 4 * 2 * (3 + 1)
    assert list(shared.scratch.iterdir()) == []


def test_extra_images_by_shards_are_those_of_one_pass(
    stored_encoder, pictures, shared, tmp_path, monkeypatch
):
    monkeypatch.setattr(image_units, "SHARD_SIZE", 32)
    encoder, images = Encoder.load(stored_encoder), image_set(pictures, 70)
    whole = synthesise_set(encoder, images, config_of(tmp_path))
    with shared_with(shared):
        found = synthesise_set(encoder, images, config_of(tmp_path))
    np.testing.assert_array_equal(found.values, whole.values)
    pd.testing.assert_frame_equal(found.table, whole.table)
    assert shared.seen == 3 * ["predict_some"]
    assert list(shared.scratch.iterdir()) == []


def test_a_local_cluster_shares_the_machine_out(tmp_path, monkeypatch):
    monkeypatch.setattr(executors, "allowed_cpus", lambda: 8)
    monkeypatch.setattr(executors, "available_bytes", lambda: 32 * 10**9)
    local = partial(config_of, tmp_path, executor="dask", cluster="local")
    for options, n_workers, n_cpus, memory in (
        ({}, 8, 1, 4e9),
        ({"n_workers": 2}, 2, 4, 16e9),
        ({"n_cpus": 2}, 4, 2, 8e9),
        ({"n_workers": 3, "n_cpus": 1, "memory": 10**9}, 3, 1, 1e9),
    ):
        found = of_each_worker(local(**options))
        assert (found.n_workers, found.n_cpus, found.memory) == (n_workers, n_cpus, memory)
    alone = config_of(tmp_path)
    assert of_each_worker(alone) is alone
    assert local().content_hash() == alone.content_hash()


def test_a_slurm_job_asks_for_what_the_options_say(tmp_path):
    config = config_of(tmp_path, executor="dask", cluster="slurm", n_workers=3, n_cpus=4, memory=12 * 2**30)
    with dask.config.set({"jobqueue.slurm.account": "lab", "jobqueue.slurm.walltime": "05:00:00"}):
        cluster = slurm_cluster(of_each_worker(config))
        try:
            script = cluster.job_script()
        finally:
            cluster.close()
    for line in (
        "#SBATCH --cpus-per-task=4",
        "#SBATCH --mem=12G",
        "#SBATCH -A lab",
        "#SBATCH -t 05:00:00",
        "export OMP_NUM_THREADS=4",
        "export DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE=False",
    ):
        assert line in script.splitlines()
    assert f"{sys.executable} -m distributed.cli.dask_worker" in script
    assert "--nthreads 1" in script
    assert str(tmp_path / "work" / "dask") in script


def test_without_dask_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "bidsapp_synthfmri.workflow.dask_executor")
    monkeypatch.delitem(sys.modules, "bidsapp_synthfmri.workflow.dask_clusters")
    config = config_of(tmp_path, executor="dask", cluster="local")
    with pytest.raises(UsageError, match=r"bidsapp_synthfmri\[scale\]"), opened_executor(config):
        pass


def test_a_scheduler_that_does_not_answer_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(dask_clusters, "_CONNECT_S", 1)
    config = config_of(tmp_path, executor="dask", scheduler_address="tcp://127.0.0.1:9")
    with pytest.raises(UsageError, match=r"tcp://127\.0\.0\.1:9"), opened_client(config):
        pass


def test_workers_that_do_not_suit_are_refused(tmp_path, monkeypatch):
    config = config_of(tmp_path, executor="dask", scheduler_address="tcp://127.0.0.1:9")
    (tmp_path / "work").mkdir()
    with (
        LocalCluster(
            n_workers=1,
            threads_per_worker=2,
            processes=False,
            dashboard_address="127.0.0.1:0",
            local_directory=str(tmp_path / "dask"),
        ) as cluster,
        Client(cluster) as client,
    ):
        with pytest.raises(UsageError, match="2 units at a time"):
            require_suitable(client, config)
        monkeypatch.setattr(dask_clusters, "workers_of", lambda _: {})
        require_suitable(client, config)
        monkeypatch.setattr(dask_clusters, "_sees", lambda _: False)
        with pytest.raises(UsageError, match="does not see the work directory"):
            require_suitable(client, config)
        monkeypatch.setattr(dask_clusters, "_version", lambda: "0.0.1")
        with pytest.raises(UsageError, match=r"has bidsapp_synthfmri 0\.0\.1"):
            require_suitable(client, config)


def test_work_that_kills_every_worker_ends_as_memory_that_ran_out(tmp_path):
    def lose_worker(unit: int) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return unit

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
            local_directory=str(tmp_path / "dask"),
        ) as cluster,
        Client(cluster) as client,
    ):
        executor = DaskExecutor(client, 1, tmp_path)
        with pytest.raises(MemoryExceededError, match="1 Dask workers were lost"):
            list(executor.map(lose_worker, [1]))
        found = executor.map(lose_worker, [2], lost=lambda unit, error: (unit, type(error)))
        assert list(found) == [(2, MemoryExceededError)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cluster": "local"}, "without --executor dask"),
        ({"n_workers": 2, "scheduler_address": "tcp://a:1"}, "were given without --executor dask"),
        ({"executor": "dask"}, "not both or neither"),
        ({"executor": "dask", "cluster": "local", "scheduler_address": "tcp://a:1"}, "not both or neither"),
        ({"executor": "dask", "cluster": "local", "n_workers": 0}, "--n-workers is 0"),
        ({"executor": "dask", "scheduler_address": "tcp://a:1", "n_workers": 2}, "has its own workers"),
        ({"executor": "dask", "cluster": "slurm", "n_workers": 2}, "--mem, the memory of each"),
        ({"executor": "dask", "cluster": "local", "resource_monitor": True}, "records this process alone"),
        ({"executor": "dask", "n_workers": 0, "resource_monitor": True}, "3 things are wrong"),
    ],
)
def test_options_that_contradict_each_other_are_refused(tmp_path, options, words):
    with pytest.raises(UsageError, match=words):
        config_of(tmp_path, **options)
