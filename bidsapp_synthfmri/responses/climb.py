"""Up the ladder as far as the data allow: what is asked, what repeats and noise pool permit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch

from ..structures import BoolArray, Estimation, FloatArray, Trials
from .components import choose_components
from .denoising import MIN_POOL
from .estimators import require_separable
from .fractions import FractionChoice
from .ladder import Ladder
from .library import hrf_library
from .outcome import Allocate, Estimate, kept_trials, nothing_chosen
from .readings import FirstReading, first_reading, second_reading
from .repeats import MIN_TUNING_STIMULI, Repeats, find_repeats
from .runs import RunData
from .survey import Survey

_HRF, _DENOISE, _RIDGE = "hrf", "hrf-denoise", "hrf-denoise-ridge"
# With which the number of components is chosen: a coarse grid over all strengths.
_FEW_FRACTIONS = (1.0, 0.6, 0.3, 0.1)
# Mean variance inflation of a joint fit above which separate fits usually do better.
_CROWDED = 3.0


def climb(
    runs: Iterable[RunData],
    trials: Trials,
    asked: str,
    tuning: BoolArray | None,
    device: torch.device,
    allocate: Allocate,
) -> Estimate:
    """Responses by one of the upper rungs.

    Parameters
    ----------
    runs : can be read several times
    trials : of all runs, in their order
    asked : ``hrf``, ``hrf-denoise`` or ``hrf-denoise-ridge``
    tuning : (n_trials,) trials whose repeats may choose; None for all
    device, allocate : where to compute, and into what

    Returns
    -------
    the estimate; by ``hrf`` where fewer than ``MIN_TUNING_STIMULI`` stimuli repeat across runs, or where
    denoising is asked for and there is no noise pool

    Raises
    ------
    DesignError, InputMalformedError : see the first reading; trials that cannot be told apart
    """
    first = first_reading(runs, asked, device)
    kept = kept_trials(first.designs, trials)
    remaining = trials.take(kept)
    repeats = find_repeats(remaining, None if tuning is None else tuning[kept])
    used, notes = _rung(asked, repeats, first.n_pool)
    crowding = _crowding(first, ridge=used == _RIDGE)
    if used != asked and crowding > _CROWDED:
        notes += ("Trials lie so close that --responses lss is likely to be more reliable.",)
    choices = replace(
        nothing_chosen(asked, notes),
        hrf_peaks=tuple(hrf.time_to_peak for hrf in hrf_library()),
        hrf_index=first.hrf_index,
    )
    values = allocate((len(remaining), len(first.usable)))
    if used == _HRF:
        nothing = [np.empty((len(here.design.times), 0)) for here in first.designs]
        _fill(Ladder(first, nothing, remaining, device), runs, values)
        return Estimate(values, first.usable, first.designs, used, choices)
    second = second_reading(runs, first, device)
    survey = Survey(first, second, remaining, repeats, device)
    choices = _with_components(survey, used, choices)
    ladder = survey.ladder(choices.n_components or 0)
    if used == _RIDGE:
        choices = _fill_ridge(ladder, runs, values, survey, choices)
    else:
        _fill(ladder, runs, values)
    return Estimate(values, first.usable, first.designs, used, choices)


def _rung(asked: str, repeats: Repeats, n_pool: int) -> tuple[str, tuple[str, ...]]:
    """The rung that repeats and noise pool allow, and why it is not the one asked for."""
    no_pool = f"The noise pool has fewer than {MIN_POOL} voxels, so that no noise components were removed."
    if asked == _HRF:
        return asked, ()
    if not repeats.suffice:
        return _HRF, (
            f"{repeats.n_stimuli} stimuli were shown in more than one run; {asked} chooses by at least "
            f"{MIN_TUNING_STIMULI} such stimuli, so that responses were estimated by {_HRF}.",
        )
    if n_pool:
        return asked, ()
    return (_HRF if asked == _DENOISE else asked), (no_pool,)


def _crowding(first: FirstReading, ridge: bool) -> float:
    """Mean variance inflation of a joint fit; see ``require_separable`` for errors."""
    inflation = [require_separable(here.design, ridge).mean() for here in first.designs if here.kept.any()]
    return float(np.mean(inflation))


def _with_components(survey: Survey, used: str, choices: Estimation) -> Estimation:
    """The number of noise components to project out, and who chose."""
    choices = replace(
        choices,
        n_components=0,
        n_pool=survey.first.n_pool,
        n_tuning_stimuli=survey.repeats.n_stimuli,
        n_tuning_trials=len(survey.repeats.rows),
    )
    if not survey.first.n_pool:
        return choices
    chosen = choose_components(survey, _FEW_FRACTIONS if used == _RIDGE else (1.0,))
    return replace(
        choices,
        n_components=chosen.number,
        component_scores=chosen.scores,
        optimism=chosen.optimism,
    )


def _fill(ladder: Ladder, runs: Iterable[RunData], values: FloatArray) -> None:
    for batch in ladder.batches(runs):
        values[:, batch.columns] = ladder.least_squares(batch).cpu().numpy()


def _fill_ridge(
    ladder: Ladder, runs: Iterable[RunData], values: FloatArray, survey: Survey, choices: Estimation
) -> Estimation:
    """Fill ``values``; the fractions chosen, and how far choosing them flatters the stimuli that chose."""
    tuner = FractionChoice.prepare(survey, choices.n_components or 0)
    fractions = np.empty(values.shape[1], dtype=np.float32)
    gains = np.empty(values.shape[1], dtype=np.float32)
    for batch in ladder.batches(runs):
        fraction, gain = tuner.choose(ladder, batch)
        reference = ladder.least_squares(batch)
        estimate = ladder.ridge(batch, fraction)
        values[:, batch.columns] = ladder.restored(estimate, reference).cpu().numpy()
        fractions[batch.columns] = fraction.cpu().numpy()
        gains[batch.columns] = gain.cpu().numpy()
    flattery = float(gains[survey.first.responsive].mean())
    return replace(choices, fraction=fractions, optimism=flattery + (choices.optimism or 0.0))
