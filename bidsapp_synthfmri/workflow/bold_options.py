"""What a synthetic scan is to be: checked before anything is read."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import tomli_w

from ..errors import UsageError
from ..synthesis.bold_design import PACES
from ..synthesis.noise_model import CALIBRATED, NONE, require_kind
from ..synthesis_config import ImageConfig


@dataclass(frozen=True)
class BoldOptions:
    """Options of a synthetic scan.

    Attributes
    ----------
    design : ``slow`` or ``rapid``; not used with ``events``
    events : events.tsv files that say what is shown when, one a run; empty means a generated design
    stimulus_column : of those files, names the picture
    repetition_time : seconds; None means the participant's own
    n_runs, repeats : of a generated design; None means runs of usual length
    n_volumes : of every run; None means until 22 s after the last trial's onset
    noise : of single trials: ``none``, ``independent`` over voxels or ``calibrated``
    snr_scale : what the signal's standard deviation is multiplied by where trials have noise
    series_noise : drifts and noise over time: ``none``, ``independent`` over voxels or ``calibrated``
    seed : of every generator
    batch_size : images a forward pass
    """

    design: str = "slow"
    events: tuple[Path, ...] = ()
    stimulus_column: str = "stim_file"
    repetition_time: float | None = None
    n_runs: int | None = None
    n_volumes: int | None = None
    repeats: int = 1
    noise: str = NONE
    snr_scale: float = 1.0
    series_noise: str = CALIBRATED
    seed: int = 0
    batch_size: int = 64

    def __post_init__(self) -> None:
        for kind in (self.noise, self.series_noise):
            require_kind(kind)
        for problem, remedy in self._problems():
            raise UsageError(problem, remedy)

    def _problems(self) -> list[tuple[str, str]]:
        problems: list[tuple[str, str]] = []
        if self.design not in PACES:
            problems.append((f"--design cannot be {self.design!r}", f"Choose one of {', '.join(PACES)}"))
        for option, value in (
            ("--runs", self.n_runs),
            ("--volumes", self.n_volumes),
            ("--repeats", self.repeats),
            ("--batch-size", self.batch_size),
        ):
            if value is not None and value < 1:
                problems.append((f"{option} is {value}", "Give 1 or more"))
        if self.repetition_time is not None and not 0 < self.repetition_time < math.inf:
            problems.append((f"--repetition-time is {self.repetition_time}", "Give seconds, more than 0"))
        if self.seed < 0:
            problems.append((f"--random-seed is {self.seed}", "Give 0 or more"))
        if self.events and (self.n_runs is not None or self.repeats != 1):
            problems.append(
                ("--runs and --repeats do not go with events files, which say both", "Leave them out")
            )
        return problems


@dataclass(frozen=True, kw_only=True)
class BoldConfig(ImageConfig):
    """A synthetic scan of a stored encoder's, with everything that the command was asked.

    Attributes
    ----------
    bold : the scan
    """

    level: ClassVar[str] = "synthesize"

    bold: BoldOptions

    def science(self) -> dict[str, Any]:
        return {**super().science(), **_plain(asdict(self.bold))}

    def to_toml(self) -> str:
        values = asdict(self)
        return tomli_w.dumps(_plain({**values, **values.pop("bold")}))


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Options as TOML and JSON have them, those left at None left out."""

    def plain(value: object) -> object:
        if isinstance(value, tuple):
            return [plain(item) for item in value]
        return str(value) if isinstance(value, Path) else value

    return {key: plain(value) for key, value in values.items() if value is not None and key != "bold"}
