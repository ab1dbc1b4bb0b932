"""Linear kernels between images, accumulated over blocks of features, and what ridge needs of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

import numpy as np
import torch
from scipy.linalg import blas
from torch import Tensor

from ..errors import InputMalformedError
from ..features.entries import release_pages
from ..structures import FloatArray, IntArray
from .resolvents import FEW_ALPHAS, Decomposition, by_band, by_kernel

_UNITS_A_BLOCK = 3072
# Blocks whose products are summed in float32 before they are added in float64.
_BLOCKS_A_SUM = 3
_ROWS_A_STEP = 256


def linear_kernel(features: FloatArray, images: IntArray, device: torch.device) -> Tensor:
    """Inner products of images after their mean is removed.

    Parameters
    ----------
    features : (n_rows, n_units) float32, possibly memory-mapped; read in blocks of units
    images : (n_images,) the rows to use
    device : where to compute

    Returns
    -------
    (n_images, n_images) float64: blocks multiplied and a few of them summed in float32, all summed in
    float64
    """
    kernel = torch.zeros((len(images), len(images)), dtype=torch.float64, device=device)
    blocks = _centred_blocks(features, images, device)
    while some := tuple(islice(blocks, 1)):
        _add_lower(kernel, _symmetric_product(chain(some, islice(blocks, _BLOCKS_A_SUM - 1))))
    for start in range(0, len(kernel), _ROWS_A_STEP):
        rows = slice(start, start + _ROWS_A_STEP)
        kernel[:start, rows] = kernel[rows, :start].T
        square = kernel[rows, rows].tril()
        kernel[rows, rows] = square + square.tril(-1).T
    return kernel


def cross_kernel(features: FloatArray, others: IntArray, images: IntArray, device: torch.device) -> Tensor:
    """Inner products of other images with those of ``linear_kernel``, about the mean of the latter.

    Parameters
    ----------
    features : (n_rows, n_units) float32, possibly memory-mapped; read in blocks of units
    others, images : (n_others,) and (n_images,) rows to use
    device : where to compute

    Returns
    -------
    (n_others, n_images) float64: blocks multiplied in float32 and summed in float64
    """
    kernel = torch.zeros((len(others), len(images)), dtype=torch.float64, device=device)
    for start in range(0, features.shape[1], _UNITS_A_BLOCK):
        units = slice(start, start + _UNITS_A_BLOCK)
        known, new = (np.ascontiguousarray(features[rows, units]) for rows in (images, others))
        release_pages(features)
        mean = known.mean(axis=0)
        known -= mean
        new -= mean
        kernel += torch.from_numpy(new).to(device) @ torch.from_numpy(known).to(device).T
    return kernel


def _centred_blocks(features: FloatArray, images: IntArray, device: torch.device) -> Iterator[Tensor]:
    """(n_images, some units) float32, block by block of units, each unit about its mean; in one place.

    BLAS' threads still wait for work when a product is done, and torch's would wait for them: NumPy does the
    rest with one.
    """
    n_units = features.shape[1]
    room = np.empty(len(images) * min(n_units, _UNITS_A_BLOCK), dtype=np.float32)
    for start in range(0, n_units, _UNITS_A_BLOCK):
        units = slice(start, min(start + _UNITS_A_BLOCK, n_units))
        block = room[: len(images) * (units.stop - start)].reshape(len(images), -1)
        for first in range(0, len(images), _ROWS_A_STEP):
            some = slice(first, first + _ROWS_A_STEP)
            block[some] = features[images[some], units]
            # The system maps some pages around each one that is read: of all rows they would be many.
            release_pages(features)
        block -= block.mean(axis=0)
        yield torch.from_numpy(block).to(device)


def _symmetric_product(blocks: Iterable[Tensor]) -> Tensor:
    """Sum of block block', of which the lower triangle counts; on a CPU by BLAS, half the work."""
    total: Any = None
    for block in blocks:
        if block.device.type != "cpu":
            total = block @ block.T if total is None else total.addmm_(block, block.T)
        elif total is None:
            total = blas.ssyrk(1.0, block.numpy().T, trans=1)
        else:
            total = blas.ssyrk(1.0, block.numpy().T, beta=1.0, c=total, trans=1, overwrite_c=1)
    # Fortran order sees the transpose, and its upper triangle is the lower one here.
    return total if isinstance(total, Tensor) else torch.from_numpy(total.T)


def _add_lower(kernel: Tensor, product: Tensor) -> None:
    """Add the lower triangle of a product."""
    if kernel.device.type != "cpu":
        kernel += product
        return
    for start in range(0, len(kernel), _ROWS_A_STEP):
        stop = min(start + _ROWS_A_STEP, len(kernel))
        kernel.numpy()[start:stop, :stop] += product.numpy()[start:stop, :stop]


def decompose(
    kernel: Tensor,
    stimulus_index: IntArray,
    dtype: torch.dtype = torch.float32,
    n_alphas: int | None = None,
) -> Decomposition:
    """A kernel made ready for ridge over rows that are trials of its images.

    Parameters
    ----------
    kernel : (n_images, n_images) float64
    stimulus_index : (n_trials,) image of each row
    dtype : float32 or float64, to solve in; the decomposition itself is in float64
    n_alphas : how many penalties it is for, where that is known: for a few, nothing is decomposed

    Returns
    -------
    Decomposition over n_trials rows; METHODS, "Ridge", with the unpenalised intercept

    Raises
    ------
    InputMalformedError : the images do not differ in this layer
    """
    rows = torch.from_numpy(stimulus_index).to(kernel.device)
    counts = torch.bincount(rows, minlength=len(kernel)).double()
    scale = float(counts @ kernel.diagonal() / len(rows) - counts @ kernel @ counts / len(rows) ** 2)
    if not scale > 0:
        raise InputMalformedError(
            "A layer's activations are the same for every training image",
            "Choose other --layers, or check the weights file and the pictures",
        )
    few = n_alphas is not None and n_alphas <= FEW_ALPHAS
    return by_kernel(kernel, rows, scale, dtype) if few else by_band(kernel, rows, scale, dtype)
