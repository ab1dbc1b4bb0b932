"""Responses by encoders that saw no trial of the pictures' categories: their file and its table."""

from __future__ import annotations

import numpy as np

from ..structures import Json, Synthetic
from . import columns, names
from .participant import NO_HUMAN, unit_keys
from .writer import Writer


def write_unseen(writer: Writer, synthetic: Synthetic, *, unit: str, facts: Json) -> None:
    """Write responses to pictures of categories by encoders that saw no trial of them, and their table.

    Parameters
    ----------
    writer : the participant's
    synthetic : the responses; ``table`` has ``columns.UNSEEN_ORDER``
    unit : of the responses that the encoders were fitted on
    facts : the label set and its folds
    """
    table = synthetic.table.reset_index(drop=True)[list(columns.UNSEEN_ORDER)]
    table.insert(0, "image", np.arange(1, len(table) + 1))
    sidecar = {
        "Description": f"{names.UNSEEN.description}. {NO_HUMAN}",
        **unit_keys(unit),
        "Synthetic": True,
        "UnseenCategories": facts,
        "Rows": writer.uri(names.UNSEEN_STIMULI),
        "Sources": [writer.uri(names.RESPONSES)],
    }
    rows = [str(stimulus) for stimulus in table["stimulus"]]
    writer.matrix(names.UNSEEN, synthetic.values, rows, synthetic.voxels, sidecar)
    writer.table(names.UNSEEN_STIMULI, table, columns.UNSEEN_COLUMNS)
