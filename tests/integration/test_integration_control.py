"""Trained against untrained on voxels that a trained network drives, and the option through the whole app."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

from bidsapp_synthfmri.cli.main import run
from bidsapp_synthfmri.config import RunConfig
from bidsapp_synthfmri.derivatives.reader import load_group, load_participant
from bidsapp_synthfmri.encoding import Encoder, EncoderFit, Folds, fit_encoder
from bidsapp_synthfmri.evaluation.comparison import Comparison
from bidsapp_synthfmri.evaluation.contrast import contrast
from bidsapp_synthfmri.features.backbones import load_backbone
from bidsapp_synthfmri.features.extraction import extract
from bidsapp_synthfmri.features.preprocessing import Preprocessing
from bidsapp_synthfmri.simulate import CATEGORIES, draw_picture
from bidsapp_synthfmri.simulate.network_tuning import LayerRoi, network_driven
from bidsapp_synthfmri.structures import Features, FloatArray, LayerFeatures
from bidsapp_synthfmri.workflow.control import untrained

WEIGHTS = Path(__file__).parents[3] / "shared/data/weights/squeezenet1_1_imagenet_fp16.safetensors"
CPU = torch.device("cpu")
N_PICTURES, N_TEST, N_REPEATS = 240, 50, 3
LAYERS = ("features.2", "features.5", "features.8", "features.12", "classifier.3")
ROIS = tuple(
    LayerRoi(name, layer, 20, 0.6)
    for name, layer in zip(("EarlyVis", "LOC", "OPA", "PPA", "RSC"), LAYERS, strict=True)
)


@dataclass(frozen=True)
class Fitted:
    """A network's encoder of the simulated voxels: its fit, and its predictions of the test pictures."""

    fit: EncoderFit
    predicted: FloatArray


@pytest.fixture(scope="module")
def weights():
    if not WEIGHTS.exists():
        pytest.skip(f"{WEIGHTS} is not there")
    return WEIGHTS


@pytest.fixture(scope="module")
def networks(weights, tmp_path_factory):
    """Trained and untrained network, by the options of a run."""
    folder = tmp_path_factory.mktemp("nothing")
    config = RunConfig(folder / "bids", folder / "out", weights=str(weights), backbone="squeezenet1_1")
    trained = load_backbone(config.backbone, config.weights, LAYERS, config.random_seed, CPU)
    # Half the usual size: a quarter of the time, and the network still knows what it was trained on.
    half = Preprocessing.from_dict(trained.preprocessing.to_dict() | {"resize": 116, "crop": 112})
    trained = replace(trained, preprocessing=half)
    return {"trained": trained, "untrained": untrained(config, trained)}


@pytest.fixture(scope="module")
def features(networks):
    pictures = [
        draw_picture(CATEGORIES[number % len(CATEGORIES)], 116, np.random.default_rng([5, number]))
        for number in range(N_PICTURES)
    ]
    names = tuple(map(str, range(N_PICTURES)))
    found = {}
    for name, network in networks.items():
        batches = zip(*extract(network, pictures, 32), strict=True)
        values = [np.concatenate(batch) for batch in batches]
        layers = (LayerFeatures(layer, units) for layer, units in zip(network.layers, values, strict=True))
        found[name] = Features(names, tuple(layers))
    return found


@pytest.fixture(scope="module")
def shown():
    """(n_trials,) the last pictures are the test set, shown several times; the others once."""
    once = np.arange(N_PICTURES - N_TEST)
    return np.concatenate([once, np.repeat(np.arange(N_PICTURES - N_TEST, N_PICTURES), N_REPEATS)])


def fit_both(features, shown, driven):
    """Each network's encoder of the same voxels, by the same folds."""
    is_training = shown < N_PICTURES - N_TEST
    folds = Folds(np.arange(is_training.sum()) % 5, "five folds")
    test = np.arange(N_PICTURES - N_TEST, N_PICTURES)
    found = {}
    for name, of_network in features.items():
        fit = fit_encoder(of_network, driven.responses[is_training], shown[is_training], folds, CPU)
        encoder = Encoder(fit.weights, fit.intercept, None, {})
        found[name] = Fitted(fit, encoder.predict_features(of_network.take(test)))
    return found


