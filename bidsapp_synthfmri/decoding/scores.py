"""Accuracies, contrasts and confusions with intervals and permutation tests, for one participant or all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..evaluation.statistics import fdr, percentile_interval, permutation_p
from ..structures import ALL_VOXELS, IntArray
from .experiments import Decoded
from .resampling import balanced_accuracy, permuted_accuracy, share_stimuli, stimulus_shares
from .training_sets import FULL, REAL

GROUP = "group"
SCORE_COLUMNS = (
    "participant", "roi", "training", "n_training", "full", "n_test_trials", "n_test_stimuli", "n_classes",
    "accuracy", "ci_low", "ci_high", "chance", "p", "p_fdr",
)  # fmt: skip
CONTRAST_COLUMNS = ("participant", "roi", "contrast", "difference", "ci_low", "ci_high", "p", "p_fdr")
CONFUSION_COLUMNS = ("participant", "training", "label", "predicted", "count")
_CELL = ["roi", "training", "step"]
_EQUAL_SIZE = " at equal size"
# Accuracies are sums of fractions: equal ones may differ in their last bits.
_TIE = 1e-12


@dataclass(frozen=True)
class Scores:
    """What decoding found.

    Attributes
    ----------
    table : ``SCORE_COLUMNS``; accuracy is balanced accuracy on single test trials, chance its mean
        under permuted labels, ``p_fdr`` over the rows with the full training set
    contrasts : ``CONTRAST_COLUMNS``; synthetic minus real accuracy, ``p_fdr`` over ROI sets and contrasts,
        whole sets as one family and those cut to the real set's size as another
    confusion : ``CONFUSION_COLUMNS``; decoders of all voxels with the full training set
    skipped : sentences on what was left out
    """

    table: pd.DataFrame
    contrasts: pd.DataFrame
    confusion: pd.DataFrame
    skipped: tuple[str, ...]


def score(
    decoded: Decoded, rng: np.random.Generator, n_bootstrap: int = 2000, n_permutations: int = 2000
) -> Scores:
    """Scores of one participant.

    Notes
    -----
    Intervals: 95% percentile bootstrap over test stimuli within their class (a stimulus' trials stay
    together), the same draws for every cell. They hold for new images of these classes. With n test
    stimuli a class their variance is (n - 1) / n of what it should be: too narrow where n is small.
    p of an accuracy: labels permuted over test stimuli, predictions fixed, one-sided,
    (1 + #{permuted >= observed}) / (1 + n). p of a contrast: the two decoders swap predictions stimulus
    by stimulus, two-sided. It varies with differences between classes too, which a bootstrap within
    classes takes as given, so that an interval can exclude zero where p is large.
    ``p_fdr``: Benjamini & Hochberg 1995, within a participant (or the group). Accuracies: rows with
    the full training set. Contrasts: rows with full sets are one family, over ROI sets and training
    sets; rows at equal size, which ask another question, are the second.
    """
    return _score([decoded], decoded.participant, rng, n_bootstrap, n_permutations)


def pool(
    participants: Sequence[Decoded],
    rng: np.random.Generator,
    n_bootstrap: int = 2000,
    n_permutations: int = 2000,
) -> Scores:
    """Scores of the mean over participants, in rows of participant ``group``.

    Notes
    -----
    Stimuli that several participants saw are drawn, permuted and swapped together. Intervals and p
    therefore speak of new images for these participants: with a handful of participants a bootstrap
    over them says next to nothing about others, and none is made. Cells that some participant lacks
    are left out, and ``skipped`` counts them. ``n_training`` is the mean over participants, rounded;
    ``n_test_trials`` the sum; stimuli and classes are counted once.
    """
    return _score([d for d in participants if len(d.cells)], GROUP, rng, n_bootstrap, n_permutations)


def join(parts: Sequence[Scores]) -> Scores:
    """Scores of several participants, and of the group, one under another."""
    return Scores(
        _stack([part.table for part in parts], SCORE_COLUMNS),
        _stack([part.contrasts for part in parts], CONTRAST_COLUMNS),
        _stack([part.confusion for part in parts], CONFUSION_COLUMNS),
        tuple(sentence for part in parts for sentence in part.skipped),
    )


def _score(
    participants: Sequence[Decoded],
    name: str,
    rng: np.random.Generator,
    n_bootstrap: int,
    n_permutations: int,
) -> Scores:
    skipped = participants[0].skipped if name != GROUP else ()
    participants, lost = _common_cells(participants)
    if not participants:
        return replace(join([]), skipped=(*skipped, *lost))
    stimuli = share_stimuli(participants)
    weights = stimuli.bootstrap(n_bootstrap, rng)
    order = stimuli.permutations(n_permutations, rng)
    draws, null = [], []
    for decoded, rows in zip(participants, stimuli.rows, strict=True):
        draws.append(balanced_accuracy(decoded, weights[:, rows]))
        null.append(permuted_accuracy(decoded, _permuted_labels(decoded, rows, order)))
    observed = np.mean([stimulus_shares(d).sum(axis=1) for d in participants], axis=0)
    table = _table(participants, name, observed, np.mean(draws, axis=0), np.mean(null, axis=0))
    signs = stimuli.signs(n_permutations, rng)
    shares = np.zeros((len(observed), len(stimuli.labels)))  # (n_cells, n_stimuli)
    for decoded, rows in zip(participants, stimuli.rows, strict=True):
        shares[:, rows] += stimulus_shares(decoded) / len(participants)
    contrasts = _contrasts(participants[0].cells, name, shares, np.mean(draws, axis=0), signs)
    return Scores(table, contrasts, _confusion(participants, name), (*skipped, *lost))


def _common_cells(participants: Sequence[Decoded]) -> tuple[list[Decoded], tuple[str, ...]]:
    """The participants with the cells that all of them have, in the order of the first."""
    participants = [decoded for decoded in participants if len(decoded.cells)]
    if not participants:
        return [], ()
    keys = [list(decoded.cells[_CELL].itertuples(index=False, name=None)) for decoded in participants]
    every = set(keys[0]).union(*keys)
    common = [key for key in keys[0] if all(key in own for own in keys)]
    lost = len(every) - len(common)
    sentence = (
        f"{lost} of {len(every)} combinations of ROI, training set and size are not pooled, "
        "because a participant lacks them."
    )
    if not common:
        return [], (sentence,)
    taken = [_take(d, [own.index(key) for key in common]) for d, own in zip(participants, keys, strict=True)]
    return taken, (sentence,) if lost else ()


def _take(decoded: Decoded, cells: list[int]) -> Decoded:
    return replace(
        decoded, cells=decoded.cells.iloc[cells].reset_index(drop=True), counts=decoded.counts[cells]
    )


def _permuted_labels(decoded: Decoded, rows: IntArray, order: IntArray) -> IntArray:
    """(draws, n_stimuli of the participant) labels; a permutation never leaves the participant's stimuli."""
    label_at = np.full(order.shape[1], -1, dtype=np.int64)
    label_at[rows] = decoded.labels
    return np.asarray(label_at[order[:, rows]])


def _table(
    participants: Sequence[Decoded],
    name: str,
    observed: NDArray[np.float64],
    draws: NDArray[np.float64],
    null: NDArray[np.float64],
) -> pd.DataFrame:
    cells = participants[0].cells
    intervals = np.array([percentile_interval(cell) for cell in draws.T])
    p = np.array([permutation_p(value - _TIE, cell) for value, cell in zip(observed, null.T, strict=True)])
    sizes = np.mean([decoded.cells["n_training"] for decoded in participants], axis=0)
    full = cells["full"].to_numpy()
    return pd.DataFrame(
        {
            "participant": name,
            "roi": cells["roi"],
            "training": cells["training"],
            "n_training": np.rint(sizes).astype(np.int64),
            "full": full,
            "n_test_trials": sum(int(decoded.counts[0].sum()) for decoded in participants),
            "n_test_stimuli": len({s for decoded in participants for s in decoded.stimuli}),
            "n_classes": len({c for decoded in participants for c in decoded.classes}),
            "accuracy": observed,
            "ci_low": intervals[:, 0],
            "ci_high": intervals[:, 1],
            "chance": null.mean(axis=0),
            "p": p,
            "p_fdr": fdr(np.where(full, p, np.nan)),
        },
        columns=list(SCORE_COLUMNS),
    )


def _contrasts(
    cells: pd.DataFrame,
    name: str,
    shares: NDArray[np.float64],
    draws: NDArray[np.float64],
    signs: NDArray[np.float64],
) -> pd.DataFrame:
    """Full synthetic sets against the full real set, and larger ones also at the real set's size."""
    whole = cells["full"] & (cells["training"] == REAL)
    real = dict(zip(cells["roi"][whole], np.flatnonzero(whole), strict=True))
    rows: list[dict[str, Any]] = []
    for number, (roi, training, step) in enumerate(cells[_CELL].itertuples(index=False, name=None)):
        if training == REAL or step not in (FULL, "1") or roi not in real:
            continue
        change = shares[number] - shares[real[roi]]  # (n_stimuli,)
        low, high = percentile_interval(draws[:, number] - draws[:, real[roi]])
        difference = float(change.sum())
        size = "" if step == FULL else _EQUAL_SIZE
        rows.append(
            {
                "participant": name,
                "roi": roi,
                "contrast": f"{training} - {REAL}{size}",
                "difference": difference,
                "ci_low": low,
                "ci_high": high,
                "p": permutation_p(abs(difference) - _TIE, np.abs(signs @ change)),
            }
        )
    table = pd.DataFrame(rows, columns=list(CONTRAST_COLUMNS))
    return table.assign(p_fdr=_contrast_fdr(table))


def _contrast_fdr(contrasts: pd.DataFrame) -> NDArray[np.float64]:
    """Corrected p of each contrast; those at equal size are a family of their own."""
    p = contrasts["p"].to_numpy(dtype=np.float64)
    equal_size = np.array([str(name).endswith(_EQUAL_SIZE) for name in contrasts["contrast"]], dtype=bool)
    return np.where(equal_size, fdr(np.where(equal_size, p, np.nan)), fdr(np.where(equal_size, np.nan, p)))


def _confusion(participants: Sequence[Decoded], name: str) -> pd.DataFrame:
    """Trials of each label predicted as each class; of the group, summed over participants."""
    frames = [_own_confusion(decoded) for decoded in participants]
    joined = _stack(frames, CONFUSION_COLUMNS)
    keys = ["training", "label", "predicted"]
    summed = joined.groupby(keys, sort=False)["count"].sum().reset_index()
    summed.insert(0, "participant", name)
    return summed


def _own_confusion(decoded: Decoded) -> pd.DataFrame:
    chosen = decoded.cells["full"] & (decoded.cells["roi"] == ALL_VOXELS)
    rows = []
    for number, training in zip(np.flatnonzero(chosen), decoded.cells["training"][chosen], strict=True):
        for label, true_name in enumerate(decoded.classes):
            counts = decoded.counts[number][decoded.labels == label].sum(axis=0)
            rows += [
                (decoded.participant, training, true_name, predicted, int(count))
                for predicted, count in zip(decoded.classes, counts, strict=True)
            ]
    return pd.DataFrame(rows, columns=list(CONFUSION_COLUMNS))


def _stack(frames: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    filled = [frame for frame in frames if len(frame)]
    if not filled:
        return pd.DataFrame(columns=list(columns))
    return pd.concat(filled, ignore_index=True)
