"""Time to estimate one run's single-trial responses (LSS), beside a nilearn GLM a trial.

    python benchmarks/responses.py [--quick] [--device D]

The run has BOLD5000's size: 194 volumes, 37 trials, 1,685 voxels. Both get the same data, regressors
and nuisance columns and give percent signal change; making the design counts for both. The peer fits
the design of each trial (its regressor, the sum of the others', nuisance) by `run_glm` with ordinary least
squares. The limit is the bare product of a (trials x volumes) matrix with the data in float32.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import nilearn
import numpy as np
from measure import Measurement, argument_parser, measure, print_line, rounded, threads
from nilearn.glm.first_level import run_glm
from numpy.typing import NDArray

from bidsapp_synthfmri.responses.design import frame_times, nuisance_basis, trial_regressors
from bidsapp_synthfmri.responses.estimate import RunData, estimate_run
from bidsapp_synthfmri.structures import FloatArray

N_VOLUMES, N_TRIALS, N_CONFOUNDS = 194, 37, 11
VOXELS, VOXELS_QUICK = 1685, 300
REPETITION_TIME = 2.0
_BASELINE, _NOISE_SD, _RESPONSE_SD = 10000, 100, 50

Array = NDArray[np.float64]


def simulate(n_voxels: int, rng: np.random.Generator) -> RunData:
    """A run with BOLD5000's timing; every trial's response is random in every voxel."""
    onsets = 6 + 10 * np.arange(N_TRIALS) + rng.uniform(-0.005, 0.041, N_TRIALS)
    durations = rng.uniform(0.967, 1.002, N_TRIALS)
    confounds = rng.standard_normal((N_VOLUMES, N_CONFOUNDS))
    responses = rng.normal(0, _RESPONSE_SD, (N_TRIALS, n_voxels))
    bold = _BASELINE + rng.normal(0, _NOISE_SD, (N_VOLUMES, n_voxels))
    bold += trial_regressors(onsets, durations, frame_times(N_VOLUMES, REPETITION_TIME, 0.0)) @ responses
    return RunData("run-01", bold.astype(np.float32), onsets, durations, confounds, REPETITION_TIME, 0.0)


def ours(run: RunData) -> FloatArray:
    """(n_trials, n_voxels) percent signal change."""
    return estimate_run(run, "lss")[0]


def peer(run: RunData) -> Array:
    """The same, from one least-squares fit a trial."""
    times = frame_times(len(run.bold), run.repetition_time, run.start_time)
    nuisance = nuisance_basis(times, run.confounds)  # (n_volumes, rank)
    regressors = trial_regressors(run.onsets, run.durations, times)  # (n_volumes, n_trials)
    total = regressors.sum(axis=1)
    bold = run.bold.astype(np.float64)
    beta = np.empty((len(run.onsets), bold.shape[1]))
    for trial, regressor in enumerate(regressors.T):
        design = np.column_stack([regressor, total - regressor, nuisance])
        _, results = run_glm(bold, design, noise_model="ols")
        beta[trial] = results[0.0].theta[0]
    return np.asarray(beta * 100 / bold.mean(axis=0))


def agreement(measurement: Measurement[FloatArray, Array]) -> dict[str, Any]:
    """The largest difference of any response, in standard deviations of the responses."""
    if measurement.peer is None:
        raise ValueError("nothing to compare with")
    difference = np.abs(measurement.ours - measurement.peer).max() / measurement.peer.std()
    return {
        "compared": "single-trial responses in percent signal change",
        "max_difference_in_sd": rounded(float(difference), 3),
    }


def main() -> None:
    arguments = argument_parser(__doc__).parse_args()
    n_voxels = VOXELS_QUICK if arguments.quick else VOXELS
    rng = np.random.default_rng(0)
    run = simulate(n_voxels, rng)
    weights = rng.standard_normal((N_TRIALS, N_VOLUMES), dtype=np.float32)
    measurement = measure(partial(ours, run), partial(np.matmul, weights, run.bold), partial(peer, run))
    config = {
        "volumes": N_VOLUMES,
        "trials": N_TRIALS,
        "voxels": n_voxels,
        "confounds": N_CONFOUNDS,
        "ours_dtype": "float64 weights, float32 product",
        "peer_dtype": "float64",
    }
    name = f"nilearn {nilearn.__version__} run_glm(noise_model='ols') a trial"
    print_line("responses", config, measurement, name, agreement(measurement), threads())


if __name__ == "__main__":
    main()