def trained_less_untrained(fitted, shown, driven):
    is_test = shown >= N_PICTURES - N_TEST
    real, index = driven.responses[is_test], shown[is_test] - (N_PICTURES - N_TEST)
    comparison = Comparison(real, index, fitted["trained"].predicted, None, None)
    rng = np.random.default_rng(1)
    return contrast(comparison, fitted["untrained"].predicted, driven.rois, rng, draws=500)


@pytest.fixture(scope="module")
def driven(features, shown):
    return network_driven(features["trained"], ROIS, shown, np.random.default_rng(0))


@pytest.fixture(scope="module")
def fitted(features, shown, driven):
    return fit_both(features, shown, driven)


def test_the_trained_network_wins_in_every_region(fitted, shown, driven):
    for one in trained_less_untrained(fitted, shown, driven):
        assert one.difference.low > 0, one
        assert one.p_fdr < 0.05, one


def test_the_trained_network_wins_in_every_region_in_cross_validation(fitted, driven):
    for number, roi in enumerate(driven.rois):
        trained, random = (
            fitted[name].fit.cv_r[:, roi.voxels].mean(axis=1) for name in ("trained", "untrained")
        )
        # The layer that drives the region, against the best that random weights have anywhere.
        assert trained[number] > random.max(), roi.name


def test_layers_order_as_simulated(fitted, driven):
    fit = fitted["trained"].fit
    modal = [np.bincount(fit.best_layer[roi.voxels]).argmax() for roi in driven.rois]
    peak = [fit.cv_r[:, roi.voxels].mean(axis=1).argmax() for roi in driven.rois]
    assert modal == peak == list(range(len(LAYERS)))


def test_voxels_that_the_untrained_network_drives_are_its_own(features, shown):
    """The comparison favours whichever network is the true one, not the trained one."""
    driven = network_driven(features["untrained"], ROIS, shown, np.random.default_rng(0))
    for one in trained_less_untrained(fit_both(features, shown, driven), shown, driven):
        assert one.difference.high < 0, one


def value(table: pd.DataFrame, column: str = "value", **keys: str) -> float:
    chosen = table[np.logical_and.reduce([table[key] == wanted for key, wanted in keys.items()])]
    assert len(chosen) == 1
    return float(chosen[column].iloc[0])


@pytest.fixture(scope="module")
def runs(small, weights, tmp_path_factory):
    """The app with the control, then without it into a copy of the same folder."""
    folder = tmp_path_factory.mktemp("control")
    words = [small.bids_dir, folder / "out", "participant", "--participant-label", "01", "--responses", "lsa"]
    words += ["--backbone", "squeezenet1_1", "--layers", "features.5", "features.12", "--weights", weights]
    words += ["--work-dir", folder / "work", "--n-cpus", "1"]
    with_control = CliRunner().invoke(run, [*map(str, words), "--untrained-control"])
    assert with_control.exit_code == 0, with_control.output
    shutil.copytree(folder / "out", folder / "controlled")
    without = CliRunner().invoke(run, list(map(str, words)))
    assert without.exit_code == 0, without.output
    return folder / "controlled", folder / "out"


