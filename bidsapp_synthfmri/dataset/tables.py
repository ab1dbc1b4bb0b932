"""TSV files, cell by cell as they stand."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pandas as pd

from ..errors import OF_THE_MACHINE, InputMalformedError, InputMissingError

MISSING = frozenset({"", "n/a"})
# A table is held as text, some 60 bytes a cell more than it has letters. Two million rows label all pictures
# of ImageNet; a day of fMRI has some 10,000 events, and 100,000 volumes at most.
MOST_ROWS = 2_000_000
MOST_BYTES = 256 * 2**20
_LONGEST_HEADER = 2**20
_TOO_LARGE = "Check what it is, and leave out the rows that are not of this run"
_SHOWN = 40
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f\ufffe\uffff]")


def read_columns(path: Path) -> tuple[str, ...]:
    """Names of a TSV file's columns.

    Raises
    ------
    InputMissingError : not there, or may not be read
    """
    with _readable(path), path.open(encoding="utf-8-sig", errors="replace") as file:
        return tuple(name.strip() for name in file.readline(_LONGEST_HEADER).rstrip("\r\n").split("\t"))


def read_tsv(path: Path) -> pd.DataFrame:
    """A TSV file as text; blank lines are left out, nothing is converted.

    Raises
    ------
    InputMissingError : not there, or may not be read
    InputMalformedError : empty, not UTF-8, larger than any table that is meant, a column name twice, a row of
        another length, a quotation mark that nothing closes, or a character that no line of text has
    """
    rows = _rows(path)
    if not rows:
        raise InputMalformedError(f"{path} is empty", "Make or fetch the file again")
    columns = [name.strip() for name in rows[0][1]]
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise InputMalformedError(
            f"{path} has several columns named {', '.join(twice)}", "Give each column its own name"
        )
    for line, cells in rows:
        if len(cells) != len(columns):
            raise InputMalformedError(
                f"{path}, line {line}, has {len(cells)} cells under {len(columns)} columns",
                "Mend the line; an empty cell is written n/a",
            )
        _require_printable(path, line, cells)
    return pd.DataFrame([cells for _, cells in rows[1:]], columns=columns, dtype=str)


def column_names(table: pd.DataFrame) -> tuple[str, ...]:
    """Names of a table's columns."""
    return tuple(map(str, table.columns))


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """Line number and cells of every row, the header's first."""
    with _readable(path):
        if path.stat().st_size > MOST_BYTES:
            raise InputMalformedError(f"{path} is larger than {MOST_BYTES / 2**20:.0f} MiB", _TOO_LARGE)
        rows = list(islice(_lines(path), MOST_ROWS + 2))
    if len(rows) > MOST_ROWS + 1:
        raise InputMalformedError(f"{path} has more than {MOST_ROWS:,} rows", _TOO_LARGE)
    return rows


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        # Strict: else a quotation mark that nothing closes would swallow all rows behind it.
        reader = csv.reader(file, delimiter="\t", strict=True)
        try:
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield reader.line_num, cells
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputMalformedError(
                f"{path} is no TSV table: {error} (line {reader.line_num + 1})", "Save it as UTF-8 TSV"
            ) from error


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Refuse what is no file, or may not be read."""
    if path.exists() and not path.is_file():
        raise InputMissingError(f"{path} is no file", "Put the table there")
    try:
        yield
    except FileNotFoundError as error:
        raise InputMissingError(
            f"{path} is not there, or a link that leads nowhere", "Fetch or make it"
        ) from error
    except OSError as error:
        if error.errno in OF_THE_MACHINE:
            raise
        raise InputMissingError(
            f"{path} cannot be read ({error.strerror})", "Grant permission to read it"
        ) from error


def _require_printable(path: Path, line: int, cells: list[str]) -> None:
    for cell in cells:
        if _UNPRINTABLE.search(cell):
            raise InputMalformedError(
                f"{path}, line {line}, has {cell[:_SHOWN]!r} in a cell, which no table of results can hold",
                "Write it without tab, line break or control character",
            )
