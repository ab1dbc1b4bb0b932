"""What the estimator of single-trial responses chose and left out, as facts of the summary."""

from __future__ import annotations

import math

import numpy as np

from ..responses.fractional import FRACTIONS
from ..structures import Estimation, FloatArray, IntArray, Json

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def estimation_facts(estimation: Estimation | None, used: str) -> Json:
    """The ``estimation`` entry of the summary; empty where nothing is known.

    Parameters
    ----------
    estimation : choices of all voxels measured
    used : the estimator that gave the responses
    """
    if estimation is None:
        return {}
    facts: Json = {
        "asked": estimation.asked,
        "used": used,
        "notes": list(estimation.notes),
        "n_components": estimation.n_components,
        "component_scores": [_finite(score) for score in estimation.component_scores],
        "n_pool": estimation.n_pool,
        "n_tuning_stimuli": estimation.n_tuning_stimuli,
        "n_tuning_trials": estimation.n_tuning_trials,
        "optimism": _finite(estimation.optimism),
        "n_dropped_trials": len(estimation.dropped_trials),
    }
    if estimation.hrf_index is not None:
        facts["hrf"] = _hrf(estimation.hrf_peaks, estimation.hrf_index)
    if estimation.fraction is not None:
        facts["fraction"] = _fraction(estimation.fraction)
    return {"estimation": facts}


def _hrf(peaks: tuple[float, ...], index: IntArray) -> Json:
    """Seconds to peak of the library's responses, and how many voxels have each."""
    return {"peaks": list(peaks), "counts": np.bincount(index, minlength=len(peaks)).tolist()}


def _fraction(fraction: FloatArray) -> Json:
    """Quantiles over voxels, and how many voxels have each fraction of the grid, smallest first."""
    grid = np.sort(FRACTIONS)
    nearest = np.abs(fraction[:, None] - grid).argmin(axis=1)
    quantiles = np.quantile(fraction.astype(np.float64), _QUANTILES).round(4)
    return {
        "quantiles": {f"{share:g}": float(q) for share, q in zip(_QUANTILES, quantiles, strict=True)},
        "values": grid.tolist(),
        "counts": np.bincount(nearest, minlength=len(grid)).tolist(),
    }


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
