"""From features and trials to synthetic trials, all fitted: METHODS' identities against simulated truth."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from bidsapp_synthfmri.encoding import Encoder, Folds, fit_encoder
from bidsapp_synthfmri.evaluation.reliability import reliability
from bidsapp_synthfmri.structures import Features, LayerFeatures, VoxelSpace
from bidsapp_synthfmri.synthesis.noise_fit import Spread, fit_noise_model
from bidsapp_synthfmri.synthesis.trials import image_generators, sample_trials

N_TRAINING, N_REPEATED, N_NEW, N_VOXELS = 900, 300, 3000, 150
ROI = np.arange(N_VOXELS) % 3
R = np.array([0.1, 0.3, 0.6])[ROI]
# What of the signal a linear reading of the layer can explain.
LINEAR = np.array([0.9, 0.6, 0.3])[ROI]


def columnwise_r(left, right):
    left, right = left - left.mean(axis=0), right - right.mean(axis=0)
    return (left * right).sum(axis=0) / np.sqrt((left**2).sum(axis=0) * (right**2).sum(axis=0))


@dataclass(frozen=True)
class Participant:
    """Of new images: prediction, true signal and a real trial; and samples of them by each kind of noise."""

    prediction: np.ndarray
    signal: np.ndarray
    real: np.ndarray
    samples: dict[str, np.ndarray]


@pytest.fixture(scope="module")
def participant():
    """Training images shown once and repeated ones shown four times, which the encoder does not see."""
    rng = np.random.default_rng(0)
    n = N_TRAINING + N_REPEATED + N_NEW
    shared = rng.standard_normal((2, n, 60)) / np.arange(1, 61) ** 0.5
    units = np.maximum(shared @ rng.standard_normal((2, 60, 300)) + rng.standard_normal((2, n, 300)), 0)
    layers = tuple(LayerFeatures(f"layer{i}", own.astype(np.float32)) for i, own in enumerate(units))
    features = Features(tuple(map(str, range(n))), layers)
    read = units[np.arange(N_VOXELS) % 2].transpose(1, 0, 2) - units.mean(axis=1)[np.arange(N_VOXELS) % 2]
    linear = np.einsum("nvu,vu->nv", read, rng.standard_normal((N_VOXELS, 300)))
    signal = np.sqrt(LINEAR) * linear / linear.std(axis=0)
    signal += np.sqrt(1 - LINEAR) * rng.standard_normal(signal.shape)
    common = 0.3 * rng.standard_normal(N_VOXELS)

    def presented(images):
        """A trial of each image, its noise shared by voxels in part."""
        noise = rng.standard_normal((len(images), 1)) * common + rng.standard_normal((len(images), N_VOXELS))
        return signal[images] + noise * np.sqrt((1 - R) / R / (1 + common**2))

    repeated = np.arange(N_TRAINING, N_TRAINING + N_REPEATED)
    index = np.concatenate([np.arange(N_TRAINING), np.repeat(repeated, 4)])
    values = presented(index).astype(np.float32)
    fit = fit_encoder(
        features,
        values[:N_TRAINING],
        np.arange(N_TRAINING),
        Folds(np.arange(N_TRAINING) % 5, "5 folds"),
        torch.device("cpu"),
        uncertainty=True,
    )
    known = reliability(values, index)
    spread = Spread(fit.out_of_fold.mean(axis=0), fit.unseen_sd, fit.posterior.typical_variance)
    model = fit_noise_model(values, index, known.signal_sd, known.noise_sd, spread)
    new = np.arange(N_TRAINING + N_REPEATED, n)
    ijk = np.array([[i, 0, 0] for i in range(N_VOXELS)])
    voxels = VoxelSpace(ijk, np.eye(4), (N_VOXELS, 1, 1), (), np.zeros((0, N_VOXELS), bool), "T1w")
    encoder = Encoder.of_fit(fit, voxels, {})
    prediction = encoder.predict_features(features.take(new))
    variance = encoder.variance_of_features(features.take(new))
    samples = {
        kind: sample_trials(prediction, model, 2, image_generators(0, range(N_NEW)), kind=kind)
        for kind in ("independent", "calibrated")
    }
    rngs = image_generators(0, range(N_NEW))
    samples["uncertain"] = sample_trials(prediction, model, 2, rngs, variance=variance)
    return Participant(prediction, signal[new], presented(new), samples)


@pytest.mark.parametrize("kind", ["independent", "calibrated"])
def test_the_identities_hold_by_roi(participant, kind):
    first, second = participant.samples[kind]
    rho = columnwise_r(participant.prediction, participant.signal)
    rows = {
        "real - real": (columnwise_r(first, second), R),
        "noise-matched synthetic - real": (columnwise_r(first, participant.real), rho * R),
        "synthetic - real": (columnwise_r(participant.prediction, participant.real), rho * np.sqrt(R)),
    }
    for name, (found, expected) in rows.items():
        for roi in range(3):
            voxels = roi == ROI
            assert found[voxels].mean() == pytest.approx(expected[voxels].mean(), abs=0.02), (name, roi)


def test_trials_of_an_uncertain_encoder_are_as_reliable_and_less_right(participant):
    first, second = participant.samples["uncertain"]
    certain, _ = participant.samples["calibrated"]
    repeats, with_real = columnwise_r(first, second), columnwise_r(first, participant.real)
    for roi in range(3):
        voxels = roi == ROI
        assert repeats[voxels].mean() == pytest.approx(R[voxels].mean(), abs=0.02)
        assert with_real[voxels].mean() < columnwise_r(certain, participant.real)[voxels].mean() - 0.01
        assert with_real[voxels].mean() > 0.02


def test_patterns_of_noise_resemble_each_other_as_real_ones_do(participant):
    """Between voxels: calibrated noise correlates as real noise, independent noise does not."""

    def correlations(trials):
        noise = trials - participant.signal
        return np.corrcoef(noise.T)[np.triu_indices(N_VOXELS, 1)]

    def drawn(kind):
        first, second = participant.samples[kind]
        return np.corrcoef((first - second).T)[np.triu_indices(N_VOXELS, 1)]

    real = correlations(participant.real)
    assert np.corrcoef(drawn("calibrated"), real)[0, 1] > 0.8
    assert abs(np.corrcoef(drawn("independent"), real)[0, 1]) < 0.1
