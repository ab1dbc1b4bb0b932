"""Kernels accumulated from blocks of features, and the reduction to a band that ridge solves with."""

import numpy as np
import pytest
import torch

from bidsapp_synthfmri.encoding import band, kernels
from bidsapp_synthfmri.encoding.band import factorise, fill_transposed_basis, reduce_to_band
from bidsapp_synthfmri.encoding.kernels import decompose, linear_kernel
from bidsapp_synthfmri.errors import InputMalformedError

CPU = torch.device("cpu")


@pytest.mark.parametrize("n_units", [3, 8_192, 20_000])
def test_a_kernel_is_the_centred_product_whatever_the_blocks(n_units):
    X = np.random.default_rng(1).standard_normal((12, n_units)).astype(np.float32) + 2
    centred = X.astype(np.float64) - X.mean(axis=0, dtype=np.float64)
    # Products in float32: an error of 1e-7 of the diagonal, which is the number of units.
    np.testing.assert_allclose(linear_kernel(X, np.arange(12), CPU), centred @ centred.T, atol=1e-6 * n_units)


def test_a_kernel_of_some_rows_in_some_order():
    X = np.random.default_rng(2).standard_normal((300, 40)).astype(np.float32)
    rows = np.random.default_rng(3).permutation(300)[:290]
    centred = X[rows] - X[rows].mean(axis=0)
    kernel = linear_kernel(X, rows, CPU).numpy()
    np.testing.assert_allclose(kernel, centred @ centred.T, atol=1e-4)
    np.testing.assert_array_equal(kernel, kernel.T)


def test_a_kernel_is_summed_in_float64(monkeypatch):
    """Sums of thousands of blocks in float32 would drift."""
    monkeypatch.setattr(kernels, "_UNITS_A_BLOCK", 1)
    X = np.random.default_rng(4).standard_normal((6, 4000)).astype(np.float32)
    centred = X.astype(np.float64) - X.mean(axis=0, dtype=np.float64)
    found = linear_kernel(X, np.arange(6), CPU).numpy()
    error = np.abs(found - centred @ centred.T).max() / np.abs(found).max()
    summed = np.zeros((6, 6), dtype=np.float32)
    for column in (centred.astype(np.float32)).T:
        summed += np.outer(column, column)
    assert error < 1e-7 < np.abs(summed - centred @ centred.T).max() / np.abs(found).max()


@pytest.mark.parametrize("memory_mapped", [False, True])
def test_features_are_left_as_they_are(tmp_path, memory_mapped):
    X = np.random.default_rng(5).standard_normal((7, 9)).astype(np.float32)
    before = X.copy()
    if memory_mapped:
        np.save(tmp_path / "X.npy", X)
        X = np.load(tmp_path / "X.npy", mmap_mode="r")
    linear_kernel(X, np.arange(7), CPU)
    np.testing.assert_array_equal(X, before)


def test_a_layer_that_does_not_vary_is_refused():
    with pytest.raises(InputMalformedError, match="same for every training image"):
        decompose(linear_kernel(np.ones((6, 4), dtype=np.float32), np.arange(6), CPU), np.arange(6))


def dense(blocks: band.Band) -> torch.Tensor:
    n_blocks, b, _ = blocks.diagonal.shape
    full = torch.zeros((n_blocks * b, n_blocks * b), dtype=torch.float64)
    for number in range(n_blocks):
        here = slice(number * b, (number + 1) * b)
        full[here, here] = blocks.diagonal[number]
        if number:
            above = slice((number - 1) * b, number * b)
            full[here, above], full[above, here] = blocks.below[number - 1], blocks.below[number - 1].T
    return full


@pytest.mark.parametrize("rank", [1, 5, 1000])
@pytest.mark.parametrize(("n", "block"), [(1, 4), (3, 4), (4, 4), (17, 4), (40, 8), (150, 8), (151, 16)])
def test_a_matrix_is_its_band_between_its_basis(monkeypatch, n, block, rank):
    monkeypatch.setattr(band, "_PANEL", 48)
    X = torch.randn((n, rank), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    matrix = X @ X.T / rank
    matrix[:, n // 2 :] *= matrix[:, n // 2 :].abs() > 1e-3
    matrix = (matrix + matrix.T) / 2
    blocks, reflections = reduce_to_band(matrix.clone(), block)
    basis = torch.zeros((n, n), dtype=torch.float64)
    fill_transposed_basis(basis, reflections)
    np.testing.assert_allclose(basis @ basis.T, np.eye(n), atol=1e-13)
    np.testing.assert_allclose(basis.T @ dense(blocks)[:n, :n] @ basis, matrix, atol=1e-12)
    assert not dense(blocks)[n:].any()


def test_a_bands_factor_solves_and_has_the_inverses_trace():
    X = torch.randn((90, 200), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    blocks, _ = reduce_to_band(X @ X.T / 200, 16)
    full = dense(blocks)
    right = torch.randn((len(full), 3), dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    for alpha, factor in zip(
        (1e-3, 0.1, 50.0), factorise(blocks, (1e-3, 0.1, 50.0), torch.float64), strict=True
    ):
        inverse = torch.linalg.inv(full + alpha * torch.eye(len(full), dtype=torch.float64))
        np.testing.assert_allclose(factor.solve(right), inverse @ right, atol=1e-9 / alpha)
        half = factor.forward(right)
        np.testing.assert_allclose(half.T @ half, right.T @ inverse @ right, atol=1e-9 / alpha)
        assert factor.trace() == pytest.approx(float(inverse.trace()), rel=1e-10)
