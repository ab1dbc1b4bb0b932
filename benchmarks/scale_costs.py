"""What units of work cost in one thread, and how long they take together: a run on paper."""

from __future__ import annotations

import heapq
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from bidsapp_synthfmri.encoding import Folds
from bidsapp_synthfmri.encoding.fit import N_VOXELS_BATCH
from bidsapp_synthfmri.encoding.kernels import linear_kernel
from bidsapp_synthfmri.encoding.layerwise import fit_layerwise
from bidsapp_synthfmri.encoding.left_out import FoldSolver
from bidsapp_synthfmri.encoding.nesting import MOST_OUTER
from bidsapp_synthfmri.encoding.ridge import DEFAULT_ALPHAS
from bidsapp_synthfmri.encoding.selection import VOXEL
from bidsapp_synthfmri.encoding.training import PenaltySearch, TrainingSet
from bidsapp_synthfmri.encoding.weights import layer_weights
from bidsapp_synthfmri.encoding.without import LeftOut, fit_without
from bidsapp_synthfmri.features.backbones import load_backbone
from bidsapp_synthfmri.features.cache import cached_features
from bidsapp_synthfmri.features.extraction import extract
from bidsapp_synthfmri.structures import LayerFeatures, StimulusSet
from bidsapp_synthfmri.workflow.feature_units import SHARD_SIZE

# docs/benchmarks.md: responses.py, file to single-trial responses of one run, of which reading is three
# quarters and more; and ladder.py, the default estimator on 16 runs of 1,500 voxels, in one thread.
RUN_VOXEL_S = 0.81 / 160_886
ESTIMATE_RUN_VOXEL_S = 5.8 / (16 * 1500)
TRIALS_A_RUN = 37
UNITS = 205_672
N_LAYERS = 8
_N_GROUPS = 5


@dataclass(frozen=True)
class Case:
    """Sizes of a data set: participants, each one's distinct images (all for training, once each), voxels."""

    participants: int
    images: int
    voxels: int


@dataclass(frozen=True)
class Costs:
    """Seconds of one thread, each over what it grows with.

    Attributes
    ----------
    picture : an image through AlexNet's eight layers into a shard
    assembly : a byte from a shard into the cache
    kernel : n^2 p, the images' number squared times a layer's units
    decomposition : n^3
    block : n^2 v, all penalties of a block of v voxels
    without : n^2 v, the same voxels without each of five groups of categories
    weights : n p v, weights of v voxels from p units
    """

    picture: float
    assembly: float
    kernel: float
    decomposition: float
    block: float
    without: float
    weights: float


@dataclass(frozen=True)
class Phase:
    """Units that do not need each other, and need all of the phase before: how many, and seconds of each."""

    name: str
    n_units: int
    unit_s: float


