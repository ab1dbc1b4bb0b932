"""Text that a spreadsheet would run as a formula: marked where it is written, unmarked where it is read.

A label such as ``=HYPERLINK(...)`` comes from a data file and goes into a table that people open in a
spreadsheet. There an apostrophe before it makes it text. Numbers (``-0.3``) are no formulas and stay.
"""

from __future__ import annotations

import re

_MARK = "'"
# ASCII, and the full-width signs that East Asian spreadsheets take for them.
_BEGINNINGS = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def marked(text: str) -> str:
    """The text with an apostrophe before it where it begins as a formula does."""
    return _MARK + text if is_formula(text) else text


def unmarked(cell: str) -> str:
    """What ``marked`` was given."""
    return cell[1:] if cell.startswith(_MARK) and is_formula(cell) else cell


def is_formula(text: str) -> bool:
    """Whether a text, less any apostrophes before it, begins with ``= + - @`` and is no number."""
    bare = text.lstrip(_MARK)
    return bare.startswith(_BEGINNINGS) and not (bare == text and _NUMBER.fullmatch(text))
