"""Responses to an extra image set by several workers, some images each, from the encoder in a file."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from uuid import uuid4

import numpy as np

from ..atomic import replacing
from ..config import RunConfig
from ..encoding import Encoder
from ..structures import StimulusSet, Synthetic
from .executors import executor_here
from .model import BATCH_SIZE, predict_images, synthesised

# Whole batches, so that the same images share one as without shards.
SHARD_SIZE = 2 * BATCH_SIZE


@dataclass(frozen=True)
class ImageUnit:
    """Some images of a set.

    Attributes
    ----------
    encoder : its file
    weights_file : of its network, where the weights came from a file
    device : where to compute
    images : the images alone
    first : place of the first of them in the set
    """

    encoder: Path
    weights_file: Path | None
    device: str
    images: StimulusSet
    first: int

    @property
    def result(self) -> Path:
        """The file to make, (n_images, n_voxels) float32."""
        return self.encoder.parent / f"images{self.first}.npy"


def predict_some(unit: ImageUnit) -> None:
    """Make the file of responses; see ``predict_images`` for errors."""
    encoder = _encoder(unit.encoder, unit.weights_file, unit.device)
    with replacing(unit.result) as stream:
        np.save(stream, predict_images(encoder, unit.images), allow_pickle=False)


def synthesise_set(encoder: Encoder, images: StimulusSet, config: RunConfig) -> Synthetic:
    """Responses to an extra image set, by all who share the work.

    Raises
    ------
    InputMissingError, InputMalformedError : a picture that is not there or cannot be decoded
    """
    executor, network = executor_here(), encoder.backbone
    if executor.scratch is None or network is None or len(images) <= SHARD_SIZE or not executor.spare:
        return synthesised(encoder, images, predict_images(encoder, images))
    folder = executor.scratch / f"images-{uuid4().hex}"
    folder.mkdir(parents=True)
    try:
        path = folder / "encoder.safetensors"
        encoder.save(path)
        weights_file = Path(config.weights) if network.weights == "file" else None
        units = [
            ImageUnit(path, weights_file, network.device.type, _some(images, first), first)
            for first in range(0, len(images), SHARD_SIZE)
        ]
        list(executor.map(predict_some, units))
        values = np.empty((len(images), len(encoder.voxels)), dtype=np.float32)
        for unit in units:
            values[unit.first : unit.first + len(unit.images)] = np.load(
                unit.result, mmap_mode="r", allow_pickle=False
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return synthesised(encoder, images, values)


def _some(images: StimulusSet, first: int) -> StimulusSet:
    return StimulusSet(images.name, images.table.iloc[first : first + SHARD_SIZE].reset_index(drop=True))


@lru_cache(maxsize=1)
def _encoder(path: Path, weights_file: Path | None, device: str) -> Encoder:
    return Encoder.load(path, weights_file, device)
