"""Tables as BIDS TSV: every value has one spelling, and reads back as what it was."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from ..errors import InputMalformedError, SynthfmriError
from ..formulas import marked, unmarked
from ..structures import Json

MISSING = "n/a"
_BREAKS_A_LINE = re.compile(r"[\r\n\0]")

# BIDS value formats, by what pandas.api.types.infer_dtype says of a column.
_KINDS = {
    "floating": "number",
    "mixed-integer-float": "number",
    "integer": "integer",
    "boolean": "boolean",
}


def kinds_of(table: pd.DataFrame) -> dict[str, str]:
    """BIDS value format of each column: ``number``, ``integer``, ``boolean`` or ``string``."""
    return {str(name): _kind(column) for name, column in table.items()}


def table_text(table: pd.DataFrame) -> str:
    """The table as TSV; missing values and empty text are ``n/a``, floats their shortest exact spelling.

    Text that a spreadsheet would take for a formula has an apostrophe before it (``formulas.marked``).

    Raises
    ------
    SynthfmriError : column names that are not distinct, or text with a tab or line break in it
    """
    names = [str(name) for name in table.columns]
    if len(set(names)) < len(names):
        raise SynthfmriError(f"A table has a column twice: {', '.join(names)}", "Report this defect")
    columns = [_cells(table.iloc[:, position]) for position in range(len(names))]
    lines = ["\t".join(names), *("\t".join(row) for row in zip(*columns, strict=True))]
    for line in lines:
        if line.count("\t") != len(names) - 1 or _BREAKS_A_LINE.search(line):
            raise InputMalformedError(
                f"A table's text has a tab or line break in it: {line!r}", "Rename that value in the input"
            )
    return "\n".join(lines) + "\n"


def parse_table(text: str, dictionary: Json, source: str) -> pd.DataFrame:
    """Read what ``table_text`` gave, its columns typed by the data dictionary beside it.

    Parameters
    ----------
    text : the TSV
    dictionary : the sidecar; ``Format`` of each column
    source : the file, for messages

    Raises
    ------
    InputMalformedError : ragged, a column without an entry, or a value that is not of its format
    """
    rows = [line.split("\t") for line in text.removesuffix("\n").split("\n")]
    if rows == [[""]] or any(len(row) != len(rows[0]) for row in rows):
        raise InputMalformedError(f"{source} is empty or its rows differ in length", _REWRITE)
    body = list(zip(*rows[1:], strict=True)) or [()] * len(rows[0])
    columns: dict[str, pd.Series[Any]] = {}
    for name, cells in zip(rows[0], body, strict=True):
        entry = dictionary.get(name)
        kind = entry.get("Format") if isinstance(entry, dict) else None
        if kind not in _READERS:
            raise InputMalformedError(f"{source}: column {name!r} has no Format in its sidecar", _REWRITE)
        try:
            columns[name] = _READERS[kind](cells)
        except (ValueError, KeyError) as error:
            problem = f"{source}: column {name!r} holds a value that is no {kind}: {error}"
            raise InputMalformedError(problem, _REWRITE) from error
    return pd.DataFrame(columns)


_REWRITE = "Run the level that writes it again"


def _kind(column: pd.Series[Any]) -> str:
    if pd.api.types.is_bool_dtype(column.dtype):
        return "boolean"
    if pd.api.types.is_float_dtype(column.dtype):
        return "number"
    return _KINDS.get(pd.api.types.infer_dtype(column, skipna=True), "string")


def _cells(column: pd.Series[Any]) -> list[str]:
    spell = _SPELLINGS[_kind(column)]
    missing = column.isna()
    return [MISSING if absent else spell(value) for value, absent in zip(column.array, missing, strict=True)]


def _text_cell(value: Any) -> str:
    return marked(str(value)) or MISSING


def _number_cell(value: Any) -> str:
    # str() of a float32 is the shortest text that reads back as that float32; so for float64.
    return str(value if isinstance(value, np.floating) else float(value))


_SPELLINGS: dict[str, Callable[[Any], str]] = {
    "string": _text_cell,
    "number": _number_cell,
    "integer": lambda value: str(int(value)),
    "boolean": lambda value: "true" if value else "false",
}


def _read_text(cells: tuple[str, ...]) -> pd.Series[Any]:
    return pd.Series([None if cell == MISSING else unmarked(cell) for cell in cells] or [""])[: len(cells)]


def _read_numbers(cells: tuple[str, ...]) -> pd.Series[Any]:
    return pd.Series([np.nan if cell == MISSING else float(cell) for cell in cells], dtype=np.float64)


def _read_integers(cells: tuple[str, ...]) -> pd.Series[Any]:
    if MISSING in cells:
        return pd.Series([pd.NA if cell == MISSING else int(cell) for cell in cells], dtype="Int64")
    return pd.Series([int(cell) for cell in cells], dtype=np.int64)


def _read_booleans(cells: tuple[str, ...]) -> pd.Series[Any]:
    values = {"true": True, "false": False, MISSING: None}
    known = [values[cell] for cell in cells]
    return pd.Series(known, dtype="boolean" if None in known else np.bool_)


_READERS: dict[str, Callable[[tuple[str, ...]], pd.Series[Any]]] = {
    "string": _read_text,
    "number": _read_numbers,
    "integer": _read_integers,
    "boolean": _read_booleans,
}
