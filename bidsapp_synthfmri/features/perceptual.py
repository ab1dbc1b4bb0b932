"""Pictures that show the same: equal files, near-duplicates and mirrored ones.

A pair is a near-duplicate where the perceptual hashes (pHash, 64 bits) differ in at most ``MOST_BITS`` and
the thumbnails correlate at ``LEAST_CORRELATION`` or more. docs/leakage.md has what both limits rest on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..structures import BoolArray, FloatArray, IntArray
from .cache import file_sha256
from .images import open_rgb
from .stored import StoredPicture

MOST_BITS = 10
LEAST_CORRELATION = 0.9
SAME_FILE, NEAR, MIRRORED = "same-file", "near-duplicate", "mirrored"

# The size to which pHash of 8 x 8 coefficients brings a picture itself.
_HASHED_SIZE = 32
_THUMBNAIL_SIZE = 8
# Standard deviation in grey levels; below it bits of the hash are rounding errors of the decoder.
_FLAT_SD = 1.0
_PAIRS_PER_BLOCK = 2**22

HashArray = NDArray[np.uint64]


@dataclass(frozen=True)
class PictureCodes:
    """What pictures are compared by.

    Attributes
    ----------
    contents : SHA-256 of each file
    hashes, mirrored : (n_pictures,) perceptual hash of each picture, and of its mirror image
    thumbnails : (n_pictures, 8, 8) grey levels of mean 0 and length 1; zero where the picture is flat
    """

    contents: tuple[str, ...]
    hashes: HashArray
    mirrored: HashArray
    thumbnails: FloatArray

    def __len__(self) -> int:
        return len(self.contents)

    @property
    def is_flat(self) -> BoolArray:
        """(n_pictures,) pictures of one grey level, which are compared by their files alone."""
        return ~np.asarray(self.thumbnails.any(axis=(1, 2)), dtype=np.bool_)

    def take(self, rows: IntArray) -> PictureCodes:
        """The codes of some pictures."""
        return PictureCodes(
            tuple(self.contents[row] for row in rows),
            self.hashes[rows],
            self.mirrored[rows],
            self.thumbnails[rows],
        )


@dataclass(frozen=True)
class Alike:
    """Two pictures that show the same.

    Attributes
    ----------
    first, second : their rows
    kind : ``same-file``, ``near-duplicate`` or ``mirrored``
    distance : bits in which the perceptual hashes differ, the first picture mirrored where the kind says so
    correlation : of the thumbnails, likewise
    """

    first: int
    second: int
    kind: str
    distance: int
    correlation: float


def picture_codes(pictures: Sequence[Path | StoredPicture], n_workers: int = 2) -> PictureCodes:
    """Open pictures once, and keep what they are compared by.

    Parameters
    ----------
    pictures : files, or pictures inside files
    n_workers : threads

    Raises
    ------
    InputMissingError, InputMalformedError : a picture that is not there or cannot be decoded
    """
    with ThreadPoolExecutor(n_workers, thread_name_prefix="hash") as executor:
        greys = list(executor.map(_grey, pictures))
        contents = tuple(executor.map(file_sha256, pictures))
    levels = np.array(greys, dtype=np.uint8).reshape(len(pictures), _HASHED_SIZE, _HASHED_SIZE)
    return PictureCodes(contents, _hashes(levels), _hashes(levels[:, :, ::-1]), _thumbnails(levels))


def alike_pairs(first: PictureCodes, second: PictureCodes) -> Iterator[Alike]:
    """Pairs of one picture of either set that show the same, in order of the first's rows, then the second's.

    Notes
    -----
    Zauner 2010 (perceptual hash of the discrete cosine transform). A picture that equals another upright and
    mirrored (a symmetric one) counts as upright.
    """
    rows_of: dict[str, list[int]] = {}
    for row, content in enumerate(second.contents):
        rows_of.setdefault(content, []).append(row)
    n_rows = max(1, _PAIRS_PER_BLOCK // max(len(second), 1))
    for start in range(0, len(first), n_rows):
        rows = np.arange(start, min(start + n_rows, len(first)))
        found = {(pair.first, pair.second): pair for pair in _near(first, second, rows)}
        for row in rows.tolist():
            for other in rows_of.get(first.contents[row], []):
                found[row, other] = Alike(row, other, SAME_FILE, 0, 1.0)
        yield from (found[key] for key in sorted(found))


def alike_within(codes: PictureCodes) -> Iterator[Alike]:
    """Pairs of different pictures of one set that show the same, each pair once."""
    return (pair for pair in alike_pairs(codes, codes) if pair.first < pair.second)


def _grey(picture: Path | StoredPicture) -> NDArray[np.uint8]:
    size = (_HASHED_SIZE, _HASHED_SIZE)
    return np.asarray(open_rgb(picture).convert("L").resize(size, Image.Resampling.LANCZOS))


def _hashes(levels: NDArray[np.uint8]) -> HashArray:
    """(n,) perceptual hashes of (n, 32, 32) grey levels."""
    bits = [imagehash.phash(Image.fromarray(np.ascontiguousarray(grey))).hash.ravel() for grey in levels]
    packed = np.packbits(np.array(bits, dtype=bool).reshape(len(levels), 64), axis=1)
    return np.ascontiguousarray(packed).view(np.uint64).ravel()


def _thumbnails(levels: NDArray[np.uint8]) -> FloatArray:
    """(n, 8, 8) standardised thumbnails of (n, 32, 32) grey levels."""
    side = _HASHED_SIZE // _THUMBNAIL_SIZE
    cells = levels.reshape(-1, _THUMBNAIL_SIZE, side, _THUMBNAIL_SIZE, side)
    small = cells.mean(axis=(2, 4), dtype=np.float64)
    small -= small.mean(axis=(1, 2), keepdims=True)
    length = np.sqrt((small**2).sum(axis=(1, 2), keepdims=True))
    varies = length > _FLAT_SD * _THUMBNAIL_SIZE
    unit: NDArray[np.float64] = np.divide(small, length, out=np.zeros_like(small), where=varies)
    return unit.astype(np.float32)


def _near(first: PictureCodes, second: PictureCodes, rows: IntArray) -> Iterator[Alike]:
    """Near-duplicates and mirrored pictures of some rows of the first set."""
    upright = np.bitwise_count(first.hashes[rows, None] ^ second.hashes)  # (n_rows, n_second)
    mirrored = np.bitwise_count(first.mirrored[rows, None] ^ second.hashes)
    for kind, distances, step in ((MIRRORED, mirrored, -1), (NEAR, upright, 1)):
        near, others = np.nonzero(distances <= MOST_BITS)
        left = first.thumbnails[rows[near]][:, :, ::step]
        correlations = np.einsum("pij,pij->p", left, second.thumbnails[others])
        for place, other, correlation in zip(near, others, correlations, strict=True):
            if correlation >= LEAST_CORRELATION:
                distance = int(distances[place, other])
                yield Alike(int(rows[place]), int(other), kind, distance, float(correlation))
