"""What a participant's results depend on beside the configuration: the files, as they are now."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..structures import Json, Space, StimulusSet, VoxelSpace
from .inputs import ParticipantInputs

_ANNEX = "/annex/objects/"


def fingerprint(*parts: object) -> str:
    """SHA-256 of what can be told as JSON, and this program's version."""
    text = json.dumps([__version__, *parts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def recorded(inputs: ParticipantInputs) -> Json:
    """Trials, voxels and the files that responses are estimated from or read from."""
    given = inputs.precomputed
    files = [*inputs.masks, *(given.files if given else ())]
    for run in inputs.recorded_runs:
        files += [path for path in (*run.bold_files, run.brain_mask, run.confounds) if path is not None]
    return {
        "trials": _digest(inputs.trials.table.to_csv(index=False).encode()),
        "voxels": _space(inputs.voxels),
        "nuisance": {
            label: [list(table.names), _array(table.values), _array(table.censored)]
            for label, table in inputs.nuisance.items()
        },
        "runs": [[run.label, run.repetition_time, run.start_time] for run in inputs.recorded_runs],
        "files": identities(files),
    }


def pictures(images: StimulusSet) -> Json:
    """Pictures of a set, and what is known of them."""
    known = images.table.drop(columns="path").to_csv(index=False)
    return {"name": images.name, "table": _digest(known.encode()), "files": identities(images.table["path"])}


def of_inputs(inputs: ParticipantInputs) -> str:
    """Fingerprint of all that is read of a participant."""
    return fingerprint(recorded(inputs), *map(pictures, (inputs.stimuli, *inputs.extra)))


def identities(files: Iterable[Any]) -> str:
    """Digest of what tells that files are what they were: the annex's key, or size and time of change.

    Parameters
    ----------
    files : paths, or pictures inside files, which have a ``path`` and a ``name``
    """
    rows = [[_name(file), *_identity(Path(getattr(file, "path", file)))] for file in files]
    return _digest(json.dumps(rows).encode())


def _name(file: Any) -> str:
    """The file's own name: it does not matter where the dataset lies."""
    return str(file.name) if hasattr(file, "path") else Path(file).name


def _identity(path: Path) -> tuple[str | int, ...]:
    if path.is_symlink():
        target = path.readlink()
        if _ANNEX in target.as_posix():
            return (target.name,)
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _space(voxels: Space) -> list[str]:
    places = (
        (voxels.ijk, voxels.affine) if isinstance(voxels, VoxelSpace) else (voxels.vertices, voxels.is_right)
    )
    return [voxels.space, *voxels.roi_names, *map(_array, (*places, voxels.membership))]


def _array(values: Any) -> str:
    """Digest of an array; of None, its own."""
    if values is None:
        return ""
    held = np.ascontiguousarray(values)
    return _digest(f"{held.dtype.str}{held.shape}".encode() + held.tobytes())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
