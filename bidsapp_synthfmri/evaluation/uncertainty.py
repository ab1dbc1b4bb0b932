"""What single responses are made of, what the encoder misses of them, and whether it knows how much."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import norm

from ..errors import InputMalformedError
from ..structures import FloatArray, IntArray, RoiSet
from .comparison import Comparison
from .presentations import Float64Array, group_presentations
from .reliability import Reliability

NOMINAL = (0.5, 0.8, 0.95)
"""Chances with which intervals should hold the mean response; their observed coverage is reported."""

COLUMNS = ("roi", "metric", "nominal", "value", "n_voxels", "n_stimuli")


def uncertainty_scores(
    comparison: Comparison, known: Reliability, rois: Sequence[RoiSet], posterior: FloatArray | None = None
) -> pd.DataFrame:
    """Variances of single responses and coverage of the encoder's intervals, by region.

    Parameters
    ----------
    comparison : real trials of the test stimuli, and the encoder's predictions of them
    known : signal and noise of the same voxels
    rois : regions
    posterior : (n_stimuli, n_voxels) variance of each prediction, in the responses' unit squared; None
        where the encoder does not know it

    Returns
    -------
    long form, ``COLUMNS``: means over voxels of ``signal_variance`` and ``noise_variance`` of one response,
    of ``missed_variance``, and with ``posterior`` of ``posterior_variance``; and by ``nominal`` the
    ``coverage``, the share of voxels and stimuli whose mean response lies in the interval

    Raises
    ------
    InputMalformedError : shapes do not fit

    Notes
    -----
    The mean of m responses to a stimulus differs from its prediction by what the encoder misses of the signal
    and by noise of variance noise_sd^2 / m, independent of each other. So the mean over stimuli of error^2 -
    noise_sd^2 / m is the variance missed, unbiased and therefore sometimes below 0. An interval is
    prediction +- z sqrt(posterior variance + noise_sd^2 / m).
    """
    _require_fitting(comparison, known, posterior)
    error, noise, stimuli = _errors(comparison, known)
    voxelwise = {
        "signal_variance": known.signal_sd.astype(np.float64) ** 2,
        "noise_variance": known.noise_sd.astype(np.float64) ** 2,
        "missed_variance": (error**2 - noise).mean(axis=0),
    }
    spread = None
    if posterior is not None:
        own = posterior[stimuli].astype(np.float64)
        voxelwise["posterior_variance"] = own.mean(axis=0)
        spread = np.sqrt(own + noise)
    rows = []
    for roi in rois:
        sizes = (int(roi.voxels.sum()), len(stimuli))
        rows += [
            (roi.name, metric, np.nan, float(values[roi.voxels].mean()), *sizes)
            for metric, values in voxelwise.items()
        ]
        if spread is not None:
            away = np.abs(error[:, roi.voxels])
            rows += [
                (roi.name, "coverage", chance, _share(away, spread[:, roi.voxels], chance), *sizes)
                for chance in NOMINAL
            ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _errors(comparison: Comparison, known: Reliability) -> tuple[Float64Array, Float64Array, IntArray]:
    """(n_stimuli, n_voxels) mean response less prediction; its noise variance; which stimuli, ascending."""
    shown = group_presentations(comparison.stimulus_index)
    error = shown.means(comparison.real) - comparison.prediction[shown.stimuli]
    noise = known.noise_sd.astype(np.float64) ** 2 / shown.counts[:, None]
    return error, noise, shown.stimuli


def _share(away: Float64Array, spread: Float64Array, chance: float) -> float:
    return float((away <= norm.ppf(0.5 + chance / 2) * spread).mean())


def _require_fitting(comparison: Comparison, known: Reliability, posterior: FloatArray | None) -> None:
    shape = comparison.prediction.shape
    if known.noise_sd.shape != shape[1:] or (posterior is not None and posterior.shape != shape):
        raise InputMalformedError(
            f"Predictions of shape {shape} do not fit noise of {known.noise_sd.shape} or their variance of"
            f" {None if posterior is None else posterior.shape}",
            "Give one noise standard deviation for every voxel, and one variance for every prediction",
        )
