"""Synthetic trials as a torch dataset: made on the fly, never stored."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from ..errors import UsageError
from ..features.images import ImageSource
from .noise_model import CALIBRATED
from .trials import require_samplable, sample_trials

if TYPE_CHECKING:
    from ..encoding import Encoder

__all__ = ["SyntheticDataset"]


class SyntheticDataset(IterableDataset[tuple[Tensor, Tensor]]):
    """Synthetic single trials of labelled images, epoch after epoch, to train a decoder on.

    Parameters
    ----------
    encoder : with its network at hand
    images : paths, Pillow images or (height, width, 3) uint8 arrays
    labels : one an image, integers
    repeats : presentations of each image an epoch, drawn from one prediction
    noise, snr_scale : see ``trials.sample_trials``
    uncertainty : also draw what the encoder does not know of an image, anew every epoch, once for its repeats
    seed : of order and noise
    epochs : how many, or None to go on for ever
    shuffle : whether images come in another order every epoch; a batch is drawn in that order
    batch_size : images a forward pass

    Yields
    ------
    responses (b, n_voxels) float32 and labels (b,) int64, b being ``repeats`` times the images of a batch:
    give a ``DataLoader`` the option ``batch_size=None``

    Raises
    ------
    UsageError : labels do not fit the images, there are none, or the encoder has not what is asked for

    Notes
    -----
    Each image is predicted once an epoch. What is drawn of it depends on seed, epoch and its position among
    the images, so every run gives the same epochs, and workers of a ``DataLoader``, which share the images
    of an epoch between them, the same trials as one process does, in another order and up to the float32
    rounding of predictions in other batches.
    """

    def __init__(
        self,
        encoder: Encoder,
        images: Sequence[ImageSource],
        labels: Sequence[int],
        *,
        repeats: int = 1,
        noise: str = CALIBRATED,
        snr_scale: float = 1.0,
        uncertainty: bool = False,
        seed: int = 0,
        epochs: int | None = 1,
        shuffle: bool = True,
        batch_size: int = 64,
    ) -> None:
        super().__init__()
        require_samplable(encoder.noise, noise, repeats, snr_scale)
        _require(len(images) > 0, "There are no images", "Give one or more")
        _require(
            len(labels) == len(images),
            f"There are {len(images)} images and {len(labels)} labels",
            "Give one label an image",
        )
        _require(batch_size >= 1, f"batch_size is {batch_size}", "Give 1 or more")
        _require(epochs is None or epochs >= 1, f"epochs is {epochs}", "Give 1 or more, or None for no end")
        if uncertainty:
            encoder.require_posterior()
        self._encoder, self._images = encoder, images
        self._labels = torch.as_tensor(labels, dtype=torch.int64)
        self._repeats, self._noise, self._snr_scale = repeats, noise, snr_scale
        self._uncertainty, self._seed = uncertainty, seed
        self._epochs, self._shuffle, self._batch_size = epochs, shuffle, batch_size

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        worker = get_worker_info()
        shard, n_shards = (0, 1) if worker is None else (worker.id, worker.num_workers)
        if shard >= len(self._images):
            return
        for epoch in itertools.count() if self._epochs is None else range(self._epochs):
            yield from self._epoch(epoch, self._order(epoch)[shard::n_shards])

    def _order(self, epoch: int) -> list[int]:
        """Positions of the images, the same for every worker."""
        n = len(self._images)
        order = self._generator(epoch, n).permutation(n) if self._shuffle else np.arange(n)
        return [int(position) for position in order]

    def _epoch(self, epoch: int, positions: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(0, len(positions), self._batch_size):
            batch = positions[start : start + self._batch_size]
            images = [self._images[position] for position in batch]
            trials = self._trials(images, [self._generator(epoch, position) for position in batch])
            responses = torch.from_numpy(trials).flatten(0, 1)  # (repeats * images, v)
            yield responses, self._labels[batch].repeat(self._repeats)

    def _trials(
        self, images: Sequence[ImageSource], rngs: Sequence[np.random.Generator]
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        encoder = self._encoder
        ((prediction, variance),) = encoder.uncertain_batches(images, len(images), self._uncertainty)
        return sample_trials(
            prediction,
            encoder.noise,
            self._repeats,
            rngs,
            kind=self._noise,
            snr_scale=self._snr_scale,
            variance=variance,
        )

    def _generator(self, epoch: int, position: int) -> np.random.Generator:
        """That of an image in an epoch; that of the epoch's order has the position after the last image's."""
        return np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(epoch, position)))


def _require(holds: bool, problem: str, remedy: str) -> None:
    if not holds:
        raise UsageError(problem, remedy)
