"""What the estimator of single-trial responses chose, in sentences."""

from __future__ import annotations

import math

from ..structures import Json
from .estimation import Chosen
from .numbers import MINUS, correlation, count, counted

ESTIMATORS = {
    "lsa": "least squares all (lsa)",
    "lss": "least squares separate (lss)",
    "tr34": "the mean of the third and fourth volume (tr34)",
    "hrf": "least squares with a haemodynamic response for each voxel (hrf)",
    "hrf-denoise": "least squares with a haemodynamic response for each voxel and noise components projected"
    " out (hrf-denoise)",
    "hrf-denoise-ridge": "ridge regression with a haemodynamic response for each voxel and noise components"
    " projected out (hrf-denoise-ridge)",
}
_LEAST = 0.0005


def estimation_words(chosen: Chosen, summary: Json) -> str:
    """A paragraph: which estimator and why, what it chose by what, and what the choice does to scores."""
    if "precomputed" in summary:
        return " ".join(part for part in (_given(summary), _dropped(chosen)) if part)
    parts = (_rung(chosen), _responses(chosen, summary), _components(chosen), _fractions(chosen))
    return " ".join(part for part in (*parts, _repeats(chosen), _optimism(chosen), _dropped(chosen)) if part)


def _given(summary: Json) -> str:
    return f"Responses were precomputed, not estimated here: {str(summary['precomputed']).removesuffix('.')}."


def _rung(chosen: Chosen) -> str:
    used = f"Responses were estimated by {ESTIMATORS.get(chosen.used, chosen.used)}"
    if chosen.asked in (chosen.used, ""):
        return f"{used}, as asked for."
    return " ".join((f"{used}, although {chosen.asked} was asked for.", *chosen.notes[:1]))


def _responses(chosen: Chosen, summary: Json) -> str:
    if chosen.hrf is None:
        return ""
    spread = chosen.hrf
    low, middle, high = (f"{spread.quantile(share):.2f}" for share in (0.25, 0.5, 0.75))
    before = " (before some were left out for their ncsnr)" if "min_ncsnr" in summary else ""
    return (
        f"The {counted(spread.n_voxels, 'voxel')}{before} took {count(spread.n_used)} of the library’s"
        f" {len(spread.values)} haemodynamic responses, each the one that fits its time series best; the time"
        f" to peak is {middle} s in the median voxel (middle half of voxels {low} to {high} s)."
    )


def _components(chosen: Chosen) -> str:
    if chosen.n_components is None:
        return ""
    if not chosen.n_candidates:
        return "No noise components were sought or removed."
    pool = f"from {counted(chosen.n_pool, 'voxel')} that the task explains least"
    if not chosen.n_components:
        return (
            f"No noise component was projected out: with 1 to {chosen.n_candidates} of them, {pool}, the"
            " reliability r of one response is at most .002 higher than without, where it is"
            f" {_precise(chosen.scores[0])} (median over the voxels that respond best)."
        )
    were = "was" if chosen.n_components == 1 else "were"
    return (
        f"Of up to {counted(chosen.n_candidates, 'noise component')} {pool}, {chosen.n_components} {were}"
        f" projected out, with which the reliability r of one response rose by {_precise(chosen.gain)}, from"
        f" {_precise(chosen.scores[0])} to {_precise(chosen.scores[chosen.n_components])} (median over the"
        " voxels that respond best)."
    )


def _fractions(chosen: Chosen) -> str:
    if chosen.fraction is None:
        return ""
    low, middle, high = (correlation(chosen.fraction.quantile(share)) for share in (0.25, 0.5, 0.75))
    return (
        f"The median voxel’s ridge fraction is {middle} (middle half of voxels {low} to {high}; 1 would be"
        " least squares)."
    )


def _repeats(chosen: Chosen) -> str:
    if not chosen.n_tuning_stimuli or not (chosen.n_candidates or chosen.fraction):
        return ""
    chose = " and ".join(
        what
        for what, there in (
            ("the number of components", chosen.n_candidates > 0),
            ("the fractions", chosen.fraction is not None),
        )
        if there
    )
    return (
        f"Repeats chose {chose}: {counted(chosen.n_tuning_trials, 'presentation')} of"
        f" {counted(chosen.n_tuning_stimuli, 'image')} shown in more than one run."
    )


def _optimism(chosen: Chosen) -> str:
    if math.isnan(chosen.optimism):
        return ""
    lead = "The choice used the same repeats as the reliability and the five rows:"
    if chosen.optimism < _LEAST:
        shown = "0" if chosen.optimism > -_LEAST else f"{MINUS}{_precise(abs(chosen.optimism))}"
        return f"{lead} measured by halves of the images, that does not raise reliability ({shown})."
    raised = _precise(chosen.optimism)
    return f"{lead} measured by halves of the images, that raises reliability by about {raised}."


def _dropped(chosen: Chosen) -> str:
    if not chosen.n_dropped:
        return ""
    are = "is" if chosen.n_dropped == 1 else "are"
    return f"There {are} {counted(chosen.n_dropped, 'trial')} without a response."


def _precise(value: float) -> str:
    return correlation(value, digits=3)
