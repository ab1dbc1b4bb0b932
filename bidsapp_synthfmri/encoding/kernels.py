"""Linear kernels between images, accumulated over blocks of features, and what ridge needs of them."""

from __future__ import annotations

import numpy as np
import torch
from scipy.linalg import blas
from torch import Tensor

from ..errors import InputMalformedError
from ..features.entries import release_pages
from ..structures import FloatArray, IntArray
from .resolvents import FEW_ALPHAS, Decomposition, by_band, by_kernel

# Units multiplied in float32 before they are added in float64.
_UNITS_A_BLOCK = 4096
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
    (n_images, n_images) float64: blocks multiplied in float32, summed in float64
    """
    kernel = torch.zeros((len(images), len(images)), dtype=torch.float64, device=device)
    every = len(images) == len(features) and bool((np.diff(images) == 1).all())
    for start in range(0, features.shape[1], _UNITS_A_BLOCK):
        units = slice(start, start + _UNITS_A_BLOCK)
        copied = np.array(features[:, units]) if every else features[images, units]  # (n_images, units)
        release_pages(features)
        block = torch.from_numpy(copied).to(device)
        block -= block.mean(dim=0)
        _add_symmetric_product(kernel, block)
    for start in range(0, len(kernel), _ROWS_A_STEP):
        rows = slice(start, start + _ROWS_A_STEP)
        kernel[:start, rows] = kernel[rows, :start].T
        square = kernel[rows, rows].tril()
        kernel[rows, rows] = square + square.tril(-1).T
    return kernel


def _add_symmetric_product(kernel: Tensor, block: Tensor) -> None:
    """Add block block' to the kernel's lower triangle; on a CPU by BLAS' symmetric product, half the work."""
    if block.device.type != "cpu":
        kernel += block @ block.T
        return
    # Fortran order sees the transpose, and its upper triangle is the lower one here. BLAS' threads still
    # wait for work when it returns, and torch's would wait for them: NumPy adds with one.
    lower, total = blas.ssyrk(1.0, block.numpy().T, trans=1).T, kernel.numpy()
    for start in range(0, len(kernel), _ROWS_A_STEP):
        stop = min(start + _ROWS_A_STEP, len(kernel))
        total[start:stop, :stop] += lower[start:stop, :stop]


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
