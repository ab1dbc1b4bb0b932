"""Noise components: planted time courses found, where the task does not reach."""

import numpy as np
import torch

from bidsapp_synthfmri.responses.denoising import MAX_COMPONENTS, noise_components, noise_pool
from bidsapp_synthfmri.responses.design import frame_times, nuisance_basis, residualise
from bidsapp_synthfmri.responses.readings import first_reading
from bidsapp_synthfmri.responses.runs import RunDesign

CPU = torch.device("cpu")


def test_planted_time_courses_are_found_orthonormal_and_free_of_nuisance():
    rng = np.random.default_rng(0)
    times = frame_times(120, 2.0, 0.0)
    nuisance = nuisance_basis(times, rng.standard_normal((120, 2)))
    planted = rng.standard_normal((120, 3))
    bold = 1000 + 20 * planted @ rng.standard_normal((3, 300)) + 5 * rng.standard_normal((120, 300))
    design = RunDesign(np.array([10.0, 40.0]), np.ones(2), times, nuisance, "run-01")
    pool = np.arange(300) < 200
    found = noise_components(bold.astype(np.float32), pool, design, CPU)
    assert found.shape == (120, MAX_COMPONENTS)
    np.testing.assert_allclose(found.T @ found, np.eye(MAX_COMPONENTS), atol=1e-12)
    # Projected in float64 against a float64 basis.
    assert np.abs(nuisance.T @ found).max() < 1e-10
    left = residualise(planted, nuisance)
    missed = residualise(left, found[:, :3])
    # Noise is a quarter of each time course's SD, over 200 voxels: its subspace turns by .25 sqrt(120/200)/4.
    assert (np.linalg.norm(missed, axis=0) < 0.15 * np.linalg.norm(left, axis=0)).all()
    outside = bold.copy()
    outside[:, ~pool] = np.nan
    np.testing.assert_allclose(
        noise_components(outside.astype(np.float32), pool, design, CPU), found, atol=1e-4
    )


def test_the_pool_is_the_half_of_the_usable_that_the_task_explains_least():
    share = np.array([0.5, 0.1, 0.0, 0.3, 0.2, 0.4])
    usable = np.array([True, True, False, True, True, True])
    assert noise_pool(share, usable).tolist() == [False, True, False, False, True, False]


def test_the_pool_of_a_study_avoids_driven_voxels(make_study):
    study = make_study(noise=0.5)
    pool = first_reading(study.runs, "hrf-denoise", CPU).pool
    assert pool.sum() == 108
    # The mean response to all trials is as large as the spread over them, and now and then near nothing.
    assert pool[:108].mean() < 0.1
