"""What of the series reaches the responses, and what must not: censoring, scale, nuisance, order, batches."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bidsapp_synthfmri.config import ESTIMATORS
from bidsapp_synthfmri.errors import InputMalformedError
from bidsapp_synthfmri.responses import estimate_responses, hrf_choice, ladder

every_rung = pytest.mark.parametrize("estimator", ESTIMATORS)


@every_rung
@pytest.mark.parametrize("garbage", [np.nan, 1e9])
def test_censored_volumes_influence_nothing(study, estimator, garbage):
    censored = np.zeros(88, dtype=bool)
    censored[[3, 20, 21, 22, 50, 87]] = True
    plain, spoilt = study, study
    for number, run in enumerate(study.runs):
        bold, confounds = run.bold.copy(), run.confounds.copy()
        bold[censored], confounds[censored] = garbage, garbage
        plain = plain.with_run(number, censored=censored)
        spoilt = spoilt.with_run(number, censored=censored, bold=bold, confounds=confounds)
    first, second = plain.estimate(estimator), spoilt.estimate(estimator)
    assert first.values.tobytes() == second.values.tobytes()
    assert first.estimation.n_censored == second.estimation.n_censored == 24
    assert first.dropped_voxels == second.dropped_voxels == 0


@every_rung
def test_a_run_mostly_censored_is_refused_with_its_counts(study, estimator):
    censored = np.arange(88) < 45
    with pytest.raises(InputMalformedError, match="run-02: 45 of 88 volumes"):
        study.with_run(1, censored=censored).estimate(estimator)


@every_rung
def test_unusable_voxels_leave_values_and_choices_alike(study, estimates, estimator):
    bold = [run.bold.copy() for run in study.runs]
    bold[0][:, 1] = 500
    bold[2][7, 30] = np.nan
    bold[3][:, 200] = 0
    responses = study.with_bold(bold).estimate(estimator)
    assert responses.dropped_voxels == 3
    left = np.setdiff1d(np.arange(216), [1, 30, 200])
    assert responses.voxels.ijk[:, 0].tolist() == left.tolist()
    assert responses.values.shape == (60, 213)
    for chosen in (responses.estimation.hrf_index, responses.estimation.fraction):
        assert chosen is None or len(chosen) == 213
    assert np.isfinite(responses.values).all()
    if estimator in ("tr34", "lsa", "lss"):
        # Voxels do not know of each other; a product of another width may round otherwise.
        np.testing.assert_allclose(responses.values, estimates(estimator).values[:, left], atol=1e-4)


@every_rung
def test_a_generator_and_mapped_files_give_the_same_as_a_list(study, estimates, estimator, tmp_path):
    runs, before = [], []
    for number, run in enumerate(study.runs):
        np.save(tmp_path / f"{number}.npy", run.bold)
        before.append((tmp_path / f"{number}.npy").read_bytes())
        runs.append(replace(run, bold=np.load(tmp_path / f"{number}.npy", mmap_mode="r+")))
    found = estimate_responses((run for run in runs), study.trials, study.voxels, estimator)
    assert found.values.tobytes() == estimates(estimator).values.tobytes()
    for number, run in enumerate(runs):
        run.bold.flush()
        assert (tmp_path / f"{number}.npy").read_bytes() == before[number]


@pytest.mark.parametrize("estimator", ["hrf", "hrf-denoise", "hrf-denoise-ridge"])
def test_batches_do_not_show(study, estimates, estimator, monkeypatch):
    monkeypatch.setattr(ladder, "_BATCH_BYTES", 1.0)
    monkeypatch.setattr(hrf_choice, "N_VOXELS_BATCH", 50)
    found, whole = study.estimate(estimator), estimates(estimator)
    np.testing.assert_array_equal(found.estimation.hrf_index, whole.estimation.hrf_index)
    # Products of other widths round otherwise in float32.
    np.testing.assert_allclose(found.values, whole.values, atol=1e-3)


@pytest.mark.parametrize("estimator", ["hrf-denoise", "hrf-denoise-ridge"])
def test_masks_with_the_brain_beside_them_are_estimated_as_in_the_brain(study, estimates, estimator):
    masked = study.with_bold([run.bold[:, :100] for run in study.runs])
    for number, run in enumerate(study.runs):
        masked = masked.with_run(number, pool=run.bold)
    found, whole = masked.estimate(estimator), estimates(estimator)
    assert found.estimation.n_pool == whole.estimation.n_pool > 0
    np.testing.assert_array_equal(found.estimation.hrf_index, whole.estimation.hrf_index[:100])


@pytest.mark.parametrize("estimator", ["tr34", "lss", "hrf-denoise-ridge"])
@settings(max_examples=2, deadline=None, derandomize=True)
@given(power=st.integers(-6, 6), seed=st.integers(0, 99))
def test_scale_and_order_of_voxels(study, estimates, estimator, power, seed):
    order = np.random.default_rng(seed).permutation(216)
    changed = study.with_bold([(run.bold * np.float32(2.0**power))[:, order] for run in study.runs])
    # A power of two scales float32 exactly; sums over voxels in another order round otherwise.
    np.testing.assert_allclose(
        changed.estimate(estimator).values, estimates(estimator).values[:, order], atol=2e-3
    )


@pytest.mark.parametrize("estimator", ["tr34", "lss", "hrf-denoise-ridge"])
@settings(max_examples=2, deadline=None, derandomize=True)
@given(seed=st.integers(0, 99))
def test_what_follows_confounds_changes_nothing(study, estimates, estimator, seed):
    rng = np.random.default_rng(seed)
    bold = []
    for run in study.runs:
        centred = run.confounds - run.confounds.mean(axis=0)
        centred = centred - centred.mean(axis=0)
        bold.append((run.bold + 20 * centred @ rng.standard_normal((2, 216))).astype(np.float32))
    found = study.with_bold(bold).estimate(estimator)
    # float32 of 1,000 holds 6e-5, 1e-4 of the noise; a fraction may move by a step where two score alike.
    assert np.abs(found.values - estimates(estimator).values).mean() < 2e-3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA GPU")
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_gpu_finds_what_the_processor_does(study, estimator):
    there = estimate_responses(study.runs, study.trials, study.voxels, estimator, device=torch.device("cuda"))
    here = study.estimate(estimator)
    # Sums run in another order in float32, and may tip a voxel to the next fraction of the grid.
    differences = np.abs(there.values - here.values).max(axis=0)
    assert np.mean(differences < 1e-3) > 0.95
