from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bidsapp_synthfmri.errors import UsageError
from bidsapp_synthfmri.simulate.hrf_family import HORIZON, HrfFamily
from bidsapp_synthfmri.simulate.ladder import FAST, LadderConfig, LadderData, simulate_ladder
from bidsapp_synthfmri.simulate.structured_noise import StructuredNoise, components

SMALL = LadderConfig(n_sessions=2, n_runs=2, n_repeated=8, n_voxels=216)
QUIET = replace(SMALL, signal=(50.0, 60.0), mean_response=0.0, hrf=HrfFamily((5.0, 5.0)))


def made(config: LadderConfig, seed: int = 0) -> LadderData:
    return simulate_ladder(config, np.random.default_rng(seed))


def test_least_squares_with_the_true_response_recovers_what_was_evoked() -> None:
    family = HrfFamily((5.0, 5.0), (0.45, 0.45), (0.2, 0.2), (9.0, 9.0), (4.0, 4.0))
    data = made(replace(QUIET, hrf=family))
    one = family.draw(1, np.random.default_rng(0))
    for run, (bold, onsets) in enumerate(zip(data.bold, data.onsets, strict=True)):
        lags = np.arange(len(bold))[:, None] * data.tr - onsets
        regressors = one.response(np.clip(lags, -1, HORIZON - 1).ravel(), 1.0).reshape(lags.shape)
        design = np.column_stack([regressors, np.ones(len(bold))])
        found = np.linalg.lstsq(design, bold[:, data.driven], rcond=None)[0][:-1]
        truth = data.evoked[data.run == run][:, data.driven]
        r = [np.corrcoef(a, b)[0, 1] for a, b in zip(found.T, truth.T, strict=True)]
        # Noise is a fiftieth of the signal; what else differs is durations' spread, 3% of a response.
        assert min(r) > 0.99


def test_the_same_seed_gives_the_same_data() -> None:
    first, again, other = made(SMALL), made(SMALL), made(SMALL, seed=1)
    for name in ("stimulus", "signal", "evoked", "peak_time", "driven"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    np.testing.assert_array_equal(first.bold, again.bold)
    assert not np.array_equal(first.bold[0], other.bold[0])


def test_peaks_spread_over_the_range_asked_for() -> None:
    data = made(replace(SMALL, n_voxels=1000))
    peaks = data.peak_time[data.driven]
    assert np.isnan(data.peak_time[~data.driven]).all()
    # A stimulus of a second adds half of one to the density's mode; the undershoot takes some away.
    assert 3.3 < peaks.min() < 4
    assert 8.3 < peaks.max() < 9.2
    assert np.histogram(peaks, 5)[0].min() > len(peaks) / 10


def test_voxels_that_are_not_driven_share_noise_but_no_response() -> None:
    data = made(
        replace(SMALL, signal=(0.01, 0.01), noise=StructuredNoise(n_components=1, share=0.8, drift=0))
    )
    assert (data.signal[:, ~data.driven] == 0).all()
    assert (data.signal[:, data.driven].std(axis=0) > 0).all()
    driven, other = (data.bold[0][:, mask].mean(axis=1) for mask in (data.driven, ~data.driven))
    assert np.corrcoef(driven, other)[0, 1] > 0.95


def test_design_is_as_configured() -> None:
    data = made(SMALL)
    counts = np.bincount(data.stimulus)
    assert sorted(np.unique(counts)) == [1, 4]
    assert (counts == 4).sum() == 8
    repeated = np.flatnonzero(counts == 4)
    assert all(len(np.unique(data.session[data.stimulus == stimulus])) == 2 for stimulus in repeated)
    same = [data.signal[data.stimulus == stimulus] for stimulus in repeated]
    assert all((rows == rows[0]).all() for rows in same)
    assert len(data.bold) == 4
    assert data.bold[0].shape == (194, 216)
    assert data.bold[0].dtype == np.float32
    off_grid = np.concatenate(data.onsets) % data.tr
    assert (off_grid > 1e-6).all()
    trials = data.trials()
    np.testing.assert_array_equal(trials.session_index, data.session)
    np.testing.assert_array_equal(trials.run_index, data.run)
    assert trials.table["stimulus"].nunique() == len(counts)
    assert len(data.voxels()) == 216
    assert data.voxels().membership.sum() == data.driven.sum() == 108


def test_fast_design_overlaps_and_ends_within_its_run() -> None:
    data = made(replace(FAST, n_sessions=1, n_runs=1, n_repeated=4, n_voxels=64))
    assert np.diff(data.onsets[0]).max() < 4.1
    assert data.onsets[0][-1] + 12 < len(data.bold[0]) * data.tr


def test_units_are_the_scanners() -> None:
    data = made(SMALL)
    means = np.mean(data.bold, axis=(0, 1))
    assert 8_000 < np.median(means) < 12_500
    assert means.min() > 3_000
    assert np.isfinite(data.bold).all()


def test_components_are_autocorrelated_and_standard() -> None:
    courses = components(3, 400, 2.0, np.random.default_rng(0))
    np.testing.assert_allclose(courses.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(courses.std(axis=0), 1)
    power = np.abs(np.fft.rfft(courses, axis=0)) ** 2
    assert (np.sort(power, axis=0)[-40:].sum(axis=0) > 0.7 * power.sum(axis=0)).all()  # white noise: 0.5


def test_repeats_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UsageError, match="exceed"):
        LadderConfig(n_sessions=1, n_runs=1, n_repeated=100)
