"""What pictures alone give, and within what labels were permuted: rows beside the main accuracies."""

from __future__ import annotations

import pandas as pd

from ..decoding.experiment_list import IMAGE_FEATURES, NO_CONTROL
from ..decoding.scores import NOTHING
from .decoding_scores import Accuracy, decoding_scores
from .estimates import GROUP, SIGNIFICANT
from .numbers import count, counted, percent_with_interval


def ceiling_of(experiments: pd.DataFrame | None, main: str) -> Accuracy | None:
    """Accuracy from the pictures' features in an experiment, pooled where it can be; None without it."""
    rows = _of_main(experiments, main, IMAGE_FEATURES)
    found = [row for row in decoding_scores(rows).rows if row.known]
    pooled = [row for row in found if row.participant == GROUP]
    return next(iter([*pooled, *found]), None)


def control_sentences(experiments: pd.DataFrame | None, main: str) -> tuple[str, ...]:
    """The ceiling and the permutations in words."""
    ceiling = ceiling_of(experiments, main)
    said = [] if ceiling is None else [_ceiling(ceiling)]
    return (*said, *_permuted(experiments, main), *_refitted(experiments, main))


def _of_main(experiments: pd.DataFrame | None, main: str, control: str) -> pd.DataFrame:
    """Rows of an experiment under a control; of several sources the first, which the page speaks of."""
    if experiments is None or not (experiments["experiment"] == main).any():
        return pd.DataFrame()
    rows = experiments[experiments["experiment"] == main]
    own: pd.DataFrame = rows[(rows["source"] == rows["source"].iloc[0]) & (rows["control"] == control)]
    return own


def _ceiling(one: Accuracy) -> str:
    return (
        "The pictures’ features themselves, without any response, give"
        f" {percent_with_interval(one.value, one.low, one.high)} on the same test images after training on"
        f" {counted(one.n_training, 'image')}: what the network alone tells. It is no strict bound:"
        " real test responses may hold what these features lack, and an encoder fitted to responses knows"
        " which of them matter."
    )


def _permuted(experiments: pd.DataFrame | None, main: str) -> list[str]:
    rows = _of_main(experiments, main, NO_CONTROL)
    if "permuted_within" not in rows:
        return []
    within = [str(name) for name in dict.fromkeys(rows["permuted_within"].dropna())]
    kept = [name for name in within if name != NOTHING]
    if not within:
        return []
    if not kept:
        return [
            "Chance and p come from labels permuted over all test images: sources and sessions are not known,"
            " do not differ, or leave no labels to permute."
        ]
    over = " where these leave labels to permute, over all test images elsewhere" if NOTHING in within else ""
    return [f"Chance and p come from labels permuted within {' or '.join(kept)}{over}."]


def _refitted(experiments: pd.DataFrame | None, main: str) -> list[str]:
    rows = _of_main(experiments, main, NO_CONTROL)
    if "p_refit" not in rows:
        return []
    p = rows.loc[rows["participant"] != GROUP, "p_refit"].dropna()
    if p.empty:
        return []
    return [
        "Fitted again to permuted labels of its training set, the decoder seldom did as well (p below .05,"
        f" not corrected) in {count((p < SIGNIFICANT).sum())} of {counted(len(p), 'whole training set')} of"
        " the participants’ regions; each p is in the column p_refit of group/decoding_scores.tsv."
    ]
