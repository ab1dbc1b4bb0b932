"""Designs of synthetic runs: which image when, in slow and in rapid event-related designs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import UsageError
from ..structures import IntArray

# Seconds after the last trial's onset until the haemodynamic response has passed.
REST_S = 22.0
_FIRST_ONSET_S = 6.0
_FEWEST_TRIALS = 2


@dataclass(frozen=True)
class Pace:
    """How fast trials follow one another.

    Attributes
    ----------
    interval : seconds from one trial's place to the next
    duration : seconds that an image is shown
    jitter : seconds by which an onset may be later than its place, evenly distributed
    null_share : share of the places that show nothing
    trials_per_run : about as many as a participant bears
    """

    interval: float
    duration: float
    jitter: float
    null_share: float
    trials_per_run: int


# BOLD5000's timing; and a jittered design with blank trials at the pace of the Natural Scenes Dataset.
PACES = {
    "slow": Pace(interval=10.0, duration=1.0, jitter=0.0, null_share=0.0, trials_per_run=37),
    "rapid": Pace(interval=4.0, duration=2.0, jitter=1.0, null_share=0.2, trials_per_run=60),
}


@dataclass(frozen=True)
class PlannedRun:
    """One run to synthesise.

    Attributes
    ----------
    session, run : labels without ``ses-`` and ``run-``; the session's is "" where there are none
    trials : one row a trial in order of onset, with ``onset``, ``duration`` (seconds), ``stimulus`` and
        whatever else its events say
    n_volumes : of the run
    """

    session: str
    run: str
    trials: pd.DataFrame
    n_volumes: int


def plan_runs(
    stimuli: Sequence[str],
    pace: Pace,
    *,
    repetition_time: float,
    n_runs: int | None = None,
    repeats: int = 1,
    n_volumes: int | None = None,
    rng: np.random.Generator,
) -> tuple[PlannedRun, ...]:
    """Runs in which every image is shown, in random order, its presentations spread over the runs.

    Parameters
    ----------
    stimuli : the images
    pace : of the trials
    repetition_time : seconds
    n_runs : None means as many as the pace's trials a run ask for
    repeats : presentations of every image
    n_volumes : of a run; None means from 6 s before the first place to 22 s after the last
    rng : decides order, jitter and blanks

    Returns
    -------
    runs of equal length that differ by a trial at most; an image comes in as many different runs as its
        repeats allow, and within a run all images come once before any comes again

    Raises
    ------
    UsageError : no repeats, fewer than two trials a run, or trials after the run's last volume
    """
    n_trials = len(stimuli) * repeats
    if repeats < 1:
        raise UsageError(f"{repeats} presentations of an image were asked for", "Give 1 or more")
    count = -(-n_trials // pace.trials_per_run) if n_runs is None else n_runs
    if not 1 <= count <= n_trials // _FEWEST_TRIALS:
        raise UsageError(
            f"{n_trials} trials cannot fill {count} runs of at least {_FEWEST_TRIALS}",
            "Give fewer runs, more images, or more repeats of them",
        )
    members = balanced_runs(len(stimuli), repeats, count, rng)
    n_places = round(-(-n_trials // count) / (1 - pace.null_share))
    length = _FIRST_ONSET_S + pace.interval * (n_places - 1) + REST_S
    volumes = int(np.ceil(length / repetition_time)) if n_volumes is None else n_volumes
    digits = max(2, len(str(count)))
    return tuple(
        PlannedRun("", f"{number:0{digits}d}", _trials(shown, stimuli, pace, n_places, rng), volumes)
        for number, shown in enumerate(members, start=1)
    )


def balanced_runs(
    n_stimuli: int, repeats: int, n_runs: int, rng: np.random.Generator
) -> tuple[IntArray, ...]:
    """Which images each run shows, in order.

    Presentations go to the runs round the clock, image after image in random order: the repeats of an image
    fall into different runs as long as there are runs left without it.
    """
    order = np.repeat(rng.permutation(n_stimuli), repeats)
    return tuple(_in_rounds(order[run::n_runs], rng) for run in range(n_runs))


def require_within(run: PlannedRun, repetition_time: float) -> None:
    """Refuse trials that the scanner would not see.

    Raises
    ------
    UsageError : a trial starts after the run's last volume
    """
    seconds = run.n_volumes * repetition_time
    late = int((run.trials["onset"] >= seconds).sum())
    if late:
        raise UsageError(
            f"{late} of {len(run.trials)} trials of run {run.run} start after its {run.n_volumes} volumes"
            f" of {repetition_time:g} s",
            "Give more volumes, or leave their number out",
        )


def _in_rounds(shown: IntArray, rng: np.random.Generator) -> IntArray:
    """The images of a run in random order, each once before any comes again, none twice in a row."""
    images, counts = np.unique(shown, return_counts=True)
    ordered: list[int] = []
    for number in range(int(counts.max(initial=0))):
        block = rng.permutation(images[counts > number])
        if ordered and block[0] == ordered[-1]:
            block = np.roll(block, 1)
        ordered += block.tolist()
    return np.array(ordered, dtype=np.int64)


def _trials(
    shown: IntArray, stimuli: Sequence[str], pace: Pace, n_places: int, rng: np.random.Generator
) -> pd.DataFrame:
    places: NDArray[np.int64] = np.sort(rng.permutation(n_places)[: len(shown)])
    onsets = _FIRST_ONSET_S + pace.interval * places + pace.jitter * rng.random(len(shown))
    return pd.DataFrame(
        {
            "onset": onsets.round(3),
            "duration": np.full(len(shown), pace.duration),
            "stimulus": [stimuli[number] for number in shown],
        }
    )
