"""What a simulated dataset is made of: size, tuning, noise; frozen and validated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from ..errors import UsageError
from .pictures import CATEGORIES

Naming = Literal["fmriprep", "legacy"]

TASK = "images"
FIRST_ONSET = 6.0
ONSET_INTERVAL = 10.0
AFTER_LAST_ONSET = 22.0
EXTRA_NUMBER = 1000


@dataclass(frozen=True)
class RoiModel:
    """What the voxels of a region are tuned to, and how reliably.

    Attributes
    ----------
    name : region's name without its hemisphere
    reliability : mean single-trial reliability r over its voxels
    energy, category, texture, colour : shares of the signal's variance, before rounding by chance
        correlations of the four
    centre : (x, y, z) of the left mask's middle, in half-widths of the brain from its own middle;
        the right mask mirrors it
    extra_voxels : voxels above the configuration's number a mask
    """

    name: str
    reliability: float
    energy: float
    category: float
    texture: float
    colour: float
    centre: tuple[float, float, float]
    extra_voxels: int = 0


BOLD5000_ROIS = (
    RoiModel("EarlyVis", 0.35, 1.0, 0.0, 0.0, 0.0, (-0.24, -0.72, -0.05), 6),
    RoiModel("LOC", 0.30, 0.10, 0.55, 0.20, 0.15, (-0.66, -0.42, -0.20), 2),
    RoiModel("OPA", 0.25, 0.15, 0.35, 0.40, 0.10, (-0.52, -0.45, 0.36), -2),
    RoiModel("PPA", 0.35, 0.05, 0.50, 0.30, 0.15, (-0.40, -0.02, -0.45), 0),
    RoiModel("RSC", 0.20, 0.05, 0.65, 0.20, 0.10, (-0.24, -0.22, 0.30), -4),
)


@dataclass(frozen=True)
class SimulationConfig:
    """Size, design, tuning and noise of a simulated dataset.

    Attributes
    ----------
    participants : labels without ``sub-``; all see the same pictures, each in another order
    n_sessions, n_runs, trials_per_run : design; ``n_runs`` is per session
    n_repeated, n_presentations : how many pictures are shown more than once, and how often; the rest once
    n_categories : how many of ``pictures.CATEGORIES`` are drawn
    extra_per_category : pictures a category in the extra, never shown, labelled set
    naming : file names of ``fmriprep`` today, or ``legacy`` ones of before 2018
    seed : of every generator
    image_size : pictures' width and height in pixels
    tr : seconds a volume
    start_time : seconds from a volume's onset to the moment that its samples refer to (StartTime)
    rois, roi_voxels : regions, and voxels of a mask (one a hemisphere)
    noise : factor on the noise's SD; 1 gives each region the reliability it names
    trial_noise_share : share of an estimate's noise variance that arises trial by trial; the rest
        is temporal noise of BOLD that reaches the estimate
    shared_noise : share of the trial noise's variance in four patterns common to all voxels
    autocorrelation, white_share : lag-one correlation of the temporal noise's AR(1) part, and the
        share of the temporal noise's variance that is white instead
    percent_per_sd : percent signal change of one SD of the signal
    mean_response : response to the average picture, in SDs of the signal
    """

    participants: tuple[str, ...] = ("01", "02")
    n_sessions: int = 4
    n_runs: int = 3
    trials_per_run: int = 37
    n_repeated: int = 32
    n_presentations: int = 4
    n_categories: int = 8
    extra_per_category: int = 80
    naming: Naming = "fmriprep"
    seed: int = 0
    image_size: int = 128
    tr: float = 2.0
    start_time: float = 0.0
    rois: tuple[RoiModel, ...] = BOLD5000_ROIS
    roi_voxels: int = 24
    noise: float = 1.0
    trial_noise_share: float = 0.6
    shared_noise: float = 0.2
    autocorrelation: float = 0.4
    white_share: float = 0.5
    percent_per_sd: float = 0.5
    mean_response: float = 2.0

    def __post_init__(self) -> None:
        for problem, remedy in self._problems():
            raise UsageError(problem, remedy)

    def _problems(self) -> list[tuple[str, str]]:
        problems: list[tuple[str, str]] = []
        for name, low, high in (
            ("n_sessions", 1, 99),
            ("n_runs", 1, 99),
            ("trials_per_run", 2, 500),
            ("n_repeated", 0, 10000),
            ("n_presentations", 2, 100),
            ("n_categories", 2, len(CATEGORIES)),
            ("extra_per_category", 1, 10000),
            ("image_size", 32, 1000),
            ("roi_voxels", 6, 40),
            ("noise", 0.01, 100.0),
            ("trial_noise_share", 0.0, 1.0),
            ("shared_noise", 0.0, 1.0),
            ("autocorrelation", 0.0, 0.99),
            ("white_share", 0.0, 1.0),
            ("tr", 0.2, 5.0),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                problems.append((f"{name} is {value}", f"Give a number from {low} to {high}"))
        if self.seed < 0:
            problems.append((f"seed is {self.seed}", "Give 0 or more"))
        if self.naming not in get_args(Naming):
            problems.append((f"naming is {self.naming!r}", f"Choose one of {', '.join(get_args(Naming))}"))
        if not self.participants or not all(label.isalnum() for label in self.participants):
            problems.append((f"participants are {self.participants}", "Give labels of letters and digits"))
        if len(set(self.participants)) < len(self.participants):
            problems.append((f"participants repeat: {self.participants}", "Name each once"))
        if self.n_once < 0:
            problems.append(
                (
                    f"{self.n_repeated} pictures shown {self.n_presentations} times do not fit "
                    f"{self.n_trials} trials",
                    "Give more runs, or fewer repeated pictures",
                )
            )
        return problems

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories drawn."""
        return CATEGORIES[: self.n_categories]

    @property
    def n_trials(self) -> int:
        """Trials of a participant."""
        return self.n_sessions * self.n_runs * self.trials_per_run

    @property
    def n_once(self) -> int:
        """Pictures shown once."""
        return self.n_trials - self.n_repeated * self.n_presentations

    @property
    def n_volumes(self) -> int:
        """Volumes of a run; 194 for BOLD5000's 37 trials at a TR of 2 s."""
        last = FIRST_ONSET + ONSET_INTERVAL * (self.trials_per_run - 1)
        return round((last + AFTER_LAST_ONSET) / self.tr)

    @property
    def runs(self) -> tuple[tuple[str, str], ...]:
        """(session, run) labels in order."""
        return tuple(
            (f"{session:02d}", f"{run:02d}")
            for session in range(1, self.n_sessions + 1)
            for run in range(1, self.n_runs + 1)
        )
