"""Whether what an encoder's file holds fits together: sizes, indices, numbers, before anything uses them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..structures import Space, VoxelSpace
from .encoder import Encoder, VoxelChoices
from .posterior import Posterior
from .weights import LayerWeights, ScaledMatrix

_PLACED_BY_ITSELF = frozenset({"hrf_parameters"})


def require_consistent(encoder: Encoder) -> None:
    """Refuse arrays that contradict one another.

    Raises
    ------
    ValueError : naming the first that does
    """
    for problem in _problems(encoder):
        raise ValueError(problem)


def _problems(encoder: Encoder) -> Iterator[str]:
    n_voxels = len(encoder.intercept)
    yield from _of_space(encoder.voxels, n_voxels)
    if encoder.intercept.ndim != 1 or not _are_finite(encoder.intercept):
        yield "the intercept is not one number a voxel"
    for layer in encoder.weights:
        yield from _of_layer(layer, n_voxels)
    if encoder.choices is not None:
        yield from _of_choices(encoder.choices, n_voxels)
    for name in ("noise", "series"):
        yield from _of_part(getattr(encoder, name), name, n_voxels)
    if encoder.posterior is not None:
        yield from _of_posterior(encoder.posterior, n_voxels)


def _of_space(space: Space, n_voxels: int) -> Iterator[str]:
    if space.membership.shape != (len(space.roi_names), n_voxels):
        yield f"its ROIs' membership has the shape {space.membership.shape}"
    if isinstance(space, VoxelSpace):
        if space.affine.shape != (4, 4) or not _are_finite(space.affine):
            yield "its affine is none"
        if space.ijk.shape != (n_voxels, 3) or not _lie_in(space.ijk, np.array(space.shape)):
            yield f"its voxels do not lie in a volume of {space.shape}"
        return
    if space.vertices.shape != (n_voxels,) or space.is_right.shape != (n_voxels,):
        yield "its vertices are not one a column"
    elif not _lie_in(space.vertices, np.array(space.n_vertices)[space.is_right.astype(np.int64)]):
        yield f"its vertices do not lie on surfaces of {space.n_vertices}"


def _of_layer(layer: LayerWeights, n_voxels: int) -> Iterator[str]:
    if layer.voxels.ndim != 1 or not _lie_in(layer.voxels, np.array(n_voxels)):
        yield f"layer {layer.name} has weights of voxels that are not there"
    n_used = layer.voxels.size
    whole = layer.mixing is None
    if not _is_matrix(layer.readout, (None, n_used if whole else None)):
        yield f"layer {layer.name} has a readout of the shape {layer.readout.values.shape}"
    elif layer.mixing is not None and not _is_matrix(layer.mixing, (layer.readout.values.shape[1], n_used)):
        yield f"layer {layer.name} has a mixing of the shape {layer.mixing.values.shape}"


def _of_choices(choices: VoxelChoices, n_voxels: int) -> Iterator[str]:
    for name in ("layer", "alpha", "cv_r", "cv_r2"):
        if getattr(choices, name).shape[-1:] != (n_voxels,):
            yield f"{name} is not one number a voxel"


def _of_part(part: Any, name: str, n_voxels: int) -> Iterator[str]:
    """Of what a part holds, everything but numbers and what says otherwise ends in an axis of voxels."""
    if part is None:
        return
    for field in fields(part):
        values = getattr(part, field.name)
        if values is None or field.name in _PLACED_BY_ITSELF:
            continue
        if field.type in ("float", "int"):
            sound = isinstance(values, int | float)
        else:
            sound = isinstance(values, np.ndarray) and values.shape[-1:] == (n_voxels,)
        if not sound:
            yield f"{name}/{field.name} is not what it should be"
    if name == "series" and not _lie_in(part.hrf_index, np.array(len(part.hrf_parameters))):
        yield "series/hrf_index names responses that are not there"


def _of_posterior(posterior: Posterior, n_voxels: int) -> Iterator[str]:
    for layer in posterior.layers:
        n_used = layer.voxels.size
        sizes = {values.shape for values in (layer.penalty, layer.prior, layer.typical)}
        if layer.voxels.ndim != 1 or not _lie_in(layer.voxels, np.array(n_voxels)) or sizes != {(n_used,)}:
            yield f"the posterior of layer {layer.name} has voxels that are not there"
        if not _is_matrix(layer.basis, (len(layer.mean), len(layer.eigenvalues))):
            yield f"the posterior of layer {layer.name} has a basis of the shape {layer.basis.values.shape}"


def _is_matrix(matrix: ScaledMatrix, shape: tuple[int | None, int | None]) -> bool:
    """Whether a matrix of finite numbers has a shape, None for any size, and a scale a column."""
    values, scale = matrix.values, matrix.scale
    fits = values.ndim == 2 and all(
        wanted in (None, there) for wanted, there in zip(shape, values.shape, strict=True)
    )
    return fits and scale.shape == values.shape[1:] and _are_finite(values) and _are_finite(scale)


def _lie_in(indices: NDArray[Any], sizes: NDArray[Any]) -> bool:
    return bool(indices.dtype.kind in "iu" and ((indices >= 0) & (indices < sizes)).all())


def _are_finite(values: NDArray[Any]) -> bool:
    return values.dtype.kind in "iuf" and bool(np.isfinite(values).all())
