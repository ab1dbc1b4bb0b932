"""ROI masks -> the voxels of an analysis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import InputMalformedError, InputMissingError, NothingMatchedError, UsageError
from ..structures import BoolArray, IntArray, Space, SurfaceSpace, VoxelSpace, without_hemisphere
from .names import roi_alias
from .structures import ParticipantEvents, ParticipantFiles, RoiFile
from .surfaces import read_surface_space
from .volumes import Grid, grid_of, open_volume, read_mask

N_POOL = 10_000
_MORE_MASKS = "give the derivative that has the masks with --derivatives"


def read_voxel_space(files: ParticipantFiles, rois: Sequence[str]) -> Space:
    """The voxels in any of the ROIs, and which ROIs each lies in; on surfaces, all vertices.

    Parameters
    ----------
    files : the participant's files
    rois : names, ``PPA`` for both hemispheres or ``LHPPA`` for one; empty means all there are

    Returns
    -------
    voxels where a mask is greater than 0, in C order; without any ROI mask the voxels of the brain
    masks that all runs share, with no ROI names. Masks are not cut to the brain masks: BOLD5000's
    published voxel counts are those of the masks alone.

    Raises
    ------
    NothingMatchedError : a name no mask has
    UsageError : several masks of one name
    InputMalformedError : a mask off the BOLD's grid, or no voxel at all
    """
    if files.runs[0].bold_right is not None:
        choose_rois([], rois, f"sub-{files.participant} has no ROI mask on surfaces", "leave --roi out")
        return read_surface_space(files)
    first = files.runs[0].bold
    grid = grid_of(first, open_volume(first))
    masked = masked_space(files, rois, grid, "the BOLD")
    if masked is None:
        return space_of_masks(files.space, grid, (), _common_brain(files, grid)[np.newaxis])
    return masked


def masked_space(
    files: ParticipantEvents, rois: Sequence[str], grid: Grid, reference: str
) -> VoxelSpace | None:
    """The voxels of the ROI masks of ``files.space``; None where there are none and none is asked for.

    Parameters
    ----------
    files, rois : see ``read_voxel_space``
    grid : where the masks must lie
    reference : whose grid that is, for messages

    Raises
    ------
    NothingMatchedError, UsageError, InputMalformedError : see ``read_voxel_space``
    """
    there = files.masks
    holder = f"sub-{files.participant}"
    positions = choose_rois([roi.name for roi in there], rois, f"{holder} has no ROI mask", _MORE_MASKS)
    chosen = [there[position] for position in positions]
    _refuse_several(chosen)
    if not chosen:
        return None
    masks = np.stack([_mask_on_grid(roi, grid, reference) for roi in chosen])  # (n_rois, x, y, z)
    if not masks.any():
        raise InputMalformedError(
            f"No voxel is greater than 0 in {', '.join(roi.path.name for roi in chosen)}",
            "Fetch or make the masks again, or choose others with --roi",
        )
    return space_of_masks(files.space, grid, tuple(roi.name for roi in chosen), masks)


def read_pool(files: ParticipantFiles, voxels: Space) -> IntArray | None:
    """Candidates for a noise pool: brain voxels outside those analysed.

    Parameters
    ----------
    files : the participant's files
    voxels : those analysed

    Returns
    -------
    (n_pool, 3) voxel indices in C order: those of the brain masks that all runs share, less ``voxels``,
    evenly thinned to ``N_POOL`` at most; None where there are none, a run has no brain mask, or on surfaces

    Raises
    ------
    InputMissingError, InputMalformedError : a brain mask that cannot be read, or is off the BOLD's grid
    """
    if isinstance(voxels, SurfaceSpace) or any(run.brain_mask is None for run in files.runs):
        return None
    outside = _shared_brain(files, Grid(voxels.shape, voxels.affine))
    outside[tuple(voxels.ijk.T)] = False
    ijk = np.argwhere(outside).astype(np.int64)
    if not len(ijk):
        return None
    kept = np.linspace(0, len(ijk) - 1, min(N_POOL, len(ijk))).round().astype(np.int64)
    return np.asarray(ijk[kept])


def choose_rois(there: Sequence[str], rois: Sequence[str], lacking: str, otherwise: str) -> tuple[int, ...]:
    """Positions of the ROIs asked for, by either spelling and with or without hemisphere.

    Parameters
    ----------
    there : names of the ROIs that are there
    rois : names asked for; empty means all
    lacking : the message's beginning, such as ``sub-X has no ROI mask``
    otherwise : what can be done besides choosing others

    Raises
    ------
    NothingMatchedError : a name that none has
    """
    wanted = [roi_alias(name) for name in rois]
    names_of = [{name, without_hemisphere(name)} for name in there]
    known = set().union(*names_of)
    unknown = [given for given, name in zip(rois, wanted, strict=True) if name not in known]
    if unknown:
        raise NothingMatchedError(
            f"{lacking} named {', '.join(unknown)}; there are: {', '.join(there) or 'none'}",
            f"Choose among them with --roi, or {otherwise}",
        )
    return tuple(
        position for position, names in enumerate(names_of) if not wanted or not names.isdisjoint(wanted)
    )


def space_of_masks(space: str, grid: Grid, names: tuple[str, ...], masks: BoolArray) -> VoxelSpace:
    """The voxels in any of some masks.

    Parameters
    ----------
    space : label
    grid : of the masks
    names : of the first of the masks; those that follow give voxels but are no ROI
    masks : (n_masks, x, y, z)
    """
    ijk = np.argwhere(masks.any(axis=0)).astype(np.int64)
    return VoxelSpace(
        ijk=ijk,
        affine=grid.affine,
        shape=grid.shape,
        roi_names=names,
        membership=masks[: len(names), ijk[:, 0], ijk[:, 1], ijk[:, 2]],
        space=space,
    )


def _refuse_several(chosen: Sequence[RoiFile]) -> None:
    names = [roi.name for roi in chosen]
    for name in names:
        if names.count(name) > 1:
            paths = ", ".join(str(roi.path) for roi in chosen if roi.name == name)
            raise UsageError(
                f"ROI {name} has several masks: {paths}", "Give the derivative to use with --derivatives"
            )


def _mask_on_grid(roi: RoiFile, grid: Grid, reference: str) -> BoolArray:
    return read_mask(roi.path, grid, reference)


def _common_brain(files: ParticipantFiles, grid: Grid) -> BoolArray:
    brain = _shared_brain(files, grid)
    if not brain.any():
        raise InputMalformedError(
            f"The brain masks of sub-{files.participant}'s {len(files.runs)} runs share no voxel",
            "Fetch or make them again, or leave out the runs that differ with --session-label",
        )
    return brain


def _shared_brain(files: ParticipantFiles, grid: Grid) -> BoolArray:
    brain = np.ones(grid.shape, dtype=np.bool_)
    for run in files.runs:
        if run.brain_mask is None:
            raise InputMissingError(f"{run.label} has no brain mask", "Fetch or make it")
        brain &= read_mask(run.brain_mask, grid, "the BOLD")
    return brain
