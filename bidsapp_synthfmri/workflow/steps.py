"""Results of finished steps in the work directory, for a run that takes up where a killed one ended.

A step's result is a folder that is whole or not there, under a name that holds all it depends on: files as
they are, options, device, threads. Nothing in it is needed once the participant is finished.
"""

from __future__ import annotations

import json
import logging
import shutil
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from ..config import RunConfig
from ..features.entries import RECORD, EntryWriter, publish, read_entry, unpublished
from ..structures import (
    BoolArray,
    Estimation,
    FloatArray,
    Json,
    Responses,
    SeriesStatistics,
    Space,
    Trials,
    VoxelSpace,
)
from .fingerprint import fingerprint

_LOGGER = logging.getLogger(__name__)
STEPS = "steps"
_PARTS = "parts.safetensors"
_ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class Step:
    """Where the result of one step is kept.

    Attributes
    ----------
    folder : of all steps' results
    name : of the step, the participant's first
    key : fingerprint of all that the result depends on
    """

    folder: Path
    name: str
    key: str

    @property
    def path(self) -> Path:
        """The result's own folder."""
        return self.folder / f"{self.name}_{self.key[:32]}"

    def read(self) -> tuple[FloatArray, Mapping[str, NDArray[Any]], Json] | None:
        """Matrix, memory-mapped, other arrays and facts; None where they are not there, or damaged."""
        values = read_entry(self.path)
        if values is None:
            return None
        try:
            record = json.loads((self.path / RECORD).read_text(encoding="utf-8"))
            parts = (self.path / _PARTS).read_bytes()
            if zlib.crc32(parts) != record["parts_crc32"]:
                raise ValueError(f"{_PARTS} has another checksum")
            return values, load(parts), record["facts"]
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            _LOGGER.warning("%s is damaged (%s); it is computed again", self.path, error)
            return None

    def forget(self) -> None:
        """Remove the result, whatever it depends on."""
        for path in self.folder.glob(f"{self.name}_*"):
            shutil.rmtree(path, ignore_errors=True)

    def keep(self, values: FloatArray, parts: Mapping[str, NDArray[Any]], facts: Json) -> None:
        """Keep a result, in the stead of any other of the same step.

        Parameters
        ----------
        values : (n_rows, n_columns) float32
        parts : smaller arrays
        facts : what can be told as JSON
        """
        self.forget()
        with unpublished(self.folder) as partial:
            made = partial / self.path.name
            writer = EntryWriter(made, *values.shape)
            for first in range(0, len(values), _ROWS_AT_ONCE):
                block = values[first : first + _ROWS_AT_ONCE]
                writer.put(block, [(row,) for row in range(first, first + len(block))])
            content = save({name: np.ascontiguousarray(array) for name, array in parts.items()})
            (made / _PARTS).write_bytes(content)
            writer.finish({"facts": facts, "parts_crc32": zlib.crc32(content)})
            publish(made, self.path)


def step_of(config: RunConfig, participant: str, name: str, *depends_on: object) -> Step:
    """A participant's step, its result kept in the work directory by what it depends on."""
    return Step(config.work_folder / STEPS, f"sub-{participant}_{name}", fingerprint(*depends_on))


def keep_responses(step: Step, responses: Responses, voxels: Space) -> None:
    """Keep estimated responses.

    Parameters
    ----------
    voxels : all of which responses could have been estimated, of which ``responses`` have some
    """
    parts: dict[str, NDArray[Any]] = {"usable": _among(voxels, responses.voxels)}
    facts: Json = {
        "estimator": responses.estimator,
        "unit": responses.unit,
        "dropped_voxels": responses.dropped_voxels,
        "estimation": None if responses.estimation is None else _taken_apart(responses.estimation, parts),
    }
    step.keep(responses.values, parts, facts)


def kept_responses(step: Step, trials: Trials, voxels: Space) -> Responses | None:
    """What ``keep_responses`` kept; None where nothing is.

    Parameters
    ----------
    trials, voxels : all of which responses could have been estimated
    """
    found = step.read()
    if found is None:
        return None
    values, parts, facts = found
    estimation = None if facts["estimation"] is None else _estimation(facts["estimation"], parts)
    kept = np.ones(len(trials), dtype=bool)
    if estimation is not None:
        kept[estimation.dropped_trials.index] = False
    return Responses(
        values=values,
        trials=trials.take(kept),
        voxels=voxels.take(parts["usable"]),
        estimator=facts["estimator"],
        unit=facts["unit"],
        dropped_voxels=facts["dropped_voxels"],
        estimation=estimation,
    )


def _among(everything: Space, some: Space) -> BoolArray:
    """(len(everything),) which of them are ``some``."""
    member: BoolArray = np.isin(_places(everything), _places(some))
    return member


def _places(space: Space) -> NDArray[np.int64]:
    """A number for every voxel or vertex."""
    if isinstance(space, VoxelSpace):
        places: NDArray[np.int64] = np.ravel_multi_index(tuple(space.ijk.T), space.shape).astype(np.int64)
        return places
    return space.vertices + space.is_right * space.n_vertices[0]


def _taken_apart(described: Estimation | SeriesStatistics, parts: dict[str, NDArray[Any]]) -> Json:
    """What can be told as JSON; arrays go to ``parts``, under the class' and the field's name."""
    facts: Json = {}
    for known in fields(described):
        value = getattr(described, known.name)
        if isinstance(value, np.ndarray):
            parts[f"{type(described).__name__}.{known.name}"] = value
        elif isinstance(value, pd.DataFrame):
            facts[known.name] = {
                "rows": [int(row) for row in value.index],
                "columns": {name: value[name].tolist() for name in value},
                "types": {name: str(value[name].dtype) for name in value},
            }
        elif is_dataclass(value):
            facts[known.name] = _taken_apart(value, parts)  # type: ignore[arg-type]
        else:
            facts[known.name] = value.item() if isinstance(value, np.generic) else value
    return facts


def _estimation(facts: Json, parts: Mapping[str, NDArray[Any]]) -> Estimation:
    table = facts["dropped_trials"]
    dropped = pd.DataFrame(table["columns"], index=table["rows"]).astype(table["types"])
    series = facts.get("series")
    values = {
        **_fields(Estimation, facts, parts),
        "dropped_trials": dropped,
        "series": None if series is None else SeriesStatistics(**_fields(SeriesStatistics, series, parts)),
    }
    return Estimation(**values)


def _fields(kind: type, facts: Json, parts: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    arrays = {known.name: parts.get(f"{kind.__name__}.{known.name}") for known in fields(kind)}
    told = {name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()}
    return {**{name: array for name, array in arrays.items() if array is not None}, **told}
