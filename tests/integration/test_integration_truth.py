"""The demo against its own truth: reliability, the five rows, encoder against chance, decoding."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from bidsapp_synthfmri.dataset.stimuli import resolve_stimuli
from bidsapp_synthfmri.derivatives.reader import load_group, load_participant
from bidsapp_synthfmri.encoding import Encoder, fit_encoder, make_folds
from bidsapp_synthfmri.features.backbones import load_backbone
from bidsapp_synthfmri.features.cache import cached_features

PARTICIPANTS = ("01", "02")
REGIONS = ("EarlyVis", "LOC", "OPA", "PPA", "RSC")


@pytest.fixture(scope="module", params=PARTICIPANTS)
def results(demo, request):
    return load_participant(demo.output, request.param)


@pytest.fixture(scope="module")
def truth(demo, results):
    """Arrays of the simulation, columns in the order of the results'."""
    stored = np.load(demo.folder / "truth" / f"sub-{results.participant}.npz")
    row = {tuple(ijk): number for number, ijk in enumerate(stored["ijk"].tolist())}
    columns = np.array([row[tuple(ijk)] for ijk in results.voxels.ijk.tolist()])
    return {
        "stimuli": stored["stimuli"].tolist(),
        "signal": stored["signal"][:, columns],
        "r": stored["reliability"][columns],
        "noise_sd": stored["estimate_sd"][columns],
    }


def regions(results):
    sets = {roi.name: roi.voxels for roi in results.voxels.roi_sets()}
    assert set(sets) == {*REGIONS, "all"}
    return sets


def value(table: pd.DataFrame, **keys: str) -> float:
    chosen = table[np.logical_and.reduce([table[key] == wanted for key, wanted in keys.items()])]
    assert len(chosen) == 1
    return float(chosen["value"].iloc[0])


def test_estimated_reliability_is_the_true_one(results, truth):
    for name, voxels in regions(results).items():
        estimate = value(results.reliability, roi=name, metric="r")
        assert estimate == pytest.approx(truth["r"][voxels].mean(), abs=0.05), name


def test_split_half_agrees(results):
    for name in regions(results):
        r = value(results.reliability, roi=name, metric="r")
        assert value(results.reliability, roi=name, metric="split_half") == pytest.approx(r, abs=0.05), name


def test_first_three_rows_are_what_methods_expects(results, truth):
    """METHODS, "Synthetic against real", with rho and r of the simulation over the test stimuli."""
    table = results.synthetic.table
    test = np.flatnonzero(table["split"] == "test")
    rows = [truth["stimuli"].index(stimulus) for stimulus in table["stimulus"].iloc[test]]
    signal = truth["signal"][rows]  # (n_test, v)
    predicted = results.synthetic.values[test]
    centred, model = signal - signal.mean(axis=0), predicted - predicted.mean(axis=0)
    rho = (centred * model).sum(0) / np.sqrt((centred**2).sum(0) * (model**2).sum(0))
    variance = signal.var(axis=0, ddof=1)
    r = variance / (variance + truth["noise_sd"] ** 2)
    k = 3
    expected = {
        "real_real": r,
        "synthetic_real": rho * np.sqrt(r),
        "mean_real_real": np.sqrt(r) * np.sqrt(k * r / (1 + (k - 1) * r)),
    }
    for name, voxels in regions(results).items():
        for row, values in expected.items():
            found = value(results.accounting, roi=name, level="voxel", row=row)
            assert found == pytest.approx(values[voxels].mean(), abs=0.05), (name, row)


def test_every_row_is_given_at_every_level(results):
    rows = {"real_real", "synthetic_real", "mean_real_real", "ceiling", "noise_matched_real"}
    for (_, _), part in results.accounting.groupby(["roi", "level"]):
        assert rows <= set(part["row"])
        numbers = part.set_index("row").loc[sorted(rows)]
        assert np.isfinite(numbers["value"].astype(float)).all()
        assert (numbers["ci_low"] <= numbers["value"]).all()
        assert (numbers["value"] <= numbers["ci_high"]).all()


