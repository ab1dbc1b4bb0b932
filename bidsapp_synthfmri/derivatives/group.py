"""What the group level writes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ..structures import Json
from . import decoding_columns, names
from .identification_columns import IDENTIFICATION_COLUMNS, ORDER
from .writer import Writer


def write_group(
    output_dir: Path,
    decoding: pd.DataFrame,
    summary: Json,
    *,
    contrasts: pd.DataFrame,
    confusion: pd.DataFrame,
    decisions: pd.DataFrame,
    identification: pd.DataFrame | None = None,
) -> tuple[Path, ...]:
    """Write the group's tables, and last the facts of its run; the paths written.

    Parameters
    ----------
    identification : None or empty where no image could be identified; an earlier run's is then removed
    """
    writer = Writer(output_dir)
    writer.withdraw(names.GROUP_SUMMARY)
    writer.table(names.GROUP_DECODING, decoding, decoding_columns.DECODING_COLUMNS)
    writer.table(names.GROUP_CONTRASTS, contrasts, decoding_columns.CONTRAST_COLUMNS)
    writer.table(names.GROUP_CONFUSION, confusion, decoding_columns.CONFUSION_COLUMNS)
    writer.table(names.GROUP_DECISIONS, decisions, decoding_columns.DECISION_COLUMNS)
    if identification is None or identification.empty:
        writer.withdraw(names.GROUP_IDENTIFICATION)
    else:
        ordered = identification.reindex(columns=list(ORDER))
        writer.table(names.GROUP_IDENTIFICATION, ordered, IDENTIFICATION_COLUMNS)
    writer.json(names.GROUP_SUMMARY, summary)
    return writer.written
