"""Models that an encoder may carry beside its weights, in the same file, each under a prefix of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol, Self

from numpy.typing import NDArray

from ..errors import InputMalformedError
from ..structures import Json
from ..synthesis.noise_model import NoiseModel
from ..synthesis.series_model import SeriesModel
from .posterior import Posterior

Arrays = Mapping[str, NDArray[Any]]


class Part(Protocol):
    """What can be stored with an encoder: a frozen dataclass of arrays and numbers."""

    @property
    def summary(self) -> str:
        """What it is and how it was made, a sentence or two for the model card."""

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All of it as arrays, numbers as arrays without axes; the numbers also stand in the card."""

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """What ``to_arrays`` gave; KeyError for an array that is not there."""


# The encoder's attribute, which is also the arrays' prefix, and what is stored there.
PARTS: Mapping[str, type[Part]] = {"noise": NoiseModel, "posterior": Posterior, "series": SeriesModel}


def part_tensors(parts: Mapping[str, Part]) -> dict[str, NDArray[Any]]:
    """Arrays of all parts, by ``part/array``."""
    arrays = {name: part.to_arrays() for name, part in parts.items()}
    return {f"{name}/{key}": values for name, held in arrays.items() for key, values in held.items()}


def part_cards(parts: Mapping[str, Part]) -> list[Json]:
    """What the model card says of each part: what it is, its size, its numbers."""
    return [_card(name, part) for name, part in parts.items()]


def assemble_parts(tensors: Arrays) -> dict[str, Any]:
    """The parts that a file holds, by name.

    Raises
    ------
    InputMalformedError : a part that this version does not know
    KeyError : an array that is not there
    """
    found: dict[str, dict[str, NDArray[Any]]] = {}
    for key, values in tensors.items():
        part, slash, array = key.partition("/")
        if slash:
            found.setdefault(part, {})[array] = values
    return {name: _known(name).from_arrays(arrays) for name, arrays in found.items()}


def _card(name: str, part: Part) -> Json:
    arrays = part.to_arrays()
    return {
        "name": name,
        "summary": part.summary,
        "n_bytes": sum(values.nbytes for values in arrays.values()),
        "numbers": {key: _number(values) for key, values in arrays.items() if values.ndim == 0},
    }


def _number(value: NDArray[Any]) -> int | float | None:
    """A plain number; None for one that JSON does not have."""
    plain: int | float = value.item()
    return plain if math.isfinite(plain) else None


def _known(name: str) -> type[Part]:
    if name not in PARTS:
        raise InputMalformedError(
            f"The encoder has a part {name!r} that this version of synthfmri does not know",
            "Update synthfmri to the version that its card names under software",
        )
    return PARTS[name]
