"""Which classes have enough images to be decoded, and a sentence on those that have not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

_NAMED = 8


@dataclass(frozen=True)
class UsableClasses:
    """Classes that a decoder can be trained and tested on.

    Attributes
    ----------
    classes : sorted; empty where fewer than two are left
    left_out : (class, reason) of every other one
    sentences : one a reason, with counts and names
    """

    classes: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]
    sentences: tuple[str, ...]


def usable_classes(
    train: Sequence[str | None],
    test: Sequence[str | None],
    *,
    what: str,
    min_train: int = 5,
    min_test: int = 2,
    n_folds: int = 0,
    train_groups: Sequence[str] | None = None,
) -> UsableClasses:
    """Classes with enough images on both sides of the split.

    Parameters
    ----------
    train, test : label of each distinct training and test image; None for images without one
    what : how sentences begin (``Participant CSI1, label set 'superordinate'``)
    min_train, min_test : images that a class needs on either side
    n_folds : folds that each class is spread over; a class needs as many training images, and as many
        groups where there are groups; 0 for none
    train_groups : group of each training image that folds keep together (its synset, its scene category)

    Notes
    -----
    The first rule that a class fails is its reason: not in training, not in test, too few of either,
    fewer images than folds, fewer groups than folds. Images without a label count for no class.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    names = train_groups if train_groups is not None else [str(number) for number in range(len(train))]
    for label, group in zip(train, names, strict=True):
        if label is not None:
            groups[label].append(group)
    tested: dict[str, int] = defaultdict(int)
    for label in test:
        if label is not None:
            tested[label] += 1
    reasons = {
        label: _reason(groups.get(label, []), tested.get(label, 0), min_train, min_test, n_folds)
        for label in sorted({*groups, *tested})
    }
    usable = tuple(label for label, reason in reasons.items() if reason is None)
    left_out = tuple((label, reason) for label, reason in reasons.items() if reason is not None)
    sentences = _sentences(what, left_out, len(reasons))
    if len(usable) < 2:
        end = "one" if usable else "none"
        of = f" ({usable[0]})" if usable else ""
        sentences.append(f"{what}: not decoded, because two classes are needed and {end}{of} can be used.")
        return UsableClasses((), left_out, tuple(sentences))
    return UsableClasses(usable, left_out, tuple(sentences))


def _reason(groups: Sequence[str], n_test: int, min_train: int, min_test: int, n_folds: int) -> str | None:
    n_train, n_groups = len(groups), len(set(groups))
    rules = (
        (n_train == 0, "no training image"),
        (n_test == 0, "no test image"),
        (n_train < min_train, f"fewer than {min_train} training images"),
        (n_test < min_test, f"fewer than {min_test} test images"),
        (n_train < n_folds, f"fewer training images than the {n_folds} folds"),
        (n_groups < n_folds, f"fewer groups of training images than the {n_folds} folds"),
    )
    return next((reason for fails, reason in rules if fails), None)


def _sentences(what: str, left_out: Sequence[tuple[str, str]], n_classes: int) -> list[str]:
    classes: dict[str, list[str]] = defaultdict(list)
    for label, reason in left_out:
        classes[reason].append(label)
    said = []
    for reason, labels in classes.items():
        more = f" and {len(labels) - _NAMED} more" if len(labels) > _NAMED else ""
        have = "has" if len(labels) == 1 else "have"
        named = ", ".join(labels[:_NAMED])
        said.append(
            f"{what}: {len(labels)} of {n_classes} classes {have} {reason}, so left out ({named}{more})."
        )
    return said
