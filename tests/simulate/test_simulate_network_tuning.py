"""Voxels that read a network's layers: how much of them is signal, and which layer's."""

import numpy as np
import pytest

from bidsapp_synthfmri.errors import UsageError
from bidsapp_synthfmri.simulate.network_tuning import LayerRoi, network_driven
from bidsapp_synthfmri.structures import Features, LayerFeatures

N_IMAGES = 60
ROIS = (LayerRoi("EarlyVis", "first", 15, 0.6), LayerRoi("PPA", "second", 25, 0.2))


@pytest.fixture(scope="module")
def features():
    """Two layers of 60 images; the first component of each is far larger than the others."""
    rng = np.random.default_rng(0)
    layers = []
    for name, n_units in (("first", 300), ("second", 20)):
        units = rng.standard_normal((N_IMAGES, n_units)) + 20 * rng.standard_normal((N_IMAGES, 1))
        layers.append(LayerFeatures(name, units.astype(np.float32)))
    return Features(tuple(f"image{number}" for number in range(N_IMAGES)), tuple(layers))


def drive(features, rois=ROIS, shown=None, seed=0, **options):
    shown = np.repeat(np.arange(N_IMAGES), 40) if shown is None else shown
    return network_driven(features, rois, shown, np.random.default_rng(seed), **options)


def test_signals_are_standardised_and_noise_fills_the_rest_of_the_variance(features):
    driven = drive(features)
    np.testing.assert_allclose(driven.signal.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(driven.signal.std(axis=0), 1)
    within = driven.responses.reshape(N_IMAGES, 40, -1).var(axis=1, ddof=1).mean(axis=0)
    for roi, simulated in zip(ROIS, driven.rois, strict=True):
        assert simulated.name == roi.name
        assert simulated.voxels.sum() == roi.n_voxels
        # 60 x 39 degrees of freedom: a variance's sampling SD is 3% of it, and up to 15 or 25 voxels.
        np.testing.assert_allclose(within[simulated.voxels], 1 - roi.reliability, rtol=0.12)


def test_a_region_s_signal_lies_in_its_layer_s_leading_components(features):
    driven = drive(features, n_dimensions=10)
    for roi, simulated in zip(ROIS, driven.rois, strict=True):
        units = next(layer.values for layer in features.layers if layer.name == roi.layer).astype(np.float64)
        components = np.linalg.svd(units - units.mean(axis=0), full_matrices=False)[0][:, :10]
        signal = driven.signal[:, simulated.voxels]
        outside = signal - components @ (components.T @ signal)
        # Products are made in float32: the tenth and eleventh component, nearly alike beside a first one of
        # 400 times their variance, mix by about a hundredth.
        assert np.abs(outside).max() < 0.05
        elsewhere = driven.signal[:, ~simulated.voxels]
        assert np.abs(elsewhere - components @ (components.T @ elsewhere)).max() > 0.5


def test_no_component_takes_most_of_the_signal(features):
    many = (LayerRoi("EarlyVis", "first", 4000, 1.0),)
    units = features.layers[0].values.astype(np.float64)
    components = np.linalg.svd(units - units.mean(axis=0), full_matrices=False)[0][:, :10]
    shares = ((components.T @ drive(features, many, n_dimensions=10).signal) ** 2).mean(axis=1) / N_IMAGES
    # 4,000 voxels: a share of .1 has a sampling SD of about .002.
    np.testing.assert_allclose(shares, 0.1, atol=0.01)


def test_more_dimensions_than_a_layer_has_are_those_that_it_has(features):
    narrow = (LayerRoi("PPA", "second", 200, 1.0),)
    signal = drive(features, narrow, n_dimensions=500).signal
    # 20 units span 20 dimensions.
    assert np.linalg.matrix_rank(signal, tol=1e-3) == 20


def test_the_generator_decides(features):
    one, same, other = drive(features), drive(features), drive(features, seed=1)
    np.testing.assert_array_equal(one.responses, same.responses)
    assert not np.allclose(one.signal, other.signal)


def test_impossible_regions_are_refused(features):
    with pytest.raises(UsageError, match="reads layer 'third'") as refusal:
        drive(features, (LayerRoi("LOC", "third", 5, 0.5),))
    assert "first, second" in str(refusal.value.remedy)
    with pytest.raises(UsageError, match=r"reliability 1\.5"):
        drive(features, (LayerRoi("LOC", "first", 5, 1.5),))
    flat = Features(features.stimuli, (LayerFeatures("flat", np.ones((N_IMAGES, 4), dtype=np.float32)),))
    with pytest.raises(UsageError, match="same for every image"):
        drive(flat, (LayerRoi("LOC", "flat", 5, 0.5),))
