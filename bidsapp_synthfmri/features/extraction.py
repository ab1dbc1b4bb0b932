"""Activations of a backbone's layers to pictures, batch by batch."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import torch
from torch import Tensor

from ..structures import FloatArray
from .backbones import Backbone
from .images import ImageSource
from .preprocessing import Preprocessing
from .squares import Square, square

_LOGGER = logging.getLogger(__name__)

__all__ = ["ImageSource", "extract", "n_units"]

# Larger batches are no faster on a CPU, and leave its caches.
BATCH_SIZE = 32
_BATCHES_AHEAD = 2


def extract(
    backbone: Backbone,
    images: Iterable[ImageSource | Square],
    batch_size: int = BATCH_SIZE,
    n_workers: int = 0,
) -> Iterator[tuple[FloatArray, ...]]:
    """Features of pictures, in order.

    Parameters
    ----------
    backbone : network and layers
    images : files, pictures inside files, Pillow images, (height, width, 3) uint8 arrays, or pictures made
        square for this network; taken batch by batch, so that there may be any number of them
    batch_size : images a forward pass; the last batch may be smaller
    n_workers : threads that decode pictures while the network computes, at most two batches ahead;
        0 decodes in between

    Yields
    ------
    per layer (n_images of the batch, n_units) float32, units in C order of (channel, row, column)

    Raises
    ------
    InputMissingError, InputMalformedError : a picture that is not there or cannot be decoded
    torch.OutOfMemoryError : the device's memory does not hold one picture's activations

    Notes
    -----
    The same list, batch size and thread count give the same bits. Which images share a batch changes
    a feature only by float32 rounding, where a matrix product of another size sums in another order.
    A GPU computes a batch while the caller uses the one before it; where its memory runs out, batches are
    passed in smaller parts from then on, which is logged as a warning.
    """
    on_gpu = backbone.device.type == "cuda"
    computing: tuple[Tensor, ...] | None = None
    forward = _Forward(backbone)
    for pixels in _batches(backbone.preprocessing, images, batch_size, n_workers, pinned=on_gpu):
        layers = forward(pixels)
        if computing is not None:
            yield _arrays(computing)
        computing = layers if on_gpu else None
        if not on_gpu:
            yield _arrays(layers)
    if computing is not None:
        yield _arrays(computing)


class _Forward:
    """Forward passes of batches, in smaller parts once the device's memory does not hold a whole one."""

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone
        self._most: int | None = None

    def __call__(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """The layers' activations.

        Raises
        ------
        torch.OutOfMemoryError : not even one picture fits
        """
        while True:
            size = len(pixels) if self._most is None else min(self._most, len(pixels))
            try:
                parts = [self._backbone.activations(part) for part in torch.split(pixels, size)]
            except torch.OutOfMemoryError:
                if size == 1:
                    raise
                self._most = -(-size // 2)
                _LOGGER.warning(
                    "The memory of %s does not hold %d images at a time: %d are computed together",
                    self._backbone.device,
                    size,
                    self._most,
                )
                if self._backbone.device.type == "cuda":
                    torch.cuda.empty_cache()
            else:
                return parts[0] if len(parts) == 1 else tuple(map(torch.cat, zip(*parts, strict=True)))


def _arrays(layers: tuple[Tensor, ...]) -> tuple[FloatArray, ...]:
    return tuple(layer.cpu().numpy() for layer in layers)


def n_units(backbone: Backbone) -> tuple[int, ...]:
    """Units of each layer, by one forward pass of a black picture."""
    size = backbone.preprocessing.size
    black = torch.zeros((1, 3, size, size), dtype=torch.uint8)
    return tuple(layer.shape[1] for layer in backbone.activations(black))


def _batches(
    preprocessing: Preprocessing,
    images: Iterable[ImageSource | Square],
    batch_size: int,
    n_workers: int,
    pinned: bool,
) -> Iterator[Tensor]:
    """(n_images of the batch, 3, size, size) uint8 pixels, batch by batch, decoded in threads if any."""

    batches = _batched(images, batch_size)

    def decode(image: ImageSource | Square, place: Tensor) -> None:
        place.copy_(square(preprocessing, image).pixels)

    def place_for(batch: Sequence[ImageSource | Square]) -> Tensor:
        shape = (len(batch), 3, preprocessing.size, preprocessing.size)
        return torch.empty(shape, dtype=torch.uint8, pin_memory=pinned)

    if n_workers == 0:
        for batch in batches:
            pixels = place_for(batch)
            for image, place in zip(batch, pixels, strict=True):
                decode(image, place)
            yield pixels
        return
    executor = ThreadPoolExecutor(n_workers, thread_name_prefix="decode")
    try:
        waiting: deque[tuple[Tensor, list[Future[None]]]] = deque()
        for batch in batches:
            pixels = place_for(batch)
            decoding = [executor.submit(decode, *pair) for pair in zip(batch, pixels, strict=True)]
            waiting.append((pixels, decoding))
            if len(waiting) > _BATCHES_AHEAD:
                yield _decoded(*waiting.popleft())
        while waiting:
            yield _decoded(*waiting.popleft())
    finally:
        executor.shutdown(cancel_futures=True)


def _batched(
    images: Iterable[ImageSource | Square], batch_size: int
) -> Iterator[Sequence[ImageSource | Square]]:
    remaining = iter(images)
    while batch := list(islice(remaining, batch_size)):
        yield batch


def _decoded(pixels: Tensor, decoding: Sequence[Future[None]]) -> Tensor:
    for picture in decoding:
        picture.result()
    return pixels
