"""Plain least squares on the files written must find what the truth says."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.glm.first_level import make_first_level_design_matrix

from bidsapp_synthfmri.simulate import SimulatedDataset

_CONFOUNDS = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z", "non_steady_state_outlier00"]
_COMPCOR = [f"a_comp_cor_{index:02d}" for index in range(5)]


@pytest.fixture(scope="module")
def estimates(simulated_for_truth: SimulatedDataset) -> np.ndarray:
    """(n_trials, v) percent signal change by nilearn's design: SPM's response, cosines, confounds."""
    made = simulated_for_truth
    ijk = made.truth("01")["ijk"]
    found = []
    for path in sorted(made.bids_dir.glob("sub-01/ses-*/func/*_events.tsv")):
        events = pd.read_csv(path, sep="\t")
        stem = made.fmriprep_dir / path.relative_to(made.bids_dir).parent / path.name[: -len("events.tsv")]
        confounds = pd.read_csv(f"{stem}desc-confounds_timeseries.tsv", sep="\t")[_CONFOUNDS + _COMPCOR]
        bold = np.asarray(nib.load(f"{stem}space-T1w_desc-preproc_bold.nii.gz").dataobj)[tuple(ijk.T)].T
        trials = pd.DataFrame(
            {
                "onset": events["onset"],
                "duration": events["duration"],
                "trial_type": [f"trial{index:03d}" for index in range(len(events))],
            }
        )
        design = make_first_level_design_matrix(
            np.arange(len(bold)) * made.config.tr,
            trials,
            hrf_model="spm",
            drift_model="cosine",
            high_pass=1 / 128,
            add_regs=confounds,
        )
        regressors = design[trials["trial_type"]].to_numpy()
        percent = 100 * (bold / bold.mean(axis=0) - 1)
        fitted = np.linalg.lstsq(design.to_numpy(), percent, rcond=None)[0]
        found.append(fitted[: regressors.shape[1]] * regressors.max())
    return np.concatenate(found)


def test_estimates_are_the_true_responses_plus_the_stated_noise(
    simulated_for_truth: SimulatedDataset, estimates: np.ndarray
) -> None:
    truth, config = simulated_for_truth.truth("01"), simulated_for_truth.config
    error = estimates / config.percent_per_sd - config.mean_response - truth["trial_responses"]
    stated = truth["estimate_sd"] ** 2 - truth["trial_sd"] ** 2
    # 444 trials and 245 nearly independent voxels: sampling error of the ratio is below 1 %; nilearn's
    # sampled response and percent of the run's mean, not of the baseline, add about as much
    assert (error.var(axis=0) / stated).mean() == pytest.approx(1.0, abs=0.03)
    slopes = [
        np.polyfit(true, found, 1)[0]
        for true, found in zip(truth["trial_responses"].T, estimates.T, strict=True)
    ]
    assert np.mean(slopes) / config.percent_per_sd == pytest.approx(1.0, abs=0.03)


def test_reliability_over_repeats_is_the_stated_one(
    simulated_for_truth: SimulatedDataset, estimates: np.ndarray
) -> None:
    truth = simulated_for_truth.truth("01")
    table = pd.DataFrame(estimates).groupby(truth["trial_stimuli"])
    repeated = (table.transform("size") > 1).to_numpy()
    within = (estimates - table.transform("mean").to_numpy())[repeated]
    noise = (within**2).sum(axis=0) / (repeated.sum() - (table.size() > 1).sum())
    found = 1 - noise / estimates.var(axis=0, ddof=1)
    # A voxel's estimate has an SD of about .07 with 64 pictures x 4; pictures are shared by a region's
    # correlated voxels, which leaves about .02 in its mean
    for region in ("EarlyVis", "LOC", "OPA", "PPA", "RSC"):
        masks = [str(name).endswith(region) for name in truth["roi_names"]]
        voxels = truth["membership"][masks].any(axis=0)
        assert found[voxels].mean() == pytest.approx(truth["reliability"][voxels].mean(), abs=0.05)


def test_regions_have_the_reliability_they_name(simulated_for_truth: SimulatedDataset) -> None:
    truth = simulated_for_truth.truth("01")
    np.testing.assert_allclose(truth["reliability"], 1 / (1 + truth["estimate_sd"] ** 2), rtol=1e-12)
    for roi in simulated_for_truth.config.rois:
        voxels = truth["membership"][list(truth["roi_names"]).index(f"RH{roi.name}")]
        assert truth["reliability"][voxels].mean() == pytest.approx(roi.reliability, abs=1e-6)


def test_signal_is_standardised_over_the_pictures_shown(simulated_for_truth: SimulatedDataset) -> None:
    truth = simulated_for_truth.truth("01")
    assert truth["signal"].shape == (len(truth["stimuli"]), len(truth["ijk"]))
    np.testing.assert_allclose(truth["signal"].mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(truth["signal"].std(axis=0), 1, rtol=1e-9)


def test_higher_regions_tell_categories_apart_and_early_ones_less(
    simulated_for_truth: SimulatedDataset,
) -> None:
    truth = simulated_for_truth.truth("01")
    signal, categories = truth["signal"], truth["categories"]
    within = np.mean([signal[categories == name].var(axis=0) for name in np.unique(categories)], axis=0)
    share = {
        str(name): 1 - within[held].mean()
        for name, held in zip(truth["roi_names"], truth["membership"], strict=True)
    }
    assert min(share["LHLOC"], share["LHPPA"], share["LHRSC"]) > 0.4
    assert max(share["LHEarlyVis"], share["RHEarlyVis"]) < 0.4
