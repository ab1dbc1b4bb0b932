"""Which stimuli are held out for testing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputMalformedError
from ..structures import BoolArray, Trials

# Below this many test stimuli a correlation over them says next to nothing (standard error above .3).
MIN_TEST_STIMULI = 10
# Above this share of repeated stimuli, holding all of them out would leave too few to train on.
_MOST = 0.5


@dataclass(frozen=True)
class HeldOut:
    """The held-out stimuli; no stimulus is on both sides.

    Attributes
    ----------
    is_test : (n_trials,) whether a trial shows a held-out stimulus
    rule : a sentence on how they were chosen
    """

    is_test: BoolArray
    rule: str

    @property
    def labels(self) -> tuple[str, ...]:
        """(n_trials,) ``test`` or ``train``."""
        return tuple("test" if test else "train" for test in self.is_test)

    def take(self, trials: BoolArray) -> HeldOut:
        """The same stimuli held out of some trials."""
        return HeldOut(self.is_test[trials], self.rule)


def choose_test_set(trials: Trials, fraction: float, rng: np.random.Generator) -> HeldOut:
    """Repeated stimuli; a random share where most repeat, or, besides them, where too few do.

    Parameters
    ----------
    trials : all trials
    fraction : share of the stimuli to hold out where that share is drawn
    rng : draws them

    Raises
    ------
    InputMalformedError : no stimuli are left to train on, or too few to hold any out
    """
    counts = np.bincount(trials.stimulus_index)  # (n_stimuli,)
    chosen = counts > 1
    n_repeated, n_stimuli = int(chosen.sum()), len(counts)
    rule = f"the {n_repeated} stimuli presented at least twice"
    if n_repeated > _MOST * n_stimuli:
        n_test = min(max(round(fraction * n_stimuli), MIN_TEST_STIMULI), n_repeated // 2)
        drawn = rng.choice(np.flatnonzero(chosen), size=n_test, replace=False)
        chosen = np.isin(np.arange(n_stimuli), drawn)
        rule = f"a random {n_test} of the {n_repeated} stimuli presented at least twice, which are most"
    elif n_repeated < MIN_TEST_STIMULI:
        once = np.flatnonzero(~chosen)
        n_more = max(round(fraction * n_stimuli), MIN_TEST_STIMULI) - n_repeated
        n_more = min(max(n_more, 0), len(once) // 2)
        chosen[rng.choice(once, size=n_more, replace=False)] = True
        rule = (
            f"a random {n_more} of {n_stimuli} stimuli besides the {n_repeated} presented at least twice, "
            f"which are fewer than {MIN_TEST_STIMULI}"
        )
    n_train = int((~chosen).sum())
    if n_train < 2 or not chosen.any():
        raise InputMalformedError(
            f"Of {n_stimuli} stimuli {n_train} would remain to train the encoder on",
            "Include more runs: an encoder needs stimuli besides those it is tested on",
        )
    return HeldOut(chosen[trials.stimulus_index], rule)
