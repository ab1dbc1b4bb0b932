"""Which voxels of a masked series are used, and which ROIs they lie in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import InputMalformedError
from ..structures import BoolArray, VoxelSpace
from .cifti import DscalarVoxels
from .names import roi_alias
from .rois import choose_rois, masked_space
from .structures import Asked, VoxelChoice
from .tables import MISSING, read_tsv
from .volume_series import require_fetched, unused_masks
from .volumes import Grid, grid_of, open_volume, read_volume, require_grid

_ROI_IMAGE = "desc-roi_dseg.nii.gz"


def restrict_to_rois(path: Path, there: DscalarVoxels, asked: Asked) -> VoxelChoice:
    """The voxels to read of a series, in C order of the volume.

    ROIs are those of the ``desc-roi_dseg`` beside the series, as this program writes it; else the dataset's
    own masks, whose voxels alone are then used; else there are none, and all voxels are used.

    Raises
    ------
    NothingMatchedError : an ROI asked for that is not there
    InputMalformedError : masks on another grid, or no voxel of the series in any
    """
    ijk = there.ijk[np.lexsort(there.ijk.T[::-1])]
    none = np.empty((0, len(ijk)), dtype=np.bool_)
    whole = VoxelSpace(ijk, there.grid.affine, there.grid.shape, (), none, asked.files.space)
    image = _roi_image(path)
    if image is not None and (labelled := _with_labels(image, whole, path)).roi_names:
        return VoxelChoice(_chosen(path, labelled, asked), (image,))
    masks = tuple(roi.path for roi in asked.files.masks)
    require_fetched(masks)
    masked = masked_space(asked.files, asked.rois, there.grid, path.name)
    if masked is None:
        return VoxelChoice(whole, (), unused_masks(asked.files))
    voxels, notes = _within(path, whole, masked)
    return VoxelChoice(voxels, masks, notes)


def _chosen(path: Path, voxels: VoxelSpace, asked: Asked) -> VoxelSpace:
    """The voxels of the ROIs asked for; all, and those in no ROI, where none is."""
    if not asked.rois:
        return voxels
    lacking = f"{path.name} has no ROI"
    positions = list(choose_rois(voxels.roi_names, asked.rois, lacking, "give other responses"))
    names = tuple(voxels.roi_names[position] for position in positions)
    chosen = replace(voxels, roi_names=names, membership=voxels.membership[positions])
    inside: BoolArray = np.asarray(chosen.membership.any(axis=0), dtype=np.bool_)
    if not inside.any():
        raise InputMalformedError(f"No voxel of {path.name} lies in the ROIs asked for", "Choose others")
    return chosen.take(inside)


def _within(path: Path, whole: VoxelSpace, masked: VoxelSpace) -> tuple[VoxelSpace, tuple[str, ...]]:
    column = {tuple(ijk): number for number, ijk in enumerate(masked.ijk.tolist())}
    columns = np.array([column.get(tuple(ijk), -1) for ijk in whole.ijk.tolist()])
    inside: BoolArray = np.asarray(columns >= 0, dtype=np.bool_)
    if not inside.any():
        raise InputMalformedError(
            f"None of the {len(whole)} voxels of {path.name} lies in an ROI mask",
            "Choose other masks with --roi",
        )
    membership = masked.membership[:, columns[inside]]
    voxels = replace(whole, ijk=whole.ijk[inside], roi_names=masked.roi_names, membership=membership)
    notes = []
    if n_outside := int((~inside).sum()):
        notes.append(
            f"{n_outside} of {len(whole)} voxels of {path.name} lie in no ROI mask used and were left out."
        )
    if n_lacking := len(masked) - len(voxels):
        notes.append(f"{n_lacking} of {len(masked)} voxels of the ROI masks are not in {path.name}.")
    return voxels, tuple(notes)


def _roi_image(path: Path) -> Path | None:
    """The segmentation beside the series, with its table; None where there is none."""
    image = path.with_name(f"{path.name.split('_desc-')[0]}_{_ROI_IMAGE}")
    return image if image.is_file() and _table_of(image).is_file() else None


def _table_of(image: Path) -> Path:
    return image.with_name(image.name.replace(".nii.gz", ".tsv"))


def _with_labels(path: Path, whole: VoxelSpace, series: Path) -> VoxelSpace:
    """The voxels with the ROIs that a segmentation gives them."""
    image = open_volume(path)
    require_grid(path, grid_of(path, image), Grid(whole.shape, whole.affine), series.name)
    index = read_volume(path, image)[tuple(whole.ijk.T)].astype(np.int64).tolist()
    table = _table_of(path)
    rois_of = _labels(table)
    unnamed = sorted(set(index) - set(rois_of) - {0})
    if unnamed:
        raise InputMalformedError(
            f"{table} does not name the values {unnamed} of its image", "Mend the table"
        )
    names = tuple(sorted({name for rois in rois_of.values() for name in rois}))
    membership = np.zeros((len(names), len(index)), dtype=np.bool_)
    for row, name in enumerate(names):
        membership[row] = [name in rois_of.get(value, ()) for value in index]
    return replace(whole, roi_names=names, membership=membership)


def _labels(path: Path) -> dict[int, tuple[str, ...]]:
    """The ROIs that each value of a segmentation stands for."""
    table = read_tsv(path)
    if not {"index", "name"} <= set(table.columns) or not table["index"].str.fullmatch(r"\d+").all():
        raise InputMalformedError(f"{path} has no columns index and name as it should", "Mend the table")
    return {
        int(index): () if name in MISSING else tuple(roi_alias(part) for part in name.split("+"))
        for index, name in zip(table["index"], table["name"], strict=True)
    }
