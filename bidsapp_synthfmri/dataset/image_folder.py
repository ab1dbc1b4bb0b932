"""Images of a folder, and images that a table names."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputMalformedError
from .image_listing import ListedImage, file_stamp, one_line, require_file
from .outside import leads_outside, links_outside

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".gif", ".webp"})
_PATH, _LABEL = "path", "label"


@dataclass(frozen=True)
class ImageFolder:
    """Every image below a folder, sorted by path; hidden ones are left out.

    The first level of subfolders, if there is any, are the categories; linked folders are not gone into.

    Attributes
    ----------
    path : the folder
    """

    path: Path

    def __iter__(self) -> Iterator[ListedImage]:
        for stimulus, path in _walk(self.path, ""):
            folder, separator, _ = stimulus.partition("/")
            yield ListedImage(stimulus, path, folder if separator else None, file_stamp(path))


@dataclass(frozen=True)
class ImageTable:
    """The images that a TSV file names, in its order: column ``path`` and, optionally, ``label``.

    Paths are relative to the table's folder and may not lead out of it.

    Attributes
    ----------
    path : the table
    """

    path: Path

    def __iter__(self) -> Iterator[ListedImage]:
        require_file(self.path)
        folder = self.path.parent
        inside = Path(os.path.realpath(folder))
        for line, name, label in self._rows():
            relative = _relative(name, folder)
            path = folder / relative
            if leads_outside(relative) or links_outside(path, inside):
                raise InputMalformedError(
                    f"{self.path}, line {line}, names {name}, which lies outside {folder}",
                    "Keep the table in a folder above its pictures, and name them relative to it",
                )
            yield ListedImage(relative, path, label, file_stamp(path))

    def _rows(self) -> Iterator[tuple[int, str, str | None]]:
        """Line number, path and label of each row; read as they are asked for."""
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.reader(file, delimiter="\t")
                columns = [name.strip() for name in next(reader, [])]
                if columns.count(_PATH) != 1 or columns.count(_LABEL) > 1:
                    raise InputMalformedError(
                        f"{self.path} has no column {_PATH} (it has {', '.join(columns) or 'none'}),"
                        f" or {_PATH} or {_LABEL} twice",
                        f"Name the pictures in one column {_PATH}, their categories in one column {_LABEL}",
                    )
                for cells in reader:
                    if any(cell.strip() for cell in cells):
                        yield reader.line_num, *self._row(columns, cells, reader.line_num)
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputMalformedError(
                f"{self.path} is no TSV table: {error}", "Save it as UTF-8 TSV"
            ) from error

    def _row(self, columns: Sequence[str], cells: Sequence[str], line: int) -> tuple[str, str | None]:
        if len(cells) != len(columns):
            raise InputMalformedError(
                f"{self.path}, line {line}, has {len(cells)} cells under {len(columns)} columns",
                "Mend the line; an empty cell is written n/a",
            )
        row = dict(zip(columns, cells, strict=True))
        name, label = row[_PATH].strip(), row.get(_LABEL)
        if not name or name == "n/a" or (label is not None and not label.strip()):
            raise InputMalformedError(
                f"{self.path}, line {line}, has an empty {_PATH if not name or name == 'n/a' else _LABEL}",
                "Mend the line; an image without a label has n/a there",
            )
        if "\0" in name:
            raise InputMalformedError(
                f"{self.path}, line {line}, names {name!r}, which no file is called", "Mend the line"
            )
        return name, None if label is None else one_line(label)


def _walk(folder: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    """Relative name and path of every image, in order of the names; holds one folder's entries a level."""
    try:
        entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in os.scandir(folder)]
    except OSError as error:
        raise InputMalformedError(
            f"{folder} cannot be read ({error.strerror})", "Make it readable, or move it away"
        ) from error
    # With a slash behind folders, order within each is order of the whole paths.
    for name, is_folder in sorted((f"{n}/" if d else n, d) for n, d in entries if not n.startswith(".")):
        if is_folder:
            yield from _walk(folder / name, prefix + name)
        elif Path(name).suffix.lower() in IMAGE_SUFFIXES and not (folder / name).is_dir():
            yield prefix + name, folder / name


def _relative(name: str, folder: Path) -> str:
    """A path as the table means it; an absolute one that lies below the folder counts from there."""
    path = Path(name)
    absolute = folder.absolute()
    if path.is_absolute() and path.is_relative_to(absolute):
        return path.relative_to(absolute).as_posix()
    return name
