"""Which network the untrained control is, and what is kept of it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from bidsapp_synthfmri.config import RunConfig
from bidsapp_synthfmri.errors import InputMalformedError
from bidsapp_synthfmri.features.backbones import load_backbone
from bidsapp_synthfmri.structures import Synthetic
from bidsapp_synthfmri.workflow.control import Control, untrained

CPU = torch.device("cpu")


@pytest.fixture
def config(tmp_path):
    return RunConfig(tmp_path / "bids", tmp_path / "out", random_seed=3)


@pytest.fixture
def squeezenet():
    """Stands for a trained network: other weights than the control's, and its own preprocessing."""
    network = load_backbone("squeezenet1_1", "random", ("features.5", "classifier.3"), 0, CPU)
    return replace(network, preprocessing=replace(network.preprocessing, mean=(0.1, 0.2, 0.3)))


@pytest.fixture(scope="module")
def transformer():
    """Its head's initial weights are 0."""
    return load_backbone("vit_b_16", "random", ("encoder.layers.encoder_layer_0", "heads"), 0, CPU)


def test_it_is_the_network_of_random_weights_with_the_trained_one_s_layers_and_pictures(config, squeezenet):
    control = untrained(config, squeezenet)
    random = load_backbone("squeezenet1_1", "random", squeezenet.layers, config.random_seed, CPU)
    assert control.weights_sha256 == random.weights_sha256 != squeezenet.weights_sha256
    assert control.weights_source == "random seed 3"
    assert (control.layers, control.nodes) == (squeezenet.layers, squeezenet.nodes)
    assert control.preprocessing == squeezenet.preprocessing != random.preprocessing


def test_the_seed_draws_its_weights(config, squeezenet):
    drawn = {untrained(replace(config, random_seed=seed), squeezenet).weights_sha256 for seed in (3, 3, 4)}
    assert len(drawn) == 2


def test_a_layer_that_says_nothing_before_training_is_left_out_and_named(config, transformer):
    control = untrained(config, transformer)
    assert control.layers == ("encoder.layers.encoder_layer_0",)
    assert len(control.nodes) == 1
    scores = np.zeros((1, 2), dtype=np.float32)
    table = pd.DataFrame({"stimulus": ["a", "b"], "split": ["train", "test"]})
    synthetic = Synthetic(np.array([[1, 2], [3, 4]], dtype=np.float32), table, None)
    kept = Control(control.layers, scores, synthetic, ("heads",), "random seed 3", "0" * 64)
    assert kept.prediction.tolist() == [[3, 4]]
    assert "goes without heads" in " ".join(kept.notes)
    assert kept.facts["silent_layers"] == ["heads"]
    assert not replace(kept, silent_layers=()).notes


def test_without_a_layer_that_tells_pictures_apart_it_is_refused(config, transformer):
    heads = replace(transformer, layers=transformer.layers[1:], nodes=transformer.nodes[1:])
    with pytest.raises(InputMalformedError, match="tells pictures apart") as refusal:
        untrained(config, heads)
    assert "leave out --untrained-control" in str(refusal.value.remedy)
