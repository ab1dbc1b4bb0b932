"""What the group level and the reports read back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..encoding.components import PictureComponents
from ..structures import FloatArray, IntArray, Json, Responses, Space, Synthetic, VoxelSpace


@dataclass(frozen=True)
class LeakageResults:
    """The audit of the split into training and test.

    Attributes
    ----------
    pairs : test pictures and others that show the same
    stimuli : one row a stimulus
    scores : of subsets of the test stimuli
    """

    pairs: pd.DataFrame
    stimuli: pd.DataFrame
    scores: pd.DataFrame


@dataclass(frozen=True)
class ParticipantResults:
    """Everything the participant level wrote but its maps.

    Attributes
    ----------
    participant, task, space : labels
    voxels : columns of every matrix here; ROIs as they were, overlaps kept
    responses : single-trial responses, their values memory-mapped
    splits : (n_trials,) ``train`` or ``test``
    synthetic : responses to the dataset's own stimuli
    extra : responses to each extra image set, in order of their names; the name is ``table["split"]``
    encoding, accounting, reliability : long-form scores
    summary : facts of the run
    card : the encoder's model card
    dropped_trials : trials without a response, with ``session``, ``run``, ``onset``, ``stimulus`` and
        ``reason``; None where every trial has one
    leakage : the audit of the split; None where it was not made
    unseen : responses by encoders that saw no trial of the pictures' categories; None where there are none
    untrained : as ``synthetic``, of the untrained network; None where it was not asked for
    pictures : the stimuli's features in short; None where an older version wrote
    uncertainty : long-form variances and coverage; None where an older version wrote
    """

    participant: str
    task: str
    space: str
    voxels: Space
    responses: Responses
    splits: NDArray[np.str_]
    synthetic: Synthetic
    extra: tuple[Synthetic, ...]
    encoding: pd.DataFrame
    accounting: pd.DataFrame
    reliability: pd.DataFrame
    summary: Json
    card: Json
    dropped_trials: pd.DataFrame | None = None
    leakage: LeakageResults | None = None
    unseen: Synthetic | None = None
    untrained: Synthetic | None = None
    pictures: PictureComponents | None = None
    uncertainty: pd.DataFrame | None = None


@dataclass(frozen=True)
class ReliabilityMaps:
    """How far repeats agree in every voxel that was measured.

    Attributes
    ----------
    voxels : those of the responses, and those left out for their ncsnr
    ncsnr, r, noise_ceiling, split_half : (n_voxels,); NaN where nothing repeats
    """

    voxels: Space
    ncsnr: FloatArray
    r: FloatArray
    noise_ceiling: FloatArray
    split_half: FloatArray


@dataclass(frozen=True)
class EncoderMaps:
    """What the encoder does in every voxel of a volume.

    Attributes
    ----------
    voxels : of the responses
    r : (n_voxels,) correlation of predictions with real responses to test stimuli
    best_layer : (n_voxels,) position in ``layers``, -1 where there is none
    layers : names in torchvision
    """

    voxels: VoxelSpace
    r: FloatArray
    best_layer: IntArray
    layers: tuple[str, ...]


@dataclass(frozen=True)
class GroupResults:
    """What the group level wrote.

    Attributes
    ----------
    decoding : long-form scores of the main experiment, one row a participant, ROI, training set and size
    contrasts : accuracy with synthetic less with real training, of the main experiment
    confusion : real trials of each category decoded as each, of the main experiment
    summary : facts of the run
    experiments : ``decoding`` of every experiment and control
    decisions : claims and verdicts
    identification : of the image seen among many, long-form; None where there is none
    transfer : between participants, long-form; None where there is none
    """

    decoding: pd.DataFrame
    contrasts: pd.DataFrame
    confusion: pd.DataFrame
    summary: Json
    experiments: pd.DataFrame | None = None
    decisions: pd.DataFrame | None = None
    identification: pd.DataFrame | None = None
    transfer: pd.DataFrame | None = None
