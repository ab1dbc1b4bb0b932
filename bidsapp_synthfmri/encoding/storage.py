"""The encoder's file: safetensors for arrays, JSON beside it for the model card; nothing is pickled."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as save_tensors

from .. import __version__
from ..atomic import write_bytes
from ..errors import InputMalformedError, InputMissingError, UsageError
from ..json_objects import read_object
from ..structures import Json, Space, SurfaceSpace, VoxelSpace
from .card import missing_keys
from .encoder import Encoder, LayerWeights, VoxelChoices
from .parts import assemble_parts, part_cards, part_tensors
from .stored_checks import require_consistent
from .weights import PREDICTION_BOUND, ScaledMatrix

FORMAT_VERSION = 2
_SUFFIX = ".safetensors"
_APP = "bidsapp_synthfmri"
# What arrays and cards raise that were not written together, and what safetensors raises on none.
_UNFIT = (SafetensorError, KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError)


def encoder_bytes(encoder: Encoder) -> bytes:
    """The encoder's arrays as one safetensors file; the same encoder gives the same bytes."""
    tensors: dict[str, Any] = {
        "intercept": encoder.intercept,
        **_space_tensors(encoder.voxels),
        "membership": encoder.voxels.membership.astype(np.uint8),
    }
    for number, layer in enumerate(encoder.weights):
        prefix = f"layer{number}"
        tensors[f"{prefix}.voxels"] = layer.voxels.astype(np.int32)
        tensors |= _matrix_tensors(f"{prefix}.readout", layer.readout)
        if layer.mixing is not None:
            tensors |= _matrix_tensors(f"{prefix}.mixing", layer.mixing)
    if encoder.choices is not None:
        tensors |= _choice_tensors(encoder.choices)
    tensors |= part_tensors(encoder.parts)
    return save_tensors({name: np.asarray(values, order="C") for name, values in tensors.items()})


def complete_card(encoder: Encoder, data: bytes) -> Json:
    """The model card with what the file itself adds: version, hash, how weights are stored, voxel space."""
    return {
        **encoder.card,
        "format_version": FORMAT_VERSION,
        "sha256": hashlib.sha256(data).hexdigest(),
        "storage": _storage(encoder.weights),
        "n_voxels": len(encoder.voxels),
        **_space_size(encoder.voxels),
        "space": encoder.voxels.space,
        "roi_names": list(encoder.voxels.roi_names),
        "parts": part_cards(encoder.parts),
    }


