"""NIfTI files whose bytes depend on their content alone."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

_DATA_OFFSET = 352


def write_nifti(
    path: Path,
    values: NDArray[Any],
    affine: NDArray[np.float64],
    tr: float | None = None,
    slope: float | None = None,
    level: int = 1,
) -> None:
    """Write a volume or series as gzipped NIfTI-1, without a time stamp.

    Parameters
    ----------
    path : ends in .nii.gz; its folder is made
    values : (x, y, z) or (x, y, z, t), in the type to store
    affine : (4, 4) to millimetres
    tr : seconds a volume, for a series
    slope : what stored integers are multiplied by
    level : of compression
    """
    header: Any = nib.Nifti1Header()  # type: ignore[no-untyped-call]
    header.set_data_dtype(values.dtype)
    header.set_data_shape(values.shape)
    header.set_sform(affine, code=1)
    header.set_qform(affine, code=1)
    header.set_zooms((*np.abs(np.diag(affine)[:3]), *([tr] if tr is not None else [])))
    header.set_xyzt_units("mm", "sec" if tr is not None else None)
    header["vox_offset"] = _DATA_OFFSET
    header["scl_slope"] = 1.0 if slope is None else slope
    header["scl_inter"] = 0.0
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as raw, gzip.GzipFile("", "wb", level, raw, mtime=0) as file:
        header.write_to(file)
        file.write(values.tobytes(order="F"))
