"""Images of voxels: NIfTI volumes and CIFTI-2 matrices, the same bytes every time.

On surfaces, one value a vertex is CIFTI-2 too, and "voxel" is to be read as vertex.
"""

from __future__ import annotations

import colorsys
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
from ..structures import BoolArray, FloatArray, IntArray, Space, SurfaceSpace, VoxelSpace

STRUCTURE = "CIFTI_STRUCTURE_OTHER"
LEFT, RIGHT = "CIFTI_STRUCTURE_CORTEX_LEFT", "CIFTI_STRUCTURE_CORTEX_RIGHT"
NO_ROI = "n/a"
_COMPRESSION = 6
_SERIES_COMPRESSION = 1
# A NIfTI-1 header and the four bytes that say it has no extension.
_SERIES_OFFSET = 352
# nibabel is typed in part only; what it does with these is not.
_Nifti1Image: Any = nib.Nifti1Image
_cifti2: Any = cifti2
_SCALARS, _LABELS = "NIFTI_INTENT_CONNECTIVITY_DENSE_SCALARS", "NIFTI_INTENT_CONNECTIVITY_DENSE_LABELS"
# An affine passes through NIfTI's float32 and CIFTI's decimal text; both keep a millimetre's thousandth.
_AFFINE_TOLERANCE = 1e-3
_GOLDEN_ANGLE = 0.382
_REWRITE = "Run the level that writes it again"


@dataclass(frozen=True)
class Matrix:
    """A CIFTI-2 file of scalars or labels as read.

    Attributes
    ----------
    values : (n_rows, n_voxels) as stored, memory-mapped
    rows : the maps' names
    columns : where the voxels lie, as nibabel's BrainModelAxis
    """

    values: NDArray[Any]
    rows: tuple[str, ...]
    columns: Any


def brain_models(voxels: Space) -> Any:
    """The columns as a BrainModelAxis: voxels of no named structure, or the two cortices' vertices."""
    if isinstance(voxels, VoxelSpace):
        return _cifti2.BrainModelAxis(
            STRUCTURE, voxel=voxels.ijk, affine=voxels.affine, volume_shape=voxels.shape
        )
    return _cifti2.BrainModelAxis(
        np.where(voxels.is_right, RIGHT, LEFT),
        vertex=voxels.vertices,
        nvertices=dict(zip((LEFT, RIGHT), voxels.n_vertices, strict=True)),
    )


def are_columns(columns: Any, voxels: Space) -> bool:
    """Whether columns that were read lie where ``voxels`` do."""
    expected = brain_models(voxels)
    parts = ("name", "voxel", "vertex")
    same = all(np.array_equal(getattr(columns, part), getattr(expected, part)) for part in parts)
    if not same or expected.affine is None:
        return same and bool(columns.nvertices == expected.nvertices)
    return columns.volume_shape == expected.volume_shape and same_affine(columns.affine, expected.affine)


