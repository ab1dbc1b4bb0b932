"""A value has one spelling, which reads back as the value."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsapp_synthfmri.derivatives.tables import kinds_of, parse_table, table_text
from bidsapp_synthfmri.errors import InputMalformedError

CELL = st.text(st.characters(exclude_characters="\t\r\n\0", exclude_categories=["Cs"]), min_size=1)


def read_back(table: pd.DataFrame) -> pd.DataFrame:
    dictionary = {name: {"Format": kind} for name, kind in kinds_of(table).items()}
    return parse_table(table_text(table), dictionary, "x.tsv")


@given(st.lists(st.floats(allow_infinity=False, width=32), min_size=1))
def test_float32_reads_back_exactly(values: list[float]) -> None:
    column = np.array(values, dtype=np.float32)
    np.testing.assert_array_equal(read_back(pd.DataFrame({"x": column}))["x"].to_numpy(np.float32), column)


@given(st.lists(st.floats(allow_infinity=False), min_size=1))
def test_float64_reads_back_exactly(values: list[float]) -> None:
    np.testing.assert_array_equal(read_back(pd.DataFrame({"x": values}))["x"], np.array(values))


@given(st.lists(CELL.filter(lambda cell: cell != "n/a"), min_size=1))
def test_text_reads_back_exactly(values: list[str]) -> None:
    assert list(read_back(pd.DataFrame({"x": values}))["x"]) == values


def test_spellings() -> None:
    table = pd.DataFrame(
        {
            "single": np.array([0.1, np.nan], np.float32),
            "double": [0.1, 1.0],
            "whole": [1, -2],
            "yes": [True, False],
            "text": ["01", None],
            "some": pd.array([3, None], dtype="Int64"),
        }
    )
    assert table_text(table) == (
        "single\tdouble\twhole\tyes\ttext\tsome\n0.1\t0.1\t1\ttrue\t01\t3\nn/a\t1.0\t-2\tfalse\tn/a\tn/a\n"
    )
    assert list(read_back(table)["some"].isna()) == [False, True]
    assert read_back(table)["text"][0] == "01"


def test_a_table_without_rows_keeps_its_columns() -> None:
    read = read_back(pd.DataFrame({"roi": [], "value": np.array([], float)}))
    assert list(read.columns) == ["roi", "value"]
    assert len(read) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("a\tb\n1\n", "differ in length"),
        ("a\tc\n1\t2\n", "'c' has no Format"),
        ("a\tb\n1.5\tx\n", "no integer"),
        ("a\tb\n1\tyes\n", "no boolean"),
    ],
)
def test_a_damaged_table_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputMalformedError, match=f"x.tsv.*{message}"):
        parse_table(text, {"a": {"Format": "integer"}, "b": {"Format": "boolean"}}, "x.tsv")
