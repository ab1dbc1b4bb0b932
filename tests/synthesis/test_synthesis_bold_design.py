"""Designs: every image as often as asked for, spread over runs, at the pace asked for, within the scan."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidsapp_synthfmri.errors import UsageError
from bidsapp_synthfmri.synthesis.bold_design import PACES, balanced_runs, plan_runs, require_within

STIMULI = tuple(f"{number:03d}.jpg" for number in range(50))


def planned(pace="slow", seed=0, stimuli=STIMULI, **options):
    chosen = {"repetition_time": 2.0, "rng": np.random.default_rng(seed), **options}
    return plan_runs(stimuli, PACES[pace], **chosen)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    n_stimuli=st.integers(1, 40), repeats=st.integers(1, 6), n_runs=st.integers(1, 8), seed=st.integers(0, 99)
)
def test_presentations_are_balanced_over_runs(n_stimuli, repeats, n_runs, seed):
    runs = balanced_runs(n_stimuli, repeats, n_runs, np.random.default_rng(seed))
    assert Counter(np.concatenate(runs).tolist()) == dict.fromkeys(range(n_stimuli), repeats)
    sizes = [len(run) for run in runs]
    assert max(sizes) - min(sizes) <= 1
    for run in runs:
        times_shown = Counter(run.tolist())
        assert max(times_shown.values(), default=0) <= -(-repeats // n_runs)
        if len(set(times_shown.values())) == 1 and len(times_shown) > 1:
            assert (run[1:] != run[:-1]).all()


def test_a_slow_design_has_a_trial_every_ten_seconds_and_rests_at_both_ends():
    runs = planned(repeats=3, n_runs=5)
    assert [run.run for run in runs] == ["01", "02", "03", "04", "05"]
    for run in runs:
        assert len(run.trials) == 30
        np.testing.assert_allclose(run.trials["onset"], 6 + 10 * np.arange(30.0))
        assert (run.trials["duration"] == 1).all()
        assert run.n_volumes == (6 + 290 + 22) / 2


def test_a_rapid_design_is_jittered_off_the_grid_with_blanks():
    runs = planned("rapid", repeats=4, n_runs=4, repetition_time=1.5)
    for run in runs:
        onsets = run.trials["onset"].to_numpy()
        steps = np.diff(onsets)
        assert steps.min() > 3
        assert 4 < steps.mean() < 6
        assert (steps > 7).any()  # a blank
        assert len(np.unique(np.round(onsets % 1.5, 3))) > 40
        assert onsets[0] >= 6
        assert run.n_volumes * 1.5 >= onsets[-1] + 22
    assert len({run.n_volumes for run in runs}) == 1


@pytest.mark.parametrize(("pace", "most"), [("slow", 37), ("rapid", 60)])
def test_without_a_number_runs_have_their_usual_length(pace, most):
    runs = planned(pace, repeats=4)
    assert max(len(run.trials) for run in runs) <= most
    assert len(runs) == -(-200 // most)


def test_a_seed_decides_the_design():
    one, same, other = planned("rapid"), planned("rapid"), planned("rapid", seed=1)
    assert all(a.trials.equals(b.trials) for a, b in zip(one, same, strict=True))
    assert not one[0].trials.equals(other[0].trials)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"repeats": 0}, "0 presentations"),
        ({"n_runs": 26}, "50 trials cannot fill 26 runs"),
        ({"n_runs": 0}, "cannot fill 0 runs"),
        ({"stimuli": ("a.jpg",)}, "1 trials cannot fill 1 runs"),
    ],
)
def test_designs_that_cannot_be_are_refused(options, words):
    with pytest.raises(UsageError, match=words):
        planned(**options)


def test_trials_after_the_last_volume_are_refused_with_their_number():
    (run,) = planned(n_runs=1, n_volumes=200)
    with pytest.raises(UsageError, match="10 of 50 trials of run 01"):
        require_within(run, 2.0)
    require_within(run, 2.6)
