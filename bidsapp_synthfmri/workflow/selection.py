"""Reliability of every voxel as measured, and which voxels ``--min-ncsnr`` keeps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..config import RunConfig
from ..errors import UsageError
from ..evaluation.reliability import Reliability, has_repeats, reliability, split_half
from ..structures import BoolArray, Estimation, FloatArray, Responses, Space, Trials
from .runtime import generator


@dataclass(frozen=True)
class Measured:
    """Reliability of all voxels, before any is left out for it.

    Attributes
    ----------
    voxels : all that have responses
    reliability : None where nothing repeats
    split_half : (n_voxels,) the second estimator; None where nothing repeats
    kept : (n_voxels,) the voxels that go on to encoder, synthesis and decoding
    estimation : how their responses were estimated, choices of all voxels; None where it is not known
    """

    voxels: Space
    reliability: Reliability | None
    split_half: FloatArray | None
    kept: BoolArray
    estimation: Estimation | None = None

    @property
    def of_kept(self) -> Reliability | None:
        """Reliability of the voxels kept."""
        return None if self.reliability is None else self.reliability.take(self.kept)

    @property
    def left_out(self) -> dict[str, tuple[int, int]]:
        """How many voxels of each ROI set are left out, and of how many; only where any is."""
        counts = {
            roi.name: (int((~self.kept[roi.voxels]).sum()), int(roi.voxels.sum()))
            for roi in self.voxels.roi_sets()
        }
        return {name: pair for name, pair in counts.items() if pair[0]}


def require_repeats(config: RunConfig, participant: str, trials: Trials) -> None:
    """Refuse ``--min-ncsnr`` where no stimulus is repeated.

    Raises
    ------
    UsageError : with the remedy
    """
    if config.min_ncsnr is not None and not has_repeats(trials.stimulus_index):
        raise UsageError(
            f"--min-ncsnr needs stimuli presented more than once, and each of sub-{participant}'s"
            f" {len(trials)} trials shows a stimulus of its own",
            "Leave --min-ncsnr out, or include the sessions in which stimuli repeat",
        )


def measure(config: RunConfig, participant: str, responses: Responses) -> Measured:
    """Both estimators of reliability in every voxel, and the selection that ``--min-ncsnr`` asks for.

    Raises
    ------
    UsageError : nothing repeats, or no voxel reaches the threshold, with the largest ncsnr there is
    """
    require_repeats(config, participant, responses.trials)
    index = responses.trials.stimulus_index
    everything = np.ones(len(responses.voxels), dtype=bool)
    if not has_repeats(index):
        return Measured(responses.voxels, None, None, everything, responses.estimation)
    known = reliability(responses.values, index)
    halves = split_half(responses.values, index, generator(config, participant, "split-half"))
    kept = everything if config.min_ncsnr is None else _reaching(config.min_ncsnr, known.ncsnr, participant)
    return Measured(responses.voxels, known, halves, kept, responses.estimation)


def _reaching(minimum: float, ncsnr: FloatArray, participant: str) -> BoolArray:
    kept: BoolArray = ncsnr >= minimum  # not where it is NaN
    if not kept.any():
        known = ncsnr[~np.isnan(ncsnr)]
        largest = f"the largest is {known.max():.3g}" if len(known) else "none has any"
        raise UsageError(
            f"--min-ncsnr {minimum:g}: none of sub-{participant}'s {len(ncsnr)} voxels has an ncsnr that"
            f" large; {largest}",
            "Lower --min-ncsnr",
        )
    return kept
