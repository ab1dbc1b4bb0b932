"""Classes that cannot be decoded are left out by rule, with a sentence."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsapp_synthfmri.decoding.label_sets_usable import usable_classes

LABELS = st.lists(st.sampled_from(["a", "b", "c", "d", None]), max_size=40)


def test_every_rule_has_its_sentence() -> None:
    train = ["dog"] * 9 + ["bird"] * 9 + ["cat"] + ["fish"] * 9 + ["ball"] * 9 + ["tool"] * 6 + [None] * 3
    test = ["dog"] * 3 + ["bird"] * 3 + ["cat"] * 3 + ["ball"] + ["tool"] * 3 + ["boat"] * 2 + [None]
    found = usable_classes(train, test, what="sub-1", min_train=5, min_test=2, n_folds=8)
    assert found.classes == ("bird", "dog")
    assert dict(found.left_out) == {
        "ball": "fewer than 2 test images",
        "boat": "no training image",
        "cat": "fewer than 5 training images",
        "fish": "no test image",
        "tool": "fewer training images than the 8 folds",
    }
    assert "sub-1: 1 of 7 classes has no test image, so left out (fish)." in found.sentences
    assert len(found.sentences) == 5


@pytest.mark.parametrize(
    ("train", "test", "classes"),
    [
        ([], [], "none"),
        (["a"] * 9, ["a"] * 9, "one (a)"),
        ([None] * 9, [None], "none"),
        (["a"], ["b"], "none"),
    ],
)
def test_fewer_than_two_classes_are_said_and_not_raised(
    train: Sequence[str | None], test: Sequence[str | None], classes: str
) -> None:
    found = usable_classes(train, test, what="sub-1")
    assert found.classes == ()
    assert f"not decoded, because two classes are needed and {classes} can be used." in found.sentences[-1]


def test_a_class_whose_images_are_of_few_groups_cannot_be_spread_over_folds() -> None:
    train, test = ["a"] * 6 + ["b"] * 6 + ["c"] * 6, ["a", "b", "c"] * 2
    groups = ["n1"] * 6 + [f"n{number}" for number in range(12)]
    found = usable_classes(train, test, what="sub-1", n_folds=4, train_groups=groups)
    assert found.classes == ("b", "c")
    assert found.left_out == (("a", "fewer groups of training images than the 4 folds"),)


def test_many_classes_are_counted_and_some_named() -> None:
    found = usable_classes(["a", "b"] * 9, ["a", "b"] * 2 + [f"x{n:02d}" for n in range(30)], what="sub-1")
    assert "30 of 32 classes have no training image" in found.sentences[0]
    assert "x07 and 22 more" in found.sentences[0]


@given(LABELS, LABELS, st.integers(1, 6), st.integers(1, 3), st.integers(0, 8))
def test_classes_pass_all_rules_and_every_other_one_has_a_reason(
    train: list[str | None], test: list[str | None], min_train: int, min_test: int, n_folds: int
) -> None:
    found = usable_classes(train, test, what="x", min_train=min_train, min_test=min_test, n_folds=n_folds)
    every = {label for label in [*train, *test] if label is not None}
    passing = {
        label
        for label in every
        if train.count(label) >= max(min_train, n_folds) and test.count(label) >= min_test
    }
    assert found.classes == (tuple(sorted(passing)) if len(passing) > 1 else ())
    assert {label for label, _ in found.left_out} == every - passing
