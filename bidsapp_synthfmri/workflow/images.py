"""Images of a source on their way to an encoder: decoded ahead, the unreadable ones told apart."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ..dataset.image_listing import ListedImage
from ..derivatives.manifest import SkippedImage
from ..errors import InputMalformedError
from ..features.images import ImageSource
from ..features.preprocessing import Preprocessing
from ..features.squares import Square, Unreadable, squares_ahead
from .console import LOGGER

# As many are decoded while the network computes on one.
BATCHES_AHEAD = 2


@dataclass(frozen=True)
class NumberedImage:
    """An image, and its position in the source, from 0."""

    position: int
    image: ListedImage


Decoded = tuple[NumberedImage, Square | Unreadable]


def decoded(
    images: Iterable[NumberedImage], preprocessing: Preprocessing, n_workers: int, n_ahead: int
) -> Iterator[Decoded]:
    """Every image with its pixels, or with what says why it has none; see ``squares_ahead``."""
    begun: deque[NumberedImage] = deque()

    def pictures() -> Iterator[ImageSource]:
        for numbered in images:
            begun.append(numbered)
            yield numbered.image.picture

    for made in squares_ahead(preprocessing, pictures(), n_workers, n_ahead):
        yield begun.popleft(), made


def require_listed(pictures: Readable, n_images: int) -> None:
    """Refuse a source that lists fewer images than when it was surveyed.

    Raises
    ------
    InputMalformedError : it does
    """
    found = len(pictures.kept) + len(pictures.skipped)
    if found < n_images:
        raise InputMalformedError(
            f"The images changed while they were read: {n_images - found} are no longer listed",
            "Leave them alone until the run is over, and give another OUT",
        )


class Readable:
    """The pictures of some images that can be read, to be gone through once.

    Parameters
    ----------
    images : decoded
    strict : raise at the first picture that cannot be read
    told : called with 1 for each image that was skipped

    Attributes
    ----------
    kept : the images yielded so far
    skipped : the images left out so far
    """

    def __init__(self, images: Iterable[Decoded], strict: bool, told: Callable[[int], None]) -> None:
        self._images, self._strict, self._told = images, strict, told
        self.kept: list[NumberedImage] = []
        self.skipped: list[SkippedImage] = []

    def __iter__(self) -> Iterator[Square]:
        for numbered, made in self._images:
            if isinstance(made, Square):
                self.kept.append(numbered)
                yield made
                continue
            if self._strict:
                raise InputMalformedError(made.problem, f"{made.remedy}, or leave out --strict to skip it")
            LOGGER.warning("skipped: %s", made.problem)
            self.skipped.append(SkippedImage(numbered.image.stimulus, made.problem))
            self._told(1)
