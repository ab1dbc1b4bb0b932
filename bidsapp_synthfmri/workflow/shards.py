"""How an image set is cut into files, and which image belongs into which."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..dataset.image_listing import ListedImage
from .images import NumberedImage

_MOST_BYTES = 100e6
_MOST_IMAGES = 2048
_BYTES_A_VALUE = 4


@dataclass(frozen=True)
class Shard:
    """Consecutive images of a source that share a file.

    Attributes
    ----------
    number : from 1
    first : position of its first image in the source, from 0
    n_images : how many, readable or not
    """

    number: int
    first: int
    n_images: int


def cut(n_images: int, size: int) -> tuple[Shard, ...]:
    """Shards of ``size`` images; the last may have fewer."""
    firsts = range(0, n_images, size)
    return tuple(
        Shard(number, first, min(size, n_images - first)) for number, first in enumerate(firsts, start=1)
    )


def default_size(n_voxels: int, repeats: int, batch_size: int) -> int:
    """Images a shard: at most 2,048 and 100 MB, whole batches where several fit."""
    fitting = int(_MOST_BYTES / (_BYTES_A_VALUE * n_voxels * repeats))
    size = max(1, min(_MOST_IMAGES, fitting))
    return size - size % batch_size if size > batch_size else size


def images_of(listing: Iterable[ListedImage], shards: Iterable[Shard]) -> Iterator[NumberedImage]:
    """The images of some shards, given in order; those of others are passed over unread."""
    numbered = enumerate(listing)
    for shard in shards:
        for position, image in numbered:
            if position >= shard.first:
                yield NumberedImage(position, image)
            if position == shard.first + shard.n_images - 1:
                break
