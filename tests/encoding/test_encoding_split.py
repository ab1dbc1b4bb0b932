"""The test set: repeats first, a random share where they are too few, never a stimulus on both sides."""

import numpy as np
import pandas as pd
import pytest

from bidsapp_synthfmri.encoding.split import choose_test_set
from bidsapp_synthfmri.errors import InputMalformedError
from bidsapp_synthfmri.structures import Trials


def trials(stimuli: list[str]) -> Trials:
    return Trials(pd.DataFrame({"stimulus": stimuli, "session": "01", "run": "01"}))


def sides(stimuli: list[str], is_test: np.ndarray) -> tuple[set[str], set[str]]:
    shown = np.array(stimuli)
    return set(shown[is_test]), set(shown[~is_test])


def test_repeated_stimuli_are_the_test_set():
    repeated = [f"r{i}" for i in range(12)]
    shown = repeated * 3 + [f"o{i}" for i in range(20)] + repeated[:4]
    held_out = choose_test_set(trials(shown), 0.1, np.random.default_rng(0))
    test, train = sides(shown, held_out.is_test)
    assert test == set(repeated)
    assert train == {f"o{i}" for i in range(20)}
    assert "12 stimuli presented at least twice" in held_out.rule
    assert held_out.labels.count("test") == 40


@pytest.mark.parametrize("n_repeated", [0, 2])
def test_too_few_repeats_are_filled_up_at_random(n_repeated):
    shown = [f"s{i}" for i in range(200)] + [f"s{i}" for i in range(n_repeated)]
    held_out = choose_test_set(trials(shown), 0.1, np.random.default_rng(0))
    test, train = sides(shown, held_out.is_test)
    assert len(test) == 20
    assert not test & train
    assert {f"s{i}" for i in range(n_repeated)} <= test
    assert f"besides the {n_repeated}" in held_out.rule


def test_small_sets_keep_half_to_train_on():
    shown = [f"s{i}" for i in range(8)]
    test, train = sides(shown, choose_test_set(trials(shown), 0.1, np.random.default_rng(0)).is_test)
    assert len(test) == 4
    assert len(train) == 4


def test_the_seed_decides():
    shown = [f"s{i}" for i in range(100)]
    first, again, other = (
        choose_test_set(trials(shown), 0.2, np.random.default_rng(seed)).is_test for seed in (1, 1, 2)
    )
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize("n_once", [0, 30])
def test_where_most_stimuli_repeat_a_share_of_them_is_drawn(n_once):
    repeated = [f"r{i}" for i in range(100)]
    shown = repeated * 3 + [f"o{i}" for i in range(n_once)]
    held_out = choose_test_set(trials(shown), 0.2, np.random.default_rng(0))
    test, train = sides(shown, held_out.is_test)
    assert len(test) == round(0.2 * (100 + n_once))
    assert test <= set(repeated)
    assert not test & train
    assert "which are most" in held_out.rule


@pytest.mark.parametrize("shown", [["a"] * 4, ["a", "b"], ["a", "b"] * 2])
def test_nothing_to_train_on_is_refused(shown):
    with pytest.raises(InputMalformedError, match="remain to train"):
        choose_test_set(trials(shown), 0.1, np.random.default_rng(0))
