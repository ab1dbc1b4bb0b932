"""How reliable each rung's single-trial responses are on simulated runs, beside GLMsingle's.

    python benchmarks/ladder.py [--quick] [--design D] [--seed N] [--glmsingle SOURCE [--glmsingle-python P]]

Half of the repeated stimuli may be tuned on; reliability is that of the others' presentations and of all
stimuli shown once, none of which a rung saw as repeats. GLMsingle is shown each of those presentations as a
condition of its own. Its design has the onsets rounded to the nearest volume, as it demands; the rungs'
have them as they are. All responses are z-scored within session, ours and GLMsingle's alike. Medians
over the voxels that the task drives. ``ours_s`` is the last rung's time and ``peer_s`` GLMsingle's for
type D; GLMsingle runs once, in a process of its own, reading and starting not counted.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from glmsingle_process import run_glmsingle
from measure import Measurement, argument_parser, measure, print_line, rounded, threads
from numpy.typing import NDArray
from scipy.stats import spearmanr

from bidsapp_synthfmri.config import ESTIMATORS
from bidsapp_synthfmri.errors import SynthfmriError
from bidsapp_synthfmri.evaluation.reliability import reliability
from bidsapp_synthfmri.responses import RunData, estimate_responses
from bidsapp_synthfmri.responses.outcome import zscore_within
from bidsapp_synthfmri.simulate.ladder import FAST, LadderConfig, LadderData, simulate_ladder
from bidsapp_synthfmri.structures import BoolArray, FloatArray, Responses

# "full" has BOLD5000's sessions, trials and repeats, of one participant.
FULL = LadderConfig(n_sessions=15, n_runs=9, n_repeated=112)
DESIGNS = {"bold5000": LadderConfig(), "fast": FAST, "full": FULL}
RUNGS = ("tr34", "lsa", "lss", "hrf", "hrf-denoise", "hrf-denoise-ridge")
_QUICK = {"n_sessions": 2, "n_runs": 3, "n_repeated": 16, "n_voxels": 300}
_RELIABLE_NCSNR = 0.3


@dataclass(frozen=True)
class Estimate:
    """What one estimator gave.

    Attributes
    ----------
    values : (n_trials, n_voxels) z-scored within session
    seconds : of the whole estimation
    hrf_peak : (n_voxels,) seconds to peak of each voxel's chosen HRF; None without a library
    chosen : what else it chose
    """

    values: FloatArray
    seconds: float
    hrf_peak: NDArray[np.float64] | None
    chosen: dict[str, Any]


def tuning_trials(data: LadderData, rng: np.random.Generator) -> BoolArray:
    """(n_trials,) presentations of a random half of the repeated stimuli."""
    repeated = np.flatnonzero(np.bincount(data.stimulus) > 1)
    return np.isin(data.stimulus, rng.permutation(repeated)[: len(repeated) // 2])


def runs_of(data: LadderData) -> list[RunData]:
    """The runs as estimators take them, without confounds."""
    nothing = np.zeros((len(data.bold[0]), 0))
    return [
        RunData(f"run-{number:02d}", bold, onsets, durations, nothing, data.tr, 0.0)
        for number, (bold, onsets, durations) in enumerate(
            zip(data.bold, data.onsets, data.durations, strict=True), start=1
        )
    ]


def ours(data: LadderData, tuning: BoolArray, rung: str) -> tuple[Estimate, Measurement[Responses, Any]]:
    """One rung's responses, and its time."""
    work = partial(estimate_responses, runs_of(data), data.trials(), data.voxels(), rung, tuning=tuning)
    measurement = measure(work)
    responses = measurement.ours
    if responses.dropped_voxels:
        raise ValueError(f"{rung} dropped {responses.dropped_voxels} voxels")
    peak, chosen = None, {}
    estimation = responses.estimation
    if estimation is not None and estimation.hrf_index is not None:
        peak = np.asarray(estimation.hrf_peaks)[estimation.hrf_index]
        chosen["n_components"] = estimation.n_components
        chosen["used"] = responses.estimator
        if estimation.fraction is not None:
            chosen["median_fraction"] = rounded(float(np.median(estimation.fraction)), 3)
    return Estimate(responses.values, measurement.ours_s, peak, chosen), measurement


def glmsingle(data: LadderData, tuning: BoolArray, source: Path, python: str) -> dict[str, Estimate]:
    """GLMsingle's types B, C and D."""
    found = run_glmsingle(glmsingle_input(data, tuning), source, python, "BCD")
    peak = found["hrf_peaks"][found["hrf_index"].astype(int)]
    extra = {
        "B": {},
        "C": {"n_components": int(found["n_components"].item())},
        "D": {"median_fraction": rounded(float(np.median(found["fraction"][data.driven])), 3)},
    }
    for kind in extra:
        zscore_within(found[kind], data.session)
    return {
        f"GLMsingle {kind}": Estimate(found[kind], float(found[f"seconds_{kind}"]), peak, extra[kind])
        for kind in extra
    }


