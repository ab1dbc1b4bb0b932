"""Unseen categories: neither the encoder nor the decoder saw a real response to the categories told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import InputMalformedError
from ..structures import IntArray
from .category_folds import CategoryFolds
from .experiment_list import Experiment
from .experiments import INNER_FOLDS, Decoded, decode, edge_note, nothing_decoded
from .training_sets import MIXED, SYNTHETIC_SAME, Comparison, ParticipantData, compare

_CELL = ["roi", "training", "control", "step"]
_NAMED = 8


@dataclass(frozen=True)
class UnseenData:
    """What one participant brings to decoding unseen categories.

    Attributes
    ----------
    data : real trials; in place of synthetic sets the responses to each picture that the encoder without its
        category's fold predicts
    folds : which categories were left out together
    noise_sd : (n_folds, n_voxels) of a real trial about its prediction, over categories of the other folds
    """

    data: ParticipantData
    folds: CategoryFolds
    noise_sd: NDArray[np.float64]

    @classmethod
    def of(cls, data: ParticipantData, folds: CategoryFolds) -> UnseenData:
        """Measure the noise, over trials of the training set.

        Raises
        ------
        InputMalformedError : no encoder without its category predicted a training picture, or for one fold
            alone
        """
        who, remedy = f"Participant {data.participant}", "Run the participant level again"
        same = next((part for part in data.synthetic if part.name == SYNTHETIC_SAME), None)
        if same is None:
            raise InputMalformedError(f"{who}: no encoder without a category predicted its pictures", remedy)
        row_of = {stimulus: row for row, stimulus in enumerate(same.stimuli)}
        rows = [row for row, stimulus in enumerate(data.real.stimuli) if stimulus in row_of]
        predicted = same.values[[row_of[data.real.stimuli[row]] for row in rows]]
        errors = data.real.values[rows].astype(np.float64) - predicted
        fold = folds.of([data.real.labels[row] for row in rows])
        if len(np.unique(fold[fold >= 0])) < 2:
            raise InputMalformedError(f"{who}: only one fold of categories has training trials", remedy)
        others = [errors[(fold >= 0) & (fold != number)] for number in range(folds.n_folds)]
        return cls(data, folds, np.array([own.std(axis=0) for own in others]))


def decode_unseen(
    unseen: UnseenData,
    rng: np.random.Generator,
    experiment: Experiment,
    min_train: int = 5,
    min_test: int = 2,
) -> Decoded:
    """Predictions for real trials of categories that neither encoders nor decoders saw a real response to.

    Parameters
    ----------
    unseen : responses, folds and noise
    rng, experiment, min_train, min_test : as of ``experiments.decode``

    Returns
    -------
    predictions counted over all categories, those for a trial within its own fold, within which alone labels
    are exchanged (``Decoded.strata``). ``n_training`` counts pictures of all folds; ``penalty``, ``auc`` and
    ``top5`` are means over folds, the last two weighed by their categories

    Notes
    -----
    METHODS, "Decoding": a decoder a fold, which chooses among its categories. One trained on ``real``
    responses did see the categories: it is what real data of them would give. The noise that decoders of
    synthetic responses expect is measured on other folds' categories. All folds take part with the same
    training sets (``training_sets.compare``); categories that this leaves alone in their fold are left out.
    """
    data, who = _sets_of(unseen.data, experiment), f"Participant {unseen.data.participant}"
    comparison = compare(data, min_train, min_test, INNER_FOLDS.get(experiment.classifier, 0))
    skipped = list(comparison.skipped)
    folds = unseen.folds.restricted(comparison.classes)
    alone = sorted(set(comparison.classes) - set(folds.classes))
    if alone:
        skipped.append(
            f"{who}: {len(alone)} of {len(comparison.classes)} categories have no other in their fold to be"
            f" told apart from, so left out ({', '.join(alone[:_NAMED])}{', ...' * (len(alone) > _NAMED)})."
        )
    parts = []
    for own, child in zip(folds.members(), rng.spawn(folds.n_folds), strict=True):
        noise_sd = unseen.noise_sd[unseen.folds.of(own[:1])[0]]
        parts.append(
            decode(_of_fold(data, comparison, own, noise_sd), child, experiment, min_train, min_test)
        )
    skipped += _said(parts)
    parts = [part for part in parts if part.classes]
    if not parts:
        skipped.append(f"{who}: no unseen categories can be told apart.")
        return nothing_decoded(data, tuple(skipped))
    skipped += edge_note(data.participant, pd.concat([part.cells for part in parts]))
    joined = _joined(parts, skipped)
    return replace(joined, skipped=tuple(skipped))


def _sets_of(data: ParticipantData, experiment: Experiment) -> ParticipantData:
    """The participant with the synthetic sets that take part: others must not decide which categories do."""
    if MIXED in experiment.training:
        return data
    return replace(data, synthetic=tuple(part for part in data.synthetic if experiment.takes(part.name)))


def _of_fold(
    data: ParticipantData, comparison: Comparison, classes: Sequence[str], noise_sd: NDArray[np.float64]
) -> ParticipantData:
    """The participant with a fold's categories, and the sets that take part in every fold."""
    real, *synthetic = (part.of_classes(classes) for part in comparison.training)
    test = comparison.test.of_classes(classes)
    return replace(data, real=real, test=test, synthetic=tuple(synthetic), noise_sd=noise_sd)


