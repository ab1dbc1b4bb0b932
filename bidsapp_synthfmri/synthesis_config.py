"""What one synthesis was asked to do: frozen, validated, with a content hash."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tomli_w

from .config import DEVICES
from .errors import UsageError

NOISE_KINDS = ("none", "independent", "calibrated")
DEFAULT_SET = "Images"


@dataclass(frozen=True)
class SynthesisConfig:
    """Every option of a synthesis.

    Attributes
    ----------
    encoder : its ``.safetensors`` file
    source : the images, see ``dataset.image_sets.list_images``
    output_dir : derivative dataset to write
    name : of the image set, in file names
    dataset : of an HDF5 file; None means its only one of four dimensions
    repeats : synthetic trials an image
    noise : ``none`` for the noiseless prediction, ``independent`` over voxels, or ``calibrated``
    snr_scale : factor on the signal-to-noise ratio of the synthetic trials
    uncertainty : also write the encoder's own uncertainty, and add it to synthetic trials
    random_seed : of the noise
    strict : refuse the first picture that cannot be read, instead of leaving it out
    require_labels : refuse a source in which an image has no label
    batch_size : images a forward pass
    shard_size : images a file; None means what makes files of about 100 MB or less
    device : ``auto``, ``cpu`` or ``cuda``
    n_cpus : threads; None means what affinity and cgroup allow
    weights_file : the network's weights, where they were read from a file
    command : the command line as given, for the record
    """

    encoder: Path
    source: Path
    output_dir: Path
    name: str = DEFAULT_SET
    dataset: str | None = None
    repeats: int = 1
    noise: str = "none"
    snr_scale: float = 1.0
    uncertainty: bool = False
    random_seed: int = 0
    strict: bool = False
    require_labels: bool = False
    batch_size: int = 64
    shard_size: int | None = None
    device: str = "auto"
    n_cpus: int | None = None
    weights_file: Path | None = None
    command: str = ""

    def __post_init__(self) -> None:
        for problem, remedy in self._problems():
            raise UsageError(problem, remedy)

    def _problems(self) -> list[tuple[str, str]]:
        problems: list[tuple[str, str]] = []
        for option, text, allowed in (
            ("--noise", self.noise, NOISE_KINDS),
            ("--device", self.device, DEVICES),
        ):
            if text not in allowed:
                problems.append((f"{option} cannot be {text!r}", f"Choose one of {', '.join(allowed)}"))
        for option, value, least in (
            ("--repeats", self.repeats, 1),
            ("--batch-size", self.batch_size, 1),
            ("--shard-size", self.shard_size, 1),
            ("--n-cpus", self.n_cpus, 1),
            ("--random-seed", self.random_seed, 0),
        ):
            if value is not None and value < least:
                problems.append((f"{option} is {value}", f"Give {least} or more"))
        if not 0 <= self.snr_scale < math.inf:
            problems.append((f"--snr-scale is {self.snr_scale}", "Give 0 or more"))
        if not (self.name.isascii() and self.name.isalnum()):
            problems.append((f"--name {self.name!r} is not a BIDS label", "Use letters and digits only"))
        if self.noise == "none" and (self.repeats > 1 or self.snr_scale != 1):
            problems.append(
                ("--repeats and --snr-scale say nothing without noise", "Give --noise calibrated as well")
            )
        source, output = self.source.resolve(), self.output_dir.resolve()
        if output.is_relative_to(source):
            problems.append(
                (f"OUT {self.output_dir} lies inside IMAGES {self.source}", "Choose a folder outside it")
            )
        return problems

    @property
    def images(self) -> tuple[tuple[str, Path], ...]:
        """The image set, as ``RunConfig`` has them."""
        return ((self.name, self.source),)

    def science(self) -> dict[str, Any]:
        """The options that change results, but for encoder and images, as plain values."""
        names = ("name", "repeats", "noise", "snr_scale", "uncertainty", "random_seed", "batch_size")
        return {name: getattr(self, name) for name in names}

    def content_hash(self) -> str:
        """SHA-256 of ``science()``."""
        return hashlib.sha256(json.dumps(self.science(), sort_keys=True).encode()).hexdigest()

    def to_toml(self) -> str:
        """The whole configuration as TOML."""
        values = {key: value for key, value in asdict(self).items() if value is not None}
        plain = {key: str(value) if isinstance(value, Path) else value for key, value in values.items()}
        return tomli_w.dumps(plain)
