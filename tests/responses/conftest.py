"""Studies small enough to estimate in a fraction of a second: runs of any timing, truth at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from bidsapp_synthfmri.responses import RunData, estimate_responses
from bidsapp_synthfmri.responses.design import frame_times, trial_regressors
from bidsapp_synthfmri.structures import BoolArray, Responses, Trials, VoxelSpace

Array = NDArray[np.float64]

N_VOXELS = 216
N_REPEATED = 10


@dataclass(frozen=True)
class Study:
    """Runs, their trials and voxels; the first half of the voxels is driven."""

    runs: list[RunData]
    trials: Trials
    voxels: VoxelSpace
    amplitudes: Array

    def estimate(self, estimator: str, tuning: BoolArray | None = None) -> Responses:
        return estimate_responses(self.runs, self.trials, self.voxels, estimator, tuning=tuning)

    def with_run(self, number: int, **changes: object) -> Study:
        """The same, but for some fields of one run."""
        runs = list(self.runs)
        runs[number] = replace(runs[number], **changes)  # type: ignore[arg-type]
        return replace(self, runs=runs)

    def with_bold(self, bold: Sequence[NDArray[np.float32]]) -> Study:
        """The same events with other series."""
        runs = [replace(run, bold=series) for run, series in zip(self.runs, bold, strict=True)]
        return replace(self, runs=runs, voxels=voxel_space(bold[0].shape[1]))

    def with_stimuli(self, stimuli: Sequence[str]) -> Study:
        """The same series with other names of stimuli."""
        return replace(self, trials=Trials(self.trials.table.assign(stimulus=list(stimuli))))


def voxel_space(n_voxels: int) -> VoxelSpace:
    ijk = np.column_stack([np.arange(n_voxels), np.zeros((n_voxels, 2), dtype=np.int64)])
    member = np.ones((1, n_voxels), dtype=bool)
    return VoxelSpace(ijk, np.eye(4), (n_voxels, 1, 1), ("PPA",), member, "T1w")


def regular_onsets(n_trials: int = 15, interval: float = 10.0) -> Array:
    return 5.7 + interval * np.arange(n_trials)


def make_study(
    onsets: Sequence[Array] | None = None,
    n_volumes: Sequence[int] = (88, 88, 88, 88),
    tr: Sequence[float] = (2.0, 2.0, 2.0, 2.0),
    sessions: Sequence[str] = ("01", "01", "02", "02"),
    n_repeated: int = N_REPEATED,
    n_voxels: int = N_VOXELS,
    noise: float = 1.0,
    seed: int = 0,
) -> Study:
    """Each run shows the repeated stimuli first, in an order of its own, and then others.

    Canonical responses of SD 1 percent about 1 percent in the first half of the voxels; noise of which
    three time courses that all voxels share are a part; two confounds that all voxels follow.
    """
    rng = np.random.default_rng(seed)
    onsets = [regular_onsets() for _ in n_volumes] if onsets is None else onsets
    known = {f"repeated_{number:02d}": rng.standard_normal(n_voxels // 2) for number in range(n_repeated)}
    loadings, confound_loadings = rng.standard_normal((3, n_voxels)), rng.standard_normal((2, n_voxels))
    runs, rows, amplitudes = [], [], []
    for number, (starts, length, seconds) in enumerate(zip(onsets, n_volumes, tr, strict=True)):
        names = [f"repeated_{stimulus:02d}" for stimulus in rng.permutation(n_repeated)][: len(starts)]
        names += [f"run_{number}_{trial:02d}" for trial in range(len(starts) - len(names))]
        durations = rng.uniform(0.967, 1.002, len(starts))
        evoked = np.zeros((len(starts), n_voxels))
        for trial, name in enumerate(names):
            pattern = known[name] if name in known else rng.standard_normal(n_voxels // 2)
            evoked[trial, : n_voxels // 2] = 1 + pattern
        confounds = rng.standard_normal((length, 2))
        percent = trial_regressors(starts, durations, frame_times(length, seconds, 0.0)) @ evoked
        percent += noise * (0.5 * rng.standard_normal((length, 3)) @ loadings)
        percent += noise * (rng.standard_normal((length, n_voxels)) + confounds @ confound_loadings)
        bold = (1000 * (1 + percent / 100)).astype(np.float32)
        runs.append(RunData(f"run-{number + 1:02d}", bold, starts, durations, confounds, seconds, 0.0))
        amplitudes.append(evoked)
        rows += [
            {
                "session": sessions[number],
                "run": f"{number + 1:02d}",
                "onset": start,
                "duration": duration,
                "stimulus": name,
            }
            for start, duration, name in zip(starts, durations, names, strict=True)
        ]
    return Study(runs, Trials(pd.DataFrame(rows)), voxel_space(n_voxels), np.concatenate(amplitudes))


@pytest.fixture(scope="session")
def study() -> Study:
    """Four runs in two sessions; ten stimuli in every run. Not to be written into."""
    made = make_study()
    for run in made.runs:
        run.bold.setflags(write=False)
        run.confounds.setflags(write=False)
        run.onsets.setflags(write=False)
    return made


@pytest.fixture(scope="session", name="make_study")
def _make_study():
    return make_study


@pytest.fixture(scope="session", name="regular_onsets")
def _regular_onsets():
    return regular_onsets


@pytest.fixture(scope="session")
def estimates(study):
    """Responses of ``study`` by an estimator, each computed once."""
    found: dict[str, Responses] = {}

    def of(estimator: str) -> Responses:
        if estimator not in found:
            found[estimator] = study.estimate(estimator)
        return found[estimator]

    return of
