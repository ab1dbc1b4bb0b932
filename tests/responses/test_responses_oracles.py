"""Every rung's algebra against other people's solvers, in float64."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from nilearn.glm.first_level import FirstLevelModel
from scipy.integrate import quad
from sklearn.linear_model import LinearRegression, Ridge

from bidsapp_synthfmri.responses.components import choose_number
from bidsapp_synthfmri.responses.design import (
    HIGH_PASS_HZ,
    frame_times,
    nuisance_basis,
    residualise,
    trial_regressors,
)
from bidsapp_synthfmri.responses.estimate import estimate_run
from bidsapp_synthfmri.responses.fractional import fraction_grid, restore, ridge
from bidsapp_synthfmri.responses.hrf import boxcar_response
from bidsapp_synthfmri.responses.library import hrf_library
from bidsapp_synthfmri.responses.repeats import Repeats, find_repeats, repeat_correlation, zscored_rows
from bidsapp_synthfmri.responses.runs import RunData
from bidsapp_synthfmri.responses.spectra import spectra

N_VOLUMES, TR = 88, 2.0
CPU = torch.device("cpu")


def noise_run(grid: bool, seed: int = 0) -> RunData:
    rng = np.random.default_rng(seed)
    onsets = 6.0 + 10 * np.arange(15.0)
    if not grid:
        onsets += rng.uniform(-3, 3, 15)
    bold = 1000 + 10 * rng.standard_normal((N_VOLUMES, 8))
    confounds = rng.standard_normal((N_VOLUMES, 3)) + np.array([5.0, 0.0, 0.0])
    return RunData("run-01", bold.astype(np.float32), onsets, np.full(15, 1.0), confounds, TR, 0.0)


def percent(bold):
    bold = bold.astype(np.float64)
    return 100 * (bold / bold.mean(axis=0) - 1)


@pytest.mark.parametrize("grid", [True, False], ids=["on the grid", "off the grid"])
def test_lss_equals_a_nilearn_model_per_trial(grid):
    run = noise_run(grid)
    times = frame_times(N_VOLUMES, TR, 0.0)
    regressors = trial_regressors(run.onsets, run.durations, times)
    image = nib.Nifti1Image(percent(run.bold).T.reshape(2, 2, 2, N_VOLUMES), np.eye(4))
    mask = nib.Nifti1Image(np.ones((2, 2, 2), dtype=np.int8), np.eye(4))
    n_drifts = int(np.floor(2 * N_VOLUMES * HIGH_PASS_HZ * TR))
    volume = np.arange(N_VOLUMES)[:, None] + 0.5
    drifts = np.cos(np.pi * volume * np.arange(n_drifts + 1) / N_VOLUMES)  # the first is the intercept
    expected = []
    for trial in range(15):
        design = np.column_stack(
            [regressors[:, trial], np.delete(regressors, trial, axis=1).sum(axis=1), run.confounds, drifts]
        )
        names = ["trial", "others", *(f"nuisance_{number}" for number in range(design.shape[1] - 2))]
        model = FirstLevelModel(
            t_r=TR, mask_img=mask, noise_model="ols", signal_scaling=False, minimize_memory=False
        )
        model.fit(image, design_matrices=pd.DataFrame(design, columns=names))
        effect = model.compute_contrast("trial", output_type="effect_size").get_fdata()
        expected.append(effect.reshape(8))
    found, _, _ = estimate_run(run, "lss")
    # Relative to the largest response: ours is computed in float32, of rounding 1e-7 a volume.
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("grid", [True, False], ids=["on the grid", "off the grid"])
def test_lsa_equals_linear_regression(grid):
    run = noise_run(grid, seed=1)
    times = frame_times(N_VOLUMES, TR, 0.0)
    regressors = trial_regressors(run.onsets, run.durations, times)
    nuisance = nuisance_basis(times, run.confounds)
    design = np.column_stack([regressors, nuisance])
    series = percent(run.bold)
    expected = LinearRegression(fit_intercept=False).fit(design, series).coef_.T[:15]
    found, _, _ = estimate_run(run, "lsa")
    # Relative to the largest response. Weights and series are float32: 6e-8 an entry, some ten at a time.
    assert np.abs(found - expected).max() < 1e-6 * np.abs(expected).max()


def written_out(study, responses):
    """Least squares in float64 with each voxel's regressors, z-scored within session."""
    library = hrf_library()
    values = np.empty(responses.values.shape)
    row = 0
    for run in study.runs:
        times = frame_times(len(run.bold), run.repetition_time, 0.0)
        nuisance = nuisance_basis(times, run.confounds)
        series = percent(run.bold)
        rows = slice(row, row + len(run.onsets))
        for hrf in np.unique(responses.estimation.hrf_index):
            voxels = np.flatnonzero(responses.estimation.hrf_index == hrf)
            regressors = trial_regressors(run.onsets, run.durations, times, library[hrf])
            design = np.column_stack([regressors, nuisance])
            fit = np.linalg.lstsq(design, series[:, voxels], rcond=None)[0]
            values[rows, voxels] = fit[: len(run.onsets)]
        row += len(run.onsets)
    session = responses.trials.session_index
    for number in np.unique(session):
        here = values[session == number]
        values[session == number] = (here - here.mean(axis=0)) / here.std(axis=0, ddof=1)
    return values


