"""Strata of stimuli within which the null hypothesis lets labels be exchanged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..structures import BoolArray, IntArray

SOURCE_STRATUM, SESSION_STRATUM = "source", "session"
SEVERAL = "several"
# Sessions are kept while at least this share of the labels that may move within sources may still move.
_LEAST_SHARE = 0.5


def joint(*keys: IntArray) -> IntArray:
    """(n,) number of each item's combination of keys, each (n,)."""
    _, index = np.unique(np.stack(keys), axis=1, return_inverse=True)
    return np.asarray(index.reshape(-1), dtype=np.int64)


def numbered(items: Sequence[str], value_of: Mapping[str, str]) -> IntArray:
    """(n,) number of each item's value; items without one are a stratum of their own."""
    values = np.array([value_of.get(item, "") for item in items], dtype=str)
    return np.asarray(np.unique(values, return_inverse=True)[1].reshape(-1), dtype=np.int64)


def members(strata: IntArray) -> list[BoolArray]:
    """(n,) mask of each stratum, numbered from 0."""
    return [np.asarray(strata == number) for number in range(int(strata.max(initial=-1)) + 1)]


def movable(labels: IntArray, strata: IntArray) -> float:
    """Share of the stimuli whose stratum holds stimuli of two labels or more."""
    moves = [int(own.sum()) for own in members(strata) if len(np.unique(labels[own])) > 1]
    return sum(moves) / max(len(labels), 1)


def usable(
    labels: IntArray, fixed: IntArray, sources: IntArray, sessions: IntArray
) -> tuple[IntArray, tuple[str, ...]]:
    """The finest strata that leave labels to exchange, and which of source and session they keep apart.

    Parameters
    ----------
    labels : (n_stimuli,)
    fixed : (n_stimuli,) strata that are always kept
    sources, sessions : (n_stimuli,) strata that are given up, sessions first

    Notes
    -----
    Restricted exchangeability: Winkler et al. 2015. Pictures of a source share statistics that tell of the
    label, so sources go only where no label can be exchanged within them. Sessions share noise, which
    responses are standardised for, so they go where less than half of the labels could still be exchanged.
    The choice looks at which stimuli were tested when, never at what decoders predict.
    """
    with_sources = joint(fixed, sources)
    within_sources = movable(labels, with_sources)
    if not within_sources:
        return fixed, ()
    kept = (SOURCE_STRATUM,) if _is_finer(with_sources, fixed) else ()
    with_both = joint(with_sources, sessions)
    if not _is_finer(with_both, with_sources) or movable(labels, with_both) < _LEAST_SHARE * within_sources:
        return with_sources, kept
    return with_both, (*kept, SESSION_STRATUM)


def _is_finer(strata: IntArray, than: IntArray) -> bool:
    return len(np.unique(strata)) > len(np.unique(than))


def session_of_stimuli(stimuli: Sequence[str], sessions: Sequence[str]) -> dict[str, str]:
    """The session of each stimulus, ``SEVERAL`` where its trials are in more than one.

    Parameters
    ----------
    stimuli, sessions : of each trial
    """
    seen: dict[str, set[str]] = {}
    for stimulus, session in zip(stimuli, sessions, strict=True):
        seen.setdefault(stimulus, set()).add(session)
    return {stimulus: next(iter(own)) if len(own) == 1 else SEVERAL for stimulus, own in seen.items()}
