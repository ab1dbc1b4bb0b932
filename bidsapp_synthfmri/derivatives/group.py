"""What the group level writes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ..structures import Json
from . import decoding_columns, names
from .writer import Writer


def write_group(
    output_dir: Path,
    decoding: pd.DataFrame,
    summary: Json,
    *,
    contrasts: pd.DataFrame,
    confusion: pd.DataFrame,
    decisions: pd.DataFrame,
) -> tuple[Path, ...]:
    """Write the group's tables, and last the facts of its run; the paths written."""
    writer = Writer(output_dir)
    writer.withdraw(names.GROUP_SUMMARY)
    writer.table(names.GROUP_DECODING, decoding, decoding_columns.DECODING_COLUMNS)
    writer.table(names.GROUP_CONTRASTS, contrasts, decoding_columns.CONTRAST_COLUMNS)
    writer.table(names.GROUP_CONFUSION, confusion, decoding_columns.CONFUSION_COLUMNS)
    writer.table(names.GROUP_DECISIONS, decisions, decoding_columns.DECISION_COLUMNS)
    writer.json(names.GROUP_SUMMARY, summary)
    return writer.written
