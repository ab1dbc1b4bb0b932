"""Every row's correlation over stimuli in every voxel, under every bootstrap draw."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..structures import FloatArray
from .comparison import Comparison, Design
from .moments import Side
from .presentations import Float64Array

LEAST_STIMULI = 3


def voxel_rows(comparison: Comparison, design: Design, voxels: slice) -> Iterator[tuple[str, Float64Array]]:
    """Rows of a block of voxels.

    Parameters
    ----------
    comparison, design : from ``arrange``
    voxels : the block

    Yields
    ------
    row, (1 + n_draws, n_block) correlations, the sample's own first; rows that cannot be computed,
    for want of stimuli or of a reliability, do not come
    """
    counts = design.presentations.counts[:, None]
    totals, squares = trial_sums(comparison, design, voxels)
    single = Side(totals / counts, squares / counts)
    predicted = prediction_side(comparison.prediction[:, voxels])
    if len(counts) >= LEAST_STIMULI:
        weights = design.everything
        one = weights.weigh(single)
        synthetic = weights.correlation(weights.weigh(predicted), one, predicted.mean * single.mean)
        yield "synthetic_real", synthetic
        if comparison.samples is not None:
            sampled = _sample_side(comparison.samples[:, :, voxels])
            product = sampled.mean * single.mean
            yield "noise_matched_real", weights.correlation(weights.weigh(sampled), one, product)
    if design.n_repeated >= LEAST_STIMULI:
        repeats, weights = slice(design.n_repeated), design.repeated
        single, predicted = single.take(repeats), predicted.take(repeats)
        m, total, square = counts[repeats], totals[repeats], squares[repeats]
        one = weights.weigh(single)
        product = (total**2 - square) / (m * (m - 1))
        real_real = weights.correlation(one, one, product)
        yield "real_real", real_real
        others = Side(single.mean, ((m - 2) * total**2 + square) / (m * (m - 1) ** 2))
        yield "mean_real_real", weights.correlation(one, weights.weigh(others), product)
        if design.n_repeated < len(counts):
            synthetic = weights.correlation(weights.weigh(predicted), one, predicted.mean * single.mean)
        yield "synthetic_minus_real", synthetic - real_real
    if comparison.r is not None:
        yield "ceiling", _ceiling(comparison.r[voxels], design, squares - totals**2 / counts)


def trial_sums(comparison: Comparison, design: Design, voxels: slice) -> tuple[Float64Array, Float64Array]:
    """(n_stimuli, n_block) sums over presentations of responses, about the mean, and of their squares."""
    real = comparison.real[:, voxels].astype(np.float64)
    real -= real.mean(axis=0)
    return design.presentations.sums(real), design.presentations.sums(real**2)


def prediction_side(prediction: FloatArray) -> Side:
    """The noiseless predictions of a block, about their mean."""
    centred = prediction - prediction.mean(axis=0, dtype=np.float64)
    centred[:, np.ptp(prediction, axis=0) == 0] = 0.0
    return Side(centred, centred**2)


def _sample_side(samples: FloatArray) -> Side:
    centred = samples - samples.mean(axis=(0, 1), dtype=np.float64)
    return Side(centred.mean(axis=0), (centred**2).mean(axis=0))


def _ceiling(r: FloatArray, design: Design, within: Float64Array) -> Float64Array:
    """(n_draws, n_block) ceiling; draws vary the noise variance, the total variance is held.

    The total variance rests on all trials and is known far better than the noise variance, which
    rests on the repeated stimuli. NaN draws where fewer than three of the test stimuli repeat.
    """
    draws = np.full((len(design.repeated.counts), len(r)), np.nan)
    draws[0] = r
    if design.n_repeated >= LEAST_STIMULI:
        weights = design.repeated.counts
        degrees = weights @ (design.presentations.counts[: design.n_repeated] - 1)
        noise = weights @ within[: design.n_repeated] / degrees[:, None]
        relative = np.divide(noise, noise[0], out=np.ones_like(noise), where=noise[0] > 0)
        draws[1:] = (1 - (1 - r) * relative)[1:]
    ceiling: Float64Array = np.sqrt(np.maximum(draws, 0.0))
    return ceiling
