"""Runs come in order, one read ahead, and from scratch the second time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from bidsapp_synthfmri.config import RunConfig
from bidsapp_synthfmri.dataset.rois import read_pool
from bidsapp_synthfmri.errors import InputMalformedError, OutputUnwritableError
from bidsapp_synthfmri.locks import locked
from bidsapp_synthfmri.responses import RunData
from bidsapp_synthfmri.simulate import SimulationConfig, simulate
from bidsapp_synthfmri.workflow.inputs import ParticipantInputs, read_inputs
from bidsapp_synthfmri.workflow.streaming import RunStream, allocate

N_RUNS, N_VOLUMES, N_VOXELS = 4, 6, 5
SECONDS = 60  # to fail where a thread never comes


def make(number: int, with_pool: bool = True) -> RunData:
    values = np.random.default_rng(number).normal(size=(N_VOLUMES, N_VOXELS + 3)).astype(np.float32)
    pool = values[:, N_VOXELS:] if with_pool else None
    onsets = np.array([2.0 + number])
    return RunData(
        f"run-{number}",
        values[:, :N_VOXELS],
        onsets,
        np.ones(1),
        np.ones((N_VOLUMES, 1)),
        2.0,
        0.0,
        pool=pool,
    )


@dataclass
class Source:
    """Runs to read; each read begun is on record, and one may refuse."""

    broken: int | None = None
    begun: list[int] = field(default_factory=list)
    error: InputMalformedError = field(
        default_factory=lambda: InputMalformedError("run-2 is cut", "Fetch it")
    )

    def read(self, number: int) -> RunData:
        self.begun.append(number)
        if number == self.broken:
            raise self.error
        return make(number)

    @property
    def reads(self) -> list[Callable[[], RunData]]:
        return [partial(self.read, number) for number in range(N_RUNS)]


def assert_same(found: RunData, expected: RunData) -> None:
    assert found.label == expected.label
    for name in ("bold", "pool", "onsets", "durations", "confounds"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def reading_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("read-ahead")]


def test_runs_come_in_order_and_again_without_scratch():
    source = Source()
    stream = RunStream(source.reads)
    assert len(stream) == N_RUNS
    for _ in range(2):
        for number, run in enumerate(stream):
            assert_same(run, make(number))
    assert source.begun == [*range(N_RUNS), *range(N_RUNS)]
    assert not reading_threads()


def test_no_runs_are_no_runs():
    assert list(RunStream([])) == []


def test_the_next_run_is_read_while_this_one_is_in_use_and_no_further_one():
    arrived = [threading.Event() for _ in range(N_RUNS)]
    source = Source()

    def read(number: int) -> RunData:
        run = source.read(number)
        arrived[number].set()
        return run

    for number, _ in enumerate(RunStream([partial(read, number) for number in range(N_RUNS)])):
        if number + 1 < N_RUNS:
            assert arrived[number + 1].wait(SECONDS)
        assert max(source.begun) <= number + 1


def test_what_a_read_raises_is_raised_as_it_was_where_the_run_would_have_come():
    source = Source(broken=2)
    came: list[str] = []
    with pytest.raises(InputMalformedError) as caught:
        came.extend(run.label for run in RunStream(source.reads))
    assert caught.value is source.error
    assert came == ["run-0", "run-1"]
    assert not reading_threads()


def test_the_thread_ends_when_the_consumer_stops():
    source = Source()
    runs = iter(RunStream(source.reads))
    next(runs)
    runs.close()
    assert not reading_threads()
    assert max(source.begun) <= 1


def test_the_second_time_comes_from_scratch_mapped_and_read_only(tmp_path):
    source = Source()
    with RunStream(source.reads, tmp_path / "work", 1) as stream:
        assert not isinstance(next(iter(stream)).bold, np.memmap)
        list(stream)
        begun = len(source.begun)
        for _ in range(2):
            for number, run in enumerate(stream):
                assert_same(run, make(number))
                assert isinstance(run.bold, np.memmap)
                assert isinstance(run.pool, np.memmap)
                with pytest.raises(ValueError, match="read-only"):
                    run.bold[0] = 0
        assert len(source.begun) == begun
        (folder,) = (tmp_path / "work").iterdir()
        # A process that is killed leaves no data behind, and its lock tells that it is gone.
        assert [item.name for item in folder.iterdir()] == [".lock"]
    assert not list((tmp_path / "work").iterdir())
    assert_same(run, make(N_RUNS - 1))


def test_what_a_killed_process_left_goes_and_what_a_live_one_uses_stays(tmp_path):
    abandoned, making, live = (tmp_path / f"runs-{name}" for name in ("abandoned", "making", "live"))
    for folder in (abandoned, making, live):
        folder.mkdir()
        (folder / "0_bold.npy").write_bytes(b"half")
    (abandoned / ".lock").write_text("")
    with locked(live / ".lock"), RunStream(Source().reads, tmp_path, 1):
        assert not abandoned.exists()
        assert live.exists()
        assert making.exists()


def test_a_run_without_a_pool_is_kept_without_one(tmp_path):
    reads = [partial(make, number, with_pool=False) for number in range(N_RUNS)]
    with RunStream(reads, tmp_path, 1) as stream:
        for _ in range(2):
            assert all(run.pool is None for run in stream)


def test_scratch_is_removed_after_an_error(tmp_path):
    with pytest.raises(InputMalformedError), RunStream(Source(broken=1).reads, tmp_path, 1) as stream:
        list(stream)
    assert not list(tmp_path.iterdir())


def test_two_streams_share_a_folder_but_no_file(tmp_path):
    with RunStream(Source().reads, tmp_path, 1) as one, RunStream(Source().reads, tmp_path, 1) as other:
        for run, same in zip(one, other, strict=True):
            assert_same(run, same)
        with RunStream(Source().reads, tmp_path, 1) as third:
            list(third)
        for number, run in enumerate(one):
            assert_same(run, make(number))
    assert not list(tmp_path.iterdir())


def test_without_room_the_runs_are_read_again(tmp_path):
    source = Source()
    with RunStream(source.reads, tmp_path / "work", 2**62) as stream:
        list(stream)
        list(stream)
    assert len(source.begun) == 2 * N_RUNS
    assert not (tmp_path / "work").exists()


def test_a_scratch_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with (
        pytest.raises(OutputUnwritableError, match="--work-dir"),
        RunStream(Source().reads, tmp_path / "file" / "work", 1),
    ):
        pass


def test_a_folder_that_fails_in_between_costs_a_second_reading_not_the_run(tmp_path):
    source = Source()
    with RunStream(source.reads, tmp_path, 1) as stream:
        for number, run in enumerate(stream):
            assert_same(run, make(number))
            if number == 0:
                for folder in tmp_path.iterdir():
                    folder.rename(tmp_path / "elsewhere")
        for number, run in enumerate(stream):
            assert_same(run, make(number))
    assert len(source.begun) > N_RUNS


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> ParticipantInputs:
    folder = tmp_path_factory.mktemp("dataset")
    config = SimulationConfig(n_sessions=2, n_runs=1, n_repeated=12, n_presentations=3, image_size=64)
    bids_dir = simulate(folder / "bids", config).bids_dir
    return read_inputs(RunConfig(bids_dir=bids_dir, output_dir=folder / "out", rois=("PPA",)), "01")


def test_runs_of_a_dataset_come_with_the_pool_where_it_is_asked_for(inputs, tmp_path):
    plain = list(inputs.runs())
    assert all(run.pool is None for run in plain)
    assert {"trans_x", "rot_z"} <= set(inputs.confounds)
    n_pool = len(read_pool(inputs.files, inputs.voxels))
    with inputs.runs(with_pool=True, scratch=tmp_path) as stream:
        for _ in range(2):
            for run, same in zip(stream, plain, strict=True):
                np.testing.assert_array_equal(run.bold, same.bold)
                assert run.pool.shape == (len(run.bold), n_pool)


def test_room_is_counted_with_the_pool(inputs, tmp_path: Path):
    with_pool = inputs.runs(with_pool=True, scratch=tmp_path)
    n_pool = len(read_pool(inputs.files, inputs.voxels))
    n_volumes = sum(len(run.bold) for run in with_pool)
    assert with_pool.n_bytes == 4 * n_volumes * (len(inputs.voxels) + n_pool)


def test_a_run_without_pictures_is_left_out(inputs):
    table = inputs.trials.table
    first = table[["session", "run"]].iloc[0]
    kept = (table["session"] != first["session"]) | (table["run"] != first["run"])
    others = {label: read for label, read in inputs.nuisance.items() if label != inputs.files.runs[0].label}
    fewer = replace(inputs, trials=inputs.trials.take(kept.to_numpy()), nuisance=others)
    assert len(fewer.runs()) == len(inputs.files.runs) - 1


def test_responses_larger_than_memory_allows_are_kept_in_a_file_without_a_name(tmp_path: Path):
    small = allocate(tmp_path / "scratch", 10**6, (10, 10))
    assert not isinstance(small, np.memmap)
    large = allocate(tmp_path / "scratch", 1000, (10, 30))
    assert isinstance(large, np.memmap)
    large[:] = 3
    assert large.sum() == 900
    assert list((tmp_path / "scratch").iterdir()) == []


def test_responses_without_room_are_refused(tmp_path: Path):
    with pytest.raises(OutputUnwritableError, match="GB of arrays cannot be kept"):
        allocate(tmp_path, 1000, (10**9, 10**6))
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputUnwritableError, match="--work-dir"):
        allocate(tmp_path / "file", 1000, (10, 300))
