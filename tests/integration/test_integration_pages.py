"""The demo's pages as a reader has them, and its tables as the reference describes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bidsapp_synthfmri.derivatives.columns import Column
from bidsapp_synthfmri.derivatives.dictionaries import DICTIONARIES
from bidsapp_synthfmri.derivatives.names import Place

MOST_BYTES = 8 * 1024**2


@pytest.mark.parametrize("name", ["sub-01.html", "group.html"])
def test_the_demo_s_pages_are_accessible_quiet_and_alone(
    demo, name: str, faults_of: Callable[[Path], list[str]]
) -> None:
    assert faults_of(demo.output / name) == []


def test_the_demo_s_pages_are_well_formed_and_small(demo) -> None:
    html5lib = pytest.importorskip("html5lib", reason="html5lib is not installed")
    pages = sorted(demo.output.glob("*.html"))
    assert len(pages) == 3
    for page in pages:
        html5lib.HTMLParser(strict=True).parse(page.read_text(encoding="utf-8"))
        assert page.stat().st_size < MOST_BYTES


def test_tables_have_the_columns_that_the_reference_describes(demo) -> None:
    found = 0
    for output, columns in DICTIONARIES.items():
        path = output.path(demo.output, Place("01", "images", "T1w"))
        if not path.is_file():
            continue
        found += 1
        header = path.read_text(encoding="utf-8").split("\n", 1)[0].split("\t")
        sidecar = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        for name in header:
            column = columns.known.get(name, Column(columns.other))
            assert sidecar[name]["Description"] == column.description
        assert set(columns.known) & set(header)
    assert found > 8
