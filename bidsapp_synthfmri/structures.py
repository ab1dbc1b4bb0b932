"""The data structures that travel between rooms; this module imports none of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

ALL_VOXELS = "all"
_HEMISPHERE = re.compile(r"^(?:LH|RH|lh|rh|L_|R_|left|right|Left|Right)[-_.]?(?=\w)")


def without_hemisphere(roi: str) -> str:
    """A mask's name without its hemisphere: ``LHPPA`` and ``RHPPA`` are both ``PPA``."""
    return _HEMISPHERE.sub("", roi)


@dataclass(frozen=True)
class Trials:
    """One row a presentation, in order of session, run and onset.

    Attributes
    ----------
    table : n_trials rows with at least

        - ``session``, ``run`` (str, "" where the dataset has none)
        - ``onset``, ``duration`` (float, seconds from the run's first volume)
        - ``stimulus`` (str, the identity by which repeats are found)

        and whatever other columns the events had.
    """

    table: pd.DataFrame

    def __len__(self) -> int:
        return len(self.table)

    @property
    def stimuli(self) -> tuple[str, ...]:
        """Distinct stimuli, in order of first presentation."""
        return tuple(str(stimulus) for stimulus in self.table["stimulus"].unique())

    @property
    def stimulus_index(self) -> IntArray:
        """(n_trials,) position of each trial's stimulus in ``stimuli``."""
        return np.asarray(pd.factorize(self.table["stimulus"])[0], dtype=np.int64)

    @property
    def session_index(self) -> IntArray:
        """(n_trials,) number of each trial's session, from 0."""
        return np.asarray(pd.factorize(self.table["session"])[0], dtype=np.int64)

    @property
    def run_index(self) -> IntArray:
        """(n_trials,) number of each trial's run, from 0, over all sessions."""
        keys = self.table["session"].astype(str) + "\0" + self.table["run"].astype(str)
        return np.asarray(pd.factorize(keys)[0], dtype=np.int64)

    def take(self, rows: IntArray | BoolArray) -> Trials:
        """The trials of some rows (indices or a mask)."""
        return Trials(
            self.table.iloc[np.flatnonzero(rows) if rows.dtype == bool else rows].reset_index(drop=True)
        )


class _Columns:
    """What the columns of a response matrix have in common, voxels or vertices."""

    roi_names: tuple[str, ...]
    membership: BoolArray
    space: str

    def __len__(self) -> int:
        return int(self.membership.shape[1])

    def roi_sets(self) -> tuple[RoiSet, ...]:
        """ROIs to report on: masks of both hemispheres joined under one name, then all voxels.

        A set without a voxel is left out; ``LHPPA`` and ``RHPPA`` become ``PPA``.
        """
        joined: dict[str, BoolArray] = {}
        for name, mask in zip(self.roi_names, self.membership, strict=True):
            key = without_hemisphere(name)
            joined[key] = joined[key] | mask if key in joined else mask
        sets = [RoiSet(name, mask) for name, mask in joined.items() if mask.any()]
        if len(sets) != 1 or not sets[0].voxels.all():
            sets.append(RoiSet(ALL_VOXELS, np.ones(len(self), dtype=bool)))
        return tuple(sets)


@dataclass(frozen=True)
class VoxelSpace(_Columns):
    """Where the columns of a response matrix lie in a volume.

    Attributes
    ----------
    ijk : (n_voxels, 3) voxel indices, in C order of the volume
    affine : (4, 4) voxel indices to millimetres
    shape : the volume's three dimensions
    roi_names : the ROIs' names, one a mask
    membership : (n_rois, n_voxels); a voxel may belong to several ROIs, or to none
    space : BIDS ``space`` label
    """

    ijk: IntArray
    affine: NDArray[np.float64]
    shape: tuple[int, int, int]
    roi_names: tuple[str, ...]
    membership: BoolArray
    space: str

    def take(self, voxels: BoolArray) -> VoxelSpace:
        """The space of some voxels; ROIs that keep no voxel stay, empty."""
        return replace(self, ijk=self.ijk[voxels], membership=self.membership[:, voxels])


