"""Which picture is shown when: BOLD5000's timing, repeats spread over sessions, honest tags."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .config import EXTRA_NUMBER, FIRST_ONSET, ONSET_INTERVAL, SimulationConfig

_MISSED_SHARE = 0.02
_STRAY_TAGS = 2


def stimulus_table(config: SimulationConfig) -> pd.DataFrame:
    """The pictures that every participant sees, the repeated ones first.

    Returns
    -------
    one row a picture: ``stimulus`` (file name), ``category``, ``number``, ``presentations``; both the
    repeated and the other pictures are divided evenly among the categories
    """
    counts = dict.fromkeys(config.categories, 0)
    rows = []
    for shown, many in ((config.n_presentations, config.n_repeated), (1, config.n_once)):
        for index in range(many):
            category = config.categories[index % config.n_categories]
            counts[category] += 1
            name = f"{category}_{counts[category]:03d}.jpg"
            rows.append((name, category, counts[category], shown))
    return pd.DataFrame(rows, columns=["stimulus", "category", "number", "presentations"])


def extra_table(config: SimulationConfig) -> pd.DataFrame:
    """The pictures nobody sees: ``stimulus`` (category folder / file name), ``category``, ``number``."""
    rows = [
        (f"{category}/{category}_{EXTRA_NUMBER + index}.jpg", category, EXTRA_NUMBER + index)
        for category in sorted(config.categories)
        for index in range(config.extra_per_category)
    ]
    return pd.DataFrame(rows, columns=["stimulus", "category", "number"])


def draw_schedule(config: SimulationConfig, stimuli: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """One participant's trials.

    Parameters
    ----------
    config : design
    stimuli : ``stimulus_table``
    rng : decides order, jitter, tags and answers

    Returns
    -------
    one row a trial in order of presentation: ``session``, ``run`` (labels), ``trial``, ``onset``,
    ``duration`` (s), ``stimulus``, ``category``, ``tag`` (ImgType), ``response``, ``reaction_time``
    """
    capacity = config.n_runs * config.trials_per_run
    order = np.concatenate(
        sessions_of_stimuli(config.n_sessions, capacity, config.n_repeated, config.n_presentations, rng)
    )
    shown = stimuli.iloc[order].reset_index(drop=True)
    trial = np.tile(np.arange(config.trials_per_run), len(config.runs))
    labels = np.repeat(np.array(config.runs), config.trials_per_run, axis=0)
    onset = FIRST_ONSET + ONSET_INTERVAL * trial + rng.uniform(-0.005, 0.041, len(trial))
    answered = rng.random(len(trial)) >= _MISSED_SHARE
    return pd.DataFrame(
        {
            "session": labels[:, 0],
            "run": labels[:, 1],
            "trial": trial + 1,
            "onset": onset.round(4),
            "duration": rng.uniform(0.967, 1.002, len(trial)).round(4),
            "stimulus": shown["stimulus"],
            "category": shown["category"],
            "tag": _tags(shown, rng),
            "response": np.where(answered, rng.integers(1, 4, len(trial)), 0),
            "reaction_time": np.where(answered, rng.gamma(9.0, 0.13, len(trial)), 0.0).round(4),
        }
    )


def sessions_of_stimuli(
    n_sessions: int, capacity: int, n_repeated: int, n_presentations: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Which stimuli each session shows, in order.

    Parameters
    ----------
    n_sessions, capacity : sessions, and trials of each
    n_repeated, n_presentations : stimuli shown more than once, and how often
    rng : decides order

    Returns
    -------
    one (capacity,) a session: numbers of stimuli, the repeated ones first, then as many shown once as fit

    Notes
    -----
    A repeated stimulus goes to sessions that follow one another round the clock, so every session
    gets its share of repeats, and a stimulus repeats within a session only where sessions are few.
    """
    repeats: list[list[int]] = [[] for _ in range(n_sessions)]
    for start, stimulus in enumerate(rng.permutation(n_repeated)):
        for presentation in range(n_presentations):
            repeats[(start * n_presentations + presentation) % n_sessions].append(int(stimulus))
    once = n_repeated + rng.permutation(n_sessions * capacity - n_repeated * n_presentations)
    sessions, taken = [], 0
    for repeated in repeats:
        free = capacity - len(repeated)
        members = np.concatenate([np.array(repeated, dtype=np.int64), once[taken : taken + free]])
        sessions.append(rng.permutation(members))
        taken += free
    return sessions


def _tags(shown: pd.DataFrame, rng: np.random.Generator) -> list[str]:
    """ImgType: ``rep_`` on all presentations of a repeated picture but one, and on a few seen once."""
    tagged = (shown["presentations"] > 1).to_numpy(copy=True)
    for _, rows in shown[tagged].groupby("stimulus", sort=True):
        tagged[rng.choice(rows.index.to_numpy())] = False
    once = np.flatnonzero((shown["presentations"] == 1).to_numpy())
    tagged[rng.choice(once, size=min(_STRAY_TAGS, len(once)), replace=False)] = True
    return [f"rep_{c}" if tag else str(c) for c, tag in zip(shown["category"], tagged, strict=True)]