def test_the_encoder_beats_one_fitted_to_shuffled_stimuli(demo, results):
    trials, values = results.responses.trials, np.asarray(results.responses.values)
    backbone = load_backbone("alexnet", "random", (), 0, torch.device("cpu"))
    stimuli = resolve_stimuli(trials, demo.folder / "bids" / "stimuli").sorted()
    features = cached_features(backbone, stimuli, demo.folder / "work" / "features")
    train = results.splits == "train"
    rng = np.random.default_rng(0)
    rows = features.rows_of(trials.stimuli)[trials.stimulus_index]
    shown = np.unique(rows[train])
    shuffled = dict(zip(shown, rng.permutation(shown), strict=True))
    wrong = np.array([shuffled[row] for row in rows[train]])
    folds = make_folds(trials.take(train), rng)
    fit = fit_encoder(features, values[train], wrong, folds, torch.device("cpu"))
    encoder = Encoder(fit.weights, fit.intercept, results.voxels, {})
    test_rows = np.unique(rows[~train])
    predicted = encoder.predict_features(features.take(test_rows))
    chance = predicted[np.searchsorted(test_rows, rows[~train])]
    real = values[~train]
    for name, voxels in regions(results).items():
        pairs = [np.corrcoef(chance[:, v], real[:, v])[0, 1] for v in np.flatnonzero(voxels)]
        ours = value(results.accounting, roi=name, level="voxel", row="synthetic_real")
        assert ours > np.nanmean(pairs) + 0.05, name


def test_decoders_trained_on_synthetic_responses_beat_chance(demo):
    table = load_group(demo.output).decoding
    whole = table[(table["participant"] == "group") & (table["roi"] == "all") & table["full"]]
    for training in ("real", "synthetic_same", "synthetic_extra"):
        row = whole[whole["training"] == training].iloc[0]
        assert row["p"] < 0.01, training
        assert row["ci_low"] > 1 / row["n_classes"], training
    sizes = whole.set_index("training")["n_training"]
    assert sizes["synthetic_extra"] > sizes["synthetic_same"]


def test_the_image_seen_is_identified_among_all_synthetic_responses(demo, results):
    table = load_group(demo.output).identification
    whole = table[(table["roi"] == "all") & (table["scaling"] == "raw") & table["whole"]]
    single = whole[(whole["measure"] == "percentile_rank") & (whole["pattern"] == "single_trial")]
    assert list(single["participant"]) == ["01", "02", "group"]
    n_images = len(results.synthetic.table) + len(results.extra[0].table)
    assert set(single["n_candidates"]) == {n_images}
    assert (single["ci_low"] > 0.5).all()
    assert (single["p_fdr"] < 0.01).all()
    assert "Is the image seen found among many" in (demo.output / "group.html").read_text(encoding="utf-8")


def test_the_stored_encoder_predicts_from_python(demo, results):
    path = demo.output.glob(f"sub-{results.participant}/func/*_model.safetensors")
    encoder = Encoder.load(next(path))
    table = results.synthetic.table
    test = np.flatnonzero(table["split"] == "test")[:5]
    pictures = [demo.folder / "bids" / "stimuli" / name for name in table["stimulus"].iloc[test]]
    # The batch differs from the app's, which moves float32 rounding only.
    np.testing.assert_allclose(encoder.predict(pictures), results.synthetic.values[test], atol=1e-3)


def test_random_weights_are_said_aloud(demo):
    assert "RANDOM" in demo.printed.upper()
    assert "untrained" in demo.printed.lower()
    for page in ("sub-01.html", "sub-02.html", "group.html"):
        assert "untrained" in (demo.output / page).read_text(encoding="utf-8"), page


def test_the_summary_counts_what_went_in(results):
    summary = results.summary
    assert summary["n_trials"] == len(results.responses.trials)
    assert summary["n_test_stimuli"] + summary["n_train_stimuli"] == summary["n_stimuli"]
    assert summary["n_voxels"] == len(results.voxels)
    assert summary["extra_sets"] == {"extra": len(results.extra[0].table)}
    json.dumps(summary)
