"""TSV files, cell by cell as they stand."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd

from ..errors import InputMalformedError, InputMissingError

MISSING = frozenset({"", "n/a"})


def read_columns(path: Path) -> tuple[str, ...]:
    """Names of a TSV file's columns.

    Raises
    ------
    InputMissingError : not there
    """
    if not path.is_file():
        raise InputMissingError(f"{path} is not there, or a link that leads nowhere", "Fetch or make it")
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return tuple(name.strip() for name in file.readline().rstrip("\r\n").split("\t"))


def read_tsv(path: Path) -> pd.DataFrame:
    """A TSV file as text; blank lines are left out, nothing is converted.

    Raises
    ------
    InputMalformedError : empty, not UTF-8, a column name twice, or a row of another length
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
    return pd.DataFrame([cells for _, cells in rows[1:]], columns=columns, dtype=str)


def column_names(table: pd.DataFrame) -> tuple[str, ...]:
    """Names of a table's columns."""
    return tuple(map(str, table.columns))


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter="\t")
            return [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputMalformedError(f"{path} is no TSV table: {error}", "Save it as UTF-8 TSV") from error
