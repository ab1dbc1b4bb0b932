"""Accuracies, contrasts and confusions with intervals and permutation tests, for one participant or all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..evaluation.statistics import (
    above_chance,
    bootstrap_over_participants,
    fdr,
    max_statistic_p,
    percentile_interval,
    permutation_p,
    standardised_effect,
)
from ..structures import ALL_VOXELS, BoolArray, IntArray
from .experiment_list import CONTROLS, NO_CONTROL, SHUFFLED, UNTRAINED
from .experiments import TIE, Decoded
from .resampling import TestStimuli, balanced_accuracy, permuted_accuracy, share_stimuli, stimulus_shares
from .training_sets import FULL, REAL

GROUP = "group"
SCORE_COLUMNS = (
    "participant", "roi", "training", "control", "step", "n_training", "full", "n_participants",
    "n_test_trials", "n_test_stimuli", "n_classes", "penalty", "penalty_at_edge", "accuracy", "ci_low",
    "ci_high", "people_low", "people_high", "chance", "above_chance", "d", "p", "p_fdr", "p_max",
    "permuted_within", "p_refit", "auc", "top5",
)  # fmt: skip
CONTRAST_COLUMNS = (
    "participant", "roi", "training", "control", "contrast", "n_participants", "n_same_sign",
    "n_test_stimuli", "difference", "ci_low", "ci_high", "people_low", "people_high", "d", "p", "p_fdr",
)  # fmt: skip
CONFUSION_COLUMNS = ("participant", "training", "control", "label", "predicted", "count")
_CELL = ["roi", "training", "control", "step"]
NOTHING = "nothing"
_EQUAL_SIZE = " at equal size"
# A whole set less the same under a control.
_LESS = {SHUFFLED: " - shuffled", UNTRAINED: " - untrained"}


@dataclass(frozen=True)
class Scores:
    """What decoding found.

    Attributes
    ----------
    table : ``SCORE_COLUMNS``; accuracy is balanced accuracy on single test trials, chance its mean
        under permuted labels, ``p_fdr`` over the rows with the full training set, each control apart
    contrasts : ``CONTRAST_COLUMNS``; accuracy of a training set less that of the real one, of the same
        shuffled over images, or of the same from the untrained network; ``p_fdr`` over ROI sets and training
        sets, whole sets less real as one family, those cut to the real set's size as another, those less
        each control as one more
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
    p of an accuracy: labels permuted over test stimuli within source and session (``strata.usable``),
    predictions fixed, one-sided, (1 + #{permuted >= observed}) / (1 + n). p of a contrast: the two decoders
    swap predictions stimulus by stimulus, two-sided. It varies with differences between classes too, which
    a bootstrap within classes takes as given, so that an interval can exclude zero where p is large.
    ``p_fdr``: Benjamini & Hochberg 1995, within a participant (or the group). Accuracies: rows with
    the full training set, those of each control apart. Contrasts: rows with full sets are one family, over
    ROI sets and training sets; rows at equal size, and those less a control, ask other questions and are
    families of their own. ``p_max``: of accuracies by the largest permuted one (Westfall & Young 1993), which
    takes account of how regions and sets go together. ``above_chance`` is (accuracy - chance) / (1 - chance).
    ``p_refit``: labels of the training set permuted and the decoder fitted again; the true test labels stay.
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
    therefore speak of new images for these participants. ``people_low`` and ``people_high`` draw
    participants too (``bootstrap_over_participants``), ``d`` is Hedges' over participants; with a handful
    of them both are rough. Cells that some participant lacks are left out, and ``skipped`` counts them.
    ``n_training``, ``penalty``, ``auc`` and ``top5`` are means over participants, the first rounded;
    ``n_test_trials`` the sum; stimuli and classes are counted once. Refits are drawn participant by
    participant, so that their p says nothing of a mean over several that saw the same pictures: it is NaN.
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
    pool = _Pool.of(participants, name, stimuli, np.stack(draws), np.stack(null))
    signs = stimuli.signs(n_permutations, rng)
    table, contrasts = _table(pool, rng), _contrasts(pool, signs, rng)
    return Scores(table, contrasts, _confusion(participants, name), (*skipped, *lost))


@dataclass(frozen=True)
class _Pool:
    """Participants with the same cells.

    Attributes
    ----------
    name : of the participant, or of the group
    shares : (n_participants, n_cells, n_stimuli) what each stimulus adds to accuracy
    draws : (n_participants, n_draws, n_cells) accuracy under bootstrap draws of stimuli
    null : (n_participants, n_permutations, n_cells) accuracy under permuted labels
    within : what labels were permuted within: source, session, both or neither
    """

    participants: Sequence[Decoded]
    name: str
    shares: NDArray[np.float64]
    draws: NDArray[np.float64]
    null: NDArray[np.float64]
    within: tuple[str, ...]

    @classmethod
    def of(
        cls,
        participants: Sequence[Decoded],
        name: str,
        stimuli: TestStimuli,
        draws: NDArray[np.float64],
        null: NDArray[np.float64],
    ) -> _Pool:
        shares = np.zeros((len(participants), draws.shape[2], len(stimuli.labels)))
        for own, decoded, rows in zip(shares, participants, stimuli.rows, strict=True):
            own[:, rows] = stimulus_shares(decoded)
        return cls(participants, name, shares, draws, null, stimuli.within)

    @property
    def cells(self) -> pd.DataFrame:
        return self.participants[0].cells

    @property
    def n_stimuli(self) -> int:
        return len({stimulus for decoded in self.participants for stimulus in decoded.stimuli})

    def people_intervals(self, draws: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
        """(n, 2) 95% intervals with participants drawn too, of (n_participants, n_draws, n); NaN of one."""
        if len(draws) < 2:
            return np.full((draws.shape[2], 2), np.nan)
        drawn = bootstrap_over_participants(draws, rng)
        return np.array([percentile_interval(cell) for cell in drawn.T]).reshape(-1, 2)


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


def _table(pool: _Pool, rng: np.random.Generator) -> pd.DataFrame:
    cells, participants = pool.cells, pool.participants
    each = pool.shares.sum(axis=2)  # (n_participants, n_cells)
    observed, null = each.mean(axis=0), pool.null.mean(axis=0)
    chance = null.mean(axis=0)
    intervals = np.array([percentile_interval(cell) for cell in pool.draws.mean(axis=0).T])
    people = pool.people_intervals(pool.draws, rng)
    p = np.array([permutation_p(value - TIE, cell) for value, cell in zip(observed, null.T, strict=True)])
    over_chance = each - pool.null.mean(axis=1)
    control = cells["control"].map({NO_CONTROL: 0, **{name: n for n, name in enumerate(CONTROLS, 1)}})
    full = cells["full"].to_numpy()
    of_all = {name: np.mean([d.cells[name] for d in participants], axis=0) for name in _MEANS}
    return pd.DataFrame(
        {
            "participant": pool.name,
            **{name: cells[name] for name in _CELL},
            "n_training": np.rint(of_all["n_training"]).astype(np.int64),
            "full": full,
            "n_participants": len(participants),
            "n_test_trials": sum(int(decoded.counts[0].sum()) for decoded in participants),
            "n_test_stimuli": pool.n_stimuli,
            "n_classes": len({c for decoded in participants for c in decoded.classes}),
            "penalty": of_all["penalty"],
            "penalty_at_edge": np.any([d.cells["penalty_at_edge"] for d in participants], axis=0),
            "accuracy": observed,
            "ci_low": intervals[:, 0],
            "ci_high": intervals[:, 1],
            "people_low": people[:, 0],
            "people_high": people[:, 1],
            "chance": chance,
            "above_chance": above_chance(observed, chance),
            "d": [standardised_effect(cell) for cell in over_chance.T],
            "p": p,
            "p_fdr": _fdr_by(p, np.where(full, control, -1)),
            "p_max": _max_p(observed, null, full & (control == 0).to_numpy()),
            "permuted_within": " and ".join(pool.within) or NOTHING,
            "p_refit": cells.get("p_refit", np.nan) if len(participants) == 1 else np.nan,
            "auc": of_all["auc"],
            "top5": of_all["top5"],
        },
        columns=list(SCORE_COLUMNS),
    )


_MEANS = ("n_training", "penalty", "auc", "top5")


def _contrasts(pool: _Pool, signs: NDArray[np.float64], rng: np.random.Generator) -> pd.DataFrame:
    """Whole sets less the whole real set, larger ones also at its size, and whole sets less a control."""
    pairs = _pairs(pool.cells)
    changes = pool.draws[:, :, [one for one, _, _ in pairs]] - pool.draws[:, :, [two for _, two, _ in pairs]]
    people = pool.people_intervals(changes, rng)
    rows: list[dict[str, Any]] = []
    for number, (cell, baseline, contrast) in enumerate(pairs):
        change = pool.shares[:, cell] - pool.shares[:, baseline]  # (n_participants, n_stimuli)
        each, over_people = change.sum(axis=1), change.mean(axis=0)
        difference = float(over_people.sum())
        low, high = percentile_interval(changes[:, :, number].mean(axis=0))
        rows.append(
            {
                "participant": pool.name,
                "roi": pool.cells["roi"][cell],
                "training": pool.cells["training"][cell],
                "control": next((c for c, end in _LESS.items() if contrast.endswith(end)), NO_CONTROL),
                "contrast": contrast,
                "n_participants": len(each),
                "n_same_sign": int((np.sign(each) == np.sign(difference)).sum()),
                "n_test_stimuli": pool.n_stimuli,
                "difference": difference,
                "ci_low": low,
                "ci_high": high,
                "people_low": people[number, 0],
                "people_high": people[number, 1],
                "d": standardised_effect(each),
                "p": permutation_p(abs(difference) - TIE, np.abs(signs @ over_people)),
            }
        )
    table = pd.DataFrame(rows, columns=list(CONTRAST_COLUMNS))
    kinds = [_kind(str(name)) for name in table["contrast"]]
    p = table["p"].to_numpy(dtype=np.float64)
    return table.assign(p_fdr=_fdr_by(p, np.array(kinds, dtype=np.int64)))


def _pairs(cells: pd.DataFrame) -> list[tuple[int, int, str]]:
    """(cell, what it is compared with, the contrast's name)."""
    keys = [tuple(map(str, key)) for key in cells[_CELL].itertuples(index=False, name=None)]
    place = {key: number for number, key in enumerate(keys)}
    pairs = []
    for number, (roi, training, control, step) in enumerate(keys):
        if control != NO_CONTROL:
            actual = place.get((roi, training, NO_CONTROL, FULL))
            if actual is not None:
                pairs.append((actual, number, f"{training}{_LESS[control]}"))
            continue
        real = place.get((roi, REAL, NO_CONTROL, FULL))
        if training != REAL and step in (FULL, "1") and real is not None:
            size = "" if step == FULL else _EQUAL_SIZE
            pairs.append((number, real, f"{training} - {REAL}{size}"))
    return pairs


def _kind(contrast: str) -> int:
    """The family that a contrast belongs to."""
    ends = (_EQUAL_SIZE, *_LESS.values())
    return next((n for n, end in enumerate(ends, 1) if contrast.endswith(end)), 0)


def _fdr_by(p: NDArray[np.float64], family: IntArray) -> NDArray[np.float64]:
    """Corrected p within each family; NaN where it is negative."""
    corrected = np.full(len(p), np.nan)
    for number in np.unique(family[family >= 0]):
        corrected[family == number] = fdr(p[family == number])
    return corrected


def _max_p(
    observed: NDArray[np.float64], null: NDArray[np.float64], family: BoolArray
) -> NDArray[np.float64]:
    """(n_cells,) p for the whole family together, accuracies in sd of their null; NaN elsewhere."""
    p = np.full(len(observed), np.nan)
    centre, sd = null[:, family].mean(axis=0), null[:, family].std(axis=0)
    sd[sd == 0] = np.nan
    p[family] = max_statistic_p((observed[family] - centre - TIE) / sd, (null[:, family] - centre) / sd)
    return p


def _confusion(participants: Sequence[Decoded], name: str) -> pd.DataFrame:
    """Trials of each label predicted as each class; of the group, summed over participants."""
    frames = [_own_confusion(decoded) for decoded in participants]
    joined = _stack(frames, CONFUSION_COLUMNS)
    keys = ["training", "control", "label", "predicted"]
    summed = joined.groupby(keys, sort=False)["count"].sum().reset_index()
    summed.insert(0, "participant", name)
    return summed


def _own_confusion(decoded: Decoded) -> pd.DataFrame:
    chosen = decoded.cells["full"] & (decoded.cells["roi"] == ALL_VOXELS)
    rows = []
    for number in np.flatnonzero(chosen):
        training, control = decoded.cells.loc[number, ["training", "control"]]
        for label, true_name in enumerate(decoded.classes):
            counts = decoded.counts[number][decoded.labels == label].sum(axis=0)
            rows += [
                (decoded.participant, training, control, true_name, predicted, int(count))
                for predicted, count in zip(decoded.classes, counts, strict=True)
            ]
    return pd.DataFrame(rows, columns=list(CONFUSION_COLUMNS))


def _stack(frames: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    filled = [frame for frame in frames if len(frame)]
    if not filled:
        return pd.DataFrame(columns=list(columns))
    return pd.concat(filled, ignore_index=True)
