"""What a ranking of images writes: a table and a sheet of pictures."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from . import columns, names
from .writer import Writer


def write_ranking(writer: Writer, label: str, table: pd.DataFrame, page: str) -> Path:
    """Write both; gives the sheet's path.

    Parameters
    ----------
    writer : the participant's
    label : the region or contrast, letters and digits
    table : one row an image shown; see ``columns.RANK_COLUMNS``
    page : the sheet's HTML
    """
    writer.table(names.of_region(names.RANKED_STIMULI, label), table, columns.RANK_COLUMNS)
    return writer.text(names.of_region(names.RANK_PAGE, label), page)
