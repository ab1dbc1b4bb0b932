"""What the ladder does with too few repeats or no noise pool, and what it may not look at."""

from dataclasses import replace

import numpy as np
import pytest

from bidsapp_synthfmri.errors import InputMalformedError
from bidsapp_synthfmri.responses import RunData, estimate_responses
from bidsapp_synthfmri.responses.denoising import MIN_POOL
from bidsapp_synthfmri.responses.repeats import MIN_TUNING_STIMULI
from bidsapp_synthfmri.simulate.ladder import FAST, simulate_ladder

TUNED = ("hrf-denoise", "hrf-denoise-ridge")
tuned = pytest.mark.parametrize("estimator", TUNED)


def assert_hrf_was_used(responses, asked, hrf, n_repeated):
    assert responses.estimator == "hrf"
    assert responses.estimation.asked == asked
    assert responses.estimation.n_components is None
    assert responses.estimation.fraction is None
    assert responses.estimation.optimism is None
    assert responses.estimation.n_tuning_stimuli == 0
    note = responses.estimation.notes[0]
    assert note.startswith(f"{n_repeated} stimuli were shown in more than one run; {asked}")
    np.testing.assert_array_equal(responses.values, hrf.values)


@tuned
@pytest.mark.parametrize("n_repeated", [0, 1, MIN_TUNING_STIMULI - 1])
def test_too_few_repeats_fall_back_to_hrf_and_say_so(study, estimates, estimator, n_repeated):
    names = study.trials.table["stimulus"]
    number = names.str.extract(r"repeated_(\d+)")[0].astype(float)
    unique = np.array([f"unique_{place}" for place in range(len(names))])
    few = study.with_stimuli(np.where(number < n_repeated, names, unique))
    assert_hrf_was_used(few.estimate(estimator), estimator, estimates("hrf"), n_repeated)


@tuned
def test_enough_repeats_are_used(study, estimator):
    names = study.trials.table["stimulus"]
    number = names.str.extract(r"repeated_(\d+)")[0].astype(float)
    unique = np.array([f"unique_{place}" for place in range(len(names))])
    responses = study.with_stimuli(np.where(number < MIN_TUNING_STIMULI, names, unique)).estimate(estimator)
    assert responses.estimator == estimator
    assert responses.estimation.n_tuning_stimuli == MIN_TUNING_STIMULI
    assert responses.estimation.n_tuning_trials == 4 * MIN_TUNING_STIMULI
    assert np.isfinite(responses.estimation.optimism)


@tuned
def test_repeats_within_one_run_do_not_count(study, estimates, estimator):
    names = [f"run_{run}_{place % 7}" for place, run in enumerate(study.trials.run_index)]
    assert_hrf_was_used(study.with_stimuli(names).estimate(estimator), estimator, estimates("hrf"), 0)


@tuned
def test_one_run_alone(make_study, estimator):
    alone = make_study(n_volumes=(88,), tr=(2.0,), sessions=("01",))
    assert_hrf_was_used(alone.estimate(estimator), estimator, alone.estimate("hrf"), 0)


@tuned
@pytest.mark.parametrize("n_pool", [0, 1, 2 * MIN_POOL - 1])
def test_a_pool_too_small_removes_nothing_and_says_so(study, estimator, n_pool):
    rng = np.random.default_rng(0)
    small = study
    for number in range(4):
        series = (1000 + rng.standard_normal((88, n_pool))).astype(np.float32)
        small = small.with_run(number, pool=series)
    responses = small.estimate(estimator)
    assert responses.estimation.n_pool == 0
    assert any("no noise components" in note for note in responses.estimation.notes)
    if estimator == "hrf-denoise":
        assert responses.estimator == "hrf"
        np.testing.assert_array_equal(responses.values, small.estimate("hrf").values)
    else:
        assert responses.estimator == estimator
        assert responses.estimation.n_components == 0
        assert responses.estimation.fraction is not None


@tuned
def test_fewer_than_a_handful_of_voxels(make_study, estimator):
    """Two voxels of a mask, no brain around it: estimated by what remains of the rung."""
    responses = make_study(n_voxels=2).estimate(estimator)
    assert responses.values.shape == (60, 2)
    assert np.isfinite(responses.values).all()


@pytest.mark.parametrize("estimator", ["lsa", "hrf", *TUNED])
def test_voxels_usable_in_some_runs_each_but_in_none_together_are_refused(make_study, estimator):
    study = make_study()
    for number, run in enumerate(study.runs):
        run.bold[:, number::4] = 0
    with pytest.raises(InputMalformedError, match=r"in every run|All runs together"):
        study.estimate(estimator)


@tuned
def test_labels_outside_tuning_change_nothing(study, estimator):
    """Held-out stimuli may be anything: which trials repeat them reaches no choice and no value."""
    names = study.trials.table["stimulus"].to_numpy()
    number = study.trials.table["stimulus"].str.extract(r"repeated_(\d+)")[0].astype(float)
    tuning = ~np.isin(number, [8, 9])
    held_out = np.flatnonzero(~tuning)
    assert len(held_out) == 8
    first = study.estimate(estimator, tuning)
    assert first.estimator == estimator
    assert first.estimation.n_tuning_stimuli == 8
    for seed in range(2):
        shuffled = names.copy()
        shuffled[held_out] = np.random.default_rng(seed).permutation(names[held_out])
        again = study.with_stimuli(shuffled).estimate(estimator, tuning)
        assert again.values.tobytes() == first.values.tobytes()
        assert again.estimation.n_components == first.estimation.n_components
        assert again.estimation.component_scores == first.estimation.component_scores
        assert again.estimation.optimism == first.estimation.optimism
        np.testing.assert_array_equal(again.estimation.fraction, first.estimation.fraction)


def test_labels_inside_tuning_do_matter(study, estimates):
    names = study.trials.table["stimulus"].to_numpy()
    repeated = np.flatnonzero(study.trials.table["stimulus"].str.startswith("repeated"))
    shuffled = names.copy()
    shuffled[repeated] = np.random.default_rng(0).permutation(names[repeated])
    responses = study.with_stimuli(shuffled).estimate("hrf-denoise-ridge")
    truth = estimates("hrf-denoise-ridge").estimation
    # Labels without meaning: no fraction brings repeats together, and reliability is that of chance.
    assert max(responses.estimation.component_scores) < 0.5 * max(truth.component_scores)


def test_where_trials_are_crowded_separate_fits_are_recommended():
    config = replace(FAST, n_sessions=1, n_runs=2, n_repeated=2, n_voxels=216)
    data = simulate_ladder(config, np.random.default_rng(0))
    runs = [
        RunData(f"run-{number}", bold, onsets, durations, np.empty((len(bold), 0)), data.tr, 0.0)
        for number, (bold, onsets, durations) in enumerate(
            zip(data.bold, data.onsets, data.durations, strict=True)
        )
    ]
    responses = estimate_responses(runs, data.trials(), data.voxels(), "hrf-denoise-ridge")
    assert responses.estimator == "hrf"
    assert any("--responses lss" in note for note in responses.estimation.notes)
