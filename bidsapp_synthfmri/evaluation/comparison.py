"""What is compared: the test stimuli's real trials and what was synthesised for them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputMalformedError
from ..structures import FloatArray, IntArray
from .moments import StimulusWeights
from .presentations import (
    Float64Array,
    Presentations,
    group_presentations,
    require_finite,
    require_shape,
)
from .statistics import bootstrap_weights


@dataclass(frozen=True)
class Comparison:
    """Real trials of the test stimuli and what was synthesised for them.

    Attributes
    ----------
    real : (n_trials, n_voxels) single-trial responses
    stimulus_index : (n_trials,) row of ``prediction`` that each trial shows
    prediction : (n_stimuli, n_voxels) noiseless synthetic responses; a stimulus without a trial does
        not enter
    samples : (n_samples, n_stimuli, n_voxels) noise-matched synthetic trials; None where the
        reliability is unknown
    r : (n_voxels,) single-trial reliability; None where nothing repeats
    """

    real: FloatArray
    stimulus_index: IntArray
    prediction: FloatArray
    samples: FloatArray | None
    r: FloatArray | None


@dataclass(frozen=True)
class Design:
    """How the trials of a comparison are grouped, and the bootstrap over its stimuli.

    Attributes
    ----------
    presentations : the trials' grouping, stimuli shown more than once first
    n_repeated : how many those are
    everything, repeated : weights over all stimuli, and over those shown more than once
    """

    presentations: Presentations
    n_repeated: int
    everything: StimulusWeights
    repeated: StimulusWeights


def arrange(comparison: Comparison, draws: int, rng: np.random.Generator) -> tuple[Comparison, Design]:
    """Stimuli in the order the accounting needs, and the bootstrap over them.

    Parameters
    ----------
    comparison : in any order
    draws : bootstrap samples; repeated and unrepeated stimuli are drawn apart
    rng : draws them

    Returns
    -------
    the comparison with its stimuli reordered, those without a trial left out; and the design

    Raises
    ------
    InputMalformedError : shapes do not fit, a value is not finite, or a trial has no prediction
    """
    _require_fitting(comparison)
    counts = np.bincount(comparison.stimulus_index, minlength=len(comparison.prediction))
    shown = np.flatnonzero(counts)
    kept = shown[np.argsort(counts[shown] == 1, kind="stable")]
    position = np.empty(len(counts), dtype=np.int64)
    position[kept] = np.arange(len(kept))
    index = position[comparison.stimulus_index]
    n_repeated = int((counts > 1).sum())
    samples = None if comparison.samples is None else comparison.samples[:, kept]
    repeated = _weights(n_repeated, draws, rng)
    once = _weights(len(kept) - n_repeated, draws, rng)
    return (
        Comparison(comparison.real, index, comparison.prediction[kept], samples, comparison.r),
        Design(
            group_presentations(index),
            n_repeated,
            StimulusWeights.of(np.hstack([repeated, once])),
            StimulusWeights.of(repeated),
        ),
    )


def _weights(n: int, draws: int, rng: np.random.Generator) -> Float64Array:
    return bootstrap_weights(n, draws, rng) if n else np.zeros((draws, 0))


def _require_fitting(comparison: Comparison) -> None:
    n_stimuli, n_voxels = comparison.prediction.shape
    n_trials = len(comparison.stimulus_index)
    require_shape(comparison.real.shape, (n_trials, n_voxels), "real trials")
    require_finite(comparison.real, "real responses")
    require_finite(comparison.prediction, "predictions")
    if comparison.samples is not None:
        n_samples = len(comparison.samples)
        require_shape(comparison.samples.shape, (n_samples, n_stimuli, n_voxels), "noise-matched samples")
        require_finite(comparison.samples, "noise-matched samples")
    if comparison.r is not None:
        require_shape(comparison.r.shape, (n_voxels,), "reliabilities")
        require_finite(comparison.r, "reliabilities")
    index = comparison.stimulus_index
    if n_trials == 0 or index.min() < 0 or index.max() >= n_stimuli:
        raise InputMalformedError(
            f"Trials do not point into the {n_stimuli} predictions",
            "Give at least one trial, and a prediction for the stimulus of every trial",
        )
