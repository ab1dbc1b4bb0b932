"""The one object through which results reach the disk."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .. import atomic
from ..errors import SynthfmriError
from ..structures import FloatArray, Json, Space, VoxelSpace
from . import images, names
from .columns import INDEX_COLUMNS, Columns
from .names import OutputFile, Place
from .tables import kinds_of, table_text


class Writer:
    """Writes the files of one participant, or of the group, each whole or not at all.

    Parameters
    ----------
    output_dir : the BIDS App's OUTPUT_DIR
    participant, task, space : labels without ``sub-``, ``task-`` and ``space-``; None for the group's files
    spatial_reference : BIDS URI of the image whose grid the voxels lie on; None means the ROI image
        that is written here

    Attributes
    ----------
    written : every path written so far, in order
    """

    def __init__(
        self,
        output_dir: Path,
        participant: str | None = None,
        task: str | None = None,
        space: str | None = None,
        spatial_reference: str | None = None,
    ) -> None:
        self.output_dir = output_dir
        self.place = Place(participant, task, space)
        self._spatial_reference = spatial_reference
        self._written: dict[Path, None] = {}

    @property
    def written(self) -> tuple[Path, ...]:
        return tuple(self._written)

    def path(self, output: OutputFile) -> Path:
        """Where ``output`` belongs; nothing is made."""
        return output.path(self.output_dir, self.place)

    def uri(self, output: OutputFile) -> str:
        """BIDS URI of one of this dataset's own files."""
        return f"bids::{output.relative(self.place)}"

    def bytes(self, output: OutputFile, content: bytes) -> Path:
        """Write bytes as they are."""
        path = self.path(output)
        atomic.write_bytes(path, content)
        return self._register(path)

    def text(self, output: OutputFile, content: str) -> Path:
        """Write text as UTF-8."""
        return self.bytes(output, content.encode())

    def json(self, output: OutputFile, content: Json) -> Path:
        """Write JSON, keys in the order given; not-a-number becomes null."""
        return self.text(output, json_text(content))

    def table(self, output: OutputFile, table: pd.DataFrame, columns: Columns) -> Path:
        """Write a TSV and, beside it, a data dictionary of its every column."""
        content = table_text(table)
        dictionary = columns.dictionary(table, kinds_of(table))
        self.json(output.with_extension(".json"), {"Description": output.description, **dictionary})
        return self.text(output, content)

    def volume(
        self, output: OutputFile, values: NDArray[Any], voxels: Space, sidecar: Json | None = None
    ) -> Path:
        """Write one value a voxel, with its sidecar: NIfTI, or a CIFTI-2 dscalar on surfaces."""
        if isinstance(voxels, VoxelSpace):
            return self._image(output, voxels, sidecar, partial(images.write_volume, values=values))
        write = partial(images.write_matrix, values=values[np.newaxis], rows=[output.description])
        return self._image(names.on_surface(output), voxels, sidecar, write)

    def dseg(
        self,
        output: OutputFile,
        index: NDArray[np.integer[Any]],
        labels: Sequence[str],
        voxels: Space,
        sidecar: Json | None = None,
    ) -> Path:
        """Write a segmentation and its TSV of labels: NIfTI, or a CIFTI-2 dlabel on surfaces.

        Parameters
        ----------
        output : the image
        index : (n_voxels,) number of each voxel's label, from 1
        labels : their names
        voxels : where the values lie
        sidecar : more keys
        """
        if len(index) and not (index.min() >= 1 and index.max() <= len(labels)):
            raise SynthfmriError(
                f"{output.suffix} values leave 1 to {len(labels)}: {index.min()} to {index.max()}",
                "Report this defect",
            )
        table = pd.DataFrame({"index": np.arange(1, len(labels) + 1), "name": list(labels)})
        dictionary = INDEX_COLUMNS.dictionary(table, kinds_of(table) | {"name": "string"})
        self.text(output.with_extension(".tsv"), table_text(table))
        content = {**(sidecar or {}), **dictionary}
        if isinstance(voxels, VoxelSpace):
            return self.volume(output, index, voxels, content)
        write = partial(images.write_labels, index=index, labels=labels)
        return self._image(names.on_surface(output), voxels, content, write)

    def matrix(
        self,
        output: OutputFile,
        values: FloatArray,
        rows: Sequence[str],
        voxels: Space,
        sidecar: Json | None = None,
    ) -> Path:
        """Write rows x voxels as CIFTI-2, with its sidecar; see ``images.write_matrix``."""
        return self._image(output, voxels, sidecar, partial(images.write_matrix, values=values, rows=rows))

    def series(
        self, output: OutputFile, values: FloatArray, voxels: Space, repetition_time: float, sidecar: Json
    ) -> Path:
        """Write volumes x voxels as a NIfTI series, with its sidecar; see ``images.write_series``."""
        write = partial(images.write_series, values=values, repetition_time=repetition_time)
        return self._image(output, voxels, sidecar, write)

    def withdraw(self, output: OutputFile) -> None:
        """Remove a file of an earlier run and its sidecar, if they are there."""
        for path in (self.path(output), self.path(output.with_extension(".json"))):
            path.unlink(missing_ok=True)
            self._written.pop(path, None)

    def _register(self, path: Path) -> Path:
        self._written[path] = None
        return path

    def _image(
        self, output: OutputFile, voxels: Space, sidecar: Json | None, write: Callable[..., None]
    ) -> Path:
        path = self.path(output)
        with atomic.replacing(path) as stream:
            write(stream, voxels=voxels)
        rois = names.ROIS if isinstance(voxels, VoxelSpace) else names.on_surface(names.ROIS)
        self._image_sidecar(output, sidecar, self._spatial_reference or self.uri(rois))
        return self._register(path)

    def _image_sidecar(self, output: OutputFile, sidecar: Json | None, reference: str) -> None:
        content = {
            "Description": output.description,
            "SpatialReference": reference,
            "SkullStripped": False,
            **(sidecar or {}),
        }
        self.json(output.with_extension(".json"), content)


def json_text(content: Json) -> str:
    """Indented JSON, keys in their order, not-a-number as null."""
    return json.dumps(_plain(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
