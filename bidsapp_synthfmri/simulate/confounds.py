"""What else moves a simulated voxel, and the tables in which both generations of fMRIPrep list it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal import lfilter

from .config import Naming
from .haemodynamics import cosine_drifts

Array = NDArray[np.float64]

_HEAD_RADIUS_MM = 50.0
_N_COMPCOR = 6
N_COMPCOR_IN_VOXELS = 5

_MOTION = {
    "fmriprep": ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"),
    "legacy": ("X", "Y", "Z", "RotX", "RotY", "RotZ"),
}
_SINGLE = {
    "fmriprep": ("csf", "white_matter", "global_signal", "std_dvars", "dvars", "framewise_displacement"),
    "legacy": ("CSF", "WhiteMatter", "GlobalSignal", "stdDVARS", "non-stdDVARS", "FramewiseDisplacement"),
}
_SERIES = {
    "fmriprep": ("t_comp_cor_{:02d}", "a_comp_cor_{:02d}", "cosine{:02d}", "non_steady_state_outlier{:02d}"),
    "legacy": ("tCompCor{:02d}", "aCompCor{:02d}", "Cosine{:02d}", "NonSteadyStateOutlier{:02d}"),
}


@dataclass(frozen=True)
class Confounds:
    """One run's nuisance time courses.

    Attributes
    ----------
    motion : (t, 6) three translations in mm, three rotations in radians
    tissue : (t, 3) means of CSF, white matter and brain
    dvars : (t, 2) standardised and not; the first volume has none
    t_comp_cor, a_comp_cor : (t, 6) of unit norm; the first five of ``a_comp_cor`` reach the voxels
    cosines : (t, k) slow drifts
    non_steady : (t, 1), 1 in the first volume
    """

    motion: Array
    tissue: Array
    dvars: Array
    t_comp_cor: Array
    a_comp_cor: Array
    cosines: Array
    non_steady: Array

    @property
    def framewise_displacement(self) -> Array:
        """(t,) mm, after Power et al. 2012; the first volume has none."""
        steps = np.abs(np.diff(self.motion, axis=0))
        moved = steps[:, :3].sum(axis=1) + _HEAD_RADIUS_MM * steps[:, 3:].sum(axis=1)
        return np.concatenate([[np.nan], moved])

    @property
    def time_courses(self) -> Array:
        """(t, k) what reaches the voxels besides the first volume's excess, each of mean 0 and SD 1."""
        courses = np.concatenate(
            [self.motion, self.a_comp_cor[:, :N_COMPCOR_IN_VOXELS], self.cosines], axis=1
        )
        return np.asarray((courses - courses.mean(axis=0)) / courses.std(axis=0))

    def table(self, naming: Naming) -> pd.DataFrame:
        """The columns of ``_desc-confounds_timeseries.tsv``, or of legacy ``_bold_confounds.tsv``."""
        displacement = self.framewise_displacement[:, None]
        singles = np.concatenate([self.tissue, self.dvars, displacement], axis=1)
        columns = dict(zip(_SINGLE[naming], singles.T, strict=True))
        blocks = (self.t_comp_cor, self.a_comp_cor, self.cosines, self.non_steady)
        for pattern, block in zip(_SERIES[naming], blocks, strict=True):
            columns |= {pattern.format(index): course for index, course in enumerate(block.T)}
        for name, course in zip(_MOTION[naming], self.motion.T, strict=True):
            columns[name] = course
            if naming == "fmriprep":
                columns[f"{name}_derivative1"] = np.concatenate([[np.nan], np.diff(course)])
        return pd.DataFrame(columns)


def draw_confounds(n_volumes: int, tr: float, rng: np.random.Generator) -> Confounds:
    """Confounds of one run: a slow wander of the head, a few twitches, physiology."""
    steps = rng.standard_normal((n_volumes, 6)) * 0.02
    twitches = rng.random((n_volumes, 1)) < 0.01
    steps += twitches * rng.standard_normal((n_volumes, 6)) * 0.15
    motion = lfilter([1.0], [1.0, -0.97], steps, axis=0)
    motion[:, 3:] /= _HEAD_RADIUS_MM
    means = np.array([1200.0, 950.0, 1000.0])
    excess = np.zeros((n_volumes, 2))
    excess[0] = np.nan
    return Confounds(
        motion=np.asarray(motion),
        tissue=means * (1 + 0.004 * _smooth(n_volumes, 3, rng)),
        dvars=np.array([1.0, 20.0]) * (1 + 0.05 * rng.standard_normal((n_volumes, 2))) + excess,
        t_comp_cor=_components(n_volumes, rng),
        a_comp_cor=_components(n_volumes, rng),
        cosines=cosine_drifts(n_volumes, tr),
        non_steady=np.eye(n_volumes, 1),
    )


def _smooth(n_volumes: int, count: int, rng: np.random.Generator) -> Array:
    courses = lfilter([1.0], [1.0, -0.5], rng.standard_normal((n_volumes, count)), axis=0)
    return np.asarray((courses - courses.mean(axis=0)) / courses.std(axis=0))


def _components(n_volumes: int, rng: np.random.Generator) -> Array:
    """(n_volumes, 6) orthonormal time courses of mean 0."""
    return np.asarray(np.linalg.qr(_smooth(n_volumes, _N_COMPCOR, rng))[0])
