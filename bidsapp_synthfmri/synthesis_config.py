"""What a synthesis or a ranking of images was asked to do: frozen, validated, with a content hash."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import tomli_w

from .config import DEVICES
from .errors import UsageError

NOISE_KINDS = ("none", "independent", "calibrated")
DEFAULT_SET = "Images"
DEFAULT_TOP = 20

_Problems = Iterator[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class ImageConfig:
    """What every pass of an encoder over images is asked.

    Attributes
    ----------
    encoder : its ``.safetensors`` file
    source : the images, see ``dataset.image_sets.list_images``
    output_dir : derivative dataset to write
    dataset : of an HDF5 file; None means its only one of four dimensions
    strict : refuse the first picture that cannot be read, instead of leaving it out
    require_labels : refuse a source in which an image has no label
    batch_size : images a forward pass
    device : ``auto``, ``cpu`` or ``cuda``
    n_cpus : threads; None means what affinity and cgroup allow
    weights_file : the network's weights, where they were read from a file
    random_seed : of what is drawn
    command : the command line as given, for the record
    """

    level: ClassVar[str] = ""

    encoder: Path
    source: Path
    output_dir: Path
    dataset: str | None = None
    strict: bool = False
    require_labels: bool = False
    batch_size: int = 64
    device: str = "auto"
    n_cpus: int | None = None
    weights_file: Path | None = None
    random_seed: int = 0
    command: str = ""

    def __post_init__(self) -> None:
        for problem, remedy in self._problems():
            raise UsageError(problem, remedy)

    def _problems(self) -> _Problems:
        yield from _outside("--device", self.device, DEVICES)
        yield from _below("--batch-size", self.batch_size, 1)
        yield from _below("--n-cpus", self.n_cpus, 1)
        yield from _below("--random-seed", self.random_seed, 0)
        if self.output_dir.resolve().is_relative_to(self.source.resolve()):
            yield (
                f"OUT {self.output_dir} lies inside IMAGES {self.source}",
                "Choose a folder outside it",
            )

    @property
    def images(self) -> tuple[tuple[str, Path], ...]:
        """Image sets to which responses are written, as ``RunConfig`` has them."""
        return ()

    def science(self) -> dict[str, Any]:
        """The options that change results, but for encoder and images, as plain values."""
        return {"random_seed": self.random_seed, "batch_size": self.batch_size}

    def content_hash(self) -> str:
        """SHA-256 of ``science()``."""
        return hashlib.sha256(json.dumps(self.science(), sort_keys=True).encode()).hexdigest()

    def to_toml(self) -> str:
        """The whole configuration as TOML."""
        values = {key: value for key, value in asdict(self).items() if value is not None}
        plain = {key: str(value) if isinstance(value, Path) else value for key, value in values.items()}
        return tomli_w.dumps(plain)


@dataclass(frozen=True, kw_only=True)
class SynthesisConfig(ImageConfig):
    """Every option of a synthesis.

    Attributes
    ----------
    name : of the image set, in file names
    repeats : synthetic trials an image
    noise : ``none`` for the noiseless prediction, ``independent`` over voxels, or ``calibrated``
    snr_scale : factor on the standard deviation of the synthetic trials' signal
    uncertainty : also write the encoder's own uncertainty, and add it to noisy trials
    shard_size : images a file; None means what makes files of about 100 MB or less
    """

    level: ClassVar[str] = "synthesize"

    name: str = DEFAULT_SET
    repeats: int = 1
    noise: str = "none"
    snr_scale: float = 1.0
    uncertainty: bool = False
    shard_size: int | None = None

    def _problems(self) -> _Problems:
        yield from super()._problems()
        yield from _outside("--noise", self.noise, NOISE_KINDS)
        yield from _below("--repeats", self.repeats, 1)
        yield from _below("--shard-size", self.shard_size, 1)
        if not 0 <= self.snr_scale < math.inf:
            yield f"--snr-scale is {self.snr_scale}", "Give 0 or more"
        if not (self.name.isascii() and self.name.isalnum()):
            yield f"--name {self.name!r} is not a BIDS label", "Use letters and digits only"
        if self.noise == "none" and (self.repeats > 1 or self.snr_scale != 1):
            yield (
                "--repeats and --snr-scale say nothing without noise",
                "Give --noise calibrated or independent as well, or leave them out",
            )

    @property
    def images(self) -> tuple[tuple[str, Path], ...]:
        return ((self.name, self.source),)

    def science(self) -> dict[str, Any]:
        names = ("name", "repeats", "noise", "snr_scale", "uncertainty")
        return {**{name: getattr(self, name) for name in names}, **super().science()}


@dataclass(frozen=True, kw_only=True)
class RankConfig(ImageConfig):
    """Every option of a ranking.

    Attributes
    ----------
    roi : region whose predicted response images are ranked by
    contrast : region whose response is taken off; None ranks by one region alone
    top : images shown of either end
    """

    level: ClassVar[str] = "rank"

    roi: str
    contrast: str | None = None
    top: int = DEFAULT_TOP

    def _problems(self) -> _Problems:
        yield from super()._problems()
        yield from _below("--top", self.top, 1)
        if self.roi == self.contrast:
            yield f"--roi and --contrast are both {self.roi}", "Name two regions, or leave out --contrast"
        if not self.label:
            yield (
                f"--roi {self.roi!r} has no letter or digit for a file's name",
                "Name a region of the encoder",
            )

    @property
    def label(self) -> str:
        """The region or contrast as file names spell it."""
        words = self.roi if self.contrast is None else f"{self.roi}less{self.contrast}"
        return "".join(character for character in words if character.isascii() and character.isalnum())

    def science(self) -> dict[str, Any]:
        return {"roi": self.roi, "contrast": self.contrast, "top": self.top, **super().science()}


def _outside(option: str, text: str, allowed: tuple[str, ...]) -> _Problems:
    if text not in allowed:
        yield f"{option} cannot be {text!r}", f"Choose one of {', '.join(allowed)}"


def _below(option: str, value: int | None, least: int) -> _Problems:
    if value is not None and value < least:
        yield f"{option} is {value}", f"Give {least} or more"
