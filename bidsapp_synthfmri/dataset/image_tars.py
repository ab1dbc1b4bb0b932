"""Images in tar archives, as WebDataset lays them out; nothing is unpacked onto the disk."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path, PurePosixPath

from ..errors import InputMalformedError, InputMissingError
from ..features.stored import FileSpan
from .image_folder import IMAGE_SUFFIXES
from .image_listing import ListedImage, file_stamp, one_line, require_file

SUFFIX = ".tar"
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
# In order of preference, where several stand beside an image.
_LABEL_SUFFIXES = (".cls", ".json", ".txt")
_JSON_KEYS = ("label", "cls")
_MOST_LABEL_BYTES = 2**16


@dataclass(frozen=True)
class ImageTars:
    """Images of tar archives in order of their members.

    Members that share a name up to the first dot of its last part are one sample: an image may have its
    label in a ``.cls``, ``.json`` (key ``label`` or ``cls``) or ``.txt`` member beside it.

    Attributes
    ----------
    path : as it was given: an archive, or a pattern (``{000..012}``, ``*``) of several
    archives : the archives
    """

    path: Path
    archives: tuple[Path, ...]

    @classmethod
    def of(cls, path: Path) -> ImageTars:
        """The archives that a path or pattern names.

        Raises
        ------
        InputMissingError, ContentAbsentError : one is not there, or none matches the pattern
        """
        archives = (path,) if path.exists() else _matching(str(path))
        for archive in archives:
            require_file(archive)
        return cls(path, tuple(archives))

    def __iter__(self) -> Iterator[ListedImage]:
        for archive in self.archives:
            prefix = f"{archive.stem}/" if len(self.archives) > 1 else ""
            stamp = file_stamp(archive)
            for sample in _samples(archive):
                yield from sample.images(archive, prefix, stamp)


@dataclass(frozen=True)
class _Sample:
    """Members of one key: (name, offset, size) of images, text of labels by suffix."""

    members: list[tuple[str, int, int]]
    labels: dict[str, str]

    def images(self, archive: Path, prefix: str, stamp: str) -> Iterator[ListedImage]:
        label = next((self.labels[suffix] for suffix in _LABEL_SUFFIXES if suffix in self.labels), None)
        for name, offset, size in self.members:
            span = FileSpan(archive, offset, size, f"{archive}:{name}")
            yield ListedImage(prefix + name, span, label, f"{offset} {size} {stamp}")


def _samples(archive: Path) -> Iterator[_Sample]:
    """The archive's samples; members of one key follow each other."""
    key, sample = "", _Sample([], {})
    try:
        with tarfile.open(archive, "r:") as tar:
            while (member := tar.next()) is not None:
                tar.members.clear()  # type: ignore[attr-defined]  # else all headers would stay in memory
                name = member.name.removeprefix("./")
                if not member.isreg() or PurePosixPath(name).name.startswith("."):
                    continue
                here, suffix = _key(name)
                if here != key:
                    yield sample
                    key, sample = here, _Sample([], {})
                if suffix in IMAGE_SUFFIXES:
                    # Of a sparse member there is less than its size: it is read as damaged.
                    sample.members.append((name, member.offset_data, member.size))
                elif suffix in _LABEL_SUFFIXES and member.size <= _MOST_LABEL_BYTES:
                    file = tar.extractfile(member)
                    label = None if file is None else _label(suffix, file.read())
                    if label is not None:
                        sample.labels[suffix] = label
    except (tarfile.TarError, OSError) as error:
        raise InputMalformedError(
            f"{archive} is not a whole, uncompressed tar archive ({error})", "Make or fetch it again"
        ) from error
    yield sample


def _key(name: str) -> tuple[str, str]:
    """Name up to the first dot of its last part, and its last suffix in lower case."""
    path = PurePosixPath(name)
    return str(path.with_name(path.name.split(".")[0])), path.suffix.lower()


def _label(suffix: str, content: bytes) -> str | None:
    text = content.decode("utf-8", errors="replace")
    if suffix != ".json":
        return one_line(text)
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return None
    found = [values[key] for key in _JSON_KEYS if key in values] if isinstance(values, dict) else []
    return one_line(str(found[0])) if found and isinstance(found[0], (str, int)) else None


def _matching(pattern: str) -> Sequence[Path]:
    ranges = _RANGE.search(pattern)
    names = [pattern]
    if ranges:
        first, last = ranges.groups()
        numbers = range(int(first), int(last) + 1)
        names = [pattern.replace(ranges.group(), f"{number:0{len(first)}d}") for number in numbers]
    found = [path for name in names for path in (sorted(glob(name)) if glob(name) else [name])]  # noqa: PTH207
    if not any(Path(path).exists() for path in found):
        raise InputMissingError(f"There is no file {pattern}", "Check the path of the images")
    return [Path(path) for path in found]
