"""Activations of a backbone's layers to pictures, batch by batch."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from ..structures import FloatArray
from .backbones import Backbone
from .images import ImageSource, open_rgb
from .preprocessing import Preprocessing

__all__ = ["ImageSource", "extract", "n_units"]

_BATCHES_AHEAD = 2


def extract(
    backbone: Backbone, images: Sequence[ImageSource], batch_size: int = 64, n_workers: int = 0
) -> Iterator[tuple[FloatArray, ...]]:
    """Features of pictures, in order.

    Parameters
    ----------
    backbone : network and layers
    images : files, Pillow images or (height, width, 3) uint8 arrays
    batch_size : images a forward pass; the last batch may be smaller
    n_workers : threads that decode pictures while the network computes, at most two batches ahead;
        0 decodes in between

    Yields
    ------
    per layer (n_images of the batch, n_units) float32, units in C order of (channel, row, column)

    Raises
    ------
    InputMissingError, InputMalformedError : a picture that is not there or cannot be decoded

    Notes
    -----
    The same list, batch size and thread count give the same bits. Which images share a batch changes
    a feature only by float32 rounding, where a matrix product of another size sums in another order.
    """
    for pixels in _batches(backbone.preprocessing, images, batch_size, n_workers):
        layers = backbone.activations(pixels)
        yield tuple(layer.cpu().numpy() for layer in layers)


def n_units(backbone: Backbone) -> tuple[int, ...]:
    """Units of each layer, by one forward pass of a black picture."""
    crop = backbone.preprocessing.crop
    black = torch.zeros((1, 3, crop, crop), dtype=torch.uint8)
    return tuple(layer.shape[1] for layer in backbone.activations(black))


def _batches(
    preprocessing: Preprocessing, images: Sequence[ImageSource], batch_size: int, n_workers: int
) -> Iterator[Tensor]:
    """(n_images of the batch, 3, crop, crop) uint8 pixels, batch by batch."""
    pixels = _pixels(preprocessing, images, _BATCHES_AHEAD * batch_size, n_workers)
    for start in range(0, len(images), batch_size):
        yield torch.stack([next(pixels) for _ in images[start : start + batch_size]])


def _pixels(
    preprocessing: Preprocessing, images: Sequence[ImageSource], ahead: int, n_workers: int
) -> Iterator[Tensor]:
    """(3, crop, crop) uint8 of each picture in order, decoded in threads where there are any."""

    def decoded(image: ImageSource) -> Tensor:
        return preprocessing.crop_pixels(open_rgb(image))

    if n_workers == 0:
        yield from map(decoded, images)
        return
    executor = ThreadPoolExecutor(n_workers, thread_name_prefix="decode")
    try:
        waiting: deque[Future[Tensor]] = deque()
        for image in images:
            waiting.append(executor.submit(decoded, image))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        executor.shutdown(cancel_futures=True)
