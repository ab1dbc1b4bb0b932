"""Coverage of the accounting's 95% intervals: how often they hold the truth, in simulation.

    python benchmarks/coverage.py [--quick] [--simulations N] [--draws B]

Stimuli are sampled from a population in which voxels have METHODS' model exactly, so every row's
truth is known. Reliability and noise-matched samples are estimated from the simulated trials, as the
app does. The plain interval is the percentiles of the same bootstrap draws before they are shifted.
`ours_s` is one call of `account` with 113 stimuli.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from measure import Measurement, argument_parser, measure, print_line, rounded, threads
from numpy.typing import NDArray

from bidsapp_synthfmri.evaluation.accounting import account
from bidsapp_synthfmri.evaluation.comparison import Comparison, arrange
from bidsapp_synthfmri.evaluation.reliability import reliability
from bidsapp_synthfmri.evaluation.rows import ROWS, expected_rows
from bidsapp_synthfmri.evaluation.statistics import percentile_interval
from bidsapp_synthfmri.evaluation.voxelwise import voxel_rows
from bidsapp_synthfmri.structures import RoiSet
from bidsapp_synthfmri.synthesis.noise import noise_matched

R, RHO = 0.2, 0.6
PRESENTATIONS = 4
VOXELS = 200
STIMULI = (113, 30)
N_SHARED = 5
# How many components make up all voxels' signals (and prediction errors), and their noise; None: no sharing.
COMPONENTS: dict[str, tuple[int | None, int | None]] = {
    "independent": (None, None),
    "shared signal": (N_SHARED, None),
    "shared signal and noise": (N_SHARED, N_SHARED),
}
NOISE_DRAWS = 20
INTERVALS = ("shifted", "plain")

Array = NDArray[np.float64]
Interval = tuple[float, float]


def simulate(voxels: str, n_stimuli: int, rng: np.random.Generator) -> Comparison:
    """Trials and predictions of unit variance in voxels as ``COMPONENTS`` has them."""
    signal_components, noise_components = COMPONENTS[voxels]
    index = np.repeat(np.arange(n_stimuli), PRESENTATIONS)
    signal, error = (_standard(n_stimuli, signal_components, rng) for _ in range(2))
    noise = _standard(len(index), noise_components, rng)
    real = (np.sqrt(R) * signal[index] + np.sqrt(1 - R) * noise).astype(np.float32)
    prediction = (RHO * signal + np.sqrt(1 - RHO**2) * error).astype(np.float32)
    known = reliability(real, index)
    samples = noise_matched(prediction, known.r, known.total_sd, NOISE_DRAWS, rng)
    return Comparison(real, index, prediction, samples, known.r)


def _standard(n_rows: int, components: int | None, rng: np.random.Generator) -> Array:
    """(n_rows, VOXELS) standard normal, mixed from components if given."""
    if components is None:
        return rng.standard_normal((n_rows, VOXELS))
    loadings = rng.standard_normal((components, VOXELS))
    loadings /= np.linalg.norm(loadings, axis=0)
    return np.asarray(rng.standard_normal((n_rows, components)) @ loadings)


def truth() -> dict[str, float]:
    """What every row is in the population."""
    rows = expected_rows([R], [RHO], PRESENTATIONS - 1)
    return {row: float(getattr(rows, row)[0]) for row in ROWS}


def shifted_intervals(comparison: Comparison, draws: int, seed: int) -> dict[str, Interval]:
    """What ``account`` gives for the mean over voxels."""
    everywhere = RoiSet("all", np.ones(VOXELS, dtype=bool))
    scores = account(comparison, [everywhere], np.random.default_rng(seed), draws).scores
    voxel = scores[scores["level"] == "voxel"]
    return {
        row: (float(low), float(high))
        for row, low, high in zip(voxel["row"], voxel["ci_low"], voxel["ci_high"], strict=True)
    }


def plain_intervals(comparison: Comparison, draws: int, seed: int) -> dict[str, Interval]:
    """Percentiles of the same draws as ``shifted_intervals``, which the same seed gives."""
    arranged, design = arrange(comparison, draws, np.random.default_rng(seed))
    rows: Iterator[tuple[str, Array]] = voxel_rows(arranged, design, slice(0, VOXELS))
    return {row: percentile_interval(values[1:].mean(axis=1)) for row, values in rows}


def coverage(voxels: str, n_stimuli: int, simulations: int, draws: int) -> dict[str, dict[str, float | None]]:
    """Share of simulations whose interval holds the truth, per kind of interval and row."""
    expected = truth()
    held = {kind: dict.fromkeys(ROWS, 0) for kind in INTERVALS}
    for seed in range(simulations):
        comparison = simulate(voxels, n_stimuli, np.random.default_rng([n_stimuli, seed]))
        found = (shifted_intervals(comparison, draws, seed), plain_intervals(comparison, draws, seed))
        for kind, intervals in zip(INTERVALS, found, strict=True):
            for row, (low, high) in intervals.items():
                held[kind][row] += low <= expected[row] <= high
    return {
        kind: {row: rounded(count / simulations, 3) for row, count in counts.items()}
        for kind, counts in held.items()
    }


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--simulations", type=int, help="default 250, with --quick 20")
    parser.add_argument("--draws", type=int, help="bootstrap draws; default 500, with --quick 200")
    arguments = parser.parse_args()
    simulations = arguments.simulations or (20 if arguments.quick else 250)
    draws = arguments.draws or (200 if arguments.quick else 500)
    config: dict[str, Any] = {
        "simulations": simulations,
        "draws": draws,
        "r": R,
        "rho": RHO,
        "presentations": PRESENTATIONS,
        "voxels": VOXELS,
        "stimuli": STIMULI,
        "shared_components": N_SHARED,
    }
    example = simulate("independent", STIMULI[0], np.random.default_rng(0))
    timing: Measurement[dict[str, Interval], None] = measure(partial(shifted_intervals, example, draws, 0))
    agreement = {
        "compared": "share of simulations whose 95% interval of the mean over voxels holds METHODS' value",
        "coverage": {
            f"{voxels}, {n_stimuli} stimuli": coverage(voxels, n_stimuli, simulations, draws)
            for voxels in COMPONENTS
            for n_stimuli in STIMULI
        },
    }
    print_line("coverage", config, timing, None, agreement, threads())


if __name__ == "__main__":
    main()
