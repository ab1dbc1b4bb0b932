"""Folds of categories: which are told apart from which, and left out of the encoder together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputMalformedError
from ..structures import IntArray

FEWEST_CATEGORIES = 4
N_CATEGORY_FOLDS = 5


@dataclass(frozen=True)
class CategoryFolds:
    """Categories that are left out together.

    Attributes
    ----------
    classes : names, sorted
    fold : (n_classes,) fold of each, from 0
    """

    classes: tuple[str, ...]
    fold: IntArray

    @property
    def n_folds(self) -> int:
        """How many folds there are."""
        return int(self.fold.max(initial=-1)) + 1

    def of(self, labels: Sequence[str | None]) -> IntArray:
        """Fold of each label, -1 where the label is in none."""
        place = dict(zip(self.classes, self.fold.tolist(), strict=True))
        return np.array([-1 if name is None else place.get(name, -1) for name in labels], dtype=np.int64)

    def members(self) -> list[tuple[str, ...]]:
        """The categories of each fold."""
        return [
            tuple(self.classes[at] for at in np.flatnonzero(self.fold == number))
            for number in range(self.n_folds)
        ]

    def restricted(self, classes: Sequence[str]) -> CategoryFolds:
        """The folds of some categories that hold two of them or more, numbered anew in the same order."""
        kept = [own for members in self.members() if len(own := sorted(set(members) & set(classes))) > 1]
        pairs = sorted((name, number) for number, own in enumerate(kept) for name in own)
        return CategoryFolds(
            tuple(name for name, _ in pairs), np.array([number for _, number in pairs], dtype=np.int64)
        )


def category_folds(
    classes: Sequence[str],
    n_folds: int,
    rng: np.random.Generator,
    source_of: Mapping[str, str] | None = None,
) -> CategoryFolds:
    """Categories dealt at random into folds of two or more.

    Parameters
    ----------
    classes : names
    n_folds : at most; fewer where there are not two categories for each
    rng : deals them
    source_of : source of most pictures of each category; a fold then has two categories or more of each
        source that it has any of, so that categories of one source can be told apart. A source's only
        category goes where the fewest are

    Raises
    ------
    InputMalformedError : fewer than four categories: with one fold, nothing is left to fit the encoder to
    """
    names = tuple(sorted(set(classes)))
    if len(names) < FEWEST_CATEGORIES or n_folds < 2:
        raise InputMalformedError(
            f"{len(names)} categories cannot be left out in {n_folds} folds of two or more",
            "Use labels with four categories or more, and two folds or more",
        )
    dealt = _dealt(_by_source(names, source_of or {}), min(n_folds, len(names) // 2), rng)
    if len(set(dealt.values())) < 2:
        # One source has two or three categories, and the others one: sources cannot be kept apart.
        dealt = _dealt([list(names)], min(n_folds, len(names) // 2), rng)
    order = {number: place for place, number in enumerate(dict.fromkeys(dealt[name] for name in names))}
    return CategoryFolds(names, np.array([order[dealt[name]] for name in names], dtype=np.int64))


def _by_source(names: Sequence[str], source_of: Mapping[str, str]) -> list[list[str]]:
    """Categories of each source, those of most categories first; all together where each has but one."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(source_of.get(name, ""), []).append(name)
    ordered = sorted(groups.values(), key=len, reverse=True)
    return ordered if len(ordered[0]) > 1 else [list(names)]


def _dealt(groups: Sequence[Sequence[str]], n_folds: int, rng: np.random.Generator) -> dict[str, int]:
    """The fold of each category; each group into the folds that hold the fewest."""
    sizes = np.zeros(n_folds, dtype=np.int64)
    fold_of: dict[str, int] = {}
    for group in groups:
        shuffled = [group[at] for at in rng.permutation(len(group))]
        open_to = sizes if len(group) > 1 else np.where(sizes > 0, sizes, np.iinfo(np.int64).max)
        chosen = np.argsort(open_to, kind="stable")[: max(1, min(n_folds, len(group) // 2))]
        for place, name in enumerate(shuffled):
            fold_of[name] = int(chosen[place % len(chosen)])
        sizes += np.bincount([fold_of[name] for name in group], minlength=n_folds)
    return fold_of