def test_hrf_equals_least_squares_with_each_voxels_response(study, estimates):
    responses = estimates("hrf")
    assert len(np.unique(responses.estimation.hrf_index)) > 5
    # In z; a float32 eigendecomposition of slow responses, whose conditions reach 10, loses 1e-6 of it.
    np.testing.assert_allclose(responses.values, written_out(study, responses), atol=2e-5)


@pytest.fixture
def designs():
    """Projected designs of two runs of unequal numbers of trials, their series, and components."""
    rng = np.random.default_rng(2)
    trials, series, components = [], [], []
    for n_trials, interval in ((15, 10.0), (30, 5.0)):
        times = frame_times(N_VOLUMES, TR, 0.0)
        nuisance = nuisance_basis(times, rng.standard_normal((N_VOLUMES, 2)))
        onsets = 5.7 + interval * np.arange(n_trials)
        left = residualise(trial_regressors(onsets, np.ones(n_trials), times), nuisance)
        noise = np.linalg.qr(residualise(rng.standard_normal((N_VOLUMES, 2)), nuisance))[0]
        trials.append(left.astype(np.float32))
        components.append(noise)
        series.append(residualise(rng.standard_normal((N_VOLUMES, 6)), np.column_stack([nuisance, noise])))
    return trials, components, series


def coefficients_of(designs):
    trials, components, series = designs
    basis = spectra(trials, components, CPU)
    projected = [
        projection @ torch.from_numpy(y.astype(np.float32))
        for projection, y in zip(basis.projections, series, strict=True)
    ]
    return basis, torch.stack(projected)


@pytest.mark.parametrize("penalty", [0.0, 0.03, 1.0, 40.0])
def test_ridge_equals_sklearn_on_the_projected_design(designs, penalty):
    basis, coefficients = coefficients_of(designs)
    found = ridge(basis, coefficients, torch.full((2, 6), penalty))
    for run, (regressors, noise, series) in enumerate(zip(*designs, strict=True)):
        left = residualise(regressors.astype(np.float64), noise)
        solver = (
            LinearRegression(fit_intercept=False) if penalty == 0 else Ridge(penalty, fit_intercept=False)
        )
        expected = solver.fit(left, series).coef_.T
        n_trials = left.shape[1]
        # Relative to the largest; float32 at a condition number near 10.
        assert np.abs(found[run, :n_trials].numpy() - expected).max() < 3e-5 * np.abs(expected).max()
        assert (found[run, n_trials:] == 0).all()


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.35, 0.6, 0.95])
def test_the_fractions_length_is_met_in_every_run(designs, fraction):
    basis, coefficients = coefficients_of(designs)
    grid = fraction_grid(basis, coefficients)
    penalty = grid.penalties(torch.full((6,), fraction))
    lengths = ridge(basis, coefficients, penalty).norm(dim=1) / basis.least_squares(coefficients).norm(dim=1)
    # Between 40 penalties the logarithm is interpolated.
    np.testing.assert_allclose(lengths.numpy(), fraction, atol=1e-2)


def test_all_of_the_length_is_least_squares(designs):
    basis, coefficients = coefficients_of(designs)
    penalty = fraction_grid(basis, coefficients).penalties(torch.ones(6))
    assert torch.equal(ridge(basis, coefficients, penalty), basis.least_squares(coefficients))


def test_restore_gives_the_references_scale_and_offset():
    rng = np.random.default_rng(3)
    reference = rng.standard_normal((20, 5)) * 3 + 7
    values = 0.2 * reference + 0.1 * rng.standard_normal((20, 5)) - 4
    found = restore(torch.from_numpy(values), torch.from_numpy(reference)).numpy()
    for voxel in range(5):
        slope, offset = np.polyfit(values[:, voxel], reference[:, voxel], 1)
        np.testing.assert_allclose(found[:, voxel], slope * values[:, voxel] + offset, rtol=1e-12)


