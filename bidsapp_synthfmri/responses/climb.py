"""Up the ladder as far as the data allow: what is asked, what repeats and noise pool permit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from ..structures import BoolArray, Estimation, FloatArray, Trials
from .components import choose_components
from .denoising import MIN_POOL
from .estimators import require_separable
from .fractions import FractionChoice
from .ladder import Ladder
from .library import hrf_library
from .outcome import Allocate, Estimate, kept_trials, nothing_chosen
from .readings import FirstReading, SecondReading, first_reading, regressors_of, second_reading
from .repeats import MIN_TUNING_STIMULI, Repeats, find_repeats
from .runs import RunData

_RIDGE = "hrf-denoise-ridge"
_HRF = "hrf"
# With which the number of components is chosen: a coarse grid over all strengths.
_FEW_FRACTIONS = (1.0, 0.6, 0.3, 0.1)


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
    the estimate; by ``hrf`` where fewer than ``MIN_TUNING_STIMULI`` stimuli repeat across runs

    Raises
    ------
    DesignError, InputMalformedError : see the first reading; trials that cannot be told apart
    """
    first = first_reading(runs, asked, device)
    kept = kept_trials(first.designs, trials)
    remaining = trials.take(kept)
    repeats = find_repeats(remaining, None if tuning is None else tuning[kept])
    used, notes = _rung(asked, repeats)
    for here in first.designs:
        if here.kept.any():
            require_separable(here.design, ridge=used == _RIDGE)
    choices = replace(
        nothing_chosen(asked, notes),
        hrf_peaks=tuple(hrf.time_to_peak for hrf in hrf_library()),
        hrf_index=first.hrf_index,
        n_tuning_stimuli=0 if used == _HRF else repeats.n_stimuli,
        n_tuning_trials=0 if used == _HRF else len(repeats.rows),
    )
    regressors = regressors_of(first)
    second = None if used == _HRF else second_reading(runs, first, device)
    if second is not None:
        choices = _with_components(first, second, regressors, remaining, repeats, used, choices, device)
    number = choices.n_components or 0
    components = (
        [np.empty((len(here.design.times), 0)) for here in first.designs]
        if second is None
        else second.leading(number)
    )
    ladder = Ladder(first, regressors, components, remaining, device)
    values = allocate((len(remaining), len(first.usable)))
    if used == _RIDGE and second is not None:
        tuner = FractionChoice.prepare(first, second, regressors, number, remaining, repeats, device)
        choices = _fill_ridge(ladder, runs, values, tuner, first, choices)
    else:
        for batch in ladder.batches(runs):
            values[:, batch.columns] = ladder.least_squares(batch).cpu().numpy()
    return Estimate(values, first.usable, first.designs, used, choices)


def _rung(asked: str, repeats: Repeats) -> tuple[str, tuple[str, ...]]:
    if asked == _HRF or repeats.suffice:
        return asked, ()
    return _HRF, (
        f"{repeats.n_stimuli} stimuli were shown in more than one run; {asked} chooses by at least "
        f"{MIN_TUNING_STIMULI} such stimuli, so that responses were estimated by {_HRF}.",
    )


def _with_components(
    first: FirstReading,
    second: SecondReading,
    regressors: Mapping[int, Sequence[NDArray[np.float32]]],
    trials: Trials,
    repeats: Repeats,
    used: str,
    choices: Estimation,
    device: torch.device,
) -> Estimation:
    """The number of noise components to project out."""
    if not first.n_pool:
        note = f"The noise pool has fewer than {MIN_POOL} voxels, so that no noise components were removed."
        return replace(choices, notes=(*choices.notes, note), n_components=0)
    fractions = _FEW_FRACTIONS if used == _RIDGE else (1.0,)
    chosen = choose_components(first, second, regressors, trials, repeats, fractions, device)
    return replace(
        choices,
        n_components=chosen.number,
        component_scores=chosen.scores,
        n_pool=first.n_pool,
        optimism=chosen.optimism,
    )


def _fill_ridge(
    ladder: Ladder,
    runs: Iterable[RunData],
    values: FloatArray,
    tuner: FractionChoice,
    first: FirstReading,
    choices: Estimation,
) -> Estimation:
    """Fill ``values``; the fractions chosen, and how far choosing them flatters the stimuli that chose."""
    fractions = np.empty(values.shape[1], dtype=np.float32)
    gains = np.empty(values.shape[1], dtype=np.float32)
    for batch in ladder.batches(runs):
        fraction, gain = tuner.choose(ladder, batch)
        reference = ladder.least_squares(batch)
        estimate = ladder.ridge(batch, fraction)
        values[:, batch.columns] = ladder.restored(estimate, reference).cpu().numpy()
        fractions[batch.columns] = fraction.cpu().numpy()
        gains[batch.columns] = gain.cpu().numpy()
    flattery = float(gains[first.responsive].mean())
    return replace(choices, fraction=fractions, optimism=flattery + (choices.optimism or 0.0))