def write_encoder(encoder: Encoder, path: Path) -> None:
    """Write arrays, then card; see ``Encoder.save``."""
    _require_suffix(path)
    data = encoder_bytes(encoder)
    card = complete_card(encoder, data)
    if missing := missing_keys(card):
        raise UsageError(
            f"The encoder's card lacks {', '.join(missing)}: what is saved could not be read again",
            "Make the card with bidsapp_synthfmri.encoding.model_card",
        )
    text = json.dumps(card, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_bytes(path, data)
    write_bytes(path.with_suffix(".json"), text.encode())


def read_encoder(path: Path) -> Encoder:
    """Read arrays and card, checking version and hash; the network is not loaded.

    Raises
    ------
    InputMissingError : the file or its card is not there
    InputMalformedError : not an encoder, another format version, a hash that differs from the card's, or a
        part that this version does not know; sizes, indices or numbers that contradict one another
    """
    card = _read_card(path)
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != card["sha256"]:
        raise InputMalformedError(
            f"{path} does not match the hash in its model card: it is damaged or from another fit",
            "Copy both files again from where they were made, or fit the encoder again",
        )
    try:
        with safe_open(path, framework="np") as file:
            names = file.keys()
            encoder = _assemble({name: file.get_tensor(name) for name in names}, card)
        require_consistent(encoder)
    except _UNFIT as error:
        raise InputMalformedError(f"{path} is not an encoder ({error})", "Fit the encoder again") from error
    return encoder


def _require_suffix(path: Path) -> None:
    if path.suffix != _SUFFIX:
        raise UsageError(f"{path} is no {_SUFFIX} file", f"Give the encoder's {_SUFFIX} file, not its card")


def _read_card(path: Path) -> Json:
    _require_suffix(path)
    beside = path.with_suffix(".json")
    for needed in (path, beside):
        if not needed.is_file():
            raise InputMissingError(
                f"{needed} is not there", f"An encoder is a {_SUFFIX} file with its .json beside it"
            )
    card = read_object(beside, "Copy the card again")
    if not isinstance(card.get("format_version"), int):
        raise InputMalformedError(
            f"{beside} is not an encoder's model card: it has no format_version",
            "Give the file pair that synthfmri wrote",
        )
    _require_version(path, card)
    if missing := missing_keys(card):
        raise InputMalformedError(
            f"{beside} is not a whole model card: it lacks {', '.join(missing)}",
            "Copy the card again from where it was made, or fit the encoder again",
        )
    return card


def _require_version(path: Path, card: Json) -> None:
    version, software = card["format_version"], card.get("software")
    if version == FORMAT_VERSION:
        return
    writer = software.get(_APP, "unknown") if isinstance(software, dict) else "unknown"
    raise InputMalformedError(
        f"{path} has encoder format {version}, written by synthfmri {writer}; "
        f"this is synthfmri {__version__}, which reads format {FORMAT_VERSION}",
        f"Update synthfmri to {writer} or newer"
        if version > FORMAT_VERSION
        else f"Fit the encoder again, or read it with synthfmri {writer}",
    )


def _storage(weights: tuple[LayerWeights, ...]) -> Json:
    return {
        "bound": PREDICTION_BOUND,
        "prediction_change": max((layer.change for layer in weights), default=0.0),
        "layers": [
            {
                "name": layer.name,
                "n_units": layer.n_units,
                "n_voxels": len(layer.voxels),
                "dtype": str(layer.readout.values.dtype),
                "rank": layer.rank,
                "prediction_change": layer.change,
            }
            for layer in weights
        ],
    }


def _assemble(tensors: dict[str, Any], card: Json) -> Encoder:
    layers = tuple(
        LayerWeights(
            name=layer["name"],
            voxels=tensors[f"layer{number}.voxels"].astype(np.int64),
            readout=_matrix(tensors, f"layer{number}.readout"),
            mixing=None if layer["rank"] is None else _matrix(tensors, f"layer{number}.mixing"),
            change=layer["prediction_change"],
        )
        for number, layer in enumerate(card["storage"]["layers"])
    )
    return Encoder(
        weights=layers,
        intercept=tensors["intercept"],
        voxels=_assemble_space(tensors, card),
        card=card,
        choices=_assemble_choices(tensors, card) if "alpha" in tensors else None,
        **assemble_parts(tensors),
    )


def _matrix_tensors(prefix: str, matrix: ScaledMatrix) -> dict[str, Any]:
    return {f"{prefix}.values": matrix.values, f"{prefix}.scale": matrix.scale}


def _matrix(tensors: dict[str, Any], prefix: str) -> ScaledMatrix:
    return ScaledMatrix(tensors[f"{prefix}.values"], tensors[f"{prefix}.scale"])


def _choice_tensors(choices: VoxelChoices) -> dict[str, Any]:
    return {
        "alpha": choices.alpha.astype(np.float64),
        "layer": choices.layer.astype(np.int32),
        "cv_r": choices.cv_r.astype(np.float32),
        "cv_r2": choices.cv_r2.astype(np.float32),
    }


def _assemble_choices(tensors: dict[str, Any], card: Json) -> VoxelChoices:
    return VoxelChoices(
        layers=tuple(card["backbone"]["layers"]),
        layer=tensors["layer"].astype(np.int64),
        alpha=tensors["alpha"],
        cv_r=tensors["cv_r"],
        cv_r2=tensors["cv_r2"],
    )


def _space_tensors(space: Space) -> dict[str, Any]:
    if isinstance(space, VoxelSpace):
        return {"ijk": space.ijk.astype(np.int32), "affine": space.affine}
    return {"vertices": space.vertices.astype(np.int32), "is_right": space.is_right.astype(np.uint8)}


def _space_size(space: Space) -> Json:
    if isinstance(space, VoxelSpace):
        return {"shape": list(space.shape)}
    return {"n_vertices": list(space.n_vertices)}


def _assemble_space(tensors: dict[str, Any], card: Json) -> Space:
    membership, roi_names = tensors["membership"].astype(bool), tuple(card["roi_names"])
    if "vertices" not in tensors:
        x, y, z = (int(size) for size in card["shape"])
        ijk = tensors["ijk"].astype(np.int64)
        return VoxelSpace(ijk, tensors["affine"], (x, y, z), roi_names, membership, card["space"])
    left, right = (int(size) for size in card["n_vertices"])
    return SurfaceSpace(
        vertices=tensors["vertices"].astype(np.int64),
        is_right=tensors["is_right"].astype(bool),
        n_vertices=(left, right),
        roi_names=roi_names,
        membership=membership,
        space=card["space"],
    )
