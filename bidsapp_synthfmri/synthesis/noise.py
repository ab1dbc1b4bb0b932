"""Synthetic single trials: a noiseless prediction with as much noise as real trials have."""

from __future__ import annotations

import numpy as np

from ..errors import InputMalformedError
from ..structures import BoolArray, FloatArray


def noise_matched(
    prediction: FloatArray, r: FloatArray, sd: FloatArray, repeats: int, rng: np.random.Generator
) -> FloatArray:
    """Synthetic presentations whose reliability is that of real ones.

    Parameters
    ----------
    prediction : (n_images, n_voxels) noiseless responses
    r : (n_voxels,) single-trial reliability; held within 0 and 1 (``count_clipped`` says how often)
    sd : (n_voxels,) standard deviation of a real trial
    repeats : presentations to draw of every image
    rng : draws the noise

    Returns
    -------
    (repeats, n_images, n_voxels) float32, in the unit of ``sd``

    Raises
    ------
    InputMalformedError : shapes do not fit, a value is not finite, or ``sd`` is negative

    Notes
    -----
    METHODS, "Noise-calibrated synthetic trials":
    y~ = mean + sd (sqrt(r) z(prediction) + sqrt(1 - r) e), e standard normal and independent over
    voxels, z over the images given. Two presentations of an image then correlate at r, and one with a
    real trial at rho r. A constant prediction has no z: its signal is zero and noise alone is drawn.
    """
    _require_fitting(prediction, r, sd)
    reliability = np.clip(r.astype(np.float64), 0.0, 1.0)
    mean = prediction.mean(axis=0, dtype=np.float64)
    spread = prediction.std(axis=0, dtype=np.float64)
    gain = np.zeros_like(spread)
    np.divide(sd * np.sqrt(reliability), spread, out=gain, where=~constant_predictions(prediction))
    signal = (mean + (prediction - mean) * gain).astype(np.float32)  # (n_images, n_voxels)
    trials = rng.standard_normal((repeats, *prediction.shape), dtype=np.float32)
    trials *= (sd * np.sqrt(1.0 - reliability)).astype(np.float32)
    trials += signal
    return trials


def count_clipped(r: FloatArray) -> int:
    """Voxels whose reliability lies outside 0 and 1, which ``noise_matched`` brings within."""
    return int(((r < 0) | (r > 1)).sum())


def constant_predictions(prediction: FloatArray) -> BoolArray:
    """(n_voxels,) where the prediction is the same for every image."""
    constant: BoolArray = np.ptp(prediction, axis=0) == 0
    return constant


def _require_fitting(prediction: FloatArray, r: FloatArray, sd: FloatArray) -> None:
    if prediction.ndim != 2 or r.shape != prediction.shape[1:] or sd.shape != prediction.shape[1:]:
        raise InputMalformedError(
            f"Predictions of shape {prediction.shape} do not fit reliability {r.shape} and sd {sd.shape}",
            "Give one reliability and one standard deviation for every predicted voxel",
        )
    if not (np.isfinite(prediction).all() and np.isfinite(r).all() and np.isfinite(sd).all()):
        raise InputMalformedError(
            "Predictions, reliability or standard deviations are not all finite",
            "Leave out the voxels that could not be estimated",
        )
    if (sd < 0).any():
        raise InputMalformedError(
            f"{int((sd < 0).sum())} standard deviations are negative",
            "Give the standard deviation of real single trials, which is 0 or more",
        )
