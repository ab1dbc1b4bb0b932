"""Voxels chosen by their ncsnr: which, counted how, and refused when."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bidsapp_synthfmri.config import RunConfig
from bidsapp_synthfmri.errors import UsageError
from bidsapp_synthfmri.evaluation.reliability import reliability
from bidsapp_synthfmri.structures import Responses, Trials, VoxelSpace
from bidsapp_synthfmri.workflow.notes import selection_notes
from bidsapp_synthfmri.workflow.selection import measure

N_VOXELS = 12


def config(min_ncsnr: float | None) -> RunConfig:
    return RunConfig(Path("/data"), Path("/out"), min_ncsnr=min_ncsnr)


@pytest.fixture
def responses():
    """Signal in the first eight voxels; the last four, half of one ROI, are noise alone."""
    rng = np.random.default_rng(5)
    index = np.repeat(np.arange(60), [3] * 30 + [1] * 30)
    signal = rng.standard_normal((60, N_VOXELS)) * np.where(np.arange(N_VOXELS) < 8, 2.0, 0.0)
    values = (signal[index] + rng.standard_normal((len(index), N_VOXELS))).astype(np.float32)
    ijk = np.column_stack([np.arange(N_VOXELS), np.zeros((N_VOXELS, 2), dtype=int)])
    member = np.stack([np.arange(N_VOXELS) < 4, np.arange(N_VOXELS) >= 4, np.arange(N_VOXELS) >= 10])
    voxels = VoxelSpace(ijk, np.eye(4), (N_VOXELS, 1, 1), ("LOC", "PPA", "RSC"), member, "T1w")
    table = pd.DataFrame({"session": "01", "run": "1", "stimulus": [f"{k}.jpg" for k in index]})
    return Responses(values, Trials(table), voxels, "lsa", "z")


def test_without_a_threshold_every_voxel_stays(responses):
    measured = measure(config(None), "01", responses)
    assert measured.kept.all()
    assert measured.left_out == {}
    assert selection_notes(measured, None) == []


def test_voxels_below_the_threshold_go_and_are_counted_by_roi(responses):
    measured = measure(config(1.0), "01", responses)
    known = reliability(responses.values, responses.trials.stimulus_index)
    np.testing.assert_array_equal(measured.kept, known.ncsnr >= 1.0)
    assert measured.kept.tolist() == [True] * 8 + [False] * 4
    assert measured.left_out == {"PPA": (4, 8), "RSC": (2, 2), "all": (4, 12)}
    assert len(measured.voxels) == N_VOXELS
    np.testing.assert_array_equal(measured.of_kept.r, known.r[:8])
    few = responses.take_voxels(measured.kept)
    assert [roi.name for roi in few.voxels.roi_sets()] == ["LOC", "PPA", "all"]


def test_notes_say_what_selection_does(responses):
    first, second, third = selection_notes(measure(config(1.0), "01", responses), 1.0)
    assert "4 of 12 voxels have an ncsnr below 1 (--min-ncsnr)" in first
    assert "(PPA 4 of 8, RSC 2 of 2)" in first
    assert "conditional on the choice, which favours voxels whose repeats happen to agree" in second
    assert "No voxel is left in RSC" in third
    (only,) = selection_notes(measure(config(0.0), "01", responses), 0.0)
    assert "none was left out" in only


def test_zero_keeps_voxels_of_zero(responses):
    responses.values[:, 3] = 0
    assert measure(config(0.0), "01", responses).kept.all()
    assert not measure(config(1e-6), "01", responses).kept[3]


def test_no_voxel_left_is_refused_with_the_largest_there_is(responses):
    largest = reliability(responses.values, responses.trials.stimulus_index).ncsnr.max()
    with pytest.raises(UsageError, match=f"12 voxels .* the largest is {largest:.3g}") as caught:
        measure(config(50), "01", responses)
    assert caught.value.exit_code == 2
    assert "Lower" in caught.value.remedy


def test_nothing_repeated_is_refused_with_a_threshold_alone(responses):
    once = np.flatnonzero(~responses.trials.table["stimulus"].duplicated())
    few = Responses(responses.values[once], responses.trials.take(once), responses.voxels, "lsa", "z")
    measured = measure(config(None), "01", few)
    assert measured.reliability is measured.split_half is measured.of_kept is None
    with pytest.raises(UsageError, match="--min-ncsnr needs stimuli presented more than once"):
        measure(config(0.1), "01", few)