def glmsingle_input(data: LadderData, tuning: BoolArray) -> dict[str, Any]:
    """Arrays for ``run_glmsingle.py``: trials that may not be tuned on are conditions of their own."""
    own = len(tuning) + np.arange(len(tuning))
    conditions, position = np.unique(np.where(tuning, data.stimulus, own), return_inverse=True)
    arrays: dict[str, Any] = {
        "session": data.session[np.searchsorted(data.run, np.arange(len(data.bold)))] + 1,
        "tr": data.tr,
        "duration": round(float(np.mean(np.concatenate(data.durations))), 1),
    }
    for number, (bold, onsets) in enumerate(zip(data.bold, data.onsets, strict=True)):
        design = np.zeros((len(bold), len(conditions)))
        design[np.rint(onsets / data.tr).astype(int), position[data.run == number]] = 1
        arrays |= {f"bold_{number:03d}": bold.T.copy(), f"design_{number:03d}": design}
    return arrays


def judged(data: LadderData, tuning: BoolArray, estimate: Estimate, reliable: BoolArray) -> dict[str, Any]:
    """Held-out reliability, correlation with the truth, time and peaks of one estimator."""
    values, truth = estimate.values[:, data.driven], data.signal[:, data.driven]
    held_out = reliability(values[~tuning], data.stimulus[~tuning])
    truth_r = (_z(values[~tuning]) * _z(truth[~tuning])).mean(axis=0)
    scores: dict[str, Any] = {
        "reliability": rounded(float(np.median(held_out.r))),
        "mean_reliability": rounded(float(held_out.r.mean())),
        "truth_r": rounded(float(np.median(truth_r))),
        "seconds": rounded(estimate.seconds, 3),
    }
    if estimate.hrf_peak is not None:
        both = estimate.hrf_peak[data.driven][reliable], data.peak_time[data.driven][reliable]
        scores["peak_spearman"] = rounded(float(spearmanr(*both).statistic), 3)
    return scores | estimate.chosen


def _z(values: FloatArray) -> FloatArray:
    return (values - values.mean(axis=0)) / values.std(axis=0)


def rungs(
    data: LadderData, tuning: BoolArray
) -> tuple[dict[str, Estimate], Measurement[Responses, Any], dict[str, str]]:
    """Every rung's estimate, the last one's measurement, and why others were refused."""
    estimates: dict[str, Estimate] = {}
    refused: dict[str, str] = {}
    for rung in (name for name in RUNGS if name in ESTIMATORS):
        try:
            estimates[rung], last = ours(data, tuning, rung)
        except SynthfmriError as error:
            refused[rung] = str(error)
    return estimates, last, refused


def described(config: LadderConfig, reliable: BoolArray) -> dict[str, Any]:
    """The simulation in numbers."""
    return {
        "sessions": config.n_sessions,
        "runs": config.n_sessions * config.n_runs,
        "trials": config.n_trials,
        "volumes": config.n_volumes,
        "tr": rounded(config.tr),
        "interval": config.interval,
        "voxels": config.n_voxels,
        "driven": config.n_driven,
        "driven_ncsnr_above_.3": rounded(float(reliable.mean()), 3),
        "repeated": config.n_repeated,
        "presentations": config.n_presentations,
    }


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--design", choices=tuple(DESIGNS), default="bold5000")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--glmsingle", type=Path, help="folder of GLMsingle's source")
    parser.add_argument("--glmsingle-python", default=sys.executable, help="the Python that it works in")
    arguments = parser.parse_args()
    config = DESIGNS[arguments.design]
    if arguments.quick:
        config = replace(config, **_QUICK)
    rng = np.random.default_rng(arguments.seed)
    data = simulate_ladder(config, rng)
    tuning = tuning_trials(data, rng)
    estimates, measurement, refused = rungs(data, tuning)
    own = {"ours": list(estimates)[-1], "refused": refused}
    peer = None
    if arguments.glmsingle is not None:
        found = glmsingle(data, tuning, arguments.glmsingle, arguments.glmsingle_python)
        measurement = replace(measurement, peer_s=found["GLMsingle D"].seconds)
        estimates, peer = estimates | found, "GLMsingle type D, onsets at the nearest TR"
    reliable = reliability(estimates["lss"].values[:, data.driven], data.stimulus).ncsnr > _RELIABLE_NCSNR
    agreement = {
        "compared": "held-out single-trial reliability, and correlation with the truth: medians over voxels",
        **{name: judged(data, tuning, estimate, reliable) for name, estimate in estimates.items()},
    }
    settings = {"design": arguments.design, "seed": arguments.seed, **described(config, reliable), **own}
    print_line("ladder", settings, measurement, peer, agreement, threads())


if __name__ == "__main__":
    main()
