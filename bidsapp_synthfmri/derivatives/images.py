"""Images of voxels: NIfTI volumes and CIFTI-2 matrices, the same bytes every time."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import nibabel as nib
import numpy as np
from nibabel import cifti2
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from ..errors import InputMalformedError, SynthfmriError
from ..structures import BoolArray, FloatArray, IntArray, VoxelSpace

STRUCTURE = "CIFTI_STRUCTURE_OTHER"
NO_ROI = "n/a"
_COMPRESSION = 6
# nibabel is typed in part only; what it does with these is not.
_Nifti1Image: Any = nib.Nifti1Image
_cifti2: Any = cifti2
_REWRITE = "Run the level that writes it again"


@dataclass(frozen=True)
class Matrix:
    """A CIFTI-2 dscalar file as read.

    Attributes
    ----------
    values : (n_rows, n_voxels) float32, memory-mapped
    rows : the maps' names
    ijk : (n_voxels, 3)
    affine, shape : the volume that ``ijk`` counts in
    """

    values: FloatArray
    rows: tuple[str, ...]
    ijk: IntArray
    affine: NDArray[np.float64]
    shape: tuple[int, ...]


def write_volume(stream: BinaryIO, values: NDArray[Any], voxels: VoxelSpace) -> None:
    """One value a voxel as ``.nii.gz``, 0 outside ``voxels``; float32, or int32 for whole numbers.

    Raises
    ------
    SynthfmriError : not one value a voxel
    """
    if values.shape != (len(voxels),):
        raise SynthfmriError(f"A map has shape {values.shape} for {len(voxels)} voxels", "Report this defect")
    dtype = np.int32 if np.issubdtype(values.dtype, np.integer) else np.float32
    volume = np.zeros(voxels.shape, dtype=dtype)
    volume[tuple(voxels.ijk.T)] = values
    image = _Nifti1Image(volume, voxels.affine)
    image.header.set_xyzt_units("mm")
    # No file name and no time in the gzip header: the same image gives the same bytes.
    with gzip.GzipFile("", "wb", _COMPRESSION, stream, mtime=0) as packed:
        packed.write(image.to_bytes())


def write_matrix(stream: BinaryIO, values: FloatArray, rows: Sequence[str], voxels: VoxelSpace) -> None:
    """Rows x voxels as an uncompressed CIFTI-2 dscalar.

    Parameters
    ----------
    stream : to write to
    values : (n_rows, n_voxels)
    rows : name of each map
    voxels : the columns

    Raises
    ------
    SynthfmriError : shape of ``values`` is not rows x voxels, or there are none
    """
    if values.shape != (len(rows), len(voxels)) or not values.size:
        problem = f"A matrix has shape {values.shape} for {len(rows)} rows and {len(voxels)} voxels"
        raise SynthfmriError(problem, "Report this defect")
    columns = _cifti2.BrainModelAxis(
        STRUCTURE, voxel=voxels.ijk, affine=voxels.affine, volume_shape=voxels.shape
    )
    axes = (_cifti2.ScalarAxis(list(rows)), columns)
    image = _cifti2.Cifti2Image(np.asarray(values, dtype=np.float32), axes)
    image.update_headers()
    image.nifti_header.set_data_dtype(np.float32)
    image.to_stream(stream)


def read_volume(path: Path) -> Any:
    """The image, its data read and checked to be whole.

    Raises
    ------
    InputMalformedError : truncated or no image
    """
    try:
        image: Any = nib.load(path)
        np.asanyarray(image.dataobj)
    except (ImageFileError, OSError, EOFError, ValueError, zlib.error) as error:
        raise InputMalformedError(f"{path} cannot be read as an image: {error}", _REWRITE) from error
    return image


def read_matrix(path: Path) -> Matrix:
    """What ``write_matrix`` wrote, its values mapped, not loaded.

    Raises
    ------
    InputMalformedError : truncated, no CIFTI-2, or not rows of scalars by columns of voxels
    """
    try:
        image: Any = nib.load(path)
        values = np.asanyarray(image.dataobj)
        rows, columns = (image.header.get_axis(position) for position in (0, 1))
    except (ImageFileError, OSError, EOFError, ValueError, AttributeError, IndexError) as error:
        raise InputMalformedError(f"{path} cannot be read as CIFTI-2: {error}", _REWRITE) from error
    if not (isinstance(rows, _cifti2.ScalarAxis) and isinstance(columns, _cifti2.BrainModelAxis)):
        raise InputMalformedError(f"{path} is not a matrix of maps by voxels", _REWRITE)
    return Matrix(
        values=values,
        rows=tuple(str(name) for name in rows.name),
        ijk=np.asarray(columns.voxel, dtype=np.int64),
        affine=np.asarray(columns.affine, dtype=np.float64),
        shape=tuple(int(size) for size in columns.volume_shape),
    )


def roi_combinations(voxels: VoxelSpace) -> tuple[IntArray, tuple[str, ...]]:
    """Index of each voxel's combination of ROIs, from 1, and the combinations' names.

    A voxel in ``LHPPA`` and ``LHRSC`` has the combination ``LHPPA+LHRSC``; one in no ROI has ``n/a``.

    Raises
    ------
    InputMalformedError : an ROI's name cannot stand in such a list
    """
    for name in voxels.roi_names:
        if "+" in name or name in ("", NO_ROI):
            raise InputMalformedError(f"An ROI is named {name!r}", "Rename its mask with letters and digits")
    combinations: dict[bytes, int] = {}
    index = np.zeros(len(voxels), dtype=np.int64)
    names: list[str] = []
    for voxel, inside in enumerate(np.ascontiguousarray(voxels.membership.T)):
        key = inside.tobytes()
        if key not in combinations:
            combinations[key] = len(combinations) + 1
            members = [name for name, member in zip(voxels.roi_names, inside, strict=True) if member]
            names.append("+".join(members) or NO_ROI)
        index[voxel] = combinations[key]
    return index, tuple(names)


def membership_from(index: IntArray, names: dict[int, str], roi_names: Sequence[str]) -> BoolArray:
    """(n_rois, n_voxels) membership back from combinations; see ``roi_combinations``.

    Raises
    ------
    KeyError : an index without a name
    """
    members = {value: set(name.split("+")) for value, name in names.items()}
    inside = np.zeros((len(roi_names), len(index)), dtype=bool)
    for value in np.unique(index):
        inside[:, index == value] = np.array([name in members[int(value)] for name in roi_names])[:, None]
    return inside
