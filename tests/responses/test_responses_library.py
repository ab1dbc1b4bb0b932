"""The library of haemodynamic responses: what its docstring says of it."""

import re
from itertools import product

import numpy as np
import pytest

from bidsapp_synthfmri.responses.hrf import Hrf, boxcar_response
from bidsapp_synthfmri.responses.library import hrf_library

TIMES = np.arange(0, 40, 0.1)


def curve(hrf):
    return hrf.density(TIMES)


def test_twenty_in_order_of_their_time_to_peak():
    library = hrf_library()
    peaks = [hrf.time_to_peak for hrf in library]
    assert len(library) == len(set(library)) == 20
    assert (np.diff(peaks) > 0).all()
    assert peaks[0] == pytest.approx(2.75, abs=0.05)
    assert peaks[-1] == pytest.approx(7.7, abs=0.05)


def test_times_to_peak_are_where_the_response_is_largest():
    fine = np.arange(0, 12, 1e-3)
    for hrf in hrf_library():
        assert hrf.time_to_peak == pytest.approx(fine[np.argmax(hrf.density(fine))], abs=2e-3)


@pytest.mark.parametrize("duration", [0.0, 1.0, 6.0])
def test_responses_peak_at_one(duration):
    fine = np.arange(-5, 40, 0.01)
    for hrf in hrf_library():
        # The grid misses the peak by at most .005 s, where the narrowest curve falls by 2e-5.
        assert boxcar_response(fine, np.array(duration), hrf).max() == pytest.approx(1, abs=5e-5)


def family():
    """The docstring's: modes, scales, delays and weights, those of its widths and undershoots."""
    members = []
    for mode, scale, delay, weight in product(
        np.arange(2.5, 8.01, 0.25), np.arange(0.3, 1.81, 0.1), (4.5, 7.0, 10.0), (0.0, 0.15, 0.35, 0.55)
    ):
        values = curve(Hrf(mode, scale, mode + delay, 1.0, weight))
        high = TIMES[values >= values.max() / 2]
        width = high[-1] - high[0]
        early_is_narrow = 0.5 * mode + 0.8 <= width <= 1.3 * mode + 0.5
        if 2.7 <= width <= 6.5 and early_is_narrow and -values.min() <= 0.35 * values.max():
            members.append(values)
    return np.array(members)


def test_the_library_covers_its_family_as_the_docstring_says():
    docstring = hrf_library.__doc__ or ""
    mean, worst = (
        float(number) for number in re.findall(r"(\.\d+) in the mean, (\.\d+) at worst", docstring)[0]
    )
    members, library = family(), np.array([curve(hrf) for hrf in hrf_library()])
    members /= np.linalg.norm(members, axis=1, keepdims=True)
    library /= np.linalg.norm(library, axis=1, keepdims=True)
    nearest = ((members @ library.T) ** 2).max(axis=1)
    # Widths are read off a grid of .1 s: a few members lie on a bound and fall either way by rounding.
    stated = int(re.findall(r"([\d,]+) double gammas", docstring)[0].replace(",", ""))
    assert len(members) == pytest.approx(stated, rel=0.03)
    # The docstring rounds to .001 and .01.
    assert nearest.mean() == pytest.approx(mean, abs=0.0006)
    assert nearest.min() == pytest.approx(worst, abs=0.006)
