"""What the experiments decide: each claim with its evidence, effect, interval and a verdict by one rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ..evaluation.statistics import fdr
from ..structures import ALL_VOXELS
from .experiment_list import IMAGE_FEATURES, NO_CONTROL, SEEN, SHUFFLED, SOURCE, UNSEEN, UNTRAINED
from .scores import GROUP
from .training_sets import MIXED, REAL

SIGNIFICANT = 0.05
# An effect whose interval stays below this, as a share of trials, is too small to support a claim.
LEAST_EFFECT = 0.05
SUPPORTED, NOT_SUPPORTED, CANNOT_SAY = "supported", "not supported", "cannot say"
READS_UNSEEN = "reads_unseen"
READS, BEATS, BEATS_AT_EQUAL_SIZE = "reads", "beats_real", "beats_real_at_equal_size"
NEEDS_ENCODER, NEEDS_TRAINING, SOURCE_SHOWS = "needs_encoder", "needs_training", "source_shows"
TRANSFERS = "transfers"
_LESS = {SHUFFLED: NEEDS_ENCODER, UNTRAINED: NEEDS_TRAINING}
DECISION_COLUMNS = (
    "claim", "experiment", "source", "training", "roi", "participant", "evidence", "effect", "ci_low",
    "ci_high", "people_low", "people_high", "d", "p", "p_fdr", "n_participants", "n_test_stimuli", "verdict",
)  # fmt: skip


def decide(
    table: pd.DataFrame, contrasts: pd.DataFrame, further: Sequence[Mapping[str, object]] = ()
) -> pd.DataFrame:
    """A row a claim.

    Parameters
    ----------
    table, contrasts : ``Scores`` of all experiments under one another, with ``experiment`` and ``source``;
        ``control`` is ``source`` where the source was decoded
    further : rows of other evidence, of ``decision_row``; of each the rows of all voxels, or the first region

    Returns
    -------
    ``DECISION_COLUMNS``, for the mean over participants where there is one, else for each; from all voxels,
    or the first region. ``p_fdr`` is over all rows. The rule: supported where ``p_fdr`` is below .05 and the
    effect above 0; not supported where it is below .05 and the effect below 0, or where the interval stays
    below ``LEAST_EFFECT``; cannot say otherwise.

    Notes
    -----
    ``source_shows`` is a control, not a claim of the study: where it is supported, pictures' sources differ
    in what decoders read, and categories that differ by source are no evidence unless within one.
    """
    # The ceiling is of no region and no claim.
    table = table[table["control"] != IMAGE_FEATURES]
    keys = table[["experiment", "source"]].drop_duplicates().itertuples(index=False, name=None)
    rows = []
    for experiment, source in keys:
        own, changes = (
            _of_all_voxels(_of_whom(part[(part["experiment"] == experiment) & (part["source"] == source)]))
            for part in (table[table["full"].astype(bool)], contrasts)
        )
        rows += [_above_chance(row) for _, row in own.iterrows() if _counts(row)]
        rows += [_difference(row) for _, row in changes.iterrows() if row["control"] != SOURCE]
    if further:
        rows += [dict(row) for _, row in _of_all_voxels(pd.DataFrame(list(further))).iterrows()]
    found = pd.DataFrame(rows, columns=list(DECISION_COLUMNS))
    found["p_fdr"] = fdr(found["p"].to_numpy(dtype=np.float64))
    values = zip(found["effect"], found["ci_high"], found["p_fdr"], strict=True)
    return found.assign(verdict=[verdict(*own) for own in values])


def verdict(effect: float, high: float, q: float) -> str:
    """Supported, not supported or cannot say; see ``decide``."""
    if q < SIGNIFICANT and effect != 0:
        return SUPPORTED if effect > 0 else NOT_SUPPORTED
    return NOT_SUPPORTED if high < LEAST_EFFECT else CANNOT_SAY


def decision_row(row: pd.Series, claim: str, described: Mapping[str, str]) -> dict[str, object]:
    """The row of a claim that an accuracy is above chance.

    Parameters
    ----------
    row : of ``Scores.table``
    described : columns that the table lacks: experiment and source
    """
    return _decision(
        pd.Series({**row, **described}),
        claim,
        "balanced accuracy less chance",
        "accuracy",
        float(row["chance"]),
    )


def _counts(row: pd.Series) -> bool:
    """Whether an accuracy bears on a claim by itself; those of other controls do in a difference."""
    return bool(row["control"] == NO_CONTROL or (row["control"] == SOURCE and row["training"] == REAL))


def _above_chance(row: pd.Series) -> dict[str, object]:
    claim = SOURCE_SHOWS if row["control"] == SOURCE else READS
    if row.get("categories", SEEN) == UNSEEN and row["training"] not in (REAL, MIXED):
        claim = READS_UNSEEN
    return decision_row(row, claim, {})


def _difference(row: pd.Series) -> dict[str, object]:
    contrast = str(row["contrast"])
    claim = _LESS.get(str(row["control"]), BEATS)
    if contrast.endswith("at equal size"):
        claim = BEATS_AT_EQUAL_SIZE
    return _decision(row, claim, "difference of balanced accuracies", "difference", 0.0)


def _decision(row: pd.Series, claim: str, evidence: str, name: str, base: float) -> dict[str, object]:
    """The row of a claim; effect and intervals are shares of trials, less ``base``."""
    as_they_are = ("experiment", "source", "training", "roi", "participant", "d", "p")
    return {
        "claim": claim,
        "evidence": evidence,
        "effect": float(row[name]) - base,
        **{end: float(row[end]) - base for end in ("ci_low", "ci_high", "people_low", "people_high")},
        **{column: row[column] for column in as_they_are},
        **{column: int(row[column]) for column in ("n_participants", "n_test_stimuli")},
    }


def _of_whom(rows: pd.DataFrame) -> pd.DataFrame:
    """The pooled rows, or where there are none those of each participant."""
    pooled = rows[rows["participant"] == GROUP]
    return pooled if len(pooled) else rows


def _of_all_voxels(rows: pd.DataFrame) -> pd.DataFrame:
    everywhere = rows[rows["roi"] == ALL_VOXELS]
    return everywhere if len(everywhere) or rows.empty else rows[rows["roi"] == rows["roi"].iloc[0]]
