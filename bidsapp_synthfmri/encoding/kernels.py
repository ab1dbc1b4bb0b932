"""Linear kernels between images, accumulated over blocks of features, and their eigendecomposition."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InputMalformedError
from ..structures import FloatArray, IntArray

_UNITS_A_BLOCK = 8192


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
    for start in range(0, features.shape[1], _UNITS_A_BLOCK):
        block = torch.from_numpy(features[images, start : start + _UNITS_A_BLOCK]).to(device)
        block -= block.mean(dim=0)  # (n_images, units)
        kernel += (block @ block.T).double()
    return kernel


@dataclass(frozen=True)
class Decomposition:
    """Eigendecomposition of a centred, scaled kernel on the space orthogonal to the constant.

    Attributes
    ----------
    eigenvalues : (n - 1,) of ``kernel / scale``, ascending, >= 0
    vectors : (n, n - 1), orthonormal, each orthogonal to the constant
    scale : trace / n of the centred kernel, so that one grid of alphas serves every layer
    """

    eigenvalues: Tensor
    vectors: Tensor
    scale: float


def decompose(kernel: Tensor, stimulus_index: IntArray) -> Decomposition:
    """Eigendecomposition for rows that are trials of the kernel's images.

    Parameters
    ----------
    kernel : (n_images, n_images) float64
    stimulus_index : (n_trials,) image of each row

    Returns
    -------
    Decomposition over n_trials rows; METHODS, "Ridge", with the unpenalised intercept

    Raises
    ------
    InputMalformedError : the images do not differ in this layer

    Notes
    -----
    Adding a multiple of the constant's projector moves its eigenvalue, otherwise a zero among
    other zeros, above all others, where it can be told apart and dropped.
    """
    rows = torch.from_numpy(stimulus_index).to(kernel.device)
    full = kernel[rows][:, rows]  # (n, n)
    full = full - full.mean(dim=0, keepdim=True)
    full = full - full.mean(dim=1, keepdim=True)
    scale = float(full.diagonal().mean())
    if not scale > 0:
        raise InputMalformedError(
            "A layer's activations are the same for every training image",
            "Choose other --layers, or check the weights file and the pictures",
        )
    shifted = full / scale + 2.0  # 2 n times the projector 11'/n; no eigenvalue of the kernel exceeds n
    eigenvalues, vectors = torch.linalg.eigh((shifted + shifted.T) / 2)
    return Decomposition(eigenvalues[:-1].clamp(min=0), vectors[:, :-1].contiguous(), scale)
