"""Time from a run's file to its single-trial responses, beside nilearn's loop of one model a trial.

    python benchmarks/responses.py [--quick] [--voxels brain|roi] [--rung R]
                                   [--glmsingle SOURCE [--glmsingle-python P]]

One run of BOLD5000's size: 71 x 89 x 72 x 194 float32, about 150 MB of gzip; 160,000 voxels of a brain or the
1,666 of its ROI masks; real onsets where ds001499's are at hand. Ours reads file and confounds and estimates
all trials. The limit is bare decompression with the same library. The peer is nilearn's FirstLevelModel in
the loop of its documentation (LSS): the file is given for each trial's fit with that trial's design: its
regressor, the sum of the others', nuisance, the same columns as ours. Few trials are timed, and the time is
scaled to all. GLMsingle, where given, fits its type B to some of the voxels in memory; that time is
scaled to all of them. ``peak_mb`` is of ours alone in a fresh process, and ``cpu`` gives medians of processor
time, which other processes on the machine lengthen less.
"""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import nibabel as nib
import nilearn
import numpy as np
import pandas as pd
from glmsingle_process import run_glmsingle
from measure import Measurement, argument_parser, measure, print_line, rounded, threads
from nilearn.glm.first_level import FirstLevelModel
from run_files import N_TRIALS, N_VOLUMES, REPETITION_TIME, Case, make_case, unpack

from bidsapp_synthfmri.config import ESTIMATORS
from bidsapp_synthfmri.dataset.bold import read_bold
from bidsapp_synthfmri.dataset.confounds import read_confounds
from bidsapp_synthfmri.dataset.gzipped import library
from bidsapp_synthfmri.responses.design import frame_times, nuisance_basis, trial_regressors
from bidsapp_synthfmri.responses.estimate import estimate_responses, estimate_run
from bidsapp_synthfmri.responses.estimators import ESTIMATORS as BY_RUN
from bidsapp_synthfmri.responses.runs import RunData
from bidsapp_synthfmri.structures import FloatArray, Trials

PEER_TRIALS = {"brain": 2, "roi": 3}
_GLMSINGLE_VOXELS = 8000

Result = TypeVar("Result")


def load(case: Case) -> RunData:
    """The run, read."""
    bold = read_bold(case.run, case.voxels)
    confounds = read_confounds(case.run, len(bold)).values
    return RunData("run-01", bold, case.onsets, case.durations, confounds, REPETITION_TIME, 0.0)


def ours(case: Case, rung: str) -> FloatArray:
    """(n_trials, n_voxels) percent signal change; z where the rung needs more than one run alone."""
    run = load(case)
    if rung in BY_RUN:
        return estimate_run(run, rung)[0]
    columns = {"session": "01", "run": "01", "onset": case.onsets, "duration": case.durations}
    trials = Trials(pd.DataFrame({**columns, "stimulus": [f"{n}" for n in range(len(case.onsets))]}))
    return estimate_responses([run], trials, case.voxels, rung).values


