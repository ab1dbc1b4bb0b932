"""How real BOLD series of one participant vary: responses in percent, drifts, noise over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..responses.autoregression import correlations, yule_walker
from ..responses.hrf import Hrf
from ..structures import Estimation, FloatArray, IntArray

# Repetition times are one where a scanner's console rounds them to the same millisecond.
_SAME_SECONDS = 1e-3


@dataclass(frozen=True, eq=False)
class SeriesModel:
    """Everything by which responses in an encoder's unit become series in the scanner's.

    Attributes
    ----------
    hrf_parameters : (n_hrfs, 5) float64 of the haemodynamic responses in use, as ``Hrf`` takes them
    hrf_index : (n_voxels,) which of them is the voxel's
    response_mean, response_sd : (n_voxels,) percent signal change at a response's peak: of a response of 0
        in the encoder's unit, and for each unit above it
    intensity : (n_voxels,) mean of the series, the scanner's units
    noise_sd : (n_voxels,) of a volume, percent
    autoregression : (2, n_voxels) coefficients of that noise on its last and its last but one volume
    drift_sd : (n_cosines, n_voxels) SD over runs of the amplitude, as a SD over volumes in percent, of the
        cosine with k = 1, 2, ... half periods in ``run_duration``
    estimate_noise : (n_voxels,) SD that the noise of the series gave to one trial's response, in the
        encoder's unit
    repetition_time, run_duration : seconds, of the runs that tell this
    n_runs : how many they are

    Notes
    -----
    docs/synthesis-bold.md. All arrays but the parameters and the index are float32.
    """

    hrf_parameters: NDArray[np.float64]
    hrf_index: IntArray
    response_mean: FloatArray
    response_sd: FloatArray
    intensity: FloatArray
    noise_sd: FloatArray
    autoregression: FloatArray
    drift_sd: FloatArray
    estimate_noise: FloatArray
    repetition_time: float
    run_duration: float
    n_runs: int

    @classmethod
    def of_estimation(cls, estimation: Estimation | None) -> Self | None:
        """What estimating responses told of their series; None without BOLD."""
        if estimation is None or estimation.series is None or estimation.estimate_sd is None:
            return None
        series, spread = estimation.series, estimation.estimate_sd
        return cls(
            hrf_parameters=series.hrf_parameters,
            hrf_index=series.hrf_index,
            response_mean=series.mean_response,
            response_sd=(spread / series.gain).astype(np.float32),
            intensity=series.intensity,
            noise_sd=series.noise_sd,
            autoregression=series.autoregression,
            drift_sd=series.drift_sd,
            estimate_noise=np.divide(
                series.estimate_noise_sd, spread, out=np.zeros_like(spread), where=spread > 0
            ),
            repetition_time=series.repetition_time,
            run_duration=series.run_duration,
            n_runs=series.n_runs,
        )

    @property
    def hrfs(self) -> tuple[Hrf, ...]:
        """The haemodynamic responses in use."""
        return tuple(Hrf(*map(float, row)) for row in self.hrf_parameters)

    def at(self, repetition_time: float) -> SeriesModel:
        """The same noise, sampled at another repetition time.

        Notes
        -----
        Correlations at the first two lags are read as those of white noise and of noise that is forgotten
        exponentially: share x decay^lag. Where they do not fall like that (the second is not between 0 and
        the first), all noise is taken to decay as the first lag does. SD and drifts stay.
        """
        if abs(repetition_time - self.repetition_time) < _SAME_SECONDS:
            return self
        _, first, second = correlations(self.autoregression.astype(np.float64), 3)
        falling = (second > 0) & (first > second)
        decay = np.divide(second, first, out=np.maximum(first, 0), where=falling)
        share = np.divide(first, decay, out=np.ones_like(decay), where=falling & (decay > first))
        step = repetition_time / self.repetition_time
        lags = np.array([[step], [2 * step]])
        sampled = np.concatenate([np.ones((1, len(decay))), share * decay**lags])
        coefficients = yule_walker(sampled).astype(np.float32)
        return replace(self, autoregression=coefficients, repetition_time=repetition_time)

    @property
    def summary(self) -> str:
        """What the model is and where it comes from, for the model card."""
        peaks = sorted({round(hrf.time_to_peak, 2) for hrf in self.hrfs})
        span = f"{len(peaks)} times to peak from {peaks[0]:g} to {peaks[-1]:g} s"
        if len(peaks) == 1:
            span = f"time to peak {peaks[0]:g} s"
        return (
            f"BOLD series, from {self.n_runs} of the participant's runs at a repetition time of"
            f" {self.repetition_time:g} s: {span}, response in percent signal change, drifts of"
            f" {len(self.drift_sd)} cosines, autoregressive noise of order 2."
        )

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All of it as arrays, numbers as arrays without axes."""
        return {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """What ``to_arrays`` gave; KeyError for an array that is not there."""
        held = {field.name: arrays[field.name] for field in fields(cls)}
        values: dict[str, Any] = {name: array if array.ndim else array.item() for name, array in held.items()}
        return cls(**values)
