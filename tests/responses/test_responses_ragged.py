"""Runs as scanners leave them: unequal, cut short, with trials at and beyond their ends."""

import numpy as np
import pytest

from bidsapp_synthfmri.config import ESTIMATORS
from bidsapp_synthfmri.errors import DesignError
from bidsapp_synthfmri.responses.design import (
    frame_times,
    nuisance_basis,
    residualise,
    trial_regressors,
)

MODELLED = [name for name in ESTIMATORS if name != "tr34"]
every_rung = pytest.mark.parametrize("estimator", ESTIMATORS)
every_model = pytest.mark.parametrize("estimator", MODELLED)


def correlation_with_truth(responses, study):
    """Mean over driven voxels of the correlation with what was evoked, within session."""
    rows = kept_rows(responses, study)
    sessions = responses.trials.table["session"].to_numpy()
    scores = []
    for session in np.unique(sessions):
        here = sessions == session
        truth, found = study.amplitudes[rows][here], responses.values[here]
        for voxel in range(truth.shape[1] // 2):
            scores.append(np.corrcoef(truth[:, voxel], found[:, voxel])[0, 1])
    return float(np.mean(scores))


def kept_rows(responses, study):
    """(n_kept,) positions of the responses' trials among the study's, by run and onset."""
    keys = list(zip(study.trials.table["run"], study.trials.table["onset"], strict=True))
    kept = zip(responses.trials.table["run"], responses.trials.table["onset"], strict=True)
    return np.array([keys.index(key) for key in kept])


@every_rung
def test_runs_of_different_lengths_intervals_and_numbers_of_trials(make_study, regular_onsets, estimator):
    onsets = [regular_onsets(15), regular_onsets(11), regular_onsets(13), regular_onsets(14)]
    study = make_study(onsets, n_volumes=(88, 90, 110, 170), tr=(2.0, 1.5, 1.333, 1.0), noise=0.3)
    responses = study.estimate(estimator)
    assert len(responses.values) == len(responses.trials) == 15 + 11 + 13 + 14
    assert responses.estimator == estimator
    # Noise of a third of the signal's SD, over several volumes a trial: .8 is far below what is found
    # where rows are right and far above what any other order of rows gives.
    assert correlation_with_truth(responses, study) > 0.8


def share_left(run, onset):
    """Length of what is left of a trial's regressor in a run, over the length of all of it."""
    times = frame_times(len(run.bold), run.repetition_time, 0.0)
    whole = np.linalg.norm(
        trial_regressors(np.array([onset]), np.ones(1), np.arange(-20, 120) * run.repetition_time)
    )
    left = trial_regressors(np.array([onset]), np.ones(1), times)
    return np.linalg.norm(residualise(left, nuisance_basis(times, run.confounds))) / whole


def with_extra(make_study, regular_onsets, onset, first=False):
    """A study whose first run has one more trial, at the end or in front, of amplitude 8 percent."""
    regular = [regular_onsets() for _ in range(4)]
    plain = make_study(regular, noise=0.5)
    onsets = [np.r_[onset, regular[0]] if first else np.r_[regular[0], onset], *regular[1:]]
    study = make_study(onsets, noise=0.5)
    run = plain.runs[0]
    trace = trial_regressors(np.array([onset]), np.ones(1), frame_times(len(run.bold), 2.0, 0.0))
    durations = np.r_[1.0, run.durations] if first else np.r_[run.durations, 1.0]
    bold = (run.bold + 80 * trace).astype(np.float32)
    names = plain.trials.table["stimulus"].tolist()
    names.insert(0 if first else 15, "extra")
    runs = [study.runs[0].__class__(run.label, bold, onsets[0], durations, run.confounds, 2.0, 0.0)]
    study = study.with_stimuli(names)
    return plain, type(study)([*runs, *plain.runs[1:]], study.trials, study.voxels, study.amplitudes)


@every_model
@pytest.mark.parametrize(("onset", "first"), [(173.4, False), (-14.0, True)])
def test_a_trial_with_little_left_is_dropped_and_counted(make_study, regular_onsets, estimator, onset, first):
    plain, study = with_extra(make_study, regular_onsets, onset, first)
    assert share_left(study.runs[0], onset) < 0.25
    responses, without = study.estimate(estimator), plain.estimate(estimator)
    dropped = responses.estimation.dropped_trials
    assert dropped["stimulus"].tolist() == ["extra"]
    assert dropped["onset"].tolist() == [onset]
    assert "less than a quarter" in dropped["reason"].iloc[0]
    assert any(
        note.startswith("1 of 61 trials could not be estimated") for note in responses.estimation.notes
    )
    assert "extra" not in responses.trials.stimuli
    assert responses.trials.table["stimulus"].tolist() == without.trials.table["stimulus"].tolist()
    # One more nuisance column moves estimates a little; the remainder of a response eight times theirs,
    # were it left in, would move the trials next to it by several SDs.
    assert np.abs(responses.values - without.values).mean() < 0.1
    near = 0 if first else 14
    rows = responses.values[near] - without.values[near]
    assert np.sqrt((rows**2).mean()) < 0.75


@every_model
@pytest.mark.parametrize(("onset", "first"), [(168.0, False), (-6.0, True)])
def test_a_trial_with_enough_left_is_kept_and_counted(make_study, regular_onsets, estimator, onset, first):
    _, study = with_extra(make_study, regular_onsets, onset, first)
    assert 0.25 < share_left(study.runs[0], onset) < 0.95
    responses = study.estimate(estimator)
    assert len(responses.estimation.dropped_trials) == 0
    assert len(responses.values) == 61
    # Fifteen regular trials end before the scan does; the one at its edge is cut.
    assert any(note.startswith("1 trials were kept although") for note in responses.estimation.notes)


def test_tr34_drops_by_its_window_alone(make_study, regular_onsets):
    for onset, kept in [(171.0, True), (173.4, False), (-4.0, True), (-14.0, False)]:
        _, study = with_extra(make_study, regular_onsets, onset, first=onset < 0)
        responses = study.estimate("tr34")
        assert ("extra" in responses.trials.stimuli) == kept
        if not kept:
            assert "4-8 s" in responses.estimation.dropped_trials["reason"].iloc[0]


@every_rung
def test_dropped_trials_keep_rows_stimuli_and_values_aligned(make_study, estimator):
    """Amplitudes are recovered row by row, though trials are missing in front, between and at the end."""
    onsets = [
        np.r_[-30.0, 5.7 + 10 * np.arange(15), 190.0],
        np.r_[5.7 + 10 * np.arange(15), 190.0, 200.0],
        np.r_[-40.0, -30.0, 5.7 + 10 * np.arange(15)],
        5.7 + 10 * np.arange(15),
    ]
    study = make_study(onsets, noise=0.3)
    responses = study.estimate(estimator)
    outside = study.trials.table["onset"].between(0, 175)
    kept = study.trials.table[outside].reset_index(drop=True)
    assert responses.trials.table["onset"].tolist() == kept["onset"].tolist()
    assert responses.trials.table["stimulus"].tolist() == kept["stimulus"].tolist()
    assert len(responses.estimation.dropped_trials) == (~outside).sum() == 6
    assert correlation_with_truth(responses, study) > 0.8  # see above


@every_rung
def test_two_stimuli_at_one_onset_are_refused_by_name(make_study, regular_onsets, estimator):
    doubled = np.sort(np.r_[regular_onsets(), regular_onsets()[4]])
    study = make_study([regular_onsets(), doubled, regular_onsets(), regular_onsets()])
    with pytest.raises(DesignError, match="run-02"):
        study.estimate(estimator)


@pytest.mark.parametrize("estimator", ["tr34", "lss", "hrf-denoise-ridge"])
@pytest.mark.parametrize("apart", [1.0, 2.0])
def test_overlapping_trials_are_estimated(make_study, regular_onsets, estimator, apart):
    close = np.sort(np.r_[regular_onsets(), regular_onsets()[4] + apart])
    study = make_study([regular_onsets(), close, regular_onsets(), regular_onsets()], noise=0.3)
    responses = study.estimate(estimator)
    assert len(responses.values) == 61
    assert np.isfinite(responses.values).all()
    assert correlation_with_truth(responses, study) > 0.75


@every_rung
def test_a_run_with_one_trial(make_study, regular_onsets, estimator):
    study = make_study([regular_onsets(), np.array([40.3]), regular_onsets(), regular_onsets()], noise=0.3)
    responses = study.estimate(estimator)
    assert len(responses.values) == 46
    assert correlation_with_truth(responses, study) > 0.8


@every_rung
@pytest.mark.parametrize("number", [0, 1, 3])
def test_a_run_all_of_whose_trials_are_dropped(make_study, regular_onsets, estimator, number):
    onsets = [regular_onsets() for _ in range(4)]
    onsets[number] = np.array([300.0, 310.0])
    study = make_study(onsets, noise=0.3)
    responses = study.estimate(estimator)
    assert len(responses.values) == 45
    assert len(responses.estimation.dropped_trials) == 2
    assert set(responses.estimation.dropped_trials["run"]) == {f"{number + 1:02d}"}
    assert responses.estimation.n_volumes == 4 * 88
    assert correlation_with_truth(responses, study) > 0.8


@every_rung
def test_a_run_without_trials(make_study, regular_onsets, estimator):
    study = make_study([regular_onsets(), np.empty(0), regular_onsets(), regular_onsets()], noise=0.3)
    responses = study.estimate(estimator)
    assert len(responses.values) == 45
    assert correlation_with_truth(responses, study) > 0.8


@every_rung
def test_all_trials_dropped_is_an_error(make_study, estimator):
    study = make_study([np.array([400.0, 420.0])] * 4)
    with pytest.raises(DesignError, match="None of 8 trials"):
        study.estimate(estimator)


@every_rung
def test_the_last_run_much_shorter_than_the_others(make_study, regular_onsets, estimator):
    onsets = [*(regular_onsets() for _ in range(3)), regular_onsets(3)]
    study = make_study(onsets, n_volumes=(88, 88, 88, 24), noise=0.3)
    responses = study.estimate(estimator)
    assert len(responses.values) == 48
    assert correlation_with_truth(responses, study) > 0.8
