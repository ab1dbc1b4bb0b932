"""Single trials of synthetic responses: predictions, the encoder's uncertainty, and a trial's noise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from ..errors import InputMalformedError, UsageError
from ..structures import FloatArray
from .noise_model import CALIBRATED, NONE, NoiseModel, require_kind, require_snr_scale


def image_generators(seed: int, positions: Iterable[int]) -> list[np.random.Generator]:
    """One generator for each image, by its position among all images of the set.

    What is drawn for an image so depends neither on batches nor on shards; ``default_rng(seed).spawn(n)``
    gives those of the first n.
    """
    return [
        np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(position,))) for position in positions
    ]


def require_samplable(model: NoiseModel | None, kind: str, repeats: int, snr_scale: float) -> None:
    """Refuse what cannot be sampled, before hours go into it.

    Parameters
    ----------
    model : of the encoder, if it has one

    Raises
    ------
    UsageError : no such kind of noise, fewer repeats than 1, a scale that is no scale or has no noise to
        refer to, or noise without a model of it
    """
    require_kind(kind)
    require_snr_scale(snr_scale)
    if repeats < 1:
        raise UsageError(f"{repeats} repeats were asked for", "Give 1 or more")
    if kind == NONE and snr_scale != 1:
        raise UsageError(
            f"The signal-to-noise scale is {snr_scale} and there is no noise",
            "Choose calibrated or independent noise, or leave the scale at 1",
        )
    if kind != NONE and model is None:
        raise UsageError(
            f"Noise was to be {kind}, but the encoder has no noise model: that comes from stimuli presented"
            " more than once, which its data lack, or it was fitted by an older version",
            "Ask for no noise, or fit the encoder again on sessions in which stimuli repeat",
        )


def sample_trials(
    prediction: FloatArray,
    model: NoiseModel | None,
    repeats: int,
    rngs: Sequence[np.random.Generator],
    *,
    kind: str = CALIBRATED,
    snr_scale: float = 1.0,
    variance: FloatArray | None = None,
) -> FloatArray:
    """Presentations of images, as a participant's single trials would be.

    Parameters
    ----------
    prediction : (n_images, n_voxels) noiseless
    model : how real trials vary; needed for noise
    repeats : presentations of every image
    rngs : one an image, see ``image_generators``; more repeats do not change the first ones
    kind : ``calibrated`` noise, correlated over voxels as the participant's; ``independent`` over voxels;
        ``none``
    snr_scale : what the signal's standard deviation is multiplied by, the noise staying as measured
    variance : (n_images, n_voxels) of the encoder's posterior: one draw of it an image, which its
        repeats share, independent over voxels, is added to the prediction

    Returns
    -------
    (repeats, n_images, n_voxels) float32, in the unit of the prediction

    Raises
    ------
    UsageError, InputMalformedError : see ``require_samplable``; shapes that do not fit

    Notes
    -----
    METHODS, "Noise-calibrated synthetic trials": y~ = centre + s gain (yhat - centre) + noise. A prediction
    varies less than the signal it predicts; the gain makes up for that, so that presentations correlate at
    r with each other and at rho r with a real one. A draw of the posterior supplies some of the missing
    variance itself, and the gain is the smaller for it: presentations still correlate at r with each other,
    and less with a real one. Without noise the prediction, and a draw if any, is left as it is.
    """
    require_samplable(model, kind, repeats, snr_scale)
    _require_fitting(prediction, rngs, variance)
    if variance is not None:
        drawn = [rng.standard_normal(prediction.shape[1], dtype=np.float32) for rng in rngs]
        prediction = prediction + np.sqrt(variance) * np.array(drawn).reshape(prediction.shape)
    if model is None or kind == NONE:
        return np.repeat(prediction[None].astype(np.float32), repeats, axis=0)
    gain = model.gain if variance is None or model.gain_drawn is None else model.gain_drawn
    signal = replace(model, gain=gain).signal(prediction, snr_scale)
    trials = np.empty((repeats, *prediction.shape), dtype=np.float32)
    for image, rng in enumerate(rngs):
        trials[:, image] = signal[image] + model.noise(kind, repeats, rng)
    return trials


def _require_fitting(
    prediction: FloatArray, rngs: Sequence[np.random.Generator], variance: FloatArray | None
) -> None:
    if prediction.ndim != 2 or len(rngs) != len(prediction):
        raise InputMalformedError(
            f"Predictions of shape {prediction.shape} do not fit {len(rngs)} generators",
            "Give one generator for every image",
        )
    if variance is not None and variance.shape != prediction.shape:
        raise InputMalformedError(
            f"Variances of shape {variance.shape} do not fit predictions of shape {prediction.shape}",
            "Give the variance of every prediction",
        )