def test_the_control_s_scores_stand_beside_the_trained_network_s(runs):
    results = load_participant(runs[0], "01")
    rois = set(results.accounting["roi"])
    layers = results.encoding[results.encoding["metric"] == "untrained_cv_r"]
    assert {(roi, layer) for roi in rois for layer in ("features.5", "features.12")} == set(
        zip(layers["roi"], layers["layer"], strict=True)
    )
    for roi in rois:
        scores = {
            metric: value(results.encoding, roi=roi, metric=metric)
            for metric in ("test_r", "untrained_test_r", "trained_minus_untrained")
        }
        difference = scores["test_r"] - scores["untrained_test_r"]
        assert scores["trained_minus_untrained"] == pytest.approx(difference, abs=1e-12)
        row = {"roi": roi, "level": "voxel", "row": "synthetic_real"}
        for column in ("value", "ci_low", "ci_high"):
            # The same draws of the same stimuli as in the accounting.
            assert value(results.encoding, column, roi=roi, metric="test_r") == pytest.approx(
                value(results.accounting, column, **row), abs=1e-12
            )
        assert 0 < value(results.encoding, "p_fdr", roi=roi, metric="trained_minus_untrained") <= 1
    sidecar = json.loads(next(runs[0].glob("sub-01/func/*encoding_scores.json")).read_text())
    assert set(results.encoding["metric"]) <= set(sidecar["metric"]["Levels"])
    assert sidecar["n_stimuli"]["Format"] == "integer"


def test_the_summary_and_the_page_say_what_the_control_was(runs):
    results = load_participant(runs[0], "01")
    control = results.summary["untrained_control"]
    assert control["layers"] == ["features.5", "features.12"]
    assert control["weights"] == "random seed 0"
    assert control["weights_sha256"] != results.summary["weights_sha256"]
    assert [path.stem for path in runs[0].glob("sub-01/figures/*control*")]
    page = " ".join((runs[0] / "sub-01.html").read_text(encoding="utf-8").split())
    assert "Trained against untrained network" in page
    assert "The trained network predicts better in" in page
    assert "As a control, encoders were fitted in the same way" in page
    assert "untrained_" not in page


def test_the_control_changes_nothing_of_the_trained_encoder_and_leaves_no_file(runs):
    controlled, plain = runs
    encoders = [next(folder.glob("sub-01/func/*_model.safetensors")).read_bytes() for folder in runs]
    assert encoders[0] == encoders[1]
    names = [{path.name for path in folder.glob("sub-01/func/*")} for folder in runs]
    stem = "sub-01_task-images_space-T1w_desc-untrained_stat-effect_statmap"
    assert names[0] - names[1] == {f"{stem}.dscalar.nii", f"{stem}.json"}
    assert names[1] < names[0]
    # The second run took back what the first had drawn.
    assert len(list(controlled.glob("sub-01/figures/*control*"))) == 2
    assert not list(plain.glob("sub-01/figures/*control*"))
    assert "untrained" not in (plain / "sub-01.html").read_text(encoding="utf-8")
    assert "ci_low" not in load_participant(plain, "01").encoding


def test_the_group_level_decodes_from_the_untrained_network_too(runs, tmp_path):
    """The participant level's folder is enough: no network is at hand."""
    output = tmp_path / "out"
    shutil.copytree(runs[0], output)
    done = CliRunner().invoke(run, [str(word) for word in (tmp_path / "not-mounted", output, "group")])
    assert done.exit_code == 0, done.output
    results = load_group(output)
    cells = results.experiments[results.experiments["experiment"] == "main"]
    untrained = cells[cells["control"] == "untrained_network"]
    trained = cells[(cells["control"] == "none") & (cells["training"] == "synthetic_same") & cells["full"]]
    assert set(untrained["roi"]) == set(trained["roi"])
    assert set(untrained["training"]) == {"synthetic_same"}
    assert (untrained["n_training"].to_numpy() == trained["n_training"].to_numpy()).all()
    claims = results.decisions.set_index(["experiment", "claim"])
    assert ("main", "needs_training") in claims.index
    page = (output / "group.html").read_text(encoding="utf-8")
    assert "teach it better than those of the same network untrained" in page
    assert "control: untrained network" in page
    assert not [sentence for sentence in results.summary["skipped"] if "untrained" in sentence]


def test_a_control_of_random_weights_is_refused(small, participant_level, assert_refused):
    done = participant_level(small.bids_dir, "--untrained-control")
    assert_refused(done, 2, ["--untrained-control has nothing to be compared with"])
