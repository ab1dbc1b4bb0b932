"""What the group level writes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ..structures import Json
from . import decoding_columns, names
from .columns import Columns
from .identification_columns import IDENTIFICATION_COLUMNS
from .names import OutputFile
from .transfer_columns import TRANSFER_COLUMNS
from .whole import write_manifest
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
    transfer: pd.DataFrame | None = None,
    depends_on: str | None = None,
) -> tuple[Path, ...]:
    """Write the group's tables, and last the facts of its run; the paths written.

    Parameters
    ----------
    identification : None or empty where no image could be identified; an earlier run's is then removed
    transfer : the same of participants, none of whom could be mapped to another
    depends_on : fingerprint of input and options; None where a later run is not to keep these results
    """
    writer = Writer(output_dir)
    for output in (names.GROUP_SUMMARY, names.GROUP_MANIFEST, names.GROUP_PAGE):
        writer.withdraw(output)
    writer.table(names.GROUP_DECODING, decoding, decoding_columns.DECODING_COLUMNS)
    writer.table(names.GROUP_CONTRASTS, contrasts, decoding_columns.CONTRAST_COLUMNS)
    writer.table(names.GROUP_CONFUSION, confusion, decoding_columns.CONFUSION_COLUMNS)
    writer.table(names.GROUP_DECISIONS, decisions, decoding_columns.DECISION_COLUMNS)
    _optional(writer, names.GROUP_IDENTIFICATION, identification, IDENTIFICATION_COLUMNS)
    _optional(writer, names.GROUP_TRANSFER, transfer, TRANSFER_COLUMNS)
    if depends_on is not None:
        write_manifest(writer, names.GROUP_MANIFEST, depends_on)
    writer.json(names.GROUP_SUMMARY, summary)
    return writer.written


def _optional(writer: Writer, output: OutputFile, table: pd.DataFrame | None, columns: Columns) -> None:
    """A table that not every run has, its columns in the dictionary's order."""
    if table is None or table.empty:
        writer.withdraw(output)
    else:
        writer.table(output, table.reindex(columns=list(columns.known)), columns)
