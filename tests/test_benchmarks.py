"""Every benchmark prints its line, and ours agrees with what it is compared with; nothing is timed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bidsapp_synthfmri.decoding import DEFAULT_EXPERIMENTS

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
TREE = BENCHMARKS.parents[1] / "shared" / "data" / "ds001499" / "tree.txt.gz"
FIELDS = {
    "name": str,
    "config": dict,
    "ours_s": float,
    "peer": str | None,
    "peer_s": float | None,
    "limit_s": float | None,
    "ratio_peer": float | None,
    "ratio_limit": float | None,
    "peak_mb": int,
    "agreement": dict | None,
    "threads": int,
    "device": str,
}


def line(name: str, *options: str) -> dict:
    """What ``benchmarks/NAME.py --quick`` prints, as one JSON line of all fields."""
    script = [sys.executable, str(BENCHMARKS / f"{name}.py"), "--quick", *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(script, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    (text,) = done.stdout.splitlines()
    values = json.loads(text)
    assert list(values) == list(FIELDS)
    for field, kind in FIELDS.items():
        assert isinstance(values[field], kind), field
    assert values["name"] == name
    for other in ("peer", "limit"):
        assert (values[f"{other}_s"] is None) == (values[f"ratio_{other}"] is None)
    return values


def test_shifted_intervals_cover_what_they_claim():
    coverage = line("coverage")["agreement"]["coverage"]
    rows = ("real_real", "synthetic_real", "mean_real_real", "synthetic_minus_real")
    for voxels in ("independent", "shared signal", "shared signal and noise"):
        shifted = coverage[f"{voxels}, 113 stimuli"]["shifted"]
        # At a true coverage of 92%, 13 or fewer of 20 simulations hold the truth once in 1,500 rows.
        assert min(shifted[row] for row in rows) > 13.5 / 20
    plain = coverage["independent, 30 stimuli"]["plain"]
    assert (
        plain["mean_real_real"] < 0.6
    )  # the bias that the shift mends: at most 18 of 30, at 9% true coverage


def test_ridge_is_himalayas():
    sizes = ("--n", "300", "--units", "1000", "--voxels", "100", "--dtype", "float64", "--backend", "torch")
    agreement = line("ridge", *sizes, "--search", "exact")["agreement"]
    # Folds of equal size give both the same score; the kernel's product is in float32 in ours alone.
    assert agreement["same_alpha_share"] == 1
    assert agreement["cv_r2_max_abs_difference"] < 1e-5
    assert agreement["prediction_max_difference"] < 1e-4
    assert agreement["peer_peak_mb"] > 0


def test_features_are_torchvisions():
    measured = line("features", "--n", "24", "--peer")
    assert measured["agreement"]["features_max_difference_in_sd"] < 1e-4
    assert measured["agreement"]["kernel_max_difference_in_trace_mean"] < 1e-5
    assert measured["limit_s"] > 0


def test_copies_are_found_and_unrelated_pictures_are_not():
    agreement = line("duplicates")["agreement"]
    for copies in agreement["copies"].values():
        for alteration in ("JPEG quality 30", "375 to 128 to 375 px", "70% brightness", "mirrored"):
            assert copies[alteration]["found"] == 1
    for unrelated in agreement["unrelated"].values():
        assert unrelated["pairs"] == 780
        assert unrelated["taken_for_copies"] == 0


def test_ladder_judges_every_rung_on_repeats_held_out():
    agreement = line("ladder")["agreement"]
    rungs = {name: scores for name, scores in agreement.items() if name != "compared"}
    assert {"tr34", "lsa", "lss"} <= set(rungs)
    # Overlapping responses of the 10 s design favour least squares; voxels' r lies between 0.05 and 0.7.
    assert rungs["tr34"]["truth_r"] < rungs["lss"]["truth_r"] < 0.9
    assert 0.1 < rungs["lss"]["reliability"] < 0.8


def test_glmsingle_is_given_held_out_trials_as_conditions_of_their_own():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import ladder
    finally:
        sys.path.remove(str(BENCHMARKS))
    config = ladder.LadderConfig(n_sessions=2, n_runs=2, n_repeated=8, n_voxels=8)
    data = ladder.simulate_ladder(config, np.random.default_rng(0))
    tuning = ladder.tuning_trials(data, np.random.default_rng(0))
    given = ladder.glmsingle_input(data, tuning)
    shown = sum(given[f"design_{run:03d}"].sum(axis=0) for run in range(4))
    assert sorted(shown) == [1] * (148 - 16) + [4] * 4
    for run in range(4):
        assert (given[f"design_{run:03d}"].sum(axis=1) <= 1).all()
    assert list(given["session"]) == [1, 1, 2, 2]


def test_responses_are_those_of_a_fit_per_trial():
    # The product is in float32: 7 digits of percent signal change, a sum over 194 volumes.
    assert line("responses")["agreement"]["max_difference_in_sd"] < 1e-4


def test_synthesis_writes_what_the_weights_predict_in_memory_that_does_not_grow():
    agreement = line("synthesis", "--voxels", "200")["agreement"]
    # Float32 sums over up to 65,000 units.
    assert agreement["max_difference_in_sd"] < 1e-3
    # Were the 256 pictures more kept, their features alone would take 680 MB of about 1,500.
    assert agreement["peak_growth"] < 0.15


@pytest.mark.long
def test_two_workers_write_the_bytes_of_one():
    agreement = line("scale")["agreement"]
    assert agreement["same_bytes"]
    assert agreement["compared"].startswith("53 files")


def test_a_run_on_paper_takes_all_work_of_one_worker_and_the_longest_way_of_many():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import scale_costs
    finally:
        sys.path.remove(str(BENCHMARKS))
    case = scale_costs.Case(participants=3, images=2000, voxels=9000)
    costs = scale_costs.Costs(1e-2, 3e-9, 1e-11, 6e-11, 4e-10, 6e-10, 7e-11)
    pictures, own = scale_costs.phases(case, costs)
    work = sum(phase.n_units * phase.unit_s for phase in (*pictures, *3 * own))
    longest = sum(phase.unit_s for phase in (*pictures, *own))
    hours = [scale_costs.makespan(case, costs, n) for n in (1, 2, 4, 100_000)]
    assert hours[0] == pytest.approx(work)
    assert hours[3] == pytest.approx(longest)
    assert work / 2 <= hours[1] < hours[0]
    assert work / 4 <= hours[2] < hours[1]


@pytest.mark.skipif(not TREE.exists(), reason="the list of BOLD5000's file names is not at hand")
def test_index_finds_every_run():
    printed = line("index")
    assert printed["config"]["runs"] == 142
    assert printed["agreement"] is None  # the peer takes minutes


def test_decoders_are_scikit_learns():
    printed = line("decoding")
    # The quick case has 60 test trials a cell: all must agree, float32 or not.
    agreement = {name: share for name, share in printed["agreement"].items() if name != "compared"}
    assert agreement == {"ridge": 1.0, "lda": 1.0}
    config = printed["config"]
    assert set(config["experiments"]) == {experiment.name for experiment in DEFAULT_EXPERIMENTS}
    # Whole sets alone are 4 participants, 6 regions, 3 training sets, in 2 experiments and the control.
    assert config["cells"]["ridge"] > 4 * 6 * 3 * 3
    assert config["cells"]["lda"] == 4 * 6 * 3
    assert config["decisions"] > 0
