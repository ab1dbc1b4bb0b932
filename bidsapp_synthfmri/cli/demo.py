"""The simulated demo: make a dataset, run both levels, say where the pages are."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import click

from ..config import RunConfig
from ..errors import UsageError, WeightsError
from ..simulate import SimulatedDataset, SimulationConfig, simulate

_MARK = "truth"
_EXTRA = "extra"


def run_simulate(
    directory: Path, participants: int, sessions: int | None, runs: int | None, naming: str, random_seed: int
) -> int:
    """Write a simulated dataset; the exit code."""
    labels = tuple(f"{number + 1:02d}" for number in range(participants))
    config = SimulationConfig(
        participants=labels, naming="legacy" if naming == "legacy" else "fmriprep", seed=random_seed
    )
    if sessions is not None:
        config = replace(config, n_sessions=sessions)
    if runs is not None:
        config = replace(config, n_runs=runs)
    _require_empty(directory, overwrite=False)
    made = simulate(directory, config)
    click.echo(f"Dataset: {made.bids_dir}\nExtra images: {made.extra_dir}\nTruth: {directory / _MARK}")
    return 0


def run_demo(
    directory: Path, weights: str, random_seed: int, n_cpus: int | None, device: str, overwrite: bool
) -> int:
    """Simulate, run participant and group level; the exit code."""
    _require_empty(directory, overwrite)
    click.echo(f"Simulating two participants in {directory} ...")
    made = simulate(directory, SimulationConfig(seed=random_seed))
    weights = _usable_weights(weights, random_seed)

    def config(level: str) -> RunConfig:
        return RunConfig(
            bids_dir=made.bids_dir,
            output_dir=directory / "output",
            level=level,
            images=((_EXTRA, made.extra_dir),),
            weights=weights,
            device=device,
            work_dir=directory / "work",
            n_cpus=n_cpus,
            random_seed=random_seed,
            command=_equivalent(made, directory, level, weights),
        )

    from ..workflow import run_level

    for level in ("participant", "group"):
        code = run_level(config(level))
        if code:
            return code
    pages = sorted((directory / "output").glob("*.html"))
    click.echo("Reports:\n" + "\n".join(f"  {page}" for page in pages))
    if weights == "random":
        click.echo("These results are from an untrained network (--weights random).")
    return 0


def _usable_weights(weights: str, seed: int) -> str:
    """``imagenet`` if it can be had; else ``random``, said aloud."""
    if weights != "imagenet":
        return weights
    import torch

    from ..features.backbones import load_backbone

    try:
        load_backbone("alexnet", weights, (), seed, torch.device("cpu"))
    except WeightsError as error:
        click.echo(f"{error}\nGOING ON WITH --weights random: AN UNTRAINED NETWORK.", err=True)
        return "random"
    return weights


def _equivalent(made: SimulatedDataset, directory: Path, level: str, weights: str) -> str:
    images = f" --images {_EXTRA}={made.extra_dir}" if level == "participant" else ""
    options = f" --weights {weights} --work-dir {directory / 'work'}"
    return f"synthfmri run {made.bids_dir} {directory / 'output'} {level}{images}{options}"


def _require_empty(directory: Path, overwrite: bool) -> None:
    if directory.exists() and not directory.is_dir():
        raise UsageError(f"{directory} is a file", "Give a new folder")
    if not directory.exists() or not any(directory.iterdir()):
        return
    if not overwrite:
        raise UsageError(f"{directory} is not empty", "Give a new folder, or --overwrite to replace a demo")
    if not (directory / _MARK).is_dir():
        raise UsageError(
            f"{directory} holds something other than a simulated dataset", "Give a folder of its own"
        )
    shutil.rmtree(directory)