def test_restore_leaves_a_constant_where_values_do_not_vary():
    reference = torch.from_numpy(np.random.default_rng(4).standard_normal((20, 2)))
    found = restore(torch.full((20, 2), 3.0, dtype=torch.float64), reference)
    torch.testing.assert_close(found, reference.mean(dim=0).expand(20, 2))


def test_repeat_correlation_is_the_mean_over_pairs_of_different_runs():
    rng = np.random.default_rng(5)
    stimulus = np.r_[rng.integers(0, 6, 40), np.repeat(6, 3)]
    run = np.r_[rng.integers(0, 4, 40), np.repeat(2, 3)]  # stimulus 6 is shown within one run alone
    values = rng.standard_normal((43, 4))
    repeats = Repeats(np.arange(43), stimulus, run, 7)
    for among in (None, stimulus % 2 == 0):
        products = [
            values[i] * values[j]
            for i in range(43)
            for j in range(43)
            if stimulus[i] == stimulus[j] and run[i] != run[j] and (among is None or among[i])
        ]
        found = repeat_correlation(torch.from_numpy(values), repeats, among)
        np.testing.assert_allclose(found.numpy(), np.mean(products, axis=0), rtol=1e-9, atol=1e-12)


def test_zscored_rows_equal_a_loop_over_sessions():
    rng = np.random.default_rng(6)
    sessions = rng.permutation(np.repeat([0, 1, 2], [5, 9, 12]))
    values = rng.standard_normal((26, 3)) * 4 + 2
    values[sessions == 1, 2] = 5  # does not vary there
    rows = np.array([0, 3, 4, 11, 20, 25])
    repeats = Repeats(rows, np.zeros(6, dtype=np.int64), np.arange(6), 1)
    expected = np.zeros((26, 3))
    for session in range(3):
        for voxel in range(3):
            here = values[sessions == session, voxel]
            spread = here.std(ddof=1)
            if spread > 0:
                expected[sessions == session, voxel] = (here - here.mean()) / spread
    found = zscored_rows(torch.from_numpy(values), torch.from_numpy(sessions), repeats)
    np.testing.assert_allclose(found.numpy(), expected[rows], atol=1e-12)


def test_repeats_are_those_across_runs_and_allowed(study):
    trials = study.trials
    repeats = find_repeats(trials)
    names = trials.table["stimulus"]
    assert repeats.rows.tolist() == np.flatnonzero(names.str.startswith("repeated")).tolist()
    assert repeats.n_stimuli == 10
    allowed = (names != "repeated_03").to_numpy() & (trials.run_index < 2)
    fewer = find_repeats(trials, allowed)
    assert fewer.n_stimuli == 9
    assert len(fewer.rows) == 18
    assert allowed[fewer.rows].all()
    assert find_repeats(trials, trials.run_index == 0).n_stimuli == 0
    assert find_repeats(trials, np.zeros(len(trials), dtype=bool)).n_stimuli == 0


@pytest.mark.parametrize(
    ("scores", "number"),
    [
        ([0.1, 0.2, 0.296, 0.3, 0.25], 2),  # .196 of .2 gained is over 95%
        ([0.1, 0.2, 0.28, 0.3, 0.25], 3),
        ([0.3, 0.2, 0.1], 0),
        ([0.3, 0.3, 0.3], 0),
        ([0.3, 0.3, 0.3015], 0),  # too little to be a gain
        ([0.2], 0),
        ([-0.2, -0.1, -0.15], 1),
    ],
)
def test_the_smallest_number_that_brings_most_of_the_gain(scores, number):
    assert choose_number(scores) == number


@pytest.mark.parametrize("place", [0, 7, 18])
@pytest.mark.parametrize("duration", [0.5, 3.0])
def test_a_library_members_response_is_the_numeric_convolution(place, duration):
    hrf = hrf_library()[place]
    times = np.arange(0.4, 25, 1.7)
    numeric = np.array(
        [quad(lambda t: hrf.density(np.array(t)), t - duration, t, points=[0])[0] for t in times]
    )
    fine = np.arange(0, 15, 0.005)
    peak = max(hrf.integral(fine) - hrf.integral(fine - duration))
    found = boxcar_response(times, np.array(duration), hrf)
    # quad is accurate to 1e-8, the grid's peak to (.005 / 2)^2 of the curve.
    np.testing.assert_allclose(found, numeric / peak, atol=2e-6)
