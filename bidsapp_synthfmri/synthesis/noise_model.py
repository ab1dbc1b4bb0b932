"""How real single trials of one participant vary: signal, noise, and the noise shared by voxels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputMalformedError, UsageError
from ..structures import FloatArray

NONE, INDEPENDENT, CALIBRATED = "none", "independent", "calibrated"
NOISE_KINDS = (NONE, INDEPENDENT, CALIBRATED)


@dataclass(frozen=True, eq=False)
class NoiseModel:
    """Signal and noise of a real single trial, voxel by voxel, and how noise correlates between voxels.

    Attributes
    ----------
    centre : (n_voxels,) mean prediction of images that the fit did not see, in the responses' unit
    gain : (n_voxels,) what brings such predictions to the standard deviation of the true signal; 0 where
        there is no signal, or predictions do not vary
    signal_sd, noise_sd : (n_voxels,) of a real single trial, between and within stimuli
    factors : (rank, n_voxels) of the noise's correlation over voxels
    unique_sd : (n_voxels,) what the factors leave: the correlation is factors' factors +
        diag(unique_sd^2), its diagonal 1
    shrinkage : share of the factors' correlations that was taken off
    held_out : log likelihood of trials of stimuli left out, nats a degree of freedom and voxel
    held_out_independent : the same of noise that is independent over voxels
    n_stimuli, n_trials : repeated stimuli, and all their presentations
    n_searched : degrees of freedom of them that rank and shrinkage were searched with; 0 where there
        were too few stimuli to search
    gain_drawn : (n_voxels,) the gain of predictions to which a draw of the posterior was added; None where
        the encoder has no posterior

    Notes
    -----
    METHODS, "Noise-calibrated synthetic trials". All arrays are float32.
    """

    centre: FloatArray
    gain: FloatArray
    signal_sd: FloatArray
    noise_sd: FloatArray
    factors: FloatArray
    unique_sd: FloatArray
    shrinkage: float
    held_out: float
    held_out_independent: float
    n_stimuli: int
    n_trials: int
    n_searched: int
    gain_drawn: FloatArray | None = None

    @property
    def rank(self) -> int:
        """Factors that voxels' noise shares."""
        return len(self.factors)

    @property
    def reliability(self) -> FloatArray:
        """(n_voxels,) at which two presentations of an image correlate, real ones and synthetic ones."""
        signal, noise = self.signal_sd.astype(np.float64) ** 2, self.noise_sd.astype(np.float64) ** 2
        total = signal + noise
        return np.divide(signal, total, out=np.zeros_like(total), where=total > 0).astype(np.float32)

    def signal(self, prediction: FloatArray, snr_scale: float = 1.0) -> FloatArray:
        """Noiseless predictions with the spread that real signal has.

        Parameters
        ----------
        prediction : (n_images, n_voxels)
        snr_scale : what the signal's standard deviation is multiplied by. The noise stays as measured, so
            the total grows or shrinks with it; 0 leaves the centre alone

        Returns
        -------
        (n_images, n_voxels) float32: centre + snr_scale gain (prediction - centre)

        Raises
        ------
        InputMalformedError : another number of voxels
        UsageError : ``snr_scale`` is below 0 or not finite
        """
        _require_voxels(prediction, len(self.centre))
        require_snr_scale(snr_scale)
        scaled: FloatArray = prediction - self.centre
        scaled *= np.float32(snr_scale) * self.gain
        scaled += self.centre
        return scaled

    def noise(self, kind: str, n: int, rng: np.random.Generator) -> FloatArray:
        """Noise of single trials.

        Parameters
        ----------
        kind : ``none``; ``independent`` over voxels; or ``calibrated``, correlated over voxels as real noise
        n : trials; the first of them are the same however many are drawn
        rng : draws them

        Returns
        -------
        (n, n_voxels) float32 of mean 0 and standard deviation ``noise_sd``, in the responses' unit

        Raises
        ------
        UsageError : another kind
        """
        require_kind(kind)
        n_voxels = len(self.noise_sd)
        if kind == NONE:
            return np.zeros((n, n_voxels), dtype=np.float32)
        if kind == INDEPENDENT:
            independent: FloatArray = rng.standard_normal((n, n_voxels), dtype=np.float32)
            return independent * self.noise_sd
        # Of one trial after the other, so that more trials do not change the first ones.
        drawn = rng.standard_normal((n, self.rank + n_voxels), dtype=np.float32)
        noise: FloatArray = drawn[:, self.rank :] * self.unique_sd
        for trial, scores in zip(noise, drawn[:, : self.rank], strict=True):
            trial += scores @ self.factors
        return noise * self.noise_sd

    @property
    def summary(self) -> str:
        """What the model is and how it was chosen, for the model card."""
        silent = int((self.gain == 0).sum())
        of = f"{self.n_stimuli} repeated stimuli ({self.n_trials} presentations)"
        if self.n_searched == 0:
            chosen = f"Noise of single trials, from {of}: too few to look for noise that voxels share."
        else:
            chosen = (
                f"Noise of single trials, from {of}: {self.rank} factors shared by voxels, shrunk by"
                f" {self.shrinkage:.2f}, chosen by the likelihood of stimuli left out."
            )
        return f"{chosen} {silent} of {len(self.gain)} voxels have no signal: theirs is noise alone."

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All of it as arrays, numbers as arrays without axes; what is None is left out."""
        held = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: np.asarray(values) for name, values in held.items() if values is not None}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> NoiseModel:
        """What ``to_arrays`` gave; KeyError for an array that is not there."""
        optional = {"gain_drawn"} - set(arrays)
        held = {field.name: arrays[field.name] for field in fields(cls) if field.name not in optional}
        values: dict[str, Any] = {name: array if array.ndim else array.item() for name, array in held.items()}
        return cls(**values)


def require_kind(kind: str) -> None:
    """Refuse a kind of noise that there is not.

    Raises
    ------
    UsageError : with those that there are
    """
    if kind not in NOISE_KINDS:
        raise UsageError(f"Noise cannot be {kind!r}", f"Choose one of {', '.join(NOISE_KINDS)}")


def require_snr_scale(snr_scale: float) -> None:
    """Refuse a factor of the signal that is no factor.

    Raises
    ------
    UsageError : it is below 0 or not finite
    """
    if not 0 <= snr_scale < np.inf:
        raise UsageError(f"The signal-to-noise scale is {snr_scale}", "Give 0 or more; 1 is as measured")


def _require_voxels(prediction: FloatArray, n_voxels: int) -> None:
    if prediction.ndim != 2 or prediction.shape[1] != n_voxels:
        raise InputMalformedError(
            f"Predictions of shape {prediction.shape} do not fit a noise model of {n_voxels} voxels",
            "Give (n_images, n_voxels), from the encoder that the noise model is stored with",
        )