@dataclass(frozen=True)
class SurfaceSpace(_Columns):
    """Where the columns of a response matrix lie on the two hemispheres' surfaces.

    What is said of voxels elsewhere holds for vertices here.

    Attributes
    ----------
    vertices : (n,) vertex numbers within their hemisphere, the left hemisphere's first, each in order
    is_right : (n,) whether a vertex is of the right hemisphere
    n_vertices : of the whole left and of the whole right surface
    roi_names : the ROIs' names, one a mask
    membership : (n_rois, n)
    space : BIDS ``space`` label, such as ``fsnative``
    """

    vertices: IntArray
    is_right: BoolArray
    n_vertices: tuple[int, int]
    roi_names: tuple[str, ...]
    membership: BoolArray
    space: str

    def take(self, vertices: BoolArray) -> SurfaceSpace:
        """The space of some vertices; ROIs that keep no vertex stay, empty."""
        return replace(
            self,
            vertices=self.vertices[vertices],
            is_right=self.is_right[vertices],
            membership=self.membership[:, vertices],
        )


Space = VoxelSpace | SurfaceSpace


@dataclass(frozen=True)
class RoiSet:
    """A named set of voxels to report on.

    Attributes
    ----------
    name : the region's name without its hemisphere, or ``all``
    voxels : (n_voxels,) mask over a ``Space``
    """

    name: str
    voxels: BoolArray


@dataclass(frozen=True)
class SeriesStatistics:
    """What the series of some runs are beside the responses of their trials.

    Attributes
    ----------
    hrf_parameters : (n_hrfs, 5) float64 of the haemodynamic responses in use, as ``Hrf`` takes them
    hrf_index : (n_voxels,) which of them is the voxel's
    intensity : (n_voxels,) mean of the series, the scanner's units
    mean_response : (n_voxels,) peak response common to all trials, percent signal change
    noise_sd : (n_voxels,) of a volume, drifts, confounds and trials out, percent
    autoregression : (2, n_voxels) coefficients of that noise on its last and its last but one volume
    drift_sd : (n_cosines, n_voxels) SD over runs of the amplitude, as a SD over volumes in percent, of the
        cosine with k = 1, 2, ... half periods in ``run_duration``
    estimate_noise_sd : (n_voxels,) SD that the noise of the series gives to one trial's response, percent
    gain : estimate of a lone response whose peak is 1; not 1 where the estimator is no regression
    repetition_time : seconds
    run_duration : seconds of the longest run
    n_runs : how many runs tell this
    """

    hrf_parameters: NDArray[np.float64]
    hrf_index: IntArray
    intensity: FloatArray
    mean_response: FloatArray
    noise_sd: FloatArray
    autoregression: FloatArray
    drift_sd: FloatArray
    estimate_noise_sd: FloatArray
    gain: float
    repetition_time: float
    run_duration: float
    n_runs: int

    def take_voxels(self, voxels: BoolArray) -> SeriesStatistics:
        """The same of some voxels."""
        return replace(
            self,
            hrf_index=self.hrf_index[voxels],
            intensity=self.intensity[voxels],
            mean_response=self.mean_response[voxels],
            noise_sd=self.noise_sd[voxels],
            autoregression=self.autoregression[:, voxels],
            drift_sd=self.drift_sd[:, voxels],
            estimate_noise_sd=self.estimate_noise_sd[voxels],
        )


@dataclass(frozen=True)
class Estimation:
    """How single-trial responses were estimated, beyond the estimator's name.

    Attributes
    ----------
    asked : the estimator asked for; another was used where the data do not allow it
    notes : sentences that a reader must see: why a lower rung was used, what was left out
    dropped_trials : one row a trial left out, with ``session``, ``run``, ``onset``, ``stimulus``, ``reason``
    n_volumes, n_censored : volumes of all runs, and those left out for motion
    hrf_peaks : (n_library,) seconds to peak of the library's HRFs; empty without a library
    hrf_index : (n_voxels,) position in the library of each voxel's HRF; None without a library
    n_components : noise components projected out of every run; None without denoising
    component_scores : (n_candidates,) single-trial reliability, median over the voxels that chose the
        number of components, with 0, 1, ... of them; empty without denoising
    n_pool : voxels that the noise components come from
    fraction : (n_voxels,) length of the ridge estimate over that of least squares; None without ridge
    n_tuning_stimuli, n_tuning_trials : repeated stimuli, and their trials, that chose both
    optimism : single-trial reliability, in voxels that respond, of stimuli that took part in choosing
        components and fractions, less that of the same stimuli where the other half of them chose, mean
        of both halves; None where nothing was chosen
    estimate_sd : (n_voxels,) SD of the responses within session, pooled over sessions, in the estimates' own
        unit, before they were z-scored; None where it is not known
    series : of the runs that the responses come from; None without BOLD, or where too few volumes are left
    """

    asked: str
    notes: tuple[str, ...]
    dropped_trials: pd.DataFrame
    n_volumes: int = 0
    n_censored: int = 0
    hrf_peaks: tuple[float, ...] = ()
    hrf_index: IntArray | None = None
    n_components: int | None = None
    component_scores: tuple[float, ...] = ()
    n_pool: int = 0
    fraction: FloatArray | None = None
    n_tuning_stimuli: int = 0
    n_tuning_trials: int = 0
    optimism: float | None = None
    estimate_sd: FloatArray | None = None
    series: SeriesStatistics | None = None

    def take_voxels(self, voxels: BoolArray) -> Estimation:
        """The same of some voxels."""
        return replace(
            self,
            hrf_index=None if self.hrf_index is None else self.hrf_index[voxels],
            fraction=None if self.fraction is None else self.fraction[voxels],
            estimate_sd=None if self.estimate_sd is None else self.estimate_sd[voxels],
            series=None if self.series is None else self.series.take_voxels(voxels),
        )