def same_affine(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Whether two (4, 4) affines are one, but for what file formats round."""
    return bool(np.allclose(one, other, rtol=0, atol=_AFFINE_TOLERANCE))


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


def write_series(stream: BinaryIO, values: FloatArray, voxels: VoxelSpace, repetition_time: float) -> None:
    """Volumes x voxels as ``.nii.gz`` in float32, a volume at a time, 0 outside ``voxels``.

    Parameters
    ----------
    stream : to write to
    values : (n_volumes, n_voxels)
    voxels : the columns
    repetition_time : seconds

    Raises
    ------
    SynthfmriError : not a column a voxel
    """
    if values.ndim != 2 or values.shape[1] != len(voxels):
        raise SynthfmriError(
            f"A series has shape {values.shape} for {len(voxels)} voxels", "Report this defect"
        )
    header = _Nifti1Image(np.zeros(voxels.shape, dtype=np.float32), voxels.affine).header
    header.set_data_shape((*voxels.shape, len(values)))
    header.set_zooms((*header.get_zooms()[:3], repetition_time))
    header.set_xyzt_units("mm", "sec")
    header["vox_offset"] = _SERIES_OFFSET
    header["scl_slope"], header["scl_inter"] = 1, 0
    places = np.ravel_multi_index(tuple(voxels.ijk.T), voxels.shape, order="F")
    volume = np.zeros(int(np.prod(voxels.shape)), dtype=np.float32)
    # Noise hardly compresses, however long one tries.
    with gzip.GzipFile("", "wb", _SERIES_COMPRESSION, stream, mtime=0) as packed:
        header.write_to(packed)
        for row in values:
            volume[places] = row
            packed.write(volume.tobytes())


def write_matrix(stream: BinaryIO, values: FloatArray, rows: Sequence[str], voxels: Space) -> None:
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
    _write_cifti(stream, np.asarray(values, dtype=np.float32), _cifti2.ScalarAxis(list(rows)), voxels)


def write_labels(
    stream: BinaryIO, index: NDArray[np.integer[Any]], labels: Sequence[str], voxels: Space
) -> None:
    """(n_voxels,) numbers of labels, from 1, as a CIFTI-2 dlabel."""
    table = {number: (name, _colour(number)) for number, name in enumerate(labels, start=1)}
    rows = _cifti2.LabelAxis(["label"], {0: ("???", (0.0, 0.0, 0.0, 0.0)), **table})
    _write_cifti(stream, np.asarray(index, dtype=np.int32)[np.newaxis], rows, voxels)


def _write_cifti(stream: BinaryIO, values: NDArray[Any], rows: Any, voxels: Space) -> None:
    if values.shape != (len(rows), len(voxels)) or not values.size:
        problem = f"A matrix has shape {values.shape} for {len(rows)} rows and {len(voxels)} voxels"
        raise SynthfmriError(problem, "Report this defect")
    image = _cifti2.Cifti2Image(values, (rows, brain_models(voxels)))
    image.update_headers()
    image.nifti_header.set_data_dtype(values.dtype)
    image.nifti_header.set_intent(_LABELS if isinstance(rows, _cifti2.LabelAxis) else _SCALARS)
    image.to_stream(stream)


def _colour(number: int) -> tuple[float, float, float, float]:
    """A colour for each number, neighbours far apart in hue."""
    return (*colorsys.hsv_to_rgb(number * _GOLDEN_ANGLE % 1, 0.65, 0.9), 1.0)


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
    """What ``write_matrix`` or ``write_labels`` wrote, its values mapped, not loaded.

    Raises
    ------
    InputMalformedError : truncated, no CIFTI-2, or not rows of maps by columns of voxels
    """
    try:
        image: Any = nib.load(path)
        values = np.asanyarray(image.dataobj)
        rows, columns = (image.header.get_axis(position) for position in (0, 1))
    except (ImageFileError, OSError, EOFError, ValueError, AttributeError, IndexError) as error:
        raise InputMalformedError(f"{path} cannot be read as CIFTI-2: {error}", _REWRITE) from error
    maps = isinstance(rows, (_cifti2.ScalarAxis, _cifti2.LabelAxis))
    if not (maps and isinstance(columns, _cifti2.BrainModelAxis)):
        raise InputMalformedError(f"{path} is not a matrix of maps by voxels", _REWRITE)
    return Matrix(values, tuple(str(name) for name in rows.name), columns)


def surface_of(
    columns: Any, roi_names: tuple[str, ...], membership: BoolArray, space: str
) -> SurfaceSpace | None:
    """The surfaces that ``brain_models`` gave the columns of; None where they are of something else."""
    if not set(columns.name) <= {LEFT, RIGHT}:
        return None
    left, right = (int(columns.nvertices.get(name, 0)) for name in (LEFT, RIGHT))
    return SurfaceSpace(
        vertices=np.asarray(columns.vertex, dtype=np.int64),
        is_right=np.asarray(columns.name == RIGHT),
        n_vertices=(left, right),
        roi_names=roi_names,
        membership=membership,
        space=space,
    )


def roi_combinations(voxels: Space) -> tuple[IntArray, tuple[str, ...]]:
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
