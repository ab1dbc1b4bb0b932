"""Text files of a simulated dataset, written the same way each time."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from ..structures import Json


def write_table(path: Path, table: pd.DataFrame, decimals: int = 10) -> None:
    """Write a BIDS table: tabs, ``n/a`` where there is no value; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(
        path, sep="\t", index=False, na_rep="n/a", float_format=f"%.{decimals}g", lineterminator="\n"
    )


def write_json(path: Path, content: Json) -> None:
    """Write a sidecar; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
