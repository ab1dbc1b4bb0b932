"""Runs to responses: percent signal change, z-scores, unusable voxels counted."""

import numpy as np
import pandas as pd
import pytest

from bidsapp_synthfmri.errors import InputMalformedError
from bidsapp_synthfmri.responses.design import frame_times, trial_regressors
from bidsapp_synthfmri.responses.estimate import estimate_responses, estimate_run
from bidsapp_synthfmri.responses.outcome import standardise_precomputed, zscore_within
from bidsapp_synthfmri.responses.runs import RunData
from bidsapp_synthfmri.structures import Estimation, Trials, VoxelSpace

N_VOLUMES, N_TRIALS, N_VOXELS, TR = 60, 9, 7, 2.0
ONSETS = 6.0 + 10 * np.arange(N_TRIALS)


def voxel_space(n_voxels: int = N_VOXELS) -> VoxelSpace:
    ijk = np.column_stack([np.arange(n_voxels), np.zeros((n_voxels, 2), dtype=int)])
    member = np.ones((1, n_voxels), dtype=bool)
    return VoxelSpace(ijk, np.eye(4), (n_voxels, 1, 1), ("LHPPA",), member, "T1w")


def run(amplitudes: np.ndarray, baseline: float = 800.0, label: str = "run-01") -> RunData:
    times = frame_times(N_VOLUMES, TR, 0.0)
    signal = trial_regressors(ONSETS, np.ones(N_TRIALS), times) @ amplitudes
    bold = (baseline * (1 + signal / 100)).astype(np.float32)
    return RunData(label, bold, ONSETS, np.ones(N_TRIALS), np.empty((N_VOLUMES, 0)), TR, 0.0)


def trials(n_runs: int, sessions: list[str]) -> Trials:
    rows = [
        {"session": sessions[r], "run": f"{r:02d}", "onset": t, "duration": 1.0, "stimulus": f"{r}_{i}"}
        for r in range(n_runs)
        for i, t in enumerate(ONSETS)
    ]
    return Trials(pd.DataFrame(rows))


def test_responses_are_percent_of_the_mean():
    amplitudes = np.random.default_rng(0).standard_normal((N_TRIALS, N_VOXELS))
    for baseline in (300.0, 12000.0):
        values, usable, _ = estimate_run(run(amplitudes, baseline), "lsa")
        assert usable.all()
        # The run's mean exceeds the baseline by the mean signal, under 1 %; float32 adds 1e-4.
        np.testing.assert_allclose(values, amplitudes, rtol=0.02, atol=5e-3)


def test_unusable_voxels_are_counted_and_left_out_of_every_run():
    rng = np.random.default_rng(1)
    first, second = (run(rng.standard_normal((N_TRIALS, N_VOXELS))) for _ in range(2))
    first.bold[:, 1] = 500  # constant
    first.bold[3, 2] = np.nan
    second.bold[:, 4] = 0
    responses = estimate_responses([first, second], trials(2, ["01", "02"]), voxel_space(), "lsa")
    assert responses.dropped_voxels == 3
    assert responses.values.shape == (2 * N_TRIALS, 4)
    assert responses.voxels.ijk[:, 0].tolist() == [0, 3, 5, 6]
    assert np.isfinite(responses.values).all()


def test_a_run_without_any_usable_voxel_is_refused_by_name():
    empty = run(np.zeros((N_TRIALS, N_VOXELS)), label="ses-02 run-07")
    with pytest.raises(InputMalformedError, match="ses-02 run-07: all 7 voxels"):
        estimate_responses([empty], trials(1, ["01"]), voxel_space(), "lsa")


def test_zscore_is_within_session():
    rng = np.random.default_rng(2)
    runs = [run(rng.standard_normal((N_TRIALS, N_VOXELS)) + 3 * r) for r in range(4)]
    table = trials(4, ["01", "01", "02", "02"])
    responses = estimate_responses(runs, table, voxel_space(), "lsa")
    for session in ("01", "02"):
        block = responses.values[(table.table["session"] == session).to_numpy()]
        np.testing.assert_allclose(block.mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(block.std(axis=0, ddof=1), 1, rtol=1e-5)
    assert responses.unit == "z"


def test_runs_are_taken_one_at_a_time():
    alive: list[int] = []

    def stream():
        for number in range(3):
            alive.append(number)
            yield run(np.random.default_rng(number).standard_normal((N_TRIALS, N_VOXELS)))
            assert alive == list(range(number + 1))

    responses = estimate_responses(stream(), trials(3, ["01"] * 3), voxel_space(), "tr34")
    assert len(responses.values) == 3 * N_TRIALS


def test_a_session_of_one_trial_is_refused_by_name():
    rng = np.random.default_rng(3)
    two = [run(rng.standard_normal((N_TRIALS, N_VOXELS))) for _ in range(2)]
    lonely = RunData(
        "run-02", two[1].bold, ONSETS[:1], np.ones(1), two[1].confounds, two[1].repetition_time, 0.0
    )
    table = trials(2, ["01", "02"]).take(np.arange(N_TRIALS + 1))
    with pytest.raises(InputMalformedError, match="Session 02 has a single trial"):
        estimate_responses([two[0], lonely], table, voxel_space(), "lsa")


def test_a_voxel_that_does_not_vary_in_a_session_is_marked():
    values = np.random.default_rng(4).standard_normal((6, 3)).astype(np.float32)
    values[3:, 1] = 2
    halves = values[:3].astype(float), values[3:].astype(float)
    pooled = np.sqrt((halves[0].var(axis=0, ddof=1) + halves[1].var(axis=0, ddof=1)) / 2)
    varying, spread = zscore_within(values, np.array([0, 0, 0, 1, 1, 1]))
    assert varying.tolist() == [True, False, True]
    assert (values[3:, 1] == 0).all()
    np.testing.assert_allclose(spread, pooled, rtol=1e-6)


def test_precomputed_responses_are_scored_within_session_under_the_same_rule():
    table = trials(2, ["01", "02"])
    values = np.random.default_rng(5).normal(3, 7, (len(table), N_VOXELS)).astype(np.float32)
    values[2, 1] = np.nan
    values[:N_TRIALS, 3] = 4  # constant in one session
    estimation = Estimation("precomputed", ("a note",), pd.DataFrame())
    responses = standardise_precomputed(values, table, voxel_space(), estimation)
    assert (responses.estimator, responses.unit, responses.dropped_voxels) == ("precomputed", "z", 2)
    assert responses.voxels.ijk[:, 0].tolist() == [0, 2, 4, 5, 6]
    expected = values[:, [0, 2, 4, 5, 6]].copy()
    zscore_within(expected, table.session_index)
    np.testing.assert_array_equal(responses.values, expected)
    assert np.isnan(values[2, 1])  # what was given is left alone
    assert responses.estimation.notes == ("a note",)
    # Scores of scores are the scores: what was z-scored already stays as it is, but for float32's last digit.
    again = standardise_precomputed(responses.values, table, responses.voxels, estimation)
    np.testing.assert_allclose(again.values, responses.values, atol=1e-6)


def test_precomputed_responses_without_a_usable_voxel_are_refused():
    table = trials(1, ["01"])
    values = np.full((len(table), N_VOXELS), np.nan, dtype=np.float32)
    with pytest.raises(InputMalformedError, match="None of the 7 voxels"):
        standardise_precomputed(values, table, voxel_space(), Estimation("precomputed", (), pd.DataFrame()))
