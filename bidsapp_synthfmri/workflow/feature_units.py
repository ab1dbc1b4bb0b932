"""Features of an image set by several workers: shards of images, cached apart, then put together."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from ..atomic import write_bytes
from ..config import RunConfig
from ..features.backbones import Backbone
from ..features.cache import cached_features, missing_bytes
from ..features.extraction import BATCH_SIZE
from ..features.images import ImageSource
from ..structures import Features, FloatArray, StimulusSet
from .executors import executor_here
from .networks import NetworkRecipe
from .preflight import FEATURE_CACHE

# Whole batches, so that the same images share one as without shards.
SHARD_SIZE = 2 * BATCH_SIZE
_MOST_DECODING = 2


def features_of(
    config: RunConfig, backbone: Backbone, stimuli: StimulusSet, told: Callable[[int], None]
) -> Features:
    """Features of every stimulus as ``cached_features`` gives them, by all who share the work.

    Parameters
    ----------
    told : told how many stimuli were finished since it was last told
    """
    cache, executor = config.work_folder.absolute() / FEATURE_CACHE, executor_here()
    if executor.scratch is not None and _is_missing(backbone, stimuli, cache):
        unit = FeatureUnit(
            NetworkRecipe.of(backbone, config), _listed(stimuli, executor.scratch), cache, config.cache_bytes
        )
        list(executor.map(make_features, [unit]))
    return cached_features(backbone, stimuli, cache, progress=told, max_bytes=config.cache_bytes)


@dataclass(frozen=True)
class FeatureUnit:
    """An image set's features to be put in the cache, once for all participants who saw the set.

    Attributes
    ----------
    network : what gives them
    pictures : JSON list of the pictures' paths
    cache : folder
    max_bytes : bound on the cache; None sets none
    """

    network: NetworkRecipe
    pictures: Path
    cache: Path
    max_bytes: int | None


@dataclass(frozen=True)
class ShardUnit:
    """Some of the distinct pictures of a set.

    Attributes
    ----------
    network, pictures : as of ``FeatureUnit``
    first, last : of the list, from 0, ``last`` not among them
    cache : of shards
    """

    network: NetworkRecipe
    pictures: Path
    first: int
    last: int
    cache: Path


def make_features(unit: FeatureUnit) -> None:
    """Put a set's features in the cache, from shards that are units of their own."""
    paths = json.loads(unit.pictures.read_text(encoding="utf-8"))
    extraction = SharedExtraction(unit.network, unit.pictures.parent)
    cached_features(
        unit.network.load(), _images(paths), unit.cache, max_bytes=unit.max_bytes, extractor=extraction
    )


def make_shard(unit: ShardUnit) -> None:
    """Put the features of some pictures in the shards' cache."""
    paths = json.loads(unit.pictures.read_text(encoding="utf-8"))[unit.first : unit.last]
    # One thread computes and decodes in turn; more threads leave one to the network.
    n_workers = min(torch.get_num_threads() - 1, _MOST_DECODING)
    cached_features(unit.network.load(), _images(paths), unit.cache, n_workers=n_workers)


@dataclass(frozen=True)
class SharedExtraction:
    """Takes the place of ``extraction.extract``: the same activations, computed shard by shard by all.

    Attributes
    ----------
    network : of which the nodes asked for are taken
    scratch : folder
    """

    network: NetworkRecipe
    scratch: Path

    def __call__(
        self, backbone: Backbone, images: Iterable[ImageSource], batch_size: int, n_workers: int
    ) -> Iterator[tuple[FloatArray, ...]]:
        """See ``extract``; ``n_workers`` counts where a shard is computed here."""
        if batch_size != BATCH_SIZE:
            raise ValueError(f"shards are made for batches of {BATCH_SIZE}")
        paths = [str(image) for image in images]
        pictures = _listed(_images(paths), self.scratch)
        recipe = NetworkRecipe(
            json.dumps(backbone.identity(), sort_keys=True), self.network.weights_file, self.network.device
        )
        cache = self.scratch / f"shards-{pictures.stem}"
        units = [
            ShardUnit(recipe, pictures, first, min(first + SHARD_SIZE, len(paths)), cache)
            for first in range(0, len(paths), SHARD_SIZE)
        ]
        for unit, _ in zip(units, executor_here().map(make_shard, units), strict=True):
            # Read from the cache, or computed again here where its disk has lost it.
            shard = cached_features(
                backbone, _images(paths[unit.first : unit.last]), cache, n_workers=n_workers
            )
            for start in range(0, unit.last - unit.first, BATCH_SIZE):
                yield tuple(layer.values[start : start + BATCH_SIZE] for layer in shard.layers)
        shutil.rmtree(cache, ignore_errors=True)


def _is_missing(backbone: Backbone, stimuli: StimulusSet, cache: Path) -> bool:
    return missing_bytes(backbone, stimuli, cache, [1] * len(backbone.nodes)) > 0


def _listed(stimuli: StimulusSet, scratch: Path) -> Path:
    """A file of the pictures' paths, named after them, so that equal sets make equal units."""
    content = json.dumps([str(Path(path).absolute()) for path in stimuli.table["path"]]).encode()
    path = scratch / f"pictures-{hashlib.sha256(content).hexdigest()[:16]}.json"
    if not path.exists():
        write_bytes(path, content)
    return path


def _images(paths: Sequence[str]) -> StimulusSet:
    return StimulusSet("pictures", pd.DataFrame({"stimulus": paths, "path": paths}))
