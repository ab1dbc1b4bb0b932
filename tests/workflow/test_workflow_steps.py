"""What a step kept comes back as it was, for the same files and options; and what a fingerprint sees."""

from __future__ import annotations

import os
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest

from bidsapp_synthfmri.structures import (
    Estimation,
    Responses,
    SeriesStatistics,
    SurfaceSpace,
    Trials,
    VoxelSpace,
)
from bidsapp_synthfmri.workflow.fingerprint import identities
from bidsapp_synthfmri.workflow.steps import Step, keep_responses, kept_responses

N_TRIALS, N_VOXELS = 300, 7


@pytest.fixture
def trials():
    numbers = np.arange(N_TRIALS)
    table = {
        "session": np.where(numbers < 150, "01", "02"),
        "run": "01",
        "onset": numbers * 1.1,
        "duration": 1.0,
        "stimulus": [f"picture {number}.jpg" for number in numbers],
    }
    return Trials(pd.DataFrame(table))


@pytest.fixture
def volume():
    ijk = np.stack(np.unravel_index(np.arange(N_VOXELS) * 3, (3, 3, 3)), axis=1)
    member = np.arange(N_VOXELS) < [[4], [2]]
    return VoxelSpace(ijk.astype(np.int64), np.eye(4), (3, 3, 3), ("A", "B"), member, "T1w")


@pytest.fixture
def surface():
    member = np.ones((1, N_VOXELS), dtype=bool)
    # The same vertex number on both sides.
    vertices, is_right = np.array([0, 2, 5, 0, 2, 3, 9]), np.arange(N_VOXELS) >= 3
    return SurfaceSpace(vertices, is_right, (10, 10), ("A",), member, "fsnative")


def responses_of(trials, voxels) -> Responses:
    """Two trials and two voxels left out, with everything that an estimator can tell."""
    rng = np.random.default_rng(0)
    usable = np.ones(N_VOXELS, dtype=bool)
    usable[[1, 4]] = False
    kept = np.ones(N_TRIALS, dtype=bool)
    kept[[3, 200]] = False
    n = int(usable.sum())
    dropped = trials.table.loc[~kept, ["session", "run", "onset", "stimulus"]].assign(reason="too late")

    def draw(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    series = SeriesStatistics(
        hrf_parameters=rng.random((2, 5)),
        hrf_index=rng.integers(0, 2, n),
        intensity=draw(n),
        mean_response=draw(n),
        noise_sd=draw(n),
        autoregression=draw(2, n),
        drift_sd=draw(3, n),
        estimate_noise_sd=draw(n),
        gain=0.1 + 0.2,
        repetition_time=2.0,
        run_duration=388.0,
        n_runs=4,
    )
    estimation = Estimation(
        asked="hrf-denoise-ridge",
        notes=("few repeats",),
        dropped_trials=dropped,
        n_volumes=100,
        n_censored=2,
        hrf_peaks=(4.1, 5.3),
        hrf_index=rng.integers(0, 2, n),
        n_components=3,
        component_scores=(0.1, 1 / 3),
        n_pool=9,
        fraction=draw(n),
        n_tuning_stimuli=5,
        n_tuning_trials=20,
        optimism=0.012,
        estimate_sd=draw(n),
        series=series,
    )
    values = draw(int(kept.sum()), n)
    return Responses(values, trials.take(kept), voxels.take(usable), "lss", "z", 2, estimation)


def assert_equal(one: object, other: object) -> None:
    assert type(one) is type(other)
    for known in fields(one):
        a, b = getattr(one, known.name), getattr(other, known.name)
        if isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype
        elif isinstance(a, pd.DataFrame):
            pd.testing.assert_frame_equal(a, b)
        elif hasattr(a, "__dataclass_fields__"):
            assert_equal(a, b)
        else:
            assert a == b


@pytest.mark.parametrize("kind", ["volume", "surface"])
def test_responses_come_back_as_they_were(tmp_path, trials, kind, request):
    voxels = request.getfixturevalue(kind)
    step = Step(tmp_path / "steps", "sub-01_responses", "a" * 64)
    assert kept_responses(step, trials, voxels) is None
    made = responses_of(trials, voxels)
    keep_responses(step, made, voxels)
    assert_equal(replace(kept_responses(step, trials, voxels), values=made.values), made)
    np.testing.assert_array_equal(kept_responses(step, trials, voxels).values, made.values)


def test_responses_without_further_knowledge_come_back(tmp_path, trials, volume):
    step = Step(tmp_path, "sub-01_responses", "a" * 64)
    values = np.ones((N_TRIALS, N_VOXELS), dtype=np.float32)
    made = Responses(values, trials, volume, "lss", "percent")
    keep_responses(step, made, volume)
    assert kept_responses(step, trials, volume).estimation is None


def test_another_key_finds_nothing_and_takes_the_old_ones_place(tmp_path, trials, volume):
    made = responses_of(trials, volume)
    for participant in ("01", "010"):
        keep_responses(Step(tmp_path, f"sub-{participant}_responses", "a" * 64), made, volume)
    changed = Step(tmp_path, "sub-01_responses", "b" * 64)
    assert changed.read() is None
    keep_responses(changed, made, volume)
    assert Step(tmp_path, "sub-01_responses", "a" * 64).read() is None
    assert Step(tmp_path, "sub-010_responses", "a" * 64).read() is not None
    changed.forget()
    assert changed.read() is None


@pytest.mark.parametrize("part", ["values.npy", "parts.safetensors", "entry.json"])
def test_a_damaged_result_is_not_used_and_made_anew(tmp_path, trials, volume, part):
    step = Step(tmp_path, "sub-01_responses", "a" * 64)
    made = responses_of(trials, volume)
    keep_responses(step, made, volume)
    path = step.path / part
    content = path.read_bytes()
    path.write_bytes(content[:-40])
    assert kept_responses(step, trials, volume) is None
    keep_responses(step, made, volume)
    np.testing.assert_array_equal(kept_responses(step, trials, volume).values, made.values)


def test_files_are_told_apart_by_size_time_and_annex_key(tmp_path):
    one = tmp_path / "a.nii.gz"
    one.write_bytes(b"abc")
    os.utime(one, (5, 5))
    known = identities([one])
    assert identities([str(one)]) == known
    os.utime(one, (6, 6))
    assert identities([one]) != known
    os.utime(one, (5, 5))
    assert identities([one]) == known
    one.write_bytes(b"abcd")
    os.utime(one, (5, 5))
    assert identities([one]) != known

    # A locked file of git-annex is known by its key, whatever clone it lies in and whenever it was fetched.
    seen = []
    for clone in ("first", "second"):
        annexed = tmp_path / clone / ".git" / "annex" / "objects" / "MD5E-s3--abc.nii.gz"
        annexed.parent.mkdir(parents=True)
        annexed.write_bytes(b"abc")
        link = tmp_path / clone / "a.nii.gz"
        link.symlink_to(annexed.relative_to(link.parent))
        seen.append(identities([link]))
    assert seen[0] == seen[1] != known
