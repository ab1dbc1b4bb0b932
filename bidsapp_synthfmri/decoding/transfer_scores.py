"""Transfer in numbers: a long table of pairs of participants, of each by the others, and of their mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..evaluation.statistics import fdr, percentile_interval, permutation_p
from .decisions import TRANSFERS, decision_row
from .experiments import TIE, Decoded
from .resampling import balanced_accuracy, permuted_accuracy, share_stimuli, stimulus_shares
from .scores import GROUP, NOTHING, Scores, pool, score
from .training_sets import REAL
from .transfer_decoders import OTHERS

CORRELATION, READ_BY_TARGET, READ_BY_OTHERS = "voxel_correlation", "read_by_target", "read_by_others"
TRANSFER_COLUMNS = (
    "source", "target", "measure", "roi", "n_voxels", "n_participants", "n_common_images", "n_test_stimuli",
    "n_test_trials", "n_training", "n_classes", "alpha", "alpha_at_edge", "value", "ci_low", "ci_high",
    "people_low", "people_high", "d", "chance", "permuted_within", "p", "p_fdr", "own", "difference",
    "difference_low", "difference_high", "difference_p",
)  # fmt: skip


@dataclass(frozen=True)
class Mapped:
    """What is said of the map between two participants in every row.

    Attributes
    ----------
    source, target : labels
    n_common_images : pictures that it was fitted on
    alpha : its penalty
    alpha_at_edge : whether that lies at an end of its grid
    """

    source: str
    target: str
    n_common_images: int
    alpha: float
    alpha_at_edge: bool


def correlation_rows(
    mapped: Mapped, correlations: pd.DataFrame, n_stimuli: int, n_trials: int, within: Sequence[str]
) -> pd.DataFrame:
    """Rows of ``transfer_patterns.voxel_correlations`` for one pair."""
    return _described(mapped, CORRELATION, correlations).assign(
        n_test_stimuli=n_stimuli, n_test_trials=n_trials, permuted_within=_words(within)
    )


def decoding_rows(
    mapped: Mapped,
    decoded: Decoded,
    own: Decoded,
    rng: np.random.Generator,
    n_bootstrap: int = 2000,
    n_permutations: int = 2000,
) -> pd.DataFrame:
    """The target's decoder on the source's mapped test trials, beside the target's own to the same images.

    Parameters
    ----------
    decoded, own : the same cells, stimuli and classes, see ``transfer_decoders.of_tested``
    rng : draws images for intervals, then exchanges labels and decoders for p

    Notes
    -----
    Statistics are those of ``scores.score``; the difference is paired over test images, though the trials
    are of two participants.
    """
    stimuli = share_stimuli([decoded])
    weights = stimuli.bootstrap(n_bootstrap, rng)
    order = stimuli.permutations(n_permutations, rng)
    null = permuted_accuracy(decoded, decoded.labels[order])
    shares, own_shares = stimulus_shares(decoded), stimulus_shares(own)
    draws, own_draws = balanced_accuracy(decoded, weights), balanced_accuracy(own, weights)
    swapped = np.abs(stimuli.signs(n_permutations, rng) @ (shares - own_shares).T)
    rows = []
    for cell in range(len(shares)):
        value, beside = float(shares[cell].sum()), float(own_shares[cell].sum())
        low, high = percentile_interval(draws[:, cell])
        below, above = percentile_interval(draws[:, cell] - own_draws[:, cell])
        rows.append(
            {
                "roi": decoded.cells["roi"][cell],
                "n_training": decoded.cells["n_training"][cell],
                "value": value,
                "ci_low": low,
                "ci_high": high,
                "chance": float(null[:, cell].mean()),
                "p": permutation_p(value - TIE, null[:, cell]),
                "own": beside,
                "difference": value - beside,
                "difference_low": below,
                "difference_high": above,
                "difference_p": permutation_p(abs(value - beside) - TIE, swapped[:, cell]),
            }
        )
    return _described(mapped, READ_BY_TARGET, pd.DataFrame(rows)).assign(
        n_test_stimuli=len(decoded.stimuli),
        n_test_trials=int(decoded.counts[0].sum()),
        n_classes=len(decoded.classes),
        permuted_within=_words(stimuli.within),
    )


@dataclass(frozen=True)
class ReadByOthers:
    """Decoders trained on other participants' mapped trials.

    Attributes
    ----------
    table : rows of ``TRANSFER_COLUMNS`` of every target, and of the mean over them
    decisions : rows for ``decisions.decide``
    skipped : sentences on what was left out
    """

    table: pd.DataFrame
    decisions: tuple[dict[str, object], ...]
    skipped: tuple[str, ...]


def read_by_others(
    decoded: Sequence[Decoded],
    rngs: Mapping[str, np.random.Generator],
    maps: Mapping[str, Sequence[Mapped]],
    described: Mapping[str, str],
    n_bootstrap: int = 2000,
    n_permutations: int = 2000,
) -> ReadByOthers:
    """Scores of decoders that saw no trial of the target labelled, and their mean over targets.

    Parameters
    ----------
    decoded : of every target, cells of training sets ``real`` and ``others``
    rngs : for each target, and for ``group``
    maps : of the others to each target
    described : experiment and source, for the decisions
    """
    numbers = (n_bootstrap, n_permutations)
    parts = [score(one, rngs[one.participant], *numbers) for one in decoded]
    pooled = pool(decoded, rngs[GROUP], *numbers)
    tables = [_of_others(part, maps) for part in (*parts, pooled)]
    rows = pooled.table[pooled.table["training"] == OTHERS] if len(pooled.table) else pooled.table
    decisions = tuple(decision_row(row, TRANSFERS, described) for _, row in rows.iterrows())
    return ReadByOthers(_stacked(tables), decisions, (*_sentences(decoded), *pooled.skipped))


def transfer_table(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """All rows under one another, p corrected; ``TRANSFER_COLUMNS``.

    Notes
    -----
    ``p_fdr``: Benjamini & Hochberg 1995. Rows of one measure are a family, over regions and pairs or targets;
    those of the mean over participants are families of their own.
    """
    table = _stacked(parts)
    if table.empty:
        return table
    families = [table["measure"], table["target"] == GROUP]
    counts = {name: "Int64" for name in TRANSFER_COLUMNS if name.startswith("n_")}
    return table.assign(p_fdr=table.groupby(families)["p"].transform(fdr)).astype(counts)


def _described(mapped: Mapped, measure: str, rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(
        source=mapped.source,
        target=mapped.target,
        measure=measure,
        n_participants=1,
        n_common_images=mapped.n_common_images,
        alpha=mapped.alpha,
        alpha_at_edge=mapped.alpha_at_edge,
    )


def _of_others(scores: Scores, maps: Mapping[str, Sequence[Mapped]]) -> pd.DataFrame:
    """The rows of training set ``others``, with the decoder trained on real trials beside."""
    if scores.table.empty:
        return scores.table
    by_roi = scores.table.set_index(["training", "roi"])
    change = scores.contrasts.set_index(["training", "roi"])
    rows = []
    for _, row in scores.table[scores.table["training"] == OTHERS].iterrows():
        target, key = str(row["participant"]), (OTHERS, row["roi"])
        used = [one for name, own in maps.items() if target in (name, GROUP) for one in own]
        rows.append(
            {
                **{name: row[name] for name in TRANSFER_COLUMNS if name in row.index and name != "p_fdr"},
                "source": OTHERS,
                "target": target,
                "measure": READ_BY_OTHERS,
                "n_common_images": min(one.n_common_images for one in used),
                "alpha_at_edge": any(one.alpha_at_edge for one in used),
                "value": row["accuracy"],
                "own": by_roi.loc[(REAL, row["roi"]), "accuracy"],
                "difference": change.loc[key, "difference"],
                "difference_low": change.loc[key, "ci_low"],
                "difference_high": change.loc[key, "ci_high"],
                "difference_p": change.loc[key, "p"],
            }
        )
    return pd.DataFrame(rows)


def _sentences(decoded: Sequence[Decoded]) -> tuple[str, ...]:
    return tuple(f"Transfer: {sentence}" for one in decoded for sentence in one.skipped)


def _stacked(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    filled = [part for part in parts if len(part)]
    if not filled:
        return pd.DataFrame(columns=list(TRANSFER_COLUMNS))
    return pd.concat(filled, ignore_index=True).reindex(columns=list(TRANSFER_COLUMNS))


def _words(within: Sequence[str]) -> str:
    return " and ".join(within) or NOTHING
