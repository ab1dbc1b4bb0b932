"""An encoder of a small network, fitted to noise: it predicts something of every picture."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bidsapp_synthfmri.encoding import Encoder, Folds, fit_encoder
from bidsapp_synthfmri.evaluation.reliability import reliability
from bidsapp_synthfmri.features.backbones import load_backbone
from bidsapp_synthfmri.features.extraction import extract
from bidsapp_synthfmri.structures import Features, LayerFeatures, VoxelSpace
from bidsapp_synthfmri.synthesis.noise_fit import Spread, fit_noise_model

N_ENCODED = 20


@pytest.fixture(scope="session")
def pictures():
    """Coarse patterns of colour, (height, width, 3) each."""
    rng = np.random.default_rng(11)
    coarse = rng.integers(0, 255, (24, 4, 4, 3), dtype=np.uint8)
    return list(coarse.repeat(16, axis=1).repeat(16, axis=2))


@pytest.fixture(scope="session")
def encoder(pictures):
    """Of a random SqueezeNet at 64 pixels, with noise model and posterior."""
    cpu = torch.device("cpu")
    layers = ("features.3", "features.12")
    backbone = load_backbone("squeezenet1_1", "random", layers, 0, cpu, image_size=64)
    units = [np.concatenate(batches) for batches in zip(*extract(backbone, pictures), strict=True)]
    features = Features(tuple(map(str, range(len(pictures)))), tuple(map(LayerFeatures, layers, units)))
    rng = np.random.default_rng(12)
    index = np.repeat(np.arange(len(pictures)), 3)
    signal = rng.standard_normal((len(pictures), N_ENCODED))
    values = (signal[index] + rng.standard_normal((len(index), N_ENCODED))).astype(np.float32)
    fit = fit_encoder(features, values, index, Folds(index % 4, "4 folds"), cpu, uncertainty=True)
    known = reliability(values, index)
    spread = Spread(fit.out_of_fold.mean(axis=0), fit.unseen_sd, fit.posterior.typical_variance)
    noise = fit_noise_model(values, index, known.signal_sd, known.noise_sd, spread)
    ijk = np.array([[i, 0, 0] for i in range(N_ENCODED)])
    space = VoxelSpace(ijk, np.eye(4), (N_ENCODED, 1, 1), (), np.zeros((0, N_ENCODED), bool), "T1w")
    return replace(Encoder.of_fit(fit, space, {}, backbone), noise=noise)