def peer(case: Case, n_trials: int) -> FloatArray:
    """(n_trials, n_voxels) effects of the first trials, in BOLD's unit."""
    times = frame_times(N_VOLUMES, REPETITION_TIME, 0.0)
    nuisance = nuisance_basis(times, read_confounds(case.run, N_VOLUMES).values)
    regressors = trial_regressors(case.onsets, case.durations, times)  # (n_volumes, n_trials)
    mask = _mask(case)
    effects = []
    for trial in range(n_trials):
        others = regressors.sum(axis=1) - regressors[:, trial]
        columns = np.column_stack([regressors[:, trial], others, nuisance])
        names = ["trial", "others", *(f"nuisance_{n}" for n in range(nuisance.shape[1]))]
        design = pd.DataFrame(columns, index=times, columns=names)
        model = FirstLevelModel(
            t_r=REPETITION_TIME, mask_img=mask, signal_scaling=False, noise_model="ols", minimize_memory=True
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(str(case.run.bold), design_matrices=design)
            image = model.compute_contrast("trial", output_type="effect_size")
        effects.append(image.get_fdata(dtype=np.float32)[tuple(case.voxels.ijk.T)])
    return np.stack(effects)


def glmsingle(case: Case, source: Path, python: str) -> dict[str, Any]:
    """Seconds of GLMsingle's type B, scaled to all voxels."""
    bold = load(case).bold
    chosen = np.linspace(0, bold.shape[1] - 1, min(bold.shape[1], _GLMSINGLE_VOXELS)).astype(int)
    design = np.zeros((N_VOLUMES, N_TRIALS))
    design[np.rint(case.onsets / REPETITION_TIME).astype(int), np.arange(N_TRIALS)] = 1
    timing = {"session": np.ones(1, dtype=int), "tr": REPETITION_TIME, "duration": 1.0}
    arrays = {"bold_000": bold[:, chosen].T.copy(), "design_000": design, **timing}
    seconds = float(run_glmsingle(arrays, source, python, "B")["seconds_B"])
    return {
        "type_B_s": rounded(seconds * bold.shape[1] / len(chosen)),
        "measured_s": rounded(seconds),
        "measured_voxels": len(chosen),
    }


def metered(work: Callable[[], Result], seconds: list[float]) -> Callable[[], Result]:
    """``work``, noting the processor time of each call."""

    def run() -> Result:
        start = time.process_time()
        result = work()
        seconds.append(time.process_time() - start)
        return result

    return run


def peak_mb(case: Case, rung: str) -> float:
    """Largest memory of a fresh process that does ours alone."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak_mb, (case, rung))


def agreement(case: Case, measurement: Measurement[FloatArray, FloatArray]) -> dict[str, Any]:
    """The largest difference of any response, in standard deviations of the responses."""
    if measurement.peer is None:
        raise ValueError("nothing to compare with")
    percent = measurement.peer * 100 / load(case).bold.mean(axis=0, dtype=np.float64)
    difference = np.abs(measurement.ours[: len(percent)] - percent).max() / percent.std()
    return {
        "compared": f"percent signal change of the first {len(percent)} trials",
        "max_difference_in_sd": rounded(float(difference), 3),
    }


def described(case: Case, rung: str, n_fits: int, cpu: dict[str, list[float]]) -> dict[str, Any]:
    """The case in numbers, and processor time, which ``print_line`` has no field for."""
    median = {name: statistics.median(values) for name, values in cpu.items()}
    ratio = {"ratio_limit": median["ours_s"] / median["limit_s"]}
    return {
        "shape": [*case.voxels.shape, N_VOLUMES],
        "compressed_mb": round(case.run.bold.stat().st_size / 2**20),
        "gzip": library(),
        "trials": N_TRIALS,
        "voxels": len(case.voxels),
        "rung": rung,
        "peer_trials_timed": n_fits,
        "cpu": {name: rounded(value, 3) for name, value in (median | ratio).items()},
    }


def _mask(case: Case) -> nib.Nifti1Image:
    volume = np.zeros(case.voxels.shape, dtype=np.uint8)
    volume[tuple(case.voxels.ijk.T)] = 1
    return nib.Nifti1Image(volume, case.voxels.affine)


def _peak_mb(case: Case, rung: str) -> float:
    ours(case, rung)
    status = Path("/proc/self/status")  # ru_maxrss starts from the parent's where a process is forked
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS counts bytes


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--voxels", choices=tuple(PEER_TRIALS), default="brain")
    parser.add_argument("--rung", choices=ESTIMATORS, default="lss")
    parser.add_argument("--peer-trials", type=int, help="how many of the peer's fits to time; 0 for none")
    parser.add_argument("--glmsingle", type=Path, help="folder of GLMsingle's source")
    parser.add_argument("--glmsingle-python", default=sys.executable, help="the Python that it works in")
    arguments = parser.parse_args()
    n_fits = PEER_TRIALS[arguments.voxels] if arguments.peer_trials is None else arguments.peer_trials
    with tempfile.TemporaryDirectory() as folder:
        case = make_case(Path(folder), arguments.quick, arguments.voxels == "roi", np.random.default_rng(0))
        cpu: dict[str, list[float]] = {"ours_s": [], "limit_s": []}
        work = metered(partial(ours, case, arguments.rung), cpu["ours_s"])
        limit = metered(partial(unpack, case.run.bold), cpu["limit_s"])
        fits = partial(peer, case, n_fits) if n_fits and arguments.rung == "lss" else None
        measurement = measure(work, limit, fits)
        agrees = None if fits is None else agreement(case, measurement)
        if measurement.peer_s is not None:
            measurement = replace(measurement, peer_s=measurement.peer_s * N_TRIALS / n_fits)
        measurement = replace(measurement, peak_mb=peak_mb(case, arguments.rung))
        config = described(case, arguments.rung, 0 if fits is None else n_fits, cpu)
        if arguments.glmsingle is not None:
            config["glmsingle"] = glmsingle(case, arguments.glmsingle, arguments.glmsingle_python)
    name = None if fits is None else f"nilearn {nilearn.__version__} FirstLevelModel (ols), one fit a trial"
    print_line("responses", config, measurement, name, agrees, threads())


if __name__ == "__main__":
    main()
