"""Threads, device, seeds, software: what a run takes from the machine."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from ..config import RunConfig
from ..errors import UsageError
from ..structures import Json
from .cgroups import ControlGroups

_GROUPS = ControlGroups()
_PACKAGES = (
    "bidsapp_synthfmri",
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "pandas",
    "nibabel",
    "nilearn",
    "pybids",
)


def allowed_cpus(groups: ControlGroups = _GROUPS) -> int:
    """CPUs that affinity and the control groups' quotas allow, at least 1."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = groups.cpus()
    return affinity if quota is None else max(1, min(affinity, int(quota)))


@contextmanager
def pinned_threads(n_cpus: int | None) -> Iterator[int]:
    """Hold numpy's and torch's threads to ``n_cpus``, or to what is allowed; gives the number."""
    threads = n_cpus or allowed_cpus()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with threadpool_limits(threads):
            yield threads
    finally:
        torch.set_num_threads(before)


def choose_device(name: str) -> torch.device:
    """``auto`` is a CUDA GPU where there is one.

    Raises
    ------
    UsageError : ``cuda`` without a GPU that torch can use
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            "--device cuda: torch finds no CUDA GPU", "Use --device cpu, or a machine with a GPU"
        )
    return torch.device(name)


def generator(config: RunConfig, *purpose: str) -> np.random.Generator:
    """A generator for one purpose, the same whatever else was drawn before."""
    words = [int.from_bytes(part.encode(), "little") for part in purpose]
    return np.random.default_rng([config.random_seed, *words])


def software() -> dict[str, str]:
    """Versions of what the results depend on."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in _PACKAGES}}


def dataset_description(bids_dir: Path) -> Json:
    """What the dataset says of itself; empty where it has no dataset_description.json."""
    path = bids_dir / "dataset_description.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