def _said(parts: Sequence[Decoded]) -> list[str]:
    """What was left out of folds, said once where it is the same in all; penalties are counted over folds."""
    said = [
        [one for one in part.skipped if one not in edge_note(part.participant, part.cells)] for part in parts
    ]
    of_all = [one for one in said[0] if all(one in own for own in said)] if said else []
    of_some = [
        f"Fold {number} of categories: {one}"
        for number, own in enumerate(said, 1)
        for one in own
        if one not in of_all
    ]
    return [*of_all, *of_some]


def _joined(parts: Sequence[Decoded], skipped: list[str]) -> Decoded:
    """All folds as one: cells that every fold has, classes and stimuli of one fold after another."""
    keys = [list(part.cells[_CELL].itertuples(index=False, name=None)) for part in parts]
    every = dict.fromkeys(key for own in keys for key in own)
    common = [key for key in keys[0] if all(key in own for own in keys)]
    if len(common) < len(every):
        skipped.append(
            f"Participant {parts[0].participant}: {len(every) - len(common)} of {len(every)} combinations of"
            " ROI, training set and size are left out, because a fold of categories lacks them."
        )
    rows = [[own.index(key) for key in common] for own in keys]
    tables = [part.cells.iloc[own].reset_index(drop=True) for part, own in zip(parts, rows, strict=True)]
    sizes = [len(part.classes) for part in parts]
    starts = np.concatenate([[0], np.cumsum(sizes)])[:-1]
    counts = np.zeros((len(common), sum(len(part.stimuli) for part in parts), sum(sizes)), dtype=np.int64)
    first = 0
    for part, own, start in zip(parts, rows, starts, strict=True):
        last = first + len(part.stimuli)
        counts[:, first:last, start : start + len(part.classes)] = part.counts[own]
        first = last
    return Decoded(
        participant=parts[0].participant,
        classes=tuple(name for part in parts for name in part.classes),
        stimuli=tuple(name for part in parts for name in part.stimuli),
        labels=np.concatenate([part.labels + start for part, start in zip(parts, starts, strict=True)]),
        cells=_cells(tables, np.array(sizes)),
        counts=counts,
        skipped=(),
        strata=np.repeat(np.arange(len(parts)), [len(part.stimuli) for part in parts]),
        sources=np.concatenate([part.sources for part in parts]),
        sessions=np.concatenate([part.sessions for part in parts]),
    )


def _cells(tables: Sequence[pd.DataFrame], sizes: IntArray) -> pd.DataFrame:
    """One row a cell, from a table a fold with the same cells, of ``sizes`` classes."""

    def each(column: str) -> NDArray[np.float64]:
        return np.array([table[column].to_numpy(dtype=np.float64) for table in tables])  # (n_folds, n_cells)

    weights = sizes / sizes.sum()
    return tables[0].assign(
        n_training=each("n_training").sum(axis=0).astype(np.int64),
        penalty=each("penalty").mean(axis=0),
        penalty_at_edge=each("penalty_at_edge").max(axis=0) > 0,
        auc=weights @ each("auc"),
        top5=weights @ each("top5"),
    )