def phases(case: Case, costs: Costs) -> tuple[tuple[Phase, ...], tuple[Phase, ...]]:
    """Of a participant; those of the images that all participants saw, computed once, come apart."""
    n, v, p = case.images, case.voxels, UNITS / N_LAYERS
    n_runs, n_blocks = -(-n // TRIALS_A_RUN), -(-v // N_VOXELS_BATCH)
    rest = n * (MOST_OUTER - 1) / MOST_OUTER
    in_block = v / n_blocks

    def ridge(rows: float) -> float:
        return costs.decomposition * rows**3 + costs.block * rows**2 * in_block

    shards = -(-n // SHARD_SIZE)
    pictures = (
        Phase("image shards", shards, costs.picture * n / shards),
        Phase("shards put together", 1, costs.assembly * 4 * n * UNITS),
    )
    own = (
        Phase("runs", n_runs, RUN_VOXEL_S * v),
        Phase("single-trial estimates", 1, ESTIMATE_RUN_VOXEL_S * n_runs * v),
        Phase("layer kernels", N_LAYERS, costs.kernel * n**2 * p),
        Phase("ridge, outer loop", MOST_OUTER * N_LAYERS * n_blocks, ridge(rest)),
        Phase("ridge, all trials", N_LAYERS * n_blocks, ridge(n)),
        Phase("diagonals", N_LAYERS, costs.decomposition * n**3),
        Phase(
            "weights and categories left out",
            1,
            N_LAYERS * costs.decomposition * n**3
            + costs.without * n**2 * v
            + (1 + _N_GROUPS) * costs.weights * n * p * v,
        ),
    )
    return pictures, own


def makespan(case: Case, costs: Costs, n_workers: int) -> float:
    """Seconds until the last unit is done, each free worker taking the next unit that may begin.

    Units of a participant that began earlier go first. What passes between units is not counted.
    """
    pictures, own = phases(case, costs)
    jobs = [(*pictures, *own), *[own] * (case.participants - 1)]
    free = [0.0] * n_workers
    ready = [(0.0, job, 0) for job in range(len(jobs))]
    running: list[tuple[float, int, int]] = []
    left = {}
    waiting: list[tuple[int, int, int]] = []
    now = 0.0
    while ready or waiting or running:
        while ready and ready[0][0] <= now:
            _, job, phase = heapq.heappop(ready)
            left[job] = jobs[job][phase].n_units
            heapq.heappush(waiting, (job, phase, jobs[job][phase].n_units))
        while waiting and free and free[0] <= now:
            job, phase, n_units = heapq.heappop(waiting)
            heapq.heappop(free)
            done = now + jobs[job][phase].unit_s
            heapq.heappush(running, (done, job, phase))
            if n_units > 1:
                heapq.heappush(waiting, (job, phase, n_units - 1))
        now, job, phase = heapq.heappop(running)
        heapq.heappush(free, now)
        left[job] -= 1
        if left[job] == 0 and phase + 1 < len(jobs[job]):
            heapq.heappush(ready, (now, job, phase + 1))
    return now


def measured_costs(n: int, voxels: int, units: int, n_pictures: int) -> Costs:
    """Unit costs of this machine, in the threads that are set.

    Parameters
    ----------
    n : images that the fit's costs are measured on
    voxels, units : of one layer
    n_pictures : that go through the network
    """
    rng = np.random.default_rng(0)
    features = rng.standard_normal((n, units), dtype=np.float32)
    layer, rows, device = LayerFeatures("layer", features), np.arange(n), torch.device("cpu")
    kernel_s = _seconds(partial(linear_kernel, features, rows, device))
    kernel = linear_kernel(features, rows, device).float().numpy()
    signal = features[:, :64] @ rng.standard_normal((64, voxels), dtype=np.float32)
    values = signal + 16 * rng.standard_normal((n, voxels), dtype=np.float32)
    folds = Folds(rows * 15 // n, "15 folds")
    search = PenaltySearch(DEFAULT_ALPHAS, "window", device, torch.float32, voxels)
    training = TrainingSet(("layer",), kernel[None], rows, values, folds, search)
    decomposition_s = _seconds(lambda: training.decomposed(training.kernel(0), rows))
    solver = FoldSolver(training.decomposed(training.kernel(0), rows), folds, DEFAULT_ALPHAS)
    block_s = _seconds(lambda: training.block_scores(solver, rows, slice(0, voxels)))
    found = fit_layerwise(training, VOXEL, np.ones((1, voxels), dtype=bool))
    left_out = LeftOut(rows * _N_GROUPS // n, new_images=True)
    without_s = _seconds(lambda: fit_without(training, found, rows, left_out)) - decomposition_s
    dual = (found.dual[0] - found.dual[0].mean(axis=0)).astype(np.float32)
    shown = np.full(n, 1 / n)
    weights_s = _seconds(
        lambda: layer_weights(layer, rows, dual, shown, np.arange(voxels), min_voxels=voxels + 1)
    )
    picture_s, assembly_s = _feature_costs(n_pictures)
    return Costs(
        picture=picture_s,
        assembly=assembly_s,
        kernel=kernel_s / (n**2 * units),
        decomposition=decomposition_s / n**3,
        block=block_s / (n**2 * voxels),
        without=max(without_s, 0.0) / (n**2 * voxels),
        weights=weights_s / (n * units * voxels),
    )


def _feature_costs(n: int) -> tuple[float, float]:
    """Seconds a picture, and seconds a byte that is put from a shard into another entry of the cache."""
    from features import QUALITY, picture

    backbone = load_backbone("alexnet", "random", (), 0, torch.device("cpu"))
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        paths = [str(Path(name) / f"{number}.jpg") for number in range(n)]
        for path in paths:
            picture(rng).save(path, "JPEG", quality=QUALITY)
        images = StimulusSet("pictures", pd.DataFrame({"stimulus": paths, "path": paths}))
        cached_features(backbone, images, Path(name) / "warm", n_workers=0)
        shard_s = _seconds(partial(cached_features, backbone, images, Path(name) / "shard", n_workers=0))
        stored = list(extract(backbone, [Path(path) for path in paths]))

        def from_shard(*_: object, **__: object) -> Iterable[tuple[np.ndarray, ...]]:
            cached_features(backbone, images, Path(name) / "shard")
            return iter(stored)

        whole = partial(cached_features, backbone, images, Path(name) / "whole", extractor=from_shard)
        assembly_s = _seconds(whole)
    return shard_s / n, assembly_s / (4 * n * UNITS)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
