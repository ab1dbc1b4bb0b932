"""The encoder's file: safetensors for arrays, JSON beside it for the model card; nothing is pickled."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from ..errors import InputMalformedError, InputMissingError, UsageError
from ..structures import Json, Space, SurfaceSpace, VoxelSpace
from .encoder import Encoder, LayerWeights

FORMAT_VERSION = 1


def encoder_bytes(encoder: Encoder) -> bytes:
    """The encoder's arrays as one safetensors file; the same encoder gives the same bytes."""
    tensors: dict[str, Any] = {
        "intercept": encoder.intercept,
        **_space_tensors(encoder.voxels),
        "membership": encoder.voxels.membership.astype(np.uint8),
    }
    for number, layer in enumerate(encoder.weights):
        tensors[f"layer{number}.values"] = np.ascontiguousarray(layer.values)
        tensors[f"layer{number}.scale"] = layer.scale
        tensors[f"layer{number}.voxels"] = layer.voxels.astype(np.int32)
    return save_tensors(tensors)


def complete_card(encoder: Encoder, data: bytes) -> Json:
    """The model card with what the file itself adds: version, hash, layers in use, voxel space."""
    return {
        **encoder.card,
        "format_version": FORMAT_VERSION,
        "sha256": hashlib.sha256(data).hexdigest(),
        "layers_in_use": [layer.name for layer in encoder.weights],
        "n_voxels": len(encoder.voxels),
        **_space_size(encoder.voxels),
        "space": encoder.voxels.space,
        "roi_names": list(encoder.voxels.roi_names),
    }


def read_encoder(path: Path) -> Encoder:
    """Read arrays and card, checking version and hash; the network is not loaded.

    Raises
    ------
    InputMissingError : the file or its card is not there
    InputMalformedError : not an encoder, another format version, or a hash that differs from the card's
    """
    card = _read_card(path)
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != card["sha256"]:
        raise InputMalformedError(
            f"{path} does not match the hash in its model card: it is damaged or from another fit",
            "Copy both files again from where they were made, or fit the encoder again",
        )
    try:
        return _assemble(load_tensors(data), card)
    except (SafetensorError, KeyError) as error:
        raise InputMalformedError(f"{path} is not an encoder ({error})", "Fit the encoder again") from error


def _read_card(path: Path) -> Json:
    if path.suffix != ".safetensors":
        raise UsageError(
            f"{path} is no .safetensors file", "Give the encoder's .safetensors file, not its card"
        )
    beside = path.with_suffix(".json")
    for needed in (path, beside):
        if not needed.is_file():
            raise InputMissingError(
                f"{needed} is not there", "An encoder is a .safetensors file with its .json beside it"
            )
    try:
        card: Json = json.loads(beside.read_text(encoding="utf-8"))
        version = card["format_version"]
        card["sha256"], card["backbone"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputMalformedError(
            f"{beside} is not an encoder's model card ({error})", "Fit the encoder again"
        ) from error
    if version != FORMAT_VERSION:
        raise InputMalformedError(
            f"{path} has encoder format {version}; this version reads {FORMAT_VERSION}",
            "Fit the encoder again, or use the version of synthfmri named in its card",
        )
    return card


def _assemble(tensors: dict[str, Any], card: Json) -> Encoder:
    layers = tuple(
        LayerWeights(
            name=name,
            voxels=tensors[f"layer{number}.voxels"].astype(np.int64),
            values=tensors[f"layer{number}.values"],
            scale=tensors[f"layer{number}.scale"],
        )
        for number, name in enumerate(card["layers_in_use"])
    )
    return Encoder(layers, tensors["intercept"], _assemble_space(tensors, card), card)


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
