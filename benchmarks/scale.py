"""Speed-up of the participant level from one Dask worker to two, one thread each, and a large run on paper.

    python benchmarks/scale.py [--quick]

Ours is two workers, the peer one: the same simulated participants through `synthfmri run --executor dask`,
workers begun before and their libraries loaded. The limit is two processes without Dask, begun before as
well, that take whole participants, features computed anew for each. One worker and two must write the same
bytes. ``config`` has the costs of units, measured in one thread, and ``agreement`` what they add up to for 8
participants of 40,000 images and 200,000 voxels, by ``scale_costs.makespan``; docs/scale.md says how to read
it.
"""

from __future__ import annotations

import hashlib
import os
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, replace
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))

import torch
from distributed import Client, LocalCluster
from measure import Measurement, argument_parser, print_line, rounded
from scale_costs import Case, Costs, makespan, measured_costs

from bidsapp_synthfmri.config import RunConfig
from bidsapp_synthfmri.simulate import SimulationConfig, simulate
from bidsapp_synthfmri.workflow import run_level

FULL = SimulationConfig(participants=("01", "02", "03", "04"))
QUICK = SimulationConfig(n_sessions=2, n_runs=1, n_repeated=12, n_presentations=3, image_size=64)
QUICK_NETWORK = {"backbone": "squeezenet1_1", "layers": ("features.3", "features.12")}
LARGE = Case(participants=8, images=40_000, voxels=200_000)
WORKERS = (1, 2, 8, 32, 128, 512)
_COMPARED = (".nii", ".nii.gz", ".tsv", ".safetensors")


def configured(bids_dir: Path, folder: Path, quick: bool) -> RunConfig:
    """A participant level into a folder of its own, in one thread."""
    network = QUICK_NETWORK if quick else {}
    return RunConfig(
        bids_dir, folder / "out", weights="random", work_dir=folder / "work", n_cpus=1, **network
    )


def on_workers(n_workers: int, config: RunConfig, scratch: Path) -> float:
    """Seconds by so many workers."""
    with (
        LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
            local_directory=str(scratch),
        ) as cluster,
        Client(cluster) as client,
    ):
        client.run(loaded)
        start = time.perf_counter()
        run_level(replace(config, executor="dask", scheduler_address=client.scheduler.address))
        return time.perf_counter() - start


def in_processes(config: RunConfig, participants: tuple[str, ...]) -> float:
    """Seconds by two processes, each participant with folders of its own."""
    configs = [
        replace(
            config,
            participant_labels=(label,),
            output_dir=config.output_dir / label,
            work_dir=config.work_folder / label,
        )
        for label in participants
    ]
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        list(pool.map(loaded, range(2)))
        start = time.perf_counter()
        list(pool.map(run_level, configs))
        return time.perf_counter() - start


def loaded(_: int = 0) -> None:
    """Load all that a run takes; a worker of Dask's does not have this module's imports."""
    import_module("bidsapp_synthfmri.workflow.levels")
    time.sleep(1)  # so that no process of a pool loads for two


def digests(config: RunConfig) -> dict[str, str]:
    """Hashes of what must be the same however it was computed."""
    paths = [path for path in config.output_dir.rglob("*") if path.name.endswith(_COMPARED)]
    return {
        str(path.relative_to(config.output_dir)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
    }


def on_paper(costs: Costs) -> dict[str, object]:
    """The large run's hours by number of workers."""
    hours = {str(n): rounded(makespan(LARGE, costs, n) / 3600, 3) for n in WORKERS}
    return {"case": asdict(LARGE), "hours_by_workers": hours}


def main() -> None:
    arguments = argument_parser(__doc__).parse_args()
    torch.set_num_threads(1)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        made = simulate(folder / "data", QUICK if arguments.quick else FULL)
        ways = {
            name: configured(made.bids_dir, folder / name, arguments.quick) for name in ("1", "2", "bare")
        }
        two_s = on_workers(2, ways["2"], folder)
        limit_s = in_processes(ways["bare"], made.config.participants)
        one_s = on_workers(1, ways["1"], folder)
        one, two = digests(ways["1"]), digests(ways["2"])
    sizes = (300, 64, 500, 32) if arguments.quick else (2000, 1024, 9216, 128)
    costs = measured_costs(*sizes)
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**10
    measurement = Measurement(two_s, two, limit_s, one_s, one, peak_mb)
    config = {
        "participants": len(made.config.participants),
        "trials": made.config.n_trials,
        "workers": 2,
        "threads_a_worker": 1,
        "unit_costs": {name: rounded(cost, 3) for name, cost in asdict(costs).items()},
    }
    agreement = {
        "compared": f"{len(one)} files by one worker and by two",
        "same_bytes": one == two,
        "on_paper": on_paper(costs),
    }
    print_line("scale", config, measurement, "one Dask worker", agreement, 1)


if __name__ == "__main__":
    main()
