"""Pictures as a network takes them, made ahead of it, the unreadable ones told apart."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

from torch import Tensor

from ..errors import InputMalformedError, InputMissingError
from .images import ImageSource, open_rgb
from .preprocessing import Preprocessing

Unreadable = InputMissingError | InputMalformedError


@dataclass(frozen=True, eq=False)
class Square:
    """A picture decoded and made square, not yet standardised.

    Attributes
    ----------
    pixels : (3, size, size) uint8
    """

    pixels: Tensor


def square(preprocessing: Preprocessing, image: ImageSource | Square) -> Square:
    """The picture as the network takes it; one that is square already stays as it is.

    Raises
    ------
    InputMissingError, InputMalformedError : a picture that is not there or cannot be decoded
    """
    return image if isinstance(image, Square) else Square(preprocessing.square(open_rgb(image)))


def squares_ahead(
    preprocessing: Preprocessing, images: Iterable[ImageSource], n_workers: int, n_ahead: int
) -> Iterator[Square | Unreadable]:
    """One item a picture, in order: the picture, or what says why it cannot be had.

    Parameters
    ----------
    preprocessing : of the network
    images : taken one by one, at most ``n_ahead`` before they are asked for
    n_workers : threads that decode
    n_ahead : pictures decoded ahead; they are what is held in memory
    """

    def attempt(image: ImageSource) -> Square | Unreadable:
        try:
            return square(preprocessing, image)
        except (InputMissingError, InputMalformedError) as error:
            return error

    remaining = iter(images)
    executor = ThreadPoolExecutor(n_workers, thread_name_prefix="decode")
    try:
        waiting: deque[Future[Square | Unreadable]] = deque(
            executor.submit(attempt, image) for image in islice(remaining, n_ahead)
        )
        while waiting:
            made = waiting.popleft().result()
            waiting.extend(executor.submit(attempt, image) for image in islice(remaining, 1))
            yield made
    finally:
        executor.shutdown(cancel_futures=True)


def readable(squares: Iterable[Square | Unreadable]) -> Iterator[Square]:
    """The pictures, refused at the first that cannot be read.

    Raises
    ------
    InputMissingError, InputMalformedError : that one's
    """
    for made in squares:
        if not isinstance(made, Square):
            raise made
        yield made
