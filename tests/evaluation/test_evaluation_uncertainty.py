"""Variances of single responses and coverage of intervals, against simulated truth."""

import numpy as np
import pytest

from bidsapp_synthfmri.errors import InputMalformedError
from bidsapp_synthfmri.evaluation.comparison import Comparison
from bidsapp_synthfmri.evaluation.reliability import Reliability
from bidsapp_synthfmri.evaluation.uncertainty import NOMINAL, uncertainty_scores
from bidsapp_synthfmri.structures import RoiSet

N_STIMULI, N_VOXELS = 400, 60
MISSED, NOISE, SIGNAL = 0.3, 1.5, 0.8


@pytest.fixture(scope="module")
def truth():
    """A prediction that misses a known variance, unequal repeats, and noise of a known size."""
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 5, N_STIMULI)
    index = rng.permutation(np.repeat(np.arange(N_STIMULI), counts))
    prediction = rng.normal(0, np.sqrt(SIGNAL - MISSED), (N_STIMULI, N_VOXELS)).astype(np.float32)
    signal = prediction + rng.normal(0, np.sqrt(MISSED), prediction.shape)
    real = signal[index] + rng.normal(0, np.sqrt(NOISE), (len(index), N_VOXELS))
    constant = np.ones(N_VOXELS, dtype=np.float32)
    known = Reliability(
        ncsnr=constant,
        r=constant,
        signal_sd=np.sqrt(SIGNAL) * constant,
        noise_sd=np.sqrt(NOISE) * constant,
        noise_ceiling=constant,
        n_stimuli=N_STIMULI,
        n_repeated=int((counts > 1).sum()),
        n_trials=len(index),
    )
    comparison = Comparison(real.astype(np.float32), index, prediction, None, known.r)
    halves = np.arange(N_VOXELS) < N_VOXELS // 2
    return comparison, known, (RoiSet("A", halves), RoiSet("all", np.ones(N_VOXELS, dtype=bool)))


def values(table, metric, roi="all"):
    chosen = table[(table["metric"] == metric) & (table["roi"] == roi)]
    return list(chosen["value"])


def test_what_the_encoder_misses_is_told_from_noise(truth):
    table = uncertainty_scores(*truth)
    for roi, size in (("A", N_VOXELS // 2), ("all", N_VOXELS)):
        # The variance of the mean of N independent squares of a normal of variance v is 2 v^2 / N.
        error = np.sqrt(2 / (N_STIMULI * size)) * (MISSED + NOISE)
        assert values(table, "missed_variance", roi) == pytest.approx([MISSED], abs=4 * error)
        assert values(table, "noise_variance", roi) == pytest.approx([NOISE])
        assert values(table, "signal_variance", roi) == pytest.approx([SIGNAL])
    assert set(table["n_stimuli"]) == {N_STIMULI}
    assert "coverage" not in set(table["metric"])


@pytest.mark.parametrize("factor", [0.25, 1.0, 4.0])
def test_coverage_is_nominal_for_the_true_variance_alone(truth, factor):
    comparison, known, rois = truth
    posterior = np.full(comparison.prediction.shape, factor * MISSED, dtype=np.float32)
    table = uncertainty_scores(comparison, known, rois, posterior)
    assert values(table, "posterior_variance") == pytest.approx([factor * MISSED])
    coverage = np.array(values(table, "coverage"))
    wrong = coverage - np.array(NOMINAL)
    # A share of n draws has standard error sqrt(p (1 - p) / n).
    error = np.sqrt(0.25 / comparison.prediction.size)
    if factor == 1:
        assert np.abs(wrong).max() < 4 * error
    else:
        assert (np.sign(wrong) == np.sign(factor - 1)).all()
        assert np.abs(wrong).max() > 4 * error


def test_stimuli_without_a_trial_do_not_count(truth):
    comparison, known, rois = truth
    kept = comparison.stimulus_index >= 10
    fewer = Comparison(
        comparison.real[kept], comparison.stimulus_index[kept], comparison.prediction, None, known.r
    )
    shifted = Comparison(fewer.real, fewer.stimulus_index - 10, comparison.prediction[10:], None, known.r)
    posterior = np.random.default_rng(1).gamma(1, MISSED, comparison.prediction.shape).astype(np.float32)
    one = uncertainty_scores(fewer, known, rois, posterior)
    assert one.equals(uncertainty_scores(shifted, known, rois, posterior[10:]))


def test_arrays_that_do_not_fit_are_refused(truth):
    comparison, known, rois = truth
    with pytest.raises(InputMalformedError, match="do not fit"):
        uncertainty_scores(comparison, known, rois, np.ones((3, N_VOXELS), dtype=np.float32))
