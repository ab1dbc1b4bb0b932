"""Which columns each kind of table has: for whoever wants to know before one is written."""

from __future__ import annotations

from types import MappingProxyType

from . import columns, decoding_columns, names
from .columns import Columns
from .identification_columns import IDENTIFICATION_COLUMNS
from .names import OutputFile
from .transfer_columns import TRANSFER_COLUMNS

DICTIONARIES = MappingProxyType(
    {
        names.TRIALS: columns.TRIAL_COLUMNS,
        names.DROPPED_TRIALS: columns.DROPPED_COLUMNS,
        names.SYNTHETIC_STIMULI: columns.STIMULUS_COLUMNS,
        names.UNSEEN_STIMULI: columns.UNSEEN_COLUMNS,
        names.RANKED_STIMULI: columns.RANK_COLUMNS,
        names.ENCODING_SCORES: columns.ENCODING_COLUMNS,
        names.ACCOUNTING_SCORES: columns.ACCOUNTING_COLUMNS,
        names.RELIABILITY_SCORES: columns.RELIABILITY_COLUMNS,
        names.UNCERTAINTY_SCORES: columns.UNCERTAINTY_COLUMNS,
        names.LEAKAGE_PAIRS: columns.PAIR_COLUMNS,
        names.LEAKAGE_STIMULI: columns.LEAKAGE_STIMULUS_COLUMNS,
        names.LEAKAGE_SCORES: columns.LEAKAGE_SCORE_COLUMNS,
        names.GROUP_DECODING: decoding_columns.DECODING_COLUMNS,
        names.GROUP_CONTRASTS: decoding_columns.CONTRAST_COLUMNS,
        names.GROUP_CONFUSION: decoding_columns.CONFUSION_COLUMNS,
        names.GROUP_DECISIONS: decoding_columns.DECISION_COLUMNS,
        names.GROUP_IDENTIFICATION: IDENTIFICATION_COLUMNS,
        names.GROUP_TRANSFER: TRANSFER_COLUMNS,
    }
)
"""The columns that a table can have, by the kind of file; every table of ``OUTPUTS`` is here."""


def columns_of(output: OutputFile) -> Columns | None:
    """The columns of a table, or of the table of labels beside a segmentation; None for other files."""
    if output.suffix == "dseg":
        return columns.INDEX_COLUMNS
    return DICTIONARIES.get(output)
