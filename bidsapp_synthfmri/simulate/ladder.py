"""Runs of known single-trial responses, for judging the ladder of estimators: arrays only, no dataset.

Every voxel has its own haemodynamic response, and shares noise with voxels that the task does not drive.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import UsageError
from ..structures import BoolArray, FloatArray, IntArray, Trials, VoxelSpace
from .config import FIRST_ONSET, ONSET_INTERVAL
from .hrf_family import HORIZON, HrfFamily, VoxelHrfs
from .schedule import sessions_of_stimuli
from .structured_noise import StructuredNoise

Array = NDArray[np.float64]

_JITTER_S = (-0.005, 0.041)
_DURATION_SPREAD_S = (-0.033, 0.002)
_GAIN_SD = 0.15
_BASELINE_SD = 0.03


@dataclass(frozen=True)
class LadderConfig:
    """Design, responses and noise.

    Attributes
    ----------
    n_sessions, n_runs, trials_per_run : design; ``n_runs`` is per session
    n_repeated, n_presentations : how many stimuli are shown more than once, and how often; the rest once
    n_volumes, tr : of a run; seconds
    interval, duration : seconds from trial to trial, and of a stimulus; onsets lie off the volumes' times
    n_voxels, driven_share : voxels, and the share of them that the task drives
    hrf : each voxel's haemodynamic response
    noise : its structure
    noise_percent : range of the noise's SD, drifts aside, in percent of a voxel's baseline
    signal : range of the SD of responses over stimuli, in SDs of the voxel's noise
    mean_response : response to the average stimulus, in SDs over stimuli
    trial_noise : SD of what differs from presentation to presentation, in SDs over stimuli
    baseline : median of a voxel's mean, the scanner's units
    """

    n_sessions: int = 4
    n_runs: int = 4
    trials_per_run: int = 37
    n_repeated: int = 24
    n_presentations: int = 4
    n_volumes: int = 194
    tr: float = 2.0
    interval: float = ONSET_INTERVAL
    duration: float = 1.0
    n_voxels: int = 1500
    driven_share: float = 0.5
    hrf: HrfFamily = field(default_factory=HrfFamily)
    noise: StructuredNoise = field(default_factory=StructuredNoise)
    noise_percent: tuple[float, float] = (0.8, 1.6)
    signal: tuple[float, float] = (0.1, 1.2)
    mean_response: float = 1.5
    trial_noise: float = 0.3
    baseline: float = 10_000.0

    def __post_init__(self) -> None:
        if self.n_repeated * self.n_presentations > self.n_trials:
            raise UsageError(
                f"{self.n_repeated} stimuli shown {self.n_presentations} times exceed {self.n_trials} trials",
                "Give more runs, or fewer repeated stimuli",
            )
        if self.n_driven < 1 or self.n_driven > self.n_voxels:
            raise UsageError(
                f"{self.n_driven} of {self.n_voxels} voxels are driven", "Give a share between 0 and 1"
            )

    @property
    def n_trials(self) -> int:
        """Trials of all runs."""
        return self.n_sessions * self.n_runs * self.trials_per_run

    @property
    def n_driven(self) -> int:
        """Voxels that the task drives."""
        return round(self.driven_share * self.n_voxels)


FAST = LadderConfig(n_runs=3, trials_per_run=70, n_volumes=228, tr=4 / 3, interval=4.0, n_repeated=32)


@dataclass(frozen=True)
class LadderData:
    """Runs, and what they were made of.

    Attributes
    ----------
    bold : one (n_volumes, n_voxels) float32 a run, the scanner's units
    onsets, durations : one (trials_per_run,) a run, seconds from the first volume
    tr : seconds
    stimulus, session, run : (n_trials,) numbers from 0; ``run`` counts over all sessions
    signal : (n_trials, n_voxels) float32 response to the trial's stimulus, percent; the same at every
        presentation; 0 in voxels that are not driven
    evoked : (n_trials, n_voxels) float32 the response that is in the data: signal times the session's gain,
        and trial noise
    peak_time : (n_voxels,) seconds from onset to the peak of the voxel's response; NaN where not driven
    driven : (n_voxels,) which voxels the task drives
    ijk : (n_voxels, 3) positions, in C order
    """

    bold: tuple[FloatArray, ...]
    onsets: tuple[Array, ...]
    durations: tuple[Array, ...]
    tr: float
    stimulus: IntArray
    session: IntArray
    run: IntArray
    signal: FloatArray
    evoked: FloatArray
    peak_time: Array
    driven: BoolArray
    ijk: IntArray

    def trials(self) -> Trials:
        """The rows, as the estimators take them."""
        columns = {
            "session": [f"{number + 1:02d}" for number in self.session],
            "run": [f"{number + 1:02d}" for number in self.run],
            "onset": np.concatenate(self.onsets),
            "duration": np.concatenate(self.durations),
            "stimulus": [f"stimulus_{number:05d}" for number in self.stimulus],
        }
        return Trials(pd.DataFrame(columns))

    def voxels(self) -> VoxelSpace:
        """The columns, with the driven voxels as one ROI."""
        i, j, k = (int(size) + 1 for size in self.ijk.max(axis=0))
        return VoxelSpace(self.ijk, np.eye(4), (i, j, k), ("driven",), self.driven[None], "T1w")


def simulate_ladder(config: LadderConfig, rng: np.random.Generator) -> LadderData:
    """Draw a design, responses and noise, and make the runs.

    Parameters
    ----------
    config : sizes and ranges
    rng : decides everything

    Notes
    -----
    The voxels nearest one corner of a box are driven; the noise that voxels share is smooth over the box.
    """
    stimulus = _shown(config, rng)
    session = np.repeat(np.arange(config.n_sessions), config.n_runs * config.trials_per_run)
    run = np.repeat(np.arange(config.n_sessions * config.n_runs), config.trials_per_run)
    ijk = _box(config.n_voxels)
    driven = np.zeros(config.n_voxels, dtype=bool)
    driven[np.argsort((ijk**2).sum(axis=1), kind="stable")[: config.n_driven]] = True
    noise_sd = rng.uniform(*config.noise_percent, config.n_voxels)
    signal, evoked = _responses(config, stimulus, session, noise_sd[driven], rng)
    hrfs = config.hrf.draw(config.n_driven, rng)
    timing = [_timing(config, rng) for _ in range(config.n_sessions * config.n_runs)]
    bold = _runs(config, hrfs, timing, evoked, driven, noise_sd, ijk, rng)
    peak_time = np.full(config.n_voxels, np.nan)
    peak_time[driven] = hrfs.peaks(config.duration)[0]
    return LadderData(
        bold=bold,
        onsets=tuple(onsets for onsets, _ in timing),
        durations=tuple(durations for _, durations in timing),
        tr=config.tr,
        stimulus=stimulus,
        session=session,
        run=run,
        signal=_spread(signal, driven),
        evoked=_spread(evoked, driven),
        peak_time=peak_time,
        driven=driven,
        ijk=ijk,
    )


def _shown(config: LadderConfig, rng: np.random.Generator) -> IntArray:
    """(n_trials,) stimulus of each trial."""
    capacity = config.n_runs * config.trials_per_run
    sessions = sessions_of_stimuli(
        config.n_sessions, capacity, config.n_repeated, config.n_presentations, rng
    )
    return np.concatenate(sessions).astype(np.int64)


def _timing(config: LadderConfig, rng: np.random.Generator) -> tuple[Array, Array]:
    trial = np.arange(config.trials_per_run)
    onsets = FIRST_ONSET + config.interval * trial + rng.uniform(*_JITTER_S, len(trial))
    return onsets, config.duration + rng.uniform(*_DURATION_SPREAD_S, len(trial))


def _box(n_voxels: int) -> IntArray:
    """(n_voxels, 3) positions that fill a cube in C order."""
    side = int(np.ceil(n_voxels ** (1 / 3)))
    return np.stack(np.unravel_index(np.arange(n_voxels), (side,) * 3), axis=1).astype(np.int64)


def _responses(
    config: LadderConfig, stimulus: IntArray, session: IntArray, noise_sd: Array, rng: np.random.Generator
) -> tuple[Array, Array]:
    """(n_trials, n_driven) percent: what the stimulus evokes, and what this presentation of it does."""
    n_driven = len(noise_sd)
    spread = noise_sd * rng.uniform(*config.signal, n_driven)
    patterns = rng.standard_normal((int(stimulus.max()) + 1, n_driven))
    signal = spread * (config.mean_response + patterns[stimulus])
    gain = rng.normal(1, _GAIN_SD, (config.n_sessions, n_driven))
    trial_noise = config.trial_noise * spread * rng.standard_normal(signal.shape)
    return signal, gain[session] * (signal + trial_noise)


def _runs(
    config: LadderConfig,
    hrfs: VoxelHrfs,
    timing: list[tuple[Array, Array]],
    evoked: Array,
    driven: BoolArray,
    noise_sd: Array,
    ijk: IntArray,
    rng: np.random.Generator,
) -> tuple[FloatArray, ...]:
    """One (n_volumes, n_voxels) a run, the scanner's units."""
    loadings = config.noise.loadings(ijk, rng)
    baseline = config.baseline * np.exp(rng.normal(0, 0.2, config.n_voxels))
    bold = []
    for number, (onsets, durations) in enumerate(timing):
        if number % config.n_runs == 0:
            here = config.noise.session_loadings(loadings, rng)
            mean = baseline * rng.normal(1, _BASELINE_SD, config.n_voxels)
        trials = slice(number * config.trials_per_run, (number + 1) * config.trials_per_run)
        percent = noise_sd * config.noise.draw(here, config.n_volumes, config.tr, rng)
        percent[:, driven] += _evoked_series(config, hrfs, onsets, durations, evoked[trials])
        bold.append((mean * (1 + percent / 100)).astype(np.float32))
    return tuple(bold)


def _evoked_series(
    config: LadderConfig, hrfs: VoxelHrfs, onsets: Array, durations: Array, evoked: Array
) -> Array:
    """(n_volumes, n_driven) percent."""
    times = np.arange(config.n_volumes) * config.tr
    scaled = evoked / hrfs.peaks(config.duration)[1]  # (trials_per_run, n_driven)
    series = np.zeros((config.n_volumes, evoked.shape[1]))
    for onset, duration, amplitude in zip(onsets, durations, scaled, strict=True):
        volumes = np.flatnonzero((times > onset) & (times < onset + HORIZON))
        series[volumes] += hrfs.response(times[volumes] - onset, float(duration)) * amplitude
    return series


def _spread(values: Array, driven: BoolArray) -> FloatArray:
    """Values of the driven voxels among all, 0 elsewhere."""
    spread = np.zeros((len(values), len(driven)), dtype=np.float32)
    spread[:, driven] = values
    return spread