@dataclass(frozen=True)
class Responses:
    """Single-trial responses.

    Attributes
    ----------
    values : (n_trials, n_voxels) float32, in ``unit``
    trials : the rows
    voxels : the columns
    estimator : the one used: a rung of the ladder (``tr34`` to ``hrf-denoise-ridge``), or ``precomputed``
    unit : ``percent`` signal change, or ``z`` within session
    dropped_voxels : how many voxels of the masks were left out as constant or not finite
    estimation : what was chosen and left out; None where it is not known
    """

    values: FloatArray
    trials: Trials
    voxels: Space
    estimator: str
    unit: str
    dropped_voxels: int = 0
    estimation: Estimation | None = None

    def take_voxels(self, voxels: BoolArray) -> Responses:
        """The responses of some voxels."""
        return replace(
            self,
            values=self.values[:, voxels],
            voxels=self.voxels.take(voxels),
            estimation=None if self.estimation is None else self.estimation.take_voxels(voxels),
        )


@dataclass(frozen=True)
class LayerFeatures:
    """One layer's activations.

    Attributes
    ----------
    name : the node's name in torchvision
    values : (n_images, n_units) float32, possibly memory-mapped
    entry : folder of the cache from which they are mapped; None where they are in memory
    """

    name: str
    values: FloatArray
    entry: Path | None = None


@dataclass(frozen=True)
class Features:
    """Activations of several layers to the same images.

    Attributes
    ----------
    stimuli : the images' identities, one a row
    layers : in the order asked for
    """

    stimuli: tuple[str, ...]
    layers: tuple[LayerFeatures, ...]

    def rows_of(self, stimuli: Sequence[str]) -> IntArray:
        """(n,) row of each of some stimuli; KeyError for one that is not there."""
        row = {stimulus: number for number, stimulus in enumerate(self.stimuli)}
        return np.array([row[stimulus] for stimulus in stimuli], dtype=np.int64)

    def take(self, rows: IntArray) -> Features:
        """The features of some rows, in memory."""
        return Features(
            tuple(self.stimuli[row] for row in rows),
            tuple(LayerFeatures(layer.name, layer.values[rows]) for layer in self.layers),
        )


@dataclass(frozen=True)
class StimulusSet:
    """Images and what is known of them.

    Attributes
    ----------
    name : short alphanumeric name of the set
    table : one row an image with ``stimulus`` (identity), ``path`` (str, readable file) and,
        where known, ``label`` (category); other columns may follow
    """

    name: str
    table: pd.DataFrame

    def __len__(self) -> int:
        return len(self.table)

    @property
    def stimuli(self) -> tuple[str, ...]:
        """Identities, in row order."""
        return tuple(str(stimulus) for stimulus in self.table["stimulus"])

    def sorted(self) -> StimulusSet:
        """The same images in order of their identities."""
        return StimulusSet(self.name, self.table.sort_values("stimulus", ignore_index=True))


@dataclass(frozen=True)
class Synthetic:
    """Synthetic responses; no human was scanned for them.

    Attributes
    ----------
    values : (n_images, n_voxels) float32, in the unit of the responses the encoder was fitted on
    table : one row an image with ``stimulus``, ``split`` (``test``, ``train`` or the extra set's
        name), ``prediction`` (``encoder`` or ``out-of-fold``) and, where known, ``label``
    voxels : the columns
    """

    values: FloatArray
    table: pd.DataFrame
    voxels: Space


Json = dict[str, Any]
